"""Subgroups as a small forest plot: every class with its interval, its prediction interval and its consistency."""

from __future__ import annotations

import math
from dataclasses import replace

from ..base.format import NOT_AVAILABLE, count, number, p_value, plural
from ..records import Analysis, Estimate, Question, TestResult
from .forest import estimate_text, share_text
from .layout import Layout
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow

KINDS = ("family", "subgroup", "persistence")


def difference_text(test: TestResult | None) -> str:
    """``Test of difference (HTZ): F(3, 6.4) = 2.31, p = .163``; says so where there is none."""
    if test is None:
        return ""
    if math.isnan(test.p_value):
        return f"Test of difference ({test.name}): not available. {test.note}".strip()
    p = p_value(test.p_value)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    degrees = f"{number(test.df1, 0)}, {number(test.df2, 1)}"
    return f"Test of difference ({test.name}): F({degrees}) = {number(test.statistic)}, {p}"


def _columns(level: float) -> tuple[PanelColumn, ...]:
    return (
        PanelColumn("label", "Class", most=200.0),
        PanelColumn("n_trials", "Trials", align="right"),
        PanelColumn("n_effects", "Effects", align="right"),
        PanelColumn("n_people", "People", align="right"),
        PanelColumn("estimate", f"g [{100 * level:g}% CI]", "right", "right"),
        PanelColumn("share", "Trials\nin favour", "right", "right"),
    )


def _row(e: Estimate, *, overall: bool = False) -> PanelRow:
    counts = (count(e.n_trials), count(e.n_effects), count(e.n_people) if e.n_people else NOT_AVAILABLE)
    text = estimate_text(e.estimate, e.ci_low, e.ci_high) if e.available else "not available"
    cells = (e.label, *counts, text, share_text(e.share_in_favour))
    kind = "overall" if overall else "item"
    # few degrees of freedom: a hollow point, so that the eye does not trust it more than the text does
    marker = "open-square" if e.trust else "square"
    return PanelRow(kind, cells, e.estimate, e.ci_low, e.ci_high, (e.pi_low, e.pi_high), 0.45, marker)  # type: ignore[arg-type]


def _question_rows(question: Question, *, headed: bool) -> list[PanelRow]:
    """A question's estimates and its test; without a heading its title stands for the label of its one estimate."""
    rows = [PanelRow("heading", (question.title,))] if headed else []
    for e in _pooled(question):
        rows.append(_row(e if headed else replace(e, label=question.title)))
        if not e.available:
            rows.append(PanelRow("note", (e.reason,)))
    text = difference_text(question.test)
    return [*rows, PanelRow("note", (text,))] if text else rows


def _pooled(question: Question) -> list[Estimate]:
    return [e for e in question.estimates if e.scale == "g"]


def _rows(questions: list[Question]) -> list[PanelRow]:
    """Questions with one estimate each, such as the families, share a heading by their kind."""
    rows: list[PanelRow] = []
    kind = ""
    for question in questions:
        single = len(_pooled(question)) == 1 and question.kind == "family"
        if single and kind != question.kind:
            rows.append(PanelRow("heading", ("Families of markers",)))
        rows += _question_rows(question, headed=not single)
        kind = question.kind if single else ""
    return rows


def subgroups(analysis: Analysis) -> tuple[Layout, ...]:
    """All classes, families and long follow-ups in one panel beneath their questions; its pages."""
    columns = _columns(analysis.plan.level)
    questions = [q for q in analysis.questions if q.kind in KINDS and _pooled(q)]
    rows = _rows(questions)
    if not rows:
        return ()
    if analysis.overall.available:
        rows.append(_row(analysis.overall, overall=True))
    shown = [e for q in questions for e in _pooled(q)]
    excluding = [e.label for e in shown if e.available and (e.ci_low > 0 or e.ci_high < 0)]
    alt = (
        f"Subgroups: {plural(len(shown), 'estimate')} of {plural(len(questions), 'question')}. "
        f"Intervals that exclude zero: {', '.join(excluding) or 'none'}."
    )
    level = f"{100 * analysis.plan.level:g}%"
    notes = [f"Thick line: {level} confidence interval; thin capped line: {level} prediction interval."]
    if any(e.trust for e in shown):
        notes.append("Hollow point: read with care (see the note under the table).")
    return lay_out(
        Panel(
            "subgroups",
            "Subgroups: how much, and how consistent",
            alt,
            columns,
            tuple(rows),
            "g (standardised mean difference)",
            threshold=analysis.plan.relevance,
            line=analysis.overall.estimate,
            notes=(" ".join(notes),),
        )
    )
