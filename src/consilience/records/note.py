"""A warning as data: it travels on the result and every face shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Note:
    """Something a reader must know about data or a result.

    Parameters
    ----------
    code : stable kebab-case identifier, e.g. ``"sd-negative"``.
    severity : ``error`` (the value is not used), ``warning`` (used, but look) or ``info``.
    message : one or two plain sentences: what is wrong, what was got, what is allowed.
    advice : what to do about it.
    file, row, column, value : where; `row` is the line a person sees in the file (header = 1).
    study : the study concerned, if any.
    rows : indices of the effects concerned, if any.
    """

    code: str
    severity: Severity
    message: str
    advice: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""
    value: str = ""
    study: str = ""
    rows: tuple[int, ...] = ()

    @property
    def row_word(self) -> str:
        """What a row of the file is called: a table has rows, a protocol lines."""
        return "line" if self.file.endswith(".toml") else "row"

    @property
    def where(self) -> str:
        """``arms.csv, row 12, column sd``, as far as known."""
        parts = [self.file]
        if self.row is not None:
            parts.append(f"{self.row_word} {self.row}")
        if self.column:
            parts.append(f"column {self.column}")
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.severity} {self.code}: {place}{self.message} {self.advice}".strip()
