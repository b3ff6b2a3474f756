"""Formulas to design matrices: by hand-made columns, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.data.formula import design_matrix

X = np.array([1.0, 2, 3, 4, 5, 7])
Z = np.array([2.0, 1, 5, 3, 4, 4])
G = np.array(["b", "a", "a", "b", "c", "c"], dtype=object)
COLUMNS = {"x": X, "z": Z, "g": G, "log rate": Z}
ONE = np.ones(6)
B, C = (G == "b") * 1.0, (G == "c") * 1.0

EXPECTED = {
    "1": (("intercept",), [ONE]),
    "~ x": (("intercept", "x"), [ONE, X]),
    "x + z": (("intercept", "x", "z"), [ONE, X, Z]),
    "0 + x": (("x",), [X]),
    "g": (("intercept", "g[b]", "g[c]"), [ONE, B, C]),
    "x:z": (("intercept", "x:z"), [ONE, X * Z]),
    "x*z": (("intercept", "x", "z", "x:z"), [ONE, X, Z, X * Z]),
    "log(x)": (("intercept", "log(x)"), [ONE, np.log(X)]),
    "center(x)": (("intercept", "center(x)"), [ONE, X - X.mean()]),
    "`log rate`": (("intercept", "log rate"), [ONE, Z]),
    "{x**2}": (("intercept", "x ** 2"), [ONE, X**2]),
    'C(g, levels=["c", "b", "a"])': (
        ("intercept", "C(g, levels=['c', 'b', 'a'])[b]", "C(g, levels=['c', 'b', 'a'])[a]"),
        [ONE, B, 1 - B - C],
    ),
}


@pytest.mark.parametrize("formula", EXPECTED)
def test_columns_of_the_design(formula):
    design = design_matrix(formula, COLUMNS)
    names, columns = EXPECTED[formula]
    assert design.names == names
    np.testing.assert_allclose(design.matrix, np.column_stack(columns), atol=1e-12)


def test_terms_know_their_columns():
    design = design_matrix("x + g", COLUMNS)
    assert [design.names[i] for i in design.terms["g"]] == ["g[b]", "g[c]"]
    assert design.terms["intercept"] == (0,)


def test_a_natural_spline_contains_the_straight_line():
    """Three columns beside the intercept, and a linear effect is one of the curves they can make."""
    x = np.linspace(0, 10, 40)
    design = design_matrix("cr(x, df=3, constraints='center')", {"x": x})
    assert design.matrix.shape == (40, 4)
    residual = x - design.matrix @ np.linalg.lstsq(design.matrix, x, rcond=None)[0]
    assert np.abs(residual).max() < 1e-9


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_row_order_does_not_matter(order):
    order = list(order)
    design = design_matrix("x + g", COLUMNS)
    moved = design_matrix("x + g", {name: column[order] for name, column in COLUMNS.items()})
    np.testing.assert_array_equal(moved.matrix, design.matrix[order])


REFUSED = {
    "mean_x + z": (
        "formula-unknown-column",
        'uses "mean_x", which is not a column. There are: x, z, g, log rate.',
    ),
    "xx": ("formula-unknown-column", 'The formula "xx" uses "xx", which is not a column. Did you mean "x"?'),
    "x +": ("formula-syntax", 'The formula "x +" cannot be read: '),
    "y ~ x": (
        "formula-syntax",
        'The formula "y ~ x" has a left side. Write the moderators only: the effects are known.',
    ),
    "0": ("formula-syntax", 'The formula "0" has no term.'),
    "lg(x)": ("formula-not-allowed", 'The formula "lg(x)" uses "lg"; allowed functions: C, bs, center'),
    "__import__('os').system('true')": ("formula-syntax", "cannot be read"),
    "{().__class__}": ("formula-not-allowed", "allowed functions"),
    "x + I(x**2)": ("formula-not-allowed", "Arithmetic goes in braces: {x**2}."),
    "{open('x')}": ("formula-not-allowed", 'uses "open"'),
    "x[0]": ("formula-not-allowed", 'uses "x[0]"'),
    "log(x - 1)": (
        "formula-not-finite",
        '"log(x - 1)" in the formula "log(x - 1)" is not a finite number in rows 1. A logarithm needs values above 0.',
    ),
    "x + {2 * x}": (
        "formula-redundant",
        '"2 * x" in the formula "x + {2 * x}" is determined by the terms before it.',
    ),
    "holes": (
        "formula-missing-values",
        'The formula "holes" needs "holes", which is missing in 2 of 6 rows (2, 5). Leave those rows out, or fill them in.',
    ),
    "unnamed": ("formula-missing-values", 'needs "unnamed", which is missing in 1 of 6 rows (3).'),
}


@pytest.mark.parametrize("formula", REFUSED)
def test_what_is_refused(formula):
    columns = dict(COLUMNS)
    if formula in ("holes", "unnamed"):
        columns["holes"] = np.array([1, np.nan, 2, 3, np.nan, 4])
        columns["unnamed"] = np.array(["a", "b", "", "b", "a", "b"], dtype=object)
    code, message = REFUSED[formula]
    with pytest.raises(InputError) as caught:
        design_matrix(formula, columns)
    assert caught.value.code == code
    assert message in str(caught.value)
