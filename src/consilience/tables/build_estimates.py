"""Estimates as tables: the overall answer, families, subgroups, persistence, moderators ..."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from ..base.format import count, interval, number, p_value, percent, plural
from ..records import Analysis, Estimate, Question, Table, TableColumn, TestResult
from ..records.table import Cell

SCALE_TITLE = {"g": "g", "percent": "Change", "slope": "Slope"}


def interval_title(level: float, what: str = "CI") -> str:
    """``95% CI``."""
    return f"{100 * level:g}% {what}"


def component_keys(estimates: Iterable[Estimate], field: str) -> tuple[str, ...]:
    """Names of the variance components that any of the estimates has, in order of appearance."""
    return tuple(dict.fromkeys(name for e in estimates for name in getattr(e, field)))


def estimate_columns(
    estimates: Sequence[Estimate], *, scale: str, level: float, label: str
) -> tuple[TableColumn, ...]:
    """Columns of a table of estimates of one scale; their keys are those of `estimate_cells`."""
    kind: Literal["percent", "number"] = "percent" if scale == "percent" else "number"
    digits = 1 if scale == "percent" else 2
    return (
        TableColumn("label", label),
        TableColumn("n_trials", "Trials", "right", kind="count"),
        TableColumn("n_effects", "Effects", "right", kind="count"),
        TableColumn("n_people", "People", "right", kind="count"),
        TableColumn("estimate", SCALE_TITLE[scale], "right", digits, kind),
        TableColumn("ci_low", interval_title(level), "right", digits, kind, "ci_high"),
        TableColumn("ci_high", "upper limit", "right", digits, kind),
        TableColumn("pi_low", interval_title(level, "prediction"), "right", digits, kind, "pi_high"),
        TableColumn("pi_high", "upper limit of prediction", "right", digits, kind),
        TableColumn("df", "df", "right", 1),
        TableColumn("p_value", "p", "right", 3, "p"),
        *(TableColumn(f"tau2_{c}", f"τ² {c}", "right", 3) for c in component_keys(estimates, "tau2")),
        *(TableColumn(f"i2_{c}", f"I² {c}, %", "right", 0) for c in component_keys(estimates, "i2")),
        TableColumn("share_in_favour", "In favour, %", "right", 0),
        TableColumn("caveat", "Remark", "center", kind="footnote"),
    )


def estimate_cells(estimate: Estimate) -> dict[str, Cell]:
    """One estimate as column key -> cell."""
    e = estimate
    cells: dict[str, Cell] = {
        "label": f"{e.label} ({_per(e.unit)})" if e.scale == "slope" and e.unit else e.label,
        "n_trials": e.n_trials,
        "n_effects": e.n_effects or None,
        "n_people": e.n_people or None,
        "share_in_favour": 100 * e.share_in_favour,
        "caveat": (_remark(e) if e.available else e.reason) or None,
    }
    for name in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "df", "p_value"):
        cells[name] = getattr(e, name)
    cells |= {f"tau2_{c}": value for c, value in e.tau2.items()}
    return cells | {f"i2_{c}": value for c, value in e.i2.items()}


def _remark(e: Estimate) -> str:
    unsized = f"Without the people of {plural(e.n_unsized, 'trial')} of unknown size." if e.n_unsized else ""
    return f"{e.trust} {unsized}".strip()


def _per(unit: str) -> str:
    """``per 10 years``; a unit that says so itself stays as it is (``g per 10 years``)."""
    return unit if "per " in unit else f"per {unit}"


def difference_line(test: TestResult | None) -> str:
    """``Test (HTZ): F(3, 6.4) = 2.31, p = .163.``, or "" when there is no test."""
    if test is None:
        return ""
    if math.isnan(test.statistic):
        return f"Test ({test.name}): not available. {test.note}".strip()
    p = p_value(test.p_value)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    degrees = f"{number(test.df1, 0)}, {number(test.df2, 1)}"
    return f"Test ({test.name}): F({degrees}) = {number(test.statistic)}, {p}. {test.note}".strip()


def _empty(cell: Cell) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _about(question: Question, text: str) -> str:
    return text if text.startswith(question.title) else f"{question.title}: {text}"


def estimates_table(
    key: str, title: str, *, questions: Sequence[Question], scale: str, level: float, label: str
) -> Table:
    """All estimates of one scale: a group per question, its test and remarks as notes.

    Columns in which no estimate has a value are left out.
    """
    chosen = [(q, [e for e in q.estimates if e.scale == scale]) for q in questions]
    chosen = [(q, estimates) for q, estimates in chosen if estimates]
    everything = [e for _, estimates in chosen for e in estimates]
    rows = [estimate_cells(e) for e in everything]
    groups: list[tuple[int, str]] = []
    notes: list[str] = []
    first = 0
    for question, estimates in chosen:
        groups.append((first, question.title))
        first += len(estimates)
        texts = (difference_line(question.test), question.answer, *question.notes)
        notes += [_about(question, text) if len(chosen) > 1 else text for text in texts if text]
    columns = tuple(
        c
        for c in estimate_columns(everything, scale=scale, level=level, label=label)
        if c.key == "label" or any(not _empty(row.get(c.key)) for row in rows)
    )
    # a heading over every single row, or one over all of them, tells nothing
    shown_groups = tuple(groups) if 1 < len(groups) < len(rows) else ()
    body = tuple(tuple(row.get(c.key) for c in columns) for row in rows)
    return Table(key, title, columns, body, shown_groups, tuple(notes))


def overall_table(analysis: Analysis) -> Table:
    """The primary answer as a short list: quantity, value."""
    return estimate_table(analysis.overall, key="overall", title="Primary answer", level=analysis.plan.level)


def estimate_table(estimate: Estimate, *, key: str, title: str, level: float = 0.95) -> Table:
    """One estimate as a two-column list of quantities and values."""
    e = estimate
    write = percent if e.scale == "percent" else number
    digits = 1 if e.scale == "percent" else 2
    pairs = [("Trials", count(e.n_trials)), ("Effects", count(e.n_effects))]
    if e.n_people:
        pairs.append(("People (nobody counted twice)", count(e.n_people)))
    if e.n_unsized:
        pairs.append(("Trials of unknown size, their people not counted", count(e.n_unsized)))
    if e.available:
        name = {
            "g": "Pooled effect g (positive = benefit)",
            "percent": "Change",
            "slope": f"Slope, {_per(e.unit or 'unit')}",
        }[e.scale]
        pairs += [
            (name, write(e.estimate, digits)),
            ("Standard error", number(e.se, 3)),
            (f"{100 * level:g}% confidence interval", _interval(e.ci_low, e.ci_high, e.scale)),
            (f"{100 * level:g}% prediction interval", _interval(e.pi_low, e.pi_high, e.scale)),
            ("Degrees of freedom", number(e.df, 1)),
            ("p", p_value(e.p_value)),
        ]
        pairs += [(f"τ² ({name})", number(value, 3)) for name, value in e.tau2.items()]
        if e.tau2 and e.scale == "g":
            pairs.append(
                (
                    "Standard deviation of true effects (√ of the sum of τ²)",
                    number(sum(e.tau2.values()) ** 0.5),
                )
            )
        pairs += [(f"I² ({name})", f"{number(value, 0)}%") for name, value in e.i2.items()]
        pairs.append(("Trials in favour of the intervention", _share(e.share_in_favour)))
    else:
        pairs.append(("Not available", e.reason))
    pairs += [(name, text) for name, text in (("Method", e.method), ("Remark", e.trust)) if text]
    columns = (TableColumn("quantity", "Quantity"), TableColumn("value", "Value", "right"))
    return Table(key, title, columns, tuple(pairs))


def _interval(low: float, high: float, scale: str) -> str:
    return (
        f"[{percent(low)}, {percent(high)}]"
        if scale == "percent" and not math.isnan(low)
        else interval(low, high)
    )


def _share(share: float) -> str:
    return number(100 * share, 0) + "%" if not math.isnan(share) else number(share)


KINDS = {
    "family": ("families", "Beneficial and harmful markers", "g", "Markers"),
    "subgroup": ("subgroups", "By class", "g", "Class"),
    "persistence": ("persistence", "Does the effect last?", "g", "Analysis"),
    "course": ("course", "Change of the effect with time", "slope", "Slope"),
    "moderator": ("moderators", "Moderators, one at a time", "slope", "Moderator"),
    "small-study": ("small-study", "Small-study effects", "slope", "Test"),
    "credibility": ("credibility", "The average adjusted for what may not have been published", "g", "By"),
}


def kind_table(analysis: Analysis, kind: str) -> Table | None:
    """The table of one kind of question (a key of `KINDS`), or None where the review has none."""
    key, title, scale, label = KINDS[kind]
    kinds = {"persistence", "course"} if kind == "course" else {kind}
    questions = [q for q in analysis.questions if q.kind in kinds]
    if not any(e.scale == scale for q in questions for e in q.estimates):
        return None
    level = analysis.plan.level
    return estimates_table(key, title, questions=questions, scale=scale, level=level, label=label)


def percent_table(analysis: Analysis) -> Table | None:
    """Every percent change of the review, or None."""
    questions = [q for q in analysis.questions if any(e.scale == "percent" for e in q.estimates)]
    if not questions:
        return None
    title = "Percent change of the markers"
    level = analysis.plan.level
    return estimates_table(
        "percent", title, questions=questions, scale="percent", level=level, label="Markers"
    )


SUMMARY_OMITS = ("tau2_", "i2_")  # they stand in each question's own table


def summary_table(analysis: Analysis) -> Table:
    """Every pooled g of the review in one table: the questions, one group each."""
    kinds = [q for q in analysis.questions if q.kind not in {"moderator", "small-study", "credibility"}]
    level = analysis.plan.level
    full = estimates_table(
        "summary", "All pooled effects", questions=kinds, scale="g", level=level, label="Question"
    )
    keep = [j for j, c in enumerate(full.columns) if not c.key.startswith(SUMMARY_OMITS)]
    rows = tuple(tuple(row[j] for j in keep) for row in full.rows)
    return replace(full, columns=tuple(full.columns[j] for j in keep), rows=rows, notes=())
