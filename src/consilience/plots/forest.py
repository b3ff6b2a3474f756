"""The forest plot: one row per trial, or every effect beneath its trial."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..base.format import NOT_AVAILABLE, count, interval, number, p_value, plural
from ..records import Analysis, Effects, Estimate, Question, StudyAverage
from .layout import Layout
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow

LEGEND = "Risk of bias: L low, S some concerns, H high."


def estimate_text(estimate: float, low: float, high: float) -> str:
    """``0.34 [0.14, 0.54]``."""
    return f"{number(estimate)} {interval(low, high)}"


def share_text(value: float) -> str:
    """A percentage without sign or decimals."""
    return f"{number(100 * value, 0)}%" if not math.isnan(value) else number(value)


def columns(level: float, *, bias: bool, effects_title: str = "Effects") -> tuple[PanelColumn, ...]:
    """Study, effects, people | g with its interval, weight, risk of bias (if any was judged)."""
    left = [
        PanelColumn("study", "Trial"),
        PanelColumn("n_effects", effects_title, align="right", most=130.0),
        PanelColumn("n_people", "People", align="right"),
    ]
    right = [
        PanelColumn("estimate", f"g [{100 * level:g}% CI]", "right", "right"),
        PanelColumn("weight", "Weight", "right", "right"),
    ]
    mark = [PanelColumn("risk_of_bias", "Risk\nof bias", "right", "center", draws="bias")] if bias else []
    return (*left, *right, *mark)


def _cells(values: Iterable[str], wanted: int) -> tuple[str, ...]:
    return tuple(values)[:wanted]


def trial_row(study: StudyAverage, largest: float, wanted: int) -> PanelRow:
    cells = (
        study.label,
        count(study.n_effects),
        count(study.n_people) if study.n_people else NOT_AVAILABLE,
        estimate_text(study.estimate, study.ci_low, study.ci_high),
        f"{number(study.weight, 1)}%",
        study.risk_of_bias or "not judged",
    )
    share = study.weight / largest if largest > 0 else 0.3
    return PanelRow("item", _cells(cells, wanted), study.estimate, study.ci_low, study.ci_high, weight=share)


def summary_row(estimate: Estimate, label: str, wanted: int, *, overall: bool = False) -> PanelRow:
    """A pooled estimate as a diamond with its prediction bar; its reason instead of numbers when there is none."""
    e = estimate
    text = estimate_text(e.estimate, e.ci_low, e.ci_high) if e.available else "not available"
    cells = (label, count(e.n_effects), count(e.n_people) if e.n_people else NOT_AVAILABLE, text, "", "")
    return PanelRow(
        "overall" if overall else "summary",
        _cells(cells, wanted),
        e.estimate,
        e.ci_low,
        e.ci_high,
        pi=(e.pi_low, e.pi_high),
    )


def group_question(analysis: Analysis) -> Question | None:
    """The subgroup question whose levels are the groups of the study averages."""
    groups = {s.group for s in analysis.studies}
    for question in analysis.questions:
        labels = {e.label for e in question.estimates} | {
            e.key.rsplit("/", 1)[-1] for e in question.estimates
        }
        if question.kind == "subgroup" and groups <= labels:
            return question
    return None


def _group_estimate(question: Question | None, group: str) -> Estimate | None:
    if question is None:
        return None
    return next(
        (e for e in question.estimates if group in (e.label, e.key.rsplit("/", 1)[-1]) and e.scale == "g"),
        None,
    )


def heterogeneity_note(overall: Estimate) -> str:
    """τ² and I² per level, in one line."""
    parts = [f"τ² ({name}) {number(value, 3)}" for name, value in overall.tau2.items()]
    parts += [f"I² ({name}) {number(value, 0)}%" for name, value in overall.i2.items()]
    return f"Between-trial variance: {', '.join(parts)}." if parts else ""


def closing_rows(analysis: Analysis, wanted: int) -> list[PanelRow]:
    """The overall diamond and a line that spells out its prediction interval."""
    e, level = analysis.overall, 100 * analysis.plan.level
    if not e.available:
        return [PanelRow("note", (f"No pooled estimate: {e.reason}",))]
    label = f"All trials ({count(e.n_trials)})"
    rows = [summary_row(e, label, wanted, overall=True)]
    if not math.isnan(e.pi_low):
        rows.append(
            PanelRow("note", (f"{level:g}% prediction interval {interval(e.pi_low, e.pi_high)} (thin bar)",))
        )
    return rows


def notes(analysis: Analysis, *, bias: bool) -> tuple[str, ...]:
    e, plan = analysis.overall, analysis.plan
    out = []
    if e.available:
        p = p_value(e.p_value)
        p = f"p {p}" if p.startswith("<") else f"p = {p}"
        method = f"{e.method}. " if e.method else ""
        out.append(f"{method}df {number(e.df, 1)}, {p}. {heterogeneity_note(e)}".strip())
    shaded = f"Shaded: effects smaller than {number(plan.relevance)}. " if plan.relevance > 0 else ""
    out.append(
        f"{shaded}Positive g = benefit. Squares in proportion to weight. {LEGEND if bias else ''}".strip()
    )
    return tuple(out)


def alt_text(analysis: Analysis) -> str:
    """One sentence with the numbers a sighted reader takes from the plot first."""
    e = analysis.overall
    n = plural(len(analysis.studies), "trial")
    if not e.available:
        return f"Forest plot of {n}; no pooled estimate: {e.reason}"
    favour = sum(s.estimate > 0 for s in analysis.studies)
    return (
        f"Forest plot of {n}. Pooled g {estimate_text(e.estimate, e.ci_low, e.ci_high)}, prediction interval "
        f"{interval(e.pi_low, e.pi_high)}; {favour} of {n} have an average in favour of the intervention."
    )


def _grouped(analysis: Analysis) -> list[tuple[str, list[StudyAverage]]]:
    names = list(dict.fromkeys(s.group for s in analysis.studies))
    order = [c for c in analysis.plan.intervention_classes if c in names]
    order += [n for n in names if n not in order]
    return [(name, [s for s in analysis.studies if s.group == name]) for name in order]


def _panel(
    analysis: Analysis, key: str, title: str, rows: list[PanelRow], cols: tuple[PanelColumn, ...]
) -> Panel:
    bias = cols[-1].key == "risk_of_bias"
    return Panel(
        key,
        title,
        alt_text(analysis),
        cols,
        tuple(rows),
        "g (standardised mean difference)",
        threshold=analysis.plan.relevance,
        line=analysis.overall.estimate,
        notes=notes(analysis, bias=bias),
    )


def forest(analysis: Analysis) -> tuple[Layout, ...]:
    """Forest plot with one row per trial, grouped, with class averages where they were estimated; its pages."""
    bias = any(s.risk_of_bias for s in analysis.studies)
    cols = columns(analysis.plan.level, bias=bias)
    largest = max((s.weight for s in analysis.studies), default=1.0)
    question = group_question(analysis)
    groups = _grouped(analysis)
    rows: list[PanelRow] = []
    for name, studies in groups:
        if len(groups) > 1 or name:
            rows.append(PanelRow("heading", (name or "no class given",)))
        rows += [trial_row(s, largest, len(cols)) for s in studies]
        average = _group_estimate(question, name)
        if average is not None and average.available and len(studies) > 1:
            rows.append(summary_row(average, "Class average", len(cols)))
    rows += closing_rows(analysis, len(cols))
    return lay_out(_panel(analysis, "forest", "Forest plot: the average effect of each trial", rows, cols))


def _effect_text(effects: Effects, i: int, *, name_arm: bool) -> str:
    parts = [str(effects["outcome"][i])] if "outcome" in effects.columns else [f"effect {i + 1}"]
    if "weeks" in effects.columns and not np.isnan(effects["weeks"][i]):
        parts.append(f"week {number(float(effects['weeks'][i]), 0)}")
    elif "time" in effects.columns:
        parts.append(str(effects["time"][i]))
    if name_arm:
        parts.append(str(effects["treatment"][i]))
    return ", ".join(parts)


def _effect_rows(
    effects: Effects, rows: list[int], bounds: tuple[np.ndarray, np.ndarray], wanted: int
) -> list[PanelRow]:
    """A trial's effects; the treated arm is named where the trial has several."""
    treated = effects.columns.get("treatment")
    name_arm = treated is not None and len({str(treated[i]) for i in rows}) > 1
    out = []
    for i in rows:
        y, low, high = float(effects.y[i]), float(bounds[0][i]), float(bounds[1][i])
        people = ""
        if "n_treatment" in effects.columns and "n_control" in effects.columns:
            people = count(float(effects["n_treatment"][i] + effects["n_control"][i]))
        text = _effect_text(effects, i, name_arm=name_arm)
        cells = (text, "", people, estimate_text(y, low, high), "", "")
        out.append(PanelRow("detail", _cells(cells, wanted), y, low, high, marker="circle"))
    return out


def forest_effects(analysis: Analysis) -> tuple[Layout, ...]:
    """Forest plot with every pooled effect beneath its trial; its pages."""
    bias = any(s.risk_of_bias for s in analysis.studies)
    cols = columns(analysis.plan.level, bias=bias)
    largest = max((s.weight for s in analysis.studies), default=1.0)
    effects = analysis.effects
    pooled = effects["pooled"] > 0 if "pooled" in effects.columns else np.ones(effects.k, dtype=bool)
    bounds = effects.interval(analysis.plan.level)
    by_study: dict[str, list[int]] = {}
    for i in np.flatnonzero(pooled).tolist():
        by_study.setdefault(str(effects.study[i]), []).append(i)
    rows: list[PanelRow] = []
    for name, studies in _grouped(analysis):
        rows.append(PanelRow("heading", (name or "no class given",)))
        for study in studies:
            rows.append(trial_row(study, largest, len(cols)))
            rows += _effect_rows(effects, by_study.get(study.study, []), bounds, len(cols))
    rows += closing_rows(analysis, len(cols))
    panel = _panel(analysis, "forest-effects", "Forest plot: every effect beneath its trial", rows, cols)
    # else a reader wonders why the average of one effect is less certain than the effect
    why = "A trial's interval allows for variation between effects; an effect's own interval does not."
    return lay_out(replace(panel, notes=(*panel.notes, why)))
