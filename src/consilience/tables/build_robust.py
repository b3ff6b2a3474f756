"""What changes the conclusion: scenarios with their verdicts, and the tipping points."""

from __future__ import annotations

from ..base.format import number
from ..records import Analysis, Scenario, Table, TableColumn
from ..records.table import Cell
from .build_estimates import interval_title

VERDICT_WORDS = {
    "same": "same conclusion",
    "weaker": "interval now includes zero",
    "stronger": "interval now excludes zero",
    "reversed": "opposite direction",
    "unavailable": "not available",
}


def _row(scenario: Scenario, primary: float) -> tuple[Cell, ...]:
    e = scenario.estimate
    change = e.estimate - primary if e.available else float("nan")
    verdict = VERDICT_WORDS[scenario.verdict]
    if not e.available and e.reason:
        verdict = f"{verdict}: {e.reason}"
    return (
        scenario.label,
        e.n_trials,
        e.n_effects,
        e.estimate,
        e.ci_low,
        e.ci_high,
        e.df,
        e.p_value,
        change,
        verdict,
    )


def sensitivity_table(analysis: Analysis) -> Table:
    """All scenarios by kind of choice, the primary analysis first."""
    primary = analysis.overall
    columns = (
        TableColumn("label", "Analysis"),
        TableColumn("n_trials", "Trials", "right", kind="count"),
        TableColumn("n_effects", "Effects", "right", kind="count"),
        TableColumn("estimate", "g", "right", 2),
        TableColumn("ci_low", interval_title(analysis.plan.level), "right", 2, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 2),
        TableColumn("df", "df", "right", 1),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("change", "Change of g", "right", 2),
        TableColumn("verdict", "Conclusion"),
    )
    first = Scenario(
        "primary", "", "primary analysis", primary, "same" if primary.available else "unavailable"
    )
    rows = [_row(first, primary.estimate)]
    groups: list[tuple[int, str]] = [(0, "Primary")]
    for name in dict.fromkeys(s.group for s in analysis.scenarios):
        groups.append((len(rows), name))
        rows += [_row(s, primary.estimate) for s in analysis.scenarios if s.group == name]
    changed = sum(s.verdict in {"weaker", "stronger", "reversed"} for s in analysis.scenarios)
    note = f"{changed} of {len(analysis.scenarios)} other analyses change the conclusion."
    return Table("sensitivity", "Is it robust?", columns, tuple(rows), tuple(groups), (note,))


def readings_table(analysis: Analysis) -> Table:
    """The average effect in other words."""
    level = f"{100 * analysis.plan.level:g}% CI"
    columns = (
        TableColumn("label", "Reading"),
        TableColumn("value", "Value", "right", 1),
        TableColumn("low", level, "right", 1, pair="high"),
        TableColumn("high", "upper limit", "right", 1),
        TableColumn("unit", "Unit"),
        TableColumn("meaning", "How to read it"),
    )
    rows = tuple((r.label, r.value, r.low, r.high, r.unit, r.meaning) for r in analysis.readings)
    note = (
        "All are translations of the same g, for normal outcomes with equal SDs; none is a further finding."
    )
    return Table("readings", "The average effect in other words", columns, rows, notes=(note,))


def tipping_table(analysis: Analysis) -> Table:
    """What would have to be true to change the conclusion."""
    columns = (
        TableColumn("label", "What"),
        TableColumn("value", "Tipping point", "right"),
        TableColumn("sentence", "In words"),
    )
    rows = tuple(
        (t.label, int(t.value) if t.value.is_integer() else t.value, t.sentence) for t in analysis.tipping
    )
    note = f"A dash ({number(float('nan'))}) means that no plausible value changes the conclusion."
    return Table(
        "tipping", "What would have to be true to change the conclusion?", columns, rows, notes=(note,)
    )
