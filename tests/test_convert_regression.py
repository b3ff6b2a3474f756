"""Regression coefficients, correlations and ratios against the data that they come from."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.effects.convert_regression import (
    beta_to_d,
    beta_to_r,
    coefficient_to_d,
    d_to_r,
    hazard_ratio_to_risk_ratio,
    r_to_d,
    risk_ratio_to_odds_ratio,
)


def test_coefficients_of_a_group_give_its_d():
    rng = np.random.default_rng(1)
    group = np.repeat([1.0, 0.0], [17, 26])
    y = rng.normal(2 * group, 1.5)
    b = np.polyfit(group, y, 1)[0]
    beta = np.corrcoef(group, y)[0, 1]
    pooled = np.sqrt((16 * y[:17].var(ddof=1) + 25 * y[17:].var(ddof=1)) / 41)
    d = (y[:17].mean() - y[17:].mean()) / pooled
    assert coefficient_to_d(b, y.std(ddof=1), 17, 26) == pytest.approx(d, rel=1e-12)
    assert beta_to_d(beta, 17, 26) == pytest.approx(d, rel=1e-12)
    assert np.isnan(coefficient_to_d(50.0, 1.0, 17, 26))


def test_correlation_and_d_by_simulation():
    """Cut at the median, a normal variable with correlation r: the variance of d follows that of r."""
    d, v = r_to_d(0.3, 0.01)
    back, back_v = d_to_r(d, 40, 40, v)
    assert back == pytest.approx(0.3, rel=1e-12)
    assert back_v == pytest.approx(0.01, rel=1e-12)
    rng = np.random.default_rng(2)
    r = np.clip(rng.normal(0.3, 0.01, 400_000), -0.99, 0.99)
    simulated, _ = r_to_d(r)
    assert simulated.var() == pytest.approx(float(r_to_d(0.3, 1e-4)[1]), rel=0.02)
    assert np.isnan(r_to_d(1.0, 0.01)).all()
    group = np.repeat([1.0, 0.0], [20_000, 60_000])
    y = rng.normal(0.6 * group, 1.0)
    assert d_to_r(0.6, 20_000, 60_000)[0] == pytest.approx(np.corrcoef(group, y)[0, 1], abs=0.01)


def test_ratios():
    assert risk_ratio_to_odds_ratio(1.5, 0.2) == pytest.approx((0.3 / 0.7) / (0.2 / 0.8), rel=1e-12)
    assert np.isnan(risk_ratio_to_odds_ratio(6.0, 0.2))
    rng = np.random.default_rng(3)
    control, treated = rng.exponential(1.0, 500_000), rng.exponential(1 / 0.6, 500_000)  # hazard ratio .6
    base, risk = np.mean(control < 0.8), np.mean(treated < 0.8)
    assert hazard_ratio_to_risk_ratio(0.6, base) == pytest.approx(risk / base, rel=0.01)
    assert hazard_ratio_to_risk_ratio(0.6, 1e-12) == pytest.approx(0.6, rel=1e-6)
    np.testing.assert_allclose(beta_to_r([0.2, -0.2, 0.7]), [0.25, -0.2, np.nan])
