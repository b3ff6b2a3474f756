"""Bootstrap and jackknife as tables."""

from __future__ import annotations

from ..base.format import count, plural
from ..records import Table, TableColumn
from ..records.resampling import BOOTSTRAP_INTERVALS, Bootstrap, Jackknife
from ..records.table import Cell


def bootstrap_table(record: Bootstrap) -> Table:
    """Estimate, bias and standard error of each quantity, with their 95% Monte-Carlo errors."""
    columns = (
        TableColumn("name", "Quantity"),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("bias", "Bias", "right", 4),
        TableColumn("bias_error", "\u00b1", "right", 4),
        TableColumn("se", "SE", "right", 4),
        TableColumn("se_error", "\u00b1", "right", 4),
    )
    numbers = (record.estimate, record.bias, record.bias_error, record.se, record.se_error)
    rows: list[tuple[Cell, ...]] = [
        (name, *(float(x[j]) for x in numbers)) for j, name in enumerate(record.names)
    ]
    notes = [
        f"{count(record.replicates)} data sets ({record.unit}); \u00b1: half-width of the 95% Monte-Carlo interval.",
        *(note.message for note in record.notes),
    ]
    title = "Parametric bootstrap" if record.kind == "parametric" else "Cluster bootstrap"
    return Table("bootstrap", title, columns, tuple(rows), notes=tuple(notes))


def bootstrap_intervals_table(record: Bootstrap) -> Table:
    """All intervals that exist, by quantity, with the 95% Monte-Carlo errors of their limits."""
    columns = (
        TableColumn("kind", f"{100 * record.level:g}% interval"),
        TableColumn("low", "Low", "right", 4),
        TableColumn("low_error", "\u00b1", "right", 4),
        TableColumn("high", "High", "right", 4),
        TableColumn("high_error", "\u00b1", "right", 4),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for j, name in enumerate(record.names):
        groups.append((len(rows), name))
        for kind in BOOTSTRAP_INTERVALS:
            limits = (record.low, record.low_error, record.high, record.high_error)
            values = [float(x[kind][j]) for x in limits]
            if values[0] == values[0]:
                rows.append(("BCa" if kind == "bca" else kind, *values))
    return Table("bootstrap-intervals", "Bootstrap intervals", columns, tuple(rows), tuple(groups))


def jackknife_table(record: Jackknife) -> Table:
    """Bias, standard error and interval of each quantity."""
    columns = (
        TableColumn("name", "Quantity"),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("bias", "Bias", "right", 4),
        TableColumn("corrected", "Corrected", "right", 4),
        TableColumn("se", "SE", "right", 4),
        TableColumn("low", f"{100 * record.level:g}% CI", "right", 4, pair="high"),
        TableColumn("high", "upper limit", "right", 4),
    )
    numbers = (record.estimate, record.bias, record.corrected, record.se, record.low, record.high)
    rows: list[tuple[Cell, ...]] = [
        (name, *(float(x[j]) for x in numbers)) for j, name in enumerate(record.names)
    ]
    notes = [
        f'{plural(len(record.labels), "refit")}, each without one level of "{record.by}"; interval around the corrected value.'
    ]
    if record.failed:
        notes.append(f"{plural(record.failed, 'level')} could not be left out.")
    notes += [note.message for note in record.notes]
    return Table("jackknife", "Jackknife", columns, tuple(rows), notes=tuple(notes))
