"""The foldable forest plot: one row a trial, its effects beneath it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..base.format import NOT_AVAILABLE, count, interval, number, plural
from ..records import Analysis, Effects, Estimate, StudyAverage
from .scale import Bar, Scale, Tick, make_scale, peak

JUDGEMENTS = {"low": ("+", "low"), "some": ("~", "some concerns"), "high": ("\u00d7", "high")}
OPEN_UP_TO = 60  # with more trials than this the groups start folded


@dataclass(frozen=True)
class EffectRow:
    """One effect beneath its trial."""

    label: str
    when: str
    value: str
    bar: Bar
    side: float
    route: str


@dataclass(frozen=True)
class TrialRow:
    """One trial: texts, its bar, the side of its square in pixels, its effects."""

    name: str
    value: str
    weight: str
    people: str
    judgement: tuple[str, str, str]
    bar: Bar
    side: float
    effects: tuple[EffectRow, ...]


@dataclass(frozen=True)
class Diamond:
    """A pooled estimate; `peak` = its point in percent of the width of its interval."""

    label: str
    value: str
    bar: Bar
    peak: float
    prediction: Bar | None
    detail: str


@dataclass(frozen=True)
class Group:
    """Trials under one heading, with the pooled estimate of that class where there is one."""

    name: str
    trials: tuple[TrialRow, ...]
    pooled: Diamond | None


@dataclass(frozen=True)
class Forest:
    """Everything the template draws. Positions are percent of the axis."""

    groups: tuple[Group, ...]
    overall: Diamond | None
    ticks: tuple[Tick, ...]
    zero: float
    relevant: tuple[float, float]
    start_open: bool
    n_trials: int


def build_forest(analysis: Analysis) -> Forest:
    """The forest of the primary analysis, grouped as `analysis.studies` are."""
    rows = [(s.ci_low, s.estimate, s.ci_high) for s in analysis.studies]
    overall = analysis.overall
    scale = make_scale([*rows, (overall.pi_low, overall.estimate, overall.pi_high)])
    names = list(dict.fromkeys(s.group for s in analysis.studies))
    rows_of = _rows_by_study(analysis.effects)
    return Forest(
        tuple(_group(name, analysis, scale, rows_of) for name in names),
        _diamond(overall, scale, "All trials") if overall.available else None,
        scale.ticks,
        scale.at(0.0),
        (scale.at(-analysis.plan.relevance), scale.at(analysis.plan.relevance)),
        len(analysis.studies) <= OPEN_UP_TO,
        len(analysis.studies),
    )


def _rows_by_study(effects: Effects) -> dict[str, list[int]]:
    """Pooled rows of each study, in their order."""
    pooled = effects.columns.get("pooled", np.ones(effects.k))
    rows: dict[str, list[int]] = {}
    for i in np.flatnonzero(np.asarray(pooled, dtype=float) > 0):
        rows.setdefault(str(effects.study[i]), []).append(int(i))
    return rows


def _group(name: str, analysis: Analysis, scale: Scale, rows_of: dict[str, list[int]]) -> Group:
    members = [s for s in analysis.studies if s.group == name]
    largest = max((s.weight for s in analysis.studies if math.isfinite(s.weight)), default=1.0)
    z = NormalDist().inv_cdf(0.5 + analysis.plan.level / 2)
    trials = tuple(
        _trial(s, largest, scale, _effects(analysis.effects, rows_of.get(s.study, []), scale, z))
        for s in members
    )
    estimate = _class_estimate(analysis, name)
    return Group(name, trials, _diamond(estimate, scale, f"Pooled: {name}") if estimate else None)


def _class_estimate(analysis: Analysis, name: str) -> Estimate | None:
    """The subgroup estimate of a class of interventions, if it could be made."""
    for question in analysis.questions:
        if question.kind == "subgroup" and question.key.endswith("intervention_class"):
            return next((e for e in question.estimates if e.key.endswith(f"/{name}") and e.available), None)
    return None


def _trial(study: StudyAverage, largest: float, scale: Scale, effects: tuple[EffectRow, ...]) -> TrialRow:
    share = study.weight / largest if math.isfinite(study.weight) and largest > 0 else 0.0
    mark, word = JUDGEMENTS.get(study.risk_of_bias, ("?", "not judged"))
    return TrialRow(
        study.label or study.study,
        f"{number(study.estimate)} {interval(study.ci_low, study.ci_high)}",
        f"{number(study.weight, 1)}%",
        count(study.n_people) if study.n_people else NOT_AVAILABLE,
        (mark, word, study.risk_of_bias or "unknown"),
        scale.bar(study.ci_low, study.estimate, study.ci_high),
        round(6 + 9 * math.sqrt(max(share, 0.0)), 1),
        effects,
    )


def _effects(effects: Effects, rows: list[int], scale: Scale, z: float) -> tuple[EffectRow, ...]:
    """The effects of one trial as they entered the model; z : normal quantile of their intervals."""
    several_arms = len({_text(effects, "treatment", i) for i in rows}) > 1
    found = []
    for i in rows:
        y, half = float(effects.y[i]), z * math.sqrt(float(effects.v[i]))
        found.append(
            EffectRow(
                _text(effects, "outcome", i) or "effect",
                _when(effects, i, several_arms=several_arms),
                f"{number(y)} {interval(y - half, y + half)}",
                scale.bar(y - half, y, y + half),
                5.0,
                _text(effects, "route", i),
            )
        )
    return tuple(found)


def _text(effects: Effects, name: str, i: int) -> str:
    return str(effects.columns[name][i]) if name in effects.columns else ""


def _number(effects: Effects, name: str, i: int) -> float:
    return float(effects.columns[name][i]) if name in effects.columns else math.nan


def _when(effects: Effects, i: int, *, several_arms: bool) -> str:
    """``end of treatment, week 10`` or ``26 weeks after treatment``, and the arm if the trial has several."""
    after, week = _number(effects, "weeks_after_treatment", i), _number(effects, "weeks", i)
    if _text(effects, "time", i) == "follow-up":
        when = "follow-up" if math.isnan(after) else f"{plural(round(after), 'week')} after treatment"
    else:
        when = "end of treatment" if math.isnan(week) else f"end of treatment, week {week:g}"
    return f"{_text(effects, 'treatment', i)}, {when}" if several_arms else when


def _diamond(estimate: Estimate, scale: Scale, label: str) -> Diamond:
    bar = scale.bar(estimate.ci_low, estimate.estimate, estimate.ci_high)
    prediction = None
    if math.isfinite(estimate.pi_low) and math.isfinite(estimate.pi_high):
        prediction = scale.bar(estimate.pi_low, estimate.estimate, estimate.pi_high)
    return Diamond(
        label,
        f"{number(estimate.estimate)} {interval(estimate.ci_low, estimate.ci_high)}",
        bar,
        peak(bar),
        prediction,
        f"{plural(estimate.n_trials, 'trial')}, {plural(estimate.n_effects, 'effect')}",
    )
