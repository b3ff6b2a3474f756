"""F analyses at once are F single analyses; invariances; the estimators' meaning."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.inference.knapp_hartung import wald
from consilience.likelihood.batch import ESTIMATORS, BatchFit, fit_batch

FAST = ("EE", "DL", "DL2", "HE", "HS", "HSk", "SJ", "PM", "PMM", "ML", "REML", "GENQ")
FIELDS = (
    "tau2",
    "tau2_se",
    "coefficients",
    "covariance",
    "q",
    "q_tau",
    "i2",
    "h2",
    "loglik_ml",
    "loglik_reml",
)


def analyses(seed: int, f: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.01, 0.5, (f, k))
    y = rng.normal(0.3, np.sqrt(v + rng.uniform(0, 0.4, (f, 1))))
    return y, v, np.column_stack([np.ones(k), rng.normal(size=k)])


def same(a: Any, b: Any, *, rtol: float = 1e-9) -> None:
    for name in FIELDS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=1e-10, err_msg=name)


def stacked(fits: list[BatchFit]) -> SimpleNamespace:
    names = BatchFit.__annotations__
    return SimpleNamespace(**{name: np.concatenate([getattr(one, name) for one in fits]) for name in names})


@pytest.mark.parametrize("method", ESTIMATORS)
@pytest.mark.parametrize("moderated", [False, True])
def test_a_batch_is_its_single_analyses(method: str, moderated: bool) -> None:
    y, v, x = analyses(1, 7, 9)
    design = x if moderated else None
    together = fit_batch(y, v, design, method=method)
    same(together, stacked([fit_batch(y[i], v[i], design, method=method) for i in range(7)]))


@pytest.mark.parametrize("method", FAST)
@pytest.mark.parametrize("moderated", [False, True])
def test_a_missing_study_is_an_absent_study(method: str, moderated: bool) -> None:
    y, v, x = analyses(2, 6, 8)
    gone = np.array([0, 7, 3, 3, 5, 1])
    masked_v, masked_y = v.copy(), y.copy()
    masked_v[np.arange(6), gone] = np.inf
    masked_v[0, gone[0]], masked_y[0, gone[0]] = 0.2, np.nan
    together = fit_batch(masked_y, masked_v, x if moderated else None, method=method)
    alone = []
    for i in range(6):
        kept = np.arange(8) != gone[i]
        alone.append(fit_batch(y[i, kept], v[i, kept], x[kept] if moderated else None, method=method))
    same(together, stacked(alone))
    assert (together.k == 7).all()


def test_one_design_for_each_analysis() -> None:
    y, v, _ = analyses(3, 5, 8)
    x = np.stack([np.column_stack([np.ones(8), np.random.default_rng(i).normal(size=8)]) for i in range(5)])
    same(fit_batch(y, v, x), stacked([fit_batch(y[i], v[i], x[i]) for i in range(5)]))


def test_analyses_that_cannot_be_fitted_are_marked() -> None:
    y, v, x = analyses(4, 3, 5)
    v[0, :] = np.inf
    v[1, 1:] = np.inf
    found = fit_batch(y, v, x)
    assert found.ok.tolist() == [False, False, True]
    assert np.isnan(found.tau2[:2]).all()
    assert found.k.tolist() == [0, 0, 5]
    dummy = np.column_stack([np.ones(5), [0, 0, 0, 0, 1.0]])
    v2 = np.full((2, 5), 0.1)
    v2[1, 4] = np.inf  # the only study with the moderator
    assert fit_batch(y[:2], v2, dummy).ok.tolist() == [True, False]


def test_as_many_coefficients_as_studies() -> None:
    found = fit_batch(np.array([0.4]), np.array([0.09]))
    assert found.tau2[0] == 0
    assert found.coefficients[0, 0] == pytest.approx(0.4)
    assert found.covariance[0, 0, 0] == pytest.approx(0.09)
    assert np.isnan(wald(found, test="knapp-hartung").se).all()
    y, v, x = analyses(5, 1, 2)
    full = fit_batch(y, v, x)
    np.testing.assert_allclose(x @ full.coefficients[0], y[0], rtol=1e-10)


def test_equal_effects_all_the_same() -> None:
    found = fit_batch(np.full(5, 0.7), np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert found.tau2[0] == 0
    assert found.q[0] == pytest.approx(0, abs=1e-20)
    assert found.i2[0] == 0


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("span", [0.5, 4.0])
def test_the_compiled_search_agrees(reml: bool, span: float) -> None:
    if importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    rng = np.random.default_rng(6)
    v = 10 ** rng.uniform(-span / 2, span / 2, (3_000, 5))
    y = rng.normal(0, np.sqrt(v + 0.3))
    v[:200, 3] = np.inf
    method = "REML" if reml else "ML"
    plain, compiled = (fit_batch(y, v, method=method, engine=engine) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(compiled.tau2, plain.tau2, rtol=1e-10, atol=1e-10 * float(v.min()))
    np.testing.assert_array_equal(compiled.maxima, plain.maxima)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("p", [2, 3, 5])
@pytest.mark.parametrize("each", [True, False])
def test_the_compiled_search_of_regressions_agrees(method: str, p: int, each: bool) -> None:
    if importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    rng = np.random.default_rng(p)
    v = 10 ** rng.uniform(-1.2, 1.2, (600, 9))
    y = rng.normal(0, np.sqrt(v + 0.3))
    v[:200, 3] = np.inf
    x = rng.normal(size=(600, 9, p) if each else (9, p))
    x[..., 0] = 1.0
    plain, compiled = (fit_batch(y, v, x, method=method, engine=engine) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(compiled.tau2, plain.tau2, rtol=1e-10, atol=1e-10 * float(v.min()))
    np.testing.assert_array_equal(compiled.maxima, plain.maxima)


@given(
    st.integers(0, 10_000),
    st.floats(-1e4, 1e4),
    st.floats(1e-6, 1e6),
    st.sampled_from(["DL", "HE", "SJ", "PM", "ML", "REML"]),
)
@settings(max_examples=60, deadline=None)
def test_invariances(seed: int, shift: float, factor: float, method: str) -> None:
    """Order of rows, origin, unit, sign and coding of the moderators change nothing but what they name."""
    y, v, x = analyses(seed, 1, 8)
    y, v = y[0], v[0]
    base = fit_batch(y, v, x, method=method)
    order = np.random.default_rng(seed).permutation(8)
    same(fit_batch(y[order], v[order], x[order], method=method), base, rtol=1e-8)
    moved = fit_batch(y + shift, v, x, method=method)
    np.testing.assert_allclose(moved.tau2, base.tau2, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(moved.coefficients[0] - [shift, 0], base.coefficients[0], rtol=1e-6, atol=1e-8)
    flipped = fit_batch(-y, v, x, method=method)
    np.testing.assert_allclose(flipped.coefficients, -base.coefficients, rtol=1e-9, atol=1e-12)
    scaled = fit_batch(y * factor, v * factor**2, x, method=method)
    np.testing.assert_allclose(scaled.tau2, base.tau2 * factor**2, rtol=1e-8, atol=1e-12 * factor**2)
    turned = fit_batch(y, v, x @ np.array([[2.0, 1.0], [0.5, -3.0]]), method=method)
    np.testing.assert_allclose(turned.tau2, base.tau2, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(turned.loglik_reml, base.loglik_reml, rtol=1e-8)
    np.testing.assert_allclose(turned.q, base.q, rtol=1e-8)


def test_tau2_zero_is_equal_effects() -> None:
    y, v, x = analyses(8, 4, 7)
    same(
        fit_batch(y, v, x, method="DL", tau2=0.0),
        fit_batch(y, v, x, method="DL", tau2=np.zeros(4)),
    )
    given, equal = fit_batch(y, v, x, method="ML", tau2=0.0), fit_batch(y, v, x, method="EE")
    np.testing.assert_allclose(given.coefficients, equal.coefficients, rtol=1e-13)
    np.testing.assert_allclose(given.loglik_ml, equal.loglik_ml, rtol=1e-13)


@pytest.mark.parametrize("weights", [np.ones(8), np.arange(1.0, 9.0)])
def test_given_weights_by_hand(weights: np.ndarray) -> None:
    y, v, x = analyses(9, 1, 8)
    found = fit_batch(y, v, x, weights=weights, tau2=0.2)
    a = np.diag(weights)
    bread = np.linalg.inv(x.T @ a @ x) @ x.T @ a
    np.testing.assert_allclose(found.coefficients[0], bread @ y[0], rtol=1e-10)
    np.testing.assert_allclose(found.covariance[0], bread @ np.diag(v[0] + 0.2) @ bread.T, rtol=1e-9)


@pytest.mark.parametrize("method", ["DL", "HE", "PM", "REML", "GENQM", "PMM"])
def test_estimators_hit_the_truth_on_average(method: str) -> None:
    """tau^2 = 0.5 with 15 studies: moment estimators unbiased (GENQM, PMM: median), REML nearly so."""
    rng = np.random.default_rng(10)
    n = 300 if method == "GENQM" else 4_000
    v = np.broadcast_to(rng.uniform(0.05, 0.5, 15), (n, 15))
    found = fit_batch(rng.normal(0, np.sqrt(v + 0.5)), v, method=method).tau2
    error = 4 * found.std() / np.sqrt(n)
    if method in ("GENQM", "PMM"):
        assert abs((found < 0.5).mean() - 0.5) < 2.5 / np.sqrt(n)
    else:
        assert abs(found.mean() - 0.5) < error + 0.005


@pytest.mark.parametrize("test", ["knapp-hartung", "z"])
def test_coverage_of_the_mean(test: str) -> None:
    """Eight studies, tau^2 = 0.2: Knapp-Hartung covers 95%, the normal interval too little."""
    rng = np.random.default_rng(11)
    v = np.broadcast_to(rng.uniform(0.05, 0.5, 8), (4_000, 8))
    batch = fit_batch(rng.normal(0.4, np.sqrt(v + 0.2)), v)
    found = wald(batch, test=test)
    covered = ((found.ci_low[:, 0] < 0.4) & (found.ci_high[:, 0] > 0.4)).mean()
    assert 0.935 < covered < 0.965 if test == "knapp-hartung" else covered < 0.935


def test_the_floor_only_widens() -> None:
    y, v, _ = analyses(12, 200, 5)
    batch = fit_batch(y, v)
    plain, floored, normal = (wald(batch, test=t) for t in ("knapp-hartung", "knapp-hartung-floor", "t"))
    assert (floored.se >= plain.se).all()
    assert (floored.se >= normal.se * (1 - 1e-12)).all()
    assert (plain.se < normal.se).any()


def test_what_is_refused() -> None:
    y, v, x = analyses(13, 2, 4)
    with pytest.raises(OptionError, match='Did you mean "REML"'):
        fit_batch(y, v, method="reml")
    v[1, 2] = 0.0
    with pytest.raises(
        InputError, match="Analysis 2, row 3 has sampling variance 0; it must be positive"
    ) as caught:
        fit_batch(y, v)
    assert caught.value.code == "variance-not-positive"
    with pytest.raises(InputError, match="Row 3 has sampling variance -1"):
        fit_batch(np.zeros(3), np.array([1.0, 2.0, -1.0]))
    with pytest.raises(InputError, match="effect inf"):
        fit_batch(np.array([np.inf, 1.0]), np.ones(2))
    with pytest.raises(InputError, match="shape"):
        fit_batch(np.zeros(3), np.ones(2))
    with pytest.raises(InputError, match="Weights must be finite"):
        fit_batch(np.zeros(3), np.ones(3), weights=np.array([1.0, -1.0, 1.0]))
    with pytest.raises(OptionError, match="Engine"):
        fit_batch(np.zeros(3), np.ones(3), engine="gpu")
    assert x.shape == (4, 2)


def test_inputs_are_left_alone() -> None:
    y, v, x = analyses(14, 3, 6)
    kept = [a.copy() for a in (y, v, x)]
    fit_batch(y, v, x)
    for before, after in zip(kept, (y, v, x), strict=True):
        np.testing.assert_array_equal(before, after)
