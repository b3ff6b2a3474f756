"""What ``print()`` shows of what follows from a fit: contrasts, intervals of heterogeneity."""

from __future__ import annotations

from ..records import Coefficients, HeterogeneityIntervals, Table, TableColumn
from .build_estimates import interval_title
from .build_fit import estimates_table
from .show import WIDTH, show
from .text import to_text


@show.register
def _(record: Coefficients) -> str:
    return to_text(estimates_table(record, "Estimates"), width=WIDTH)


@show.register
def _(record: HeterogeneityIntervals) -> str:
    parts = (
        ("\u03c4\u00b2", record.tau2),
        ("\u03c4", record.tau),
        ("I\u00b2, %", record.i2),
        ("H\u00b2", record.h2),
    )
    columns = (
        TableColumn("name", ""),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("low", interval_title(record.level), "right", 4, pair="high"),
        TableColumn("high", "upper limit", "right", 4),
    )
    rows = tuple((name, x.estimate, x.low, x.high) for name, x in parts)
    return to_text(Table("heterogeneity", f"Heterogeneity ({record.method})", columns, rows), width=WIDTH)
