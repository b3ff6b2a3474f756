"""Baujat, radial, quantile and residual plots and collinearity as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.format import number, plural
from ..records import Baujat, Collinearity, Quantiles, Radial, Residuals, Table, TableColumn
from ..records.table import Cell
from .build_influence import case_title

Numbers = Sequence[tuple[str, str, np.ndarray, int]]


def _table(
    key: str, title: str, first: tuple[str, Sequence[str]], numbers: Numbers, notes: Sequence[str]
) -> Table:
    """Labels, then columns of numbers (key, title, values, digits)."""
    columns = (
        TableColumn("label", first[0]),
        *(TableColumn(name, text, "right", digits) for name, text, _, digits in numbers),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, *(float(values[i]) for _, _, values, _ in numbers)) for i, label in enumerate(first[1])
    )
    return Table(key, title, columns, rows, notes=tuple(notes))


def baujat_table(record: Baujat) -> Table:
    """Largest contribution to the heterogeneity first."""
    order = np.argsort(-record.x, kind="stable")
    numbers = (
        ("x", "Heterogeneity", record.x[order], 3),
        ("y", "Influence", record.y[order], 3),
    )
    notes = [f"{record.label[i]}: {why}." for i, why in enumerate(record.reason) if why]
    labels = [record.label[i] for i in order]
    return _table("baujat", "Heterogeneity and influence", (case_title(record.by), labels), numbers, notes)


def radial_table(record: Radial) -> Table:
    numbers = (
        ("effect", "Effect", record.effect, 3),
        ("x", "1 / SD", record.x, 3),
        ("y", "Effect / SD", record.y, 3),
    )
    outside = int(np.sum(np.abs(record.y - record.slope * record.x) > record.z))
    note = (
        f"Pooled {number(record.slope, 3)}; {plural(outside, 'effect')} of {len(record.label)} outside the band of "
        f"{number(record.z)} around it."
    )
    return _table("radial", "Radial plot", ("Effect", record.label), numbers, [note])


def quantiles_table(record: Quantiles) -> Table:
    numbers = [
        ("theoretical", "Normal quantile", record.theoretical, 3),
        ("sample", "Residual", record.sample, 3),
    ]
    notes = []
    if record.draws:
        numbers += [("low", "Lower limit", record.low, 3), ("high", "Upper limit", record.high, 3)]
        notes.append(
            f"{record.outside} of {len(record.label)} outside the pointwise {100 * record.level:g}% envelope of "
            f"{record.draws:,} simulated data sets."
        )
    if record.left_out:
        notes.append(f"{plural(record.left_out, 'effect')} that determine their own fitted value left out.")
    title = f"{record.kind.capitalize()} residuals against normal quantiles"
    return _table("quantiles", title, ("Effect", record.label), numbers, notes)


def residuals_table(record: Residuals) -> Table:
    numbers = ((("x", record.x_name, record.x, 3),) if record.x_name != "fitted" else ()) + (
        ("fitted", "Fitted", record.fitted, 3),
        ("raw", "Residual", record.raw, 3),
        ("raw_se", "SE", record.raw_se, 3),
        ("standardised", "Standardised", record.standardised, 2),
        ("conditional", "Conditional", record.conditional, 3),
        ("deleted", "Deleted", record.deleted, 2),
    )
    note = "Deleted: studentised, each effect left out, variances " + (
        "re-estimated." if record.reestimated else "held."
    )
    return _table("residuals", "Residuals", ("Effect", record.label), numbers, [note])


def collinearity_table(record: Collinearity) -> Table:
    numbers = [
        ("columns", "Columns", record.columns, 0),
        ("gvif", "GVIF", record.gvif, 2),
        ("scaled", "GVIF^(1/2c)", record.scaled, 2),
    ]
    notes = []
    if len(record.simulated):
        numbers += [
            ("expected", "Median if unrelated", record.expected, 2),
            ("share", "Share below", record.share, 3),
        ]
        notes.append(f"{len(record.simulated):,} designs, {record.how}.")
    return _table("collinearity", "Variance inflation", ("Term", record.term), numbers, notes)
