"""A review folder to a plan and checked tables: the front door."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..base.errors import InputError, UsageError
from ..base.format import plural
from ..base.options import suggestion
from ..data.assemble import Decisions, assemble
from ..data.decisions import Acceptance, is_data_finding, settle, unused_acceptances
from ..data.findings import finding
from ..data.raw import RawTable
from ..data.schema import TABLES
from ..io.read import read_table
from ..records import Note, Plan, Reported
from .protocol import FILE, Protocol, parse_protocol
from .protocol_rules import outside

# Columns that every effect has besides those of its trial; a subgroup or moderator may be any of them.
EFFECT_COLUMNS = (
    "outcome",
    "outcome_class",
    "family",
    "better",
    "treatment",
    "control",
    "time",
    "weeks",
    "weeks_after_treatment",
    "n_treatment",
    "n_control",
    "n_people",
    "r",
    "r_source",
    "route_code",
    "route_group",
    "scale",
    "basis",
)


@dataclass(frozen=True, eq=False, repr=False)
class Loaded:
    """A review as loaded; data errors are notes, so look at `errors` before computing.

    Parameters
    ----------
    plan : the protocol; None if it has errors.
    reported : the tables with decisions applied and unusable values missing.
    notes : all findings about protocol and data, in the order of the files.
    inputs : file -> SHA-256 of its bytes.
    folder : where it was read.
    protocol : the text of review.toml.
    accepted : findings that the protocol accepts; see `settled`.
    raws : table -> its cells as they stand in the file, before any decision.
    """

    plan: Plan | None
    reported: Reported
    notes: tuple[Note, ...]
    inputs: Mapping[str, str]
    folder: Path
    protocol: str = ""
    accepted: tuple[Acceptance, ...] = ()
    raws: Mapping[str, RawTable] = field(default_factory=dict)

    def __str__(self) -> str:
        title = self.plan.title if self.plan is not None else "A review whose protocol has errors"
        tables = self.reported
        rows = ", ".join(
            f"{len(t)} rows of {t.file}"
            for t in (tables.trials, tables.arms, tables.contrasts, tables.risk_of_bias)
            if len(t)
        )
        found = [note for note in self.notes if note.severity != "info"]
        counts = f"{plural(len(self.errors), 'error')}, {plural(len(found) - len(self.errors), 'warning')}"
        return "\n".join([title, rows or "no rows", counts, *map(str, found)])

    __repr__ = __str__

    @property
    def errors(self) -> tuple[Note, ...]:
        """The notes that keep the review from being computed."""
        return tuple(note for note in self.notes if note.severity == "error")

    def settled(self, notes: Iterable[Note]) -> tuple[Note, ...]:
        """Findings about effects (made after loading) with those that the protocol accepts turned into info."""
        found = tuple(notes)
        later = [a for a in self.accepted if not is_data_finding(a.code)]
        return settle(found, later) + unused_acceptances(found, later)


def load(folder: str | Path) -> Loaded:
    """Read a review folder: protocol, tables, declared decisions, all data checks.

    Raises
    ------
    UsageError : ``no-folder`` or ``no-protocol``. Nothing is raised for what is wrong in protocol or data.
    """
    folder = Path(folder)
    content = _protocol_bytes(folder)
    protocol = parse_protocol(content)
    raws, found, inputs = _tables(folder, protocol)
    unread = {name for name in TABLES if getattr(protocol.files, name) is not None and name not in raws}
    decisions = Decisions(protocol.decisions, protocol.decision_place, frozenset(unread))
    all_read = bool(protocol.lines) and not unread
    rules = replace(protocol.rules, all_read=all_read)
    reported, accepted = assemble(raws, rules, decisions, decimal=protocol.files.decimal)
    notes = [*protocol.notes, *found, *reported.notes]
    notes += _columns_asked_for(protocol, reported)
    ordered = sorted(notes, key=lambda note: (note.file != FILE, note.row or 0 if note.file == FILE else 0))
    plan = None if any(n.severity == "error" and n.file == FILE for n in ordered) else protocol.plan
    inputs = {FILE: hashlib.sha256(content).hexdigest(), **inputs}
    return Loaded(plan, reported, tuple(ordered), inputs, folder, protocol.text, accepted, raws)


def _protocol_bytes(folder: Path) -> bytes:
    if not folder.is_dir():
        siblings = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        message = f'There is no folder "{folder}". {suggestion(folder.name, siblings)}'.strip()
        raise UsageError(message, code="no-folder", advice=f"Make one with: consilience init {folder}")
    path = folder / FILE
    if not path.is_file():
        message = f'"{folder}" is not a review: it has no {FILE}.'
        raise UsageError(
            message, code="no-protocol", advice="Make a new review with: consilience init FOLDER"
        )
    return path.read_bytes()


def _tables(folder: Path, protocol: Protocol) -> tuple[dict[str, RawTable], list[Note], dict[str, str]]:
    """The cells of every table that the protocol names, what could not be read, and the hashes."""
    raws: dict[str, RawTable] = {}
    notes: list[Note] = []
    inputs: dict[str, str] = {}
    for name in TABLES:
        declared = getattr(protocol.files, name)
        # without a readable protocol, the usual names are worth a look
        if declared is None or (not protocol.lines and not (folder / declared).is_file()):
            continue
        file, _, sheet = declared.partition("#")
        if outside(file):  # told with the other errors of the protocol
            continue
        try:
            raws[name] = read_table(folder / file, sheet=sheet, prefer=name)
        except InputError as error:
            place = protocol.place("files", name)
            code = "file-missing" if error.code == "file-missing" else "file-unreadable"
            notes.append(finding(code, f"[files] {name}: {error.message}", place, advice=error.advice))
            continue
        inputs[file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    return raws, notes, inputs


def _columns_asked_for(protocol: Protocol, reported: Reported) -> Iterator[Note]:
    """Subgroups and moderators whose column no effect will have, or whose column is of the wrong kind."""
    plan = protocol.plan
    if plan is None:
        return
    columns = _moderator_columns(reported)
    known = tuple(dict.fromkeys((*columns, *EFFECT_COLUMNS)))
    asked: list[tuple[str, tuple[str | int, ...], str]]
    asked = [(c, ("questions", "subgroups", i), "subgroup") for i, c in enumerate(plan.subgroups)]
    asked += [(m.column, ("moderators", i, "column"), "moderator") for i, m in enumerate(plan.moderators)]
    for column, path, what in asked:
        if column not in known:
            message = f'The {what} "{column}" is not a column of the tables. {suggestion(column, known)}'
            yield finding("unknown-column", message.strip(), protocol.place(*path))
    for i, moderator in enumerate(plan.moderators):
        cells = columns.get(moderator.column)
        if moderator.kind == "number" and cells is not None and cells.dtype == object and len(cells):
            message = f'The moderator "{moderator.column}" holds text, so it cannot be a number.'
            place = protocol.place("moderators", i, "column")
            yield finding("protocol-value", message, place, advice='Use kind = "category".')


def _moderator_columns(reported: Reported) -> dict[str, np.ndarray]:
    """The columns of the trials and every extra column of the results."""
    found = dict(reported.trials.data)
    for name, table in (("arms", reported.arms), ("contrasts", reported.contrasts)):
        extra = (column for column in table.names if column not in TABLES[name].names)
        found.update({column: table[column] for column in extra if column not in found})
    return found
