"""Subgroups as a small forest plot: every class with its interval, its prediction interval and its consistency."""

from __future__ import annotations

import math

from ..base.format import count, number, p_value, plural
from ..records import Analysis, Estimate, Question, TestResult
from .forest import estimate_text, share_text
from .layout import Layout
from .panel import Panel, PanelColumn, PanelRow, lay_out

KINDS = ("family", "subgroup", "persistence")


def test_text(test: TestResult | None) -> str:
    """``Test of difference (HTZ): F(3, 6.4) = 2.31, p = .163``; says so where there is none."""
    if test is None:
        return ""
    if math.isnan(test.p_value):
        return f"Test of difference ({test.name}): not available. {test.note}".strip()
    p = p_value(test.p_value)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    degrees = f"{number(test.df1, 0)}, {number(test.df2, 1)}"
    return f"Test of difference ({test.name}): F({degrees}) = {number(test.statistic)}, {p}"


test_text.__test__ = False  # type: ignore[attr-defined]


def _columns(level: float) -> tuple[PanelColumn, ...]:
    return (
        PanelColumn("label", "Class", most=200.0),
        PanelColumn("n_trials", "Trials", align="right"),
        PanelColumn("n_effects", "Effects", align="right"),
        PanelColumn("n_people", "People", align="right"),
        PanelColumn("estimate", f"g [{100 * level:g}% CI]", "right", "right"),
        PanelColumn("share", "Trials\nin favour", "right", "right"),
    )


def _row(e: Estimate, columns: tuple[PanelColumn, ...], *, overall: bool = False) -> PanelRow:
    counts = (count(e.n_trials), count(e.n_effects), count(e.n_people) if e.n_people else "")
    text = estimate_text(e.estimate, e.ci_low, e.ci_high) if e.available else "not available"
    cells = (e.label, *counts, text, share_text(e.share_in_favour))
    kind = "overall" if overall else "item"
    # few degrees of freedom: a hollow point, so that the eye does not trust it more than the text does
    marker = "open-square" if e.trust else "square"
    return PanelRow(kind, cells, e.estimate, e.ci_low, e.ci_high, (e.pi_low, e.pi_high), 0.45, marker)  # type: ignore[arg-type]


def _question_rows(question: Question, columns: tuple[PanelColumn, ...]) -> list[PanelRow]:
    estimates = [e for e in question.estimates if e.scale == "g"]
    if not estimates:
        return []
    rows = [PanelRow("heading", (question.title,))]
    for e in estimates:
        rows.append(_row(e, columns))
        if not e.available:
            rows.append(PanelRow("note", (e.reason,)))
    text = test_text(question.test)
    return [*rows, PanelRow("note", (text,))] if text else rows


def subgroups(analysis: Analysis) -> tuple[Layout, ...]:
    """All classes, families and long follow-ups in one panel beneath their questions; its pages."""
    columns = _columns(analysis.plan.level)
    questions = [q for q in analysis.questions if q.kind in KINDS]
    rows = [row for q in questions for row in _question_rows(q, columns)]
    if not rows:
        return ()
    if analysis.overall.available:
        rows.append(_row(analysis.overall, columns, overall=True))
    shown = [e for q in questions for e in q.estimates if e.scale == "g"]
    excluding = [e.label for e in shown if e.available and (e.ci_low > 0 or e.ci_high < 0)]
    alt = (
        f"Subgroups: {plural(len(shown), 'estimate')} of {plural(len(questions), 'question')}. "
        f"Intervals that exclude zero: {', '.join(excluding) or 'none'}."
    )
    level = f"{100 * analysis.plan.level:g}%"
    notes = [f"Thick line: {level} confidence interval; thin capped line: {level} prediction interval."]
    if any(e.trust for e in shown):
        notes.append("Hollow point: read with care (see the table's remark).")
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
