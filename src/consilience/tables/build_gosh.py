"""Subsets of studies as tables, and what `print` shows of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.format import count, number, plural
from ..records import Gosh, GoshClusters, Table, TableColumn
from ..records.gosh import CLUSTERS_CAVEAT
from ..records.table import Cell
from .show import WIDTH, show
from .text import to_text

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
NAMED = 3  # studies named for each cluster
LONG = 30  # studies that `print` shows


def gosh_table(record: Gosh) -> Table:
    """Quartiles of estimate, tau^2, I^2 and Q over the subsets, beside their values in all studies."""
    columns = (
        TableColumn("name", "Quantity"),
        TableColumn("whole", "All studies", "right", 3),
        *(
            TableColumn(f"q{i}", title, "right", 3)
            for i, title in enumerate(("Smallest", "Quartile", "Median", "Quartile", "Largest"))
        ),
    )
    rows: list[tuple[Cell, ...]] = []
    for i, (name, values) in enumerate(
        ((record.coefficient, record.estimate), ("tau²", record.tau2), ("I², %", record.i2), ("Q", record.q))
    ):
        found = np.nanquantile(values, QUANTILES) if np.isfinite(values).any() else np.full(5, np.nan)
        rows.append((name, float(record.whole[i]), *(float(x) for x in found)))
    notes = [f"{record.rule[0].upper()}{record.rule[1:]}."]
    if record.failed:
        notes.append(f"In {plural(record.failed, 'subset')} the model could not be fitted.")
    if record.seed is not None:
        notes.append(f"Seed {record.seed}.")
    return Table("gosh", "The model in subsets of the studies", columns, tuple(rows), notes=tuple(notes))


def driven_table(record: Gosh) -> Table:
    """One row per study: estimate and I^2 of the subsets with and without it, most different first."""
    columns = (
        TableColumn("study", "Study"),
        TableColumn("with", "Median with it", "right", 3),
        TableColumn("without", "without", "right", 3),
        TableColumn("i2_with", "I² with it, %", "right", 1),
        TableColumn("i2_without", "without", "right", 1),
    )
    rows: list[tuple[str, float, float, float, float]] = []
    for study in record.studies:
        held = record.includes(study)
        estimate, i2 = ((_median(v[held]), _median(v[~held])) for v in (record.estimate, record.i2))
        rows.append((study, *estimate, *i2))
    rows.sort(key=lambda row: -abs(row[1] - row[2]) if np.isfinite(row[1] - row[2]) else 0.0)
    return Table("gosh-studies", "Subsets with and without each study", columns, tuple(rows))


def _median(values: np.ndarray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def clusters_table(record: GoshClusters) -> Table:
    """One row per cluster, with the studies that set it apart and by how much."""
    columns = (
        TableColumn("share", "Subsets, %", "right", 1),
        TableColumn("estimate", record.coefficient, "right", 3),
        TableColumn("sd", "SD", "right", 3),
        TableColumn("i2", "I², %", "right", 1),
        TableColumn("studies", "Set apart by (share of subsets that hold it, against the others)"),
    )
    rows: list[tuple[Cell, ...]] = []
    for cluster in record.clusters:
        named = "; ".join(
            f"{study} {number(100 * float(d), 0)}%"
            for study, d in zip(cluster.studies[:NAMED], cluster.difference[:NAMED], strict=True)
        )
        numbers = (100 * cluster.share, cluster.estimate, cluster.estimate_sd, cluster.i2)
        rows.append((*numbers, named if len(record.clusters) > 1 else ""))
    notes = [f"Normal mixture of estimate and I², fitted to {count(record.sampled)} subsets."]
    if len(record.bic) > 1:
        notes.append(
            "BIC by number of clusters: "
            + ", ".join(f"{c}: {number(b, 0)}" for c, b in record.bic.items())
            + "."
        )
    notes += [CLUSTERS_CAVEAT] if len(record.clusters) > 1 else []
    return Table("gosh-clusters", "Clusters of subsets", columns, tuple(rows), notes=tuple(notes))


@show.register
def _(record: Gosh) -> str:
    driven = driven_table(record)
    more = len(driven.rows) - LONG
    if more > 0:
        driven = replace(driven, rows=driven.rows[:LONG], notes=(f"... and {more:,} that change less.",))
    return "\n".join(to_text(table, width=WIDTH) for table in (gosh_table(record), driven))


@show.register
def _(record: GoshClusters) -> str:
    return to_text(clusters_table(record), width=WIDTH)
