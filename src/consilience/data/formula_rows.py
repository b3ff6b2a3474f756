"""Rows of a formula's design for new values of the moderators: knots, centres and levels stay those of the fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.options import suggestion

NUMPY = {"exp": np.exp, "log": np.log, "log10": np.log10, "sqrt": np.sqrt}


def columns_of(table: Any) -> dict[str, np.ndarray]:
    """Columns of a mapping or of any data frame as arrays; text as objects, single values as columns of one."""
    names = table if isinstance(table, Mapping) else table.columns
    found = {str(name): np.atleast_1d(np.asarray(table[name])) for name in names}
    return {name: c.astype(object) if c.dtype.kind in "US" else c for name, c in found.items()}


def plain(error: Exception) -> str:
    """formulaic's message without its terminal colours and marker brackets."""
    text = re.sub(r"\x1b?\[\d+(;\d+)?m|\u29db|\u29da", "", str(error))
    return " ".join(text.split())


@dataclass(frozen=True, eq=False)
class FormulaRows:
    """A formula as it was fitted: called with new values it gives the rows (m, p) of the same columns.

    state : formulaic's record of knots, centres and levels; levels : column -> values that it had; numeric : other columns.
    """

    formula: str
    state: Any
    levels: Mapping[str, tuple[Any, ...]]
    numeric: tuple[str, ...]

    def __call__(self, table: Any) -> np.ndarray:
        """Rows for the columns of a dict or data frame; a single value stands for all rows.

        Raises
        ------
        InputError : ``unknown-column``, ``shape``, ``unknown-level``, ``not-finite`` or ``formula-new-values``.
        """
        given = columns_of(table)
        needed = (*self.levels, *self.numeric)
        for name in needed:
            if name not in given:
                raise InputError(
                    f'The formula "{self.formula}" needs values of "{name}". {suggestion(name, given)}'.strip(),
                    code="unknown-column",
                    advice=f"It needs: {', '.join(needed)}.",
                )
        rows = _rows_in(given)
        columns = {name: np.broadcast_to(given[name], rows) for name in needed}
        for name, known in self.levels.items():
            _check_levels(name, columns[name], known)
        columns |= {name: _numbers(name, columns[name]) for name in self.numeric}
        return self._computed(columns)

    def _computed(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        import pandas
        from formulaic.errors import FormulaicError

        frame = pandas.DataFrame({name: np.array(column) for name, column in columns.items()})
        try:
            with np.errstate(all="ignore"):
                found = self.state.get_model_matrix(frame, na_action="ignore", context=NUMPY)
        except FormulaicError as error:
            raise InputError(
                f'The formula "{self.formula}" cannot be computed for these values: {plain(error)}',
                code="formula-new-values",
                advice="bs() ends where the data of the fit end; cr() goes on as a straight line.",
            ) from error
        matrix = np.asarray(found, dtype=float)
        if not np.isfinite(matrix).all():
            raise InputError(
                f'The formula "{self.formula}" gives no finite number for these values.', code="not-finite"
            )
        return matrix


def _rows_in(given: Mapping[str, np.ndarray]) -> int:
    """Length of the columns, where one value stands for all rows."""
    lengths = {name: len(column) for name, column in given.items()}
    longest = max(lengths.values())
    for name, length in lengths.items():
        if length not in (1, longest):
            raise InputError(
                f'"{name}" has {length} values where other columns have {longest}.', code="shape"
            )
    return longest


def _check_levels(name: str, column: np.ndarray, known: tuple[Any, ...]) -> None:
    for row, value in enumerate(column.tolist(), 1):
        if value not in known:
            listed = ", ".join(str(level) for level in known[:10])
            raise InputError(
                f'"{value}" is no level of "{name}" (row {row}); the fit has: {listed}. '
                f"{suggestion(str(value), [str(level) for level in known])}".strip(),
                code="unknown-level",
            )


def _numbers(name: str, column: np.ndarray) -> np.ndarray:
    try:
        values = column.astype(float)
    except (TypeError, ValueError):
        values = np.full(len(column), np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f'"{name}" must be a finite number; row {bad[0] + 1} has "{column[bad[0]]}".', code="not-finite"
        )
    return np.asarray(values)
