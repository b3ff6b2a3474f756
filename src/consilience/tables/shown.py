"""What people see of a table: cells as text, intervals joined, remarks as footnotes; for all renderers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..base.format import NOT_AVAILABLE, count, interval, number, p_value, percent
from ..base.grid import clean
from ..records import Table, TableColumn
from ..records.table import Cell


@dataclass(frozen=True)
class Shown:
    """titles, aligns : per visible column; rows : text cells; groups : first row -> heading; notes : below.

    marks : letters of each row's footnotes ("" if none); they stand beside the row's first cell, where they are
    seen even if the table is wider than its place.
    """

    titles: tuple[str, ...]
    aligns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: dict[int, str]
    notes: tuple[str, ...]
    marks: tuple[str, ...]

    @property
    def marked_rows(self) -> tuple[tuple[str, ...], ...]:
        """The rows with the letters in brackets after the first cell."""
        return tuple(
            (f"{row[0]} ({mark})" if mark else row[0], *row[1:])
            for row, mark in zip(self.rows, self.marks, strict=True)
        )


def cell_text(cell: Cell, column: TableColumn) -> str:
    """One cell as text by its column's kind and digits; an em dash when there is no value."""
    if cell is None:
        return NOT_AVAILABLE
    if isinstance(cell, str):
        return clean(cell)
    value = float(cell)
    if math.isnan(value):
        return NOT_AVAILABLE
    if column.kind == "p":
        return p_value(value)
    if column.kind == "percent":
        return percent(value, 1 if column.digits is None else column.digits)
    if column.kind == "count" or (column.digits is None and isinstance(cell, int)):
        return count(value) if math.isfinite(value) else number(value)
    return number(value, 2 if column.digits is None else column.digits)


def _pair_text(low: Cell, high: Cell, column: TableColumn) -> str:
    numbers = [x for x in (low, high) if x is not None and not isinstance(x, str) and not math.isnan(x)]
    if not numbers:
        return NOT_AVAILABLE
    if column.kind == "percent":
        return f"[{cell_text(low, column)}, {cell_text(high, column)}]"
    as_float = [math.nan if x is None or isinstance(x, str) else float(x) for x in (low, high)]
    return interval(as_float[0], as_float[1], 2 if column.digits is None else column.digits)


def footnote_letter(position: int) -> str:
    """a, b ... z, aa, ab ..."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _footnotes(table: Table) -> dict[str, str]:
    """Distinct texts of the footnote columns -> their letters, in order of appearance."""
    columns = [j for j, column in enumerate(table.columns) if column.kind == "footnote"]
    texts = (str(row[j]) for row in table.rows for j in columns if row[j])
    return {text: footnote_letter(i) for i, text in enumerate(dict.fromkeys(texts))}


def shown(table: Table) -> Shown:
    """The table as text cells; the upper column of an interval disappears into the lower one."""
    position = {column.key: j for j, column in enumerate(table.columns)}
    upper = {column.pair for column in table.columns if column.pair}
    letters = _footnotes(table)
    visible = [
        (j, column)
        for j, column in enumerate(table.columns)
        if column.key not in upper and column.kind != "footnote"
    ]
    remarks = [j for j, column in enumerate(table.columns) if column.kind == "footnote"]

    def text(row: tuple[Cell, ...], j: int, column: TableColumn) -> str:
        if column.pair:
            return _pair_text(row[j], row[position[column.pair]], column)
        return cell_text(row[j], column)

    return Shown(
        tuple(clean(column.title) for _, column in visible),
        tuple(column.align for _, column in visible),
        tuple(tuple(text(row, j, column) for j, column in visible) for row in table.rows),
        {first: clean(heading) for first, heading in table.groups},
        (
            *(f"({letter}) {clean(text)}" for text, letter in letters.items()),
            *(clean(n) for n in table.notes),
        ),
        tuple(", ".join(letters[str(row[j])] for j in remarks if row[j]) for row in table.rows),
    )
