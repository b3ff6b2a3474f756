"""What the checks look at: the four tables and what the protocol declares of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan

import numpy as np

from ..records import Columns, OutcomeRule
from .findings import Finding


@dataclass(frozen=True)
class Rules:
    """What the protocol declares; an empty tuple = nothing can be compared with it.

    outcomes : outcome -> its rule, where one could be read; outcome_names : all declared names.
    all_read : False if a table could not be read, so that what is absent proves nothing.
    """

    outcomes: Mapping[str, OutcomeRule] = field(default_factory=dict)
    outcome_names: tuple[str, ...] = ()
    intervention_classes: tuple[str, ...] = ()
    all_read: bool = True


@dataclass(frozen=True, eq=False)
class Tables:
    """The four tables of a review, typed."""

    trials: Columns
    arms: Columns
    contrasts: Columns
    risk_of_bias: Columns

    def table(self, name: str) -> Columns:
        columns: Columns = getattr(self, name)
        return columns

    def without(self, found: Iterable[Finding]) -> Tables:
        """The tables with unusable cells missing and unusable rows gone."""
        found = list(found)
        changed = {}
        for name in ("trials", "arms", "contrasts", "risk_of_bias"):
            cells = [cell for f in found if f.table == name for cell in f.cells]
            drop = sorted({row for f in found if f.table == name for row in f.drop})
            if cells or drop:
                changed[name] = _blanked(self.table(name), cells, drop)
        return replace(self, **changed)


def _blanked(columns: Columns, cells: list[tuple[int, str]], drop: list[int]) -> Columns:
    data = {name: column.copy() for name, column in columns.data.items()}
    for row, name in cells:
        data[name][row] = "" if data[name].dtype == object else np.nan
    keep = np.ones(len(columns), dtype=bool)
    keep[drop] = False
    return Columns(columns.file, columns.lines, data).take(keep)


def group_rows(columns: Columns, names: tuple[str, ...]) -> dict[tuple[object, ...], list[int]]:
    """Row indices by the values of some columns, in order of first appearance; NaN equals NaN."""
    values = [
        [None if isinstance(v, float) and isnan(v) else v for v in columns[name].tolist()] for name in names
    ]
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(zip(*values, strict=True)):
        groups.setdefault(key, []).append(i)
    return groups
