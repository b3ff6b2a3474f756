"""The review analysed in every combination of defensible choices, and what that says of the primary answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.format import interval, number, plural
from ..diagnostics.joint_test import joint_test
from ..diagnostics.specifications import movement, summaries, support_of, verdicts
from ..records import JointTest, JointTestResult, MultiverseResult, Note, Plan
from .adjustments import NUMBERS
from .choices import CHOICES, alternatives, dimension
from .combinations import AnalysedSets, Combinations, analysed_sets, draw
from .fit_sets import Found, fit_sets
from .load import Loaded, load
from .sensitivity import Primary, Progress

SIGNS = 1  # stream of random numbers of the signs, apart from that of the combinations


def multiverse(
    review: Loaded | str | Path, *, progress: Progress | None = None, workers: int | None = None
) -> MultiverseResult:
    """Analyse a review in every combination of the alternatives that its protocol declares ([multiverse]).

    Parameters
    ----------
    review : a loaded review or its folder.
    workers : processes that fit; None = two where that is safe and pays, 1 = this one alone. The result is the same.

    Raises
    ------
    UsageError : there is no such review.
    InputError : it has errors (``"review-has-errors"``), or the primary analysis has no estimate (``"no-primary"``).

    Source: Steegen et al. (2016), Perspect Psychol Sci 11:702; Simonsohn, Simmons & Nelson (2020), Nat Hum Behav 4:1208;
    for meta-analyses Voracek, Kossmeier & Tran (2019), Z Psychol 227:64.
    """
    from .run import primary_of, usable_plan

    loaded = review if isinstance(review, Loaded) else load(review)
    return multiverse_of(loaded, primary_of(loaded, usable_plan(loaded)), progress=progress, workers=workers)


def multiverse_of(
    review: Loaded, primary: Primary, *, progress: Progress | None = None, workers: int | None = None
) -> MultiverseResult:
    """`multiverse` of a review whose primary analysis is at hand."""
    plan = primary.plan
    if not primary.estimate.available:
        raise InputError(
            f"The primary analysis has no estimate, so nothing can be compared with it. {primary.estimate.reason}",
            code="no-primary",
        )
    tell = progress or (lambda stage, done, total: None)
    tell("Specifications", 0, 1)
    values = tuple(alternatives(choice, plan) for choice in CHOICES)
    rows = draw([len(v) for v in values], most=plan.multiverse.most, rng=np.random.default_rng(plan.seed))
    combined = Combinations(plan, values, rows)
    analysed = analysed_sets(review.reported, combined, progress=tell)
    found = fit_sets(combined, analysed, progress=tell, workers=workers)
    # a batch may differ from a single fit in the last digit, and the answer of the review has only one
    own = [getattr(primary.estimate, name) for name in NUMBERS]
    found.numbers[:, found.fit == found.fit[0]] = np.array(own)[:, None]
    return _result(combined, analysed, found)


def _result(combined: Combinations, analysed: AnalysedSets, found: Found) -> MultiverseResult:
    """The record, with only those dimensions that had something to choose."""
    plan = combined.plan
    varied = [j for j, v in enumerate(combined.values) if len(v) > 1]
    dimensions = tuple(dimension(CHOICES[j], combined.values[j]) for j in varied)
    choice = combined.rows[:, varied]
    numbers = dict(zip(NUMBERS, found.numbers, strict=True))
    verdict = verdicts(numbers["ci_low"], numbers["ci_high"], 0)
    there = verdict != "unavailable"
    estimate = numbers["estimate"][there]
    support = support_of(
        estimate,
        numbers["ci_low"][there],
        numbers["ci_high"][there],
        primary=float(numbers["estimate"][0]),
        relevance=plan.relevance,
    )
    supporting = (numbers["ci_low"] > 0) if support.side > 0 else (numbers["ci_high"] < 0)
    return MultiverseResult(
        dimensions=dimensions,
        choice=choice,
        **numbers,
        k=np.array([effects.k for effects in analysed.sets])[analysed.of],
        studies=np.array([effects.n_studies for effects in analysed.sets])[analysed.of],
        fit=found.fit,
        verdict=verdict,
        reason=found.reason,
        primary=0,
        possible=combined.possible,
        level=plan.level,
        support=support,
        alternatives=summaries(dimensions, choice[there], estimate, supporting[there]),
        movement=movement(dimensions, choice[there], estimate),
        joint=_joint(plan, found, there),
        notes=_notes(combined, found),
    )


def _joint(plan: Plan, found: Found, there: np.ndarray) -> JointTestResult | None:
    """The curve against random signs of whole trials; the signs are drawn with the seed of the plan."""
    return joint_test(
        found.parts,
        found.tests,
        item=found.item[there],
        test=found.test[there],
        level=plan.level,
        rng=np.random.default_rng([plan.seed, SIGNS]),
    )


def _notes(combined: Combinations, found: Found) -> tuple[Note, ...]:
    notes = []
    n, possible = len(combined.rows), combined.possible
    if n < possible:
        message = f"Of {possible:,} combinations {n:,} were analysed: the primary one and a random sample of the others (seed {combined.plan.seed})."
        notes.append(Note("multiverse-sampled", "info", message))
    for reason in dict.fromkeys(r for r in found.reason.tolist() if r):
        count = int(np.sum(found.reason == reason))
        notes.append(Note("specification-unavailable", "info", f"{plural(count, 'specification')}: {reason}"))
    return tuple(notes)


def sentence(result: MultiverseResult) -> str:
    """The multiverse in words that claim no more than its numbers."""
    s = result.support
    word = "above" if s.side > 0 else "below"
    level = f"{100 * result.level:g}%"
    same, supporting = round(s.same_sign * s.n), round(s.supporting * s.n)
    low, high = result.range
    parts = [
        f"In {same:,} of {plural(s.n, 'specification')} ({_share(s.same_sign)}) the average is {word} zero, and in "
        f"{supporting:,} ({_share(s.supporting)}) its {level} interval lies {word} zero"
        + (f"; in {_share(s.opposite)} it lies on the other side." if s.opposite > 0 else "."),
        f"The estimates run from {number(low)} to {number(high)} with a median of {number(result.median)}; the primary one, "
        f"{number(float(result.estimate[result.primary]))} {interval(float(result.ci_low[result.primary]), float(result.ci_high[result.primary]))}, "
        f"is number {result.rank:,} from below.",
    ]
    if result.movement.variance > 0:
        first = result.movement.contributions[0]
        parts.append(
            f'The choice that moves it most is "{first.title}": {_share(first.share)} of the variance between '
            f"specifications by itself, {_share(first.total)} together with other choices."
        )
    if result.joint is not None:
        parts.append(joint_sentence(result.joint))
    left = int(np.sum(~result.available))
    if left:
        parts.append(f"{plural(left, 'more specification')} could not be computed.")
    if result.sampled:
        parts.append(f"They are a random sample of {result.possible:,} possible ones.")
    return " ".join(parts)


def joint_sentence(joint: JointTestResult) -> str:
    """What random signs say of the whole curve, in one sentence."""
    error = (
        "" if joint.exact else f"; 95% Monte-Carlo limits {_limits(joint.median)} and {_limits(joint.share)}"
    )
    return (
        f"If no trial had an effect, chance alone would give a median this far from zero with {joint.chances[0]}, and this many intervals "
        f"beyond zero with {joint.chances[1]} ({joint.compared} patterns of signs of whole trials in {joint.n:,} specifications{error})."
    )


def _limits(one: JointTest) -> str:
    return f"{number(one.p_low, 3)} to {number(one.p_high, 3)}"


def _share(share: float) -> str:
    """Whole percent; never 0% or 100% for a share that is not."""
    percent = 100 * share
    if 0 < percent < 1:
        return "under 1%"
    return "over 99%" if 99 < percent < 100 else f"{percent:.0f}%"
