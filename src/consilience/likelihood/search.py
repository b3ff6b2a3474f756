"""The global maximum of the likelihood or restricted likelihood over tau^2 >= 0, for many analyses at once.

With few studies of unequal precision the likelihood may have several maxima, and local iterations (Fisher scoring,
Newton) then stop at the wrong one, most often at tau^2 = 0. Every stationary point lies below a bound that follows
from the data; a geometric scan up to it finds the sign changes of the score, a finer scan looks where the score
nearly touches zero, each maximum is refined by safeguarded Newton steps, and the highest is returned.

The score is handled as the ratio y'PPy / tr P (ML: / sum w), which is 1 at a stationary point and larger to the left
of a maximum; steps are taken in log(tau^2 + smallest v). Both make the search free of the unit of measurement.

Source: score and information of Harville (1977), JASA 72:320; the bound is derived in `upper_bound`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .weighted import MeanAt, Problem, RegressionAt

LANES = 1 << 15  # array elements worked on at once: fits the second-level cache
GRID_SINGLE, GRID_BATCH, GRID_FINE = 48, 16, 12
MOST_STEPS = 120
At = MeanAt | RegressionAt
Brackets = tuple[np.ndarray, np.ndarray, np.ndarray]
Phi = Callable[[At, np.ndarray], tuple[np.ndarray, np.ndarray]]


def upper_bound(problem: Problem) -> np.ndarray:
    """(F,) tau^2 beyond which neither likelihood has a stationary point.

    Common mean: y'PPy <= w_max range(y)^2 tr P / 2, so the score is negative for t > range(y)^2 / 2 - v_min.
    Regression: y'PPy <= w_max^2 RSS and tr P >= (k - p) w_min, with RSS of ordinary least squares, so the score is
    negative once (v_max + t) RSS / (k - p) < (v_min + t)^2.
    """
    v_min = problem.v[0]
    if problem.x is None:
        y = problem.y  # missing effects are 0, as is the first one of each analysis
        bound = 0.5 * (y.max(axis=0) - y.min(axis=0)) ** 2 - v_min
    else:
        present = np.isfinite(problem.v)
        v_max = np.where(present, problem.v, 0.0).max(axis=0)
        s = problem.weighted(present.astype(float)).rss / np.maximum(problem.k - problem.p, 1)
        # larger root of t^2 + (2 v_min - s) t + v_min^2 - s v_max = 0: discriminant s^2 + 4 s (v_max - v_min)
        bound = 0.5 * (s - 2 * v_min + np.sqrt(s * (s + 4 * (v_max - v_min))))
    return np.asarray(np.maximum(bound, 0.0) * (1 + 1e-9))


def grid_points(reach: float) -> int:
    """Points of the scan over log(tau^2 + v_min) of this length: two for each factor e, at least 16."""
    return max(GRID_BATCH, 1 + math.ceil(2 * reach))


def maximise(problem: Problem, *, reml: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global maximum of each analysis.

    Returns tau2 (F,), the number of Newton steps (F,) and the number of local maxima compared (F,).
    """
    bound = upper_bound(problem)
    scale = problem.v[0]
    reach = np.log1p(bound / scale)
    points = max(
        GRID_SINGLE if problem.n * problem.y.shape[0] < 2_000 else 0, grid_points(float(reach.max()))
    )
    fractions = np.linspace(0.0, 1.0, points)
    tau2 = np.zeros(problem.n)
    steps, maxima = np.zeros(problem.n, dtype=np.intp), np.ones(problem.n, dtype=np.intp)
    per_block = max(1, LANES // (problem.y.shape[0] * points))
    for start in range(0, problem.n, per_block):
        rows = np.arange(start, min(start + per_block, problem.n))
        part = problem if per_block >= problem.n else problem.take(rows)
        grid = scale[rows, None] * np.expm1(fractions * reach[rows, None])
        ratio = _ratio(part, grid, reml)
        brackets = _brackets(part, grid, ratio, reml)
        tau2[rows], steps[rows], maxima[rows] = _best(part, brackets, ratio[:, 0] <= 1, reml)
    return tau2, steps, maxima


def _ratio(problem: Problem, grid: np.ndarray, reml: bool) -> np.ndarray:
    """(F, S) y'PPy / tr P (or / sum w) at a grid, in pieces that keep memory small when K is large."""
    width = max(1, LANES // (problem.y.shape[0] * problem.n))
    pieces = []
    for start in range(0, grid.shape[1], width):
        at = problem.at(grid[:, start : start + width])
        pieces.append(at.square / (at.trace if reml else at.w_sum))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _brackets(problem: Problem, grid: np.ndarray, ratio: np.ndarray, reml: bool) -> Brackets:
    """Intervals with a maximum inside: analysis (L,), lower end (L,), upper end (L,)."""
    above = ratio > 1
    owner, left = np.nonzero(above[:, :-1] & ~above[:, 1:])
    found = [(owner, grid[owner, left], grid[owner, left + 1])]
    middle, before, after = ratio[:, 1:-1], ratio[:, :-2], ratio[:, 2:]
    same = (above[:, 1:-1] == above[:, :-2]) & (above[:, 1:-1] == above[:, 2:])
    near = np.where(
        above[:, 1:-1], (middle <= before) & (middle <= after), (middle >= before) & (middle >= after)
    )
    row, at = np.nonzero(same & near)
    # a hump or dip beside tau^2 = 0, where there is no point on the other side: after a dip the ratio rises; after a
    # hump it falls faster than it did
    first, second = ratio[:, 1] - ratio[:, 0], ratio[:, 2] - ratio[:, 1]
    edge = np.flatnonzero((above[:, 0] == above[:, 1]) & np.where(above[:, 0], second > 0, first > second))
    row = np.concatenate([row, edge])
    low = np.concatenate([grid[row[: len(at)], at], grid[edge, 0]])
    high = np.concatenate([grid[row[: len(at)], at + 2], grid[edge, 1]])
    if len(row) and (high > low).any():
        usable = high > low
        row, low, high = row[usable], low[usable], high[usable]
        sub = problem.take(row)
        scale = sub.v[0]
        fractions = np.linspace(0.0, 1.0, GRID_FINE)
        span = np.log((high + scale) / (low + scale))
        fine = low[:, None] + (low + scale)[:, None] * np.expm1(fractions * span[:, None])
        over = _ratio(sub, fine, reml) > 1
        owner, left = np.nonzero(over[:, :-1] & ~over[:, 1:])
        found.append((row[owner], fine[owner, left], fine[owner, left + 1]))
    if len(found) == 1:
        return found[0]
    owners, lows, highs = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return owners, lows, highs


def _best(
    problem: Problem, brackets: Brackets, zero: np.ndarray, reml: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest of the refined maxima and, where the score at 0 is not positive, of tau^2 = 0."""
    owner, low, high = brackets
    tau2, steps = np.zeros(problem.n), np.zeros(problem.n, dtype=np.intp)
    maxima = np.bincount(owner, minlength=problem.n) + zero
    if not len(owner):
        return tau2, steps, maxima
    found, taken = refine(problem.take(owner), low, high, _score_reml if reml else _score_ml)
    np.maximum.at(steps, owner, taken)
    rival = np.flatnonzero(maxima[owner] > 1)
    tau2[owner] = found
    if len(rival):
        contested = np.unique(owner[rival])
        bound = contested[zero[contested]]
        owners = np.concatenate([owner[rival], bound])
        values = np.concatenate([found[rival], np.zeros(len(bound))])
        height = log_likelihood(problem.take(owners), values, reml=reml)
        order = np.lexsort((height, owners))  # the last of each owner is its highest
        tau2[owners[order]] = values[order]
    return tau2, steps, maxima


def refine(problem: Problem, low: np.ndarray, high: np.ndarray, phi: Phi) -> tuple[np.ndarray, np.ndarray]:
    """Zero of a decreasing crossing phi(tau^2) in [low, high] per analysis: Newton, bisection when it leaves.

    `phi(at, rows)` returns (value, derivative with respect to tau^2) of the analyses `rows` of `problem`.
    Returns tau2 (F,) and steps taken (F,).
    """
    if problem.n == 1:
        return _refine_one(problem, float(low[0]), float(high[0]), phi)
    low, high, scale = low.copy(), high.copy(), problem.v[0]
    root = _middle(low, high, scale)
    taken = np.zeros(problem.n, dtype=np.intp)
    active = np.arange(problem.n)
    part = problem
    for _ in range(MOST_STEPS):
        t, s = root[active], scale[active]
        value, slope = phi(part.at(t), active)
        positive = value > 0
        low[active] = np.where(positive, t, low[active])
        high[active] = np.where(positive, high[active], t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = -value / (slope * (t + s))
            new = t + (t + s) * np.expm1(np.clip(step, -50.0, 50.0))
        inside = (slope < 0) & (new > low[active]) & (new < high[active])
        tiny = (slope < 0) & (np.abs(step) < 1e-9)
        root[active] = np.where(inside | tiny, np.maximum(new, 0.0), _middle(low[active], high[active], s))
        taken[active] += 1
        closed = high[active] - low[active] <= 4e-16 * (high[active] + 1e-3 * s)
        going = ~(tiny | closed)
        if not going.any():
            break
        if not going.all():
            active = active[going]
            part = problem.take(active)
    return root, taken


def _refine_one(problem: Problem, low: float, high: float, phi: Phi) -> tuple[np.ndarray, np.ndarray]:
    """The same steps for a single analysis, without the bookkeeping of many."""
    scale, row = float(problem.v[0, 0]), np.zeros(1, dtype=np.intp)
    t = low + (low + scale) * math.expm1(0.5 * math.log1p((high - low) / (low + scale)))
    for taken in range(1, MOST_STEPS + 1):
        value, slope = (float(part[0]) for part in phi(problem.at(np.array([t])), row))
        if value > 0:
            low = t
        else:
            high = t
        step = -value / (slope * (t + scale)) if slope < 0 else math.nan
        new = t + (t + scale) * math.expm1(min(max(step, -50.0), 50.0)) if slope < 0 else math.nan
        if slope < 0 and abs(step) < 1e-9:
            return np.array([max(new, 0.0)]), np.array([taken])
        inside = low < new < high
        t = (
            new
            if inside
            else low + (low + scale) * math.expm1(0.5 * math.log1p((high - low) / (low + scale)))
        )
        if high - low <= 4e-16 * (high + 1e-3 * scale):
            break
    return np.array([t]), np.array([taken])


def _middle(low: np.ndarray, high: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Midpoint in log(tau^2 + scale)."""
    return np.asarray(low + (low + scale) * np.expm1(0.5 * np.log1p((high - low) / (low + scale))))


def _score_reml(at: At, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.log(at.square / at.trace), at.trace2 / at.trace - 2 * at.cube / at.square


def _score_ml(at: At, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.log(at.square / at.w_sum), at.w2_sum / at.w_sum - 2 * at.cube / at.square


def log_likelihood(problem: Problem, tau2: np.ndarray, *, reml: bool) -> np.ndarray:
    """(F,) log-likelihood up to a constant of the data: -(sum log(v + tau^2) [+ log |X'WX|] + y'Py) / 2."""
    at = problem.at(tau2)
    total = np.where(np.isfinite(problem.v), problem.v + tau2, 1.0)
    height = np.log(total).sum(axis=0) + at.rss
    return np.asarray(-0.5 * (height + at.logdet if reml else height))
