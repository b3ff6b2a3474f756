"""A row as it stands in its file, and what decisions and checks made of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.decisions import apply_decisions
from ..data.findings import Place
from ..data.raw import RawTable, cell_text
from ..records import Columns, Note, PrintedCell, PrintedRow
from .load import Loaded

DECIDED = ("decision-set", "decision-exclude")


class Printed:
    """The printed rows of a review. `notes` : all findings, about data and about effects."""

    def __init__(self, loaded: Loaded, notes: Sequence[Note]) -> None:
        self._loaded = loaded
        self._notes = [note for note in notes if note.code not in DECIDED]
        self._set: dict[tuple[str, int], dict[str, str]] = {}
        self._said: dict[tuple[str, int], list[str]] = {}
        self._follow_decisions()

    def row(self, table: str, line: int) -> PrintedRow:
        """One row: its filled cells in the order of the file, with what became of each."""
        raw = self._loaded.raws[table]
        found = tuple(note for note in self._notes if self._is_about(note, raw, table, line))
        cells = self._cells(table, line, found)
        return PrintedRow(raw.file, line, cells, tuple(self._said.get((table, line), ())), found)

    def _follow_decisions(self) -> None:
        """Apply the decisions one by one and write down what each does to which row."""
        plan = self._loaded.plan
        tables = dict(self._loaded.raws)
        for decision in plan.decisions if plan is not None else ():
            after, _, _ = apply_decisions(tables, [decision], lambda i: Place())
            for name, raw in tables.items():
                if after[name] is not raw:
                    self._compare(name, raw, after[name], decision.reason)
            tables = after

    def _compare(self, name: str, before: RawTable, after: RawTable, reason: str) -> None:
        new = dict(zip(after.lines, after.rows, strict=True))
        for line, row in zip(before.lines, before.rows, strict=True):
            said = self._said.setdefault((name, line), [])
            if line not in new:
                said.append(f"Excluded by a decision: {reason}")
                continue
            cells = dict(zip(before.header, row, strict=True))
            changed = {
                column: cell_text(cell)
                for column, cell in zip(after.header, new[line], strict=True)
                if cell != cells.get(column, "")
            }
            if changed:
                self._set.setdefault((name, line), {}).update(changed)
                said.append(f"{', '.join(changed)} set by a decision: {reason}")

    def _is_about(self, note: Note, raw: RawTable, table: str, line: int) -> bool:
        if note.file.partition("; ")[0] != raw.file:
            return False
        if note.row == line or note.row is None:
            return note.row is not None
        refused = line not in self._columns(table).lines and not self._said.get((table, line))
        return refused and note.severity == "error" and note.study == self._study(raw, line)

    def _columns(self, table: str) -> Columns:
        columns: Columns = getattr(self._loaded.reported, table)
        return columns

    @staticmethod
    def _study(raw: RawTable, line: int) -> str:
        if "study" not in raw.header:
            return ""
        return cell_text(raw.rows[raw.lines.index(line)][raw.header.index("study")])

    def _cells(self, table: str, line: int, found: Sequence[Note]) -> tuple[PrintedCell, ...]:
        raw = self._loaded.raws[table]
        printed = dict(zip(raw.header, map(cell_text, raw.rows[raw.lines.index(line)]), strict=True))
        changed = self._set.get((table, line), {})
        out = []
        for column in dict.fromkeys((*printed, *changed)):
            text, became = printed.get(column, ""), ""
            if column in changed:
                became = f"now {changed[column]}" if changed[column] else "not used"
            elif text and self._missing(table, line, column):
                code = next((note.code for note in found if note.column == column), "")
                became = f"not used: {code}" if code else "not used"
            if text or became:
                out.append(PrintedCell(column, text, became))
        return tuple(out)

    def _missing(self, table: str, line: int, column: str) -> bool:
        """Whether a check has taken the value away (a row that is gone as a whole has its own sentence)."""
        columns = self._columns(table)
        where = np.flatnonzero(columns.lines == line)
        if not len(where) or column not in columns:
            return False
        value = columns[column][where[0]]
        return value == "" if isinstance(value, str) else bool(np.isnan(value))
