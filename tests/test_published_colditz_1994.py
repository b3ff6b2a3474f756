"""Colditz et al. (1994), JAMA 271:698: BCG vaccine against tuberculosis, 13 trials. Data: table 1."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.likelihood.batch import fit_batch
from consilience.models import fit
from consilience.records import Effects, Spec
from published_data import dataset, plain


def log_risk_ratios() -> tuple[Effects, np.ndarray]:
    """The effects and the latitude of each trial."""
    t = dataset("glmm_mh_peto", "bcg")
    y = np.log(t["ai"] * (t["ci"] + t["di"]) / (t["ci"] * (t["ai"] + t["bi"])))
    v = 1 / t["ai"] - 1 / (t["ai"] + t["bi"]) + 1 / t["ci"] - 1 / (t["ci"] + t["di"])
    return plain(y, v), t["ablat"]


def test_risk_ratio() -> None:
    """Abstract: relative risk of tuberculosis 0.49 (95% CI 0.34 to 0.70), DerSimonian-Laird."""
    c = fit(log_risk_ratios()[0], Spec.random_effects("DL", "z")).coefficients
    printed = [round(float(np.exp(x[0])), 2) for x in (c.estimate, c.ci_low, c.ci_high)]
    assert printed == [0.49, 0.34, 0.70]


@pytest.mark.parametrize(("moderated", "expected"), [(False, 0.317955566121), (True, 0.117988028061)])
def test_two_step_dersimonian_laird(moderated: bool, expected: float) -> None:
    """DL2 is the general moment at weights 1/(v + DL); numbers of metafor 3.8.1, method GENQ with those weights."""
    effects, latitude = log_risk_ratios()
    x = np.column_stack([np.ones(13), latitude]) if moderated else None
    assert float(fit_batch(effects.y, effects.v, x, method="DL2").tau2[0]) == pytest.approx(
        expected, rel=1e-10
    )
