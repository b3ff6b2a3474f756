"""How a finding is written down: where it was made, what follows from it, as a note of a registered kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import SupportsFloat, cast

import numpy as np

from ..records import Columns, Note
from .check_list import CHECKS


@dataclass(frozen=True)
class Place:
    """Where a finding was made; `row` is the line in the file as a person sees it."""

    file: str = ""
    row: int | None = None
    column: str = ""
    value: str = ""
    study: str = ""


@dataclass(frozen=True)
class Finding:
    """A note and its consequence: cells (row index, column) and whole rows of `table` that are not used."""

    note: Note
    table: str
    cells: tuple[tuple[int, str], ...] = ()
    drop: tuple[int, ...] = ()


def finding(code: str, message: str, place: Place, *, advice: str = "") -> Note:
    """A note of a registered kind; severity and, unless given, advice come from the registry."""
    check = CHECKS[code]
    return Note(
        code,
        check.severity,
        message,
        advice or check.advice,
        file=place.file,
        row=place.row,
        column=place.column,
        value=place.value,
        study=place.study,
    )


def at(columns: Columns, row: int | np.integer, column: str = "") -> Place:
    """The place of a row (and one of its cells) of a table."""
    value = columns[column][row] if column in columns else ""
    return Place(columns.file, int(columns.lines[row]), column, shown(value), str(columns.text("study")[row]))


def shown(value: object) -> str:
    """A cell as a person wrote it: text as it is, a number without needless decimals, "" if missing."""
    if isinstance(value, str):
        return value
    number = float(cast(SupportsFloat, value))
    return "" if np.isnan(number) else f"{number:.12g}"


def joined(words: list[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
