"""Climbing from many starts at once: damped Newton steps inside a box, all lanes in one batch.

Every lane takes the step of its own exact curvature, halved until its likelihood rises; where that curvature is no
maximum's, the average information decides, its eigenvalues made positive. A lane ends when its scaled score is nothing,
or when it has come beside another lane that is higher. Bounds are an active set, so a variance of zero is a solution.

Source: Gilmour, Thompson & Cullis (1995); Bertsekas (1982) for the projection; Dauphin et al. (2014) for the signs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .lanes import LaneModel, LanePoint, Lanes
from .optimise import AIM, BESIDE, MOST_STEPS, NEAR, SCORE_TOLERANCE, Box, Maximum, deviations

HALVINGS = 50
FLOOR = 1e-8  # smallest eigenvalue of a curvature that a step takes, as a share of its largest
MOST_ESCAPES = 5
SADDLE = 1e-9  # relative size from which an upward curvature is none of rounding
NUDGES = (1e-3, 1e-2, 0.1)  # from a variance of zero; sampling variances are near one


@dataclass(frozen=True, eq=False)
class _State:
    """Lanes under way: theta (L, q), the likelihood, what may move (L, q), the largest scaled score (L,) and the
    deviations of the scores (L, q)."""

    theta: np.ndarray
    at: Lanes
    moving: np.ndarray
    scaled: np.ndarray
    spread: np.ndarray

    def take(self, lanes: np.ndarray) -> _State:
        return _State(
            self.theta[lanes],
            self.at.take(lanes),
            self.moving[lanes],
            self.scaled[lanes],
            self.spread[lanes],
        )

    def where(self, mask: np.ndarray, other: _State) -> _State:
        two = mask[:, None]
        return _State(
            np.where(two, self.theta, other.theta),
            self.at.where(mask, other.at),
            np.where(two, self.moving, other.moving),
            np.where(mask, self.scaled, other.scaled),
            np.where(two, self.spread, other.spread),
        )


def climb_lanes(model: LaneModel, starts: np.ndarray, box: Box) -> list[Maximum]:
    """The local maxima uphill from the starts (L, q), in their order; lanes that met a higher one are left out."""
    with np.errstate(all="ignore"):
        climb = _climb_compiled if model.compiled else _climb
        found: list[Maximum] = []
        more = climb(model, np.clip(starts, box.lower, box.upper), box)
        for _ in range(MOST_ESCAPES):
            beside, passed = _escapes(model, more, box)
            if not len(beside):
                break
            found += [replace(one, passed=True) if i in passed else one for i, one in enumerate(more)]
            more = climb(model, beside, box)
    return found + more


def _climb(model: LaneModel, thetas: np.ndarray, box: Box) -> list[Maximum]:
    state = _state(model, model.canonical(thetas), box)
    state = state.take(np.isfinite(state.at.loglik))
    length, steps = np.ones(len(state.theta)), np.zeros(len(state.theta), dtype=int)
    step, fresh = np.zeros_like(state.theta), np.ones(len(state.theta), dtype=bool)
    climbs = np.ones(len(state.theta), dtype=int)
    for iteration in range(MOST_STEPS):
        met = _met(state)
        if met is not None:
            left = met < 0
            climbs = _handed_on(climbs, met, state.at.loglik)[left]
            state, length, steps, step, fresh = (
                state.take(left),
                length[left],
                steps[left],
                step[left],
                fresh[left],
            )
        going = (state.scaled >= AIM) & (length > 0.5**HALVINGS)
        if not going.any():
            break
        steps[going] = iteration + 1
        if fresh.all():
            step = _directions(state)
        elif fresh.any():
            step[fresh] = _directions(state.take(fresh))
        trial = np.clip(state.theta + (going * length)[:, None] * step, box.lower, box.upper)
        there = _state(model, model.canonical(trial), box)
        fresh = _better(state, there, gain=(state.at.score * (trial - state.theta)).sum(axis=1)) & going
        # a lane that can no longer move has ended
        length = np.where(fresh, 1.0, np.where((trial == state.theta).all(axis=1), 0.0, 0.5 * length))
        state = there if fresh.all() else there.where(fresh, state)
    return _ends(state, steps, climbs, box)


def _ends(state: _State, steps: np.ndarray, climbs: np.ndarray, box: Box) -> list[Maximum]:
    return [
        Maximum(
            state.theta[i],
            state.at.point(i),
            float(state.scaled[i]),
            int(steps[i]),
            box.free & ~state.moving[i],
            int(climbs[i]),
        )
        for i in range(len(state.theta))
    ]


def _climb_compiled(model: LaneModel, thetas: np.ndarray, box: Box) -> list[Maximum]:
    """`_climb` lane by lane, each left where it comes beside a maximum found before."""
    from .climb_numba import climb_all

    ends, numbers, moving, scores, matrices = climb_all(
        model.arrays, (box.lower, box.upper, box.free), thetas
    )
    levels, largest, steps, climbs = numbers.T.tolist()
    result = []
    for i, theta in enumerate(ends):
        information, curvature, observed = matrices[i]
        at = LanePoint(levels[i], scores[i], information, curvature, observed, model.size)
        result.append(Maximum(theta, at, largest[i], int(steps[i]), box.free & ~moving[i], int(climbs[i])))
    return result


def _state(model: LaneModel, theta: np.ndarray, box: Box) -> _State:
    at = model.evaluate(theta)
    low = (theta <= box.lower) & (at.score <= 0)
    high = (theta >= box.upper) & (at.score >= 0)
    moving = box.free & ~(low | high)
    spread = np.sqrt(at.information.diagonal(0, 1, 2) + np.abs(at.curvature.diagonal(0, 1, 2)))
    ratio = np.where(moving & (spread > 0), np.abs(at.score) / spread, 0.0)
    return _State(theta, at, moving, ratio.max(axis=1, initial=0.0), spread)


def _met(state: _State) -> np.ndarray | None:
    """(L,) a higher lane (or one just as high and earlier) beside each, the slopes at both nearly level, or -1; None where
    no lane has met another."""
    theta, level, flat = state.theta, state.at.loglik, state.scaled < NEAR
    if flat.sum() < 2:
        return None
    gap = np.abs(theta[:, None] - theta) * state.spread
    near = (gap < BESIDE).all(axis=2) & flat & flat[:, None]
    order = np.arange(len(theta))
    higher = (level > level[:, None]) | ((level == level[:, None]) & (order < order[:, None]))
    both = near & higher
    beaten = both.any(axis=1)
    return np.where(beaten, both.argmax(axis=1), -1) if beaten.any() else None


def _handed_on(climbs: np.ndarray, met: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(L,) climbs of each lane with those of the lanes that met it, the lowest first."""
    result = climbs.copy()
    for lane in np.lexsort((-np.arange(len(level)), level)).tolist():
        if met[lane] >= 0:
            result[met[lane]] += result[lane]
    return result


def _directions(state: _State) -> np.ndarray:
    """(L, q) Newton steps of the parameters that may move."""
    step, positive = _solved(state, state.at.observed)
    if not positive.all():
        rest = state.take(~positive)
        step[~positive] = _solved(rest, rest.at.information + rest.at.curvature)[0]
    return step


def _solved(state: _State, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps (L, q) with every eigenvalue made positive, and (L,) whether all were."""
    scale = np.where(state.moving & (state.spread > 0), 1 / state.spread, 0.0)
    scaled = information * (scale[:, :, None] * scale[:, None, :])
    still = np.nonzero(scale == 0)
    scaled[still[0], still[1], still[1]] = 1.0
    lost = ~np.isfinite(scaled).all(axis=(1, 2))  # no step leads out of where the derivatives are no numbers
    if lost.any():
        scaled[lost], scale[lost] = np.eye(scaled.shape[1]), 0.0
    values, vectors = np.linalg.eigh(scaled)
    positive = values[:, 0] > 0
    values = np.abs(values)
    values = np.maximum(values, FLOOR * np.maximum(values.max(axis=1, keepdims=True), 1e-300))
    turned = (state.at.score * scale)[:, None, :] @ vectors / values[:, None, :]
    return np.asarray((turned @ vectors.swapaxes(1, 2))[:, 0] * scale), positive


def _better(before: _State, after: _State, *, gain: np.ndarray) -> np.ndarray:
    """(L,) has the likelihood risen enough for the `gain` that the slope promised; at rounding level, has the score
    shrunk?"""
    noise = 1e-13 * (np.abs(before.at.loglik) + before.at.size)
    rise = after.at.loglik - before.at.loglik
    shrunk = (rise >= -noise) & (after.scaled < 0.9 * before.scaled)
    return np.asarray(np.where(gain > 100 * noise, rise >= 1e-4 * gain, shrunk))


def _escapes(model: LaneModel, found: list[Maximum], box: Box) -> tuple[np.ndarray, set[int]]:
    """(n, q) points that are higher than the maxima beside them, and which these are: of those where the score vanishes by symmetry only (zero
    in a Cholesky factor, a standard deviation of zero), and where a variance of zero hides what a correlation is."""
    beside: list[np.ndarray] = []
    owners: list[int] = []
    for number, one in enumerate(found):
        near = [*_beside_saddle(one, box), *_beside_zero(model, one, box)]
        beside += near
        owners += [number] * len(near)
    if not beside:
        return np.empty((0, len(box.free))), set()
    thetas, owner = np.array(beside), np.array(owners)
    before = np.array([one.evaluation.loglik for one in found])[owner]
    higher = model.loglik(thetas) > before + 1e-12 * np.abs(before)
    return np.asarray(thetas[higher]), set(owner[higher].tolist())


def _beside_saddle(found: Maximum, box: Box) -> list[np.ndarray]:
    """Along the directions that curve upwards, of the parameters whose score is zero."""
    at = found.evaluation
    level = (box.free & (np.abs(at.score) <= SCORE_TOLERANCE * deviations(at))).nonzero()[0]
    if not len(level) or at.observed is None:
        return []
    bends, ways = np.linalg.eigh(at.observed[level][:, level])
    result = []
    for way in ways.T[bends < -SADDLE * np.abs(bends).max()]:
        unit = way / np.abs(way).max()
        for x in NUDGES:
            for sign in (x, -x):
                result.append(
                    _moved(
                        found.theta,
                        dict(zip(level.tolist(), found.theta[level] + sign * unit, strict=True)),
                        box,
                    )
                )
    return result


def _beside_zero(model: LaneModel, found: Maximum, box: Box) -> list[np.ndarray]:
    """At variances of zero the slopes depend on the correlation, which the likelihood does not feel there: with each
    correlation the ways up along the slope and along directions that curve upwards."""
    result = []
    for part in model.parts:
        own = list(enumerate(part.structure.parameters, part.theta.start))
        zeros = [i for i, p in own if p.unit and box.free[i] and p.lower == found.theta[i] == 0.0]
        shapes = {j: {p.seed, *p.more, p.lower, p.upper} for j, p in own if p.unit == 0 and box.free[j]}
        bases = (
            [_moved(found.theta, {j: x}, box) for j, ends in shapes.items() for x in ends] if zeros else []
        )
        if not bases:
            continue
        at = model.evaluate(np.array(bases))
        bends, ways = np.linalg.eigh(at.observed[:, zeros][:, :, zeros])
        for lane, base in enumerate(bases):
            slope = np.maximum(at.score[lane, zeros], 0.0)
            upwards = [slope, *np.abs(ways[lane].T[bends[lane] < 0])]
            for way in upwards:
                if way.any():
                    unit = way / way.max()
                    result += [
                        _moved(base, dict(zip(zeros, (x * unit).tolist(), strict=True)), box) for x in NUDGES
                    ]
    return result


def _moved(theta: np.ndarray, to: dict[int, float], box: Box) -> np.ndarray:
    result = theta.copy()
    for i, value in to.items():
        result[i] = value
    return np.asarray(np.clip(result, box.lower, box.upper))
