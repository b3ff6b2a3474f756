"""The highest likelihood of nested intercepts for F data sets at once: climbs from all local maxima of a grid, in step.

Each round evaluates every unfinished climb once, at a damped Newton step: the observed information where it is positive
and the end is near or progress slow, the average information elsewhere. Variances of zero are an active set. The rules
are those of `optimise.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .nested_batch import NestedBatch, Slopes, lanes_at, slopes_at
from .nested_grid import grid_values, peaks, starting_grid
from .optimise import AIM, NEAR, SCORE_TOLERANCE, SLOW

MOST_ROUNDS = 400
FIELDS = ("theta", "loglik", "score", "steps", "observed")
SHRINK = 0.7  # share of unfinished climbs below which the finished ones are dropped from the arrays


@dataclass(frozen=True, eq=False)
class Climbs:
    """L climbs: data set, theta (L, 2), log-likelihood, largest scaled score, Newton steps, observed information (L, 2, 2)."""

    owner: np.ndarray
    theta: np.ndarray
    loglik: np.ndarray
    score: np.ndarray
    steps: np.ndarray
    observed: np.ndarray

    def take(self, rows: np.ndarray) -> Climbs:
        """The chosen climbs."""
        return Climbs(
            self.owner[rows],
            self.theta[rows],
            self.loglik[rows],
            self.score[rows],
            self.steps[rows],
            self.observed[rows],
        )


def search(
    batch: NestedBatch, free: np.ndarray, first: np.ndarray, *, reml: bool, local: bool = False
) -> Climbs:
    """The highest maximum of each data set.

    Parameters
    ----------
    free : (2,) which of (between effects, between groups) are estimated, at least one.
    first : (F, 2) given values of those that are not, and where to climb from if `local` (the whole grid is searched
        only for data sets where that climb fails).
    The score is infinite, and theta NaN, for a data set without any likelihood.
    """
    n = len(batch.d)
    if local:
        found = climb(batch, np.arange(n), first, free=free, reml=reml)
        again = np.flatnonzero(~(found.score <= SCORE_TOLERANCE))
        if len(again):
            better = search(batch.take(again), free, first[again], reml=reml)
            for name in FIELDS:
                getattr(found, name)[again] = getattr(better, name)
        return found
    a, b = starting_grid(batch, free, first)
    owner, i, j = peaks(grid_values(batch, a, b, reml=reml))
    start = np.stack([a[owner, i], b[owner, j]], axis=1)
    return highest(climb(batch, owner, start, free=free, reml=reml), n)


def highest(found: Climbs, n: int) -> Climbs:
    """The best climb of each of n data sets, the earlier one of equals; those without any get minus infinity."""
    loglik = np.full(n, -np.inf)
    np.maximum.at(loglik, found.owner, found.loglik)
    good = np.flatnonzero(found.loglik >= loglik[found.owner] - 1e-10)
    owner, first = np.unique(found.owner[good], return_index=True)
    best = found.take(good[first])
    if len(owner) == n:
        return best
    full = Climbs(
        np.arange(n),
        np.full((n, 2), np.nan),
        np.full(n, -np.inf),
        np.full(n, np.inf),
        np.zeros(n, dtype=np.intp),
        np.full((n, 2, 2), np.nan),
    )
    for name in FIELDS:
        getattr(full, name)[owner] = getattr(best, name)
    return full


def climb(
    batch: NestedBatch, owner: np.ndarray, start: np.ndarray, *, free: np.ndarray, reml: bool
) -> Climbs:
    """The local maxima uphill from `start` (L, 2) for the data sets `owner` (L,), all in step.

    A climb ends where the scaled score is below `optimise.AIM` or where no step raises the likelihood any more.
    """
    state = _State(batch, owner, start, free)
    for _ in range(MOST_ROUNDS):
        if not len(state.live):
            break
        part = state.working(batch)
        trial = state.trial()
        at = lanes_at(part, trial, reml=reml)
        state.accept(trial, at.loglik, slopes_at(at, reml=reml))
    return Climbs(owner, state.theta, state.loglik, state.scaled, state.steps, state.observed)


class _State:
    """Arrays of climbs in progress; `live` are the rows evaluated in the next round, `open` those not finished."""

    def __init__(self, batch: NestedBatch, owner: np.ndarray, start: np.ndarray, free: np.ndarray) -> None:
        n = len(owner)
        self.owner, self.free = owner, free
        self.theta, self.step = start.astype(float), np.zeros((n, 2))
        self.loglik, self.scaled = np.full(n, -np.inf), np.full(n, np.inf)
        self.gain_score = np.zeros((n, 2))
        self.length, self.steps = np.ones(n), np.zeros(n, dtype=np.intp)
        self.observed = np.full((n, 2, 2), np.nan)
        self.open = np.ones(n, dtype=bool)
        self.live = np.arange(n)
        self.sizes = batch.n[owner]
        whole = n == len(batch.d) and bool((owner == np.arange(n)).all())
        self.part: NestedBatch | None = batch if whole else None

    def working(self, batch: NestedBatch) -> NestedBatch:
        """The data sets of the live climbs."""
        if self.part is None:
            self.part = batch.take(self.owner[self.live])
        return self.part

    def trial(self) -> np.ndarray:
        """Where each live climb looks next."""
        live = self.live
        return np.maximum(self.theta[live] + self.length[live, None] * self.step[live], 0.0)

    def accept(self, trial: np.ndarray, loglik: np.ndarray, slopes: Slopes) -> None:
        """Take the steps that raise the likelihood, halve the others, and drop what has ended."""
        live = self.live
        moving = self.free & ~((trial <= 0) & (slopes.score <= 0))
        scaled, direction = _direction(slopes, moving, self.scaled[live])
        noise = 1e-13 * (np.abs(loglik) + self.sizes[live])
        with np.errstate(invalid="ignore"):
            rise = loglik - self.loglik[live]
            gain = (self.gain_score[live] * (trial - self.theta[live])).sum(axis=1)
            good = np.where(
                gain > 100 * noise, rise >= 1e-4 * gain, (rise >= -noise) & (scaled < 0.9 * self.scaled[live])
            )
        good = np.isfinite(loglik) & self.open[live] & (good | (self.loglik[live] == -np.inf))
        new, old = live[good], live[~good]
        self.theta[new], self.loglik[new], self.scaled[new] = trial[good], loglik[good], scaled[good]
        self.gain_score[new], self.observed[new] = slopes.score[good], slopes.observed[good]
        self.step[new], self.length[new] = direction[good], 1.0
        self.steps[new] += 1
        self.length[old] *= 0.5
        after = np.maximum(self.theta[live] + self.length[live, None] * self.step[live], 0.0)
        ended = (
            (self.scaled[live] < AIM) | (self.length[live] < 1e-15) | (after == self.theta[live]).all(axis=1)
        )
        self.open[live[ended]] = False
        unfinished = int(self.open.sum())
        if unfinished < SHRINK * len(live):
            self.live, self.part = np.flatnonzero(self.open), None


def _direction(slopes: Slopes, moving: np.ndarray, previous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest scaled score (L,) and Newton step (L, 2) of the moving parameters."""
    diagonal = np.diagonal(slopes.average, axis1=1, axis2=2)
    spread = np.sqrt(np.maximum(diagonal, 0.0))
    scale = np.where(spread > 0, spread, 1.0)
    unit = np.where(moving & (spread > 0), slopes.score / scale, 0.0)
    scaled = np.abs(unit).max(axis=1)
    both = moving[:, 0] & moving[:, 1]
    s0, s1 = scale[:, 0], scale[:, 1]
    seen = slopes.observed
    p, s = seen[:, 0, 0] / (s0 * s0), seen[:, 1, 1] / (s1 * s1)
    r = np.where(both, seen[:, 0, 1] / (s0 * s1), 0.0)
    p, s = np.where(moving[:, 0], p, 1.0), np.where(moving[:, 1], s, 1.0)
    determinant = p * s - r * r
    exact = (p > 0) & (determinant > 1e-12 * p * s) & ((scaled < NEAR) | (scaled > SLOW * previous))
    determinant = np.where(exact, determinant, 1.0)
    newton = np.stack([s * unit[:, 0] - r * unit[:, 1], p * unit[:, 1] - r * unit[:, 0]], axis=1)
    newton /= determinant[:, None]
    # the average information in the same units: ones on the diagonal, eigenvalues 1 + c and 1 - c
    c = np.where(both, slopes.average[:, 0, 1] / (s0 * s1), 0.0)
    high, low = 1 + np.abs(c), np.maximum(1 - np.abs(c), 1e-8)
    sign = np.where(c < 0, -1.0, 1.0)
    up, down = (unit[:, 0] + sign * unit[:, 1]) / high, (unit[:, 0] - sign * unit[:, 1]) / low
    average = 0.5 * np.stack([up + down, sign * (up - down)], axis=1)
    step = np.where(exact[:, None], newton, average) / scale
    return scaled, np.where(moving, step, 0.0)
