"""The variance components of a Setup: the scan of starting points, and what the data cannot decide.

The restricted likelihood of few studies with unequal variances can have several maxima, or its only one at zero where
the score hides it. Starting points therefore cover total variances from negligible to the largest that the data allow
and every division of it between the terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..base.errors import InputError
from ..records import Optimum
from ..records.fit import OptimumStatus
from .build import Setup, Unknown
from .climb_lanes import climb_lanes
from .dense import DenseLayout
from .ending import End, least_curvature, limits, status_of, tally
from .gaussian import Evaluation, Problem, evaluate
from .identify import plainly_unidentified, unidentified
from .lanes import has_lanes, lane_model
from .optimise import (
    SCORE_TOLERANCE,
    Box,
    Maximum,
    Objective,
    climb,
    deviations,
    highest,
    maximise,
    observed_information,
)
from .terms import RandomTerm

NAN = float("nan")
SINGULAR = 1e-13  # smallest eigenvalue of a correlation matrix that is zero but for rounding
SURELY = 1e-6  # smallest scaled curvature from which the data tell every parameter
MOST_LANES, MOST_RANKED = 8, 40  # climbs at once, chosen from so many of the highest starting points
MANY_ROWS = 20_000  # beyond this the likelihood is as good as unimodal and one climb is enough
Method = Literal["REML", "ML", "EE"]


@dataclass(frozen=True, eq=False)
class Solution:
    """theta (q,) on the working scale, the likelihood there, how it was found, and what cannot be estimated.

    information : (q, q) negative Hessian at theta (its average form where the exact one is dear); NaN for what is given or
        at a bound. expected : (q, q) at a limit, where it is at hand.
    """

    theta: np.ndarray
    evaluation: Evaluation
    optimum: Optimum
    unknown: Unknown
    information: np.ndarray
    expected: np.ndarray | None = None


def solve(setup: Setup, *, method: Method, start: np.ndarray | None = None) -> Solution:
    """Maximise the likelihood over the free parameters; ``"EE"`` sets them to zero.

    Parameters
    ----------
    start : (q,) warm start on the working scale: one climb from there and no scan (local; for refits).

    Raises
    ------
    InputError ``singular`` if the covariance of the effects is singular whatever the components are.
    """
    if method == "EE":
        return _solve(setup, Unknown(), method=method, start=None)
    plain = plainly_unidentified(setup) if setup.unknown is None else setup.unknown
    found = _solve(setup, plain, method=method, start=start)
    if found.optimum.status == "stopped" and nearly_singular(setup, _probe(setup), SINGULAR):
        _existing(None)
    if setup.unknown is not None or not _doubtful(setup, found, method=method):
        return found
    return resolved(
        found, unidentified(setup), lambda known: _solve(setup, known, method=method, start=start)
    )


def resolved(found: Solution, known: Unknown, again: Callable[[Unknown], Solution]) -> Solution:
    """The solution with all that the data do not tell, found `again` where this sets other parameters to zero."""
    if known.hidden != found.unknown.hidden:
        return again(known)
    if not known:
        return found
    status: OptimumStatus = "stopped" if found.optimum.status == "stopped" else "not-identified"
    return replace(found, unknown=known, optimum=replace(found.optimum, status=status))


def _probe(setup: Setup) -> np.ndarray:
    """(q,) ordinary components: where the covariance is singular there, it always is."""
    problem = setup.problem
    seeds = np.array([parameter.seed for parameter in setup.parameters])
    ordinary = np.clip(seeds, problem.lower, problem.upper)
    return np.asarray(np.where(np.isnan(problem.fixed), ordinary, problem.fixed))


def nearly_singular(setup: Setup, theta: np.ndarray, least: float) -> bool:
    """Is an eigenvalue of the correlations of a block of effects below `least`?"""
    for _, m in setup.problem.layout.covariances(theta):
        size = np.sqrt(np.maximum(np.diagonal(m, axis1=1, axis2=2), 1e-300))
        if np.linalg.eigvalsh(m / size[:, :, None] / size[:, None, :])[:, 0].min() < least:
            return True
    return False


def _estimated(setup: Setup, unknown: Unknown) -> np.ndarray:
    """(q,) parameters that are neither given nor hidden."""
    free: np.ndarray = np.isnan(setup.problem.fixed)
    free[[i for i, _ in unknown.hidden]] = False
    return free


def _doubtful(setup: Setup, found: Solution, *, method: Method) -> bool:
    """May there be components that the data do not tell? Not where the maximum is strict in all parameters, nor where all
    expected informations on variances are independent."""
    if found.optimum.curvature > SURELY and not found.optimum.limits:
        return False
    free = _estimated(setup, found.unknown)
    if not free.any():
        return False
    if not found.optimum.limits and not np.isnan(found.information.diagonal()[free]).any():
        return True
    if found.expected is None or method != "REML":
        return True
    part = found.expected[np.ix_(free, free)]
    return not (part.diagonal() > 0).all() or not least_curvature(part) > SURELY


def _solve(setup: Setup, unknown: Unknown, *, method: Method, start: np.ndarray | None) -> Solution:
    problem, reml = setup.problem, method == "REML"
    hidden = [i for i, _ in unknown.hidden]
    fixed = problem.fixed.copy()
    nothing = np.isnan(fixed) if method == "EE" else np.zeros(len(fixed), dtype=bool)
    nothing[hidden] = True
    fixed[nothing] = np.clip(0.0, problem.lower, problem.upper)[nothing]
    free = np.isnan(fixed)
    box = Box(np.where(free, problem.lower, fixed), np.where(free, problem.upper, fixed), free)

    if not free.any():
        at = _existing(evaluate(problem, fixed, reml=reml))
        status: OptimumStatus = "not-identified" if hidden else "fixed"
        return Solution(fixed, at, Optimum(status), unknown, np.full((len(fixed),) * 2, np.nan))
    ends = (_search_lanes if has_lanes(problem) else _search)(setup, box, start=start, reml=reml)
    best = highest(ends)
    if best is None:
        _existing(None)
        raise AssertionError
    found = best.evaluation
    full = (
        found
        if isinstance(found, Evaluation)
        else _existing(evaluate(problem, best.theta, reml=reml, derivatives=False))
    )
    at_limit = limits(setup, best.theta, free)
    status = status_of(score=best.score, unknown=bool(unknown), at_limit=bool(at_limit))
    optimum = _optimum(status, ends, best, free=free, at_limit=at_limit)
    return Solution(
        best.theta, full, optimum, unknown, _information(best, free), expected=_expected(setup, best)
    )


def _optimum(
    status: OptimumStatus, ends: list[Maximum], best: Maximum, *, free: np.ndarray, at_limit: tuple[str, ...]
) -> Optimum:
    """The record of a search from all that it found."""
    if len(ends) == 1:
        told: tuple[int, int, int, float] = (best.climbs, best.climbs, 1, NAN)
    else:
        told = tally([_end(one, free) for one in ends], next(i for i, one in enumerate(ends) if one is best))
    return Optimum(status, best.iterations, best.score, *told, _curvature(best, free), at_limit)


def _end(one: Maximum, free: np.ndarray) -> End:
    at = one.evaluation
    curvature = _curvature(one, free)
    return End(one.theta, at.loglik, deviations(at), curvature, one.score, one.climbs, one.passed)


def _curvature(one: Maximum, free: np.ndarray) -> float:
    return NAN if one.evaluation.observed is None else least_curvature(_information(one, free))


def _expected(setup: Setup, best: Maximum) -> np.ndarray | None:
    """(q, q) tr(P dM P dM) for a maximum at a limit, where all terms are linear and the observed information is at hand."""
    at = best.evaluation
    if (
        not best.at_bound.any()
        or at.observed is None
        or not all(term.structure.linear for term in setup.terms)
        or np.isnan(at.observed).any()
    ):
        return None
    return np.asarray(2.0 * (2.0 * at.information - at.observed))


def _information(best: Maximum, free: np.ndarray) -> np.ndarray:
    """Negative Hessian over the free parameters inside their bounds, NaN elsewhere."""
    at = best.evaluation
    result = at.information + at.curvature if at.observed is None else at.observed.copy()
    still = best.at_bound | ~free
    result[still] = np.nan
    result[:, still] = np.nan
    return result


def _search(setup: Setup, box: Box, *, start: np.ndarray | None, reml: bool) -> list[Maximum]:
    """The maxima that were found, one climb after the other."""
    problem = setup.problem

    def objective(theta: np.ndarray, derivatives: bool) -> Evaluation | None:
        return evaluate(problem, theta, reml=reml, derivatives=derivatives)

    if start is not None:
        best = climb(objective, start, box)
        if best is not None and best.score <= SCORE_TOLERANCE:
            return [best]
    points = starting_points(setup, box)
    values = _scan(problem, points, objective=objective, reml=reml)
    ends = maximise(
        objective, list(_ranked(setup, box, points, values)), box, most_climbs=_most_climbs(problem, box)
    )
    return [_with_hessian(objective, one, box) if one is highest(ends) else one for one in ends]


def _with_hessian(objective: Objective, best: Maximum, box: Box) -> Maximum:
    """The maximum with its exact curvature, by differences of the analytic score."""
    at = best.evaluation
    moving = box.free & ~best.at_bound
    if at.observed is not None or not isinstance(at, Evaluation) or not moving.any():
        return best
    found = observed_information(objective, best.theta, at=at, moving=moving, box=box)
    if found is None:
        return best
    observed = np.full((len(moving),) * 2, np.nan)
    observed[np.ix_(moving, moving)] = found
    return replace(best, evaluation=replace(at, observed=observed))


def _search_lanes(setup: Setup, box: Box, *, start: np.ndarray | None, reml: bool) -> list[Maximum]:
    """The same with all climbs at once."""
    problem = setup.problem
    assert isinstance(problem.layout, DenseLayout)
    model = lane_model(problem, problem.layout, reml=reml)
    if start is not None:
        found = climb_lanes(model, start[None], box)
        if found and found[0].score <= SCORE_TOLERANCE:
            return found[:1]
    points = starting_points(setup, box)
    ranked = _ranked(setup, box, points, model.loglik(points))[:MOST_RANKED]
    starts = ranked[_apart(model.coordinates(ranked))] if len(ranked) else ranked
    return climb_lanes(model, starts, box) if len(starts) else []


def _apart(g: np.ndarray) -> list[int]:
    """Up to `MOST_LANES` rows of g (n, C), in their order, none within a third of an earlier one."""
    columns = np.ascontiguousarray(g.T)  # the largest of each entry: by whole rows of the longer axes
    gap = np.abs(columns[:, :, None] - columns[:, None]).max(axis=0)
    size = 0.35 * np.abs(columns).max(axis=0)
    far = gap >= np.maximum(size[:, None], size)
    left = np.ones(len(g), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < MOST_LANES and left.any():
        first = int(left.argmax())
        chosen.append(first)
        left &= far[first]
        left[first] = False
    return chosen


def _existing(at: Evaluation | None) -> Evaluation:
    if at is None:
        raise InputError(
            "The covariance matrix of the effects is singular.",
            code="singular",
            advice="Look for sampling variances of zero and correlations of one.",
        )
    return at


def _most_climbs(problem: Problem, box: Box) -> int:
    if problem.k > MANY_ROWS:
        return 1
    return 3 if problem.k > 200 or box.free.sum() > 2 else 6


def starting_points(setup: Setup, box: Box) -> np.ndarray:
    """(G, q) thetas to look at: total variance x division between the terms x seeds of the correlations."""
    problem, parameters = setup.problem, setup.parameters
    terms = _free_terms(setup, box)
    totals, shares = _totals(problem, simple=_is_simple(setup, box)), _shares(terms)
    units = np.array([p.unit for p in parameters])
    divided = np.array([[share.get(p.term, 0.0) for p in parameters] for share in shares])
    size = np.where(units > 0, (totals[:, None, None] * divided) ** (units / 2), 1.0)
    seeds = _seeds(setup.terms)
    points = (seeds[:, None] * size.reshape(-1, len(parameters))).reshape(-1, len(parameters))
    nothing = np.where(units > 0, 0.0, seeds[0])
    if _is_simple(setup, box):
        points = np.concatenate([np.tile(nothing, (len(shares), 1)), points])
    else:
        points = np.concatenate([nothing[None], points])
    return np.where(box.free, np.clip(points, problem.lower, problem.upper), box.lower)


def _seeds(terms: tuple[RandomTerm, ...]) -> np.ndarray:
    """(S, q) seeds of all terms side by side: the n-th of each, the first where a term has fewer."""
    each = [term.structure.seeds() for term in terms]
    most = max(len(one) for one in each)
    return np.concatenate(
        [np.concatenate([one, np.repeat(one[:1], most - len(one), 0)]) for one in each], axis=1
    )


def _free_terms(setup: Setup, box: Box) -> list[int]:
    return sorted({p.term for p, f in zip(setup.parameters, box.free, strict=True) if f})


def _is_simple(setup: Setup, box: Box) -> bool:
    """Are there one or two variances only, so that the points are a grid of totals and divisions?"""
    return len(_free_terms(setup, box)) <= 2 and all(p.unit == 2 for p in setup.parameters)


def _ranked(setup: Setup, box: Box, points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, q) thetas to climb from, best first: the local maxima of the scan (all of it, where terms are too many for
    divisions to have neighbours)."""
    if _is_simple(setup, box):
        shares = len(_shares(_free_terms(setup, box)))
        values = np.where(_is_peak(values.reshape(-1, shares)).ravel(), values, -np.inf)
    order = np.argsort(-values, kind="stable")
    return np.asarray(points[order[np.isfinite(values[order])]])


def _scan(problem: Problem, thetas: np.ndarray, *, objective: Objective, reml: bool) -> np.ndarray:
    """(G,) log-likelihoods, minus infinity where there is none."""
    found = [objective(theta, False) for theta in thetas]
    return np.array([-np.inf if at is None else at.loglik for at in found])


def _is_peak(values: np.ndarray) -> np.ndarray:
    """Is each value of a grid (totals, shares) at least as high as its up to eight neighbours? Once for a total of 0."""
    padded = np.pad(values, 1, constant_values=-np.inf)
    rows, columns = values.shape
    around = [
        padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if i or j
    ]
    peak = np.all([values >= other for other in around], axis=0)
    peak[0] = False
    peak[0, 0] = bool(values[0, 0] >= np.max(values[1]))
    return np.asarray(peak)


def _totals(problem: Problem, *, simple: bool) -> np.ndarray:
    """Geometric grid from a thirtieth of the smallest sampling variance to the spread of the outcomes."""
    variances = problem.layout.sampling_variances()
    positive = variances[variances > 0]
    low = 0.03 * float(np.min(positive)) if len(positive) else 1e-3
    rest = problem.y - problem.basis @ (problem.basis.T @ problem.y)
    high = 2.0 * float(np.max(rest**2, initial=0.0))
    low = max(low, 1e-9 * high)
    if high <= low:
        return np.array([low])
    few = not simple or problem.k > MANY_ROWS
    count = 5 if few else 16 if problem.k > 500 else 24
    step = math.log(high / low) / (count - 1)
    return np.asarray(low * np.exp(step * np.arange(count)))


def _shares(terms: list[int]) -> list[dict[int, float]]:
    """Divisions of the total. One or two terms: in the order of the first one's share; more: equal, alone, mostly."""
    if len(terms) == 1:
        return [{terms[0]: 1.0}]
    if len(terms) == 2:
        return [{terms[0]: s, terms[1]: 1.0 - s} for s in (0.0, 0.1, 0.35, 0.65, 0.9, 1.0)]
    equal = {term: 1.0 / len(terms) for term in terms}
    alone = [{term: 1.0} for term in terms]
    mostly = [{t: 0.85 if t == term else 0.15 / (len(terms) - 1) for t in terms} for term in terms]
    return [equal, *alone, *mostly]
