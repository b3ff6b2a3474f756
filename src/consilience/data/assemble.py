"""Raw tables and declared decisions to `Reported`: the one path for files and for dataframes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Columns, Decision, Note, Reported
from .checks import run_checks
from .decisions import Acceptance, apply_decisions, is_data_finding, settle, unused_acceptances
from .findings import Place
from .raw import RawTable
from .read import read_columns, usable_rows
from .rules import Rules, Tables
from .schema import TABLES

_ORDER = {"trials": 0, "arms": 1, "contrasts": 2, "risk_of_bias": 3}


@dataclass(frozen=True)
class Decisions:
    """Declared decisions with the place of each in the protocol; unread : tables that could not be read."""

    items: Sequence[Decision] = ()
    place: Callable[[int], Place] = lambda i: Place(value=f"decision {i + 1}")
    unread: frozenset[str] = frozenset()


def assemble(
    raws: Mapping[str, RawTable], rules: Rules, decisions: Decisions, *, decimal: str = "."
) -> tuple[Reported, tuple[Acceptance, ...]]:
    """Apply decisions, type the columns, run every check.

    raws : table name (``trials``, ``arms``, ``contrasts``, ``risk_of_bias``) -> cells; absent = no rows.
    Returns the tables without what cannot be used, with all notes, and the acceptances (also needed for
    findings about effects, which are made later).
    """
    decided, notes, accepted = apply_decisions(
        raws, decisions.items, decisions.place, unread=decisions.unread
    )
    found = list(notes)
    columns: dict[str, Columns] = {}
    for name, schema in TABLES.items():
        raw = decided.get(name, RawTable.empty(name, schema.names))
        columns[name], problems = read_columns(raw, schema, decimal=decimal)
        found += problems
    tables, made = run_checks(Tables(**columns), rules)
    found += made
    found += unused_acceptances(found, [a for a in accepted if is_data_finding(a.code)])
    files = [columns[name].file for name in _ORDER]
    settled = sorted(settle(found, accepted), key=lambda n: _position(n, files))
    return Reported(**_usable(tables), notes=tuple(settled)), accepted


def _usable(tables: Tables) -> dict[str, Columns]:
    """The tables without rows that lack a required cell, and without results of trials that went with them."""
    kept = {name: t.take(usable_rows(t, TABLES[name])) for name in _ORDER for t in (tables.table(name),)}
    trials = set(kept["trials"]["study"])
    for name in ("arms", "contrasts", "risk_of_bias"):
        kept[name] = kept[name].take(np.array([study in trials for study in kept[name]["study"]], dtype=bool))
    return kept


def _position(note: Note, files: list[str]) -> tuple[int, int]:
    """Order of notes: table by table, row by row; notes without a row first."""
    return (files.index(note.file) if note.file in files else -1, note.row or 0)
