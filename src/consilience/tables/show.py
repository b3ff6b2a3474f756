"""What ``print()`` shows of a record: the full summary as text, by the record's type."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import singledispatch

from ..base.errors import InputError
from ..base.format import count, interval, number, plural
from ..base.grid import clean, grid, wrap
from ..records import Analysis, Effects, Estimate, Fit, Note, Plan, Reported, Table
from .build_data import dropped_table, effects_table
from .build_estimates import estimate_table, percent_table, summary_table
from .build_fit import coefficients_table, components_table
from .build_notes import notes_table, outcomes_table
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


@singledispatch
def show(record: object) -> str:
    """The summary of a Fit, Effects, Analysis, Estimate, Reported, Plan or Table, at most 100 columns wide.

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
    parts = [_lines(*lines), to_text(coefficients_table(fit), width=WIDTH)]
    if fit.components.names:
        parts.append(to_text(components_table(fit), width=WIDTH))
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
def _(record: Reported) -> str:
    names = ("trials", "arms", "contrasts", "risk_of_bias")
    rows = [[name, getattr(record, name).file, count(len(getattr(record, name)))] for name in names]
    lines = grid([["table", "file", "rows"], *rows], ["left", "left", "right"])
    parts = ["\n".join(lines) + "\n"]
    if record.notes:
        parts.append(_head(notes_table(record.notes)))
    return "\n".join(parts)


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
    return _lines(*lines) + "\n" + to_text(outcomes_table(plan), width=WIDTH)


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
        parts.append(
            _lines(
                f"{plural(len(analysis.scenarios), 'sensitivity analysis', 'sensitivity analyses')}: "
                f"g {interval(low, high)}; {changed} change the conclusion."
            )
        )
    parts.append(_lines(*_notes_line(analysis.notes)))
    return "\n".join(part for part in parts if part.strip())
