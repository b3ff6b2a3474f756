"""What must not matter to any model: order of rows, origin, unit, sign, coding of the moderators, names of clusters.

Each is asked of the public fit of univariate, multilevel, multivariate and working models, with the tests that users
choose, robust ones included. Data are random; the transformed analysis must be the transformed result.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import consilience
from consilience import Design, Effects, Fit, Inner, Intercept, Spec
from engine_reference import random_effects_data, reordered, scaled

NESTED = (Intercept(("study",)), Intercept(("study", "row")))
MODELS = {
    "equal effects, z": Spec.equal_effects(),
    "DL, z": Spec.random_effects("DL", "z"),
    "PMM, t": Spec.random_effects("PMM", "t"),
    "GENQM, Knapp-Hartung with floor": Spec.random_effects("GENQM", "knapp-hartung-floor"),
    "ML, Knapp-Hartung": Spec.random_effects("ML"),
    "REML, Knapp-Hartung": Spec.random_effects(),
    "REML, CR2": Spec.random_effects(test="CR2"),
    "three levels ML, t": Spec(NESTED, "ML", "t"),
    "CHE, CR2": Spec.che(),
    "CHE, CR1": replace(Spec.che(), test="CR1"),
    "unstructured, z": Spec((Inner("outcome", "study", "UN"),), "REML", "z"),
    "CORR, CR2": Spec.correlated(),
    "HIER, CR2": Spec.hierarchical(),
}
UNIVARIATE = list(MODELS)[:7]
EACH = pytest.mark.parametrize("name", MODELS)
SEEDS = given(seed=st.integers(0, 10_000))
FEW = settings(max_examples=12, deadline=None)


def data(name: str, seed: int) -> tuple[Effects, Design]:
    """Independent effects for univariate models, else up to two outcomes of each study with their covariance."""
    most = 1 if name in UNIVARIATE else 2
    effects = random_effects_data(seed, studies=12, most=most, study_sd=0.5, row_sd=0.3)
    return effects, Design(np.column_stack([np.ones(effects.k), effects["x"]]), ("intercept", "x"))


def close(a: Fit, b: Fit, *, by: np.ndarray, unit: float = 1.0, rtol: float = 2e-6) -> None:
    """Coefficients of `a` are `by` @ those of `b` (the robust degrees of freedom of those combinations too), all else
    in other units. Optima of flat likelihoods are compared at the square root of their accuracy."""
    other = consilience.contrasts(b, by)
    size = float(np.max(np.abs(other.se))) * unit
    np.testing.assert_allclose(a.coefficients.estimate, other.estimate * unit, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(a.coefficients.se, other.se * unit, rtol=rtol)
    np.testing.assert_allclose(a.coefficients.df, other.df, rtol=10 * rtol)
    typical = float(np.median(b.effects.v)) * unit**2
    np.testing.assert_allclose(
        a.components.variance, b.components.variance * unit**2, rtol=20 * rtol, atol=20 * rtol * typical
    )
    if b.heterogeneity.q > 0:
        assert a.heterogeneity.q == pytest.approx(b.heterogeneity.q, rel=1e-6)
    if np.isfinite(b.loglik):
        p = 0 if b.spec.method in ("ML", "EE") else len(b.coefficients.names)
        assert a.loglik + (b.effects.k - p) * np.log(unit) == pytest.approx(b.loglik, abs=1e-7)


@EACH
@FEW
@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_order_of_rows_and_names_of_clusters(name: str, seed: int, other: int) -> None:
    effects, design = data(name, seed)
    order = np.random.default_rng(other).permutation(effects.k)
    moved = reordered(effects, order)
    moved = replace(moved, study=np.array([f"{len(s) * 7919 % 97}-{s}" for s in moved.study], dtype=object))
    base = consilience.fit(effects, MODELS[name], design=design)
    again = consilience.fit(moved, MODELS[name], design=replace(design, matrix=design.matrix[order]))
    close(again, base, by=np.eye(2))


@EACH
@FEW
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3))
def test_origin(name: str, seed: int, shift: float) -> None:
    effects, design = data(name, seed)
    base = consilience.fit(effects, MODELS[name], design=design)
    again = consilience.fit(replace(effects, y=effects.y + shift), MODELS[name], design=design)
    c = again.coefficients
    back = replace(again, coefficients=replace(c, estimate=c.estimate - [shift, 0.0]))
    close(back, base, by=np.eye(2))


@EACH
@FEW
@given(seed=st.integers(0, 10_000), power=st.integers(-60, 60))
def test_unit(name: str, seed: int, power: int) -> None:
    effects, design = data(name, seed)
    base = consilience.fit(effects, MODELS[name], design=design)
    again = consilience.fit(scaled(effects, 10.0**power), MODELS[name], design=design)
    close(again, base, by=np.eye(2), unit=10.0**power)


@EACH
@FEW
@SEEDS
def test_sign(name: str, seed: int) -> None:
    effects, design = data(name, seed)
    base = consilience.fit(effects, MODELS[name], design=design)
    again = consilience.fit(replace(effects, y=-effects.y), MODELS[name], design=design)
    close(again, base, by=-np.eye(2))
    assert base.omnibus is not None
    assert again.omnibus is not None
    assert again.omnibus.p_value == pytest.approx(base.omnibus.p_value, rel=1e-3)


@EACH
@FEW
@SEEDS
def test_coding_of_the_moderators(name: str, seed: int) -> None:
    """X A for any regular A: coefficients A^-1 b, and the same tests of the same hypotheses."""
    effects, design = data(name, seed)
    turn = np.random.default_rng(seed).normal(size=(2, 2)) + 2 * np.eye(2)
    if abs(np.linalg.det(turn)) < 0.1:
        return
    base = consilience.fit(effects, MODELS[name], design=design)
    again = consilience.fit(effects, MODELS[name], design=Design(design.matrix @ turn, ("a", "b")))
    close(again, base, by=np.linalg.inv(turn))
    slope = consilience.wald_test(again, turn[1])
    assert slope.p_value == pytest.approx(consilience.wald_test(base, "x").p_value, rel=1e-3, abs=1e-10)
    both = consilience.wald_test(again, turn), consilience.wald_test(base, ["intercept", "x"])
    assert both[0].statistic == pytest.approx(both[1].statistic, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize(
    "name", [n for n in MODELS if n not in ("equal effects, z", "CORR, CR2", "HIER, CR2")]
)
@FEW
@SEEDS
def test_no_variance_between_studies_is_equal_effects(name: str, seed: int) -> None:
    """Effects that differ by less than chance have variances of zero, and the result is that of equal effects."""
    effects, design = data(name, seed)
    quiet = replace(
        effects, y=0.3 + 0.01 * np.sqrt(effects.v) * np.random.default_rng(seed).normal(size=effects.k)
    )
    spec = MODELS[name]
    found = consilience.fit(quiet, spec, design=design)
    equal = consilience.fit(quiet, Spec((), "EE", spec.test), design=design)
    if spec.method != "GENQM" or found.components.total == 0:
        assert found.components.total == pytest.approx(0.0, abs=1e-9)
        np.testing.assert_allclose(found.coefficients.estimate, equal.coefficients.estimate, rtol=1e-7)
        np.testing.assert_allclose(found.coefficients.se, equal.coefficients.se, rtol=1e-6)
        np.testing.assert_allclose(found.coefficients.df, equal.coefficients.df, rtol=1e-5)
    assert found.optimum.status in ("boundary", "closed-form", "not-identified")
