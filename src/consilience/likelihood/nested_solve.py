"""The variance components of any Setup: nested intercepts by their own search, everything else by `multistart`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..records import Optimum
from . import multistart
from .build import Setup, Unknown
from .ending import End, least_curvature, status_of, tally
from .gaussian import Evaluation, Problem
from .identify import unidentified
from .multistart import SURELY, Method, Solution, resolved
from .nested import NestedLayout
from .nested_batch import NestedBatch, lanes_at, slopes_at, surely_seen
from .nested_climb import Peak, climb_one
from .nested_grid import between_points, grid_values, peaks, starting_grid
from .optimise import SCORE_TOLERANCE

NAN = float("nan")
PLACES = {"row": 0, "study": 1}


@dataclass(frozen=True, eq=False)
class _One:
    """One nested problem. batch of one data set, its design orthonormal; r : (p, p) with X = (that design) r;
    places : (q,) 0 for a variance between effects, 1 between groups."""

    problem: Problem
    layout: NestedLayout
    batch: NestedBatch
    r: np.ndarray
    places: tuple[int, ...]


def solve(setup: Setup, *, method: Method, start: np.ndarray | None = None) -> Solution:
    """Maximise the likelihood over the free parameters; see `multistart.solve` for parameters and errors."""
    one = _one(setup.problem)
    if one is None or method == "EE":
        return multistart.solve(setup, method=method, start=start)
    plain = _unknown(setup, one)
    found = _solve(setup, one, plain, method=method, start=start)
    if found is None:
        return multistart.solve(setup, method=method, start=start)
    if setup.unknown is not None or not _doubtful(setup, one, found, reml=method == "REML"):
        return found

    def again(known: Unknown) -> Solution:
        best = _solve(setup, one, known, method=method, start=start)
        return multistart.solve(setup, method=method, start=start) if best is None else best

    return resolved(found, unidentified(setup), again)


def _solve(
    setup: Setup, one: _One, unknown: Unknown, *, method: Method, start: np.ndarray | None
) -> Solution | None:
    """The maximum with the hidden parameters at zero; None where the general search must do it."""
    fixed = setup.problem.fixed.copy()
    fixed[[i for i, _ in unknown.hidden]] = 0.0
    free = np.isnan(fixed)
    places = np.array(one.places)
    given = np.bincount(places, np.where(free, 0.0, fixed), minlength=2)
    count = np.bincount(places[free], minlength=2)
    found = None
    if free.any() and not ((count > 1) | ((count == 1) & (given > 0))).any():
        moving = bool(count[0]), bool(count[1])
        if start is not None:
            given += np.bincount(places, np.where(free, start, 0.0), minlength=2)
        found = _maximum(one.batch, moving, given, reml=method == "REML", warm=start is not None)
    if found is None:
        return None
    best, ends = found
    theta = np.where(free, np.array(best.theta)[list(one.places)], fixed)
    zeros = tuple(
        f'the variance "{setup.parameters[i].name}" is 0' for i in np.flatnonzero(free & (theta <= 0))
    )
    information = _information(best, one.places, free)
    status = status_of(score=best.score, unknown=bool(unknown), at_limit=bool(zeros))
    curvature = least_curvature(information)
    told = (len(ends), 1, 1, NAN) if len(ends) == 1 else _told(ends, best)
    optimum = Optimum(status, best.steps, best.score, *told, curvature, zeros)
    return Solution(theta, _evaluation(one, best, theta), optimum, unknown, information)


def _told(ends: list[Peak], best: Peak) -> tuple[int, int, int, float]:
    """Climbs, how many reached the best, distinct maxima, and what is between the best and the next."""
    every = [
        End(np.array(p.theta), p.loglik, np.sqrt(np.abs(p.slopes.average[0].diagonal())), NAN, p.score)
        for p in ends
    ]
    return tally(every, next(i for i, p in enumerate(ends) if p is best))


def _doubtful(setup: Setup, one: _One, found: Solution, *, reml: bool) -> bool:
    """May the data tell only one sum of the two variances? Their expected informations are proportional then."""
    free = np.isnan(setup.problem.fixed)
    free[[i for i, _ in found.unknown.hidden]] = False
    groups = len(one.layout.starts)
    if free.sum() < 2 or setup.problem.k - setup.problem.p > groups:
        return False  # K'ZZ'K has a null space then, and is not zero: it is no multiple of K'K
    at = found.evaluation
    average, observed = at.information, at.observed
    if not reml or observed is None:
        theta = np.zeros(2)
        np.add.at(theta, list(one.places), found.theta)
        slopes = slopes_at(lanes_at(one.batch, theta[None], reml=True), reml=True)
        average, observed = (
            part[0][list(one.places)][:, list(one.places)] for part in (slopes.average, slopes.observed)
        )
    (a, c), (_, b) = (2.0 * average - observed)[np.ix_(free, free)].tolist()
    return not a * b - c * c > SURELY * a * b


def _one(problem: Problem) -> _One | None:
    layout, p = problem.layout, problem.p
    if not isinstance(layout, NestedLayout) or p == 0 or not layout.parameters:
        return None
    if p == 1:
        r = np.array([[np.sqrt(problem.x[:, 0] @ problem.x[:, 0])]])
        basis = problem.x / r
    else:
        basis, r = np.linalg.qr(problem.x)
    data = np.empty((1, p + 1, problem.k))
    data[0, :p], data[0, p] = basis.T, problem.y
    n = np.array([problem.k])
    batch = NestedBatch(layout.d[None], layout.z[None], data, layout.starts, layout.index, n, True)
    return _One(problem, layout, batch, r, tuple(PLACES[name] for name in layout.parameters))


def _unknown(setup: Setup, one: _One) -> Unknown:
    """What the data cannot tell; nothing where a bound proves that they tell everything."""
    if setup.unknown is not None:
        return setup.unknown
    if not setup.twins:
        probe = np.zeros((1, 2))
        fixed = setup.problem.fixed
        np.add.at(probe[0], list(one.places), np.where(np.isnan(fixed), 1.0, fixed))
        if surely_seen(one.batch, probe)[0, list(one.places)].all():
            return Unknown()
    return unidentified(setup)


def _maximum(
    batch: NestedBatch, free: tuple[bool, bool], first: np.ndarray, *, reml: bool, warm: bool
) -> tuple[Peak, list[Peak]] | None:
    """The highest maximum and all that were found; from `first` alone where that is a warm start and works."""
    if warm:
        found = climb_one(batch, (float(first[0]), float(first[1])), free=free, reml=reml)
        if found is not None and found.score <= SCORE_TOLERANCE:
            return found, [found]
    a, b = starting_grid(batch, np.array(free), first[None])
    values = grid_values(batch, a, b, reml=reml)
    _, i, j = peaks(values)
    best, every = None, []
    for place in zip(i.tolist(), j.tolist(), strict=True):
        start = between_points(values[0], a[0], b[0], place)
        found = climb_one(batch, start, free=free, reml=reml)
        if found is None:
            continue
        every.append(found)
        if best is None or found.loglik > best.loglik + 1e-10:
            best = found
    return None if best is None else (best, every)


def _evaluation(one: _One, best: Peak, theta: np.ndarray) -> Evaluation:
    """The likelihood at the maximum in the coordinates of the problem's design."""
    at, slopes, places = best.at, best.slopes, list(one.places)
    factor = one.layout.factor(theta, False)
    assert factor is not None
    flat = len(one.r) == 1  # the usual case, at a fifth of the calls
    turned = at.inverse[0].T
    return Evaluation(
        loglik=best.loglik,
        score=slopes.score[0, places],
        information=slopes.average[0][places][:, places],
        curvature=np.zeros((len(places),) * 2),
        flat=slopes.flat[0, places],
        rss=float(at.rss[0]),
        along=at.coefficients[0] / turned[0] if flat else np.linalg.solve(turned, at.coefficients[0]),
        q_basis=at.q[0].T,
        r_basis=one.r / turned if flat else np.linalg.solve(turned, one.r),
        residual=at.residual[0],
        factor=factor,
        observed=slopes.observed[0][places][:, places],
    )


def _information(best: Peak, places: tuple[int, ...], free: np.ndarray) -> np.ndarray:
    """Negative Hessian over the free parameters inside their bounds, NaN elsewhere."""
    still = ~free | (np.array(best.theta)[list(places)] <= 0)
    result: np.ndarray = best.slopes.observed[0][list(places)][:, list(places)]
    result[still] = np.nan
    result[:, still] = np.nan
    return result
