"""Viechtbauer (2007), Stat Med 26:37: intervals of tau^2, section 4: nine trials of diuretics in pregnancy.

Data: Collins, Yusuf & Peto (1985), BMJ 290:17.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.inference.intervals import heterogeneity_intervals
from consilience.likelihood.batch import fit_batch
from consilience.models import fit
from consilience.records import Effects, Fit, Spec
from published_data import log_odds_ratios


@pytest.fixture
def diuretics() -> Effects:
    """Pre-eclampsia in nine trials of diuretics (Collins, Yusuf & Peto 1985): events and totals, two arms."""
    a, n1, c, n2 = np.array(
        [
            (14, 131, 14, 136),
            (21, 385, 17, 134),
            (14, 57, 24, 48),
            (6, 38, 18, 40),
            (12, 1011, 35, 760),
            (138, 1370, 175, 1336),
            (15, 506, 20, 524),
            (6, 108, 2, 103),
            (65, 153, 40, 102),
        ],
        dtype=float,
    ).T
    return log_odds_ratios(a, n1 - a, c, n2 - c)


@pytest.mark.parametrize(("method", "printed"), [("DL", 0.23), ("ML", 0.24), ("REML", 0.30), ("SJ", 0.46)])
def test_viechtbauer_2007_estimates(diuretics: Effects, method: str, printed: float) -> None:
    """Viechtbauer (2007), Stat Med 26:37, section 4."""
    assert round(float(fit_batch(diuretics.y, diuretics.v, method=method).tau2[0]), 2) == printed


@pytest.mark.parametrize(
    ("method", "interval", "printed"),
    [
        ("DL", "q-profile", (0.07, 2.20)),
        ("ML", "profile-likelihood", (0.03, 1.13)),
        ("REML", "profile-likelihood", (0.04, 1.47)),
    ],
)
def test_viechtbauer_2007_intervals(
    diuretics: Effects, method: str, interval: str, printed: tuple[float, float]
) -> None:
    found = heterogeneity_intervals(fit(diuretics, Spec.random_effects(method)), method=interval).tau2
    assert (round(found.low, 2), round(found.high, 2)) == printed


def test_the_fit_says_what_it_is(diuretics: Effects) -> None:
    found: Fit = fit(diuretics, Spec.random_effects())
    assert found.optimum.status == "converged"
    assert found.optimum.score < 1e-10
    assert found.coefficients.method == "Knapp-Hartung"
    assert found.coefficients.df[0] == 8
    assert fit(diuretics, Spec.equal_effects()).optimum.status == "closed-form"
