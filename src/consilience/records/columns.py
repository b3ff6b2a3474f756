"""A small table as numpy columns that remembers the file and the line of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Columns:
    """Named columns of equal length.

    Parameters
    ----------
    file : name of the file they were read from, as shown to a person.
    lines : (n,) line of each row in that file (header = 1).
    data : name -> (n,) array; float64 with NaN for missing, or object array of str with "" for missing.
    """

    file: str
    lines: np.ndarray
    data: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.data)

    def text(self, name: str) -> np.ndarray:
        """(n,) object array of str; all "" if the column is absent."""
        if name not in self.data:
            return np.full(len(self), "", dtype=object)
        column = self.data[name]
        if column.dtype == object:
            return column
        return np.array(["" if np.isnan(x) else f"{x:g}" for x in column], dtype=object)

    def number(self, name: str) -> np.ndarray:
        """(n,) float array; all NaN if the column is absent. Raises TypeError for a text column."""
        if name not in self.data:
            return np.full(len(self), np.nan)
        column = self.data[name]
        if column.dtype == object:
            raise TypeError(f"column {name!r} of {self.file} holds text")
        return column

    def take(self, rows: np.ndarray) -> Columns:
        """The rows selected by a boolean mask or integer indices, in that order."""
        return Columns(
            self.file, self.lines[rows], {name: column[rows] for name, column in self.data.items()}
        )
