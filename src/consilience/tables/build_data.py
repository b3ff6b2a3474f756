"""The trials, their effects, the rows without an effect and the risk of bias, as tables."""

from __future__ import annotations

from typing import SupportsFloat, cast

import numpy as np

from ..records import Analysis, Columns, Effects, Table, TableColumn
from ..records.table import Cell
from .build_estimates import interval_title

TRIAL_TITLES = {
    "study": "Trial",
    "year": "Year",
    "country": "Country",
    "population": "Population",
    "intervention_class": "Class of intervention",
    "n_randomised": "Randomised, n",
    "mean_age": "Mean age",
    "percent_female": "Female, %",
    "treatment_weeks": "Weeks of treatment",
    "n_sessions": "Sessions",
    "control_type": "Control",
    "randomised": "Randomised?",
    "risk_of_bias": "Risk of bias",
    "citation": "Reference",
    "source": "Source",
    "licence": "Licence",
    "note": "Note",
}
_WHOLE = {"year", "n_randomised", "n_sessions"}
DOMAINS = {
    "d1": "Randomisation",
    "d2": "Deviations",
    "d3": "Missing data",
    "d4": "Measurement",
    "d5": "Selection",
    "overall": "Overall",
}
EFFECT_COLUMNS = (
    TableColumn("study", "Trial"),
    TableColumn("outcome", "Outcome"),
    TableColumn("treatment", "Treated arm"),
    TableColumn("control", "Control arm"),
    TableColumn("time", "Time"),
    TableColumn("weeks", "Weeks", "right", 0),
    TableColumn("n_treatment", "n treated", "right", kind="count"),
    TableColumn("n_control", "n control", "right", kind="count"),
    TableColumn("y", "g", "right", 2),
    TableColumn("ci_low", "95% CI", "right", 2, pair="ci_high"),
    TableColumn("ci_high", "upper limit", "right", 2),
    TableColumn("v", "Variance", "right", 4),
    TableColumn("r", "r", "right", 2),
    TableColumn("r_source", "r from"),
    TableColumn("route", "How it was made"),
    TableColumn("assumptions", "Assumptions"),
    TableColumn("second_route", "Second route"),
    TableColumn("second_y", "g by it", "right", 2),
    TableColumn("pooled", "In the primary analysis"),
    TableColumn("lines", "Where it was printed"),
)


def plain(value: object) -> Cell:
    """A numpy scalar or text as a cell; missing numbers and empty text become None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, np.bool_ | bool):
        return "yes" if value else "no"
    number = float(cast(SupportsFloat, value))
    return None if np.isnan(number) else number


def _shown_columns(columns: Columns) -> list[str]:
    """Known columns in reading order, then the reviewer's own; those without any value are left out."""
    known = [name for name in TRIAL_TITLES if name in columns]
    own = [name for name in columns.names if name not in TRIAL_TITLES]
    return [name for name in (*known, *own) if any(plain(x) is not None for x in columns[name])]


def _digits(name: str, column: np.ndarray) -> int | None:
    if column.dtype == object:
        return None
    present = column[~np.isnan(column)]
    return 0 if name in _WHOLE or bool(np.all(present == np.round(present))) else 1


def trials_table(analysis: Analysis) -> Table:
    """Characteristics of the trials as published: one row each, the reviewer's extra columns at the end."""
    trials = analysis.reported.trials
    names = _shown_columns(trials)
    columns = tuple(
        TableColumn(
            name,
            TRIAL_TITLES.get(name, name),
            "left" if trials[name].dtype == object else "right",
            _digits(name, trials[name]),
            kind="count" if name == "n_randomised" else "number",
        )
        for name in names
    )
    rows = tuple(tuple(plain(trials[name][i]) for name in names) for i in range(len(trials)))
    return Table("trials", "The trials, as published", columns, rows)


def _pooled(effects: Effects, i: int) -> str:
    if "pooled" not in effects.columns or bool(effects["pooled"][i]):
        return "yes"
    why = str(effects["why_not"][i]) if "why_not" in effects.columns else ""
    return f"no: {why}" if why else "no"


def effects_table(
    effects: Effects, *, key: str = "effects", title: str = "Every effect", level: float = 0.95
) -> Table:
    """One row per effect: who, what, when, how many, how much, and by which route and assumptions."""
    low, high = effects.interval(level)
    made = {"y": effects.y, "v": effects.v, "ci_low": low, "ci_high": high, "study": effects.study}
    cells: dict[str, list[Cell]] = {}
    for column in EFFECT_COLUMNS:
        source = made.get(column.key, effects.columns.get(column.key))
        if column.key == "pooled":
            cells["pooled"] = [_pooled(effects, i) for i in range(effects.k)]
        elif source is not None:
            cells[column.key] = [plain(x) for x in source]
    for optional in ("second_route", "second_y"):
        if all(x is None for x in cells.get(optional, [])):
            cells.pop(optional, None)
    titles = {"ci_low": interval_title(level), "y": "g" if effects.measure == "ppc-g" else effects.measure}
    columns = tuple(
        TableColumn(c.key, titles.get(c.key, c.title), c.align, c.digits, c.kind, c.pair)
        for c in EFFECT_COLUMNS
        if c.key in cells
    )
    rows = tuple(zip(*(cells[c.key] for c in columns), strict=True))
    return Table(key, title, columns, rows)


def dropped_table(effects: Effects) -> Table:
    """Reported rows that yield no effect size, and why."""
    columns = (
        TableColumn("study", "Trial"),
        TableColumn("outcome", "Outcome"),
        TableColumn("where", "Where"),
        TableColumn("reason", "Why there is no effect"),
        TableColumn("code", "Code"),
    )
    rows = tuple((d.study, d.outcome, _where(d.file, d.rows), d.reason, d.code) for d in effects.dropped)
    return Table("dropped", "Reported results without an effect size", columns, rows)


def _where(file: str, rows: tuple[int, ...]) -> str:
    if not rows:
        return file
    return f"{file}, {'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows))}"


def bias_table(analysis: Analysis) -> Table | None:
    """Judgement and reason per domain, a row per trial, result and domain; None if nothing was judged."""
    judged = analysis.reported.risk_of_bias
    if not len(judged):
        return None
    columns = (
        TableColumn("domain", "Domain"),
        TableColumn("judgement", "Risk"),
        TableColumn("reason", "Why"),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for i in range(len(judged)):
        by = judged.text("judged_by")[i]
        head = f"{judged.text('study')[i]}: {judged.text('result')[i]}"
        groups.append((len(rows), f"{head} (judged by: {by})" if by else head))
        rows += [
            (title, plain(judged.text(name)[i]), plain(judged.text(f"{name}_reason")[i]))
            for name, title in DOMAINS.items()
        ]
    return Table("risk-of-bias", "Risk of bias, domain by domain", columns, tuple(rows), tuple(groups))
