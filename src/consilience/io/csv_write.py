"""CSV out: exact numbers, atomic, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from .atomic import write_atomic

Out = str | float | int | None
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(path: Path | str, rows: Iterable[Sequence[Out]], *, header: Sequence[str]) -> None:
    """Write a table as UTF-8 CSV: all of it or nothing."""
    write_atomic(path, csv_text(rows, header=header).encode())


def csv_text(rows: Iterable[Sequence[Out]], *, header: Sequence[str]) -> str:
    """A table as CSV text with ``\\n`` line ends.

    Numbers are written with the fewest digits that read back exactly, missing ones (None, NaN) as empty
    cells. Text that begins with = + - @, tab or a line break and is no number gets a leading apostrophe, because
    spreadsheets would evaluate it (OWASP, CSV injection).
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Out) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        escaped = f"'{value}" if value.startswith(_FORMULA_STARTS) and not _is_number(value) else value
        return escaped.replace("\r\n", "\n").replace("\r", "\n")  # a bare CR would be read as a new row
    number = float(value)
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
