"""Profile likelihood, random effects, residuals, likelihood-ratio tests and the cluster wild bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError, OptionError
from consilience.models import (
    fit,
    likelihood_ratio_test,
    profile,
    profile_interval,
    profile_parameters,
    row_residuals,
    term_effects,
    wild_bootstrap,
)
from consilience.records import Design, Effects, Inner, Intercept, Spec
from engine_reference import che_covariance, dense_loglik, random_effects_data, same

CHE = Spec.che()


def test_profile_interval_ends_where_the_likelihood_has_fallen():
    """chi2(1) .95 / 2 = 1.920729 below the maximum over the other variance, found here by a dense scan."""
    effects = random_effects_data(31, studies=10)
    found = fit(effects, CHE)
    assert profile_parameters(found) == ("study", "study/row")
    interval = profile_interval(found, "study")
    one = np.ones((effects.k, 1))
    others = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 400)])
    for end in (interval.low, interval.high):
        best = max(
            dense_loglik(effects.y, one, che_covariance(effects, end, b), reml=True)[0] for b in others
        )
        if end > 0:
            assert found.loglik - best == pytest.approx(1.920729410347062, abs=2e-3)
    assert interval.low <= found.components["study"] <= interval.high


def test_profile_at_the_estimate_is_the_maximum():
    effects = random_effects_data(32, studies=10)
    found = fit(effects, CHE)
    at = found.components["study"]
    line = profile(found, "study", [0.0, at, 4 * at + 1.0])
    assert line.loglik[1] == pytest.approx(found.loglik, abs=1e-9)
    assert line.loglik[0] <= found.loglik
    assert line.loglik[2] < found.loglik


def test_interval_of_a_variance_at_zero_starts_at_zero():
    effects = Effects(np.array([0.3, 0.3, 0.31, 0.3]), np.full(4, 0.1), np.array(list("aabb"), dtype=object))
    interval = profile_interval(fit(effects, CHE), "study/row")
    assert interval.low == 0.0
    assert interval.high > 0.0


def test_profile_of_a_correlation_and_unknown_names():
    effects = random_effects_data(33, studies=12)
    found = fit(effects, Spec((Inner("outcome", "study", "CS"),), "REML", "z"))
    name = next(iter(found.components.correlations))
    interval = profile_interval(found, name)
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1
    with pytest.raises(InputError, match="rho"):
        profile_interval(found, "tau")


def test_random_effects_by_the_textbook_formula():
    effects = random_effects_data(34, studies=6)
    found = fit(effects, CHE)
    a, b = found.components.variance
    m = che_covariance(effects, a, b)
    inverse = np.linalg.inv(m)
    one = np.ones((effects.k, 1))
    p = inverse - inverse @ one @ np.linalg.inv(one.T @ inverse @ one) @ one.T @ inverse
    predicted = term_effects(found)
    for column, k in enumerate((a * same(effects.study), b * np.eye(effects.k))):
        np.testing.assert_allclose(predicted.contribution[:, column], k @ p @ effects.y, atol=1e-10)
        np.testing.assert_allclose(
            predicted.se[:, column] ** 2, np.diag(k - k @ p @ k), rtol=1e-6, atol=1e-12
        )
    np.testing.assert_allclose(predicted.total, predicted.contribution.sum(axis=1), atol=1e-10)


def test_random_effects_follow_the_truth():
    """Simulation: intervals of +-1.96 SE around the predicted effects hold the true ones in about 95%."""
    inside = total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        study = np.repeat(np.arange(20), 3)
        u = rng.normal(0, 0.5, 20)
        v = rng.uniform(0.02, 0.2, 60)
        y = 0.3 + u[study] + rng.normal(0, 0.2, 60) + rng.normal(size=60) * np.sqrt(v)
        predicted = term_effects(fit(Effects(y, v, study.astype(str).astype(object)), CHE))
        first = np.arange(0, 60, 3)
        inside += int(np.sum(np.abs(predicted.contribution[first, 0] - u) < 1.96 * predicted.se[first, 0]))
        total += 20
    assert 0.92 < inside / total < 0.98


def test_residuals_by_their_definitions():
    effects = random_effects_data(35, studies=6)
    x = np.column_stack([np.ones(effects.k), effects.columns["x"]])
    found = fit(effects, Spec(CHE.terms, "REML", "z"), design=Design(x, ("intercept", "x")))
    m = che_covariance(effects, *found.components.variance)
    ours = row_residuals(found)
    np.testing.assert_allclose(ours.raw, effects.y - x @ found.coefficients.estimate, atol=1e-10)
    inverse = np.linalg.inv(m)
    spread = m - x @ np.linalg.inv(x.T @ inverse @ x) @ x.T
    np.testing.assert_allclose(ours.standardised, ours.raw / np.sqrt(np.diag(spread)), rtol=1e-8)
    for i in (0, 3, effects.k - 1):
        keep = np.arange(effects.k) != i
        w = np.linalg.inv(m[np.ix_(keep, keep)])
        bread = np.linalg.inv(x[keep].T @ w @ x[keep])
        beta = bread @ x[keep].T @ w @ effects.y[keep]
        pull = m[i, keep] @ w
        mean = x[i] @ beta + pull @ (effects.y[keep] - x[keep] @ beta)
        gap = x[i] - pull @ x[keep]
        variance = m[i, i] - pull @ m[keep, i] + gap @ bread @ gap
        assert ours.deleted[i] == pytest.approx((effects.y[i] - mean) / np.sqrt(variance), rel=1e-7)
    assert ours.cholesky @ ours.cholesky == pytest.approx(ours.raw @ inverse @ ours.raw, rel=1e-9)


def test_likelihood_ratio_of_a_variance():
    effects = random_effects_data(36, studies=12)
    full = fit(effects, Spec((Intercept(("study",)), Intercept(("study", "row"))), "REML", "z"))
    reduced = fit(effects, Spec((Intercept(("study", "row")),), "REML", "z"))
    result = likelihood_ratio_test(full, reduced)
    assert result.statistic == pytest.approx(2 * (full.loglik - reduced.loglik))
    assert result.df1 == 1


def test_wild_bootstrap_is_the_refitted_one():
    """Each replicate equals weighted least squares and CR2 on the data that it stands for."""
    from consilience.inference.robust import robust_covariance
    from consilience.inference.working import working_of
    from consilience.models.wild_bootstrap import _statistics, _terms

    effects = random_effects_data(37, studies=8)
    x = np.column_stack([np.ones(effects.k), effects.columns["x"]])
    found = fit(effects, CHE, design=Design(x, ("intercept", "x")))
    c = np.array([[0.0, 1.0]])
    robust = robust_covariance(working_of(found))
    signs = np.random.default_rng(1).choice([-1.0, 1.0], 8)
    terms = _terms(robust, c @ robust.working.root, c @ robust.working.beta)
    # clusters are listed by size in the pieces, so each one's sign is looked up by its rows
    order = np.concatenate([working.rows[:, 0] for working in robust.groups])
    cluster = robust.working.cluster
    ours = _statistics(terms, signs[cluster[order]][None, :], c @ robust.working.root)[0]
    m = che_covariance(effects, *found.components.variance)
    inverse = np.linalg.inv(m)
    bread = np.linalg.inv(x.T @ inverse @ x)
    beta = found.coefficients.estimate
    restricted = beta - bread @ c.T @ np.linalg.solve(c @ bread @ c.T, c @ beta)
    codes = np.array([effects.studies.index(s) for s in effects.study])
    made = x @ restricted + signs[codes] * (effects.y - x @ restricted)
    held = tuple(Intercept(t.by, v) for t, v in zip(CHE.terms, found.components.variance, strict=True))
    again = fit(
        Effects(made, effects.v, effects.study, blocks=effects.blocks), Spec(held), design=found.design
    )
    assert ours == pytest.approx(again.coefficients.statistic[1] ** 2, rel=1e-8)


def test_wild_bootstrap_keeps_its_size():
    rejected, runs = 0, 300
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        study = np.repeat(np.arange(8), 3)
        y = rng.normal(0, 0.5, 8)[study] + rng.normal(0, 0.3, 24)
        effects = Effects(y, np.full(24, 0.05), study.astype(str).astype(object))
        x = np.column_stack([np.ones(24), rng.normal(size=8)[study]])
        found = fit(effects, Spec((), "EE", "CR2"), design=Design(x, ("intercept", "x")))
        result = wild_bootstrap(found, np.array([[0.0, 1.0]]), rng=rng, replicates=199, auxiliary="webb")
        rejected += result.p_value <= 0.05
    assert 0.02 < rejected / runs < 0.09


def test_wild_bootstrap_is_reproducible_and_checked():
    found = fit(random_effects_data(38), CHE)
    row = np.ones((1, 1))
    for name in ("rademacher", "mammen", "webb", "normal"):
        a = wild_bootstrap(found, row, rng=np.random.default_rng(1), replicates=499, auxiliary=name)
        b = wild_bootstrap(found, row, rng=np.random.default_rng(1), replicates=499, auxiliary=name)
        assert a.p_value == b.p_value
        assert 0 < a.p_value <= 1
    with pytest.raises(OptionError, match="webb"):
        wild_bootstrap(found, row, rng=np.random.default_rng(1), auxiliary="web")  # type: ignore[arg-type]
