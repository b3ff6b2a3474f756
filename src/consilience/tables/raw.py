"""A table for machines: rows with unrounded numbers, and data frames."""

from __future__ import annotations

import importlib
import math
from typing import Any

from ..base.errors import InputError
from ..base.options import choose
from ..records import Table
from ..records.table import Cell


def _plain(cell: Cell) -> str | float | int | None:
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def csv_rows(table: Table) -> list[list[str | float | int | None]]:
    """Header of column keys, then one list a row; a missing value is None, numbers are not rounded.

    Group headings become a first column ``group`` when the table has groups.
    """
    head: list[str | float | int | None] = [column.key for column in table.columns]
    body = [[_plain(cell) for cell in row] for row in table.rows]
    if not table.groups:
        return [head, *body]
    starts = dict(table.groups)
    current = ""
    out: list[list[str | float | int | None]] = [["group", *head]]
    for i, row in enumerate(body):
        current = starts.get(i, current)
        out.append([current, *row])
    return out


def to_dataframe(table: Table, *, library: str = "pandas") -> Any:
    """A pandas or polars DataFrame of the unrounded cells, columns named by their keys.

    Raises OptionError for another library, InputError (``library-missing``) when it is not installed.
    """
    choose(library, ("pandas", "polars"), what="data frame library")
    try:
        module = importlib.import_module(library)
    except ImportError as cause:
        raise InputError(
            f"{library} is not installed.",
            code="library-missing",
            advice=f"Install it: pip install {library}.",
        ) from cause
    head, *body = csv_rows(table)
    columns = {str(name): [row[j] for row in body] for j, name in enumerate(head)}
    if library == "polars":
        return module.DataFrame(columns, strict=False)
    return module.DataFrame(columns)
