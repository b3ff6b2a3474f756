"""What ``print()`` shows of a record: the full summary as text, by the record's type."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import singledispatch
from html import escape

import numpy as np

from ..base.errors import InputError
from ..base.format import count, equals, interval, number, p_value, plural
from ..base.grid import clean, grid, wrap
from ..records import (
    Analysis,
    Effects,
    Estimate,
    Explanation,
    Fit,
    Note,
    Plan,
    Prediction,
    Reported,
    Table,
    TestResult,
)
from .build_data import dropped_table, effects_table
from .build_estimates import estimate_table, percent_table, summary_table
from .build_explain import explanation_tables
from .build_fit import coefficients_table, components_table, estimates_table
from .build_notes import outcomes_table
from .html import to_html
from .text import to_text

WIDTH = 100
FEW = 12  # rows shown of something long
BRIEF = (
    "label",
    "n_trials",
    "n_people",
    "estimate",
    "ci_low",
    "ci_high",
    "pi_low",
    "pi_high",
    "p_value",
    "caveat",
)
OUTCOMES_BRIEF = ("name", "better", "family", "scale", "r", "r_low", "r_high")
EFFECTS_BRIEF = (
    "study",
    "outcome",
    "time",
    "weeks",
    "n_treatment",
    "n_control",
    "y",
    "ci_low",
    "ci_high",
    "pooled",
)


def _notes_line(notes: tuple[Note, ...]) -> list[str]:
    if not notes:
        return []
    by: Counter[str] = Counter(n.severity for n in notes)
    parts = [
        plural(by[s], word)
        for s, word in (("error", "error"), ("warning", "warning"), ("info", "remark"))
        if by[s]
    ]
    return [f"Findings: {', '.join(parts)}."]


def _head(table: Table, rows: int = FEW) -> str:
    """The first rows of a long table, saying how many more there are."""
    if len(table.rows) <= rows:
        return to_text(table, width=WIDTH)
    groups = tuple(g for g in table.groups if g[0] < rows)
    more = f"... and {len(table.rows) - rows:,} more."
    short = Table(table.key, table.title, table.columns, table.rows[:rows], groups, (*table.notes, more))
    return to_text(short, width=WIDTH)


def _only(table: Table, keys: tuple[str, ...]) -> Table:
    """The table with some of its columns."""
    chosen = [j for j, column in enumerate(table.columns) if column.key in keys]
    rows = tuple(tuple(row[j] for j in chosen) for row in table.rows)
    return replace(table, columns=tuple(table.columns[j] for j in chosen), rows=rows)


def _lines(*lines: str) -> str:
    return "\n".join(piece for line in lines for piece in wrap(clean(line), WIDTH)) + "\n"


def show_html(record: object) -> str:
    """The notebook view: a table as a table, anything else as its text; all of it escaped."""
    if isinstance(record, Table):
        return to_html(record)
    return f"<pre>{escape(show(record), quote=False)}</pre>"


@singledispatch
def show(record: object) -> str:
    """The summary of a record (Analysis, Effects, Estimate, Explanation, Fit, Plan, Prediction, Reported, Table, TestResult).

    At most 100 columns wide.

    Raises InputError (``cannot-show``) for anything else.
    """
    raise InputError(f"There is no summary of a {type(record).__name__}.", code="cannot-show")


@show.register
def _(record: Table) -> str:
    return to_text(record, width=WIDTH)


@show.register
def _(record: Estimate) -> str:
    return to_text(estimate_table(record, key=record.key, title=record.label), width=WIDTH)


@show.register
def _(record: Fit) -> str:
    fit = record
    status = f"{fit.optimum.status}: {fit.optimum.help}"
    het = fit.heterogeneity
    lines = [
        f"{plural(fit.effects.k, 'effect')} ({fit.effects.measure}) in {plural(fit.effects.n_studies, 'study', 'studies')}; "
        f"{fit.spec.method}, formula {fit.design.formula}; {status}",
        f"Log-likelihood {number(fit.loglik, 3)}; Q({number(float(het.df), 0)}) = {number(het.q)}; "
        f"I² = {number(het.i2, 1)}%; H² = {number(het.h2)}.",
    ]
    if np.isfinite(het.r2):
        lines.append(f"R² = {number(het.r2, 1)}% of the variance between studies.")
    if fit.optimum.search:
        lines.append(fit.optimum.search)
    parts = [_lines(*lines), to_text(coefficients_table(fit), width=WIDTH)]
    tests = [*fit.tests.values()]
    if fit.omnibus is not None and len(fit.coefficients.names) > 1:
        tests.insert(0, fit.omnibus)
    if tests:
        parts.append("".join(show(test) for test in tests))
    if fit.components.names:
        parts.append(to_text(components_table(fit), width=WIDTH))
    if fit.scale is not None:
        parts.append(to_text(estimates_table(fit.scale, "Coefficients of the variance"), width=WIDTH))
    parts += [_lines(str(note)) for note in fit.notes]
    return "\n".join(parts)


@show.register
def _(record: Effects) -> str:
    head = (
        f"{plural(record.k, 'effect')} ({record.measure}) of {plural(record.n_studies, 'trial')}; "
        f"{plural(len(record.dropped), 'reported row')} without an effect."
    )
    parts = [_lines(head), _head(_only(effects_table(record), EFFECTS_BRIEF))]
    if record.dropped:
        parts.append(_head(dropped_table(record)))
    return "\n".join(parts)


@show.register
def _(record: Explanation) -> str:
    return "\n".join(to_text(table, width=WIDTH) for table in explanation_tables(record))


@show.register
def _(record: Reported) -> str:
    names = ("trials", "arms", "contrasts", "risk_of_bias")
    rows = [[name, getattr(record, name).file, count(len(getattr(record, name)))] for name in names]
    lines = grid([["table", "file", "rows"], *rows], ["left", "left", "right"])
    found = [str(note) for note in record.notes if note.severity != "info"]
    more = [f"... and {len(found) - FEW} more."] if len(found) > FEW else []
    return "\n".join(lines) + "\n\n" + _lines(*_notes_line(record.notes), *found[:FEW], *more)


@show.register
def _(record: Plan) -> str:
    plan = record
    question = [f"{name}: {text}" for name, text in plan.question.items()]
    lines = [
        plan.title,
        f"Sample: {plan.sample}. {plan.sample_note}",
        *question,
        f"Primary analysis: {'randomised trials only' if plan.only_randomised else 'all trials'}; times: {plan.times}; "
        f"ρ = {number(plan.rho, 1)}; level {number(100 * plan.level, 0)}%; smallest g that matters {number(plan.relevance)}.",
        f"{plural(len(plan.decisions), 'declared decision')}; {plural(len(plan.moderators), 'moderator')}.",
    ]
    declared = _only(outcomes_table(plan), OUTCOMES_BRIEF)
    return _lines(*lines) + "\n" + to_text(declared, width=WIDTH)


@show.register
def _(record: Prediction) -> str:
    rows = [
        [number(y, 4), interval(low, high, 4), interval(pi_low, pi_high, 4), number(df, 1)]
        for y, low, high, pi_low, pi_high, df in zip(
            record.estimate,
            record.ci_low,
            record.ci_high,
            record.pi_low,
            record.pi_high,
            record.df,
            strict=True,
        )
    ]
    level = f"{100 * record.level:g}%"
    head = ["predicted", f"{level} CI", f"{level} prediction interval", "df"]
    lines = grid([head, *rows], ["right"] * 4)
    return "\n".join(lines) + "\n" + _lines(f"Prediction interval: {record.pi_method}.")


@show.register
def _(record: TestResult) -> str:
    df = (
        number(record.df1, 0)
        if record.df2 == float("inf")
        else f"{number(record.df1, 0)}, {number(record.df2, 1)}"
    )
    return _lines(
        f"{record.name}({df}) = {number(record.statistic, 3)}, p {equals(p_value(record.p_value))} {record.note}".strip()
    )


@show.register
def _(record: Analysis) -> str:
    analysis = record
    lines = [analysis.plan.title, f"Sample: {analysis.plan.sample}. {analysis.plan.sample_note}"]
    parts = [_lines(*lines)]
    parts += [_lines(f"{p.heading}. {p.text}" if p.heading else p.text) for p in analysis.answer]
    parts.append(to_text(_only(summary_table(analysis), BRIEF), width=WIDTH))
    percents = percent_table(analysis)
    if percents is not None:
        parts.append(to_text(replace(_only(percents, BRIEF), notes=()), width=WIDTH))
    ranges = [s.estimate for s in analysis.scenarios if s.estimate.available]
    if ranges:
        low, high = min(e.estimate for e in ranges), max(e.estimate for e in ranges)
        changed = sum(s.verdict not in {"same", "unavailable"} for s in analysis.scenarios)
        missing = len(analysis.scenarios) - len(ranges)
        parts.append(
            _lines(
                f"{plural(len(analysis.scenarios), 'sensitivity analysis', 'sensitivity analyses')}: "
                f"g {interval(low, high)}; {changed} change the conclusion"
                + (f"; {missing} not available." if missing else ".")
            )
        )
    parts.append(_lines(*_notes_line(analysis.notes)))
    return "\n".join(part for part in parts if part.strip())
