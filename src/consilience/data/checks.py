"""The data checks: one registry of codes (`CHECKS`), one function per check, run in two passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..records import Note
from . import checks_cells, checks_grim, checks_magnitude, checks_references, checks_rows
from .check_list import CHECKS
from .findings import Finding
from .rules import Rules, Tables

CheckFunction = Callable[[Tables, Rules], Iterator[Finding]]

# Impossible values and names first: what is already refused must not raise findings about other rows.
FIRST: tuple[CheckFunction, ...] = (
    checks_cells.check_bounds,
    checks_cells.check_limits_reversed,
    checks_cells.check_estimate_in_limits,
    checks_cells.check_events,
    checks_cells.check_concentrations,
    checks_references.check_trial_names,
    checks_references.check_names_alike,
    checks_references.check_outcome_names,
    checks_references.check_classes,
    checks_references.check_contrast_times,
    checks_references.check_results_exist,
    checks_rows.check_duplicates,
    checks_rows.check_baseline_alone,
)
SECOND: tuple[CheckFunction, ...] = (
    checks_rows.check_change_sd,
    checks_rows.check_analysed,
    checks_rows.check_roles,
    checks_rows.check_times,
    checks_rows.check_sd_ratio,
    checks_references.check_arm_names,
    checks_references.check_risk_of_bias,
    checks_magnitude.check_identical_rows,
    checks_magnitude.check_sd_like_se,
    checks_magnitude.check_units,
    checks_grim.check_whole_numbers,
)

__all__ = ["CHECKS", "FIRST", "SECOND", "run_checks"]


def run_checks(tables: Tables, rules: Rules) -> tuple[Tables, tuple[Note, ...]]:
    """All checks at once: the tables without what cannot be used, and every finding."""
    notes: list[Note] = []
    for checks in (FIRST, SECOND):
        made = [finding for check in checks for finding in check(tables, rules)]
        tables = tables.without(made)
        notes += (finding.note for finding in made)
    return tables, tuple(notes)
