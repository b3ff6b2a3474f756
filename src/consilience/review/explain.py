"""Show me: how a printed row, a trial or an effect became a number, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..base.errors import InputError, UsageError
from ..base.options import suggestion
from ..data.raw import RawTable, cell_text
from ..effects.assemble import Workings
from ..effects.explain import comparison_rows, explain_effect
from ..effects.ratios import ratio_workings
from ..effects.trials import trial_workings
from ..records import Columns, Dropped, ExplainedEffect, Explanation, Plan
from .load import Loaded, load
from .printed import Printed

RESULTS = ("arms", "contrasts")
ALLOWED = (
    "Allowed: a row such as arms.csv:12, the name of a trial, or the number of an effect in effects.csv."
)


@dataclass(frozen=True)
class _Target:
    """What was asked for: a row of a result table, or a trial, or an effect (counted from 0); `label` for people."""

    label: str
    table: str = ""
    line: int = 0
    study: str = ""
    effect: int = -1


def explain(review: Loaded | str | Path, row: str | int) -> Explanation:
    """How a row, a trial or an effect became a number: printed cells, decisions, route, every step, the effect.

    The numbers are those that the effects were made with; nothing is computed a second time by other code.

    Parameters
    ----------
    review : a loaded review, or its folder.
    row : ``"arms.csv:12"`` (the line in the file; the header is line 1), the name of a trial, or the number of an
        effect as in effects.csv (the first is 1).

    Returns
    -------
    Explanation; `print` shows it as tables. A row that yields no effect is there with the reason.

    Raises
    ------
    UsageError : ``unknown-row``: nothing of that name; the message names the nearest and what is allowed.
    InputError : ``review-has-errors``: the protocol cannot be read, so that no effect can be made.
    """
    loaded = review if isinstance(review, Loaded) else load(review)
    plan = _usable(loaded)
    effects = trial_workings(loaded.reported, plan)
    target = _target(str(row).strip(), loaded, effects)
    ratios = ratio_workings(loaded.reported, plan)
    notes = loaded.settled(effects.effects.notes)
    explained = [
        _with_use(explain_effect(i, effects, ratios, reported=loaded.reported, variance=plan.variance), use)
        for i, use in _concerned(target, loaded, effects)
    ]
    found = tuple(replace(e, findings=tuple(n for n in notes if e.number - 1 in n.rows)) for e in explained)
    dropped = tuple(d for d in effects.effects.dropped if _is_about(d, target, loaded))
    printed = Printed(loaded, (*loaded.notes, *notes))
    lines = _lines(target, loaded, effects, [e.number - 1 for e in explained], dropped)
    rows = tuple(printed.row(table, line) for table, line in lines)
    return Explanation(target.label, rows, found, dropped)


def _usable(loaded: Loaded) -> Plan:
    if loaded.plan is None:
        advice = f"See them all: consilience check {loaded.folder}"
        raise InputError(
            "The protocol has errors, so that no effect can be made.", code="review-has-errors", advice=advice
        )
    return loaded.plan


def _with_use(effect: ExplainedEffect, use: str) -> ExplainedEffect:
    return replace(effect, use=use)


def _target(asked: str, loaded: Loaded, effects: Workings) -> _Target:
    """What `asked` means; UsageError if it is nothing of this review."""
    studies = _studies(loaded)
    lowered = {**{study.lower(): study for study in studies}, **dict(zip(studies, studies, strict=True))}
    study = lowered.get(asked, lowered.get(asked.lower(), ""))
    if study:
        return _Target(study, study=study)
    found = re.fullmatch(r"(.+?)[:#, ]+(?:row )?(\d+)", asked)
    if found and ("." in found.group(1) or found.group(1) in loaded.raws):  # else a trial: "Miller 2014"
        return _row(found.group(1), int(found.group(2)), loaded, effects)
    if re.fullmatch(r"#?\d+", asked):
        return _effect(int(asked.lstrip("#")), effects)
    near = suggestion(asked, [*studies, *_files(loaded)])
    raise UsageError(f'There is nothing called "{asked}". {near}'.strip(), code="unknown-row", advice=ALLOWED)


def _studies(loaded: Loaded) -> tuple[str, ...]:
    """Trials as written in the trials table, also those that are excluded."""
    raw = loaded.raws.get("trials")
    if raw is None or "study" not in raw.header:
        return loaded.reported.studies
    column = raw.header.index("study")
    return tuple(dict.fromkeys(cell_text(row[column]) for row in raw.rows))


def _files(loaded: Loaded) -> dict[str, str]:
    """Names by which a table may be called -> table."""
    names = {raw.file: table for table, raw in loaded.raws.items()}
    return {**{table: table for table in loaded.raws}, **names}


def _effect(number: int, effects: Workings) -> _Target:
    k = len(effects.made)
    if not 1 <= number <= k:
        known = f"the effects are 1 to {k}" if k else "the review yields no effect"
        raise UsageError(f"There is no effect {number}: {known}.", code="unknown-row", advice=ALLOWED)
    return _Target(f"effect {number}", effect=number - 1)


def _row(file: str, line: int, loaded: Loaded, effects: Workings) -> _Target:
    if file == "effects.csv":
        return _effect(line - 1, effects)
    files = _files(loaded)
    if file not in files:
        near = suggestion(file, files)
        named = ", ".join(raw.file for raw in loaded.raws.values())
        message = f'"{file}" is no table of this review; its tables are {named}. {near}'.strip()
        raise UsageError(message, code="unknown-row", advice=ALLOWED)
    table = files[file]
    raw = loaded.raws[table]
    if line not in raw.lines:
        raise UsageError(_no_line(raw, line), code="unknown-row", advice=ALLOWED)
    if table not in RESULTS:
        study = cell_text(raw.rows[raw.lines.index(line)][raw.header.index("study")])
        return _Target(f"{raw.file}, row {line}: {study}", study=study)
    return _Target(f"{raw.file}, row {line}", table, line)


def _no_line(raw: RawTable, line: int) -> str:
    if not raw.lines:
        return f"{raw.file} has no rows."
    near = min(raw.lines, key=lambda known: abs(known - line))
    return f"{raw.file} has no row {line}: its rows are {raw.lines[0]} to {raw.lines[-1]}, the nearest is {near}."


def _concerned(target: _Target, loaded: Loaded, effects: Workings) -> list[tuple[int, str]]:
    """The effects that it is about, each with what the row does in it."""
    if target.effect >= 0:
        return [(target.effect, "")]
    if target.study:
        return [(i, "") for i, made in enumerate(effects.made) if made.comparison.study == target.study]
    position = _position(loaded, target.table, target.line)
    which = RESULTS.index(target.table)
    found = []
    for i in range(len(effects.made)):
        if position in comparison_rows(effects, i)[which]:
            found.append((i, _use(effects, i, which, position)))
    return found


def _use(effects: Workings, i: int, which: int, position: int) -> str:
    made = effects.made[i]
    for p, word in (
        (made.best, "This row is used."),
        (made.second, "This row gives a second opinion; the effect is made from other printed numbers."),
    ):
        if p >= 0:
            candidate = effects.candidates[p]
            rows = (candidate.arm_rows, (candidate.contrast_row,))[which]
            if position in rows:
                return word
    return "This row is not needed: the effect is made from other printed numbers of the same comparison."


def _position(loaded: Loaded, table: str, line: int) -> int:
    """Where the line is in the table as checked; -1 if a decision or a check has taken it away."""
    columns: Columns = getattr(loaded.reported, table)
    lines = columns.lines.tolist()
    return lines.index(line) if line in lines else -1


def _is_about(dropped: Dropped, target: _Target, loaded: Loaded) -> bool:
    if target.effect >= 0:
        return False
    if target.study:
        return dropped.study == target.study
    return dropped.file == loaded.raws[target.table].file and target.line in dropped.rows


def _lines(
    target: _Target, loaded: Loaded, effects: Workings, chosen: Sequence[int], dropped: Iterable[Dropped]
) -> list[tuple[str, int]]:
    """The printed rows to show, as (table, line): the one asked for first, then those behind the effects."""
    found = dict.fromkeys([(target.table, target.line)] if target.table else [])
    for i in chosen:
        for table, positions in zip(RESULTS, comparison_rows(effects, i), strict=True):
            columns: Columns = getattr(loaded.reported, table)
            found.update(dict.fromkeys((table, int(columns.lines[p])) for p in positions))
    by_file = {raw.file: table for table, raw in loaded.raws.items()}
    for item in dropped:
        found.update(dict.fromkeys((by_file[item.file], line) for line in item.rows))
    if target.study:
        found.update(dict.fromkeys(_rows_of(target.study, loaded)))
    return list(found)


def _rows_of(study: str, loaded: Loaded) -> list[tuple[str, int]]:
    """All result rows of a trial as they stand in the files, also those that are excluded."""
    found = []
    for table in RESULTS:
        raw = loaded.raws.get(table)
        if raw is not None and "study" in raw.header:
            column = raw.header.index("study")
            found += [
                (table, line)
                for row, line in zip(raw.rows, raw.lines, strict=True)
                if cell_text(row[column]) == study
            ]
    return found
