"""Would you believe it? What is asked of the pooled answer: questions, each with the record behind its table and figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan, nan

import numpy as np

from ..base.errors import InputError
from ..base.format import equals, interval, number, p_value, plural
from ..diagnostics import cumulative, influence
from ..diagnostics.selection.model import selection_model
from ..diagnostics.selection.worst_case import worst_case
from ..diagnostics.small_study import pet_peese, trim_and_fill
from ..models import study_averages
from ..records import Coefficients, Cumulative, Effects, Estimate, Fit, Influence, Interval, Question
from ..records.plan import CredibilityName
from ..records.selection import WorstCase
from . import calibration as calibrated
from . import multiverse as many
from .estimates import LOW_DF, LOW_DF_CAVEAT, unavailable
from .load import Loaded
from .sensitivity import Primary, Progress

KIND = "credibility"
# In a run, large reviews get fewer simulated reviews and, unless the protocol declares its own alternatives, a sample of
# the specifications; `consilience calibrate` and `consilience multiverse` do as many as they are asked for.
SIMULATED_ROWS, FEWEST_REPLICATES = 500_000, 100
SPECIFIED_ROWS, FEWEST_SPECIFICATIONS = 750_000, 100
HALF, FIFTH = 2.0, 5.0  # how many times likelier a significant result is published
SHOWN_NAMES = 5
FEW_CLUSTERS = "These limits take the normal distribution and can be too narrow with few trials; selection_bootstrap draws whole trials anew."


@dataclass(frozen=True, eq=False)
class Looked:
    """The questions in the order of the protocol, and name -> record of the diagnostic."""

    questions: tuple[Question, ...] = ()
    records: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Case:
    """A primary analysis that has an answer, and the review it comes from."""

    primary: Primary
    model: Fit
    review: Loaded
    progress: Progress


Found = tuple[Question, dict[str, object]]


def credibility(primary: Primary, review: Loaded, *, progress: Progress) -> Looked:
    """Everything that the protocol asks of the answer before it is believed; nothing where there is no answer."""
    if primary.model is None or not primary.estimate.available:
        return Looked()
    case = Case(primary, primary.model, review, progress)
    questions: list[Question] = []
    records: dict[str, object] = {}
    wanted = [name for name in CHECKS if name in primary.plan.credibility]
    for done, name in enumerate(wanted):
        progress("Can it be believed", done, len(wanted))
        question, found = CHECKS[name](case)
        questions.append(question)
        records |= found
    return Looked(tuple(questions), records)


def _question(
    name: str, title: str, answer: str, *estimates: Estimate, notes: tuple[str, ...] = ()
) -> Question:
    return Question(f"{KIND}/{name}", KIND, title, estimates, answer=answer, notes=notes)


def _estimate(
    case: Case, name: str, label: str, found: Interval, tested: tuple[float, float, float] = (nan, nan, nan)
) -> Estimate:
    """An adjusted average beside the primary one: the same trials, effects and people. tested : its SE, df and p."""
    e = case.primary.estimate
    se, df, p = tested
    return Estimate(
        f"{KIND}/{name}",
        label,
        estimate=found.estimate,
        se=se,
        ci_low=found.low,
        ci_high=found.high,
        df=df,
        p_value=p,
        n_trials=e.n_trials,
        n_effects=e.n_effects,
        n_people=e.n_people,
        n_unsized=e.n_unsized,
        trust=LOW_DF_CAVEAT if df < LOW_DF else "",
    )


# --- one trial ------------------------------------------------------------------------------------------------------


def influence_check(case: Case) -> Found:
    """Deletion diagnostics by trial, with what is left of the answer without those that are flagged."""
    title = "Does one trial carry the answer?"
    if case.primary.estimate.n_trials < 3:
        return _question("influence", title, "Too few trials to leave one out."), {}
    record = influence(case.model, by="study")
    return _question("influence", title, influence_words(record)), {"influence": record}


def influence_words(record: Influence) -> str:
    """Which trials are flagged, and in what way."""
    n = record.n
    strong = [record.label[i] for i in np.flatnonzero(record.influential)]
    odd = [record.label[i] for i in np.flatnonzero(record.outlier & ~record.influential)]
    if not strong and not odd:
        return f"No: none of {n} trials is influential or an outlier by the usual rules."
    parts = []
    if strong:
        verb = "moves" if len(strong) == 1 else "move"
        parts.append(
            f"{_names(strong)} {verb} the result more than the rule for influence allows; the leave-one-out analyses "
            "show what is left without each"
        )
    if odd:
        verb = (
            "is further from the others than chance explains"
            if len(odd) == 1
            else "are further from the others than chance explains"
        )
        parts.append(f"{_names(odd)} {verb}")
    return f"{'. '.join(parts)}. A flag asks for a look at the trial, not for its removal."


def _names(names: list[str]) -> str:
    if len(names) > SHOWN_NAMES:
        return f"{', '.join(names[:SHOWN_NAMES])} and {len(names) - SHOWN_NAMES} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def cumulative_check(case: Case) -> Found:
    """The answer as trials were published."""
    title = "How has the answer developed?"
    years = case.model.effects.columns.get("year")
    known = np.zeros(0) if years is None else np.unique(years[np.isfinite(years)])
    if len(known) < 2:
        return _question("cumulative", title, "The trials have no years of publication to be ordered by."), {}
    record = cumulative(case.model, order="year", by="study", ties="together")
    return _question("cumulative", title, cumulative_words(record)), {"cumulative": record}


def cumulative_words(record: Cumulative) -> str:
    """Since when the average has been on its side of zero with its interval, and how far it moved since half-time."""
    final = np.sign(record.whole[0])
    excludes = (record.ci_low[:, 0] > 0) if final > 0 else (record.ci_high[:, 0] < 0)
    half = record.estimate[record.n // 2 :, 0]
    half = half[np.isfinite(half)]
    moved = f"From {record.value[record.n // 2]} on the average itself has lain between {number(float(half.min()))} and {number(float(half.max()))}."
    if not excludes[-1]:
        return f"Adding the trials by year, the average's interval still includes zero at the end. {moved}"
    first = record.n - 1
    while first and excludes[first - 1]:
        first -= 1
    side = "above" if final > 0 else "below"
    return f"Adding the trials by year, the average's interval has lain {side} zero since {record.value[first]}. {moved}"


# --- what may not have been published -------------------------------------------------------------------------------


def _too_few(case: Case) -> str:
    """Why nothing is said of unpublished results, "" where there are enough trials."""
    n, needed = case.primary.estimate.n_trials, case.primary.plan.small_study_minimum
    return f"Not examined: {plural(n, 'trial')}, and {needed} are needed." if n < needed else ""


def trial_averages(model: Fit) -> Effects:
    """One effect a trial: its average under the model, with the average's own sampling variance."""
    found = study_averages(model)
    return Effects(found.estimate, found.se**2, np.array(found.study, dtype=object), model.effects.measure)


def small_study_check(case: Case) -> Found:
    """The average adjusted for small-study effects: PET-PEESE in the primary model, trim and fill of trial averages."""
    title = "What would be left without small-study effects?"
    reason = _too_few(case)
    if reason:
        key = f"{KIND}/pet-peese"
        return _question("small-study", title, reason, unavailable(key, "PET-PEESE", reason)), {}
    records: dict[str, object] = {}
    estimates = [_pet_peese(case, records), _trim_and_fill(case, records)]
    return _question("small-study", title, adjusted_words(case, estimates), *estimates), records


def _pet_peese(case: Case, records: dict[str, object]) -> Estimate:
    try:
        # standard errors of g depend on g itself; arm sizes do not (METHODS M6)
        pet = pet_peese(case.model, predictor="arms")
    except InputError as refused:
        return unavailable(f"{KIND}/pet-peese", "PET-PEESE", str(refused))
    records["pet-peese"] = pet
    line = pet.estimate
    return _estimate(
        case,
        "pet-peese",
        f"PET-PEESE ({pet.chosen} taken)",
        Interval(line.estimate, line.ci_low, line.ci_high),
        (line.se, line.df, line.p_value),
    )


def _trim_and_fill(case: Case, records: dict[str, object]) -> Estimate:
    try:
        filled = trim_and_fill(trial_averages(case.model))
    except InputError as refused:
        return unavailable(f"{KIND}/trim-and-fill", "trim and fill", str(refused))
    records["trim-and-fill"] = filled
    label = f"trim and fill of trial averages ({plural(filled.k0, 'trial')} added)"
    return _of_coefficients(case, "trim-and-fill", label, filled.filled.coefficients)


def _of_coefficients(case: Case, name: str, label: str, c: Coefficients) -> Estimate:
    """The first coefficient of a diagnostic's own model."""
    found = Interval(float(c.estimate[0]), float(c.ci_low[0]), float(c.ci_high[0]))
    return _estimate(case, name, label, found, (float(c.se[0]), float(c.df[0]), float(c.p_value[0])))


def adjusted_words(case: Case, estimates: list[Estimate]) -> str:
    """Unadjusted and adjusted averages side by side."""
    parts = [
        f"{e.label} {number(e.estimate)} {interval(e.ci_low, e.ci_high)}" for e in estimates if e.available
    ]
    if not parts:
        return " ".join(e.reason for e in estimates)
    return (
        f"The average of {number(case.primary.estimate.estimate)} becomes, by {'; by '.join(parts)}. These adjustments are "
        "rough with few trials, and small trials may differ from large ones for other reasons than what was published."
    )


def selection_check(case: Case) -> Found:
    """The three-parameter selection model of all effects, cluster-robust by trial."""
    title = "What if significant results were more likely to be published?"
    key, label = f"{KIND}/selection", "selection model (one step at one-sided p = .025)"
    reason = _too_few(case)
    if not reason:
        try:
            model = selection_model(case.model)
        except InputError as refused:
            reason = f"Not examined: {refused}"
    if reason:
        return _question("selection", title, reason, unavailable(key, label, reason)), {}
    c = model.coefficients
    found = _of_coefficients(case, "selection", label, c)
    chance = float(model.weights.estimate[-1])
    # limits on the scale of the logarithm, as in the figure: a symmetric interval of a ratio is cut off at zero
    low, high = float(model.curve.low[-1]), float(model.curve.high[-1])
    answer = (
        f"By a model of selective publication, results that are not significant in the direction of benefit were published "
        f"{number(chance)} {interval(low, high)} times as often as significant ones, and the "
        f"average over published and unpublished results is {number(found.estimate)} {interval(found.ci_low, found.ci_high)}."
    )
    if model.test is not None:
        sign = "a" if model.test.p_value < 0.1 else "no clear"
        answer += (
            f" There is {sign} sign of selection (likelihood ratio p {equals(p_value(model.test.p_value))})."
        )
    notes = tuple(dict.fromkeys(n.message for n in model.notes))
    if model.covariance_kind == "cluster-robust":
        notes += (FEW_CLUSTERS,)
    return _question("selection", title, answer, found, notes=notes), {"selection": model}


def worst_case_check(case: Case) -> Found:
    """Publication bias that would explain the answer away (Mathur & VanderWeele 2020)."""
    title = "How strong would publication bias have to be to explain it away?"
    e = case.primary.estimate
    if _too_few(case):
        return _question("worst-case", title, _too_few(case)), {}
    try:
        record = worst_case(case.model, etas=(HALF, FIFTH))
    except InputError as refused:
        return _question("worst-case", title, f"Not examined: {refused}"), {}
    words = {HALF: "half as often", FIFTH: "a fifth as often"}
    estimates = [
        _estimate(
            case,
            f"eta-{eta:g}",
            f"results that are not significant in the average's direction published {words[eta]}",
            Interval(*(float(a[i]) for a in (record.estimate, record.low, record.high))),
        )
        for eta in words
        for i in np.flatnonzero(record.etas == eta)[:1]
    ]
    if record.worst is not None:
        label = "worst case: only results that are not significant in the average's direction"
        estimates.append(_estimate(case, "worst-case", label, record.worst))
    estimates.append(
        _estimate(case, "uncorrected", "the same working model without such bias", record.uncorrected)
    )
    answer = worst_case_words(record, e, estimates)
    working = (
        "These averages weigh each effect by itself (one variance of true effects, cluster-robust intervals)."
    )
    notes = (working, *(n.message for n in record.notes))
    return _question("worst-case", title, answer, *estimates, notes=notes), {"worst-case": record}


def worst_case_words(record: WorstCase, primary: Estimate, estimates: list[Estimate]) -> str:
    """Half as often; then what it takes to bring the interval, and the average, to zero."""
    parts = []
    if estimates and estimates[0].key.endswith(f"eta-{HALF:g}"):
        half = estimates[0]
        parts.append(
            "If results that are not significant in the direction of the average were published half as often as the others, "
            f"the average would be {number(half.estimate)} {interval(half.ci_low, half.ci_high)}, "
            f"where the same working model finds {number(record.uncorrected.estimate)} without such bias."
        )
    includes = primary.ci_low <= 0 <= primary.ci_high
    if includes:
        parts.append("The interval of the average includes zero without any bias.")
    elif record.s_value_limit <= 1:
        parts.append("In this working model the interval includes zero without any bias.")
    elif np.isinf(record.s_value_limit):
        parts.append("No amount of such bias would bring its interval to zero.")
    else:
        parts.append(
            f"For its interval to reach zero, significant results would have to be {number(record.s_value_limit, 1)} times as "
            "likely to be published as others."
        )
    if np.isinf(record.s_value):
        parts.append(
            "No amount of such bias would bring the average itself to zero: the results that are not significant still "
            f"average {number(record.worst.estimate)} alone."
            if record.worst is not None
            else "No amount of it would bring the average itself to zero."
        )
    elif not isnan(record.s_value) and not includes:
        parts.append(f"For the average itself it would take {number(record.s_value, 1)} times.")
    return " ".join(parts)


# --- the interval, and the choices ----------------------------------------------------------------------------------


def calibration_check(case: Case) -> Found:
    """What the interval does in simulated reviews like this one; large reviews get fewer of them."""
    plan, k = case.primary.plan, case.model.effects.k
    replicates = max(FEWEST_REPLICATES, min(plan.replicates, SIMULATED_ROWS // k))
    title = "Does the interval keep its promise?"
    try:
        record = calibrated.calibration_of(case.model, plan, case.progress, replicates=replicates)
    except InputError as refused:
        return _question("calibration", title, f"Not examined: {refused}"), {}
    return _question("calibration", title, " ".join(calibrated.sentences(record))), {"calibration": record}


def multiverse_check(case: Case) -> Found:
    """Every combination of the choices that the protocol calls defensible."""
    plan, k = case.primary.plan, case.model.effects.k
    chosen = plan.multiverse
    if not chosen.declared:
        most = max(FEWEST_SPECIFICATIONS, min(chosen.most, SPECIFIED_ROWS // k))
        plan = replace(plan, multiverse=replace(chosen, most=most))
    record = many.multiverse_of(
        case.review, replace(case.primary, plan=plan), progress=case.progress, workers=1
    )
    title = "Do other defensible choices lead to the same answer?"
    return _question("multiverse", title, many.sentence(record)), {"multiverse": record}


CHECKS: Mapping[CredibilityName, Callable[[Case], Found]] = {
    "influence": influence_check,
    "cumulative": cumulative_check,
    "small-study": small_study_check,
    "selection": selection_check,
    "worst-case": worst_case_check,
    "calibration": calibration_check,
    "multiverse": multiverse_check,
}
