"""Predictions at new values of a formula's columns: knots, means and levels stay those of the data."""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience import Design, Effects, Fit, Spec
from consilience.base.errors import InputError
from engine_reference import random_effects_data

FORMULAS = (
    "cr(weeks, df=3, constraints='center') + kind",
    "cs(weeks, df=4, constraints='center')",
    "bs(weeks, df=4)",
    "center(age) * kind",
    "scale(age) + C(kind)",
    "poly(weeks, 2)",
    "log(weeks) + age:weeks",
    "0 + kind",
)


def data(seed: int = 1, *, most: int = 1) -> Effects:
    made = random_effects_data(seed, studies=30, most=most)
    rng = np.random.default_rng(seed)
    kind = np.array(rng.choice(["a", "b", "c"], made.k), dtype=object)
    columns = {"weeks": rng.uniform(1, 52, made.k), "age": rng.normal(40, 9, made.k), "kind": kind}
    return Effects(made.y, made.v, made.study, blocks=made.blocks, columns=columns)


def fitted(effects: Effects, formula: str, spec: Spec | None = None) -> Fit:
    design = consilience.design_matrix(formula, effects.columns)
    return consilience.fit(effects, spec or Spec.random_effects(), design=design)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("spec", [Spec.random_effects(), Spec.equal_effects("t"), Spec.che()])
def test_two_of_the_studies_are_predicted_as_in_the_fit(formula: str, spec: Spec) -> None:
    """Coding two rows afresh would move every knot, mean and level."""
    effects = data(most=3 if spec.test == "CR2" else 1)
    found = fitted(effects, formula, spec)
    rows = [3, 7]
    new = consilience.predict(found, {name: values[rows] for name, values in effects.columns.items()})
    own = consilience.predict(found, found.design.matrix[rows])
    for name in ("estimate", "se", "df", "ci_low", "ci_high", "pi_low", "pi_high"):
        np.testing.assert_allclose(getattr(new, name), getattr(own, name), rtol=1e-10)


def test_new_values_by_another_coding_of_the_same_model() -> None:
    """Orthogonal polynomials and centred interactions predict what plain powers and products do."""
    effects = data(2)
    weeks, age = effects["weeks"], effects["age"]
    at_weeks, at_age = np.array([2.0, 30.0, 60.0]), np.array([25.0, 40.0, 71.0])
    pairs = (
        ("poly(weeks, 2)", [weeks, weeks**2], [at_weeks, at_weeks**2]),
        ("center(age) * scale(weeks)", [age, weeks, age * weeks], [at_age, at_weeks, at_age * at_weeks]),
    )
    for formula, columns, at in pairs:
        matrix = np.column_stack([np.ones(effects.k), *columns])
        names = tuple(f"x{j}" for j in range(matrix.shape[1]))
        plain = consilience.fit(effects, Spec.random_effects(), design=Design(matrix, names))
        theirs = consilience.predict(plain, np.column_stack([np.ones(3), *at]))
        ours = consilience.predict(fitted(effects, formula), {"weeks": at_weeks, "age": at_age})
        np.testing.assert_allclose(ours.estimate, theirs.estimate, rtol=1e-8)
        np.testing.assert_allclose(ours.pi_high, theirs.pi_high, rtol=1e-8)


def test_a_natural_spline_is_cubic_between_knots_and_straight_beyond() -> None:
    effects = data(3)
    found = fitted(effects, "cr(weeks, df=3, constraints='center')")
    knots = np.quantile(
        np.unique(effects["weeks"]), [0.0, 1 / 3, 1.0]
    )  # df 3 and the centring: two knots inside
    beyond = consilience.predict(found, {"weeks": knots[-1] + np.arange(1.0, 5.0)}).estimate
    np.testing.assert_allclose(np.diff(beyond, 2), 0.0, atol=1e-10)
    inside = consilience.predict(found, {"weeks": np.linspace(knots[0], knots[1], 7)}).estimate
    np.testing.assert_allclose(np.diff(inside, 4), 0.0, atol=1e-8)
    assert np.abs(np.diff(inside, 2)).max() > 1e-6


def test_one_value_serves_all_rows_and_a_single_level_keeps_its_column() -> None:
    effects = data(4)
    found = fitted(effects, "age + kind")
    p = consilience.predict(found, {"age": [30.0, 50.0], "kind": "c"})
    at = dict(zip(found.coefficients.names, found.coefficients.estimate, strict=True))
    expected = at["intercept"] + at["age"] * np.array([30.0, 50.0]) + at["kind[c]"]
    np.testing.assert_allclose(p.estimate, expected, rtol=1e-12)


def test_rows_that_were_left_out_do_not_move_the_coding() -> None:
    effects = data(5)
    found = fitted(effects, "center(age)")
    kept = np.arange(effects.k) % 3 > 0
    design = Design(
        found.design.matrix[kept], found.design.names, found.design.formula, columns=found.design.columns
    )
    part = consilience.fit(effects.take(kept), Spec.random_effects(), design=design)
    p = consilience.predict(part, {"age": effects["age"].mean()})
    assert p.estimate[0] == pytest.approx(float(part.coefficients.estimate[0]), rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "at", "code"),
    [
        ("age + kind", {"age": 30.0}, "formula-unknown-column"),
        ("age + kind", {"age": 30.0, "kinds": "a"}, "formula-unknown-column"),
        ("age + kind", {"age": 30.0, "kind": "z"}, "formula-unknown-level"),
        ("age + kind", {"age": [30.0, 31.0], "kind": ["a", "b", "c"]}, "shape"),
        ("age + kind", {"age": np.nan, "kind": "a"}, "formula-missing-values"),
        ("age + kind", {"age": "old", "kind": "a"}, "formula-missing-values"),
        ("log(weeks)", {"weeks": 0.0}, "formula-not-finite"),
        ("bs(weeks, df=4)", {"weeks": 1000.0}, "formula-out-of-range"),
        ("1", {"weeks": 3.0}, "no-formula"),
    ],
)
def test_values_that_cannot_be_coded_are_refused(formula: str, at: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        consilience.predict(fitted(data(), formula), at)
    assert caught.value.code == code
