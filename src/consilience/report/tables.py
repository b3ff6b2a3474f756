"""The tables of the report: those of the analysis, shaped for a page."""

from __future__ import annotations

from dataclasses import replace

from ..records import Analysis, Question, Table, TableColumn
from ..records.table import Cell
from ..tables import all_tables
from ..tables.build_data import effects_table
from ..tables.build_estimates import difference_line

LONG_CELL = 90  # characters from which a column of the trials' table is prose and gets a table of its own


def report_tables(analysis: Analysis) -> dict[str, Table]:
    """All tables of the report, in order, the rows behind the percent changes included.

    A note that repeats a question's words is left out: the page has them in the finding above the table.
    """
    tables = all_tables(analysis)
    tables |= without_prose(tables["trials"], words="What the reviewers wrote about each trial")
    if analysis.ratios.k:
        title = "Log ratios of ratios: the rows behind the percent changes"
        tables["ratios"] = effects_table(
            analysis.ratios, key="ratios", title=title, level=analysis.plan.level
        )
    spoken = _spoken(analysis.questions)
    return {k: replace(t, notes=tuple(n for n in t.notes if n not in spoken)) for k, t in tables.items()}


def without_prose(table: Table, *, words: str) -> dict[str, Table]:
    """The table without its columns of long text, and those texts by row as a second table ``<key>-words``.

    A paragraph in a cell of a wide table would make every row as tall as the paragraph is long.
    """
    prose = [j for j in range(1, len(table.columns)) if any(_is_long(row[j]) for row in table.rows)]
    if not prose:
        return {table.key: table}
    kept = [j for j in range(len(table.columns)) if j not in prose]
    short = replace(
        table,
        columns=tuple(table.columns[j] for j in kept),
        rows=tuple(tuple(row[j] for j in kept) for row in table.rows),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for row in table.rows:
        told = [(table.columns[j].title, row[j]) for j in prose if row[j] not in (None, "")]
        if told:
            groups.append((len(rows), str(row[0])))
            rows += told
    columns = (TableColumn("what", "What"), TableColumn("words", "In words"))
    key = f"{table.key}-words"
    return {table.key: short, key: Table(key, words, columns, tuple(rows), tuple(groups))}


def _is_long(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) > LONG_CELL


def _spoken(questions: tuple[Question, ...]) -> set[str]:
    """What the findings say, as it also stands under their tables."""
    words = {(q.title, text) for q in questions for text in (difference_line(q.test), q.answer, *q.notes)}
    return {text for _, text in words} | {f"{title}: {text}" for title, text in words}
