"""A table as it stands in a file: cells of text or numbers, and the line a person sees for each row."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import SupportsFloat, cast

from ..records import Note

Cell = str | float


@dataclass(frozen=True)
class RawTable:
    """The cells of one table before any meaning is given to them.

    Parameters
    ----------
    file : name shown to a person.
    header : column names, stripped.
    rows : cells of each row, as many as there are headers; ``""`` is a missing cell.
    lines : the line (or sheet row) where each row begins; the header of a CSV is line 1.
    notes : what had to be done to read it (encoding, rows of a wrong length ...).
    """

    file: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def empty(cls, file: str, header: tuple[str, ...] = ()) -> RawTable:
        """A table without rows, for a file that a review does not have."""
        return cls(file, header, (), ())


def cell_text(cell: Cell) -> str:
    """The cell as text: a whole number without decimals, any other number with the fewest exact digits."""
    if isinstance(cell, str):
        return cell
    return str(int(cell)) if cell == int(cell) and abs(cell) < 1e15 else repr(cell)


def plain_cell(value: object) -> Cell:
    """Any Python or numpy scalar as a cell: missing -> ``""``, bool -> yes/no, number -> float, else text."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or _is_nan(value):
        return ""
    if isinstance(value, str):
        return value.strip().strip("\ufeff")
    if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:
        return "yes" if value else "no"
    try:
        number = float(cast(SupportsFloat, value))
    except (TypeError, ValueError):
        return str(value).strip()
    if isnan(number):
        return ""
    return number if abs(number) != float("inf") else str(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and isnan(value)
