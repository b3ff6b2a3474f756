"""Back-transformations, absolute effects, working covariances, aggregation: mpmath, brute force, simulation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.effects import back_absolute as absolute
from consilience.effects import back_sizes
from consilience.effects.aggregate import aggregate, combine, correlation_structure
from consilience.effects.back_average import average_of_transformed, mode_of_transformed
from consilience.effects.back_scales import TRANSFORMS, delta_method, transform
from consilience.effects.correlation_matrices import correlation_covariance, regression_from_matrix
from consilience.effects.sampling_covariance import Links, fill_blocks
from consilience.effects.working_covariance import Pattern, working_covariance
from consilience.records import Effects

INSIDE = {  # points inside the domain of functions that do not take the whole line
    name: np.array([0.03, 0.2, 0.41, 0.77, 0.96])
    for name in (
        "log",
        "fisher-z",
        "root-fisher-z",
        "logit",
        "probit",
        "arcsine",
        "cube-root",
        "log-complement",
        "superiority-to-d",
        "squared-sine",
        "square",
        "squared-tanh",
        "inverse-cube",
    )
}
INVERSE = {
    "exp": "log", "fisher-z": "tanh", "logit": "expit", "probit": "normal-probability", "arcsine": "squared-sine",
    "root-fisher-z": "squared-tanh", "cube-root": "inverse-cube", "log-complement": "complement-exp",
    "superiority-to-d": "superiority", "log-or-to-d": "d-to-log-or", "log-or-to-d-normal": "d-to-log-or-normal",
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_slopes_are_derivatives(name):
    x = INSIDE.get(name, np.array([-1.3, -0.4, 0.2, 0.9, 2.1]))
    h = 1e-6
    numeric = (transform(x + h, name) - transform(x - h, name)) / (2 * h)
    y, v = delta_method(x, 0.25, name)
    np.testing.assert_allclose(v, numeric**2 * 0.25, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(y, transform(x, name))


@pytest.mark.parametrize("name", INVERSE)
def test_inverses(name):
    x = INSIDE.get(name, np.array([-1.3, -0.4, 0.2, 0.9, 2.1]))
    np.testing.assert_allclose(transform(transform(x, name), INVERSE[name]), x, rtol=1e-12)


def test_unknown_transformation_is_refused():
    with pytest.raises(OptionError, match='Did you mean "tanh"'):
        transform(1.0, "tanhh")


@pytest.mark.parametrize("name, function", [
    ("tanh", mpmath.tanh), ("expit", lambda z: 1 / (1 + mpmath.exp(-z))), ("superiority", lambda z: mpmath.ncdf(z / mpmath.sqrt(2))),
    ("exp", mpmath.exp), ("normal-probability", mpmath.ncdf),
])  # fmt: skip
@pytest.mark.parametrize("mean, tau2", [(0.4, 0.1), (-1.0, 1.5), (0.0, 0.0)])
def test_averages_against_quadrature(name, function, mean, tau2):
    density = lambda z: mpmath.npdf(z, mean, mpmath.sqrt(tau2)) * function(z)  # noqa: E731
    reach = 12 * np.sqrt(tau2)
    exact = (
        mpmath.quad(density, np.linspace(mean - reach, mean + reach, 9).tolist()) if tau2 else function(mean)
    )
    assert average_of_transformed(mean, tau2, name) == pytest.approx(float(exact), rel=1e-10, abs=1e-12)


def test_averages_on_scales_with_ends_condition_on_the_possible():
    rng = np.random.default_rng(1)
    z = rng.normal(0.3, 0.4, 2_000_000)
    inside = z[(z > 0) & (z < np.pi / 2)]
    assert average_of_transformed(0.3, 0.16, "squared-sine") == pytest.approx(
        np.mean(np.sin(inside) ** 2), rel=0.004
    )
    assert average_of_transformed(0.5, 0.16, "complement-exp") == pytest.approx(
        np.mean(-np.expm1(-(z[z > -0.2] + 0.2))), rel=0.004
    )


@pytest.mark.parametrize("name", ["tanh", "expit", "exp"])
def test_modes_are_where_the_density_is_highest(name):
    inverse, slope = {"tanh": (np.arctanh, lambda r: 1 / (1 - r**2)), "expit": (lambda p: np.log(p / (1 - p)), lambda p: 1 / (p * (1 - p))), "exp": (np.log, lambda x: 1 / x)}[name]  # fmt: skip
    grid = np.linspace(1e-6, 1 - 1e-6 if name != "exp" else 8, 2_000_001)
    for mean, tau2 in ((0.1, 0.1), (1.2, 0.3)):
        density = np.exp(-((inverse(grid) - mean) ** 2) / (2 * tau2)) * slope(grid)
        assert mode_of_transformed(mean, tau2, name) == pytest.approx(grid[np.argmax(density)], abs=5e-6)
    assert np.isnan(mode_of_transformed(0.0, 3.0, "tanh"))
    with pytest.raises(ValueError, match="no mode is known"):
        mode_of_transformed(0.0, 0.1, "probit")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 50), st.integers(1, 50))
def test_freeman_tukey_comes_back(x, n):
    p = min(x, n) / n
    assert back_sizes.inverse_freeman_tukey(back_sizes.freeman_tukey(p, n), n) == pytest.approx(p, abs=1e-9)


def test_biserial_conversions():
    """d from r of a 0/1 variable with the outcome itself; tied to brute force on data."""
    rng = np.random.default_rng(2)
    group = np.repeat([1.0, 0.0], [20, 30])
    y = rng.normal(group * 0.7, 1.0)
    first, second = y[:20], y[20:]
    pooled = np.sqrt((19 * first.var(ddof=1) + 29 * second.var(ddof=1)) / 48)
    d, r = (first.mean() - second.mean()) / pooled, np.corrcoef(group, y)[0, 1]
    assert back_sizes.d_to_point_biserial(d, 20, 30) == pytest.approx(r, rel=1e-12)
    assert back_sizes.point_biserial_to_d(r, 20, 30) == pytest.approx(d, rel=1e-12)
    assert np.isnan(back_sizes.point_biserial_to_d(1.0, 20, 30))
    x = rng.standard_normal(400_000)
    z = 0.5 * x + np.sqrt(0.75) * rng.standard_normal(400_000)
    cut = np.corrcoef(x > 0.3, z)[0, 1]
    assert back_sizes.point_biserial_to_biserial(cut, np.mean(x > 0.3)) == pytest.approx(0.5, abs=0.006)


def test_absolute_effects_by_simulation():
    """Normal outcomes with d = .5: response rates, superiority and what follows from them."""
    rng = np.random.default_rng(3)
    control, treated = rng.normal(0, 1, 1_000_000), rng.normal(0.5, 1, 1_000_000)
    cut = np.quantile(control, 0.8)
    rate, base = np.mean(treated > cut), np.mean(control > cut)
    assert absolute.risk_from_d(0.5, 0.2) == pytest.approx(rate, abs=0.003)
    assert absolute.number_needed_from_d(0.5, 0.2) == pytest.approx(1 / (rate - base), rel=0.02)
    assert transform(0.5, "superiority") == pytest.approx(np.mean(treated > control), abs=0.002)
    assert transform(0.5, "cohen-u3") == pytest.approx(np.mean(treated > 0), abs=0.002)
    win, lose = np.mean(treated > control), np.mean(treated < control)
    assert absolute.number_needed_kraemer(0.5) == pytest.approx(1 / (win - lose), rel=0.02)
    edges = np.linspace(-6, 7, 400)
    shared = np.minimum(*(np.histogram(x, edges)[0] / 1e6 for x in (control, treated))).sum()
    assert transform(0.5, "overlap") == pytest.approx(shared, abs=0.004)


def test_risks_at_a_baseline():
    p1, p0 = 0.3, 0.2
    log_or = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    assert absolute.risk_from_odds_ratio(log_or, p0) == pytest.approx(p1, rel=1e-12)
    assert absolute.risk_difference_at(log_or, p0) == pytest.approx(0.1, rel=1e-12)
    assert absolute.risk_ratio_at(log_or, p0) == pytest.approx(1.5, rel=1e-12)
    assert absolute.risk_from_risk_ratio(np.log(1.5), p0) == pytest.approx(0.3, rel=1e-12)
    assert np.isnan(absolute.risk_from_risk_ratio(np.log(6.0), p0))
    assert absolute.number_needed(0.3, 0.2) == pytest.approx(10)
    assert np.isinf(absolute.number_needed(0.2, 0.2))
    assert np.isnan(absolute.risk_from_d(0.5, 0.0))
    assert absolute.percent_change(np.log(0.8)) == pytest.approx(-20)
    assert absolute.percent_change_from_g(0.5, 0.9, sign=-1) == pytest.approx(100 * (np.exp(-0.45) - 1))
    assert np.isnan(absolute.percent_change_from_g(0.5, 0.9, sign=0.5))
    assert absolute.raw_units(-0.4, 7.5) == pytest.approx(-3.0)
    np.testing.assert_allclose(absolute.success_rates(0.0), [0.5, 0.5])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(0.02, 0.98))
def test_limits_keep_their_order(d, width, baseline):
    """Monotone: an interval goes through estimate by estimate."""
    for function in (absolute.risk_from_d, absolute.risk_from_odds_ratio, absolute.risk_ratio_at):
        low, middle, high = (float(function(x, baseline)) for x in (d - width, d, d + width))
        assert low <= middle <= high


def test_working_covariance_of_a_shared_control_by_simulation():
    """Three groups, two comparisons with one control: the correlation of the mean differences."""
    rng = np.random.default_rng(5)
    n1, n2, nc, reps = 30, 50, 40, 100_000
    c = rng.normal(0, 1 / np.sqrt(nc), reps)
    first, second = rng.normal(0, 1 / np.sqrt(n1), reps) - c, rng.normal(0, 1 / np.sqrt(n2), reps) - c
    v = np.array([1 / n1 + 1 / nc, 1 / n2 + 1 / nc])
    pattern = Pattern(
        group1=np.array(["A", "B"]),
        group2=np.array(["C", "C"]),
        size1=np.array([n1, n2]),
        size2=np.array([nc, nc]),
    )
    (block,) = working_covariance(v, ["s", "s"], pattern)
    np.testing.assert_allclose(block.matrix, np.cov(first, second), rtol=0.02)
    crossed = Pattern(
        group1=np.array(["A", "C"]),
        group2=np.array(["C", "B"]),
        size1=np.array([n1, nc]),
        size2=np.array([nc, n2]),
    )
    (block,) = working_covariance(v, ["s", "s"], crossed)
    np.testing.assert_allclose(block.matrix[0, 1], np.cov(first, -second)[0, 1], rtol=0.02)


def test_working_covariance_of_kinds_and_times():
    pattern = Pattern(
        rho=0.6, rho_between=0.3, phi=0.5, obs=np.array([1, 2, 3, 4]), kind=np.array(["x", "x", "y", "y"]),
        time=np.array([0.0, 1.0, 0.0, 2.0]),
    )  # fmt: skip
    (block,) = working_covariance(np.array([1.0, 4.0, 1.0, 9.0]), [1, 1, 1, 1], pattern)
    expected = [[1, 0.6, 0.3, 0.225], [0.6, 4, 0.3, 0.9], [0.3, 0.3, 1, 0.45], [0.225, 0.9, 0.45, 9]]
    np.testing.assert_allclose(block.matrix, expected, rtol=1e-14)
    assert working_covariance(np.ones(3), ["a", "b", "c"], pattern) == ()
    with pytest.raises(InputError, match=r"rho is 1.5; it must be from -1 to 1"):
        working_covariance(np.ones(2), [1, 1], Pattern(rho=1.5))


def test_aggregates_are_generalised_least_squares():
    rng = np.random.default_rng(6)
    y, root = rng.normal(size=4), rng.uniform(0.5, 2, 4)
    matrix = correlation_structure(4, "autoregressive", 0.6, np.arange(4)) * np.outer(root, root)
    half = np.linalg.cholesky(np.linalg.inv(matrix)).T  # whitening, then ordinary least squares
    slope, *_ = np.linalg.lstsq(half @ np.ones((4, 1)), half @ y, rcond=None)
    estimate, variance = combine(y, matrix)
    assert estimate == pytest.approx(slope[0], rel=1e-10)
    assert variance == pytest.approx(1 / np.sum((half @ np.ones(4)) ** 2), rel=1e-10)
    simple, spread = combine(y, matrix, weighted=False)
    assert simple == pytest.approx(y.mean())
    assert spread == pytest.approx(np.full(4, 0.25) @ matrix @ np.full(4, 0.25))
    effects = Effects(
        np.append(y, [2.0, np.nan]),
        np.append(root**2, [1.0, 1.0]),
        np.array([*"aaaa", "b", "b"], dtype=object),
    )
    found = aggregate(effects)
    assert found.studies == ("a", "b")
    assert found.y[0] == pytest.approx(np.average(y, weights=1 / root**2))
    np.testing.assert_array_equal(found["n_effects"], [4, 1])


def test_covariance_of_correlations_by_simulation():
    rng = np.random.default_rng(9)
    truth = np.array([[1, 0.5, 0.3], [0.5, 1, -0.2], [0.3, -0.2, 1]])
    n, reps = 120, 20_000
    x = rng.standard_normal((reps, n, 3)) @ np.linalg.cholesky(truth).T
    x = x - x.mean(axis=1, keepdims=True)
    s = np.einsum("rni,rnj->rij", x, x)
    d = np.sqrt(np.einsum("rii->ri", s))
    r = s / (d[:, :, None] * d[:, None, :])
    found = np.stack([r[:, 0, 1], r[:, 0, 2], r[:, 1, 2]])
    first, second = np.array(["a", "a", "b"]), np.array(["b", "c", "c"])
    values = np.array([0.5, 0.3, -0.2])
    np.testing.assert_allclose(
        correlation_covariance(values, first, second, n), np.cov(found), rtol=0.05, atol=2e-4
    )
    z = correlation_covariance(values, first, second, n, fisher_z=True)
    np.testing.assert_allclose(z, np.cov(np.arctanh(found)), rtol=0.05, atol=2e-4)
    assert np.isnan(correlation_covariance(np.array([0.5, np.nan, -0.2]), first, second, n)[0, 2])


def test_regression_from_the_matrix_is_the_regression():
    rng = np.random.default_rng(10)
    x = rng.normal(size=(50, 3)) @ np.array([[1, 0.4, 0], [0, 1, 0.2], [0, 0, 1]]) + 3
    names = ("y", "a", "b")
    design = np.column_stack([np.ones(50), x[:, 1:]])
    slope, rest, *_ = np.linalg.lstsq(design, x[:, 0], rcond=None)
    se = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rest[0] / 47)
    fit = regression_from_matrix(
        np.cov(x.T), names, outcome="y", predictors=("a", "b"), n=50, means=x.mean(axis=0)
    )
    assert fit.names == ("intercept", "a", "b")
    np.testing.assert_allclose(fit.estimate, slope, rtol=1e-10)
    np.testing.assert_allclose(fit.se, se, rtol=1e-10)
    assert fit.df == 47
    with pytest.raises(InputError, match="not positive definite"):
        regression_from_matrix(
            np.array([[1, 0.5, 0.5], [0.5, 1, 1], [0.5, 1, 1]]),
            names,
            outcome="y",
            predictors=("a", "b"),
            n=50,
        )
    with pytest.raises(InputError, match="no degrees of freedom"):
        regression_from_matrix(np.cov(x.T), names, outcome="y", predictors=("a", "b"), n=3)


def test_effects_of_no_named_measure_take_one_correlation_within_a_study():
    rng = np.random.default_rng(5)
    v = rng.uniform(0.1, 1.0, 6)
    study = np.array(["a", "b", "a", "a", "b", "c"], dtype=object)
    found = fill_blocks(Effects(np.zeros(6), v, study), Links(rho=0.6))
    expected = np.sqrt(np.outer(v, v)) * np.where(study[:, None] == study, 0.6, 0.0)
    np.fill_diagonal(expected, v)
    np.testing.assert_allclose(found.covariance(), expected, rtol=1e-12)
    assert "rho = 0.6" in found.notes[-1].message
    assert "2 studies" in found.notes[-1].message
    blocks = working_covariance(v, study, Pattern(rho=0.6))
    np.testing.assert_allclose(
        Effects(np.zeros(6), v, study, blocks=blocks).covariance(), expected, rtol=1e-12
    )
    with pytest.raises(InputError, match="No correlation is given"):
        fill_blocks(Effects(np.zeros(6), v, study), Links())
    with pytest.raises(InputError, match="need a measure"):
        fill_blocks(Effects(np.zeros(6), v, study), Links(rho=0.6, group1=study))
