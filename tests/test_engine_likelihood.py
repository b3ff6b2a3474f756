"""The fast layouts against a slow likelihood with k x k matrices: value, gradient, coefficients, covariance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.inference.working import working_model
from consilience.likelihood.build import build
from consilience.likelihood.crossed import CrossedLayout
from consilience.likelihood.dense import DenseLayout
from consilience.likelihood.gaussian import evaluate
from consilience.likelihood.nested import NestedLayout
from consilience.models import fit
from consilience.records import Design, Effects, Inner, Intercept, Known, Slopes, Spec
from engine_reference import che_covariance, dense_loglik, random_effects_data, same

VARIANCES = st.one_of(st.just(0.0), st.floats(1e-4, 3.0))


def _design(effects, moderator: bool) -> Design:
    if not moderator:
        return Design.intercept(effects.k)
    return Design(np.column_stack([np.ones(effects.k), effects.columns["x"]]), ("intercept", "x"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), VARIANCES, VARIANCES, st.booleans(), st.booleans(), st.floats(0.0, 0.9))
def test_nested_layout_is_the_textbook_likelihood(  # noqa: PLR0917
    seed, study, row, reml, moderator, rho
):
    effects = random_effects_data(seed, rho=rho)
    design = _design(effects, moderator)
    setup = build(effects, design, Spec.che())
    assert isinstance(setup.problem.layout, NestedLayout)
    theta = setup.scale_theta(np.array([study, row]), -1)
    at = evaluate(setup.problem, theta, reml=reml)
    working = working_model(setup, at, theta=theta, effects=effects, spec=Spec.che())
    value, beta, covariance = dense_loglik(
        effects.y, design.matrix, che_covariance(effects, study, row), reml=reml
    )
    ours = at.loglik - (effects.k - (design.matrix.shape[1] if reml else 0)) * setup.exponent * np.log(2)
    assert ours == pytest.approx(value, rel=1e-10, abs=1e-9)
    np.testing.assert_allclose(working.beta, beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(working.covariance, covariance, rtol=1e-8)


TERMS = {
    "UN": (Inner("outcome", "study", "UN"),),
    "CS": (Inner("outcome", "study", "CS"),),
    "HCS": (Inner("outcome", "study", "HCS"),),
    "DIAG": (Inner("outcome", "study", "DIAG"),),
    "ID": (Inner("outcome", "study", "ID"),),
    "AR": (Inner("outcome", "study", "AR"),),
    "HAR": (Inner("outcome", "study", "HAR"),),
    "slopes": (Slopes(("x",), "study"),),
    "crossed": (Intercept(("study",)), Intercept(("outcome",)), Intercept(("row",))),
    "three": (Intercept(("study",)), Intercept(("study", "outcome"))),
    "two": (Inner("outcome", "study", "CS"), Intercept(("outcome",))),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("reml", [True, False])
def test_gradient_is_the_slope_of_the_likelihood(name, reml):
    effects = random_effects_data(11, studies=7)
    spec = Spec(TERMS[name], "REML", "z")
    setup = build(effects, _design(effects, True), spec)
    rng = np.random.default_rng(5)
    theta = np.array([p.seed * rng.uniform(0.3, 0.9) for p in setup.parameters])
    at = evaluate(setup.problem, theta, reml=reml)
    for i in range(len(theta)):
        step = np.zeros_like(theta)
        step[i] = 1e-5
        high = evaluate(setup.problem, theta + step, reml=reml, derivatives=False).loglik
        low = evaluate(setup.problem, theta - step, reml=reml, derivatives=False).loglik
        assert at.score[i] == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-6)


def test_gradient_of_the_nested_layout():
    effects = random_effects_data(3)
    setup = build(effects, _design(effects, True), Spec.che())
    theta = np.array([0.4, 0.7])
    at = evaluate(setup.problem, theta, reml=True)
    for i, step in enumerate(np.eye(2) * 1e-5):
        high = evaluate(setup.problem, theta + step, reml=True, derivatives=False).loglik
        low = evaluate(setup.problem, theta - step, reml=True, derivatives=False).loglik
        assert at.score[i] == pytest.approx((high - low) / 2e-5, rel=1e-6)


def _covariance(spec: Spec, effects, theta: np.ndarray) -> np.ndarray:
    """M on the effects' scale, assembled from the layout's blocks."""
    setup = build(effects, Design.intercept(effects.k), spec, dense=True)
    full = np.zeros((effects.k, effects.k))
    for rows, blocks in setup.problem.layout.covariances(setup.scale_theta(theta, -1)):
        for r, block in zip(rows, blocks, strict=True):
            full[np.ix_(r, r)] = block
    return full * 4.0**setup.exponent


def test_covariances_of_the_structures_by_hand():
    """Each structure's marginal covariance written out element by element."""
    effects = random_effects_data(4, studies=5, most=3)
    study, level = same(effects.study), np.array([int(o[1:]) for o in effects.columns["outcome"]])
    gap = np.abs(level[:, None] - level[None, :])
    v = effects.covariance()
    unit = (gap == 0).astype(float)
    cases = {
        "CS": ([0.3, 0.4], 0.3 * np.where(gap == 0, 1.0, 0.4)),
        "AR": ([0.3, 0.4], 0.3 * 0.4**gap),
        "ID": ([0.3], 0.3 * unit),
        "DIAG": ([0.3, 0.2, 0.1], unit * np.array([0.3, 0.2, 0.1])[level][:, None]),
    }
    s = np.array([0.5, 0.3, 0.2])[level]
    cases["HCS"] = ([0.5, 0.3, 0.2, 0.4], np.outer(s, s) * np.where(gap == 0, 1.0, 0.4))
    cases["HAR"] = ([0.5, 0.3, 0.2, -0.4], np.outer(s, s) * (-0.4) ** gap.astype(float))
    lower = np.array([[0.5, 0, 0], [0.2, 0.3, 0], [-0.1, 0.1, 0.4]])
    cases["UN"] = (lower[np.tril_indices(3)].tolist(), (lower @ lower.T)[np.ix_(level, level)])
    for name, (theta, expected) in cases.items():
        spec = Spec((Inner("outcome", "study", name),), "REML", "z")
        np.testing.assert_allclose(
            _covariance(spec, effects, np.array(theta)), v + study * expected, atol=1e-12
        )


def test_known_and_spatial_covariances_by_hand():
    effects = random_effects_data(5, studies=4, most=3)
    labels = ("o0", "o1", "o2")
    level = np.array([int(o[1:]) for o in effects.columns["outcome"]])
    relation = np.array([[1, 0.5, 0.2], [0.5, 1, 0.3], [0.2, 0.3, 1]])
    found = _covariance(Spec((Known("outcome", relation, labels),), "REML", "z"), effects, np.array([0.7]))
    np.testing.assert_allclose(found, effects.covariance() + 0.7 * relation[np.ix_(level, level)], atol=1e-12)
    distance = np.array([[0, 1.0, 3.0], [1.0, 0, 2.0], [3.0, 2.0, 0]])
    t = distance[np.ix_(level, level)] / 1.7
    shapes = {
        "SPEXP": np.exp(-t),
        "SPGAU": np.exp(-(t**2)),
        "SPLIN": np.maximum(1 - t, 0),
        "SPRAT": 1 - t**2 / (1 + t**2),
        "SPSPH": np.where(t < 1, 1 - 1.5 * t + 0.5 * t**3, 0),
    }
    for name, shape in shapes.items():
        term = Inner("outcome", "study", name, distance=distance, labels=labels)
        found = _covariance(Spec((term,), "REML", "z"), effects, np.array([0.7, 1.7]))
        np.testing.assert_allclose(
            found, effects.covariance() + 0.7 * same(effects.study) * shape, atol=1e-12
        )


def test_dense_and_nested_layouts_agree_on_a_crossed_model_with_no_crossing_variance():
    effects = random_effects_data(6)
    crossed = Spec(
        (Intercept(("study",)), Intercept(("study", "row")), Intercept(("outcome",), 0.0)), "REML", "z"
    )
    one = build(effects, Design.intercept(effects.k), crossed, dense=True)
    other = build(effects, Design.intercept(effects.k), Spec.che())
    assert isinstance(one.problem.layout, DenseLayout)
    theta = np.array([0.5, 0.2])
    left = evaluate(one.problem, np.append(theta, 0.0), reml=True)
    right = evaluate(other.problem, theta, reml=True)
    assert left.loglik == pytest.approx(right.loglik, rel=1e-12)
    np.testing.assert_allclose(left.score[:2], right.score, rtol=1e-10)
    np.testing.assert_allclose(left.information[:2, :2], right.information, rtol=1e-10)


def test_low_rank_layout_is_the_dense_one():
    """Crossed intercepts and a known correlation: value, gradient, information and traces of the two layouts."""
    rng = np.random.default_rng(9)
    k = 120
    effects = Effects(
        rng.normal(size=k),
        rng.uniform(0.05, 0.3, k),
        rng.integers(0, 40, k).astype(str).astype(object),
        columns={"lab": rng.integers(0, 6, k).astype(str).astype(object), "x": rng.normal(size=k)},
    )
    root = rng.normal(size=(6, 8))
    scale = np.sqrt(np.sum(root**2, axis=1))
    relation = (root / scale[:, None]) @ (root / scale[:, None]).T
    labels = tuple(str(i) for i in range(6))
    spec = Spec(
        (Known("lab", relation, labels), Intercept(("study",)), Intercept(("lab",)), Intercept(("row",))),
        "REML",
        "z",
    )
    one = build(effects, _design(effects, True), spec)
    other = build(effects, _design(effects, True), spec, dense=True)
    assert isinstance(one.problem.layout, CrossedLayout)
    assert isinstance(other.problem.layout, DenseLayout)
    for theta in (np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.0, 0.3, 0.0, 0.0]), np.zeros(4)):
        for reml in (True, False):
            a = evaluate(one.problem, theta, reml=reml)
            b = evaluate(other.problem, theta, reml=reml)
            assert a.loglik == pytest.approx(b.loglik, rel=1e-12)
            np.testing.assert_allclose(a.score, b.score, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(a.information, b.information, rtol=1e-8, atol=1e-10)
            assert a.factor.trace_inverse() == pytest.approx(b.factor.trace_inverse(), rel=1e-10)
    left, right = np.zeros((k, k)), np.zeros((k, k))
    theta = np.array([0.4, 0.3, 0.2, 0.1])
    for layout, full in ((one.problem.layout, left), (other.problem.layout, right)):
        for rows, blocks in layout.covariances(theta):
            original = layout.order[rows]
            full[original[:, :, None], original[:, None, :]] = blocks
    np.testing.assert_allclose(left, right, atol=1e-12)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    "theta", [(0.4, 0.3, 0.2, 0.1), (0.0, 0.3, 0.2, 0.0), (0.4, 0.0, 0.0, 0.2), (0.0, 0.0, 0.0, 0.0)]
)
def test_sparse_crossed_layout_is_the_dense_one(theta: tuple[float, ...], reml: bool) -> None:
    """Three crossed groupings: value, derivatives and coefficients of the sparse layout, the dense one and the textbook."""
    rng = np.random.default_rng(3)
    k = 160
    names = ("study", "lab", "rater")
    codes = {name: rng.integers(0, n, k) for name, n in zip(names, (50, 20, 6), strict=True)}
    columns = {name: code.astype(str).astype(object) for name, code in codes.items()}
    columns["x"] = rng.normal(size=k)
    effects = Effects(rng.normal(size=k), rng.uniform(0.05, 0.3, k), columns.pop("study"), columns=columns)
    spec = Spec((*(Intercept((name,)) for name in names), Intercept(("row",))), "REML", "z")
    design = _design(effects, True)
    one, other = build(effects, design, spec), build(effects, design, spec, dense=True)
    assert isinstance(one.problem.layout, CrossedLayout)
    assert not isinstance(one.problem.layout.z, np.ndarray)
    working = one.scale_theta(np.array(theta), -1)
    a, b = (evaluate(setup.problem, working, reml=reml) for setup in (one, other))
    assert a.loglik == pytest.approx(b.loglik, rel=1e-12)
    for field in ("score", "information", "flat"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-9, atol=1e-9, err_msg=field)
    beta = [np.linalg.solve(at.r_basis, at.along) for at in (a, b)]
    np.testing.assert_allclose(*beta, rtol=1e-9, atol=1e-9)
    assert a.factor.trace_inverse() == pytest.approx(b.factor.trace_inverse(), rel=1e-10)
    m = np.diag(effects.v + theta[3])
    for name, size in zip(names, theta[:3], strict=True):
        m += size * same(codes[name])
    value, _, _ = dense_loglik(effects.y, design.matrix, m, reml=reml)
    sized = k - (2 if reml else 0)
    assert a.loglik - sized * one.exponent * np.log(2.0) == pytest.approx(value, rel=1e-11)


def test_a_fit_of_crossed_intercepts_has_no_slope_left_at_a_variance_of_zero() -> None:
    rng = np.random.default_rng(8)
    k = 400
    columns = {"lab": rng.integers(0, 60, k).astype(str).astype(object)}
    study = rng.integers(0, 90, k)
    y = rng.normal(size=k) * 0.3 + rng.normal(size=90)[study] * 0.5
    effects = Effects(y, np.full(k, 0.1), study.astype(str).astype(object), columns=columns)
    spec = Spec((Intercept(("study",)), Intercept(("lab",)), Intercept(("row",))), "REML", "z")
    setup = build(effects, Design.intercept(k), spec)
    assert isinstance(setup.problem.layout, CrossedLayout)
    found = fit(effects, spec)
    assert found.optimum.status == "boundary"
    assert found.optimum.score < 1e-6
    assert found.components["row"] == 0.0
