"""Maximising a likelihood inside a box so that a boundary or a second mode is not missed.

A coarse scan of starting points, then damped Newton steps from the best well-separated ones: average information
far away, the observed information (differences of the analytic score) near the optimum. Bounds are an active set, so a
variance of zero is a solution. Nothing depends on the unit of the data.

Source: Gilmour, Thompson & Cullis (1995); Bertsekas (1982) for the projection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

SCORE_TOLERANCE = 1e-6  # what "converged" promises
AIM = 1e-10  # what the search tries to reach
MOST_STEPS = 200
SLOW = 0.2  # a step that leaves more than this share of the score asks for the exact curvature
FEW_PARAMETERS = 8  # up to here the exact curvature by differences is worth its price
BESIDE = 0.05  # standard errors between two climbs that are one
NEAR = 1.0  # standard deviations of the score from which an exact curvature at hand is used


class Point(Protocol):
    """The likelihood at one theta (see `gaussian.Evaluation`); observed : (q, q) negative Hessian where it is at hand."""

    @property
    def loglik(self) -> float: ...
    @property
    def score(self) -> np.ndarray: ...
    @property
    def information(self) -> np.ndarray: ...
    @property
    def curvature(self) -> np.ndarray: ...
    @property
    def observed(self) -> np.ndarray | None: ...
    @property
    def size(self) -> int: ...


Objective = Callable[[np.ndarray, bool], Point | None]


@dataclass(frozen=True, eq=False)
class Maximum:
    """theta (q,), the likelihood there, the largest scaled score of the parameters inside the box.

    climbs : how many ended here, those included that were left off beside it; passed : a higher point was found beside it,
        so that it is no maximum.
    """

    theta: np.ndarray
    evaluation: Point
    score: float
    iterations: int
    at_bound: np.ndarray
    climbs: int = 1
    passed: bool = False


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds (q,) of the free parameters; `free` selects them from theta."""

    lower: np.ndarray
    upper: np.ndarray
    free: np.ndarray

    def active(self, theta: np.ndarray, score: np.ndarray) -> np.ndarray:
        """(q,) True where a parameter may move uphill."""
        low = (theta <= self.lower) & (score <= 0)
        high = (theta >= self.upper) & (score >= 0)
        return self.free & ~low & ~high


def deviations(evaluation: Point) -> np.ndarray:
    """(q,) standard deviation of each score: the square root of the curvature to be expected there."""
    return np.asarray(
        np.sqrt(np.abs(np.diag(evaluation.information)) + np.abs(np.diag(evaluation.curvature)))
    )


def scaled_score(evaluation: Point, moving: np.ndarray) -> float:
    """Largest |score| in units of its standard deviation."""
    spread, score = deviations(evaluation)[moving], np.abs(evaluation.score[moving])
    return float(np.max(np.where(spread > 0, score / np.where(spread > 0, spread, 1.0), 0.0), initial=0.0))


def _solve(information: np.ndarray, score: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, bool]:
    """Newton step with the sign of every curvature made positive, so that it leads away from saddles; and whether all
    were positive already.

    Source: Dauphin et al. (2014) for taking absolute eigenvalues.
    """
    scale = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    positive = bool((values > 0).all())
    values = np.abs(values)
    values = np.maximum(values, 1e-8 * max(float(np.max(values)), 1e-300))
    step: np.ndarray = vectors @ ((vectors.T @ (score / scale)) / values) / scale
    return step, positive


def observed_information(
    objective: Objective, theta: np.ndarray, *, at: Point, moving: np.ndarray, box: Box
) -> np.ndarray | None:
    """(f, f) negative Hessian over the moving parameters, by central differences of the analytic score."""
    index = np.flatnonzero(moving)
    spread = deviations(at)
    hessian = np.empty((len(index), len(index)))
    for column, i in enumerate(index):
        unit = 1.0 / spread[i] if spread[i] > 0 else max(abs(theta[i]), 1e-3)
        high, low = theta.copy(), theta.copy()
        high[i] = min(theta[i] + 1e-4 * unit, box.upper[i])
        low[i] = max(theta[i] - 1e-4 * unit, box.lower[i])
        above, below = objective(high, True), objective(low, True)
        if above is None or below is None or high[i] == low[i]:
            return None
        hessian[:, column] = (below.score - above.score)[index] / (high[i] - low[i])
    return 0.5 * (hessian + hessian.T)


def climb(
    objective: Objective, start: np.ndarray, box: Box, *, known: Sequence[Maximum] = ()
) -> Maximum | None:
    """The local maximum uphill from `start`; None if the likelihood does not exist there; one of the `known` maxima once it
    is plain that the climb leads to it."""
    theta = np.clip(start, box.lower, box.upper)
    at = objective(theta, True)
    if at is None:
        return None
    previous = np.inf
    iteration = 0
    while iteration < MOST_STEPS:
        iteration += 1
        moving = box.active(theta, at.score)
        score = scaled_score(at, moving)
        if score < AIM:
            break
        for one in known:
            if _arriving(theta, at, one):
                return one
        near = at.observed is not None and score < NEAR
        slow = near or score > SLOW * previous
        step = _direction(objective, theta, at, moving=moving, box=box, slow=slow)
        found = _search(objective, theta, at, step=step, box=box)
        if found is None:
            break
        previous = score
        theta, at = found
    moving = box.active(theta, at.score)
    return Maximum(theta, at, scaled_score(at, moving), iteration, box.free & ~moving)


def escape(objective: Objective, found: Maximum, box: Box) -> Maximum:
    """Leave a point where the score vanishes by symmetry although the likelihood rises beside it (zero in a Cholesky
    factor, a standard deviation of zero); else the same maximum."""
    at = found.evaluation
    held = box.free & (np.diag(at.curvature) < 0) & (np.abs(at.score) <= SCORE_TOLERANCE * deviations(at))
    size = float(np.max(np.abs(found.theta), initial=0.0)) or 1.0
    for i in np.flatnonzero(held):
        beside = found.theta.copy()
        beside[i] = min(beside[i] + 1e-2 * size, box.upper[i])
        there = objective(beside, False)
        if there is not None and there.loglik > at.loglik + 1e-12 * abs(at.loglik):
            better = climb(objective, beside, box)
            if better is not None and better.evaluation.loglik > at.loglik:
                return better
    return found


def _direction(
    objective: Objective, theta: np.ndarray, at: Point, *, moving: np.ndarray, box: Box, slow: bool
) -> np.ndarray:
    """Newton direction (q,); the exact curvature is worth its price only where the average one is slow."""
    index = np.ix_(moving, moving)
    score, spread = at.score[moving], deviations(at)[moving]
    step = np.zeros_like(theta)
    if slow and np.sum(moving) <= FEW_PARAMETERS:
        if at.observed is not None:
            observed: np.ndarray | None = at.observed[index]
        else:
            observed = observed_information(objective, theta, at=at, moving=moving, box=box)
        if observed is not None:
            step[moving], positive = _solve(observed, score, spread)
            if positive:
                return step
    step[moving], _ = _solve((at.information + at.curvature)[index], score, spread)
    return step


def _search(
    objective: Objective, theta: np.ndarray, at: Point, *, step: np.ndarray, box: Box
) -> tuple[np.ndarray, Point] | None:
    """Halve the step until the likelihood rises; at rounding level, until the score shrinks. None = no progress."""
    length = 1.0
    noise = 1e-13 * (abs(at.loglik) + at.size)
    before = scaled_score(at, box.active(theta, at.score))
    for _ in range(50):
        trial = np.clip(theta + length * step, box.lower, box.upper)
        if np.array_equal(trial, theta):
            return None
        found = objective(trial, True)
        if found is not None:
            gain = float(at.score @ (trial - theta))
            rise = found.loglik - at.loglik
            if gain > 100 * noise:
                if rise >= 1e-4 * gain:
                    return trial, found
            elif rise >= -noise and scaled_score(found, box.active(trial, found.score)) < 0.9 * before:
                return trial, found
        length *= 0.5
    return None


def maximise(objective: Objective, starts: list[np.ndarray], box: Box, *, most_climbs: int) -> list[Maximum]:
    """The local maxima that were found, each with the climbs that ended there.

    starts : thetas, the most promising first; up to `most_climbs` well-separated ones are climbed from. Ties go to the
        earlier one (`highest`), so the result is deterministic.
    """
    known: list[Maximum] = []
    for start in well_separated(starts, most_climbs):
        found = climb(objective, start, box, known=known)
        if found is None:
            continue
        for number, one in enumerate(known):
            if found is one:
                known[number] = replace(one, climbs=one.climbs + 1)
                break
        else:
            known.append(escape(objective, found, box))
    return known


def highest(found: list[Maximum]) -> Maximum | None:
    """The best of the maxima; of those alike the first."""
    best: Maximum | None = None
    for one in found:
        if best is None or one.evaluation.loglik > best.evaluation.loglik + 1e-10:
            best = one
    return best


def well_separated(starts: list[np.ndarray], most: int) -> list[np.ndarray]:
    """Up to `most` of the starts, in their order, none near an earlier one."""
    chosen: list[np.ndarray] = []
    for start in starts:
        if len(chosen) >= most:
            break
        if not any(_near(start, other) for other in chosen):
            chosen.append(start)
    return chosen


def _arriving(theta: np.ndarray, at: Point, known: Maximum) -> bool:
    """Is theta within a twentieth of a standard error of a maximum, and not above it?"""
    gap = np.abs(theta - known.theta) * deviations(known.evaluation)
    return bool(np.max(gap) < BESIDE) and at.loglik <= known.evaluation.loglik


def _near(first: np.ndarray, second: np.ndarray) -> bool:
    """Would two starts most likely climb the same hill? Within a third of their common size."""
    size = max(float(np.max(np.abs(first))), float(np.max(np.abs(second))), 1e-300)
    return float(np.max(np.abs(first - second))) < 0.35 * size
