"""Where univariate meta-analysis goes wrong in floating point, decided by mpmath or a dense scan."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from consilience.base.distributions import chi2_isf, chi2_ppf
from consilience.inference.intervals import heterogeneity_intervals
from consilience.likelihood import search
from consilience.likelihood.batch import fit_batch
from consilience.likelihood.prepare import prepare
from consilience.models import fit
from consilience.records import Design, Effects, Spec
from exact_reml import coefficients, log_likelihood, q_statistic, score


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260301)


def is_stationary(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, tau2: float, *, reml: bool, rtol: float
) -> bool:
    """Does the score at 60 digits change sign within rtol (tau2 + v_min) of tau2, or point below zero at tau2 = 0?"""
    if tau2 == 0:
        return score(y, v, x, 0, reml=reml) <= 0
    step = rtol * (tau2 + float(np.min(v)))
    return score(y, v, x, tau2 - step, reml=reml) >= 0 >= score(y, v, x, tau2 + step, reml=reml)


def dense(y: np.ndarray, v: np.ndarray, *, reml: bool, points: int = 4000) -> np.ndarray:
    """Highest log-likelihood (up to a constant) of (F, K) analyses on a grid of each, by plain formulas."""
    best = np.full(len(y), -np.inf)
    top = np.ptp(y, axis=1) ** 2 + v.max(axis=1)
    for fraction in np.linspace(0, 1, points):
        t = v.min(axis=1) * np.expm1(fraction * np.log1p(top / v.min(axis=1)))
        w = 1 / (v + t[:, None])
        mean = (w * y).sum(1) / w.sum(1)
        height = np.log(w).sum(1) - (w * (y - mean[:, None]) ** 2).sum(1)
        best = np.maximum(best, height - np.log(w.sum(1)) if reml else height)
    return best / 2


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("span", [1.0, 2.0, 4.0, 8.0])
def test_no_likelihood_is_higher_than_the_one_found(
    span: float, reml: bool, rng: np.random.Generator
) -> None:
    """Hazard 1: few studies of very unequal precision."""
    for k in (2, 3, 5):
        v = 10 ** rng.uniform(-span / 2, span / 2, (300, k))
        tau2 = 10 ** rng.uniform(-span / 2 - 1, span / 2, (300, 1)) * rng.integers(0, 2, (300, 1))
        y = rng.normal(0, np.sqrt(v + tau2))
        found = fit_batch(y, v, method="REML" if reml else "ML").tau2
        w = 1 / (v + found[:, None])
        mean = (w * y).sum(1) / w.sum(1)
        height = np.log(w).sum(1) - (w * (y - mean[:, None]) ** 2).sum(1) - (np.log(w.sum(1)) if reml else 0)
        assert (height / 2 >= dense(y, v, reml=reml) - 1e-9).all()


def two_peaks() -> tuple[np.ndarray, np.ndarray]:
    """A data set whose restricted likelihood has two maxima, the higher one inside; found by searching."""
    rng = np.random.default_rng(3)
    v = 10 ** rng.uniform(-2, 2, (20_000, 4))
    y = rng.normal(0, np.sqrt(v + 10 ** rng.uniform(-2, 1, (20_000, 1))))
    batch = fit_batch(y, v)
    inside = np.flatnonzero((batch.maxima > 1) & (batch.tau2 > 0))
    start = prepare(y[inside], v[inside]).problem.at(np.zeros(len(inside)))
    chosen = inside[np.flatnonzero(start.square < start.trace)[0]]
    return y[chosen], v[chosen]


def test_the_inner_maximum_is_found_where_the_score_at_zero_is_negative() -> None:
    """Fisher scoring from zero stays at zero here; the likelihood says otherwise, at 60 digits."""
    y, v = two_peaks()
    ones = np.ones((4, 1))
    tau2 = float(fit_batch(y, v).tau2[0])
    assert score(y, v, ones, 0, reml=True) < 0
    assert log_likelihood(y, v, ones, tau2, reml=True) > log_likelihood(y, v, ones, 0, reml=True)
    assert is_stationary(y, v, ones, tau2, reml=True, rtol=1e-12)
    note = fit(Effects(y, v, np.arange(4).astype(object)), Spec.random_effects()).notes
    assert [n.code for n in note] == ["several-maxima"]


def test_every_stationary_point_lies_below_the_bound(rng: np.random.Generator) -> None:
    for k, span in ((3, 2.0), (6, 6.0)):
        v = 10 ** rng.uniform(-span / 2, span / 2, (500, k))
        y = rng.normal(0, np.sqrt(v + 1))
        problem = prepare(y, v).problem
        bound = search.upper_bound(problem)
        for factor in (1.0, 1.5, 10.0, 1e3):
            at = problem.at(bound * factor + 1e-12)
            assert (at.square <= at.trace * (1 + 1e-9)).all()
            assert (at.square <= at.w_sum * (1 + 1e-9)).all()


def test_shift_by_a_hundred_million_changes_nothing(rng: np.random.Generator) -> None:
    """Hazard 2: the effects as floats after the shift are the truth, so they are compared at 60 digits."""
    v = rng.uniform(0.01, 0.3, 12)
    y = rng.normal(0, np.sqrt(v + 0.1)) + 1e8
    ones = np.ones((12, 1))
    batch = fit_batch(y, v)
    tau2 = float(batch.tau2[0])
    assert is_stationary(y, v, ones, tau2, reml=True, rtol=1e-12)
    exact, se = coefficients(y, v, ones, tau2)
    assert abs(batch.coefficients[0, 0] - exact[0]) < 1.5e-8  # one unit in the last place of 1e8
    assert abs(np.sqrt(batch.covariance[0, 0, 0]) / se[0] - 1) < 1e-14
    x = np.column_stack([np.ones(12), np.arange(12.0)])
    slope = fit_batch(y, v, x)
    assert is_stationary(y, v, x, float(slope.tau2[0]), reml=True, rtol=1e-9)
    assert abs(slope.coefficients[0, 1] - coefficients(y, v, x, float(slope.tau2[0]))[0][1]) < 1e-9


@pytest.mark.parametrize("method", ["DL", "HE", "PM", "ML", "REML"])
def test_variances_over_twelve_orders_of_magnitude(method: str) -> None:
    """Hazard 2: one study outweighs the others 10^12 times."""
    v = np.array([1e-12, 1.0, 2.0, 0.5, 1.5, 0.8])
    y = np.array([0.3, 1.9, -1.4, 0.9, 3.1, -0.2])
    ones = np.ones((6, 1))
    batch = fit_batch(y, v, method=method)
    tau2 = float(batch.tau2[0])
    with mp.workdps(60):
        if method in ("ML", "REML"):
            assert is_stationary(y, v, ones, tau2, reml=method == "REML", rtol=1e-12)
        elif method == "PM":
            assert abs(q_statistic(y, v, ones, tau2) - 5) < 1e-12
        else:
            weights = [1 / mp.mpf(float(a)) if method == "DL" else mp.mpf(1) for a in v]
            s1 = sum(weights)
            mean = sum(w * mp.mpf(float(e)) for w, e in zip(weights, y, strict=True)) / s1
            rss = sum(w * (mp.mpf(float(e)) - mean) ** 2 for w, e in zip(weights, y, strict=True))
            gone = sum(w * (1 - w / s1) * mp.mpf(float(a)) for w, a in zip(weights, v, strict=True))
            trace = s1 - sum(w**2 for w in weights) / s1
            assert tau2 == pytest.approx(float((rss - gone) / trace), rel=1e-12)
        exact, se = coefficients(y, v, ones, tau2)
        assert float(batch.coefficients[0, 0]) == pytest.approx(float(exact[0]), rel=1e-12)
        assert float(np.sqrt(batch.covariance[0, 0, 0])) == pytest.approx(float(se[0]), rel=1e-12)
        assert float(batch.q[0]) == pytest.approx(float(q_statistic(y, v, ones, 0)), rel=1e-12)
        height = log_likelihood(y, v, ones, tau2, reml=True)
        assert float(batch.loglik_reml[0]) == pytest.approx(float(height), rel=1e-12)


def test_a_heavy_study_in_a_regression() -> None:
    v = np.array([1e-10, 1.0, 2.0, 0.5, 1.5, 0.8, 1.1])
    y = np.array([0.3, 1.9, -1.4, 0.9, 3.1, -0.2, 0.4])
    x = np.column_stack([np.ones(7), [2.0, 1.0, 5.0, 3.0, 4.0, 2.5, 1.5]])
    batch = fit_batch(y, v, x)
    tau2 = float(batch.tau2[0])
    assert is_stationary(y, v, x, tau2, reml=True, rtol=1e-11)
    assert float(batch.q[0]) == pytest.approx(float(q_statistic(y, v, x, 0)), rel=1e-9)
    exact, se = coefficients(y, v, x, tau2)
    for j in range(2):
        assert float(batch.coefficients[0, j]) == pytest.approx(float(exact[j]), rel=1e-9)
        assert float(np.sqrt(batch.covariance[0, j, j])) == pytest.approx(float(se[j]), rel=1e-9)
    with mp.workdps(60):
        w0 = mp.diag([1 / mp.mpf(float(a)) for a in v])
        d = mp.matrix(x.tolist())
        p = w0 - w0 * d * (d.T * w0 * d) ** -1 * d.T * w0
        trace = sum(p[i, i] for i in range(7))
    assert float(batch.typical_variance[0]) == pytest.approx(float(5 / trace), rel=1e-9)


@pytest.mark.parametrize("method", ["EE", "DL", "DL2", "HE", "HS", "SJ", "PM", "PMM", "ML", "REML", "GENQM"])
@pytest.mark.parametrize("factor", [1e-150, 1e-3, 1e150])
def test_the_unit_of_measurement_does_not_matter(
    method: str, factor: float, rng: np.random.Generator
) -> None:
    """Hazard 3: w^2 and w^3 would over- and underflow."""
    v = rng.uniform(0.01, 0.3, 10)
    y = rng.normal(0.2, np.sqrt(v + 0.1))
    x = np.column_stack([np.ones(10), rng.normal(size=10)])
    for design in (None, x):
        one, other = (fit_batch(y * f, v * f * f, design, method=method) for f in (1.0, factor))
        np.testing.assert_allclose(other.tau2, one.tau2 * factor * factor, rtol=1e-10)
        np.testing.assert_allclose(other.coefficients, one.coefficients * factor, rtol=1e-11)
        np.testing.assert_allclose(other.i2, one.i2, rtol=1e-10, atol=1e-10)
        shift = np.log(factor)
        np.testing.assert_allclose(other.loglik_ml, one.loglik_ml - 10 * shift, rtol=1e-11)
        p = one.coefficients.shape[1]
        np.testing.assert_allclose(other.loglik_reml, one.loglik_reml - (10 - p) * shift, rtol=1e-11)


def test_moderators_on_any_scale(rng: np.random.Generator) -> None:
    v = rng.uniform(0.01, 0.3, 9)
    y = rng.normal(0.2, np.sqrt(v + 0.1))
    z = rng.normal(size=9)
    plain = fit_batch(y, v, np.column_stack([np.ones(9), z]))
    far = fit_batch(y, v, np.column_stack([np.ones(9), (z + 3) * 1e120]))
    np.testing.assert_allclose(far.tau2, plain.tau2, rtol=1e-10)
    np.testing.assert_allclose(far.coefficients[0, 1] * 1e120, plain.coefficients[0, 1], rtol=1e-9)


def test_two_studies_by_hand() -> None:
    """k = 2: REML, DL and PM are all max(0, (y1 - y2)^2 / 2 - (v1 + v2) / 2)."""
    for y, v in (([0.0, 1.0], [0.1, 0.3]), ([0.0, 0.1], [0.1, 0.3]), ([5.0, 9.0], [1e-9, 2.0])):
        expected = max(0.0, (y[0] - y[1]) ** 2 / 2 - sum(v) / 2)
        for method in ("REML", "PM", "DL", "HE"):
            found = fit_batch(np.array(y), np.array(v), method=method).tau2[0]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_where_fisher_scoring_of_r_gives_up_there_is_an_answer(rng: np.random.Generator) -> None:
    """Hazard 5: 20,000 random data sets, every one finite and stationary."""
    v = rng.uniform(0.001, 1.0, (20_000, 10)) ** 2
    y = rng.normal(0, np.sqrt(v + 0.02))
    batch = fit_batch(y, v)
    assert batch.ok.all()
    assert np.isfinite(batch.tau2).all()
    inner = batch.tau2 > 1e-8
    assert np.abs(batch.score[inner]).max() < 1e-9
    assert (batch.score[batch.tau2 == 0] <= 1e-12).all()


def test_q_profile_limits_solve_their_equations(rng: np.random.Generator) -> None:
    """Hazard 4: R's root finder stops 1e-4 away; Q at our limits is the chi-squared quantile to ten digits."""
    v = rng.uniform(0.01, 0.3, 13)
    y = rng.normal(0.2, np.sqrt(v + 0.3))
    x = np.column_stack([np.ones(13), rng.normal(size=13)])
    effects = Effects(y, v, np.arange(13).astype(object))
    for matrix, names in ((np.ones((13, 1)), ("intercept",)), (x, ("intercept", "x"))):
        found = heterogeneity_intervals(fit(effects, Spec.random_effects(), design=Design(matrix, names)))
        df = 13 - matrix.shape[1]
        low, high = float(chi2_isf(0.025, df)), float(chi2_ppf(0.025, df))
        assert float(q_statistic(y, v, matrix, found.tau2.low)) == pytest.approx(low, rel=1e-10)
        assert float(q_statistic(y, v, matrix, found.tau2.high)) == pytest.approx(high, rel=1e-10)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_profile_likelihood_limits_drop_by_half_the_quantile(method: str, rng: np.random.Generator) -> None:
    v = rng.uniform(0.01, 0.3, 13)
    y = rng.normal(0.2, np.sqrt(v + 0.8))
    found = heterogeneity_intervals(
        fit(Effects(y, v, np.arange(13).astype(object)), Spec.random_effects(method)),
        method="profile-likelihood",
    )
    ones, reml = np.ones((13, 1)), method == "REML"
    top = log_likelihood(y, v, ones, found.tau2.estimate, reml=reml)
    for limit in (found.tau2.low, found.tau2.high):
        drop = top - log_likelihood(y, v, ones, limit, reml=reml)
        assert float(drop) == pytest.approx(float(chi2_isf(0.05, 1)) / 2, rel=1e-8)


def test_generalised_q_interval_covers_by_simulation() -> None:
    """The limits are those tau^2 at which the observed Q is a 2.5% event."""
    rng = np.random.default_rng(5)
    v = rng.uniform(0.05, 0.5, 8)
    y = rng.normal(0, np.sqrt(v + 0.3))
    effects = Effects(y, v, np.arange(8).astype(object))
    found = heterogeneity_intervals(fit(effects, Spec.random_effects("DL")), method="generalised-q")
    q = float(fit_batch(y, v, method="EE").q[0])
    for limit, below in ((found.tau2.low, 0.975), (found.tau2.high, 0.025)):
        draws = rng.normal(0, np.sqrt(v + limit), (100_000, 8))
        share = float((fit_batch(draws, np.broadcast_to(v, draws.shape), method="EE").q <= q).mean())
        assert share == pytest.approx(below, abs=0.003)


@pytest.mark.parametrize("spec", [Spec.equal_effects(), Spec.random_effects(test="z")])
def test_as_many_coefficients_as_effects_explain_no_share_of_heterogeneity(spec):
    effects = Effects(np.array([0.1, 0.3]), np.array([0.01, 0.02]), np.array(["a", "b"], dtype=object))
    design = Design(np.array([[1.0, 0.0], [1.0, 1.0]]), ("intercept", "x"))
    found = fit(effects, spec, design=design)
    assert np.isnan(found.heterogeneity.r2)
    np.testing.assert_allclose(found.coefficients.estimate, [0.1, 0.2])
