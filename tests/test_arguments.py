"""Arguments that no model can take are refused in words, never fitted as something else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from consilience import (
    Block,
    Design,
    Effects,
    Inner,
    Intercept,
    Slopes,
    Spec,
    contrasts,
    design_matrix,
    fit,
    heterogeneity_intervals,
    likelihood_ratio_test,
    mantel_haenszel,
    predict,
    profile,
    profile_interval,
    refit_many,
    robust_coefficients,
    simulate,
    wald_test,
    wild_bootstrap,
)
from consilience.base.errors import InputError, OptionError
from consilience.base.linalg import lower_factors
from engine_reference import random_effects_data

EFFECTS = random_effects_data(3, studies=6)
K = EFFECTS.k
STUDY = Spec((Intercept(("study",)),), "REML", "z")
ALONE = Effects(EFFECTS.y, EFFECTS.v, np.arange(K).astype(object))


def wrong(value: object) -> Any:
    """A value of another type than the signature allows, as a caller without a type checker may give it."""
    return value


def with_terms(*terms: object, method: str = "REML") -> Spec:
    return Spec(wrong(terms), wrong(method), "z")


def with_columns(**columns: object) -> Effects:
    return replace(EFFECTS, columns={**EFFECTS.columns, **columns})


def with_block(rows: list[int], matrix: list[list[float]]) -> Effects:
    return replace(EFFECTS, blocks=(Block(np.array(rows), np.array(matrix)),))


def refused(code: str, effects: Effects, spec: Spec, **more: Any) -> str:
    with pytest.raises((InputError, OptionError)) as caught:
        fit(effects, spec, **more)
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize("structure", ["cs", "PHYBM", "TOEP"])
def test_an_unknown_structure_is_not_fitted_as_another(structure: str) -> None:
    assert "SPEXP" in refused(
        "unknown-option", EFFECTS, with_terms(Inner("outcome", "study", wrong(structure)))
    )


@pytest.mark.parametrize("kind", ["HC1", "cr2", "CR4"])
def test_an_unknown_correction_is_not_taken_for_none(kind: str) -> None:
    found = fit(EFFECTS, STUDY)
    with pytest.raises(OptionError, match="CR1S"):
        robust_coefficients(found, correction=wrong(kind))
    with pytest.raises(OptionError, match="CR1S"):
        wald_test(found, "intercept", correction=wrong(kind))


def test_a_correction_makes_a_wald_test_robust() -> None:
    found = fit(EFFECTS, STUDY)
    asked = wald_test(found, "intercept", correction="CR2")
    assert asked.statistic == wald_test(found, "intercept", method="HTZ", correction="CR2").statistic
    assert asked.statistic != wald_test(found, "intercept").statistic


@pytest.mark.parametrize("level", [95, 0, 1.0, math.nan, "0.95"])
def test_a_level_lies_between_zero_and_one(level: float) -> None:
    several, one = fit(EFFECTS, STUDY), fit(ALONE, Spec.random_effects())
    for call in (
        lambda: fit(EFFECTS, replace(STUDY, level=level)),
        lambda: robust_coefficients(several, level=level),
        lambda: profile_interval(several, "study", level=level),
        lambda: heterogeneity_intervals(one, level=level),
        lambda: mantel_haenszel(wrong([[1, 2], [10, 10], [3, 4], [12, 12]]), level=level),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "level"


def test_blocks_fit_the_effects() -> None:
    v = float(EFFECTS.v[0])
    assert "rows are counted from 0" in refused("block-rows", with_block([0, K], [[v, 0], [0, v]]), STUDY)
    refused("block-rows", with_block([-1, 0], [[v, 0], [0, v]]), STUDY)
    refused("shape", with_block([0, 1, 2], [[v, 0], [0, v]]), STUDY)
    other = [[2 * v, 0.0], [0.0, float(EFFECTS.v[1])]]
    assert "row 1 " in refused("block-variance", with_block([0, 1], other), STUDY)


def test_columns_of_terms_are_whole() -> None:
    gap = EFFECTS.columns["x"].copy()
    gap[2] = np.nan
    labels = EFFECTS.study.copy()
    labels[1] = None
    for effects, term in (
        (with_columns(x=gap), Slopes(("x",), "study")),
        (with_columns(x=gap), Inner("x", "study", "CAR")),
        (with_columns(x=gap), Intercept(("x",))),
        (replace(EFFECTS, study=labels), Intercept(("study",))),
    ):
        assert "missing in row" in refused("missing-values", effects, with_terms(term))
    refused("shape", with_columns(lab=np.ones(K + 1)), with_terms(Intercept(("lab",))))


def test_numbers_are_asked_for_where_text_is_given() -> None:
    refused("not-numeric", EFFECTS, with_terms(Slopes(("outcome",), "study")))
    refused("not-numeric", EFFECTS, with_terms(Inner("outcome", "study", "CAR")))
    refused("not-numeric", EFFECTS, replace(STUDY, weights="outcome"))
    found = fit(EFFECTS, STUDY)
    for call in (
        lambda: predict(found, "x"),
        lambda: profile(found, "study", wrong(["a"])),
        lambda: contrasts(found, wrong({"intercept": "a"})),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "not-numeric"
    with pytest.raises(InputError):
        profile(found, "study", [math.nan])
    assert len(profile(found, "study", wrong(0.1)).loglik) == 1


def test_given_values_are_possible_ones() -> None:
    inner = Inner("outcome", "study", "CS")
    for term, code in (
        (replace(inner, variance=(-0.1,)), "given-variance"),
        (replace(inner, variance=(math.inf,)), "given-variance"),
        (replace(inner, correlation=(2.0,)), "not-positive-definite"),
        (
            replace(inner, correlation=(-0.9,)),
            "not-positive-definite",
        ),  # studies have up to four outcomes: -1/3
        (Slopes(("x",), "study", variance=(-0.1, 0.1)), "given-variance"),
    ):
        refused(code, EFFECTS, with_terms(term))


@pytest.mark.parametrize("rho", [2.0, -0.1, math.nan])
def test_the_working_correlation_is_one(rho: float) -> None:
    refused("rho", EFFECTS, Spec.correlated(rho=rho))


def test_whole_numbers_are_numbers_and_other_things_are_not() -> None:
    counted = Effects(np.array([1, 2, 4]), np.array([1, 1, 2]), np.array(["a", "b", "c"], dtype=object))
    as_floats = replace(counted, y=counted.y.astype(float), v=counted.v.astype(float))
    for spec in (Spec.random_effects(), Spec.equal_effects(), STUDY):
        one, other = fit(counted, spec).coefficients, fit(as_floats, spec).coefficients
        np.testing.assert_array_equal(one.estimate, other.estimate)
        np.testing.assert_array_equal(one.se, other.se)
    refused("not-numeric", replace(counted, y=np.array(["1", "2", "3"], dtype=object)), STUDY)
    refused("record", EFFECTS, STUDY, design="x")
    refused("record", EFFECTS, STUDY, design=np.ones((K, 1)))
    refused("record", EFFECTS, Spec(wrong(Intercept(("study",))), "REML", "z"))
    refused("record", EFFECTS, with_terms("study"))
    refused("not-numeric", EFFECTS, STUDY, design=Design(wrong([[1.0]] * K), ("a",)))


def test_a_wild_bootstrap_takes_names() -> None:
    found = fit(EFFECTS, STUDY, design=design_matrix("x", EFFECTS.columns))
    by_name = wild_bootstrap(found, "x", rng=np.random.default_rng(1))
    by_row = wild_bootstrap(found, np.array([[0.0, 1.0]]), rng=np.random.default_rng(1))
    assert (by_name.statistic, by_name.p_value) == (by_row.statistic, by_row.p_value)


def test_the_names_that_are_allowed_are_listed_once() -> None:
    found = fit(EFFECTS, STUDY, design=design_matrix("x", EFFECTS.columns))
    with pytest.raises(OptionError) as caught:
        wald_test(found, "z")
    assert caught.value.message.count('"x"') == 1


def test_an_estimator_of_one_tau2_is_refused_for_the_terms() -> None:
    assert "with these terms" in refused("unknown-option", EFFECTS, replace(STUDY, method="DL"))


def test_what_follows_from_a_fit_refuses_wrong_shapes_in_words() -> None:
    found = fit(EFFECTS, STUDY)
    rng = np.random.default_rng(1)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("replicates", lambda: simulate(found, n=wrong(2.5), rng=rng)),
        ("shape", lambda: simulate(found, n=2, rng=rng, theta=np.array([0.1, 0.2]))),
        ("shape", lambda: refit_many(found, keep=np.ones((3, K + 1), dtype=bool))),
        ("shape", lambda: refit_many(found, y=EFFECTS.y)),
        ("shape", lambda: refit_many(found, x=np.ones((2, K - 1, 1)))),
        ("record", lambda: likelihood_ratio_test(found, wrong(None))),
    ]
    for code, call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == code
    again = refit_many(found, x=np.broadcast_to(found.design.matrix, (2, K, 1)))
    np.testing.assert_allclose(again.estimate[:, 0], found.coefficients.estimate[0], rtol=1e-9)


def test_fits_with_other_sampling_covariances_are_not_compared() -> None:
    v = EFFECTS.v[:2]
    off = 0.5 * math.sqrt(v[0] * v[1])
    other = with_block([0, 1], [[v[0], off], [off, v[1]]])
    full, reduced = fit(other, with_terms(*STUDY.terms, method="ML")), fit(EFFECTS, with_terms(method="ML"))
    with pytest.raises(InputError, match="covariances"):
        likelihood_ratio_test(full, reduced)


def test_a_covariance_without_digits_is_refused_in_words() -> None:
    whole = np.array([[[2.0, 1.0], [1.0, 2.0]]])
    np.testing.assert_allclose(lower_factors(whole)[0] @ lower_factors(whole)[0].T, whole[0])
    with pytest.raises(InputError, match="singular to the digits") as caught:
        lower_factors(np.ones((1, 2, 2)) - 1e-3 * np.eye(2))
    assert caught.value.code == "singular"
