"""Is it robust? The primary analysis with one choice changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isnan
from typing import Literal

import numpy as np

from ..effects import RChoice, count_people, trial_effects, with_covariance
from ..models import fit
from ..records import Design, Effects, Estimate, Fit, Intercept, Plan, Reported, Scenario, Spec
from .estimates import nothing_to_pool, row_estimate, unavailable
from .selection import mark, pooled_rows

Verdict = Literal["same", "weaker", "stronger", "reversed", "unavailable"]
# Up to here every refit searches for the best optimum anew; with more trials the likelihood has one, and the search
# starts from the primary solution.
SAFE_SEARCH_TRIALS = 100
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Primary:
    """What every scenario is compared with: the inputs, the analysed effects, the fit and its estimate."""

    reported: Reported
    plan: Plan
    spec: Spec
    every: Effects  # all computed effects, marked
    effects: Effects  # those in the primary analysis
    model: Fit | None
    estimate: Estimate


def verdict(primary: Estimate, other: Estimate) -> Verdict:
    """How a scenario's interval stands to zero, compared with the primary one's."""
    if not (primary.available and other.available):
        return "unavailable"
    if _side(primary) * _side(other) < 0:
        return "reversed"
    if _side(primary) == _side(other):
        return "same"
    return "weaker" if _side(other) == 0 else "stronger"


def _side(e: Estimate) -> int:
    """+1 if the interval lies above zero, -1 below, 0 if it includes zero (or cannot be had)."""
    if isnan(e.ci_low) or isnan(e.ci_high):
        return 0
    return int(e.ci_low > 0) - int(e.ci_high < 0)


def scenarios(primary: Primary, *, progress: Progress) -> tuple[Scenario, ...]:
    """Every sensitivity analysis that the plan asks for; what was imputed is always left out once."""
    wanted = primary.plan.sensitivity
    groups: dict[str, Callable[[Primary], Iterator[Scenario]]] = {
        "correlation": correlation_scenarios,
        "dependence": dependence_scenarios,
        "inclusion": inclusion_scenarios,
        "routes": route_scenarios,
        "times": time_scenarios,
        "model": model_scenarios,
    }
    found: list[Scenario] = []
    for done, (name, build) in enumerate(groups.items()):
        if name in wanted:
            progress("Sensitivity analyses", done, len(groups))
            found.extend(build(primary))
    found.extend(imputation_scenarios(primary))
    if "leave-one-out" in wanted:
        found.extend(leave_one_out(primary, progress=progress))
    return tuple(found)


def scenario(primary: Primary, effects: Effects, *, key: str, group: str, label: str) -> Scenario:
    """The primary model on other effects."""
    estimate = refit(primary, effects, key=f"sensitivity/{key}", label=label)
    return Scenario(key, group, label, estimate, verdict(primary.estimate, estimate))


def refit(primary: Primary, effects: Effects, *, key: str, label: str, people: int | None = None) -> Estimate:
    """The pooled mean of other effects under the primary model; with many trials from the primary solution on."""
    missing = nothing_to_pool(effects, key=key, label=label)
    if missing is not None:
        return missing
    start = primary.model if effects.n_studies > SAFE_SEARCH_TRIALS else None
    model = fit(effects, primary.spec, design=Design.intercept(effects.k), start=start)
    return row_estimate(model, np.ones(1), key=key, label=label, members=effects, people=people)


def recomputed(primary: Primary, *, plan: Plan | None = None, r: RChoice = "assumed") -> Effects:
    """The pooled effects made anew from the printed numbers with other assumptions."""
    chosen = plan or primary.plan
    return pooled_rows(mark(trial_effects(primary.reported, chosen, r=r), chosen))


def with_rho(primary: Primary, rho: float) -> Effects:
    """The pooled effects with another sampling correlation where the design does not give it."""
    return pooled_rows(with_covariance(primary.every, rho, primary.plan.dependence))


def correlation_scenarios(primary: Primary) -> Iterator[Scenario]:
    bounds: tuple[Literal["low", "high"], ...] = ("low", "high")
    for bound in bounds:
        label = f"every assumed pre-post correlation at its {bound} value"
        yield scenario(
            primary, recomputed(primary, r=bound), key=f"r/{bound}", group="Pre-post correlation", label=label
        )


def dependence_scenarios(primary: Primary) -> Iterator[Scenario]:
    for rho in primary.plan.rho_range:
        label = f"correlation between effects of a trial {rho:g}"
        effects = with_rho(primary, rho)
        yield scenario(primary, effects, key=f"rho/{rho:g}", group="Dependence (rho)", label=label)


def inclusion_scenarios(primary: Primary) -> Iterator[Scenario]:
    """Randomised only or all; without high risk of bias; only trials judged and not high; without outliers in size."""
    group = "Which trials"
    if primary.plan.only_randomised:
        everyone = replace(primary.plan, only_randomised=False)
        effects = pooled_rows(mark(primary.every, everyone))
        yield scenario(
            primary, effects, key="trials/all", group=group, label="trials that are not randomised included"
        )
    else:
        effects = primary.effects.take(primary.effects["randomised"] == "yes")
        yield scenario(primary, effects, key="trials/randomised", group=group, label="randomised trials only")
    judged = primary.effects["risk_of_bias"]
    effects = primary.effects.take(judged != "high")
    yield scenario(
        primary, effects, key="bias/not-high", group=group, label="without trials at high risk of bias"
    )
    effects = primary.effects.take(np.isin(judged, ("low", "some")))
    label = "only trials judged, and not at high risk of bias"
    yield scenario(primary, effects, key="bias/judged", group=group, label=label)


ROUTE_GROUPS = {
    "before and after": "means before and after",
    "change": "mean changes",
    "final values": "means after treatment only",
    "statistic": "test statistics, odds ratios and counts",
}


def route_scenarios(primary: Primary) -> Iterator[Scenario]:
    """Each kind of printed form left out in turn; means before and after alone; nothing converted to logarithms."""
    effects, title = primary.effects, "How effects were made"
    groups = effects["route_group"].astype(str)
    for group in sorted(set(groups.tolist())):
        label = f"without effects made from {ROUTE_GROUPS.get(group, group)}"
        key = f"route/without/{group.replace(' ', '-')}"
        yield scenario(primary, effects.take(groups != group), key=key, group=title, label=label)
    best = groups == "before and after"
    label = "only effects made from means before and after"
    yield scenario(primary, effects.take(best), key="route/only/before-and-after", group=title, label=label)
    converted = np.array([code.endswith("-to-log") for code in effects["route_code"]])
    label = "without effects converted from raw means to logarithms"
    yield scenario(primary, effects.take(~converted), key="route/without/converted", group=title, label=label)


IMPUTED = {
    "SD": ("sd", "imputed SDs"),
    "n": ("n", "imputed arm sizes"),
    "r": ("r", "imputed pre-post correlations"),
}


def imputation_scenarios(primary: Primary) -> Iterator[Scenario]:
    """Without what was imputed: effects that need it are gone, declared correlations are back. All of it, then kind by kind."""
    if "imputed" not in primary.effects.columns:
        return
    used = {kind for cell in primary.effects["imputed"] for kind in str(cell).split("; ") if kind}
    kinds = [IMPUTED[kind] for kind in IMPUTED if kind in used]
    changes = [(name, f"without {words}", {name: "none"}) for name, words in kinds]
    if len(kinds) != 1:
        changes.insert(0, ("all", "without imputed values", {"sd": "none", "r": "none", "n": "none"}))
    for name, label, off in changes if kinds else ():
        plan = replace(primary.plan, imputation=replace(primary.plan.imputation, **off))  # type: ignore[arg-type]
        yield scenario(
            primary,
            recomputed(primary, plan=plan),
            key=f"imputation/without-{name}",
            group="Imputation",
            label=label,
        )


def time_scenarios(primary: Primary) -> Iterator[Scenario]:
    for time, label in (
        ("post", "results at the end of treatment only"),
        ("follow-up", "follow-up results only"),
    ):
        effects = primary.effects.take(primary.effects["time"] == time)
        yield scenario(primary, effects, key=f"time/{time}", group="Which times", label=label)


def model_scenarios(primary: Primary) -> Iterator[Scenario]:
    """Another sampling variance; one average per trial with Knapp-Hartung; equal effects within trials."""
    group = "Statistical model"
    other: Literal["morris", "large-sample"] = (
        "large-sample" if primary.plan.variance == "morris" else "morris"
    )
    effects = recomputed(primary, plan=replace(primary.plan, variance=other))
    yield scenario(
        primary, effects, key=f"variance/{other}", group=group, label=f"{other} sampling variances"
    )
    label = "no difference between effects of the same trial (study intercepts only)"
    simple = replace(primary.spec, terms=(Intercept(("study",)),))
    yield Scenario(
        "model/study-only",
        group,
        label,
        *_other_model(primary, primary.effects, simple, "sensitivity/model/study-only", label),
    )
    if primary.model is not None:
        label = "one average per trial, random effects, Knapp-Hartung interval"
        averages = aggregate(primary.effects)
        spec = Spec((Intercept(("row",)),), test="knapp-hartung", level=primary.plan.level)
        yield Scenario(
            "model/averages",
            group,
            label,
            *_other_model(primary, averages, spec, "sensitivity/model/averages", label),
        )


def _other_model(
    primary: Primary, effects: Effects, spec: Spec, key: str, label: str
) -> tuple[Estimate, Verdict]:
    if effects.n_studies < 2:
        return unavailable(key, label, "Fewer than two trials.", effects=effects), "unavailable"
    model = fit(effects, spec, design=Design.intercept(effects.k))
    estimate = row_estimate(model, np.ones(1), key=key, label=label, members=effects)
    return estimate, verdict(primary.estimate, estimate)


def aggregate(effects: Effects) -> Effects:
    """One effect per trial: the inverse-covariance weighted mean of its effects and the variance of that mean."""
    parts, y, v = [], [], []
    for study in effects.studies:
        rows = np.flatnonzero(effects.study == study)
        weights = np.linalg.solve(effects.take(rows).covariance(), np.ones(len(rows)))
        v.append(1 / float(np.sum(weights)))
        y.append(float(weights @ effects.y[rows]) * v[-1])
        parts.append(rows[int(np.argmax(effects["n_people"][rows]))])
    kept = replace(effects, blocks=()).take(np.array(parts))
    return replace(kept, y=np.array(y), v=np.array(v))


def leave_one_out(primary: Primary, *, progress: Progress) -> Iterator[Scenario]:
    """The primary analysis without each trial in turn."""
    studies = primary.effects.studies
    if len(studies) < 3:
        return
    arms = ("treatment", "control", "n_treatment", "n_control")  # all that model and counts need
    bare = replace(primary.effects, columns={name: primary.effects[name] for name in arms})
    for done, study in enumerate(studies):
        progress("Leaving each trial out", done, len(studies))
        key, label = f"without/{study}", f"without {study}"
        own = primary.effects.study == study
        people = primary.estimate.n_people - count_people(primary.effects.take(own))
        rest = bare.take(~own)
        estimate = refit(primary, rest, key=f"sensitivity/{key}", label=label, people=people)
        yield Scenario(key, "One trial left out", label, estimate, verdict(primary.estimate, estimate))
