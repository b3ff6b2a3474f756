"""Whatever is given to `fit`: an answer, a note that says what is missing from it, or an error with a code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import consilience
from consilience import Design, Effects, Intercept, Scale, Spec
from consilience.base.errors import ConsilienceError
from consilience.likelihood.batch import ESTIMATORS
from consilience.models import fit
from engine_reference import random_effects_data

Y, V = np.array([0.1, 0.4, 0.2, 0.8, 0.5]), np.array([0.1, 0.05, 0.2, 0.1, 0.1])
SPECS = {
    "univariate": Spec.random_effects(),
    "robust": Spec.random_effects(test="CR2"),
    "moments, robust": Spec.random_effects("DL", "CR2"),
    "CHE": Spec.che(),
    "CORR": Spec.correlated(),
    "HIER": Spec.hierarchical(),
    "location-scale": Spec((Intercept(("row",)),), "REML", "z", scale=Scale(np.ones((5, 1)), ("a",))),
}


def effects(y=Y, v=V) -> Effects:
    return Effects(
        np.asarray(y, float), np.asarray(v, float), np.array(list("abcde")[: len(y)], dtype=object)
    )


def design(*columns) -> Design:
    matrix = np.column_stack([np.ones(len(columns[0])), *columns])
    return Design(matrix, tuple(f"x{j}" for j in range(matrix.shape[1])))


def at_second(values: np.ndarray, bad: float) -> np.ndarray:
    return np.where(np.arange(len(values)) == 1, bad, values)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: (effects(at_second(Y, np.nan)), None), "not-finite"),
        (lambda: (effects(at_second(Y, np.inf)), None), "not-finite"),
        (lambda: (effects(Y, at_second(V, np.nan)), None), "not-finite"),
        (lambda: (effects(Y, at_second(V, np.inf)), None), "not-finite"),
        (lambda: (effects(Y, at_second(V, 0.0)), None), "variance-not-positive"),
        (lambda: (effects(Y, at_second(V, -1.0)), None), "variance-not-positive"),
        (lambda: (effects(), design(at_second(Y, np.nan))), "not-finite"),
        (lambda: (effects(), design(at_second(Y, -np.inf))), "not-finite"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(name: str, change, code: str) -> None:
    data, x = change()
    if (data.v == 0).any() and name in ("robust", "CHE"):  # random effects give the row its variance
        assert "zero-variance" in {note.code for note in fit(data, SPECS[name]).notes}
        return
    with pytest.raises(ConsilienceError, match=r"[Rr]ow 2\b") as caught:
        fit(data, SPECS[name], design=x)
    assert caught.value.code == code
    assert caught.value.advice


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: fit(effects(Y, V[:4]), Spec.random_effects()), "shape"),
        (lambda: fit(replace(effects(), y=list(Y)), Spec.random_effects()), "shape"),
        (lambda: fit(effects(), Spec.random_effects(), design=design(Y[:4])), "shape"),
        (lambda: fit(effects(), Spec.random_effects(), design=Design(np.ones((5, 2)), ("a",))), "shape"),
        (lambda: fit(effects(), Spec.random_effects(level=95)), "level"),
        (lambda: fit(effects(), Spec((Intercept(("row",), -0.1),), "REML", "z")), "given-variance"),
        (lambda: fit(effects(), Spec((Intercept(("row",), np.nan),), "REML", "z")), "given-variance"),
        (lambda: fit(effects(Y * 1e200), Spec.random_effects()), "out-of-range"),
        (lambda: fit(effects(Y, V * 1e-310), Spec.random_effects()), "out-of-range"),
        (lambda: fit(effects([], []), Spec.random_effects()), "too-few-effects"),
        (lambda: fit(effects([], []), Spec.che()), "no-effects"),
        (
            lambda: fit(effects(Y[:2], V[:2]), Spec.random_effects(), design=design(Y[:2], V[:2])),
            "too-few-effects",
        ),
        (lambda: fit(effects(), Spec.random_effects(), design=design(np.ones(5))), "dependent-columns"),
        (lambda: fit(effects(), Spec.random_effects(), design=design(Y, 2 * Y)), "dependent-columns"),
        (lambda: fit(effects(), Spec.che(), design=design(Y, 2 * Y)), "rank-deficient"),
        (lambda: fit(effects(), Spec.random_effects("REMLL")), "unknown-option"),
        (lambda: fit(effects(), Spec.random_effects(test="khna")), "unknown-option"),
        (lambda: fit(effects(), replace(SPECS["location-scale"], terms=Spec.che().terms)), "scale-method"),
    ],
)
def test_what_cannot_be_fitted_has_a_code(call, code: str) -> None:
    with pytest.raises(ConsilienceError) as caught:
        call()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "scale",
    [
        Scale(np.full((5, 1), np.nan), ("a",)),
        Scale(np.ones((5, 1)), ("a", "b")),
        Scale(np.ones((4, 1)), ("a",)),
    ],
)
def test_the_design_of_a_scale_is_checked(scale: Scale) -> None:
    with pytest.raises(ConsilienceError) as caught:
        fit(effects(), replace(SPECS["location-scale"], scale=scale))
    assert caught.value.code == "scale-shape"


@pytest.mark.parametrize("method", ESTIMATORS)
@pytest.mark.parametrize("test", ["z", "t", "knapp-hartung", "knapp-hartung-floor"])
def test_one_study_two_studies_and_as_many_coefficients_as_studies(method, test) -> None:
    spec = Spec.equal_effects(test) if method == "EE" else Spec.random_effects(method, test)
    one = fit(effects(Y[:1], V[:1]), spec)
    full = fit(effects(Y[:2], V[:2]), spec, design=design(np.array([0.0, 1.0])))
    for found, k in ((one, 1), (full, 2)):
        assert found.coefficients.estimate[0] == pytest.approx(Y[0], rel=1e-12)
        assert found.components.total == 0
        assert found.optimum.status == ("closed-form" if method == "EE" else "not-identified")
        codes = {note.code for note in found.notes}
        assert ("no-residual-df" in codes) == (test != "z")
        assert np.isfinite(found.coefficients.se).all() == (test in ("z", "t"))
        assert np.isfinite(found.coefficients.p_value).all() == (test == "z")
        with pytest.raises(ConsilienceError) as caught:
            consilience.heterogeneity_intervals(
                fit(found.effects, Spec.random_effects(), design=found.design)
            )
        assert caught.value.code == "no-residual-df"
        assert found.effects.k == k
    two = fit(effects(Y[:2], V[:2]), spec)
    assert np.isfinite([two.coefficients.se[0], two.coefficients.p_value[0], two.heterogeneity.i2]).all()
    assert "no-residual-df" not in {note.code for note in two.notes}


@pytest.mark.parametrize("method", ESTIMATORS)
def test_effects_on_a_line_leave_no_residual(method) -> None:
    """Q = 0: tau^2 = 0 by every estimator; Knapp-Hartung says that its standard errors are empty."""
    x = design(np.arange(5.0), np.arange(5.0) ** 2)
    for y in (np.full(5, 0.3), x.matrix @ [1.0, 2.0, 3.0]):
        spec = Spec.equal_effects("knapp-hartung") if method == "EE" else Spec.random_effects(method)
        found = fit(effects(y), spec, design=x)
        assert found.components.total == pytest.approx(0.0, abs=1e-12)
        assert "no-residual-variation" in {note.code for note in found.notes}
        assert found.omnibus is not None
        assert found.omnibus.note or found.omnibus.p_value < 1e-20
        floor = fit(effects(y), replace(spec, test="knapp-hartung-floor"), design=x)
        plain = fit(effects(y), replace(spec, test="z"), design=x)
        np.testing.assert_allclose(floor.coefficients.se, plain.coefficients.se, rtol=1e-12)
        if method != "EE":
            for kind in ("q-profile", "generalised-q", "profile-likelihood"):
                assert consilience.heterogeneity_intervals(plain, method=kind).tau2.low == 0


def test_equal_variances_have_the_closed_form() -> None:
    """v the same everywhere: REML, DL, HE, PM, EB are max(0, s^2 - v), ML max(0, s^2 (k - 1)/k - v)."""
    y = np.array([0.1, 1.4, -0.2, 0.8, 2.5])
    for v in (0.1, 5.0):
        s2 = np.var(y, ddof=1)
        for method in ("REML", "DL", "DL2", "HE", "PM", "EB", "SJIT", "GENQ"):
            found = fit(effects(y, np.full(5, v)), Spec.random_effects(method)).components.total
            assert found == pytest.approx(max(0.0, s2 - v), rel=1e-10, abs=1e-12), method
        found = fit(effects(y, np.full(5, v)), Spec.random_effects("ML")).components.total
        assert found == pytest.approx(max(0.0, s2 * 4 / 5 - v), rel=1e-10, abs=1e-12)


def test_a_scale_that_the_data_cannot_tell_is_said() -> None:
    """Two studies, one mean and two coefficients of the variance: flat along a line."""
    z = np.column_stack([np.ones(2), [0.0, 1.0]])
    for link in ("log", "identity"):
        spec = Spec((Intercept(("row",)),), "REML", "z", scale=Scale(z, ("a", "b"), link))
        found = fit(effects([0.1, 1.9], [0.1, 0.2]), spec)
        assert found.optimum.status == "not-identified"
        assert [note.code for note in found.notes] == ["scale-without-se"]
        assert np.isnan(found.tests["scale"].p_value)


def test_variances_of_different_studies_need_enough_residuals() -> None:
    for k in (1, 2):
        with pytest.raises(ConsilienceError) as caught:
            consilience.heteroscedasticity_test(fit(effects(Y[:k], V[:k]), Spec.random_effects()))
        assert caught.value.code == "no-residual-df"


@pytest.mark.parametrize(
    "verb",
    [
        consilience.heterogeneity_intervals,
        consilience.heteroscedasticity_test,
        consilience.shrunken_effects,
        consilience.study_weights,
    ],
)
def test_formulas_of_independent_effects_are_not_used_for_dependent_ones(verb) -> None:
    """One variance component is not one effect per study: it may be shared, or V may have covariances."""
    dependent = random_effects_data(1)
    alone = replace(dependent, blocks=())
    row, study = (Intercept(("row",)),), (Intercept(("study",)),)
    for data, terms in ((dependent, row), (alone, study)):
        with pytest.raises(ConsilienceError) as caught:
            verb(fit(data, Spec(terms, "REML", "z")))
        assert caught.value.code == "one-effect-per-study"
    verb(fit(alone, Spec(row, "REML", "z")))
    single = random_effects_data(1, most=1)
    verb(fit(single, Spec(study, "REML", "z")))
