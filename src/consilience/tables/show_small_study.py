"""`print` of the records about small studies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..records import Table
from ..records.small_study import (
    Asymmetry,
    ExcessSignificance,
    FailSafe,
    Funnel,
    LimitMeta,
    PetPeese,
    PreciseAverage,
    StudyPower,
    TrimAndFill,
)
from .build_small_study import (
    asymmetry_table,
    excess_table,
    fail_safe_table,
    funnel_table,
    limit_meta_table,
    pet_peese_table,
    power_table,
    precise_average_table,
    trim_and_fill_table,
)
from .show import FEW, WIDTH, show
from .text import to_text

TABLES: dict[type, Callable[[Any], Table]] = {
    Asymmetry: asymmetry_table,
    ExcessSignificance: excess_table,
    FailSafe: fail_safe_table,
    Funnel: funnel_table,
    LimitMeta: limit_meta_table,
    PetPeese: pet_peese_table,
    PreciseAverage: precise_average_table,
    StudyPower: power_table,
    TrimAndFill: trim_and_fill_table,
}


def _shown(record: Any) -> str:
    """The record's table; the first rows of a long one."""
    table = TABLES[type(record)](record)
    if len(table.rows) > FEW:
        more = f"... and {len(table.rows) - FEW:,} more."
        table = replace(
            table,
            rows=table.rows[:FEW],
            groups=tuple(g for g in table.groups if g[0] < FEW),
            notes=(more, *table.notes),
        )
    return to_text(table, width=WIDTH)


for kind in TABLES:
    show.register(kind, _shown)
