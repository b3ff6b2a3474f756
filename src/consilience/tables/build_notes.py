"""What a reader must know: findings, decisions, assumptions, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..records import Analysis, Note, Plan, Provenance, Table, TableColumn
from ..records.table import Cell

SEVERITIES = {
    "error": "Errors: the value is not used",
    "warning": "Warnings: used, but look",
    "info": "For information",
}


def notes_table(notes: Iterable[Note], *, key: str = "notes", title: str = "Findings") -> Table:
    """Every finding, errors first; order within a severity as found."""
    columns = (
        TableColumn("where", "Where"),
        TableColumn("study", "Trial"),
        TableColumn("value", "Value"),
        TableColumn("message", "What"),
        TableColumn("advice", "What to do"),
        TableColumn("code", "Code"),
    )
    found = list(notes)
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for severity, heading in SEVERITIES.items():
        chosen = [n for n in found if n.severity == severity]
        if chosen:
            groups.append((len(rows), f"{heading} ({len(chosen)})"))
        rows += [
            (n.where or None, n.study or None, n.value or None, n.message, n.advice or None, n.code)
            for n in chosen
        ]
    keep = [j for j, c in enumerate(columns) if c.key == "message" or any(row[j] is not None for row in rows)]
    body = tuple(tuple(row[j] for j in keep) for row in rows)
    return Table(key, title, tuple(columns[j] for j in keep), body, tuple(groups))


def _cells(values: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or None


def decisions_table(plan: Plan) -> Table:
    """The protocol's declared decisions about rows of the tables."""
    columns = (
        TableColumn("table", "Table"),
        TableColumn("where", "Rows"),
        TableColumn("action", "Decision"),
        TableColumn("values", "Values"),
        TableColumn("reason", "Why"),
    )
    rows = tuple(
        (d.table, _cells(d.where), f"{d.action} {d.code}".strip(), _cells(d.values), d.reason)
        for d in plan.decisions
    )
    return Table("decisions", "Declared decisions", columns, rows)


def outcomes_table(plan: Plan) -> Table:
    """What the protocol declares of each outcome."""
    columns = (
        TableColumn("name", "Outcome"),
        TableColumn("outcome_class", "Class"),
        TableColumn("better", "Better"),
        TableColumn("family", "Family"),
        TableColumn("scale", "Scale"),
        TableColumn("r", "r assumed", "right", 2),
        TableColumn("r_low", "Range of r", "right", 2, pair="r_high"),
        TableColumn("r_high", "upper limit", "right", 2),
        TableColumn("r_source", "r from"),
        TableColumn("note", "Note"),
    )
    rows = tuple(
        (
            o.name,
            o.outcome_class,
            o.better,
            o.family,
            o.scale,
            o.r.value,
            o.r.low,
            o.r.high,
            o.r.source or None,
            o.note or None,
        )
        for o in plan.outcomes.values()
    )
    return Table("outcomes", "Outcomes as the protocol declares them", columns, rows)


def assumptions_table(analysis: Analysis) -> Table:
    """Every assumption behind the numbers, numbered."""
    columns = (TableColumn("number", "No.", "right"), TableColumn("assumption", "Assumption"))
    rows = tuple((i, text) for i, text in enumerate(analysis.assumptions, 1))
    return Table("assumptions", "Assumptions", columns, rows)


def provenance_table(provenance: Provenance) -> Table:
    """Inputs with their hashes, versions and the seed."""
    columns = (TableColumn("what", "What"), TableColumn("value", "Value"))
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for heading, values in (("Inputs (SHA-256)", provenance.inputs), ("Versions", provenance.versions)):
        if values:
            groups.append((len(rows), heading))
            rows += list(values.items())
    groups.append((len(rows), "Random numbers"))
    rows.append(("seed", str(provenance.seed)))
    return Table("provenance", "Where the numbers come from", columns, tuple(rows), tuple(groups))
