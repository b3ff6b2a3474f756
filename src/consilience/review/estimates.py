"""Fit -> Estimate: one pooled answer with everything a reader needs beside it."""

from __future__ import annotations

from dataclasses import replace
from math import exp, nan

import numpy as np

from ..base.distributions import t_two_sided
from ..effects import count_people, count_unsized
from ..models import fit, predict, study_averages
from ..records import Design, Effects, Estimate, Fit, Spec
from ..records.analysis import EstimateScale

LOW_DF = 4.0
LOW_DF_CAVEAT = "Too few trials to trust the interval and the p-value (fewer than 4 degrees of freedom)."


def unavailable(
    key: str, label: str, reason: str, *, effects: Effects | None = None, scale: EstimateScale = "g"
) -> Estimate:
    """An estimate that cannot be had, with the reason in place of numbers."""
    empty = Estimate(key, label, scale=scale, available=False, reason=reason)
    if effects is None or not effects.k:
        return empty
    return replace(
        empty,
        n_trials=effects.n_studies,
        n_effects=effects.k,
        n_people=count_people(effects),
        n_unsized=count_unsized(effects),
    )


def share_in_favour(model: Fit, members: Effects) -> float:
    """Share of trials in `members` whose own average, weighted as in `model`, is on the side of benefit."""
    averages = study_averages(replace(model, effects=members, design=Design.intercept(members.k)))
    return float(np.mean(averages.estimate > 0))


def row_estimate(
    model: Fit, row: np.ndarray, *, key: str, label: str, members: Effects, people: int | None = None
) -> Estimate:
    """The linear combination `row` (p,) of a fit's coefficients as an Estimate on the g scale.

    members : the effects that it speaks about (for the counts of trials, effects and people).
    people : their number where the caller knows it; None = count them.
    """
    predicted = predict(model, np.atleast_2d(row))
    df = float(predicted.df[0])
    se = float(predicted.se[0])
    estimate = float(predicted.estimate[0])
    return Estimate(
        key,
        label,
        estimate=estimate,
        se=se,
        ci_low=float(predicted.ci_low[0]),
        ci_high=float(predicted.ci_high[0]),
        df=df,
        p_value=float(t_two_sided(estimate / se, df)) if se > 0 else nan,
        pi_low=float(predicted.pi_low[0]),
        pi_high=float(predicted.pi_high[0]),
        tau2=_by_level(model.components.names, model.components.variance),
        i2=_by_level(tuple(model.heterogeneity.i2_by), np.array(list(model.heterogeneity.i2_by.values()))),
        n_trials=members.n_studies,
        n_effects=members.k,
        n_people=count_people(members) if people is None else people,
        n_unsized=count_unsized(members),
        method=model.coefficients.method,
        trust=LOW_DF_CAVEAT if df < LOW_DF else "",
    )


def _by_level(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    """Component names as readers know them: study/row is "effect"."""
    return {
        ("effect" if name.endswith("row") else name): float(value)
        for name, value in zip(names, values, strict=True)
    }


def mean_row(model: Fit, row: np.ndarray, *, key: str, label: str, members: Effects) -> Estimate:
    """A mean (not a slope) with the share of its trials in favour."""
    estimate = row_estimate(model, row, key=key, label=label, members=members)
    return replace(estimate, share_in_favour=share_in_favour(model, members))


def pooled(effects: Effects, spec: Spec, *, key: str, label: str) -> tuple[Estimate, Fit | None]:
    """The pooled mean of all `effects`; one trial or none gives an unavailable estimate with the reason."""
    missing = nothing_to_pool(effects, key=key, label=label)
    if missing is not None:
        return missing, None
    model = fit(effects, spec, design=Design.intercept(effects.k))
    return mean_row(model, np.ones(1), key=key, label=label, members=effects), model


def nothing_to_pool(effects: Effects, *, key: str, label: str) -> Estimate | None:
    """The unavailable estimate of fewer than two trials; None if there is something to pool."""
    reason = one_trial(effects) if effects.k else "No effect could be computed."
    return unavailable(key, label, reason, effects=effects) if reason else None


def one_trial(effects: Effects) -> str:
    """Why the effects of a single trial are not pooled; "" if there are more."""
    return f"One trial only ({effects.studies[0]}): nothing to pool." if effects.n_studies == 1 else ""


def as_slope(estimate: Estimate, unit: str) -> Estimate:
    """The same numbers read as a change of g per `unit`; no prediction interval belongs to a slope."""
    return replace(estimate, scale="slope", unit=unit, pi_low=nan, pi_high=nan)


def as_percent(estimate: Estimate, *, key: str, label: str, factor: float = 1.0) -> Estimate:
    """exp(factor * x) - 1 in percent of every number of an estimate on the log scale (METHODS F8).

    factor : 1 for a log ratio of ratios; direction x log SD to translate a g. The SE is by the delta method.
    """
    if not estimate.available:
        return replace(estimate, key=key, label=label, scale="percent")

    def change(x: float) -> float:
        return 100 * (exp(factor * x) - 1)

    low, high = sorted((change(estimate.ci_low), change(estimate.ci_high)))
    pi_low, pi_high = sorted((change(estimate.pi_low), change(estimate.pi_high)))
    return replace(
        estimate,
        key=key,
        label=label,
        scale="percent",
        estimate=change(estimate.estimate),
        se=100 * exp(factor * estimate.estimate) * abs(factor) * estimate.se,
        ci_low=low,
        ci_high=high,
        pi_low=pi_low,
        pi_high=pi_high,
        unit="% change of the marker against control",
    )
