"""A formula of moderators to a design matrix, by formulaic."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.options import suggestion
from ..records import Design

# What a formula may call. Formulas can come from a file that someone else wrote, so nothing else is evaluated.
FUNCTIONS = ("C", "bs", "center", "cr", "cs", "exp", "log", "log10", "poly", "scale", "sqrt")
_NUMPY = {"exp": np.exp, "log": np.log, "log10": np.log10, "sqrt": np.sqrt}
_SAFE_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.operator,
    ast.unaryop,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.Tuple,
)


def design_matrix(formula: str, columns: Mapping[str, np.ndarray] | Any) -> Design:
    """The model matrix of a right-hand side such as ``"mean_age + intervention_class"``.

    Interactions (``a:b``, ``a*b``), splines (``cr(weeks, df=3, constraints='center')`` natural cubic, ``bs``), ``poly``, ``center``, ``scale``,
    ``log``, ``log10``, ``exp``, ``sqrt``; categories get one column less than they have levels, in the order of
    the alphabet (``C(drug, levels=["none", "low", "high"])`` chooses the order, the first is the reference); ``0 +`` or ``- 1``
    removes the intercept. Arithmetic goes in braces: ``x + {x**2}``; without them ``x**2`` is x crossed with itself, which is x.

    Parameters
    ----------
    formula : Wilkinson notation; a leading ``~`` may be written.
    columns : name -> (k,) float array, or object array of text for categories; or a data frame.

    Returns
    -------
    Design : (k, p) with full column rank.

    Raises
    ------
    InputError : ``formula-syntax``, ``formula-unknown-column``, ``formula-not-allowed``, ``formula-missing-values``,
        ``formula-not-finite`` or ``formula-redundant``.
    """
    from formulaic.errors import FormulaicError  # 0.6 s with pandas: only for who writes a formula

    text = formula.strip().removeprefix("~").strip() or "1"
    columns = columns_of(columns)
    terms, used = _parsed(text, columns)
    lengths = {len(column) for column in columns.values()}
    if not lengths:
        raise InputError("There are no columns to make a design of.", code="formula-unknown-column")
    if not terms:
        raise InputError(f'The formula "{text}" has no term.', code="formula-syntax")
    if not used:
        return Design.intercept(lengths.pop())
    _refuse_missing(text, {name: columns[name] for name in used})
    import pandas

    frame = pandas.DataFrame({name: columns[name] for name in used})
    try:
        with np.errstate(all="ignore"):
            found = _materialise(text, frame)
    except FormulaicError as error:
        raise InputError(
            f'The formula "{text}" cannot be computed: {_plain(error)}', code="formula-syntax"
        ) from error
    names = tuple(_tidy(name) for name in found.model_spec.column_names)
    matrix = np.asarray(found, dtype=float)
    _refuse_unusable(text, matrix, names)
    indices = {_tidy(str(term)): tuple(rows) for term, rows in found.model_spec.term_indices.items()}
    return Design(matrix, names, text, indices, {name: columns[name] for name in used})


def columns_of(table: Any) -> dict[str, np.ndarray]:
    """Columns of a mapping or of any data frame as arrays; text as objects, single values as columns of one."""
    names = table if isinstance(table, Mapping) else table.columns
    found = {str(name): np.atleast_1d(np.asarray(table[name])) for name in names}
    return {name: c.astype(object) if c.dtype.kind in "US" else c for name, c in found.items()}


def new_rows(design: Design, columns: Mapping[str, Any]) -> np.ndarray:
    """(m, p) rows of a design made from a formula, at other values of its columns.

    Knots of splines, means of ``center`` and ``scale``, polynomials and levels stay those of the design's own data.

    Parameters
    ----------
    columns : name -> (m,) values, or one value for all rows; every column of the formula.

    Raises
    ------
    InputError : ``no-formula``, ``formula-unknown-column``, ``formula-unknown-level``, ``formula-missing-values``,
        ``formula-not-finite``, ``formula-out-of-range``, ``shape``.
    """
    from formulaic.errors import FormulaicError

    if not design.columns:
        raise InputError(
            f'The design "{design.formula}" was not made from columns by a formula.',
            code="no-formula",
            advice=f"Give a matrix with the columns {', '.join(design.names)}.",
        )
    given = _aligned(design, columns)
    _refuse_missing(design.formula, given)
    import pandas

    try:
        with np.errstate(all="ignore"):
            own = _materialise(design.formula, pandas.DataFrame(dict(design.columns)))
            found = own.model_spec.get_model_matrix(pandas.DataFrame(given), context=_NUMPY)
    except (FormulaicError, ValueError) as error:
        raise InputError(
            f'The formula "{design.formula}" cannot be computed at these values: {_plain(error)}',
            code="formula-out-of-range",
            advice="A spline of type bs ends at the smallest and largest value of its own data; cr goes on as a line.",
        ) from error
    matrix = np.asarray(found, dtype=float)
    _refuse_infinite(design.formula, matrix, design.names)
    return matrix


def _aligned(design: Design, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The columns of the formula with equal lengths and known levels."""
    made = {}
    categories = set(re.findall(r"\bC\(\s*([A-Za-z_]\w*)", design.formula))
    for name, own in design.columns.items():
        if name not in columns:
            message = f'The formula "{design.formula}" needs "{name}". {suggestion(name, columns)}'
            raise InputError(message.strip(), code="formula-unknown-column", advice="Give values for it.")
        try:
            values = np.atleast_1d(
                np.asarray(columns[name], dtype=own.dtype if own.dtype.kind in "Of" else float)
            )
        except (TypeError, ValueError):
            raise InputError(
                f'"{name}" needs numbers, not {columns[name]!r}.', code="formula-missing-values"
            ) from None
        by_level = own.dtype == object or name in categories
        unknown = sorted({_level(x) for x in values} - {_level(x) for x in own}) if by_level else []
        if unknown:
            raise InputError(
                f'"{name}" has no level "{unknown[0]}" in the data of the design. {suggestion(unknown[0], map(_level, own))}'.strip(),
                code="formula-unknown-level",
                advice=f"There are: {', '.join(sorted({_level(x) for x in own}))}.",
            )
        made[name] = values
    lengths = {len(values) for values in made.values()} - {1}
    if len(lengths) > 1 or any(values.ndim != 1 for values in made.values()):
        sizes = ", ".join(f"{name} {values.shape}" for name, values in made.items())
        raise InputError(f"The new values differ in length: {sizes}.", code="shape")
    return {name: np.broadcast_to(values, max(lengths, default=1)).copy() for name, values in made.items()}


def _level(value: Any) -> str:
    """A level as it is written; whole numbers without a point."""
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _materialise(text: str, frame: Any) -> Any:
    from formulaic import model_matrix

    return model_matrix(text, frame, na_action="ignore", context=_NUMPY)


def _parsed(text: str, columns: Mapping[str, np.ndarray]) -> tuple[list[Any], list[str]]:
    """The terms of a formula and the columns that it needs, all of which exist."""
    from formulaic import Formula, SimpleFormula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(text)
    except (FormulaicError, SyntaxError) as error:
        raise InputError(
            f'The formula "{text}" cannot be read: {_plain(error)}', code="formula-syntax"
        ) from error
    if not isinstance(parsed, SimpleFormula):
        raise InputError(
            f'The formula "{text}" has a left side.',
            code="formula-syntax",
            advice="Write the moderators only: the effects are known.",
        )
    terms = list(parsed)
    names: list[str] = []
    for factor in (f for term in terms for f in term.factors):
        if factor.eval_method.value == "lookup":
            names.append(factor.expr)
        elif factor.eval_method.value == "python":
            names += _names_in(factor.expr, text)
    used = list(dict.fromkeys(names))
    for name in used:
        if name not in columns:
            message = (
                f'The formula "{text}" uses "{name}", which is not a column. {suggestion(name, columns)}'
            )
            raise InputError(
                message.strip(), code="formula-unknown-column", advice=f"There are: {', '.join(columns)}."
            )
    return terms, used


def _names_in(expression: str, text: str) -> list[str]:
    """The columns in an expression that is nothing but arithmetic and allowed functions."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise InputError(
            f'The formula "{text}" cannot be read at "{expression}".', code="formula-syntax"
        ) from error
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = []
    for node in ast.walk(tree):
        is_function = id(node) in called
        if is_function and not (isinstance(node, ast.Name) and node.id in FUNCTIONS):
            raise _not_allowed(text, ast.unparse(node))
        if not isinstance(node, _SAFE_NODES):
            raise _not_allowed(text, expression)
        if isinstance(node, ast.Name) and not is_function:
            names.append(node.id)
    return names


def _not_allowed(text: str, what: str) -> InputError:
    return InputError(
        f'The formula "{text}" uses "{what}"; allowed functions: {", ".join(FUNCTIONS)}. {suggestion(what, FUNCTIONS)}'.strip(),
        code="formula-not-allowed",
        advice="Arithmetic goes in braces: {x**2}." if what == "I" else "",
    )


def _refuse_missing(text: str, columns: Mapping[str, np.ndarray]) -> None:
    for name, column in columns.items():
        missing = column == "" if column.dtype == object else np.isnan(column.astype(float))
        rows = (np.flatnonzero(missing) + 1).tolist()
        if rows:
            raise InputError(
                f'The formula "{text}" needs "{name}", which is missing in {len(rows)} of {len(column)} rows ({_some(rows)}).',
                code="formula-missing-values",
                advice="Leave those rows out, or fill them in.",
            )


def _refuse_infinite(text: str, matrix: np.ndarray, names: tuple[str, ...]) -> None:
    for name, column in zip(names, matrix.T, strict=True):
        rows = (np.flatnonzero(~np.isfinite(column)) + 1).tolist()
        if rows:
            message = f'"{name}" in the formula "{text}" is not a finite number in rows {_some(rows)}.'
            raise InputError(message, code="formula-not-finite", advice="A logarithm needs values above 0.")


def _refuse_unusable(text: str, matrix: np.ndarray, names: tuple[str, ...]) -> None:
    _refuse_infinite(text, matrix, names)
    if np.linalg.matrix_rank(matrix) == matrix.shape[1]:
        return
    for p in range(1, len(names) + 1):  # name the first column that adds nothing
        if np.linalg.matrix_rank(matrix[:, :p]) < p:
            message = f'"{names[p - 1]}" in the formula "{text}" is determined by the terms before it.'
            advice = "Leave it out, or merge categories; a cubic spline beside an intercept needs constraints='center'."
            raise InputError(message, code="formula-redundant", advice=advice)


def _tidy(name: str) -> str:
    """``Intercept`` and ``1`` -> ``intercept``; ``class[T.cbt]`` -> ``class[cbt]``."""
    return "intercept" if name in ("Intercept", "1") else name.replace("[T.", "[")


def _some(rows: Iterable[int]) -> str:
    listed = list(rows)
    return ", ".join(map(str, listed[:10])) + (" ..." if len(listed) > 10 else "")


def _plain(error: Exception) -> str:
    """formulaic's message without its terminal colours and marker brackets."""
    text = re.sub(r"\x1b?\[\d+(;\d+)?m|\u29db|\u29da", "", str(error))
    return " ".join(text.split())
