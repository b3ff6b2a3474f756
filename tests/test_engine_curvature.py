"""Score and exact curvature of every form of the likelihood against differences of its value."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.likelihood.build import build
from consilience.likelihood.compact import compact_objective, is_compact
from consilience.likelihood.dense import DenseLayout
from consilience.likelihood.gaussian import evaluate
from consilience.records import Design, Inner, Intercept, Slopes, Spec
from engine_reference import random_effects_data

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
        assert is_compact(problem)
        objective = compact_objective(problem, problem.layout, reml=reml)
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
def test_the_compact_form_is_the_layout_by_blocks(name: str, reml: bool) -> None:
    problem, theta = _setup(MODELS[name], seed=5)
    compact = compact_objective(problem, problem.layout, reml=reml)(theta, True)
    blocks = evaluate(problem, theta, reml=reml)
    assert compact.loglik == pytest.approx(blocks.loglik, rel=1e-13)
    for field in ("score", "information", "curvature"):
        ours, theirs = getattr(compact, field), getattr(blocks, field)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=field)


def test_no_likelihood_without_a_positive_definite_covariance() -> None:
    effects = random_effects_data(3, studies=6, rho=1.0)
    spec = Spec((Inner("outcome", "study", "DIAG"),), "REML", "z")
    problem = build(effects, Design.intercept(effects.k), spec).problem
    objective = compact_objective(problem, problem.layout, reml=True)
    assert objective(np.full(len(problem.lower), -10.0), False) is None
