"""The data checks: one registry of codes (`CHECKS`), one function per check, run in two passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..records import Note
from .checks_cells import (
    check_bounds,
    check_concentrations,
    check_estimate_in_limits,
    check_events,
    check_limits_reversed,
)
from .findings import CHECKS, Finding
from .rules import Rules, Tables

CheckFunction = Callable[[Tables, Rules], Iterator[Finding]]

# Single cells first: a value that is impossible by itself must not raise findings about others.
FIRST: tuple[CheckFunction, ...] = (check_bounds,)
SECOND: tuple[CheckFunction, ...] = (
    check_limits_reversed,
    check_estimate_in_limits,
    check_events,
    check_concentrations,
)

__all__ = ["CHECKS", "FIRST", "SECOND", "run_checks"]


def run_checks(tables: Tables, rules: Rules) -> tuple[Tables, tuple[Note, ...]]:
    """All checks at once: the tables without what cannot be used, and every finding in order of table and row."""
    found: list[Finding] = []
    for checks in (FIRST, SECOND):
        made = [finding for check in checks for finding in check(tables, rules)]
        tables = tables.without(made)
        found += made
    return tables, tuple(f.note for f in found)
