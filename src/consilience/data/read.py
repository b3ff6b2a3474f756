"""Raw cells to typed columns by the schema; every problem becomes a note, never the first only."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from math import isnan

import numpy as np

from ..base.options import suggestion
from ..records import Columns, Note
from .findings import Place, finding, joined
from .numbers import MISSING, NotNumber, in_range, parse_number
from .raw import Cell, RawTable, cell_text
from .schema import Field, TableSchema


def read_columns(
    raw: RawTable, schema: TableSchema, *, decimal: str = "."
) -> tuple[Columns, tuple[Note, ...]]:
    """The columns of a table, typed by its schema, and everything that was wrong with them.

    Every column of the schema is in the result (all missing if the file has none); columns that the schema
    does not know follow as they are, as numbers if every filled cell is one. A cell that cannot be read is
    missing in the result. Rows are all kept: see `usable_rows`.
    """
    notes: list[Note] = list(raw.notes)
    notes += _header_notes(raw, schema)
    study = _study_names(raw)
    data: dict[str, np.ndarray] = {}
    for field in schema.fields:
        if field.name not in raw.header:
            data[field.name] = _blank(field, len(raw))
            continue
        cells = _cells(raw, field.name)
        data[field.name], problems = _typed(cells, field, decimal)
        for row, problem in problems:
            place = Place(raw.file, raw.lines[row], field.name, cell_text(cells[row]), study[row])
            notes.append(finding(problem.code, problem.message, place, advice=problem.advice))
    for name in dict.fromkeys(raw.header):
        if name and name not in data:
            data[name] = _extra(_cells(raw, name), decimal)
    return Columns(raw.file, np.array(raw.lines, dtype=np.intp), data), tuple(notes)


def usable_rows(columns: Columns, schema: TableSchema) -> np.ndarray:
    """(n,) True where no required cell is missing."""
    keep = np.ones(len(columns), dtype=bool)
    for field in schema.fields:
        if field.required:
            keep &= columns.text(field.name) != ""
    return keep


def _study_names(raw: RawTable) -> list[str]:
    return [cell_text(c) for c in _cells(raw, "study")] if "study" in raw.header else [""] * len(raw)


def _cells(raw: RawTable, name: str) -> list[Cell]:
    position = raw.header.index(name)
    return [row[position] for row in raw.rows]


def _blank(field: Field, n: int) -> np.ndarray:
    return np.full(n, np.nan) if field.kind == "number" else np.full(n, "", dtype=object)


def _typed(cells: list[Cell], field: Field, decimal: str) -> tuple[np.ndarray, list[tuple[int, NotNumber]]]:
    """A column of the schema and (row, problem) pairs."""
    problems: list[tuple[int, NotNumber]] = []
    column = _blank(field, len(cells))
    for row, cell in enumerate(cells):
        value = _value(cell, field, decimal)
        if isinstance(value, NotNumber):
            problems.append((row, value))
            continue
        column[row] = value
        if field.required and (value == "" or (isinstance(value, float) and isnan(value))):
            problems.append((row, NotNumber("cell-missing", f"{field.name} is empty; the row is not used.")))
    return column, problems


def _value(cell: Cell, field: Field, decimal: str) -> str | float | NotNumber:
    if field.kind == "number":
        return in_range(cell) if isinstance(cell, float) else parse_number(cell, decimal=decimal)
    text = cell_text(cell)
    if field.kind == "text":
        return text
    if text.lower() in MISSING:
        return ""
    if text.lower() in field.allowed:
        return text.lower()
    allowed = joined([f'"{word}"' for word in field.allowed], "or")
    message = f'{field.name} is "{text}"; allowed: {allowed}. {suggestion(text, field.allowed)}'.strip()
    return NotNumber("choice-unknown", message)


def _extra(cells: list[Cell], decimal: str) -> np.ndarray:
    """A column that the schema does not know: numbers if every filled cell is one, else text."""
    values = [cell if isinstance(cell, float) else parse_number(cell, decimal=decimal) for cell in cells]
    numeric = [v for v in values if isinstance(v, float)]
    if len(numeric) == len(values) and not all(isnan(v) for v in numeric):
        return np.array(numeric, dtype=float)
    return np.array([cell_text(cell) for cell in cells], dtype=object)


def _header_notes(raw: RawTable, schema: TableSchema) -> Iterator[Note]:
    unknown = [name for name in dict.fromkeys(raw.header) if name and name not in schema.names]
    for field in schema.fields:
        if field.required and field.name not in raw.header and (raw.header or len(raw)):
            message = f'The required column "{field.name}" is missing. {suggestion(field.name, unknown)}'
            yield finding("column-missing", message.strip(), Place(raw.file, column=field.name))
    for name in unknown:
        near = _close(name, schema.names)
        if near and near not in raw.header:
            message = (
                f'The column "{name}" is not known and is kept as an extra column. Did you mean "{near}"?'
            )
            yield finding("column-unknown", message, Place(raw.file, column=name))
    for name in dict.fromkeys(raw.header):
        if name and raw.header.count(name) > 1:
            message = f'{raw.header.count(name)} columns are named "{name}".'
            yield finding("column-duplicate", message, Place(raw.file, column=name))
    for position, name in enumerate(raw.header):
        filled = sum(row[position] != "" for row in raw.rows)
        if not name and filled:
            message = f"Column {position + 1} has {filled} values but no name; it is not used."
            yield finding("column-unnamed", message, Place(raw.file))


def _close(name: str, known: tuple[str, ...]) -> str:
    """A known column that `name` is probably a misspelling of; stricter than a suggestion for an error."""
    word = name.lower().replace(" ", "_").replace("-", "_")
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.8)
    return found[0] if found else ""
