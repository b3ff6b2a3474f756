"""Rows of cells to a raw table: header, blank rows, rows of another length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..base.errors import InputError
from ..data.findings import Place, finding
from ..data.raw import Cell, RawTable, cell_text
from ..records import Note


def shape_rows(
    file: str, numbered: Iterable[tuple[int, Sequence[Cell]]], notes: Sequence[Note] = ()
) -> RawTable:
    """A raw table from (line, cells) pairs; the first row that is not blank is the header.

    Short rows are filled with missing cells, as spreadsheets leave them; cells beyond the header are an error.
    """
    found = list(notes)
    header: tuple[str, ...] | None = None
    rows: list[tuple[Cell, ...]] = []
    lines: list[int] = []
    for line, cells in numbered:
        if all(cell == "" for cell in cells):
            continue
        if header is None:
            header = tuple(cell_text(cell) for cell in cells)
            while header and not header[-1]:
                header = header[:-1]
            continue
        beyond = [cell for cell in cells[len(header) :] if cell != ""]
        if beyond:
            message = (
                f"The row has {len(cells)} cells, but the header has {len(header)}; the row is not used."
            )
            found.append(finding("row-length", message, Place(file, line, value=cell_text(beyond[0]))))
            continue
        rows.append(tuple(cells[: len(header)]) + ("",) * (len(header) - len(cells)))
        lines.append(line)
    if header is None:
        raise InputError(
            f'"{file}" is empty.', code="file-unreadable", advice="It needs at least a header row."
        )
    return RawTable(file, header, tuple(rows), tuple(lines), tuple(found))
