"""Medians, quartiles and ranges: simulated samples, brute force for the expected range, the size of the skewness test."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from consilience.effects.convert_boxcox import box_cox_moments
from consilience.effects.convert_lognormal import (
    skewness_statistic,
    summary_to_log_moments,
    summary_to_raw_moments,
)
from consilience.effects.convert_summaries import FiveNumbers, expected_range, summary_to_moments


def summaries(x: np.ndarray, design: int) -> FiveNumbers:
    n = x.shape[1]
    low, q1, median, q3, high = np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=1)
    parts = {1: {"minimum": low, "maximum": high}, 2: {"q1": q1, "q3": q3}}
    given = parts.get(design, parts[1] | parts[2])
    return FiveNumbers.of(median, n, **given)


@pytest.mark.parametrize("design", [1, 2, 3])
@pytest.mark.parametrize("n", [25, 101, 401])
def test_normal_samples_give_back_their_moments(design, n):
    x = np.random.default_rng(n + design).normal(50, 10, (6_000, n))
    five = summaries(x, design)
    assert set(five.design.tolist()) == {design}
    for mean_method, sd_method in (("luo", "wan-shi"), ("wan", "wan")):
        mean, sd = summary_to_moments(five, mean_method=mean_method, sd_method=sd_method)
        assert mean.mean() == pytest.approx(50, abs=0.15)
        assert sd.mean() == pytest.approx(10, rel=0.035)


def test_the_combined_weights_are_better_than_equal_ones():
    """What Luo et al. and Shi et al. are for: smaller errors than the older formulas."""
    x = np.random.default_rng(3).normal(50, 10, (6_000, 201))
    five = summaries(x, 3)
    best, older = (
        summary_to_moments(five, mean_method=m, sd_method=s)
        for m, s in (("luo", "wan-shi"), ("bland", "bland"))
    )
    assert np.mean((best[0] - 50) ** 2) < 0.8 * np.mean((older[0] - 50) ** 2)
    assert np.mean((best[1] - 10) ** 2) < 0.8 * np.mean((older[1] - 10) ** 2)


@pytest.mark.parametrize("design", [1, 2, 3])
def test_lognormal_samples_give_back_their_moments(design):
    mu, sigma, n = 1.0, 0.6, 101
    x = np.exp(np.random.default_rng(design).normal(mu, sigma, (20_000, n)))
    five = summaries(x, design)
    log_mean, log_sd = summary_to_log_moments(five)
    assert log_mean.mean() == pytest.approx(mu, abs=0.01)
    assert np.mean(log_sd**2) == pytest.approx(sigma**2, rel=0.03)
    mean, sd = summary_to_raw_moments(five)
    truth = np.exp(mu + sigma**2 / 2)
    assert mean.mean() == pytest.approx(truth, rel=0.01)
    assert np.nanmean(sd**2) == pytest.approx(truth**2 * np.expm1(sigma**2), rel=0.08)
    # the normal formulas would be biased for these values
    assert abs(summary_to_moments(five)[0].mean() - truth) > 2 * abs(mean.mean() - truth)


@pytest.mark.parametrize("design", [1, 2, 3])
@pytest.mark.parametrize("n", [21, 61, 201])
def test_skewness_test_has_its_size_and_power(design, n):
    rng = np.random.default_rng(design * n)
    normal = rng.normal(0, 1, (8_000, n))
    statistic, critical = skewness_statistic(summaries(normal, design))
    assert np.mean(statistic > critical) == pytest.approx(0.05, abs=0.022)
    statistic, critical = skewness_statistic(summaries(np.exp(normal), design))
    assert np.mean(statistic > critical) > {1: 0.5, 2: 0.15, 3: 0.5}[design]


@pytest.mark.parametrize("n", [2, 3, 10, 100, 5000])
def test_expected_range(n):
    """2/sqrt(pi) and 3/sqrt(pi) for two and three values; Tippett's integral by mpmath for all."""
    found = expected_range(np.array([n]))[0]
    if n <= 3:
        assert found == pytest.approx(n / np.sqrt(np.pi), rel=1e-12)
    integral = mpmath.quad(
        lambda x: 1 - mpmath.ncdf(x) ** n - mpmath.ncdf(-x) ** n, [-10, -4, -2, 0, 2, 4, 10]
    )
    assert found == pytest.approx(float(integral), rel=1e-9)


def test_rows_that_contradict_themselves_are_not_used():
    five = FiveNumbers.of([5.0, 5.0, 5.0], [20, 20, 0], q1=[6.0, 4.0, 4.0], q3=[8.0, 7.0, 7.0])
    np.testing.assert_array_equal(five.design, [0, 2, 0])
    mean, sd = summary_to_moments(five)
    np.testing.assert_array_equal(np.isnan(mean), [True, False, True])
    np.testing.assert_array_equal(np.isnan(sd), [True, False, True])
    assert np.isnan(summary_to_log_moments(FiveNumbers.of(5.0, 20, q1=-1.0, q3=7.0))[1])


def test_methods_serve_only_their_designs():
    five = FiveNumbers.of(
        [5.0, 5.0], [20, 20], q1=[4.0, 4.0], q3=[7.0, 7.0], minimum=[np.nan, 1.0], maximum=[np.nan, 12.0]
    )
    for method in ("bland",):
        mean, sd = summary_to_moments(five, mean_method=method, sd_method=method)
        np.testing.assert_array_equal(np.isnan(mean), [True, False])
        np.testing.assert_array_equal(np.isnan(sd), [True, False])
    for method in ("hozo", "walter"):
        assert np.isnan(summary_to_moments(five, mean_method=method, sd_method=method)).all()


@pytest.mark.parametrize("design", [1, 2, 3])
@pytest.mark.parametrize("shape", ["gamma", "weibull", "lognormal", "normal"])
def test_box_cox_recovers_the_moments_of_any_unimodal_shape(design, shape):
    """Medians over samples of n = 201: within 5% of the mean and 12% of the SD, whatever the shape."""
    rng = np.random.default_rng(design)
    x = {
        "gamma": rng.gamma(3.0, 2.0, (1_500, 201)),
        "weibull": 5 * rng.weibull(1.6, (1_500, 201)),
        "lognormal": np.exp(rng.normal(1.0, 0.5, (1_500, 201))),
        "normal": rng.normal(50.0, 8.0, (1_500, 201)),
    }[shape]
    five = summaries(x, design)
    mean, sd = box_cox_moments(five)
    known = ~np.isnan(mean)
    assert known.mean() > 0.95
    assert np.median(mean[known]) == pytest.approx(x.mean(), rel=0.05)
    assert np.median(sd[known]) == pytest.approx(x.std(), rel=0.12)


def test_box_cox_has_no_unit_and_needs_positive_numbers():
    numbers = {"q1": 4.0, "q3": 9.0, "minimum": 1.0, "maximum": 30.0}
    mean, sd = box_cox_moments(FiveNumbers.of(6.0, 80, **numbers))
    scaled = {name: 1000 * value for name, value in numbers.items()}
    np.testing.assert_allclose(
        box_cox_moments(FiveNumbers.of(6000.0, 80, **scaled)), [1000 * mean, 1000 * sd], rtol=1e-9
    )
    assert np.isnan(box_cox_moments(FiveNumbers.of(6.0, 80, q1=-1.0, q3=9.0))).all()
    assert np.isnan(box_cox_moments(FiveNumbers.of(6.0, 80))).all()
