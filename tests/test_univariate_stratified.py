"""Mantel-Haenszel and Peto: single tables, invariances, and their variances by simulation."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.likelihood.stratified import Tables, breslow_day, odds_ratio
from consilience.models.stratified import STRATIFIED_MEASURES, mantel_haenszel, peto_odds_ratio

RATES = ("IRR", "IRD")


def counts(measure: str) -> list[np.ndarray]:
    if measure in RATES:
        return [np.array(c, dtype=float) for c in ([7, 3, 12], [90, 55, 130], [15, 4, 9], [100, 40, 60])]
    return [np.array(c, dtype=float) for c in ([7, 3, 12], [83, 52, 118], [15, 4, 9], [85, 36, 51])]


@pytest.mark.parametrize("measure", STRATIFIED_MEASURES)
def test_one_table_gives_its_own_effect(measure: str) -> None:
    table = [c[:1] for c in counts(measure)]
    found = mantel_haenszel(table, measure=measure)
    assert found.coefficients.estimate[0] == pytest.approx(float(found.effects.y[0]), rel=1e-12)
    # the common variance is that of the single table, up to the pooled risk or rate in its binomial part
    assert found.coefficients.se[0] ** 2 == pytest.approx(float(found.effects.v[0]), rel=0.25)


@pytest.mark.parametrize("measure", STRATIFIED_MEASURES)
def test_swapping_the_groups_flips_the_sign(measure: str) -> None:
    a, b, c, d = counts(measure)
    one, other = (
        mantel_haenszel([a, b, c, d], measure=measure),
        mantel_haenszel([c, d, a, b], measure=measure),
    )
    assert one.coefficients.estimate[0] == pytest.approx(-float(other.coefficients.estimate[0]), rel=1e-12)
    assert one.coefficients.se[0] == pytest.approx(float(other.coefficients.se[0]), rel=1e-9)
    assert one.tests["MH"].statistic == pytest.approx(other.tests["MH"].statistic, rel=1e-12)


@pytest.mark.parametrize("measure", STRATIFIED_MEASURES)
def test_the_variance_by_simulation(measure: str) -> None:
    """Common effect, five strata: the mean of the variance formula is the variance of the estimates."""
    rng = np.random.default_rng(4)
    base = np.array([0.1, 0.2, 0.15, 0.3, 0.25])
    n1, n2 = np.array([80, 60, 120, 50, 70]), np.array([75, 80, 100, 60, 55])
    odds = base / (1 - base) * 0.6
    treated = {"OR": odds / (1 + odds), "RR": 0.7 * base, "RD": base - 0.06}.get(measure, base)
    estimates, variances = [], []
    for _ in range(3_000):
        if measure in RATES:
            r1 = base * 0.7 if measure == "IRR" else base - 0.05
            table = [rng.poisson(r1 * n1), n1, rng.poisson(base * n2), n2]
        else:
            a, c = rng.binomial(n1, treated), rng.binomial(n2, base)
            table = [a, n1 - a, c, n2 - c]
        found = mantel_haenszel(table, measure=measure).coefficients
        estimates.append(found.estimate[0])
        variances.append(found.se[0] ** 2)
    assert np.mean(variances) == pytest.approx(np.var(estimates), rel=0.1)


def test_peto_without_effect_by_simulation() -> None:
    rng = np.random.default_rng(5)
    z = []
    for _ in range(3_000):
        a, c = rng.binomial([80, 60, 120], 0.05), rng.binomial([80, 60, 120], 0.05)
        z.append(peto_odds_ratio([a, [80, 60, 120] - a, c, [80, 60, 120] - c]).coefficients.statistic[0])
    assert np.std(z) == pytest.approx(1, abs=0.05)
    assert abs(np.mean(z)) < 0.06


def test_breslow_day_expectations_have_the_common_odds_ratio() -> None:
    """The statistic from its definition, with the expected counts found by mpmath."""
    a, b, c, d = counts("OR")
    log_or = odds_ratio(Tables(a, b, c, d))[0]
    chi2, tarone = mp.mpf(0), (mp.mpf(0), mp.mpf(0))
    for ai, bi, ci, di in zip(a, b, c, d, strict=True):
        n1, n2, m = ai + bi, ci + di, ai + ci
        fitted = mp.findroot(
            lambda t, n1=n1, n2=n2, m=m: t * (n2 - m + t) - mp.exp(log_or) * (n1 - t) * (m - t), float(ai)
        )
        spread = 1 / (1 / fitted + 1 / (n1 - fitted) + 1 / (m - fitted) + 1 / (n2 - m + fitted))
        chi2 += (ai - fitted) ** 2 / spread
        tarone = (tarone[0] + ai - fitted, tarone[1] + spread)
    found = breslow_day(Tables(a, b, c, d), log_or)
    assert found[0] == pytest.approx(float(chi2), rel=1e-10)
    assert found[1] == pytest.approx(float(chi2 - tarone[0] ** 2 / tarone[1]), rel=1e-10)
    assert found[2] == 3


@given(st.lists(st.integers(0, 40), min_size=12, max_size=12), st.sampled_from(["OR", "RR", "RD"]))
@settings(max_examples=80, deadline=None)
def test_an_empty_stratum_changes_nothing(cells: list[int], measure: str) -> None:
    table = np.array(cells, dtype=float).reshape(4, 3)
    try:
        one = mantel_haenszel(list(table), measure=measure)
    except InputError:
        return
    more = np.column_stack([table, [0, 0, 0, 0], [np.nan, 1, 2, 3]])
    other = mantel_haenszel(list(more), measure=measure)
    assert other.coefficients.estimate[0] == one.coefficients.estimate[0]
    assert other.coefficients.se[0] == one.coefficients.se[0]
    assert other.effects.k == one.effects.k


def test_what_is_refused() -> None:
    nothing = [np.array([0.0, 0.0]), np.array([5.0, 5.0]), np.array([0.0, 0.0]), np.array([5.0, 5.0])]
    for measure in ("OR", "RR"):
        with pytest.raises(InputError, match="no events") as caught:
            mantel_haenszel(nothing, measure=measure)
        assert caught.value.code == "no-events"
    with pytest.raises(InputError, match="no events"):
        peto_odds_ratio(nothing)
    with pytest.raises(InputError, match="Study 2 has counts"):
        mantel_haenszel([np.array([1.0, -1.0]), np.ones(2), np.ones(2), np.ones(2)])
    with pytest.raises(InputError, match="Four columns"):
        mantel_haenszel([np.ones(2), np.ones(3), np.ones(2), np.ones(2)])
    with pytest.raises(OptionError, match='Measure "XX"'):
        mantel_haenszel(nothing, measure="XX")
