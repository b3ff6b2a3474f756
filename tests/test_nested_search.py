"""Nested intercepts: the search over a grid of both variances, its single and its batched climb, its exact derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.linalg import one_blas_thread
from consilience.likelihood import multistart
from consilience.likelihood.build import build
from consilience.likelihood.nested_batch import NestedBatch, lanes_at, slopes_at, surely_seen
from consilience.likelihood.nested_climb import climb_one
from consilience.likelihood.nested_grid import between_points, grid_values, peaks, starting_grid
from consilience.likelihood.nested_prepare import Prepared, Studies, prepare_nested
from consilience.likelihood.nested_search import climb, search
from consilience.likelihood.nested_solve import solve
from consilience.models import fit, refit_many
from consilience.records import Design, Effects, Intercept, Spec
from engine_reference import random_effects_data

BOTH = np.array([True, True])


def made(seed: int, *, sets: int = 40, spread: float = 100.0, p: int = 1) -> NestedBatch:
    """Data sets of two to seven studies whose variances span a factor of `spread`."""
    rng = np.random.default_rng(seed)
    studies = int(rng.integers(2, 8))
    group = np.repeat(np.arange(studies), rng.integers(1, 4, studies))
    k = len(group)
    v = 0.01 * np.exp(rng.uniform(0, np.log(spread), (sets, k)))
    between, within = rng.choice([0.0, 0.1, 0.5], (2, sets, 1))
    y = np.sqrt(v) * rng.normal(size=(sets, k)) + within * rng.normal(size=(sets, k))
    y += (between * rng.normal(size=(sets, studies)))[:, group]
    x = np.concatenate([np.ones((k, 1)), rng.normal(size=(k, p - 1))], axis=1)[None]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    keep = np.ones((1, k), dtype=bool)
    prepared = prepare_nested(Studies(y, v, x, keep, [], np.arange(k), starts, group))
    assert isinstance(prepared, Prepared)
    return prepared.batch


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("p", [1, 2])
def test_derivatives_are_those_of_the_likelihood(p: int, reml: bool) -> None:
    batch = made(3, p=p)
    theta = np.random.default_rng(1).uniform(0.2, 2.0, (len(batch.d), 2))
    at = slopes_at(lanes_at(batch, theta, reml=reml), reml=reml)
    for i in (0, 1):
        step = np.zeros(2)
        step[i] = 1e-5
        high, low = (lanes_at(batch, theta + sign * step, reml=reml) for sign in (1, -1))
        np.testing.assert_allclose(at.score[:, i], (high.loglik - low.loglik) / 2e-5, rtol=1e-5, atol=1e-6)
        above, below = (slopes_at(one, reml=reml).score for one in (high, low))
        np.testing.assert_allclose(at.observed[:, i], (below - above) / 2e-5, rtol=1e-5, atol=1e-6)


def test_the_grid_is_the_likelihood_up_to_a_constant() -> None:
    batch = made(5, p=2)
    a, b = starting_grid(batch, BOTH, np.zeros((len(batch.d), 2)))
    values = grid_values(batch, a, b, reml=True)
    rng = np.random.default_rng(2)
    i, j = rng.integers(0, a.shape[1], (2, len(a)))
    rows = np.arange(len(a))
    exact = lanes_at(batch, np.stack([a[rows, i], b[rows, j]], axis=1), reml=True).loglik
    top = lanes_at(batch, np.stack([a[rows, 3], b[rows, 4]], axis=1), reml=True).loglik
    np.testing.assert_allclose(values[rows, i, j] - values[rows, 3, 4], exact - top, atol=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_no_random_start_leads_higher(seed: int) -> None:
    batch = made(seed, spread=(10.0, 100.0, 1e4)[seed % 3], p=1 + seed % 2)
    n = len(batch.d)
    if batch.d.shape[1] <= batch.p + 1:
        return
    best = search(batch, BOTH, np.zeros((n, 2)), reml=True)
    start = 10 ** np.random.default_rng(seed).uniform(-3, 2, (8 * n, 2))
    other = climb(batch, np.tile(np.arange(n), 8), start, free=BOTH, reml=True)
    highest = other.loglik.reshape(8, n).max(axis=0)
    assert (best.loglik >= highest - 1e-8).all()
    assert (best.score < 1e-6).all()


def test_one_climb_is_a_batch_of_one() -> None:
    batch = made(11, sets=20)
    zero = np.zeros((20, 2))
    best = search(batch, BOTH, zero, reml=True)
    a, b = starting_grid(batch, BOTH, zero)
    values = grid_values(batch, a, b, reml=True)
    owner, i, j = peaks(values)
    for n in range(20):
        found = []
        for where in np.flatnonzero(owner == n):
            start = between_points(values[n], a[n], b[n], (int(i[where]), int(j[where])))
            one = climb_one(batch.take(np.array([n])), start, free=(True, True), reml=True)
            assert one is not None
            found.append(one)
        top = max(found, key=lambda one: one.loglik)
        assert top.loglik == pytest.approx(best.loglik[n], abs=1e-10)
        np.testing.assert_allclose(top.theta, best.theta[n], rtol=1e-7, atol=1e-9)


def test_a_proof_that_a_variance_is_seen_is_right() -> None:
    for seed in range(12):
        batch = made(seed, p=1 + seed % 3, spread=1e6)
        if batch.d.shape[1] < batch.p:
            continue
        theta = np.ones((len(batch.d), 2))
        flat = slopes_at(lanes_at(batch, theta, reml=True), reml=True).flat
        assert (flat[surely_seen(batch, theta)] > 1e-9).all()


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_the_general_search_finds_the_same(method) -> None:
    given = (Intercept(("study",), 0.1), Intercept(("study", "row")))
    twins = (Intercept(("row",)), Intercept(("study", "row")))
    with one_blas_thread():
        for seed, terms in enumerate([Spec.che().terms] * 6 + [given, twins]):
            effects = random_effects_data(seed, studies=5, most=3)
            design = Design(np.column_stack([np.ones(effects.k), effects.columns["x"]]), ("intercept", "x"))
            setup = build(effects, design, Spec(terms, method, "z"))
            ours, general = solve(setup, method=method), multistart.solve(setup, method=method)
            assert ours.optimum.status == general.optimum.status
            assert ours.unknown == general.unknown
            assert ours.evaluation.loglik == pytest.approx(general.evaluation.loglik, abs=1e-9)
            np.testing.assert_allclose(ours.theta, general.theta, rtol=1e-6, atol=1e-8)
            ends = (ours.evaluation, general.evaluation)
            beta = [np.linalg.solve(at.r_basis, at.along) for at in ends]
            np.testing.assert_allclose(*beta, rtol=1e-7, atol=1e-10)
            np.testing.assert_allclose(ours.information, general.information, rtol=1e-5)


def test_saturated_groups_leave_the_variance_between_them_unknown() -> None:
    effects = random_effects_data(2, studies=4, most=3)
    codes = np.unique(effects.study.astype(str), return_inverse=True)[1]
    design = Design(np.eye(4)[codes], ("a", "b", "c", "d"))
    model = fit(effects, Spec.che(), design=design)
    assert model.optimum.status == "not-identified"
    again = refit_many(model, y=effects.y[None])
    np.testing.assert_allclose(again.theta[0], model.components.theta, rtol=1e-8)
    np.testing.assert_allclose(again.estimate[0], model.coefficients.estimate, rtol=1e-9)


def test_many_variances_of_zero() -> None:
    labels = np.array(["a", "a", "b", "b", "c"], dtype=object)
    effects = Effects(np.array([0.1, 0.4, 0.3, 0.2, 0.5]), np.array([0.0, 0.0, 0.01, 0.02, 0.0]), labels)
    model = fit(effects, Spec(Spec.che().terms, "REML", "CR2"))
    again = refit_many(model, y=effects.y[None])
    assert again.ok.all()
    np.testing.assert_allclose(again.theta[0], model.components.theta, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(again.se[0], model.coefficients.se, rtol=1e-8)
    assert np.isnan(again.q[0])
    assert np.isnan(model.heterogeneity.q)
