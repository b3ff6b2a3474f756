"""The multiverse: what each alternative gives, what moves the answer, and every specification."""

from __future__ import annotations

import numpy as np

from ..records import MultiverseResult, Table, TableColumn
from ..records.table import Cell
from .build_estimates import interval_title

NAN = float("nan")


def alternatives_table(result: MultiverseResult) -> Table:
    """One row per alternative, by dimension; the first of each is the choice of the primary analysis."""
    columns = (
        TableColumn("alternative", "Choice"),
        TableColumn("n", "Specifications", "right", kind="count"),
        TableColumn("mean", "Mean g", "right", 2),
        TableColumn("median", "Median g", "right", 2),
        TableColumn("low", "Range", "right", 2, pair="high"),
        TableColumn("high", "largest", "right", 2),
        TableColumn("supporting", f"{_side(result)} zero, %", "right", 0),
    )
    rows: list[tuple[Cell, ...]] = []
    groups = []
    for dimension in result.dimensions:
        groups.append((len(rows), dimension.title))
        own = [a for a in result.alternatives if a.dimension == dimension.name]
        for i, a in enumerate(own):
            label = f"{a.label} (primary)" if i == 0 else a.label
            rows.append((label, a.n, a.mean, a.median, a.low, a.high, 100 * a.supporting))
    notes = (
        f"{_side(result)} zero: specifications whose {100 * result.level:g}% interval lies {_side(result).lower()} zero.",
    )
    return Table("multiverse", "What each alternative gives", columns, tuple(rows), tuple(groups), notes)


def _side(result: MultiverseResult) -> str:
    return "Above" if result.support.side > 0 else "Below"


METHODS = {
    "balanced": "Analysis of variance of the complete cross product.",
    "type III": "Combinations are missing: main effects by least squares, each beside all others (type III).",
}


def movement_table(result: MultiverseResult) -> Table:
    """The dimensions by how much they move the estimate, then what only combinations explain."""
    columns = (
        TableColumn("dimension", "Choice"),
        TableColumn("alternatives", "Alternatives", "right", kind="count"),
        TableColumn("share", "Variance by itself, %", "right", 1),
        TableColumn("total", "with others, %", "right", 1),
        TableColumn("spread", "Largest difference of means", "right", 2),
    )
    moved = result.movement
    sizes = {d.name: len(d) for d in result.dimensions}
    rows: list[tuple[Cell, ...]] = [
        (c.title, sizes[c.dimension], 100 * c.share, 100 * c.total, c.spread) for c in moved.contributions
    ]
    rows.append(("combinations of choices", None, 100 * moved.interactions, None, None))
    if moved.method == "type III":
        rows.append(("confounded by missing combinations", None, 100 * moved.overlap, None, None))
    notes = (
        METHODS[moved.method],
        "With others: what is left of the variance when every other choice is held, so these do not add up to 100.",
    )
    return Table("multiverse-movement", "What moves the answer", columns, tuple(rows), notes=notes)


def specifications_table(result: MultiverseResult) -> Table:
    """Every specification, the primary one first, with unrounded numbers for a file."""
    columns = (
        TableColumn("specification", "Specification", "right", kind="count"),
        *(TableColumn(d.name, d.title) for d in result.dimensions),
        TableColumn("n_trials", "Trials", "right", kind="count"),
        TableColumn("n_effects", "Effects", "right", kind="count"),
        TableColumn("estimate", "g", "right", 2),
        TableColumn("se", "SE", "right", 3),
        TableColumn("ci_low", interval_title(result.level), "right", 2, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 2),
        TableColumn("df", "df", "right", 1),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("verdict", "Against the primary analysis"),
        TableColumn("fit", "Fit", "right", kind="count"),
        TableColumn("reason", "Why not available"),
    )
    df = np.where(np.isinf(result.df), NAN, result.df)  # a normal reference has none
    numbers = (result.estimate, result.se, result.ci_low, result.ci_high, df, result.p_value)
    rows = []
    for i, values in enumerate(zip(*(column.tolist() for column in numbers), strict=True)):
        place = int(result.fit[i]) + 1 or None
        counts = (int(result.studies[i]), int(result.k[i]))
        words = (str(result.verdict[i]), place, str(result.reason[i]))
        rows.append((i + 1, *result.key(i), *counts, *values, *words))
    notes = ("Specifications with the same fit analyse the same numbers in the same way.",)
    return Table("specifications", "Every specification", columns, tuple(rows), notes=notes)
