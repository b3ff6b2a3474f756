"""Excel workbooks, read-only; openpyxl is loaded only when one is read."""

from __future__ import annotations

import datetime
import warnings
import zipfile
from pathlib import Path

from ..base.errors import InputError
from ..base.options import suggestion
from ..data.findings import Place, finding
from ..data.raw import Cell, RawTable, plain_cell
from ..records import Note
from .shape import shape_rows


def read_workbook(path: Path, *, sheet: str = "", prefer: str = "") -> RawTable:
    """The cells of one sheet: numbers as numbers, everything else as text; lines are the sheet's row numbers.

    Raises
    ------
    InputError : ``file-unreadable`` (no workbook, no such sheet, an empty sheet).
    """
    import openpyxl  # 0.2 s: only for who has a workbook
    from openpyxl.utils.exceptions import InvalidFileException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of features that do not touch cell values
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
            message = f'"{path.name}" cannot be read as an Excel workbook: {error}.'
            raise InputError(
                message, code="file-unreadable", advice="Save it again as .xlsx or CSV."
            ) from error
        try:
            name, notes = _choose(book.sheetnames, path.name, sheet, prefer)
            rows = [[_cell(v) for v in row] for row in book[name].iter_rows(values_only=True)]
        finally:
            book.close()
    return shape_rows(path.name, enumerate(rows, start=1), notes)


def _choose(names: list[str], file: str, sheet: str, prefer: str) -> tuple[str, list[Note]]:
    if sheet:
        if sheet not in names:
            message = (
                f'"{file}" has no sheet "{sheet}"; it has: {", ".join(names)}. {suggestion(sheet, names)}'
            )
            raise InputError(message.strip(), code="file-unreadable", advice="Correct the part after #.")
        return sheet, []
    if len(names) == 1:
        return names[0], []
    chosen = prefer if prefer in names else names[0]
    message = f'"{file}" has {len(names)} sheets; "{chosen}" was read.'
    return chosen, [finding("sheet-chosen", message, Place(file, value=chosen))]


def _cell(value: object) -> Cell:
    """Excel turns some text (3-4, 1.5) into dates: shown as a date, so that the reader of a number refuses it."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return plain_cell(value)
