"""A table to be shown, free of any output format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .display import Shown

Cell = str | float | int | None
Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class TableColumn:
    """key : stable name for CSV and JSON; title : as printed; digits : decimals for numbers, None for text.

    kind : how a number is written for people: ``"number"``, ``"p"`` (.034, < .001), ``"percent"`` (+3.1%) or
        ``"count"`` (1,234); text cells are written as they are. ``"footnote"``: text that people see as a
        letter beside the row's first cell with the text among the notes; CSV and data frames keep the text.
    pair : key of the column with the upper limit when this one holds the lower limit of an interval:
        people see both as ``[low, high]`` under this title, CSV and data frames keep two columns.
    """

    key: str
    title: str
    align: Align = "left"
    digits: int | None = None
    kind: Literal["number", "p", "percent", "count", "footnote"] = "number"
    pair: str = ""


@dataclass(frozen=True, repr=False)
class Table(Shown):
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
