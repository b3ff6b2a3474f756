"""The questions of the reference paper about the same trials: families, subgroups, moderators, small studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.format import equals, interval, number, p_value, percent, plural
from ..base.options import suggestion
from ..inference import wald_test
from ..models import fit
from ..records import Design, Effects, Estimate, Fit, Moderator, Plan, Question, Spec, TestResult
from .estimates import as_percent, as_slope, mean_row, pooled, row_estimate, unavailable
from .weights import dominant

CONSISTENT_TRIALS = 5
CONSISTENT_SHARE = 0.8
MEASURED = "Measured percent change"
FAMILY_WORDS = {
    "beneficial": ("beneficial immune function", "higher is better"),
    "harmful": ("harmful immune function", "lower is better"),
}


# --- families -----------------------------------------------------------------------------------------------------


def family_question(effects: Effects, ratios: Effects, spec: Spec, family: str) -> Question:
    """One family of outcomes as g, as directly measured percent change, and as the percent that its g implies."""
    title, meaning = FAMILY_WORDS[family]
    key = f"family/{family}"
    members = effects.take(effects["family"] == family)
    g, model = pooled(members, spec, key=key, label=title)
    direct, ratio_model = _direct_percent(
        ratios.take(ratios["family"] == family), spec, key=f"{key}/percent", family=family
    )
    weight, ratio_weight = (dominant(m) if m is not None else "" for m in (model, ratio_model))
    implied = _implied_percent(g, members, key=f"{key}/implied", family=family)
    return Question(
        key,
        "family",
        f"{title.capitalize()} ({meaning})",
        (g, direct, implied),
        answer=_family_answer(title, (g, direct), ratio_weight, level=spec.level),
        notes=(
            *([f"Pooled g: {weight}."] if weight else []),
            *([f"{MEASURED}: {ratio_weight}."] if ratio_weight else []),
            "Percent change compares the treated with the control arm on the ratio scale (log ratio of ratios); it can "
            "be computed only where a trial prints means before and after in both arms.",
            "A pooled percent change averages over different markers. It counts the steady ones most, although they can "
            "change least, so it is no statement about any single marker.",
            "The percent implied by g multiplies g by the median baseline SD of the log markers, taken as known; it "
            "speaks of a typical marker also where no log SD is known, describes the same effects in other words and "
            "is not a second finding.",
        ),
    )


def _direct_percent(ratios: Effects, spec: Spec, *, key: str, family: str) -> tuple[Estimate, Fit | None]:
    label = f"percent change, {FAMILY_WORDS[family][0]} (measured)"
    estimate, model = pooled(ratios, spec, key=key, label=label)
    found = as_percent(estimate, key=key, label=label)
    if not ratios.k:
        return replace(found, reason="No trial prints means before and after in both arms."), None
    if not found.available:
        return found, None
    lower_is_better = family == "harmful"
    share = 1 - estimate.share_in_favour if lower_is_better else estimate.share_in_favour
    return replace(found, share_in_favour=share), model


def _implied_percent(g: Estimate, members: Effects, *, key: str, family: str) -> Estimate:
    label = f"percent change implied by g, {FAMILY_WORDS[family][0]}"
    known, without = baseline_log_sds(members)
    if not len(known):
        return unavailable(
            key, label, "No baseline SD on the log scale is known for these markers.", scale="percent"
        )
    typical = float(np.median(known))
    sign = -1.0 if family == "harmful" else 1.0
    found = as_percent(g, key=key, label=label, factor=sign * typical)
    if not found.available:
        return found
    counted = f"median of {plural(len(known), 'marker')} by trial"
    unknown = f"; unknown for {without} of {members.k} effects" if without else ""
    return replace(found, method=f"{g.method}; log SD {typical:.2f} ({counted}{unknown})")


def baseline_log_sds(members: Effects) -> tuple[np.ndarray, int]:
    """The baseline log SD of each trial, arms and marker once, however many times it was measured afterwards; and the
    number of effects without one.
    """
    names = ("study", "outcome", "treatment", "control")
    found: dict[tuple[str, ...], float] = {}
    for row in np.flatnonzero(np.isfinite(members["log_sd"])):
        found.setdefault(tuple(str(members[name][row]) for name in names), float(members["log_sd"][row]))
    return np.array(list(found.values())), int(np.sum(~np.isfinite(members["log_sd"])))


def _family_answer(title: str, estimates: tuple[Estimate, Estimate], weight: str, *, level: float) -> str:
    g, direct = estimates
    if not g.available:
        return f"{title.capitalize()}: {g.reason}"
    text = f"{title.capitalize()}: g = {number(g.estimate)} {interval(g.ci_low, g.ci_high)} from {plural(g.n_trials, 'trial')}."
    if not direct.available:
        return f"{text} No percent change could be measured. {direct.reason}"
    low, high = percent(direct.ci_low), percent(direct.ci_high)
    return (
        f"{text} Measured on the ratio scale in {plural(direct.n_trials, 'trial')}, "
        f"the change against control was {percent(direct.estimate)} ({100 * level:g}% CI {low} to {high})."
        + (f" {weight[0].upper()}{weight[1:]}." if weight else "")
    )


# --- subgroups ----------------------------------------------------------------------------------------------------


def subgroup_question(effects: Effects, plan: Plan, spec: Spec, column: str) -> Question:
    """Pooled g per level of a column, from one model with common variance components, and the HTZ test of difference.

    A level with one trial has nothing to pool and stays out of model and test.
    """
    title = f"By {column.replace('_', ' ')}"
    key = f"subgroup/{column}"
    if column not in effects.columns:
        reason = f'There is no column "{column}". {suggestion(column, effects.columns)}'.strip()
        return Question(key, "subgroup", title, (unavailable(key, title, reason),), answer=reason)
    labels = effects[column].astype(str)
    levels = _ordered(labels, plan.intervention_classes + plan.outcome_classes)
    big = [level for level in levels if effects.take(labels == level).n_studies > 1]
    model = _level_model(effects, labels, big, spec) if big else None
    estimates = []
    for level in levels:
        members = effects.take(labels == level)
        name = level or "not stated"
        if model is None or level not in big:
            reason = f"One trial only ({members.studies[0]}): nothing to pool."
            estimates.append(unavailable(f"{key}/{name}", name, reason, effects=members))
        else:
            row = np.array([float(level == other) for other in big])
            estimates.append(mean_row(model, row, key=f"{key}/{name}", label=name, members=members))
    test = difference_test(model, len(big)) if model is not None else None
    notes = [
        "One model for all classes: they share the variance between trials.",
        *consistency_lines(estimates),
    ]
    return Question(
        key, "subgroup", title, tuple(estimates), test, _difference_answer(title, test, plan), tuple(notes)
    )


def _ordered(labels: np.ndarray, declared: tuple[str, ...]) -> list[str]:
    present = set(labels.tolist())
    return [level for level in dict.fromkeys(declared) if level in present] + sorted(present - set(declared))


def _level_model(effects: Effects, labels: np.ndarray, levels: list[str], spec: Spec) -> Fit:
    inside = np.isin(labels, levels)
    matrix = (labels[inside][:, None] == np.array(levels, dtype=object)[None, :]).astype(float)
    names = tuple(levels)
    design = Design(matrix, names, "0 + level", {"level": tuple(range(len(names)))})
    return fit(effects.take(inside), spec, design=design)


def difference_test(model: Fit, n_levels: int) -> TestResult | None:
    """HTZ test that all levels have the same mean; None for a single level."""
    if n_levels < 2:
        return None
    contrasts = np.hstack([np.ones((n_levels - 1, 1)), -np.eye(n_levels - 1)])
    return wald_test(model, contrasts, method="HTZ")


def _difference_answer(title: str, test: TestResult | None, plan: Plan) -> str:
    if test is None:
        return f"{title}: fewer than two groups have two or more trials, so no difference can be tested."
    if not np.isfinite(test.p_value):
        return f"{title}: the test of difference is not available. {test.note}".strip()
    figures = f"HTZ F({test.df1:.0f}, {number(test.df2, 1)}) = {number(test.statistic)}, p {equals(p_value(test.p_value))}"
    if test.df2 < 4:
        return f"{title}: too few trials to test for a difference ({figures}); differences between rows are no finding."
    if test.p_value < 1 - plan.level:
        return f"{title}: the groups differ ({figures}). This compares trials, not randomised groups: other differences may explain it."
    return (
        f"{title}: no evidence that the groups differ ({figures}); differences between rows are no finding."
    )


def consistency_lines(estimates: list[Estimate]) -> list[str]:
    """How many trials of each group are in favour, and the word for it; the groups too small for a word share a line."""
    lines = []
    few = []
    for e in estimates:
        if not e.available:
            continue
        favour = f"{round(e.share_in_favour * e.n_trials)} of {plural(e.n_trials, 'trial')} in favour"
        if e.n_trials < CONSISTENT_TRIALS:
            few.append(f"{e.label} ({favour})")
        else:
            limits = interval(e.pi_low, e.pi_high)
            lines.append(f"{e.label}: {favour}; prediction interval {limits}: {consistency(e)}.")
    if few:
        lines.append(f"Too few trials to call the results consistent or not: {', '.join(few)}.")
    return lines


def consistency(e: Estimate) -> str:
    """The word that the numbers of five trials or more allow: consistent needs 80% in favour and a PI above zero."""
    if e.share_in_favour >= CONSISTENT_SHARE and e.pi_low > 0:
        return "consistent"
    if e.share_in_favour >= CONSISTENT_SHARE:
        return "mostly in favour, but a new trial may find no benefit"
    return "mixed"


# --- moderators ---------------------------------------------------------------------------------------------------


def moderator_question(effects: Effects, plan: Plan, spec: Spec, moderator: Moderator) -> Question:
    """One moderator alone: the slope (number) or the levels (category), or why there are too few trials."""
    key = f"moderator/{moderator.column}"
    title = f"Does the effect depend on {moderator.label}?"
    if moderator.column not in effects.columns:
        reason = f'There is no column "{moderator.column}". {suggestion(moderator.column, effects.columns)}'.strip()
        return Question(key, "moderator", title, (unavailable(key, moderator.label, reason),), answer=reason)
    values = effects[moderator.column]
    known = np.isfinite(values) if values.dtype != object else values != ""
    inside = effects.take(known)
    if inside.n_studies < plan.trials_per_moderator:
        reason = f"Too few trials: {inside.n_studies} of {effects.n_studies} report it, and {plan.trials_per_moderator} are needed."
        return Question(
            key,
            "moderator",
            title,
            (unavailable(key, moderator.label, reason, effects=inside, scale="slope"),),
            answer=reason,
        )
    if moderator.kind == "category":
        question = subgroup_question(inside, plan, spec, moderator.column)
        return replace(question, key=key, kind="moderator", title=title)
    if values.dtype == object:
        reason = (
            f'The column "{moderator.column}" holds text; declare kind = "category" to compare its levels.'
        )
        return Question(key, "moderator", title, (unavailable(key, moderator.label, reason),), answer=reason)
    return _slope_question(inside, plan, spec, moderator)


def _slope_question(effects: Effects, plan: Plan, spec: Spec, moderator: Moderator) -> Question:
    key, title = f"moderator/{moderator.column}", f"Does the effect depend on {moderator.label}?"
    x = effects[moderator.column]
    if np.ptp(x) == 0:
        reason = f"All {effects.n_studies} trials have the same value ({x[0]:g})."
        return Question(
            key,
            "moderator",
            title,
            (unavailable(key, moderator.label, reason, effects=effects),),
            answer=reason,
        )
    unit = f"g per {moderator.per:g} {moderator.unit}".strip()
    estimate = slope(
        effects, spec, (x - np.mean(x)) / moderator.per, key=key, label=moderator.label, unit=unit
    )
    span = f"Range in these trials: {np.min(x):g} to {np.max(x):g}"
    figures = f"{number(estimate.estimate)} {interval(estimate.ci_low, estimate.ci_high)} {unit}, p {equals(p_value(estimate.p_value))}"
    if estimate.trust:
        answer = f"Too few trials to say ({figures})."
    elif estimate.p_value < 1 - plan.level:
        answer = f"The effect differs with {moderator.label} ({figures}); a comparison between trials, not proof of cause."
    else:
        answer = f"No evidence that the effect depends on {moderator.label} ({figures})."
    return Question(key, "moderator", title, (estimate,), answer=answer, notes=(f"{span}.",))


def slope(effects: Effects, spec: Spec, x: np.ndarray, *, key: str, label: str, unit: str) -> Estimate:
    """The slope of g on x (k,) in a model with an intercept."""
    design = Design(np.column_stack([np.ones(effects.k), x]), ("intercept", label), f"1 + {label}")
    model = fit(effects, spec, design=design)
    return as_slope(row_estimate(model, np.array([0.0, 1.0]), key=key, label=label, members=effects), unit)


# --- small studies ------------------------------------------------------------------------------------------------


def small_study_question(effects: Effects, plan: Plan, spec: Spec) -> Question:
    """Egger's regression with dependent effects: predictor sqrt(1/nT + 1/nC), CR2 (METHODS M6)."""
    key, title = "small-study", "Do small trials report larger effects?"
    predictor = np.sqrt(1 / effects["n_treatment"] + 1 / effects["n_control"])
    inside = effects.take(np.isfinite(predictor))
    if inside.n_studies < plan.small_study_minimum:
        reason = f"Not tested: {plural(inside.n_studies, 'trial')} with known arm sizes, and {plan.small_study_minimum} are needed."
        return Question(
            key, "small-study", title, (unavailable(key, title, reason, effects=inside),), answer=reason
        )
    x = predictor[np.isfinite(predictor)]
    if np.ptp(x) < 1e-12:
        reason = "Not tested: all trials have the same size."
        return Question(
            key, "small-study", title, (unavailable(key, title, reason, effects=inside),), answer=reason
        )
    found = slope(inside, spec, x, key=key, label="small-study slope", unit="g per unit of sqrt(1/nT + 1/nC)")
    figures = f"slope {number(found.estimate)} {interval(found.ci_low, found.ci_high)}, p {equals(p_value(found.p_value))}"
    if found.trust:
        answer = f"Too few trials to test it reliably ({figures})."
    elif found.p_value < 0.1 and found.estimate > 0:
        answer = f"Smaller trials report larger effects ({figures}): unpublished null results, or other differences of small trials, may inflate the average."
    else:
        answer = f"No clear sign that smaller trials report larger effects ({figures}); with this many trials the test can miss it."
    notes = ("Cluster-robust Egger regression; judged at p < .10 because the test has little power.",)
    return Question(key, "small-study", title, (found,), answer=answer, notes=notes)
