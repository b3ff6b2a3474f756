"""Exact factors and identities, against mpmath and against each other's definitions."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from consilience.effects.measures import MEASURES, effect_size
from consilience.effects.small_sample import j_factor


@pytest.mark.parametrize("m", [1.001, 1.5, 2, 3, 10, 39.999, 40, 41, 343, 344, 345, 1e4, 1e8])
def test_j_factor_is_exact(m):
    with mpmath.workdps(60):
        half = mpmath.mpf(m) / 2
        exact = mpmath.exp(
            mpmath.loggamma(half) - mpmath.log(half) / 2 - mpmath.loggamma(half - mpmath.mpf(1) / 2)
        )
        assert float(abs(j_factor(m) / exact - 1)) < 1e-13


def test_j_factor_at_the_ends():
    np.testing.assert_array_equal(j_factor([np.inf, 1e300, 1.0, 0.0, -3.0, np.nan]), [1, 1, *[np.nan] * 4])
    assert j_factor(1e15) == pytest.approx(1 - 0.75e-15, abs=2e-16)


@pytest.mark.parametrize(
    "cells", [(12, 30, 25, 18), (3, 1, 2, 90), (500, 3, 2, 400), (1, 1000, 1, 1000000), (40, 10, 10, 40)]
)
def test_tetrachoric_correlation_solves_its_equation(cells):
    """Phi2(h, k; rho) by integrating the bivariate normal density in mpmath; the variance by mpmath's derivatives."""
    effects = effect_size("RTET", dict(zip(("ai", "bi", "ci", "di"), map(float, cells), strict=True)))
    rho, total = mpmath.mpf(float(effects.y[0])), mpmath.mpf(sum(cells))
    quantile = lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1)  # noqa: E731

    def upper_left(p1, p2, r):
        h, k = quantile(p1), quantile(p2)
        inner = lambda x: mpmath.npdf(x) * mpmath.ncdf((k - r * x) / mpmath.sqrt(1 - r**2))  # noqa: E731
        return mpmath.quad(inner, [-12, -6, -3, h - 1, h] if h > -2 else [-12, h - 1, h])

    with mpmath.workdps(25):
        a, b, c, d = (mpmath.mpf(x) / total for x in cells)
        p1, p2 = a + b, a + c
        assert float(abs(upper_left(p1, p2, rho) / a - 1)) < 1e-9
        slope = mpmath.diff(lambda r: upper_left(p1, p2, r), rho, h=mpmath.mpf("1e-8"))
        by1 = mpmath.diff(lambda p: upper_left(p, p2, rho), p1, h=p1 * mpmath.mpf("1e-7"))
        by2 = mpmath.diff(lambda p: upper_left(p1, p, rho), p2, h=p2 * mpmath.mpf("1e-7"))
        weights = ((1 - by1 - by2) / slope, -by1 / slope, -by2 / slope, 0)
        mean = sum(w * p for w, p in zip(weights, (a, b, c, d), strict=True))
        variance = (sum(w**2 * p for w, p in zip(weights, (a, b, c, d), strict=True)) - mean**2) / total
        assert float(abs(effects.v[0] / variance - 1)) < 1e-5


def test_tables_with_an_empty_cell_have_no_tetrachoric_variance():
    effects = effect_size("RTET", {"ai": [0, 5, 0], "bi": [4, 0, 0], "ci": [7, 6, 2], "di": [5, 8, 9]})
    np.testing.assert_array_equal(effects.y, [-1, 1, np.nan])
    assert np.isnan(effects.v).all()
    assert {note.code: note.rows for note in effects.notes} == {
        "variance-not-defined": (0, 1),
        "not-defined": (2,),
    }


def test_log_ratio_of_ratios_is_the_difference_of_logs():
    one = effect_size(
        "ROM", {"mean1": 6.0, "sd1": 1.0, "n1": 30, "mean2": 4.0, "sd2": 1.2, "n2": 25}, correct=False
    )
    parts = effect_size("MNLN", {"mean": [6.0, 4.0], "sd": [1.0, 1.2], "n": [30, 25]})
    assert one.y[0] == pytest.approx(parts.y[0] - parts.y[1], rel=1e-14)
    assert one.v[0] == pytest.approx(parts.v.sum(), rel=1e-14)


def test_two_groups_are_differences_of_one_group_measures():
    """RR, OR, RD, AS, PBIT from PLN, PLO, PR, PAS, PRZ; IRR, IRD, IRSD from IRLN, IR, IRS; VR from SDLN."""
    single = {"events": [12.0, 24.0], "n": [60.0, 58.0]}
    table = {"events1": 12.0, "n1": 60.0, "events2": 24.0, "n2": 58.0}
    rates = {"count": [14.0, 27.0], "time": [410.0, 395.0]}
    two_rates = {"count1": 14.0, "time1": 410.0, "count2": 27.0, "time2": 395.0}
    pairs = {"RR": "PLN", "OR": "PLO", "RD": "PR", "AS": "PAS", "PBIT": "PRZ"}
    for two, one in pairs.items():
        _is_difference(effect_size(two, table), effect_size(one, single))
    for two, one in {"IRR": "IRLN", "IRD": "IR", "IRSD": "IRS"}.items():
        _is_difference(effect_size(two, two_rates), effect_size(one, rates))
    spread = effect_size("SDLN", {"sd": [2.0, 3.0], "n": [20, 30]})
    _is_difference(effect_size("VR", {"sd1": 2.0, "n1": 20, "sd2": 3.0, "n2": 30}), spread)


def _is_difference(two, one):
    assert two.y[0] == pytest.approx(one.y[0] - one.y[1], rel=1e-13)
    assert two.v[0] == pytest.approx(one.v.sum(), rel=1e-13)


def test_routes_to_cohens_d_agree():
    means = {"m1i": 5.0, "sd1i": 1.2, "n1i": 20, "m2i": 4.1, "sd2i": 1.2, "n2i": 26}
    d = 0.9 / 1.2
    t = d / np.sqrt(1 / 20 + 1 / 26)
    r = t / np.sqrt(t**2 + 44)
    from scipy.stats import t as student

    p = 2 * student.sf(t, 44)
    expected = effect_size("SMD", means)
    sizes = {"n1i": 20, "n2i": 26}
    for route in ({"di": d}, {"ti": t}, {"pi": p}, {"ri": r}):
        found = effect_size("SMD", {**sizes, **route})
        assert found.y[0] == pytest.approx(expected.y[0], rel=1e-10)
        assert found.v[0] == pytest.approx(expected.v[0], rel=1e-10)
    assert effect_size("SMD", {**sizes, "pi": -p}).y[0] == pytest.approx(-expected.y[0], rel=1e-10)


def test_reversed_times_turn_the_sign_of_a_change():
    forward = {"m1i": 5.0, "m2i": 4.0, "sd1i": 1.2, "sd2i": 1.0, "ni": 20, "ri": 0.5}
    back = {"m1i": 4.0, "m2i": 5.0, "sd1i": 1.0, "sd2i": 1.2, "ni": 20, "ri": 0.5}
    for name in ("MC", "SMCC", "SMCRP", "SMCRPH", "ROMC", "VRC", "CVRC"):
        one, other = effect_size(name, forward), effect_size(name, back)
        assert other.y[0] == pytest.approx(-one.y[0], rel=1e-13)
        assert other.v[0] == pytest.approx(one.v[0], rel=1e-13)


def test_unbiased_correlation_against_mpmath_where_the_library_function_fails():
    """scipy's hyp2f1 returns NaN at n = 326, r = .05."""
    r, n = np.array([0.05, 0.9, 0.3, -0.6, 0.0]), np.array([326.0, 12.0, 25.0, 26.0, 50.0])
    found = effect_size("UCOR", {"r": r, "n": n}).y
    exact = [float(x * mpmath.hyp2f1(0.5, 0.5, (k - 2) / 2, 1 - x**2)) for x, k in zip(r, n, strict=True)]
    np.testing.assert_allclose(found, exact, rtol=1e-13)


@pytest.mark.parametrize(
    "r2, n, k", [(0.6, 120, 5), (0.35, 80, 3), (0.5, 156, 6), (0.24, 218, 4), (0.1, 50, 2)]
)
def test_variance_of_r_squared_with_fixed_predictors(r2, n, k):
    """Exact moments of the noncentral beta distribution at noncentrality n R^2/(1 - R^2), as a Poisson mixture."""
    half = mpmath.mpf(n) * r2 / (1 - r2) / 2
    a, b = mpmath.mpf(k) / 2, mpmath.mpf(n - k - 1) / 2
    weight = lambda j: mpmath.exp(-half + j * mpmath.log(half) - mpmath.loggamma(j + 1))  # noqa: E731
    terms = range(int(half + 15 * mpmath.sqrt(half) + 40))
    first = sum(weight(j) * (a + j) / (a + b + j) for j in terms)
    second = sum(weight(j) * (a + j) * (a + j + 1) / ((a + b + j) * (a + b + j + 1)) for j in terms)
    found = effect_size("R2F", {"r2": r2, "n": n, "predictors": k}).v[0]
    assert found == pytest.approx(float(second - first**2), rel=0.08)


def test_drop00_and_continuity_corrections():
    table = {"ai": [0.0, 5.0], "bi": [20.0, 0.0], "ci": [0.0, 4.0], "di": [25.0, 6.0]}
    dropped = effect_size("OR", table, drop00=True)
    np.testing.assert_array_equal(np.isnan(dropped.y), [True, False])
    by_hand = np.log(5.5 * 6.5 / (0.5 * 4.5))
    assert effect_size("OR", table).y[1] == pytest.approx(by_hand, rel=1e-14)
    none = effect_size("OR", table, to="none")
    assert np.isnan(none.y).all()
    assert "continuity correction" in none.notes[0].advice


def test_ratio_of_ratios_is_the_difference_of_the_log_ratios_of_the_groups():
    given = MEASURES["ROMPPC"].example
    found = effect_size("ROMPPC", given)
    y, v = [], []
    for group in ("1", "2"):
        one = effect_size(
            "ROMC",
            {
                "mean1": given[f"post{group}"],
                "mean2": given[f"pre{group}"],
                "sd1": given[f"sdpost{group}"],
                "sd2": given[f"sd{group}"],
                "n": given[f"n{group}"],
                "r": given["r"],
            },
            correct=False,
        )
        y.append(one.y[0])
        v.append(one.v[0])
    assert found.y[0] == pytest.approx(y[0] - y[1], rel=1e-13)
    assert found.v[0] == pytest.approx(v[0] + v[1], rel=1e-13)


def test_controlled_g_without_change_of_the_control_group_has_the_size_of_smd():
    """Equal baselines: the g of change is the standardised difference of the means after treatment."""
    given = {**MEASURES["PPC"].example, "pre2": 24.1, "post2": 24.1}
    after = {"mean1": 20.2, "sd1": 6.4, "n1": 36.0, "mean2": 24.1, "sd2": 6.1, "n2": 38.0}
    assert effect_size("PPC", given).y[0] == pytest.approx(effect_size("SMD", after).y[0], rel=1e-13)
