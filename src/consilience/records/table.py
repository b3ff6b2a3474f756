"""A table to be shown, free of any output format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cell = str | float | int | None
Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class TableColumn:
    """key : stable name for CSV and JSON; title : as printed; digits : decimals for numbers, None for text."""

    key: str
    title: str
    align: Align = "left"
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells under titled columns.

    key : stable identifier (the anchor in the report is ``table-<key>``).
    rows : cells in the order of `columns`: text, numbers or None (not available).
    groups : optional (first row, heading) pairs, ascending.
    notes : footnotes.
    """

    key: str
    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
