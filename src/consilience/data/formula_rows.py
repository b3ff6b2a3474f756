"""Rows of a design at new values of its moderators, by the formula that made it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.options import suggestion
from ..records import Design
from .dataframe import column_lists
from .formula import materialise, plain, refuse_missing, refuse_not_finite


def design_rows(design: Design, values: Any) -> np.ndarray:
    """(m, p) rows of `design` at new values of its moderators.

    Knots of splines, centres, scales, polynomials and levels are those of the data that the design was made of.

    Parameters
    ----------
    design : made by `design_matrix`, or of an intercept only.
    values : any dataframe, or column name -> m values or one value for all rows; columns that the formula does not use
        are ignored.

    Raises
    ------
    InputError : ``design-without-formula``, ``formula-unknown-column`` (a moderator without values), ``formula-unknown-level``,
        ``formula-not-a-number``, ``formula-missing-values``, ``formula-not-finite``, ``formula-out-of-range``, ``shape``,
        ``not-a-table``.
    """
    columns = table_columns(values)
    m = max((len(column) for column in columns.values()), default=1)
    if not design.columns:
        if design.formula == "1" and design.names == ("intercept",):
            return np.ones((m, 1))
        raise InputError(
            "This design was made without a formula, so it cannot be told from moderators.",
            code="design-without-formula",
            advice=f"Give rows of numbers in the order {', '.join(design.names)}, or make the design by `design_matrix`.",
        )
    new = {name: _like(name, column, columns) for name, column in design.columns.items()}
    refuse_missing(design.formula, new)
    matrix = _applied(design, new)
    refuse_not_finite(design.formula, matrix, design.names)
    return matrix


def table_columns(values: Any) -> dict[str, list[Any]]:
    """Column name -> m values of a dataframe or mapping; a single value stands for all rows."""
    if isinstance(values, Mapping):
        single = {key: [x] for key, x in values.items() if isinstance(x, str) or np.ndim(x) == 0}
        m = max((len(x) for key, x in values.items() if key not in single), default=1)
        values = {key: single[key] * m if key in single else x for key, x in values.items()}
    columns = {str(key): list(column) for key, column in column_lists(values).items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        listed = ", ".join(f"{key} {len(column)}" for key, column in columns.items())
        raise InputError(f"The moderators have different numbers of values: {listed}.", code="shape")
    return columns


def _like(name: str, made: np.ndarray, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """The new column of a moderator, of the kind (text or number) and with the levels of the one that made the design."""
    if name not in columns:
        raise InputError(
            f'There is no value of "{name}". {suggestion(name, columns)}'.strip(),
            code="formula-unknown-column",
            advice=f'Give a column "{name}".',
        )
    given = columns[name]
    if made.dtype == object:
        text = np.array(["" if x is None else str(x) for x in given], dtype=object)
        known = sorted(set(made.tolist()))
        for row, x in enumerate(text.tolist(), start=1):
            if x and x not in known:
                raise _unknown_level(name, x, row, known)
        return text
    for row, x in enumerate(given, start=1):
        if isinstance(x, str):
            raise InputError(
                f'Row {row} of "{name}" is "{x}"; it must be a number.', code="formula-not-a-number"
            )
    return np.array([np.nan if x is None else float(x) for x in given])


def _unknown_level(name: str, value: str, row: int, known: Sequence[str]) -> InputError:
    return InputError(
        f'Row {row} of "{name}" is "{value}", which the fit has not seen. {suggestion(value, known)}'.strip(),
        code="formula-unknown-level",
        advice=f"Known are: {', '.join(known)}.",
    )


def _applied(design: Design, new: Mapping[str, np.ndarray]) -> np.ndarray:
    """The formula with the state that it has from the columns of the design."""
    import pandas
    from formulaic.errors import DataMismatchWarning, FormulaicError

    spec = materialise(design.formula, pandas.DataFrame(dict(design.columns))).model_spec
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            return np.asarray(materialise(spec, pandas.DataFrame(dict(new))), dtype=float)
    except (DataMismatchWarning, FormulaicError, ValueError) as error:
        if isinstance(error, DataMismatchWarning):
            raise InputError(
                f'A category of the formula "{design.formula}" has a level that the fit has not seen.',
                code="formula-unknown-level",
                advice="Use known levels.",
            ) from error
        raise InputError(
            f'The formula "{design.formula}" cannot be computed at these values: {plain(error)}',
            code="formula-out-of-range",
            advice="A spline of type bs ends at the smallest and the largest value of its own data; cr goes on as a line.",
        ) from error
