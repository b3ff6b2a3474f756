"""Trim and fill: how many studies would make the funnel symmetric, and the pooled effect with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ...base.errors import InputError
from ...base.options import choose
from ...models import fit
from ...records import Design, Effects, Fit, Intercept, Note, Spec
from ...records.small_study import NAN, Side, TrimAndFill
from .studies import Question, question_of

MOST_ROUNDS = 100


def _l0(k: int, s: float, run: float) -> float:
    return (4 * s - k * (k + 1)) / (2 * k - 1)


def _r0(k: int, s: float, run: float) -> float:
    return run - 1


def _q0(k: int, s: float, run: float) -> float:
    inside = 2 * k * k - 4 * s + 0.25
    if inside < 0:
        raise InputError(
            "The estimator Q0 does not exist for these data: it is the root of a negative number.",
            code="q0-not-defined",
            advice="Use L0 or R0.",
        )
    return k - 0.5 - float(np.sqrt(inside))


# name -> number of missing studies from k, the rank sum of the right half and the length of the rightmost run
ESTIMATORS: dict[str, Callable[[int, float, float], float]] = {"L0": _l0, "R0": _r0, "Q0": _q0}


def trim_and_fill(
    data: Fit | Effects,
    *,
    estimator: Literal["L0", "R0", "Q0"] = "L0",
    side: Side | Literal["auto"] = "auto",
    spec: Spec | None = None,
) -> TrimAndFill:
    """Duval and Tweedie's trim and fill.

    With the centre of the trimmed funnel, ranks of |y - centre| over all k effects, S the rank sum of those on the
    far side and g the length of the run of highest ranks there: L0 = {4 S - k(k+1)}/(2k - 1), R0 = g - 1,
    Q0 = k - 1/2 - sqrt(2 k^2 - 4 S + 1/4), rounded and not below 0; trimmed and centred anew until k0 stays.
    Then the k0 outermost effects are mirrored. It assumes that the most extreme effects are missing; where they are not,
    the filled effect is no better than the observed one.

    Parameters
    ----------
    data : a fit of a pooled mean (its model is used), or effects. side : where studies are missing; ``"auto"`` = left
        where effects rise with their standard error, in the fit's own model, else right.
    spec : the model instead of the fit's; for effects the default is random effects, REML, Knapp-Hartung.

    Raises
    ------
    InputError ``dependent-effects``, ``moderators``, ``q0-not-defined``, ``weights-not-valid``, ``too-few-studies``.

    Source: Duval & Tweedie (2000a), JASA 95:89; (2000b), Biometrics 56:455.
    """
    choose(estimator, ESTIMATORS, what="Estimator")
    question = question_of(data)
    chosen = _allowed(question, spec)
    original = fit(question.effects, chosen, design=question.design)
    given = choose(side, ("left", "right", "auto"), what="Side") != "auto"
    where: Side = ("left" if side == "left" else "right") if given else _side(question, chosen)
    sign = -1.0 if where == "right" else 1.0  # effects turned so that studies are missing on the left
    order = np.argsort(sign * question.effects.y, kind="stable")
    raw, k0, centre, rounds, notes = _trim(question, chosen, (order, sign), ESTIMATORS[estimator])
    outer = order[len(order) - k0 :]
    added_y = 2 * sign * centre - question.effects.y[outer]
    added_v = question.effects.v[outer]
    se, p = _uncertainty(estimator, len(order), raw)
    return TrimAndFill(
        estimator=estimator,
        side=where,
        side_given=given,
        k0=k0,
        se_k0=se,
        p_k0=p,
        centre=sign * centre,
        mirrored=outer,
        added_y=added_y,
        added_v=added_v,
        original=original,
        filled=_filled(question, chosen, added_y, added_v) if k0 else original,
        iterations=rounds,
        notes=notes,
    )


def _allowed(question: Question, spec: Spec | None) -> Spec:
    question.independent("Trim and fill")
    matrix = question.design.matrix
    if matrix.shape[1] > 1 or not (matrix == 1).all():
        raise InputError("Trim and fill is for a pooled mean; this fit has moderators.", code="moderators")
    if question.effects.k < 3:
        raise InputError("Trim and fill needs three studies.", code="too-few-studies")
    chosen = spec or question.spec or Spec.random_effects()
    if chosen.weights not in ("", "equal") or chosen.scale is not None:
        raise InputError("The filled studies would have no weight of their own.", code="weights-not-valid")
    if chosen.terms and not (len(chosen.terms) == 1 and isinstance(chosen.terms[0], Intercept)):
        raise InputError("Trim and fill knows one random effect per study.", code="dependent-effects")
    return chosen


def _side(question: Question, spec: Spec) -> Side:
    """Left where effects rise with their standard error."""
    effects = question.effects
    design = Design(np.column_stack([np.ones(effects.k), np.sqrt(effects.v)]), ("intercept", "se"), "1 + se")
    try:
        slope = float(fit(effects, spec, design=design).coefficients.estimate[1])
    except InputError:  # all studies equally precise
        slope = 0.0
    return "right" if slope < 0 else "left"


def _trim(
    question: Question,
    spec: Spec,
    turned: tuple[np.ndarray, float],
    estimate: Callable[[int, float, float], float],
) -> tuple[float, int, float, int, tuple[Note, ...]]:
    """Estimate of k0 as it is and as a count, centre (turned), rounds and notes."""
    order, sign = turned
    effects, k = question.effects, len(order)
    k0, seen = 0, [0]
    notes: tuple[Note, ...] = ()
    for rounds in range(1, MOST_ROUNDS + 1):
        kept = effects.take(np.sort(order[: k - k0]))
        centre = sign * float(fit(kept, spec).coefficients.estimate[0])
        deviation = sign * effects.y[order] - centre
        rank = np.empty(k)
        rank[np.argsort(np.abs(deviation), kind="stable")] = np.arange(1, k + 1)
        far = deviation > 0
        s, run = float(rank[far].sum()), float(k - rank[deviation < 0].max(initial=0.0))
        raw = estimate(k, s, run)
        new = min(max(0, round(raw)), k - 2)
        if new == k0:
            return raw, k0, centre, rounds, notes
        if new in seen[:-1]:  # it would go round in circles
            text = f"The number of missing studies alternates between {k0} and {new}; the larger was taken."
            notes = (Note("trim-and-fill-cycle", "warning", text),)
            if k0 > new:
                return raw, k0, centre, rounds, notes
        k0 = new
        seen.append(new)
    raise InputError("The number of missing studies did not settle.", code="no-convergence")


def _uncertainty(estimator: str, k: int, k0: float) -> tuple[float, float]:
    """Standard error at the estimate before it is rounded, and for R0 the p-value of no missing study."""
    if estimator == "R0":
        k0 = max(k0, 0.0)
        return float(np.sqrt(2 * k0 + 2)), float(0.5 ** (k0 + 1))
    spread = k * (k + 1) * (2 * k + 1) + 10 * k0**3 + 27 * k0**2 + 17 * k0 - 18 * k * k0**2 - 18 * k * k0
    variance = max(0.0, (spread + 6 * k**2 * k0) / 24)  # of the rank sum
    if estimator == "L0":
        return 4 * float(np.sqrt(variance)) / (2 * k - 1), NAN
    left = (k - 0.5) ** 2 - k0 * (2 * k - k0 - 1)
    return 2 * float(np.sqrt(variance / left)), NAN


def _filled(question: Question, spec: Spec, y: np.ndarray, v: np.ndarray) -> Fit:
    old = question.effects
    names = np.array([f"filled {i + 1}" for i in range(len(y))], dtype=object)
    effects = Effects(
        np.concatenate([old.y, y]),
        np.concatenate([old.v, v]),
        np.concatenate([old.study, names]),
        old.measure,
    )
    return fit(effects, spec)
