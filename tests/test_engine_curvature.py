"""Score and exact curvature of every form of the likelihood against differences of its value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consilience.likelihood.build import build
from consilience.likelihood.dense import DenseLayout
from consilience.likelihood.gaussian import evaluate
from consilience.likelihood.lanes import has_lanes, inverse_root, lane_model
from consilience.models import fit
from consilience.records import Design, Inner, Intercept, Slopes, Spec
from engine_reference import che_covariance, dense_loglik, random_effects_data

NESTED = (Intercept(("study",)), Intercept(("study", "row")))
MODELS = {
    "nested": NESTED,
    "unstructured": (Inner("outcome", "study", "UN"),),
    "two terms": (Inner("outcome", "study", "HCS"), Intercept(("row",))),
    "slopes": (Slopes(("x",), "study"),),
    "autoregressive": (Inner("outcome", "study", "AR"),),
}


def _setup(terms: tuple, seed: int):
    effects = random_effects_data(seed, studies=9)
    design = Design(np.column_stack([np.ones(effects.k), effects["x"]]), ("intercept", "x"))
    setup = build(effects, design, Spec(terms, "REML", "z"))
    rng = np.random.default_rng(seed)
    theta = np.array([rng.uniform(0.3, 0.6) for _ in setup.parameters])
    return setup.problem, theta


def _differences(function, theta: np.ndarray) -> np.ndarray:
    """Central differences with one Richardson step."""

    def at(h: float) -> np.ndarray:
        steps = h * np.eye(len(theta))
        return np.array([(function(theta + s) - function(theta - s)) / (2 * h) for s in steps])

    return (4 * at(5e-4) - at(1e-3)) / 3


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_score_and_curvature_are_the_derivatives_of_the_likelihood(name: str, reml: bool) -> None:
    problem, theta = _setup(MODELS[name], seed=11)
    if isinstance(problem.layout, DenseLayout):
        assert has_lanes(problem)
        model = lane_model(problem, problem.layout, reml=reml)

        def objective(at, derivatives):
            return model.evaluate(at[None]).point(0)

    else:

        def objective(at, derivatives):
            return evaluate(problem, at, reml=reml, derivatives=derivatives)

    here = objective(theta, True)
    score = _differences(lambda at: objective(at, False).loglik, theta)
    hessian = _differences(lambda at: objective(at, True).score, theta)
    np.testing.assert_allclose(here.score, score, rtol=1e-6, atol=1e-7)
    assert here.observed is not None
    np.testing.assert_allclose(here.observed, -hessian, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "nested"])
def test_each_lane_is_the_layout_by_blocks(name: str, reml: bool) -> None:
    problem, theta = _setup(MODELS[name], seed=5)
    model = lane_model(problem, problem.layout, reml=reml)
    thetas = np.array([theta, 0.7 * theta, 0.1 * theta])
    lanes = model.evaluate(thetas)
    np.testing.assert_allclose(model.loglik(thetas), lanes.loglik, rtol=1e-13)
    for i, one in enumerate(thetas):
        blocks = evaluate(problem, one, reml=reml)
        assert lanes.loglik[i] == pytest.approx(blocks.loglik, rel=1e-13)
        for field in ("score", "information", "curvature"):
            ours, theirs = getattr(lanes, field)[i], getattr(blocks, field)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=field)


def test_lanes_of_an_uneven_design_and_uneven_variances() -> None:
    effects = random_effects_data(8, studies=9)
    uneven = replace(effects, v=effects.v * 10.0 ** np.linspace(-8, 0, effects.k), blocks=())
    x = effects["x"]
    design = Design(np.column_stack([np.ones(effects.k), x, x + 1e-5 * x**2]), ("a", "b", "c"))
    problem = build(uneven, design, Spec((Inner("outcome", "study", "UN"),), "REML", "z")).problem
    theta = np.full(len(problem.lower), 1e-3)
    lanes = lane_model(problem, problem.layout, reml=True).evaluate(theta[None])
    blocks = evaluate(problem, theta, reml=True)
    assert lanes.loglik[0] == pytest.approx(blocks.loglik, rel=1e-11)
    np.testing.assert_allclose(lanes.score[0], blocks.score, rtol=1e-7)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_inverse_roots_and_what_has_none(size: int) -> None:
    rng = np.random.default_rng(size)
    half = rng.normal(size=(4, 3, size, size))
    a = half @ half.swapaxes(2, 3)
    with np.errstate(all="ignore"):
        root = inverse_root(a)
        a[1, 2] = -a[1, 2]
        some = inverse_root(a)
    np.testing.assert_allclose(root, np.linalg.inv(np.linalg.cholesky(half @ half.swapaxes(2, 3))), atol=1e-9)
    bad = ~np.isfinite(np.diagonal(some, axis1=2, axis2=3)).all(axis=2)
    assert np.argwhere(bad).tolist() == [[1, 2]]
    np.testing.assert_array_equal(some[~bad], root[~bad])


def test_no_likelihood_without_a_positive_definite_covariance() -> None:
    effects = random_effects_data(3, studies=6, rho=1.0)
    spec = Spec((Inner("outcome", "study", "DIAG"),), "REML", "z")
    problem = build(effects, Design.intercept(effects.k), spec).problem
    model = lane_model(problem, problem.layout, reml=True)
    thetas = np.array([np.full(len(problem.lower), -10.0), np.ones(len(problem.lower))])
    assert np.isfinite(model.loglik(thetas)).tolist() == [False, True]


def _hessian(function, at: np.ndarray, h: float) -> np.ndarray:
    """Second differences."""
    q = len(at)
    result = np.empty((q, q))
    for i in range(q):
        for j in range(q):
            a, b = h * np.eye(q)[i], h * np.eye(q)[j]
            four = function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)
            result[i, j] = four / (4 * h * h)
    return result


def test_standard_errors_of_variances_are_those_of_the_dense_likelihood() -> None:
    effects = random_effects_data(21, studies=40)
    x = np.ones((effects.k, 1))
    found = fit(effects, Spec(NESTED, "REML", "z"))

    def loglik(theta: np.ndarray) -> float:
        return dense_loglik(effects.y, x, che_covariance(effects, *theta), reml=True)[0]

    information = -_hessian(loglik, found.components.variance, 1e-4)
    np.testing.assert_allclose(found.components.se, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-4)


def test_standard_errors_of_an_unstructured_matrix() -> None:
    full = random_effects_data(4, studies=30, most=2, study_sd=0.6)
    found = fit(full, Spec((Inner("outcome", "study", "UN"),), "ML", "z"))
    second = full["outcome"] == "o1"
    within = (full.study[:, None] == full.study[None, :]).astype(float)

    def loglik(g: np.ndarray) -> float:
        matrix = np.array([[g[0], g[1]], [g[1], g[2]]])
        spread = matrix[np.ix_(second.astype(int), second.astype(int))] * within
        return dense_loglik(full.y, np.ones((full.k, 1)), full.covariance() + spread, reml=False)[0]

    a, b = found.components.variance
    (rho,) = found.components.correlations.values()
    information = -_hessian(loglik, np.array([a, rho * np.sqrt(a * b), b]), 1e-4)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))[[0, 2]]
    np.testing.assert_allclose(found.components.se, expected, rtol=1e-3)


def test_a_variance_at_its_bound_or_given_has_no_standard_error() -> None:
    effects = random_effects_data(1, studies=8)
    given = fit(effects, Spec((Intercept(("study",), 0.1), Intercept(("row",))), "REML", "z"))
    assert np.isnan(given.components.se[0])
    flat = fit(replace(effects, y=np.zeros(effects.k)), Spec(NESTED, "REML", "z"))
    assert flat.optimum.status == "boundary"
    assert np.isnan(flat.components.se).all()


@pytest.mark.parametrize("structure", ["UN", "CS", "HCS"])
def test_correlations_of_outcomes_that_never_meet_are_named(structure) -> None:
    full = random_effects_data(9, studies=30, most=1, study_sd=0.5)
    effects = replace(full, columns={"outcome": np.array(["a", "b"] * 15, dtype=object)})
    found = fit(effects, Spec((Inner("outcome", "study", structure),), "REML", "z"))
    assert found.optimum.status == "not-identified"
    (note,) = found.notes
    assert "outcome|study" in note.message
    assert note.code == ("correlation-not-identified" if structure == "UN" else "not-identified")
