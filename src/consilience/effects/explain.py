"""Effects with the numbers that they went through, read from the workings of the run that made them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from ..records import ExplainedEffect, Reported, Step, Way
from .arm_view import ArmView
from .assemble import Workings, sign_of
from .candidates import Candidate
from .cells import Cells
from .effect_columns import places
from .pairing import Comparison
from .ppc import VarianceKind
from .route_formulas import (
    KIND_HOW,
    LOG_SPREAD_HOW,
    SPREAD_HOW,
    effect_formula,
    share_formula,
    variance_formula,
)

IMPUTED = "imputed as the protocol allows; see the assumptions"
LOG_CODES = ("ratio-geometric", "ratio-log")
DIRECTION = {
    "lower": "lower is better: a fall is a benefit",
    "higher": "higher is better",
    "none": "no direction is declared: treated − control",
}


def comparison_rows(workings: Workings, i: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Positions in the arms and the contrasts table of all rows that belong to effect i."""
    comparison = workings.made[i].comparison
    return comparison.arm_rows, tuple(comparison.contrasts)


def explain_effect(
    i: int, effects: Workings, ratios: Workings, *, reported: Reported, variance: VarianceKind
) -> ExplainedEffect:
    """Effect i with the way in use, the second opinion, the other ways and its percent change.

    Parameters
    ----------
    i : position in `effects.effects`.
    effects, ratios : the workings of `trial_effects` and `trial_ratios` on the same tables.
    variance : the kind of variance that made them.
    """
    made = effects.made[i]
    positions = next(p for comparison, _, p in effects.groups if comparison is made.comparison)
    ways = {
        p: _way(effects, p, made.comparison, reported, variance)
        for p in (made.best, *positions)
        if effects.sizes.usable[p]
    }
    twin = next((j for j, m in enumerate(ratios.made) if _same(m.comparison, made.comparison)), -1)
    percent = (
        _way(ratios, ratios.made[twin].best, ratios.made[twin].comparison, reported, variance)
        if twin >= 0
        else None
    )
    c = made.comparison
    when = c.time if math.isnan(c.weeks) else f"{c.time}, week {c.weeks:g}"
    return ExplainedEffect(
        number=i + 1,
        study=c.study,
        outcome=c.outcome,
        label=f"{c.treatment} against {c.control}, {when}",
        used=ways[made.best],
        second=ways.get(made.second),
        other=tuple(way for p, way in ways.items() if p not in (made.best, made.second)),
        percent=percent,
    )


def _same(one: Comparison, other: Comparison) -> bool:
    return one.arm_rows == other.arm_rows and one.contrasts == other.contrasts


def _way(workings: Workings, p: int, c: Comparison, reported: Reported, variance: VarianceKind) -> Way:
    """One candidate with its result: the numbers are those of the candidate and of its standardisation."""
    candidate, sizes = workings.candidates[p], workings.sizes
    measure = workings.effects.measure
    rule = next(rule for comparison, rule, positions in workings.groups if p in positions)
    sign = sign_of(rule, measure)
    steps = [*_arm_steps(candidate, c, workings.cells), *candidate.trace]
    steps.append(Step("difference, treated − control", candidate.difference, _difference_how(candidate)))
    steps.append(Step("share of the treated arm, kT", candidate.part_t, _share(candidate, 0)))
    steps.append(Step("share of the control arm, kC", candidate.part_c, _share(candidate, 1)))
    if candidate.exactness == "g":
        m = candidate.n_t + candidate.n_c - 2
        steps.append(Step("J", float(sizes.j[p]), f"exact small-sample factor of m = N − 2 = {m:g}"))
        steps.append(Step("A", float(sizes.a[p]), "factor of kT + kC in v"))
        steps.append(Step("h", float(sizes.h[p]), "factor of g² in v: the SD was estimated"))
    elif candidate.exactness == "smd":
        steps.append(Step("h", float(sizes.h[p]), "factor of g² in v: the SD was estimated"))
    if measure == "ppc-g":
        steps.append(Step("sign", sign, DIRECTION[rule.better]))
    y, v = sign * float(sizes.y[p]), float(sizes.v[p])
    half = NormalDist().inv_cdf(0.975) * math.sqrt(v)
    return Way(
        code=candidate.code,
        route=candidate.route,
        formula=effect_formula(candidate),
        variance=variance_formula(candidate, variance),
        steps=tuple(step for step in steps if not math.isnan(step.value)),
        y=y,
        v=v,
        ci_low=y - half,
        ci_high=y + half,
        lines=places(reported, candidate)[1],
        assumptions=candidate.assumptions,
    )


def _share(candidate: Candidate, side: int) -> str:
    return share_formula(candidate, candidate.arms[side] if candidate.arms else None)


def _difference_how(candidate: Candidate) -> str:
    if candidate.code in ("events", "odds-ratio"):
        return "ln OR √3/π"
    if candidate.code.startswith("ratio"):
        return "of the logarithms"
    if candidate.cells == "means":
        return "of the means after" if candidate.basis == "final" else "of the changes, after − before"
    if candidate.cells == "change":
        return "of the mean changes"
    return "in SDs, before J" if candidate.group == "statistic" else "as printed"


def _arm_steps(candidate: Candidate, c: Comparison, cells: Cells) -> Iterator[Step]:
    """What the route saw of both arms; without arms only how many people there are."""
    sizes = (("treated", candidate.n_t), ("control", candidate.n_c))
    if candidate.arms is None:
        yield from (Step(f"people, {name}", n) for name, n in sizes)
        return
    log = candidate.scale == "log" or candidate.code.startswith(LOG_CODES)
    rows = ((c.pre_t, c.post_t), (c.pre_c, c.post_c))
    for (name, _), arm, (pre, post) in zip(sizes, candidate.arms, rows, strict=True):
        counted = any(row >= 0 and cells.n[row] > 0 for row in (pre, post))
        yield Step(f"people, {name}", arm.n, "fewest of the two times" if counted else IMPUTED)
        spread = (cells.log if log else cells.raw).spread
        words = [spread[row] if row >= 0 else "" for row in (pre, post)]
        yield from _levels(candidate, arm, name, words, log=log)
        if candidate.cells == "change":
            yield Step(f"mean change, {name}", arm.change, _scale(log))
        if candidate.basis == "change":
            how = SPREAD_HOW.get(arm.change_spread, arm.change_spread)
            yield Step(f"SD of change, {name}", arm.change_sd, how)
            yield Step(f"pre-post correlation r, {name}", _r_in_use(candidate, arm), arm.r_source)


def _r_in_use(candidate: Candidate, arm: ArmView) -> float:
    """NaN where the SD of change is printed and no r is needed."""
    if candidate.code == "change-means-baseline-sd" and arm.r_source == "reported":
        return math.nan
    printed = arm.change_sd >= 0 and arm.r_source != "reported" and candidate.code != "change-score-d"
    return math.nan if printed and not arm.r_source.startswith("derived") else arm.r


def _levels(
    candidate: Candidate, arm: ArmView, name: str, spread: Sequence[str], *, log: bool
) -> Iterator[Step]:
    """Locations and SDs before and after, as far as the route uses them."""
    before = ("before", arm.pre, arm.pre_sd, arm.pre_kind, spread[0])
    after = ("after", arm.post, arm.post_sd, arm.post_kind, spread[1])
    times = (after,) if candidate.basis == "final" else (before, after)
    for when, mean, sd, kind, word in times:
        if candidate.cells == "means":
            yield Step(f"mean {when}, {name}", mean, _location_how(kind, word, log=log))
        filled = not word and any(what == "SD" for what, _ in candidate.imputed)
        yield Step(f"SD {when}, {name}", sd, IMPUTED if filled else _spread_how(kind, word, log=log))


def _location_how(kind: str, word: str, *, log: bool) -> str:
    how = "ln of the geometric mean" if word == "geometric CI" else KIND_HOW.get(kind, "")
    return f"{how}, {_scale(log)}" if how == "as printed" else how


def _spread_how(kind: str, word: str, *, log: bool) -> str:
    made = LOG_SPREAD_HOW.get(kind, "") if log else ""
    how = SPREAD_HOW.get(word, word)
    return f"{made}, s {how}" if made and kind == "converted" else made or how


def _scale(log: bool) -> str:
    return "natural logarithms" if log else "printed units"
