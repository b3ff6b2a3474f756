"""Published analyses with one effect per study, to the digits printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from consilience.inference.intervals import heterogeneity_intervals
from consilience.likelihood.batch import fit_batch
from consilience.models import fit, predict
from consilience.models.compare import likelihood_ratio_test
from consilience.records import Design, Effects, Fit, Spec

REFERENCE = Path(__file__).parent / "reference"


def effects(y: np.ndarray, v: np.ndarray) -> Effects:
    return Effects(np.asarray(y), np.asarray(v), np.array([f"s{i}" for i in range(len(y))], dtype=object))


def log_odds_ratios(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> Effects:
    return effects(np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d)


def bcg() -> dict[str, np.ndarray]:
    """The 13 BCG vaccine trials (Colditz et al. 1994): a, b, c, d and latitude."""
    content = json.loads((REFERENCE / "glmm_mh_peto.json").read_text(encoding="utf-8"))
    return {name: np.array(values, dtype=float) for name, values in content["datasets"]["bcg"].items()}


def with_x(x: np.ndarray) -> Design:
    return Design(np.column_stack([np.ones(len(x)), x]), ("intercept", "x"))


def test_colditz_1994_bcg_risk_ratio() -> None:
    """JAMA 271:698, abstract: relative risk of tuberculosis 0.49 (95% CI 0.34 to 0.70), DerSimonian-Laird."""
    t = bcg()
    y = np.log(t["ai"] * (t["ci"] + t["di"]) / (t["ci"] * (t["ai"] + t["bi"])))
    v = 1 / t["ai"] - 1 / (t["ai"] + t["bi"]) + 1 / t["ci"] - 1 / (t["ci"] + t["di"])
    c = fit(effects(y, v), Spec.random_effects("DL", "z")).coefficients
    printed = [round(float(np.exp(x[0])), 2) for x in (c.estimate, c.ci_low, c.ci_high)]
    assert printed == [0.49, 0.34, 0.70]


def test_van_houwelingen_2002_bcg_odds_ratio() -> None:
    """Stat Med 21:589, section 3: ML mean -0.742 (SE 0.178), tau^2 0.302 with profile interval 0.12 to 0.89."""
    t = bcg()
    data = log_odds_ratios(t["ai"], t["bi"], t["ci"], t["di"])
    found = fit(data, Spec.random_effects("ML", "z"))
    assert round(float(found.coefficients.estimate[0]), 3) == -0.742
    assert round(float(found.coefficients.se[0]), 3) == 0.178
    assert round(found.components.total, 3) == 0.302
    limits = heterogeneity_intervals(found, method="profile-likelihood").tau2
    assert (round(limits.low, 2), round(limits.high, 2)) == (0.12, 0.89)


def test_van_houwelingen_2002_latitude() -> None:
    """Section 4: log odds ratio = 0.371 (0.106) - 0.0327 (0.0034) latitude, residual tau^2 0.004 (ML)."""
    t = bcg()
    data = log_odds_ratios(t["ai"], t["bi"], t["ci"], t["di"])
    found = fit(data, Spec.random_effects("ML", "z"), design=with_x(t["ablat"]))
    c = found.coefficients
    assert [round(float(x), 3) for x in (c.estimate[0], c.se[0])] == [0.371, 0.106]
    assert [round(float(x), 4) for x in (c.estimate[1], c.se[1])] == [-0.0327, 0.0034]
    assert round(found.components.total, 3) == 0.004
    assert found.omnibus is not None
    assert found.omnibus.statistic == pytest.approx(float(c.statistic[1]) ** 2, rel=1e-12)
    plain = fit(data, Spec.random_effects("ML", "z"))
    assert likelihood_ratio_test(found, plain).statistic == pytest.approx(
        2 * (found.loglik - plain.loglik), rel=1e-12
    )


@pytest.fixture
def expectancy() -> tuple[Effects, np.ndarray]:
    """19 experiments on teacher expectancy (Raudenbush 1984) and weeks of prior contact, 3 or more as 3."""
    content = json.loads((REFERENCE / "rma_uni.json").read_text(encoding="utf-8"))
    columns = {n: v for n, v in content["datasets"]["raudenbush1985"].items() if n in ("yi", "vi", "x")}
    data = {name: np.array(values, dtype=float) for name, values in columns.items()}
    return effects(data["yi"], data["vi"]), np.minimum(data["x"], 3)


def test_raudenbush_1985_teacher_expectancy(expectancy: tuple[Effects, np.ndarray]) -> None:
    """Raudenbush & Bryk (1985), J Educ Stat 10:75, and Raudenbush (2009): mean .084 (.052), tau^2 .019, Q 35.83."""
    data, _ = expectancy
    found = fit(data, Spec.random_effects("REML", "z"))
    assert round(float(found.coefficients.estimate[0]), 3) == 0.084
    assert round(float(found.coefficients.se[0]), 3) == 0.052
    assert round(found.components.total, 3) == 0.019
    assert round(found.heterogeneity.q, 2) == 35.83
    interval = predict(found, interval="tau-only")
    assert (round(float(interval.pi_low[0]), 3), round(float(interval.pi_high[0]), 3)) == (-0.185, 0.353)


def test_raudenbush_1985_weeks(expectancy: tuple[Effects, np.ndarray]) -> None:
    """Same sources: .407 (.087) - .157 (.036) weeks, tau^2 = 0, residual Q 16.57."""
    data, weeks = expectancy
    found = fit(data, Spec.random_effects("REML", "z"), design=with_x(weeks))
    assert [round(float(x), 3) for x in found.coefficients.estimate] == [0.407, -0.157]
    assert [round(float(x), 3) for x in found.coefficients.se] == [0.087, 0.036]
    assert found.components.total == 0
    assert found.optimum.status == "boundary"
    assert round(found.heterogeneity.q, 2) == 16.57
    assert found.heterogeneity.r2 == 100


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


@pytest.mark.parametrize(("moderated", "expected"), [(False, 0.317955566121), (True, 0.117988028061)])
def test_two_step_dersimonian_laird(moderated: bool, expected: float) -> None:
    """DL2 is the general moment at weights 1/(v + DL); numbers of metafor 3.8.1, method GENQ with those weights."""
    t = bcg()
    y = np.log(t["ai"] * (t["ci"] + t["di"]) / (t["ci"] * (t["ai"] + t["bi"])))
    v = 1 / t["ai"] - 1 / (t["ai"] + t["bi"]) + 1 / t["ci"] - 1 / (t["ci"] + t["di"])
    x = np.column_stack([np.ones(13), t["ablat"]]) if moderated else None
    assert float(fit_batch(y, v, x, method="DL2").tau2[0]) == pytest.approx(expected, rel=1e-10)


def test_the_fit_says_what_it_is(diuretics: Effects) -> None:
    found: Fit = fit(diuretics, Spec.random_effects())
    assert found.optimum.status == "converged"
    assert found.optimum.score < 1e-10
    assert found.coefficients.method == "Knapp-Hartung"
    assert found.coefficients.df[0] == 8
    assert fit(diuretics, Spec.equal_effects()).optimum.status == "closed-form"
