"""Sensitivity analyses: every other choice against the primary answer, and what leaving out each trial does."""

from __future__ import annotations

from ..base.format import count, interval, number, plural
from ..records import Analysis, Scenario
from .forest import estimate_text
from .layout import Layout
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow

MARKERS = {
    "same": "circle",
    "weaker": "alert-open-circle",
    "stronger": "alert-triangle-up",
    "reversed": "alert-triangle-down",
    "unavailable": "circle",
}
WORDS = {
    "same": "same",
    "weaker": "now includes 0",
    "stronger": "now excludes 0",
    "reversed": "reversed",
    "unavailable": "not available",
}
LEGEND = "Filled circle: same conclusion; hollow circle: interval now includes zero; triangle up: now excludes zero; "
LEGEND += "triangle down: opposite direction."
LEAVE_OUT = "left out"  # how the group of leave-one-out scenarios is recognised
MANY = 25  # leave-one-out rows above this get a figure of their own (`leave_one_out`)


def is_leave_one_out(scenario: Scenario) -> bool:
    return LEAVE_OUT in scenario.group or "leave" in scenario.group.lower()


def _row(s: Scenario) -> PanelRow:
    e = s.estimate
    text = estimate_text(e.estimate, e.ci_low, e.ci_high) if e.available else "\u2014"
    cells = (s.label, count(e.n_trials), count(e.n_effects), text, WORDS[s.verdict])
    return PanelRow("item", cells, e.estimate, e.ci_low, e.ci_high, weight=0.22, marker=MARKERS[s.verdict])


def _extremes(scenarios: list[Scenario]) -> list[Scenario]:
    """The scenarios that change the conclusion (at most 10) and those with the lowest and highest estimate."""
    usable = [s for s in scenarios if s.estimate.available]
    if not usable:
        return scenarios[:1]
    ends = {
        min(usable, key=lambda s: s.estimate.estimate).key,
        max(usable, key=lambda s: s.estimate.estimate).key,
    }
    changed = [s.key for s in usable if s.verdict != "same"][:10]
    return [s for s in usable if s.key in ends or s.key in changed]


def _group_rows(name: str, scenarios: list[Scenario]) -> list[PanelRow]:
    rows = [PanelRow("heading", (name,))]
    if len(scenarios) > MANY and all(is_leave_one_out(s) for s in scenarios):
        chosen = _extremes(scenarios)
        rows += [_row(s) for s in chosen]
        rows.append(PanelRow("note", (f"{len(scenarios) - len(chosen):,} others lie between these.",)))
        return rows
    return rows + [_row(s) for s in scenarios]


def sensitivity(analysis: Analysis) -> tuple[Layout, ...]:
    """All scenarios in one panel by kind of choice, over the band of the primary interval; its pages."""
    if not analysis.scenarios:
        return ()
    e = analysis.overall
    primary = Scenario("primary", "", "primary analysis", e, "same" if e.available else "unavailable")
    rows = [_row(primary)]
    for name in dict.fromkeys(s.group for s in analysis.scenarios):
        rows += _group_rows(name, [s for s in analysis.scenarios if s.group == name])
    usable = [s.estimate.estimate for s in analysis.scenarios if s.estimate.available]
    changed = [s.label for s in analysis.scenarios if s.verdict in {"weaker", "stronger", "reversed"}]
    span = (
        f"Estimates from {number(min(usable))} to {number(max(usable))}"
        if usable
        else "No estimate is available"
    )
    alt = (
        f"{plural(len(analysis.scenarios), 'sensitivity analysis', 'sensitivity analyses')}. {span}; primary "
        f"{estimate_text(e.estimate, e.ci_low, e.ci_high)}. Conclusion changed by: {', '.join(changed[:12]) or 'none'}."
    )
    columns = (
        PanelColumn("label", "Analysis", most=230.0),
        PanelColumn("n_trials", "Trials", align="right"),
        PanelColumn("n_effects", "Effects", align="right"),
        PanelColumn("estimate", f"g [{100 * analysis.plan.level:g}% CI]", "right", "right"),
        PanelColumn("verdict", "Conclusion", "right"),
    )
    return lay_out(
        Panel(
            "sensitivity",
            "Is it robust? The primary analysis with one choice changed",
            alt,
            columns,
            tuple(rows),
            "g (standardised mean difference)",
            line=e.estimate,
            band=(e.ci_low, e.ci_high),
            notes=(f"Band: primary interval {interval(e.ci_low, e.ci_high)}. {LEGEND}",),
        )
    )
