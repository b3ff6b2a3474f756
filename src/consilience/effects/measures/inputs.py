"""Any table to the float columns of a measure, with a note for everything that is not usable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...base.errors import InputError
from ...base.options import suggestion
from ...data.numbers import LARGEST, NotNumber, parse_number
from ...records import Note
from .measure import Column, Measure

SHOWN = 8  # rows that a message lists before it says how many more


def rows_text(rows: np.ndarray) -> str:
    """``rows 1, 4 and 2 more`` of zero-based indices, counted from 1 as a person does."""
    listed = ", ".join(str(row + 1) for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {listed}{more}"


def column_mapping(table: Any) -> dict[str, Any]:
    """Name -> column of a mapping or of anything with `columns` and item access (pandas, polars, pyarrow)."""
    if hasattr(table, "collect_schema") and hasattr(table, "collect"):
        raise InputError(
            "A lazy frame holds no rows yet.", code="not-a-table", advice="Give the result of its collect()."
        )
    if isinstance(table, Mapping):
        return {str(name): column for name, column in table.items()}
    names = getattr(table, "column_names", None)
    names = getattr(table, "columns", None) if names is None else names
    if names is None:
        raise InputError(
            f"A {type(table).__name__} is not a table.",
            code="not-a-table",
            advice="Give a pandas, polars or pyarrow table, or a mapping of column names to values.",
        )
    return {str(name): table[name] for name in names}


def column_array(values: Any) -> np.ndarray:
    """The cells of a column of any library as an array; missing cells of text and categories are None, NaN or NA."""
    values = values.to_native() if hasattr(values, "to_native") else values  # narwhals: what it wraps
    if hasattr(values, "to_pylist"):  # pyarrow, whose own arrays of categories misplace the cells after a gap
        if str(values.type).startswith("dictionary"):
            return np.array(values.to_pylist(), dtype=object)
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if isinstance(values, list | tuple):  # cell by cell: an array of mixed cells would turn numbers into text
        return np.array(values, dtype=object)
    return values.to_numpy() if hasattr(values, "to_numpy") else values  # type: ignore[no-any-return]


def measure_inputs(
    measure: Measure, table: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], tuple[Note, ...]]:
    """The columns of `measure` as (n,) floats; optional columns that are absent are all NaN.

    Columns are found by plain name or by metafor's. Values that are no numbers, infinite or impossible become
    NaN, each with a note that names the rows.

    Raises
    ------
    InputError : ``missing-column``, ``columns-unequal``.
    """
    found: dict[str, np.ndarray] = {}
    notes: list[Note] = []
    for column in measure.columns:
        name = column.name if column.name in table else column.alias
        if name not in table:
            if column.required:
                raise _missing(measure, column, table)
            continue
        found[column.name] = _numbers(table[name], name, notes)
    lengths = {name: len(values) for name, values in found.items() if values.shape != (1,)}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"The columns have different lengths: {listed}.", code="columns-unequal")
    n = next(iter(lengths.values()), 1)
    inputs: dict[str, np.ndarray] = {}
    for column in measure.columns:
        values = np.broadcast_to(found.get(column.name, np.array([np.nan])), (n,))
        inputs[column.name] = _possible(values, column, notes)
    return inputs, tuple(notes)


def _missing(measure: Measure, column: Column, table: Mapping[str, Any]) -> InputError:
    needed = ", ".join(c.name if c.required else f"[{c.name}]" for c in measure.columns)
    hint = suggestion(column.name, table)
    return InputError(
        f"Measure {measure.id} ({measure.name}) needs the column {column.name} ({column.meaning}).",
        code="missing-column",
        advice=f"Its columns are: {needed}. {hint}".strip(),
    )


def _numbers(values: Any, name: str, notes: list[Note]) -> np.ndarray:
    """(n,) floats of any column; missing marks of any library are NaN, other text is NaN with a note."""
    raw = column_array(values)
    if np.asarray(raw).dtype.kind in "iufb":
        array: np.ndarray = np.atleast_1d(np.ma.filled(np.ma.asarray(raw, dtype=float), np.nan))
        if array.ndim == 1:
            return array
        raise InputError(f"Column {name} has {array.ndim} dimensions; give one.", code="columns-unequal")
    cells = [_key(cell) for cell in np.atleast_1d(np.asarray(raw, dtype=object)).ravel().tolist()]
    distinct = {cell: _number(cell) for cell in set(cells)}
    texts = np.array([distinct[cell] for cell in cells], dtype=float)
    bad = np.flatnonzero(np.isposinf(texts))
    if len(bad):
        message = f"Column {name} has what is not a number in {rows_text(bad)}."
        value = str(cells[bad[0]])
        notes.append(Note("not-a-number", "error", message, column=name, value=value, rows=_ints(bad)))
    return np.where(np.isposinf(texts), np.nan, texts)


def _key(cell: Any) -> Any:
    return cell if isinstance(cell, (int, float, str)) else str(cell)


def _number(cell: Any) -> float:
    """Float of one cell; NaN if it marks a missing value; inf if it is no number."""
    if isinstance(cell, (int, float)):
        return float(cell) if abs(cell) < LARGEST or isinstance(cell, float) else np.inf
    text = "" if cell in ("<NA>", "NaT", "None") else str(cell)
    number = parse_number(text)
    return np.inf if isinstance(number, NotNumber) else number


def _possible(values: np.ndarray, column: Column, notes: list[Note]) -> np.ndarray:
    below = values <= column.low if column.open_low else values < column.low
    wrong = np.flatnonzero((np.isinf(values) | below | (values > column.high)) & ~np.isnan(values))
    if not len(wrong):
        return values
    low = "" if column.low == -np.inf else f"{'above' if column.open_low else 'at least'} {column.low:g}"
    high = "" if column.high == np.inf else f"at most {column.high:g}"
    allowed = " and ".join(part for part in (low, high, "finite") if part)
    message = f"{column.name} must be {allowed}; it is {values[wrong[0]]:g} in row {wrong[0] + 1}"
    others = f" (also {rows_text(wrong[1:])})" if len(wrong) > 1 else ""
    notes.append(
        Note(
            "impossible-input",
            "error",
            f"{message}{others}. Not used.",
            advice="Look the number up in the source.",
            column=column.name,
            value=f"{values[wrong[0]]:g}",
            rows=_ints(wrong),
        )
    )
    cleaned = values.copy()
    cleaned[wrong] = np.nan
    return cleaned


def _ints(rows: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)
