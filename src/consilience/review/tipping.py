"""What would have to be true to change the conclusion."""

from __future__ import annotations

from math import nan

import numpy as np

from ..base.format import interval, number, plural
from ..models import fit
from ..records import Block, Design, Effects, Scenario, Tipping
from .sensitivity import SAFE_SEARCH_TRIALS, Primary, Progress, recomputed, refit, verdict, with_rho

GRID = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
MOST_NULL_TRIALS = 2000


def tipping_points(
    primary: Primary, scenarios: tuple[Scenario, ...], *, progress: Progress
) -> tuple[Tipping, ...]:
    """Every tipping point; empty if there is no primary estimate."""
    if not primary.estimate.available:
        return ()
    found = [bias_to_null(primary)]
    progress("Tipping points", 0, 3)
    found.append(null_trials(primary))
    progress("Tipping points", 1, 3)
    found.append(correlation_tip(primary, "r"))
    progress("Tipping points", 2, 3)
    found.append(correlation_tip(primary, "rho"))
    found.append(single_trial(scenarios))
    return tuple(found)


def bias_to_null(primary: Primary) -> Tipping:
    """How much every effect would have to be overestimated (or underestimated) for the interval to touch zero."""
    e = primary.estimate
    key, label = "bias", "common bias of all effects"
    if e.ci_low > 0:
        text = f"If every effect were overestimated by {number(e.ci_low)} or more, the interval would include no effect."
        return Tipping(key, label, e.ci_low, text)
    if e.ci_high < 0:
        text = f"If every effect were underestimated by {number(-e.ci_high)} or more, the interval would include no effect."
        return Tipping(key, label, e.ci_high, text)
    text = (
        f"The interval already includes no effect; every effect would have to be underestimated by more than "
        f"{number(-e.ci_low)} for it to exclude it."
    )
    return Tipping(key, label, e.ci_low, text)


def null_trials(primary: Primary) -> Tipping:
    """The smallest number of further trials with an effect of exactly zero that bring the average below what matters.

    The trials have the median precision of those analysed; the model is refitted with them. In the spirit of Orwin (1983,
    J Educ Stat 8:157-159), who asked the same of an unweighted mean.
    """
    key, label = "null-trials", "further trials that find exactly nothing"
    relevance = primary.plan.relevance
    matters = f"the smallest effect that matters (g = {number(relevance)})"
    if primary.estimate.estimate < relevance:
        return Tipping(key, label, nan, f"The average is below {matters} without any further trial.")
    typical = float(np.median([_variance_of_mean(primary.effects, s) for s in primary.effects.studies]))

    def too_small(m: int) -> bool:
        extended = with_null_trials(primary.effects, m, typical)
        start = primary.model if extended.n_studies > SAFE_SEARCH_TRIALS else None
        model = fit(extended, primary.spec, design=Design.intercept(extended.k), start=start)
        return bool(model.coefficients.estimate[0] < relevance)

    low, high = 0, 1
    while not too_small(high):
        if high >= MOST_NULL_TRIALS:
            text = f"Even {high:,} further trials of typical size that find nothing would leave the average above {matters}."
            return Tipping(key, label, nan, text)
        low, high = high, min(2 * high, MOST_NULL_TRIALS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if too_small(middle) else (middle, high)
    text = f"{plural(high, 'further trial')} of typical size that found exactly nothing would bring the average below {matters}."
    return Tipping(key, label, float(high), text)


def _variance_of_mean(effects: Effects, study: str) -> float:
    part = effects.take(effects.study == study)
    return 1 / float(np.sum(np.linalg.solve(part.covariance(), np.ones(part.k))))


def with_null_trials(effects: Effects, m: int, variance: float) -> Effects:
    """The effects plus m one-effect trials with y = 0 and the given variance."""
    names = np.array([f"\0null {j}" for j in range(m)], dtype=object)  # cannot clash with a real name
    return Effects(
        np.concatenate([effects.y, np.zeros(m)]),
        np.concatenate([effects.v, np.full(m, variance)]),
        np.concatenate([effects.study, names]),
        effects.measure,
        tuple(Block(b.rows, b.matrix) for b in effects.blocks),
    )


def correlation_tip(primary: Primary, which: str) -> Tipping:
    """Does any common value of the assumed r (or of rho) from 0 to .95 change the verdict? The nearest one that does."""
    name = "pre-post correlation" if which == "r" else "correlation between effects of a trial"
    label = f"one value for every assumed {name}" if which == "r" else name
    changes: list[tuple[float, str]] = []
    lowest, highest = np.inf, -np.inf
    for value in GRID:
        effects = recomputed(primary, r=value) if which == "r" else with_rho(primary, value)
        estimate = refit(primary, effects, key=which, label=label)
        if not estimate.available:
            continue
        lowest, highest = min(lowest, estimate.estimate), max(highest, estimate.estimate)
        found = verdict(primary.estimate, estimate)
        if found != "same":
            changes.append(
                (value, f"{number(estimate.estimate)} {interval(estimate.ci_low, estimate.ci_high)}")
            )
    ends = number(lowest), number(highest)
    span = f"g stays {ends[0]}" if ends[0] == ends[1] else f"g then runs from {ends[0]} to {ends[1]}"
    if not changes:
        text = f"None of the values tried for the {name}, {len(GRID)} from 0 to .95, changes the conclusion ({span})."
        return Tipping(which, label, nan, text)
    listed = "; ".join(f"{value:g} gives {text}" for value, text in changes)
    text = f"The conclusion depends on the {name}: {listed} ({span})."
    return Tipping(which, label, changes[0][0], text)


def single_trial(scenarios: tuple[Scenario, ...]) -> Tipping:
    """Is there one trial without which the conclusion is another?"""
    key, label = "one-trial", "one trial left out"
    left = [s for s in scenarios if s.key.startswith("without/") and s.estimate.available]
    if not left:
        return Tipping(key, label, nan, "Too few trials to leave one out.")
    changing = [s for s in left if s.verdict != "same"]
    lowest = min(left, key=lambda s: s.estimate.estimate)
    highest = max(left, key=lambda s: s.estimate.estimate)
    span = (
        f"the estimate runs from {number(lowest.estimate.estimate)} ({lowest.label}) to "
        f"{number(highest.estimate.estimate)} ({highest.label})"
    )
    if not changing:
        return Tipping(key, label, nan, f"No single trial changes the conclusion: {span}.")
    names = ", ".join(s.label for s in changing[:8]) + (" and others" if len(changing) > 8 else "")
    return Tipping(key, label, float(len(changing)), f"The conclusion changes {names}; {span}.")
