"""Declared decisions applied to the tables: rows excluded, cells replaced, findings accepted; all of it noted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..base.options import nearest, suggestion
from ..records import Decision, Note
from .check_list import CHECKS
from .findings import Place, finding, joined
from .numbers import parse_number
from .raw import Cell, RawTable, cell_text
from .schema import TABLES

Raws = Mapping[str, RawTable]


@dataclass(frozen=True)
class Acceptance:
    """A finding that a reviewer has looked at: code, the rows (lines) of `file` it holds for, and why."""

    code: str
    file: str
    lines: frozenset[int]
    reason: str
    place: Place


def apply_decisions(
    raws: Raws, decisions: Sequence[Decision], place: Callable[[int], Place], *, unread: Collection[str] = ()
) -> tuple[dict[str, RawTable], tuple[Note, ...], tuple[Acceptance, ...]]:
    """The tables after all decisions, in their order, and what was done.

    place : where the i-th decision stands in the protocol, for notes about the decision itself.
    unread : tables that could not be read; of decisions about them nothing can be said.
    An excluded trial takes its rows of the other tables with it. A decision without a matching row is an error.
    """
    tables = dict(raws)
    notes: list[Note] = []
    accepted: list[Acceptance] = []
    for i, decision in enumerate(decisions):
        if decision.table in unread:
            continue
        raw = tables.get(decision.table)
        problem = _unmatched(raw, decision)
        if problem or raw is None:
            notes.append(finding("decision-unmatched", problem, place(i)))
            continue
        rows = _matching(raw, decision.where)
        if decision.action == "accept":
            lines = frozenset(raw.lines[r] for r in rows)
            accepted.append(Acceptance(decision.code, raw.file, lines, decision.reason, place(i)))
        elif decision.action == "set":
            tables[decision.table], made = _set(raw, rows, decision)
            notes += made
        else:
            notes += _exclude(tables, rows, decision)
    return tables, tuple(notes), tuple(accepted)


def settle(notes: Iterable[Note], accepted: Sequence[Acceptance]) -> tuple[Note, ...]:
    """The notes with accepted findings turned into info that carries the reason.

    The consequence of a finding stands: a value that could not be used stays unused. A ``set`` decision
    replaces a value.
    """
    result = []
    for note in notes:
        reason = next((a.reason for a in accepted if _covers(a, note)), None)
        if reason is not None and note.severity != "info":
            note = replace(note, severity="info", message=f"{note.message} Accepted: {reason}", advice="")
        result.append(note)
    return tuple(result)


def unused_acceptances(notes: Sequence[Note], accepted: Sequence[Acceptance]) -> tuple[Note, ...]:
    """A warning for every acceptance of a finding that was not made; `notes` as they were before `settle`."""
    return tuple(
        finding(
            "decision-without-finding",
            f'No finding "{a.code}" was made in the rows that `where` selects.',
            a.place,
        )
        for a in accepted
        if not any(_covers(a, note) for note in notes)
    )


def is_data_finding(code: str) -> bool:
    """Whether the data checks make findings of this code (those about effects are made later)."""
    return code in CHECKS


def _covers(acceptance: Acceptance, note: Note) -> bool:
    """A finding about an effect may name several files; its row is that of the first."""
    file = note.file.partition("; ")[0]
    return note.code == acceptance.code and file == acceptance.file and note.row in acceptance.lines


def _same(cell: str, wanted: str) -> bool:
    """Equal as text or as numbers: 8 matches 8.0."""
    if cell.strip() == wanted.strip():
        return True
    left, right = parse_number(cell), parse_number(wanted)
    return isinstance(left, float) and left == right


def _matching(raw: RawTable, where: Mapping[str, str]) -> list[int]:
    positions = [(raw.header.index(name), wanted) for name, wanted in where.items()]
    return [i for i, row in enumerate(raw.rows) if all(_same(cell_text(row[p]), w) for p, w in positions)]


def _unmatched(raw: RawTable | None, decision: Decision) -> str:
    """Why a decision matches no row, "" if it does."""
    if raw is None:
        return f'The decision is about the table "{decision.table}", which this review does not have.'
    for name in decision.where:
        if name not in raw.header:
            return f'{raw.file} has no column "{name}". {suggestion(name, raw.header)}'.strip()
    for name in decision.values:
        if name not in raw.header and name not in TABLES[decision.table].names:
            known = (*raw.header, *TABLES[decision.table].names)
            return f'{raw.file} has no column "{name}" to be set. {suggestion(name, known)}'.strip()
    if _matching(raw, decision.where):
        return ""
    for name, wanted in decision.where.items():
        if not _matching(raw, {name: wanted}):
            present = {cell_text(row[raw.header.index(name)]) for row in raw.rows}
            near = nearest(wanted, sorted(present))
            return f'No row of {raw.file} has {name} "{wanted}".' + (
                f' The nearest is "{near}".' if near else ""
            )
    pairs = joined([f'{name} "{wanted}"' for name, wanted in decision.where.items()])
    return f"No row of {raw.file} has {pairs} at once."


def _set(raw: RawTable, rows: list[int], decision: Decision) -> tuple[RawTable, list[Note]]:
    added = tuple(name for name in decision.values if name not in raw.header)
    header = raw.header + added
    cells = [list(row) + [""] * len(added) for row in raw.rows]
    notes = []
    for i in rows:
        changes = []
        for name, new in decision.values.items():
            changes.append(f"{name} was {_quoted(cells[i][header.index(name)])}, now {_quoted(new)}")
            cells[i][header.index(name)] = new
        column = next(iter(decision.values)) if len(decision.values) == 1 else ""
        place = Place(raw.file, raw.lines[i], column, study=_study(raw, i))
        notes.append(finding("decision-set", f"Set: {'; '.join(changes)}. Reason: {decision.reason}", place))
    return replace(raw, header=header, rows=tuple(tuple(row) for row in cells)), notes


def _exclude(tables: dict[str, RawTable], rows: list[int], decision: Decision) -> list[Note]:
    raw = tables[decision.table]
    notes = [_excluded(raw, rows, f"excluded. Reason: {decision.reason}")]
    studies = {_study(raw, i) for i in rows} if decision.table == "trials" else set()
    tables[decision.table] = _without(raw, set(rows))
    for name, other in tables.items():
        gone = {i for i in range(len(other)) if _study(other, i) in studies} if name != "trials" else set()
        if gone:
            why = f"excluded with the trial. Reason: {decision.reason}"
            notes.append(_excluded(other, sorted(gone), why))
            tables[name] = _without(other, gone)
    return notes


def _excluded(raw: RawTable, rows: list[int], why: str) -> Note:
    lines = [str(raw.lines[i]) for i in rows]
    start = f"Row {lines[0]} is" if len(lines) == 1 else f"Rows {joined(lines)} are"
    return finding(
        "decision-exclude", f"{start} {why}", Place(raw.file, raw.lines[rows[0]], study=_study(raw, rows[0]))
    )


def _quoted(cell: Cell) -> str:
    return f'"{cell_text(cell)}"' if cell != "" else "empty"


def _without(raw: RawTable, gone: set[int]) -> RawTable:
    keep = [i for i in range(len(raw)) if i not in gone]
    return replace(raw, rows=tuple(raw.rows[i] for i in keep), lines=tuple(raw.lines[i] for i in keep))


def _study(raw: RawTable, row: int) -> str:
    return cell_text(raw.rows[row][raw.header.index("study")]) if "study" in raw.header else ""
