"""Does it last? Late follow-ups pooled, and the fitted course of the effect over time (METHODS M5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.format import interval, number, plural
from ..models import fit, predict
from ..records import Course, Design, Effects, Estimate, Fit, Plan, Question, Spec
from .estimates import as_slope, mean_row, pooled, row_estimate, unavailable
from .questions import slope

CURVE_POINTS = 61
SPLINE_TRIALS = 20
SPLINE_TIMES = 6
TIME_UNIT = "g per unit of log(weeks + 1)"


@dataclass(frozen=True)
class TimeBasis:
    """Columns of a curve over weeks since the end of treatment; `row(w)` gives the design row at w weeks."""

    label: str
    knots: tuple[float, ...] = ()

    def rows(self, weeks: np.ndarray) -> np.ndarray:
        """(m, p) design rows: intercept and log(weeks + 1), plus restricted cubic terms for the spline."""
        x = np.log1p(np.asarray(weeks, dtype=float))
        columns = [np.ones_like(x), x]
        if self.knots:
            columns.append(restricted_cubic(x, np.array(self.knots)))
        return np.column_stack(columns)


def restricted_cubic(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(m, n_knots - 2) restricted cubic spline terms, linear beyond the outer knots.

    Source: Harrell, Regression Modeling Strategies (2nd ed.), eq. 2.25, scaled by the squared knot range.
    """
    last, before = knots[-1], knots[-2]

    def cube(z: np.ndarray) -> np.ndarray:
        cubed: np.ndarray = np.maximum(z, 0.0) ** 3
        return cubed

    terms = [
        (
            cube(x - t)
            - cube(x - before) * (last - t) / (last - before)
            + cube(x - last) * (before - t) / (last - before)
        )
        / (last - knots[0]) ** 2
        for t in knots[:-2]
    ]
    return np.column_stack(terms)


def late(effects: Effects, plan: Plan) -> Effects:
    """Effects measured `persistence_weeks` or more after treatment ended."""
    return effects.take(effects["weeks_after_treatment"] >= plan.persistence_weeks)


def persistence(effects: Effects, plan: Plan, spec: Spec) -> tuple[Question, Course]:
    """The question "does it last?" and the curve behind its figure."""
    weeks = plan.persistence_weeks
    key = "persistence"
    follow_up, _ = pooled(
        late(effects, plan),
        spec,
        key=f"{key}/late",
        label=f"follow-ups {weeks:g} weeks or more after treatment ended",
    )
    timed = effects.take(np.isfinite(effects["weeks_after_treatment"]))
    reason = no_course(timed, plan)
    if reason:
        fitted = unavailable(f"{key}/fitted", f"fitted effect at {weeks:g} weeks", reason, effects=timed)
        estimates: tuple[Estimate, ...] = (follow_up, fitted)
        course = Course()
    else:
        estimates, course = _with_course(timed, plan, spec, follow_up)
    unknown = (
        f"; {effects.k - timed.k} of {effects.k} effects have no known time" if timed.k < effects.k else ""
    )
    notes = [f"Weeks are counted from the end of treatment{unknown}."]
    if reason:
        notes.append(reason)
    words = verdict(follow_up, estimates, weeks)
    answer = _answer(follow_up, words, weeks)
    return Question(key, "persistence", "Does it last?", estimates, answer=answer, notes=tuple(notes)), course


def no_course(timed: Effects, plan: Plan) -> str:
    """Why no curve over time can be fitted; "" if one can."""
    if timed.k == 0 or np.ptp(timed["weeks_after_treatment"]) == 0:
        return "No course over time: the effects were not measured at different times after treatment."
    if timed.n_studies < 4:
        return f"No course over time: only {plural(timed.n_studies, 'trial')} with known times."
    if late(timed, plan).n_studies == 0:
        return f"No course over time: no effect was measured {plan.persistence_weeks:g} weeks or more after treatment."
    return ""


def _with_course(
    timed: Effects, plan: Plan, spec: Spec, follow_up: Estimate
) -> tuple[tuple[Estimate, ...], Course]:
    weeks = timed["weeks_after_treatment"]
    basis = TimeBasis("log(weeks + 1)")
    model = fit(timed, spec, design=_design(basis, weeks))
    at = mean_row(
        model,
        basis.rows(np.array([plan.persistence_weeks]))[0],
        key="persistence/fitted",
        label=f"fitted effect {plan.persistence_weeks:g} weeks after treatment",
        members=timed,
    )
    slope_row = np.array([0.0, 1.0])
    change = as_slope(
        row_estimate(model, slope_row, key="persistence/slope", label="change of g over time", members=timed),
        TIME_UNIT,
    )
    estimates = [follow_up, at, change, *within_between(timed, spec)]
    spline = _spline(timed)
    if spline is not None:
        spline_model = fit(timed, spec, design=_design(spline, weeks))
        row = spline.rows(np.array([plan.persistence_weeks]))[0]
        label = f"the same by a restricted cubic spline ({len(spline.knots)} knots)"
        estimates.append(
            row_estimate(spline_model, row, key="persistence/spline", label=label, members=timed)
        )
    return tuple(estimates), _course(model, basis, timed)


def _design(basis: TimeBasis, weeks: np.ndarray) -> Design:
    matrix = basis.rows(weeks)
    return Design(
        matrix, ("intercept", *(f"time {j}" for j in range(1, matrix.shape[1]))), f"1 + {basis.label}"
    )


def _spline(timed: Effects) -> TimeBasis | None:
    """Three knots at the 10th, 50th and 90th percentile of the distinct times, if there are enough of both."""
    x = np.unique(np.log1p(timed["weeks_after_treatment"]))
    if timed.n_studies < SPLINE_TRIALS or len(x) < SPLINE_TIMES:
        return None
    return TimeBasis("rcs(log(weeks + 1), 3)", tuple(float(q) for q in np.quantile(x, [0.1, 0.5, 0.9])))


def within_between(timed: Effects, spec: Spec) -> tuple[Estimate, ...]:
    """The slope over time split in two: within trials (centred on the trial's mean) and between trials."""
    x = np.log1p(timed["weeks_after_treatment"])
    _, codes = np.unique(timed.study.astype(str), return_inverse=True)
    means = (np.bincount(codes, x) / np.bincount(codes))[codes]
    key = "persistence/within"
    label = "change over time within trials"
    repeated = [s for s in timed.studies if np.ptp(x[timed.study == s]) > 0]
    if len(repeated) < 2:
        reason = f"{plural(len(repeated), 'trial')} measured at more than one time; two are needed."
        return (unavailable(key, label, reason, effects=timed, scale="slope"),)
    if np.ptp(means) == 0:
        return (slope(timed, spec, x - means, key=key, label=label, unit=TIME_UNIT),)
    design = Design(
        np.column_stack([np.ones(timed.k), x - means, means]),
        ("intercept", "within", "between"),
        "1 + within + between",
    )
    model = fit(timed, spec, design=design)
    found = []
    between = "difference between trials measured later and earlier"
    for name, text, row in (("within", label, [0.0, 1.0, 0.0]), ("between", between, [0.0, 0.0, 1.0])):
        estimate = row_estimate(model, np.array(row), key=f"persistence/{name}", label=text, members=timed)
        found.append(as_slope(estimate, TIME_UNIT))
    return tuple(found)


def _course(model: Fit, basis: TimeBasis, timed: Effects) -> Course:
    weeks = np.expm1(np.linspace(0.0, np.log1p(np.max(timed["weeks_after_treatment"])), CURVE_POINTS))
    curve = predict(model, basis.rows(weeks))
    weight = 1.0 / (timed.v + model.components.total)
    weight = weight / np.sum(weight)
    points = tuple(
        (str(s), str(o), float(w), float(y), float(c))
        for s, o, w, y, c in zip(
            timed.study, timed["outcome"], timed["weeks_after_treatment"], timed.y, weight, strict=True
        )
    )
    return Course(
        tuple(weeks.tolist()),
        tuple(curve.estimate.tolist()),
        tuple(curve.ci_low.tolist()),
        tuple(curve.ci_high.tolist()),
        points,
        f"g = a + b {basis.label}, CHE with CR2; band: {100 * model.spec.level:g}% confidence interval",
    )


def verdict(follow_up: Estimate, estimates: tuple[Estimate, ...], weeks: float) -> str:
    """What the late follow-ups can and cannot say, in words; their numbers stand before it."""
    if follow_up.trust:
        return "With so few trials the interval is not trustworthy: whether the effect lasts is not known."
    if follow_up.ci_low > 0:
        return "The benefit is still there."
    if follow_up.ci_high < 0:
        return "The late effect is on the side of harm."
    fitted = next((e for e in estimates if e.key == "persistence/fitted" and e.available), None)
    text = "That includes no effect: persistence is not shown."
    if fitted is None or fitted.trust or fitted.ci_low <= 0:
        return text
    return (
        f"{text} The curve through all times gives {number(fitted.estimate)} "
        f"{interval(fitted.ci_low, fitted.ci_high)} at {weeks:g} weeks, but leans on earlier results."
    )


def _answer(follow_up: Estimate, words: str, weeks: float) -> str:
    if not follow_up.available:
        return f"Whether it lasts {weeks:g} weeks cannot be said. {follow_up.reason}"
    return (
        f"{weeks:g} weeks or more after treatment ended: g = {number(follow_up.estimate)} "
        f"{interval(follow_up.ci_low, follow_up.ci_high)} from {plural(follow_up.n_effects, 'effect')} of "
        f"{plural(follow_up.n_trials, 'trial')}. {words}"
    )
