"""From Effects or a Fit and what was asked to the arrays of the likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from ...base.errors import InputError
from ...base.linalg import dependent_columns
from ...base.options import choose
from ...likelihood.basis import once
from ...likelihood.batch import fit_batch
from ...likelihood.selection_family import Family, log_p
from ...likelihood.selection_problem import Selected, selected
from ...likelihood.selection_smooth import smooth_family
from ...likelihood.selection_steps import step_family
from ...records import Design, Effects, Fit, Intercept, Note
from ...records.selection import Alternative, Precision, SelectionKind, Unadjusted

KINDS: tuple[SelectionKind, ...] = get_args(SelectionKind)
ALTERNATIVES: tuple[Alternative, ...] = get_args(Alternative)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
FEW = 3  # p-values in an interval below which its weight rests on next to nothing
SMALL = 10  # effects below which a selection model says little


@dataclass(frozen=True, eq=False)
class Asked:
    """What was asked for, checked."""

    kind: SelectionKind
    steps: tuple[float, ...]
    alternative: Alternative
    weights: np.ndarray | None
    precision: Precision
    decreasing: bool


@dataclass(frozen=True, eq=False)
class Setup:
    """A selection model as arrays. Effects are turned so that selection favours large z.

    sign : 1 or -1; lower, upper : (P,) bounds; tau2 : given value or None; level : of intervals.
    """

    asked: Asked
    effects: Effects
    design: Design
    problem: Selected
    sign: float
    lower: np.ndarray
    upper: np.ndarray
    tau2: float | None
    level: float
    p_values: np.ndarray
    counts: tuple[int, ...]
    unadjusted: Unadjusted
    notes: tuple[Note, ...]

    @property
    def family(self) -> Family:
        return self.problem.family

    @once
    def dependent(self) -> bool:
        """Do studies have several effects?"""
        return self.effects.n_studies < self.effects.k or bool(self.effects.blocks)


@dataclass(frozen=True, eq=False)
class Source:
    """Effects, design, a given tau^2 (None = estimate) and the level."""

    effects: Effects
    design: Design
    tau2: float | None
    level: float
    plain: Unadjusted | None = None


def source_of(source: Fit | Effects) -> Source:
    """What a selection model takes from a fit, or from effects alone."""
    if isinstance(source, Effects):
        return Source(source, Design.intercept(source.k), None, 0.95)
    terms = source.spec.terms
    given: float | None = None
    if source.spec.method == "EE" or not terms:
        given = 0.0
    elif len(terms) == 1 and isinstance(terms[0], Intercept) and terms[0].variance is not None:
        given = float(terms[0].variance)
    if source.spec.scale is not None:
        raise InputError(
            "A location-scale model has no selection model here.",
            code="selection-model",
            advice="Fit a random-effects model or a meta-regression.",
        )
    plain = None
    row = not terms or (len(terms) == 1 and isinstance(terms[0], Intercept) and terms[0].by == ("row",))
    if source.spec.method in ("ML", "EE") and source.spec.test == "z" and row and not source.spec.weights:
        c = source.coefficients
        plain = Unadjusted(c.estimate, c.se, source.components.total, source.loglik)
    return Source(source.effects, source.design, given, source.spec.level, plain)


def check_effects(effects: Effects, design: Design) -> None:
    """Raises InputError for effects that no selection model can take."""
    for name, values in (("effect", effects.y), ("sampling variance", effects.v)):
        wrong = ~np.isfinite(values) | ((values <= 0) if name != "effect" else False)
        if wrong.any():
            raise InputError(
                f"The {name} of {effects.study[int(np.argmax(wrong))]} is {values[int(np.argmax(wrong))]:g}.",
                code="variance-not-positive" if name != "effect" else "effect-not-finite",
                advice="Leave the row out or correct it.",
            )
    dependent = dependent_columns(design.matrix)
    if dependent:
        raise InputError(
            f'Column "{design.names[dependent[0]]}" of the design is a combination of the columns before it.',
            code="dependent-columns",
            advice="Leave it out.",
        )


def dependence_notes(effects: Effects, why: str = "") -> list[Note]:
    """The warning of a method that takes all effects for independent, where studies have several."""
    if effects.n_studies == effects.k:
        return []
    text = "Several effects of a study are counted as independent"
    return [Note("dependent-effects", "warning", f"{text}; {why}." if why else f"{text}.")]


def ask(
    kind: SelectionKind,
    steps: Sequence[float] | None,
    alternative: Alternative,
    *,
    weights: Sequence[float | None] | None,
    precision: Precision,
    decreasing: bool,
) -> Asked:
    """The request with its defaults, or an error that says what is allowed."""
    choose(kind, KINDS, what="Selection function")
    choose(alternative, ALTERNATIVES, what="Alternative")
    choose(precision, PRECISIONS, what="Precision")
    default = {"step": (0.025,), "truncated": (0.0,)}.get(kind, ())
    chosen = default if steps is None else tuple(float(s) for s in steps)
    if not kind.startswith("truncated"):
        chosen = tuple(s for s in chosen if s < 1) if kind != "beta" else chosen
        if list(chosen) != sorted(set(chosen)) or not all(0 < s <= 1 for s in chosen):
            raise InputError(
                f"Steps are p-values in ascending order between 0 and 1; got {chosen}.",
                code="selection-steps",
            )
    if kind in ("truncated", "truncated-estimated") and alternative == "two-sided":
        raise InputError(
            "Truncation of effects has a direction.",
            code="selection-alternative",
            advice='Use "greater" or "less".',
        )
    if precision and kind in ("step", "beta", "truncated", "truncated-estimated"):
        raise InputError(
            f'The selection function "{kind}" has no precision in it.', code="selection-precision"
        )
    given = None if weights is None else np.array([np.nan if w is None else w for w in weights], dtype=float)
    return Asked(kind, chosen, alternative, given, precision, decreasing)


def precision_of(effects: Effects, name: str) -> np.ndarray | None:
    """(k,) imprecision relative to the least precise study."""
    if not name:
        return None
    if name in ("se", "v"):
        values = effects.v if name == "v" else np.sqrt(effects.v)
    else:
        n = _people(effects)
        values = 1 / n if name == "1/n" else 1 / np.sqrt(n)
    return np.asarray(values / values.max())


def _people(effects: Effects) -> np.ndarray:
    for names in (("n",), ("ni",), ("n_treatment", "n_control")):
        if all(name in effects.columns for name in names):
            n = np.sum([np.asarray(effects.columns[name], dtype=float) for name in names], axis=0)
            if np.all(np.isfinite(n) & (n > 0)):
                return np.asarray(n)
    raise InputError(
        "The sizes of the studies are not known.",
        code="selection-precision",
        advice='Give a column "n", or use "se".',
    )


def family_of(asked: Asked, effects: Effects, sign: float) -> Family:
    """The selection function that was asked for."""
    two = asked.alternative == "two-sided"
    if asked.kind in ("truncated", "truncated-estimated"):
        at = sign * asked.steps[0] / np.sqrt(effects.v)
        delta = np.array([1.0, np.nan if asked.weights is None else asked.weights[-1]])
        return step_family(at[:, None], delta)
    if asked.kind == "step":
        j = len(asked.steps) + 1
        delta = np.concatenate([[1.0], np.full(j - 1, np.nan)]) if asked.weights is None else asked.weights
        _check_weights(delta, j, asked)
        weights = tuple(None if np.isnan(w) else float(w) for w in delta)
        return _steps(asked.steps, weights, two, asked.decreasing)
    steps = asked.steps
    threshold = (steps[0], steps[1] if len(steps) > 1 else 1.0) if steps else None
    return smooth_family(
        asked.kind,
        two_sided=two,
        precision=precision_of(effects, asked.precision),
        given=asked.weights,
        threshold=threshold,
    )


@lru_cache(maxsize=64)
def _steps(
    cuts: tuple[float, ...], weights: tuple[float | None, ...], two_sided: bool, decreasing: bool
) -> Family:
    """The same for every data set, so made once. None = estimated."""
    delta = np.array([np.nan if w is None else w for w in weights])
    return step_family(np.array(cuts), delta, two_sided=two_sided, decreasing=decreasing)


def _check_weights(delta: np.ndarray, j: int, asked: Asked) -> None:
    if len(delta) != j or np.isnan(delta[0]) or delta[0] <= 0 or np.any(delta < 0):
        raise InputError(
            f"{j} intervals need {j} weights that are not negative, the first of them positive; got {delta.tolist()}.",
            code="selection-weights",
            advice="None in the place of a weight means that it is estimated.",
        )
    if asked.decreasing and not np.isnan(delta[1:]).all():
        raise InputError("Given weights and decreasing weights exclude each other.", code="selection-weights")


def p_values_of(effects: Effects, alternative: str) -> np.ndarray:
    """(k,) one- or two-sided p-values of the z statistics y / sqrt(v)."""
    z = effects.y / np.sqrt(effects.v)
    return np.asarray(
        np.exp(log_p(-z if alternative == "less" else z, two_sided=alternative == "two-sided")[0])
    )


def interval_counts(p: np.ndarray, steps: Sequence[float]) -> tuple[int, ...]:
    """p-values in (0, a1], (a1, a2] ... (aJ, 1]."""
    place = np.searchsorted(np.asarray(steps, dtype=float), p, side="left")
    return tuple(int(n) for n in np.bincount(place, minlength=len(tuple(steps)) + 1))


def check_counts(asked: Asked, counts: tuple[int, ...], above: int, k: int) -> list[Note]:
    """Refuses weights without data; notes those with little."""
    if asked.kind in ("truncated", "truncated-estimated"):
        counts = (above, k - above)
    needed = _needed(asked, counts)
    split = asked.kind in ("step", "truncated") or (asked.steps and asked.kind != "beta")
    empty = [i for i in needed if counts[i] == 0]
    if split and empty:
        raise InputError(
            f"{_interval_name(asked, empty[0])} holds no study, so the weights cannot be estimated "
            f"(studies in the intervals: {', '.join(map(str, counts))}).",
            code="empty-interval",
            advice="Use other steps, fewer of them, or given weights.",
        )
    few = [i for i in needed if 0 < counts[i] < FEW]
    if asked.kind in ("step", "truncated") and few:
        named = "; ".join(f"{_interval_name(asked, i)}: {counts[i]}" for i in few)
        return [
            Note(
                "few-p-values",
                "warning",
                f"Few studies in an interval ({named}); its weight rests on next to nothing.",
                "Use fewer steps, or given weights as a sensitivity analysis.",
            )
        ]
    return []


def _needed(asked: Asked, counts: tuple[int, ...]) -> list[int]:
    """Intervals that must hold studies: of steps those with estimated weights, and one with a given weight beside them."""
    if asked.weights is not None and not np.isnan(asked.weights).any():
        return []
    if asked.weights is None or asked.kind != "step":
        return list(range(len(counts)))
    given = np.flatnonzero(~np.isnan(asked.weights)).tolist()
    beside = next((i for i in given if counts[i]), given[0])
    return sorted([*np.flatnonzero(np.isnan(asked.weights)).tolist(), beside])


def _interval_name(asked: Asked, i: int) -> str:
    if asked.kind.startswith("truncated"):
        return "The side beyond the cut" if i == 0 else "The side short of the cut"
    ends = (0.0, *asked.steps, 1.0)
    return f"The interval {ends[i]:g} < p <= {ends[i + 1]:g}"


def build(source: Source, asked: Asked) -> Setup:
    """Arrays of a selection model."""
    effects, design, tau2 = source.effects, source.design, source.tau2
    check_effects(effects, design)
    sign = -1.0 if asked.alternative == "less" else 1.0
    p = p_values_of(effects, asked.alternative)
    counts = interval_counts(p, asked.steps if not asked.kind.startswith("truncated") else ())
    turned = sign * effects.y
    beyond = int(np.sum(turned > sign * asked.steps[0])) if asked.steps else effects.k
    notes = check_counts(asked, counts, beyond, effects.k)
    family = family_of(asked, effects, sign)
    notes += _check_size(effects, design.matrix.shape[1] + (tau2 is None) + family.q, family.q)
    problem = selected(turned[None], effects.v[None], design.matrix[None], family=family)
    fixed = 0.0 if tau2 is None else tau2
    p_columns = np.full(design.matrix.shape[1], np.inf)
    lower = np.concatenate([-p_columns, [fixed], family.lower])
    upper = np.concatenate([p_columns, [np.inf if tau2 is None else fixed], family.upper])
    return Setup(
        asked=asked,
        effects=effects,
        design=design,
        problem=problem,
        sign=sign,
        lower=lower,
        upper=upper,
        tau2=tau2,
        level=source.level,
        p_values=p,
        counts=counts,
        unadjusted=source.plain or _plain(effects, design, tau2),
        notes=tuple(notes),
    )


def _check_size(effects: Effects, n_parameters: int, q: int) -> list[Note]:
    """Refuses more parameters than effects; notes few effects."""
    if effects.k < n_parameters:
        raise InputError(
            f"{effects.k} effects cannot estimate {n_parameters} parameters.",
            code="too-few-effects",
            advice="Use given weights.",
        )
    if effects.k >= SMALL or not q:
        return []
    return [
        Note(
            "few-effects",
            "warning",
            f"A selection model of {effects.k} effects says little: its estimates are very uncertain and its tests do not "
            "keep their level.",
        )
    ]


def _plain(effects: Effects, design: Design, tau2: float | None) -> Unadjusted:
    common = design.matrix.shape[1] == 1 and bool((design.matrix == 1).all())
    fit = fit_batch(effects.y, effects.v, None if common else design.matrix, method="ML", tau2=tau2)
    return Unadjusted(
        fit.coefficients[0],
        np.sqrt(np.diagonal(fit.covariance[0])),
        float(fit.tau2[0]),
        float(fit.loglik_ml[0]),
    )
