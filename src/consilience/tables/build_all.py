"""All tables of an analysis, by key, in the order of the report."""

from __future__ import annotations

from ..records import Analysis, Table
from .build_data import bias_table, dropped_table, effects_table, trials_table
from .build_diagnostics import diagnostics_tables
from .build_estimates import KINDS, kind_table, overall_table, percent_table, summary_table
from .build_notes import assumptions_table, decisions_table, notes_table, outcomes_table, provenance_table
from .build_robust import readings_table, sensitivity_table, tipping_table


def all_tables(analysis: Analysis) -> dict[str, Table]:
    """Key -> table; tables that the review has nothing for are left out (families, percent, ...).

    Keys: overall, summary, families, percent, subgroups, persistence, course, moderators, small-study, sensitivity,
    credibility and those of `build_diagnostics`, tipping, readings, trials, effects, dropped, risk-of-bias, outcomes, decisions, assumptions, notes, provenance.
    """
    level = analysis.plan.level
    by_kind = {kind: kind_table(analysis, kind) for kind in KINDS}
    tables: list[Table | None] = [
        overall_table(analysis),
        summary_table(analysis),
        by_kind.pop("family"),
        percent_table(analysis),
        *by_kind.values(),
        sensitivity_table(analysis) if analysis.scenarios else None,
        tipping_table(analysis) if analysis.tipping else None,
        *diagnostics_tables(analysis),
        readings_table(analysis) if analysis.readings else None,
        trials_table(analysis),
        effects_table(analysis.effects, level=level),
        dropped_table(analysis.effects),
        bias_table(analysis),
        outcomes_table(analysis.plan),
        decisions_table(analysis.plan),
        assumptions_table(analysis),
        notes_table(analysis.notes),
        provenance_table(analysis.provenance),
    ]
    return {table.key: table for table in tables if table is not None}
