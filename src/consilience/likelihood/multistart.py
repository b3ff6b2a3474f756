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
from .build import Setup
from .gaussian import Evaluation, Problem, evaluate
from .optimise import SCORE_TOLERANCE, Box, Maximum, climb, maximise

FLAT = 1e-9  # visible share of a parameter below which the fixed part hides it
MANY_ROWS = 20_000  # beyond this the likelihood is as good as unimodal and one climb is enough
Method = Literal["REML", "ML", "EE"]
Hidden = tuple[tuple[int, str], ...]


@dataclass(frozen=True, eq=False)
class Solution:
    """theta (q,) on the working scale, the likelihood there, how it was found, and the parameters that cannot be
    estimated, (index, reason)."""

    theta: np.ndarray
    evaluation: Evaluation
    optimum: Optimum
    hidden: Hidden


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
    hidden = () if method == "EE" else _hidden(setup)
    fixed = problem.fixed.copy()
    nothing = np.isnan(fixed) if method == "EE" else np.isin(np.arange(len(fixed)), [i for i, _ in hidden])
    fixed[nothing] = np.clip(0.0, problem.lower, problem.upper)[nothing]
    free = np.isnan(fixed)
    box = Box(np.where(free, problem.lower, fixed), np.where(free, problem.upper, fixed), free)

    def objective(theta: np.ndarray, derivatives: bool) -> Evaluation | None:
        return evaluate(problem, theta, reml=reml, derivatives=derivatives)

    if not free.any():
        at = _existing(objective(fixed, True))
        return Solution(fixed, at, Optimum("not-identified" if hidden else "fixed"), hidden)
    best: Maximum | None = None
    climbs = 1
    if start is not None:
        best = climb(objective, start, box)
    if best is None or best.score > SCORE_TOLERANCE:
        starts = [np.where(free, s, fixed) for s in starting_points(setup, free)]
        best, climbs = maximise(objective, starts, box, most_climbs=_most_climbs(problem, free))
    if best is None:
        _existing(None)
        raise AssertionError
    return Solution(best.theta, best.evaluation, _optimum(setup, best, climbs, hidden=hidden), hidden)


def _existing(at: Evaluation | None) -> Evaluation:
    if at is None:
        raise InputError(
            "The covariance matrix of the effects is singular.",
            code="singular",
            advice="Look for sampling variances of zero and correlations of one.",
        )
    return at


def _most_climbs(problem: Problem, free: np.ndarray) -> int:
    if problem.k > MANY_ROWS:
        return 1
    return 3 if problem.k > 200 or free.sum() > 3 else 6


def _optimum(setup: Setup, best: Maximum, climbs: int, *, hidden: Hidden) -> Optimum:
    status: Literal["boundary", "converged", "stopped", "not-identified"]
    if best.score > SCORE_TOLERANCE:
        status = "stopped"
    elif hidden:
        status = "not-identified"
    else:
        status = "boundary" if best.at_bound.any() or _singular(setup, best.theta) else "converged"
    return Optimum(status, best.iterations, best.score, climbs)


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


def _hidden(setup: Setup) -> Hidden:
    """Free variances without information in the data, each with the reason."""
    problem = setup.problem
    names = [parameter.name for parameter in setup.parameters]
    free = np.isnan(problem.fixed)
    found = {
        later: f'"{names[later]}" has the same levels as "{names[earlier]}", only their sum can be estimated'
        for later, earlier in setup.twins
        if free[later]
    }
    seeds = np.array([parameter.seed for parameter in setup.parameters])
    probe = np.where(free, np.clip(seeds, problem.lower, problem.upper), problem.fixed)
    at = evaluate(problem, probe, reml=True) if free.any() else None
    if at is not None:
        for i in np.flatnonzero(free & (at.flat < FLAT)):
            if setup.parameters[i].unit == 2:
                found.setdefault(int(i), f'"{names[i]}" cannot be told apart from the coefficients')
    return tuple(sorted(found.items()))


def starting_points(setup: Setup, free: np.ndarray) -> list[np.ndarray]:
    """Thetas over total variance x division between the terms x seeds of the correlations, zero included."""
    problem, parameters = setup.problem, setup.parameters
    totals = _totals(problem, few=problem.k > MANY_ROWS or free.sum() > 3)
    shares = _shares(sorted({p.term for p, f in zip(parameters, free, strict=True) if f}))
    sets = [[p.seed for p in parameters]]
    for n in range(max((len(p.more) for p in parameters), default=0)):
        sets.append([p.more[n] if n < len(p.more) else p.seed for p in parameters])
    points = []
    for seeds in sets:
        for total in [*totals, 0.0]:
            for share in shares if total else shares[:1]:
                point = [
                    seed * (share.get(p.term, 0.0) * total) ** (p.unit / 2) if p.unit else seed
                    for p, seed in zip(parameters, seeds, strict=True)
                ]
                points.append(np.clip(np.array(point), problem.lower, problem.upper))
    return points


def _totals(problem: Problem, *, few: bool) -> np.ndarray:
    """Geometric grid from a thirtieth of the smallest sampling variance to the spread of the outcomes."""
    variances = problem.layout.sampling_variances()
    positive = variances[variances > 0]
    low = 0.03 * float(np.min(positive)) if len(positive) else 1e-3
    basis = np.linalg.qr(problem.x)[0]
    rest = problem.y - basis @ (basis.T @ problem.y)
    high = 2.0 * float(np.max(rest**2, initial=0.0))
    low = max(low, 1e-9 * high)
    if high <= low:
        return np.array([low])
    return np.geomspace(low, high, 5 if few else 11)


def _shares(terms: list[int]) -> list[dict[int, float]]:
    """Divisions of the total: equal, each term alone, each term mostly."""
    if len(terms) == 1:
        return [{terms[0]: 1.0}]
    equal = {term: 1.0 / len(terms) for term in terms}
    alone = [{term: 1.0} for term in terms]
    mostly = [{t: 0.85 if t == term else 0.15 / (len(terms) - 1) for t in terms} for term in terms]
    return [equal, *alone, *mostly]
