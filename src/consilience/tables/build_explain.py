"""Explanation -> tables: the printed rows, what was decided, each effect with its steps, rows without an effect."""

from __future__ import annotations

from collections.abc import Iterator
from math import expm1, isnan

from ..base.format import MINUS, NOT_AVAILABLE, interval, number, percent
from ..records import ExplainedEffect, Explanation, PrintedRow, Table, TableColumn, Way
from ..records.table import Cell

_WORDS = ("study", "arm", "control_arm", "role", "outcome", "time", "weeks")
_SOURCE = ("raw_cell", "unit", "scale", "source")
_LEFT_OUT = (*_WORDS, *_SOURCE, "licence", "note")
PRINTED = (
    TableColumn("place", "Row"),
    TableColumn("what", "What"),
    TableColumn("numbers", "Cells"),
    TableColumn("raw_cell", "As printed"),
    TableColumn("source", "Source"),
)
STEPS = (
    TableColumn("step", "Step"),
    TableColumn("value", "Value", "right"),
    TableColumn("how", "How"),
)


def explanation_tables(explanation: Explanation) -> tuple[Table, ...]:
    """Printed rows; decisions and findings, if any; one table an effect; rows without an effect, if any."""
    tables = [_printed(explanation)]
    remarks = tuple(_remarks(explanation.rows))
    if remarks:
        columns: tuple[TableColumn, ...] = (
            TableColumn("place", "Row"),
            TableColumn("text", "What was decided or found"),
        )
        tables.append(Table("explain-remarks", "Decisions and findings", columns, remarks))
    tables += [_effect(effect) for effect in explanation.effects]
    if explanation.dropped:
        columns = (TableColumn("place", "Rows"), TableColumn("code", "Code"), TableColumn("reason", "Reason"))
        rows = tuple((_place(d.file, *d.rows), d.code, d.reason) for d in explanation.dropped)
        tables.append(Table("explain-dropped", "Rows that yield no effect", columns, rows))
    return tuple(tables)


def _printed(explanation: Explanation) -> Table:
    rows = tuple(_printed_row(row) for row in explanation.rows)
    notes: tuple[str, ...] = ()
    if not explanation.effects and not explanation.dropped:
        notes = ("No effect rests on this; the findings and decisions say why.",)
    return Table("explain-printed", f"{explanation.asked}: what was printed", PRINTED, rows, notes=notes)


def _printed_row(row: PrintedRow) -> tuple[Cell, ...]:
    cells = {cell.column: cell for cell in row.cells}
    what = ", ".join(
        f"week {c.text}" if name == "weeks" else c.text for name, c in cells.items() if name in _WORDS
    )
    numbers = []
    for name, cell in cells.items():
        if name in _LEFT_OUT or not (cell.became or _is_number(cell.text)):
            continue
        text = f"{name} {cell.text}" if cell.text else name
        numbers.append(f"{text} ({cell.became})" if cell.became else text)
    raw = cells["raw_cell"].text if "raw_cell" in cells else ""
    about = [cells[name] for name in ("source", "unit", "scale") if name in cells]
    source = "; ".join(f"{c.column} {c.became}" if c.became else c.text for c in about)
    return _place(row.file, row.line), what, ", ".join(numbers), raw, source


def _is_number(text: str) -> bool:
    return text[:1] in "-+.0123456789\u2212"


def _place(file: str, *lines: int) -> str:
    return f"{file}:{', '.join(map(str, lines))}"


def _remarks(rows: tuple[PrintedRow, ...]) -> Iterator[tuple[Cell, ...]]:
    for row in rows:
        place = _place(row.file, row.line)
        for sentence in row.decisions:
            yield place, sentence
        for note in row.findings:
            yield place, f"[{note.code}] {note.message} {note.advice}".strip()


def _effect(effect: ExplainedEffect) -> Table:
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for heading, way, letter in _ways(effect):
        groups.append((len(rows), f"{heading}: {way.route}"))
        rows.extend(_way_rows(way, letter))
    title = f"Effect {effect.number}: {effect.study}, {effect.outcome}, {effect.label}"
    return Table(f"explain-effect-{effect.number}", title, STEPS, tuple(rows), tuple(groups), _notes(effect))


def _ways(effect: ExplainedEffect) -> Iterator[tuple[str, Way, str]]:
    yield "Used", effect.used, "g"
    if effect.second is not None:
        yield "Second opinion", effect.second, "g"
    for way in effect.other:
        yield "Another way, not used", way, "g"
    if effect.percent is not None:
        yield "Percent change", effect.percent, "D"


def _way_rows(way: Way, letter: str) -> Iterator[tuple[Cell, ...]]:
    yield "rows", "", way.lines
    for step in way.steps:
        yield step.what, significant(step.value), step.how
    yield letter, number(way.y, 4), way.formula + ("; times the sign" if letter == "g" else "")
    yield "v", significant(way.v), way.variance
    yield f"95% CI of {letter}", interval(way.ci_low, way.ci_high, 4), f"{letter} \u00b1 1.96 \u221av"
    if letter == "D":
        limits = " to ".join(percent(100 * expm1(x)) for x in (way.ci_low, way.ci_high))
        yield "percent change", percent(100 * expm1(way.y)), f"100 (exp(D) \u2212 1); 95% CI {limits}"


def _notes(effect: ExplainedEffect) -> tuple[str, ...]:
    notes = [effect.use] if effect.use else []
    notes += [f"Assumed: {text}." for text in effect.used.assumptions]
    if effect.second is not None:
        difference = number(effect.disagreement)
        notes.append(f"The second opinion differs by {difference} from the effect that is used.")
    notes += [f"[{note.code}] {note.message} {note.advice}".strip() for note in effect.findings]
    return tuple(notes)


def significant(value: float) -> str:
    """Six significant digits with a true minus sign."""
    return NOT_AVAILABLE if isnan(value) else f"{value:.6g}".replace("-", MINUS)
