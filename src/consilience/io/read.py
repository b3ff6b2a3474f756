"""One table file to raw cells, whatever its format."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import InputError
from ..base.options import suggestion
from ..data.raw import RawTable
from .csv_read import read_csv
from .parquet import read_parquet
from .workbook import read_workbook

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")


def read_table(path: Path | str, *, sheet: str = "", prefer: str = "") -> RawTable:
    """All cells of a table file with the line of each row.

    Parameters
    ----------
    path : ``.csv``, ``.tsv``, ``.txt`` (comma, semicolon or tab, told apart by the header), ``.xlsx`` or ``.parquet``.
    sheet : the sheet of a workbook; must exist.
    prefer : the sheet to choose where none is named and the workbook has several; else the first.

    Raises
    ------
    InputError : ``file-missing`` or ``file-unreadable``.
    """
    path = Path(path)
    if path.is_dir():
        message = f'"{path.name}" is a folder, not a file.'
        raise InputError(message, code="file-unreadable", advice="Name the file itself.")
    if not path.is_file():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        siblings = [p.name for p in beside if p.suffix.lower() in SUFFIXES and p.is_file()]
        message = f'There is no file "{path.name}". {suggestion(path.name, siblings)}'.strip()
        raise InputError(message, code="file-missing", advice="Correct the name or add the file.")
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return read_workbook(path, sheet=sheet, prefer=prefer)
    if suffix == ".parquet":
        return read_parquet(path)
    if suffix in SUFFIXES:
        return read_csv(path)
    raise InputError(
        f'"{path.name}" is not a table that can be read; allowed: {", ".join(SUFFIXES)}.',
        code="file-unreadable",
        advice="Save it as CSV (UTF-8), .xlsx or .parquet.",
    )
