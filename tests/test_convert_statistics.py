"""Statistics, intervals and logs to effects: brute force, mpmath and simulation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.effects.convert_logs import (
    geometric_to_log,
    log10_to_ln,
    log_to_raw,
    quartile_range,
    quartiles_to_log,
    raw_to_log,
)
from consilience.effects.convert_statistics import (
    change_sd,
    chi2_to_d,
    correlation_from_change,
    critical_value,
    d_to_log_or,
    d_to_t,
    difference_se_to_sd,
    f_to_d,
    interval_to_se,
    log_or_to_d,
    p_to_d,
    p_to_t,
    ratio_interval_to_log,
    se_to_sd,
    t_to_d,
)
from consilience.effects.convert_tables import (
    table_from_chi2,
    table_from_odds_ratio,
    table_from_phi,
    wald_to_effect,
)


def two_samples(rng):
    x, y = rng.normal(0.4, 1, 18), rng.normal(0, 1, 25)
    pooled = np.sqrt((17 * x.var(ddof=1) + 24 * y.var(ddof=1)) / 41)
    return x, y, (x.mean() - y.mean()) / pooled


def test_every_statistic_of_one_data_set_gives_its_d():
    """t, F and p of scipy's t test on raw data against d from means and SDs."""
    from scipy.stats import f_oneway, ttest_ind

    for seed in range(5):
        x, y, d = two_samples(np.random.default_rng(seed))
        test, analysis = ttest_ind(x, y), f_oneway(x, y)
        sign = np.sign(d)
        assert t_to_d(test.statistic, 18, 25) == pytest.approx(d, rel=1e-12)
        assert f_to_d(analysis.statistic, 18, 25, direction=sign) == pytest.approx(d, rel=1e-10)
        assert p_to_d(test.pvalue, 18, 25, direction=sign) == pytest.approx(d, rel=1e-9)
        assert d_to_t(d, 18, 25) == pytest.approx(test.statistic, rel=1e-12)


@pytest.mark.parametrize("p, df", [(0.05, 33), (1e-8, 12), (1e-200, 40), (0.999, 5), (0.03, 1e7)])
def test_p_to_t_keeps_its_digits(p, df):
    t = mpmath.mpf(float(p_to_t(p, df, direction=-1)))
    with mpmath.workdps(30):
        x = df / (df + t**2)
        tail = mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True)
        assert t < 0
        assert float(abs(tail / p - 1)) < 1e-8


def test_what_cannot_be_converted_is_nan():
    bad = [
        t_to_d(2.0, 0, 20), f_to_d(-1.0, 10, 10, direction=1), f_to_d(4.0, 10, 10, direction=0),
        p_to_t(0.0, 10, direction=1), p_to_t(1.2, 10, direction=1), p_to_t(0.1, 0, direction=1),
        p_to_t(0.1, 10, direction=np.nan), chi2_to_d(50.0, 20, 20, direction=1), interval_to_se(2.0, 1.0),
        critical_value(100.0), critical_value(95.0, -1.0), se_to_sd(-1.0, 20), difference_se_to_sd(1.0, 0, 10),
        correlation_from_change(0.0, 1.0, 1.0), change_sd(1.0, 1.0, 1.2), raw_to_log(-1.0, 1.0)[0],
        geometric_to_log(2.0, -1.0, 3.0, 10)[1], geometric_to_log(2.0, 1.0, 3.0, 1)[1],
        quartiles_to_log(3.0, 2.0, 1.0)[1], quartile_range(0.0),
    ]  # fmt: skip
    assert np.isnan(np.array(bad, dtype=float)).all()


def test_chi2_is_the_phi_route():
    """For equal groups 2 sqrt(chi2/(N - chi2)); for a table, d of its own phi."""
    assert chi2_to_d(4.0, 50, 50, direction=-1) == pytest.approx(-2 * np.sqrt(4 / 96), rel=1e-14)


def test_odds_ratio_to_d_and_back():
    d, v = log_or_to_d(np.log(2.5), 0.04)
    assert d == pytest.approx(float(mpmath.log(2.5) * mpmath.sqrt(3) / mpmath.pi), rel=1e-14)
    back = d_to_log_or(d, v)
    assert back[0] == pytest.approx(np.log(2.5), rel=1e-14)
    assert back[1] == pytest.approx(0.04, rel=1e-14)


def test_logistic_odds_ratio_gives_d_by_simulation():
    """Outcomes logistic with a shift of .5 SD, cut at any point: ln OR sqrt(3)/pi is .5."""
    rng = np.random.default_rng(4)
    size = 1_000_000
    scale = np.sqrt(3) / np.pi
    control = rng.logistic(0, scale, size)
    treated = rng.logistic(0.5, scale, size)
    for cut in (-0.5, 0.3, 1.0):
        p1, p0 = np.mean(treated > cut), np.mean(control > cut)
        d, _ = log_or_to_d(np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0)))
        assert d == pytest.approx(0.5, abs=0.006)


def test_intervals_at_any_level():
    assert interval_to_se(-1.959963984540054, 1.959963984540054) == pytest.approx(1.0, rel=1e-12)
    assert interval_to_se(-1.644853626951472, 1.644853626951472, level=90) == pytest.approx(1.0, rel=1e-12)
    assert interval_to_se(-2.228138851964939, 2.228138851964939, df=10) == pytest.approx(1.0, rel=1e-10)
    y, se = ratio_interval_to_log([2.0, np.nan], [1.0, 1.0], [4.0, 4.0])
    np.testing.assert_allclose(y, np.log(2.0), rtol=1e-14)
    np.testing.assert_allclose(se, np.log(4.0) / (2 * 1.959963984540054), rtol=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-0.99, 0.99))
def test_change_sd_and_correlation_are_inverse(before, after, r):
    assert correlation_from_change(before, after, change_sd(before, after, r)) == pytest.approx(r, abs=1e-6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-5, 5), st.floats(0.01, 2.5))
def test_raw_and_log_moments_are_inverse(mean, sd):
    log_mean, log_sd, inflation = raw_to_log(*log_to_raw(mean, sd))
    assert log_mean == pytest.approx(mean, abs=1e-8)
    assert log_sd == pytest.approx(sd, rel=1e-6)
    assert inflation == pytest.approx(1 + sd**2 / 2, rel=1e-6)


def test_log_mean_from_raw_moments_needs_its_inflated_variance():
    """L/n alone is too small by a third at log SD .8; L/n (1 + L/2) is within 10% there and at .3."""
    rng = np.random.default_rng(7)
    n = 100
    for sd in (0.3, 0.8):
        x = np.exp(rng.normal(1.0, sd, (20_000, n)))
        log_mean, log_sd, inflation = raw_to_log(x.mean(axis=1), x.std(axis=1, ddof=1))
        assert log_mean.mean() == pytest.approx(1.0, abs=0.02)
        assert np.mean(log_sd**2 * inflation / n) == pytest.approx(log_mean.var(), rel=0.1)
    assert np.mean(log_sd**2 / n) < 0.75 * log_mean.var()


def test_geometric_interval_of_a_sample():
    rng = np.random.default_rng(8)
    logs = rng.normal(0.7, 0.4, 30)
    from scipy.stats import t

    half = t.isf(0.05, 29) * logs.std(ddof=1) / np.sqrt(30)
    centre = logs.mean()
    found = geometric_to_log(np.exp(centre), np.exp(centre - half), np.exp(centre + half), 30, level=90)
    np.testing.assert_allclose(found, [centre, logs.std(ddof=1)], rtol=1e-10)
    np.testing.assert_allclose(
        log10_to_ln(logs.mean() / np.log(10), 0.1), [centre, 0.1 * np.log(10)], rtol=1e-14
    )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_tables_come_back_from_margins_and_association(a, b, c, d):
    n, n1, m1 = a + b + c + d, a + b, a + c
    phi = (a * d - b * c) / np.sqrt(float(n1 * (c + d) * m1 * (b + d)))
    np.testing.assert_array_equal(table_from_odds_ratio(a * d / (b * c), n, n1, m1), [a, b, c, d])
    np.testing.assert_array_equal(table_from_phi(phi, n, n1, m1), [a, b, c, d])
    plain = table_from_chi2(n * phi**2, n, n1, m1, direction=np.sign(phi) or 1.0, yates=False)
    np.testing.assert_array_equal(plain, [a, b, c, d])
    gap = abs(a * d - b * c) - n / 2
    if gap > 0:
        corrected = n * gap**2 / (n1 * (c + d) * m1 * (b + d))
        np.testing.assert_array_equal(
            table_from_chi2(corrected, n, n1, m1, direction=np.sign(phi)), [a, b, c, d]
        )


def test_impossible_tables_are_nan():
    for cells in (
        table_from_phi(1.0, 100, 50, 10),
        table_from_chi2(90.0, 100, 50, 10),
        table_from_odds_ratio(-2, 100, 50, 10),
    ):
        assert np.isnan(np.array(cells)).all()


def test_wald_uses_the_interval_then_z_then_p():
    y, v = wald_to_effect(
        [0.5, 0.5, 0.5, np.nan, 0.5], [0.1, np.nan, np.nan, 0.1, np.nan], [0.9, np.nan, np.nan, 0.9, np.nan],
        statistic=[9.0, 2.0, np.nan, np.nan, 0.0], p=[0.5, 0.5, 0.04550026389635842, np.nan, np.nan],
    )  # fmt: skip
    np.testing.assert_allclose(y, 0.5)
    se = 0.4 / 1.959963984540054
    np.testing.assert_allclose(v, [se**2, 0.0625, 0.0625, se**2, np.nan], rtol=1e-9)
