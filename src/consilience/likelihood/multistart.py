"""The variance components of a Setup: the scan of starting points, and what the data cannot decide.

The restricted likelihood of few studies with unequal variances can have several maxima, or its only one at zero where
the score hides it. Starting points therefore cover total variances from negligible to the largest that the data allow
and every division of it between the terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.errors import InputError
from ..records import Optimum
from ..records.fit import OptimumStatus
from .build import Setup, Unknown
from .climb_lanes import climb_lanes
from .dense import DenseLayout
from .gaussian import Evaluation, Problem, evaluate
from .identify import unidentified
from .lanes import has_lanes, lane_model
from .optimise import SCORE_TOLERANCE, Box, Maximum, Objective, climb, maximise
from .terms import RandomTerm

MOST_LANES, MOST_RANKED = 8, 40  # climbs at once, chosen from so many of the highest starting points
MANY_ROWS = 20_000  # beyond this the likelihood is as good as unimodal and one climb is enough
Method = Literal["REML", "ML", "EE"]


@dataclass(frozen=True, eq=False)
class Solution:
    """theta (q,) on the working scale, the likelihood there, how it was found, and what cannot be estimated.

    information : (q, q) negative Hessian at theta (its average form where the exact one is dear); NaN for what is given or
        at a bound.
    """

    theta: np.ndarray
    evaluation: Evaluation
    optimum: Optimum
    unknown: Unknown
    information: np.ndarray


def solve(setup: Setup, *, method: Method, start: np.ndarray | None = None) -> Solution:
    """Maximise the likelihood over the free parameters; ``"EE"`` sets them to zero.

    Parameters
    ----------
    start : (q,) warm start on the working scale: one climb from there and no scan (local; for refits).

    Raises
    ------
    InputError ``singular`` if the covariance of the effects is singular whatever the components are.
    """
    problem, reml = setup.problem, method == "REML"
    unknown = Unknown() if method == "EE" else unidentified(setup)
    hidden = [i for i, _ in unknown.hidden]
    fixed = problem.fixed.copy()
    nothing = np.isnan(fixed) if method == "EE" else np.isin(np.arange(len(fixed)), hidden)
    fixed[nothing] = np.clip(0.0, problem.lower, problem.upper)[nothing]
    free = np.isnan(fixed)
    box = Box(np.where(free, problem.lower, fixed), np.where(free, problem.upper, fixed), free)

    if not free.any():
        at = _existing(evaluate(problem, fixed, reml=reml))
        status: OptimumStatus = "not-identified" if hidden else "fixed"
        return Solution(fixed, at, Optimum(status), unknown, np.full((len(fixed),) * 2, np.nan))
    best, climbs = (_search_lanes if has_lanes(problem) else _search)(setup, box, start=start, reml=reml)
    if best is None:
        _existing(None)
        raise AssertionError
    found = best.evaluation
    full = (
        found
        if isinstance(found, Evaluation)
        else _existing(evaluate(problem, best.theta, reml=reml, derivatives=False))
    )
    bound = bool(best.at_bound.any()) or _singular(setup, best.theta)
    status = ending(score=best.score, unknown=bool(unknown), at_bound=bound)
    optimum = Optimum(status, best.iterations, best.score, climbs)
    return Solution(best.theta, full, optimum, unknown, _information(best, free))


def _information(best: Maximum, free: np.ndarray) -> np.ndarray:
    """Negative Hessian over the free parameters inside their bounds, NaN elsewhere."""
    at = best.evaluation
    result = at.information + at.curvature if at.observed is None else at.observed.copy()
    still = best.at_bound | ~free
    result[still] = np.nan
    result[:, still] = np.nan
    return result


def _search(setup: Setup, box: Box, *, start: np.ndarray | None, reml: bool) -> tuple[Maximum | None, int]:
    """The best maximum and the number of climbs, one climb after the other."""
    problem = setup.problem

    def objective(theta: np.ndarray, derivatives: bool) -> Evaluation | None:
        return evaluate(problem, theta, reml=reml, derivatives=derivatives)

    if start is not None:
        best = climb(objective, start, box)
        if best is not None and best.score <= SCORE_TOLERANCE:
            return best, 1
    points = starting_points(setup, box)
    values = _scan(problem, points, objective=objective, reml=reml)
    return maximise(
        objective, list(_ranked(setup, box, points, values)), box, most_climbs=_most_climbs(problem, box)
    )


def _search_lanes(
    setup: Setup, box: Box, *, start: np.ndarray | None, reml: bool
) -> tuple[Maximum | None, int]:
    """The same with all climbs at once."""
    problem = setup.problem
    assert isinstance(problem.layout, DenseLayout)
    model = lane_model(problem, problem.layout, reml=reml)
    if start is not None:
        found = climb_lanes(model, start[None], box)
        if found and found[0].score <= SCORE_TOLERANCE:
            return found[0], 1
    points = starting_points(setup, box)
    ranked = _ranked(setup, box, points, model.loglik(points))[:MOST_RANKED]
    starts = ranked[_apart(model.coordinates(ranked))] if len(ranked) else ranked
    best: Maximum | None = None
    for one in climb_lanes(model, starts, box) if len(starts) else ():
        if best is None or one.evaluation.loglik > best.evaluation.loglik + 1e-10:
            best = one
    return best, len(starts)


def _apart(g: np.ndarray) -> list[int]:
    """Up to `MOST_LANES` rows of g (n, C), in their order, none within a third of an earlier one."""
    gap = np.abs(g[:, None] - g).max(axis=2)
    size = np.abs(g).max(axis=1)
    near = (gap < 0.35 * np.maximum(size[:, None], size)).tolist()
    chosen: list[int] = []
    for i, beside in enumerate(near):
        if not any(beside[j] for j in chosen):
            chosen.append(i)
            if len(chosen) == MOST_LANES:
                break
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


def ending(*, score: float, unknown: bool, at_bound: bool) -> OptimumStatus:
    """How a search ended. score : scaled, at its end; unknown : do the data say nothing on a component?"""
    if score > SCORE_TOLERANCE:
        return "stopped"
    if unknown:
        return "not-identified"
    return "boundary" if at_bound else "converged"


def _singular(setup: Setup, theta: np.ndarray) -> bool:
    """Is the covariance of correlated random effects singular: a variance of zero or a correlation of one?"""
    start = 0
    for term in setup.terms:
        stop = start + len(term.parameters)
        if not term.structure.linear:
            values = np.linalg.eigvalsh(term.structure.evaluate(theta[start:stop])[0])
            if values[0] <= 1e-9 * max(float(values[-1]), 1e-300):
                return True
        start = stop
    return False


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
    return np.asarray(np.exp(np.linspace(np.log(low), np.log(high), count)))


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
