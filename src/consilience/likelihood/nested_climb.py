"""One data set's climb to a local maximum, in plain numbers: for a single fit, arrays of length two cost more than the likelihood.

The rules are those of `nested_search.climb`, which does the same for many at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .nested_batch import Lanes, NestedBatch, Slopes, lanes_at, slopes_at
from .optimise import AIM, NEAR, SLOW

MOST_STEPS = 200
Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Peak:
    """A local maximum of one data set: theta, its evaluation, the largest scaled score, Newton steps."""

    theta: Pair
    loglik: float
    at: Lanes
    slopes: Slopes
    score: float
    steps: int


def climb_one(batch: NestedBatch, start: Pair, *, free: tuple[bool, bool], reml: bool) -> Peak | None:
    """The local maximum uphill from `start`; None if the likelihood does not exist there."""
    here = _peak(batch, start, free, reml=reml, steps=0)
    if here is None:
        return None
    previous = math.inf
    while here.score >= AIM and here.steps < MOST_STEPS:
        found = _search(batch, here, _direction(here, free, previous), free, reml=reml)
        if found is None:
            break
        previous, here = here.score, found
    return here


def _peak(batch: NestedBatch, theta: Pair, free: tuple[bool, bool], *, reml: bool, steps: int) -> Peak | None:
    at = lanes_at(batch, np.array([theta]), reml=reml)
    loglik = float(at.loglik[0])
    if loglik == -math.inf:
        return None
    slopes = slopes_at(at, reml=reml)
    score = 0.0
    for i, moving in enumerate(_moving(theta, slopes, free)):
        spread = float(slopes.average[0, i, i])
        if moving and spread > 0:
            score = max(score, abs(float(slopes.score[0, i])) / math.sqrt(spread))
    return Peak(theta, loglik, at, slopes, score, steps)


def _moving(theta: Pair, slopes: Slopes, free: tuple[bool, bool]) -> tuple[bool, bool]:
    """Which variances may move uphill."""
    first, second = slopes.score[0].tolist()
    return free[0] and (theta[0] > 0 or first > 0), free[1] and (theta[1] > 0 or second > 0)


def _search(
    batch: NestedBatch, here: Peak, step: Pair, free: tuple[bool, bool], *, reml: bool
) -> Peak | None:
    """Halve the step until the likelihood rises; at rounding level, until the score shrinks. None = no progress."""
    length, (x, y), slope = 1.0, here.theta, here.slopes.score[0].tolist()
    noise = 1e-13 * (abs(here.loglik) + float(batch.n[0]))
    for _ in range(50):
        trial = max(x + length * step[0], 0.0), max(y + length * step[1], 0.0)
        if trial == here.theta:
            return None
        found = _peak(batch, trial, free, reml=reml, steps=here.steps + 1)
        if found is not None:
            gain = slope[0] * (trial[0] - x) + slope[1] * (trial[1] - y)
            rise = found.loglik - here.loglik
            if (
                rise >= 1e-4 * gain
                if gain > 100 * noise
                else (rise >= -noise and found.score < 0.9 * here.score)
            ):
                return found
        length *= 0.5
    return None


def _direction(here: Peak, free: tuple[bool, bool], previous: float) -> Pair:
    """Newton step: the observed information where it is positive and the end is near or progress slow, else the average."""
    moving = _moving(here.theta, here.slopes, free)
    (a, c), (_, b) = here.slopes.average[0].tolist()
    (p, r), (_, s) = here.slopes.observed[0].tolist()
    scale = math.sqrt(a) if a > 0 else 1.0, math.sqrt(b) if b > 0 else 1.0
    score = here.slopes.score[0].tolist()
    u = score[0] / scale[0] if moving[0] and a > 0 else 0.0
    w = score[1] / scale[1] if moving[1] and b > 0 else 0.0
    both = moving[0] and moving[1]
    p, s = p / scale[0] ** 2 if moving[0] else 1.0, s / scale[1] ** 2 if moving[1] else 1.0
    r = r / (scale[0] * scale[1]) if both else 0.0
    left = p * s - r * r
    if p > 0 and left > 1e-12 * p * s and (here.score < NEAR or here.score > SLOW * previous):
        step = (s * u - r * w) / left, (p * w - r * u) / left
    else:  # in these units the average information is (1, c; c, 1), with eigenvalues 1 + c and 1 - c
        c = c / (scale[0] * scale[1]) if both else 0.0
        sign = -1.0 if c < 0 else 1.0
        up, down = (u + sign * w) / (1 + abs(c)), (u - sign * w) / max(1 - abs(c), 1e-8)
        step = 0.5 * (up + down), 0.5 * sign * (up - down)
    return (step[0] / scale[0] if moving[0] else 0.0), (step[1] / scale[1] if moving[1] else 0.0)
