"""Formulas of the pretest-posttest-control g against the published table and against simulation."""

import numpy as np
import pytest

from consilience.effects.ppc import (
    change_variance,
    mean_covariance,
    mean_variance,
    pooled_sd,
    ppc_g,
    ppc_variance,
)
from consilience.effects.small_sample import j_factor

# Morris (2008), Organizational Research Methods 11:364, Table 5: five training studies
MORRIS = {
    "pre_t": [30.6, 23.5, 0.5, 53.4, 35.6],
    "post_t": [38.5, 26.8, 0.7, 75.9, 36.0],
    "sd_t": [15.0, 3.1, 0.1, 14.5, 4.7],
    "n_t": [20, 50, 9, 10, 14],
    "pre_c": [23.1, 24.9, 0.6, 55.7, 34.8],
    "post_c": [19.7, 25.3, 0.6, 60.7, 33.4],
    "sd_c": [13.8, 4.1, 0.2, 17.3, 3.1],
    "n_c": [20, 42, 9, 11, 14],
    "r": [0.47, 0.64, 0.77, 0.89, 0.44],
    "g": [0.7684, 0.8010, 1.2045, 1.0476, 0.4389],
    "morris": [0.1158, 0.0354, 0.1591, 0.0762, 0.1675],
    "large-sample": [0.1134, 0.0350, 0.1425, 0.0681, 0.1634],
}


def morris(name):
    return np.array(MORRIS[name], dtype=float)


def test_morris_2008_table_5_effects():
    g = ppc_g(
        morris("post_t") - morris("pre_t"),
        morris("post_c") - morris("pre_c"),
        sd_t=morris("sd_t"),
        sd_c=morris("sd_c"),
        n_t=morris("n_t"),
        n_c=morris("n_c"),
    )
    assert np.round(g, 4) == pytest.approx(morris("g"), abs=1e-9)


def published_variance(kind):
    n_t, n_c = morris("n_t"), morris("n_c")
    k = 2 * (1 - morris("r")) * (1 / n_t + 1 / n_c)
    return ppc_variance(morris("g"), k, n_t + n_c, variance=kind)


def test_morris_2008_table_5_large_sample_variances():
    assert np.round(published_variance("large-sample"), 4) == pytest.approx(morris("large-sample"), abs=1e-9)


def test_morris_2008_table_5_variances():
    """The paper uses c = 1 - 3/(4m - 1) for J: ours is exact, so v + g^2 differs by (c/J)^2, up to .0005."""
    m = morris("n_t") + morris("n_c") - 2
    ours, g = published_variance("morris"), morris("g")
    assert ours == pytest.approx(morris("morris"), abs=5e-4)
    with_approximate_c = (ours + g**2) * ((1 - 3 / (4 * m - 1)) / j_factor(m)) ** 2 - g**2
    assert with_approximate_c == pytest.approx(morris("morris"), abs=0.5e-4 + 1e-6)


@pytest.mark.parametrize(
    ("n_t", "n_c", "r_t", "r_c", "delta"),
    [(20, 20, 0.5, 0.5, 0.3), (12, 25, 0.8, 0.3, 0.8), (8, 8, 0.6, 0.6, 0.5)],
)
def test_variance_by_simulation(n_t, n_c, r_t, r_c, delta):
    """True variance of g over simulated trials against Morris's at the true effect; unequal r arm by arm."""
    rng = np.random.default_rng(20)
    size = 200_000
    m = n_t + n_c - 2
    k = 2 * (1 - r_t) / n_t + 2 * (1 - r_c) / n_c
    # exact joint distribution: mean change and pooled pre variance of normal data are independent
    difference = delta + np.sqrt(k) * rng.standard_normal(size)
    s = np.sqrt(rng.chisquare(m, size) / m)
    g = j_factor(m) * difference / s
    assert g.mean() == pytest.approx(delta, abs=4 * g.std() / np.sqrt(size))
    assert g.var() == pytest.approx(float(ppc_variance(delta, k, n_t + n_c)), rel=0.02)


def test_known_variances_of_a_trial_of_forty():
    """n = 20 + 20, r = .5, d = .3: the simulated variance is .1031, Morris .1027, large-sample .1011."""
    assert float(ppc_variance(0.3, 0.1, 40)) == pytest.approx(0.1027, abs=2e-4)
    assert float(ppc_variance(0.3, 0.1, 40, variance="large-sample")) == pytest.approx(0.1011, abs=1e-4)


def test_small_trials_have_a_variance_or_none_at_all():
    assert float(ppc_variance(0.5, 1.0, 4)) == pytest.approx(
        1 + 0.25 / 8
    )  # large-sample: Morris has no value
    assert float(ppc_variance(0.5, 1.0, 5)) > 1
    assert np.isnan(ppc_variance(0.5, 1.0, 3))


def test_pooled_sd_is_that_of_all_people():
    rng = np.random.default_rng(3)
    x, y = rng.normal(5, 2, 9), rng.normal(1, 3, 17)
    residuals = np.concatenate([x - x.mean(), y - y.mean()])
    assert pooled_sd(x.std(ddof=1), 9, y.std(ddof=1), 17) == pytest.approx(np.sqrt(np.sum(residuals**2) / 24))


@pytest.mark.parametrize("r", [0.2, 0.6, 0.9])
def test_median_change_by_simulation(r):
    rng = np.random.default_rng(4)
    n, trials = 41, 20_000
    z = rng.standard_normal((2, trials, n))
    second = r * z[0] + np.sqrt(1 - r**2) * z[1]
    change = np.median(second, axis=1) - np.median(z[0], axis=1)
    assert change.var() == pytest.approx(change_variance("median", "median", r=r, n=n), rel=0.08)


def test_quartile_mean_by_simulation():
    """Mean made from median and quartiles (Luo 2018 weights): 1.163 times the variance of the mean."""
    rng = np.random.default_rng(5)
    n = 101
    q1, median, q3 = np.quantile(rng.standard_normal((20_000, n)), [0.25, 0.5, 0.75], axis=1)
    weight = 0.7 + 0.39 / n
    made = weight * (q1 + q3) / 2 + (1 - weight) * median
    assert made.var() * n == pytest.approx(mean_variance("quartiles", 0.0), rel=0.05)


@pytest.mark.parametrize(
    ("log_sd", "n", "r"), [(0.3, 30, 0.5), (0.5, 50, 0.8), (0.8, 50, 0.3), (1.0, 50, 0.6)]
)
def test_converted_log_means_by_simulation(log_sd, n, r):
    """Change of log means converted from raw means and SDs: the variance is right to 20% up to log SD 1, n = 50."""
    rng = np.random.default_rng(6)
    z = rng.standard_normal((2, 20_000, n))
    values = np.exp(log_sd * np.stack([z[0], r * z[0] + np.sqrt(1 - r**2) * z[1]]))
    mean, sd = values.mean(axis=2), values.std(axis=2, ddof=1)
    log_mean = np.log(mean) - np.log1p((sd / mean) ** 2) / 2
    truth = np.var(log_mean[1] - log_mean[0])
    ours = log_sd**2 * change_variance("converted", "converted", r=r, n=n, log_variance=log_sd**2)
    assert ours == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("r", [0.3, 0.8])
def test_change_of_range_means_by_simulation(r):
    """Means made from median, minimum and maximum (Luo 2018 weights) at the sizes of usual arms."""
    rng = np.random.default_rng(7)
    n, weight = 30, 4 / (4 + 30**0.75)
    z = rng.standard_normal((2, 20_000, n))
    both = np.stack([z[0], r * z[0] + np.sqrt(1 - r**2) * z[1]])
    made = weight * (both.min(axis=2) + both.max(axis=2)) / 2 + (1 - weight) * np.median(both, axis=2)
    assert np.var(made[1] - made[0]) == pytest.approx(change_variance("range", "range", r=r, n=n), rel=0.1)


def test_unlike_kinds_share_the_plain_correlation():
    assert mean_covariance("mean", "median", 0.4, 1.0) == 0.4
    assert mean_variance("mean", 1.0) == 1.0
