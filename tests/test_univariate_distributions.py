"""Tails, quantiles and roots against mpmath."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.base import distributions as d
from consilience.base.errors import InputError
from consilience.base.roots import find_root, find_roots
from consilience.likelihood.quadratic import weighted_chi2_cdf

mp.mp.dps = 40


def t_tail(x: float, df: float) -> mp.mpf:
    nu = mp.mpf(df)
    return mp.betainc(nu / 2, mp.mpf(1) / 2, 0, nu / (nu + mp.mpf(x) ** 2), regularized=True) / 2


def f_tail(x: float, df1: float, df2: float) -> mp.mpf:
    n, m = mp.mpf(df1), mp.mpf(df2)
    return mp.betainc(m / 2, n / 2, 0, m / (m + n * mp.mpf(x)), regularized=True)


def chi2_tail(x: float, df: float) -> mp.mpf:
    return mp.gammainc(mp.mpf(df) / 2, mp.mpf(x) / 2, mp.inf, regularized=True)


@pytest.mark.parametrize("df", [0.7, 1.0, 3.3, 12.0, 200.0, 1e4])
@pytest.mark.parametrize("x", [0.01, 0.5, 3.0, 20.0, 60.0, 1e3, 1e10])
def test_t_tail_keeps_its_digits(x: float, df: float) -> None:
    exact = t_tail(x, df)
    if exact > 1e-290:
        assert abs(float(d.t_sf(x, df) / exact - 1)) < 1e-12
        assert d.t_isf(float(exact), df) == pytest.approx(x, rel=1e-10)
        assert float(d.t_two_sided(-x, df)) == pytest.approx(float(2 * exact), rel=1e-12)
    assert float(d.t_logsf(x, df)) == pytest.approx(float(mp.log(exact)), rel=1e-13)


@pytest.mark.parametrize(("df1", "df2"), [(1.0, 3.3), (3.0, 12.0), (7.0, 2000.0)])
@pytest.mark.parametrize("x", [0.1, 2.0, 50.0, 1e3, 1e6])
def test_f_tail_keeps_its_digits(x: float, df1: float, df2: float) -> None:
    exact = f_tail(x, df1, df2)
    if exact > 1e-290:
        assert float(d.f_sf(x, df1, df2)) == pytest.approx(float(exact), rel=1e-12)
        assert float(d.f_isf(float(exact), df1, df2)) == pytest.approx(x, rel=1e-11)
    assert float(d.f_logsf(x, df1, df2)) == pytest.approx(float(mp.log(exact)), rel=1e-12)


@pytest.mark.parametrize("df", [1.0, 3.0, 50.0])
@pytest.mark.parametrize("x", [0.5, 5.0, 300.0, 3000.0, 1e5])
def test_chi2_tail_keeps_its_digits(x: float, df: float) -> None:
    exact = chi2_tail(x, df)
    if exact > 1e-290:
        assert float(d.chi2_sf(x, df)) == pytest.approx(float(exact), rel=1e-12)
    if 1e-290 < exact < 0.9:
        assert float(d.chi2_isf(float(exact), df)) == pytest.approx(x, rel=1e-12)
    assert float(d.chi2_logsf(x, df)) == pytest.approx(float(mp.log(exact)), rel=1e-12, abs=1e-15)


def test_normal_tails() -> None:
    for x in (0.0, 1.96, 10.0, 30.0):
        exact = mp.erfc(mp.mpf(x) / mp.sqrt(2)) / 2
        assert float(d.normal_sf(x)) == pytest.approx(float(exact), rel=1e-13)
        assert float(d.normal_logsf(x)) == pytest.approx(float(mp.log(exact)), rel=1e-13)
        assert float(d.normal_isf(float(exact))) == pytest.approx(x, abs=1e-12)
    assert float(d.normal_logsf(1e8)) == pytest.approx(-0.5e16, rel=1e-8)


def test_infinite_degrees_of_freedom_are_the_limits() -> None:
    df = np.array([np.inf, 5.0])
    assert d.t_sf(2.0, df)[0] == d.normal_sf(2.0)
    assert d.t_sf(2.0, df)[1] == d.t_sf(2.0, 5.0)
    assert d.t_isf(0.025, np.inf) == d.normal_isf(0.025)
    assert float(d.f_sf(3.0, 2, np.inf)) == pytest.approx(float(d.chi2_sf(6.0, 2)), rel=1e-14)
    assert float(d.f_isf(0.05, 2, np.inf)) == pytest.approx(float(d.chi2_isf(0.05, 2)) / 2, rel=1e-14)
    assert float(d.f_logsf(1e6, 2, np.inf)) == pytest.approx(-1e6, rel=1e-12)
    assert float(d.t_logsf(100.0, np.inf)) == pytest.approx(float(d.normal_logsf(100.0)), rel=1e-14)


@given(st.floats(1e-3, 0.999), st.floats(0.5, 500), st.floats(0.5, 500))
def test_quantiles_invert_distribution_functions(p: float, df1: float, df2: float) -> None:
    assert float(d.t_cdf(d.t_ppf(p, df1), df1)) == pytest.approx(p, rel=1e-9)
    assert float(d.chi2_cdf(d.chi2_ppf(p, df1), df1)) == pytest.approx(p, rel=1e-9)
    assert float(d.f_cdf(d.f_ppf(p, df1, df2), df1, df2)) == pytest.approx(p, rel=1e-7)
    assert float(d.normal_cdf(d.normal_ppf(p))) == pytest.approx(p, rel=1e-12)


def test_roots_of_one_function() -> None:
    assert find_root(lambda x: x**3 - 2, 0.0, 1e10) == pytest.approx(2 ** (1 / 3), rel=1e-15)
    assert find_root(lambda x: (x - 0.1) * 1e-200, -5, 3) == pytest.approx(0.1, rel=1e-15)
    assert find_root(lambda x: math.copysign(1.0, x - 1e-9), 0.0, 1.0) == pytest.approx(1e-9, rel=1e-6)
    assert find_root(lambda x: x, 0.0, 1.0) == 0.0
    with pytest.raises(InputError, match="no zero is bracketed") as caught:
        find_root(lambda x: x**2 + 1, -1, 1)
    assert caught.value.code == "root-not-bracketed"


def test_roots_of_many_functions() -> None:
    c = np.array([2.0, 5.0, -1.0, 0.0])
    found = find_roots(lambda x: x**3 - c, np.zeros(4), np.full(4, 1e6))
    np.testing.assert_allclose(found[:2], np.cbrt(c[:2]), rtol=1e-14)
    assert np.isnan(found[2])
    assert found[3] == 0


@pytest.mark.parametrize("df", [1, 2, 3, 10, 40, 200])
@pytest.mark.parametrize("q", [0.01, 0.5, 1.0, 3.0, 10.0, 40.0, 200.0, 400.0])
def test_equal_weights_are_a_chi_squared(df: int, q: float) -> None:
    assert weighted_chi2_cdf(q, np.ones(df)) == pytest.approx(1 - float(chi2_tail(q, df)), abs=1e-13)


@pytest.mark.parametrize(("a", "b", "q"), [(1.0, 0.01, 2.0), (5.0, 1.0, 3.0), (1.0, 1e-6, 0.3)])
def test_two_unequal_weights_by_quadrature(a: float, b: float, q: float) -> None:
    """P(a Z1^2 + b Z2^2 <= q), integrated over Z1 by mpmath."""
    edge = mp.sqrt(mp.mpf(q) / a)
    exact = 2 * mp.quad(
        lambda z: mp.npdf(z) * mp.erf(mp.sqrt(max(q - a * z * z, mp.mpf(0)) / b / 2)),
        [0, edge / 2, edge * (1 - mp.mpf(10) ** -2), edge * (1 - mp.mpf(10) ** -5), edge],
    )
    assert weighted_chi2_cdf(q, np.array([a, b])) == pytest.approx(float(exact), abs=1e-11)


def test_weighted_sum_by_simulation() -> None:
    rng = np.random.default_rng(7)
    weights = np.array([3.0, 1.0, 0.2, 0.2, 0.01])
    draws = (rng.normal(size=(200_000, 5)) ** 2) @ weights
    for q in (1.0, 4.0, 15.0):
        assert weighted_chi2_cdf(q, weights) == pytest.approx(float((draws <= q).mean()), abs=0.005)
