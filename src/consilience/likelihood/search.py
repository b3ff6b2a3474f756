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
from functools import cache
from typing import Any

import numpy as np

from ..base.memory import keep_freed_memory
from .basis import lane_inner
from .shared import can_share, shared_ratio
from .weighted import At, Problem

LANES = 1 << 15  # array elements worked on at once: fits the second-level cache
SHARED_LANES = 1 << 17  # the same where variances are shared: fewer calls count for more
GRID_SINGLE, GRID_BATCH, GRID_FINE = 48, 16, 12
MOST_STEPS = 120
GRID_STEP = 1 / 3  # of the scan that analyses with the same variances share, in log(tau^2 + v_min)
CLOSE = 3e-8  # a Newton step of this size leaves an error of its square
BENT, NEAR = (
    1e-12,
    1e-5,
)  # most that the curvature turns a last step, and its length, where the curvature is known
POINTS = 8  # of the scan, through which a polynomial is laid to guess where the score is zero
Brackets = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]
Phi = Callable[[At, np.ndarray], tuple[np.ndarray, np.ndarray]]


def upper_bound(problem: Problem) -> np.ndarray:
    """(F,) tau^2 beyond which neither likelihood has a stationary point.

    Common mean: y'PPy <= w_max range(y)^2 tr P / 2, so the score is negative for t > range(y)^2 / 2 - v_min.
    Regression: y'PPy <= w_max^2 RSS and tr P >= (k - p) w_min, with RSS of ordinary least squares, so the score is
    negative once (v_max + t) RSS / (k - p) < (v_min + t)^2.
    """
    v_min = problem.least
    if problem.x is None:
        y = problem.y  # missing effects are 0, as is the first one of each analysis
        bound = 0.5 * (y.max(axis=0) - y.min(axis=0)) ** 2 - v_min
    else:
        present = np.isfinite(problem.v)
        v_max = np.where(present, problem.v, 0.0).max(axis=0)
        s = _plain_squares(problem, present) / np.maximum(problem.k - problem.p, 1)
        # larger root of t^2 + (2 v_min - s) t + v_min^2 - s v_max = 0: discriminant s^2 + 4 s (v_max - v_min)
        bound = 0.5 * (s - 2 * v_min + np.sqrt(s * (s + 4 * (v_max - v_min))))
    return np.asarray(np.maximum(bound, 0.0) * (1 + 1e-9))


def _plain_squares(problem: Problem, present: np.ndarray) -> np.ndarray:
    """(F,) sum of squared residuals of ordinary least squares."""
    if problem.shared is None or not present.all():
        return np.asarray(problem.weighted(present.astype(float)).rss)
    rest = problem.y  # with all studies present the columns are orthonormal
    for column in np.moveaxis(np.asarray(problem.x), 0, -1):
        rest = rest - lane_inner(column, rest) * column
    return lane_inner(rest, rest)


def grid_points(reach: float) -> int:
    """Points of the scan over log(tau^2 + v_min) of this length: two for each factor e, at least 16."""
    return max(GRID_BATCH, 1 + math.ceil(2 * reach))


def maximise(problem: Problem, *, reml: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global maximum of each analysis.

    Returns tau2 (F,), the number of Newton steps (F,) and the number of local maxima compared (F,).
    """
    grid, scale = _grid(problem)
    if problem.n == 1:
        ratio = _ratio(problem, grid, reml)
        found = _one_falling(problem, (grid, ratio), _score_reml if reml else _score_ml)
        return (
            _best(problem, _brackets(problem, (grid, scale), ratio, reml), ratio[:, 0] <= 1, reml)
            if found is None
            else found
        )
    tau2 = np.zeros(problem.n)
    steps, maxima = np.zeros(problem.n, dtype=np.intp), np.ones(problem.n, dtype=np.intp)
    common = can_share(problem)
    keep_freed_memory()
    largest = max(grid.shape[1], problem.y.shape[0])
    per_block = max(1, SHARED_LANES // largest if common else LANES // (grid.shape[1] * problem.y.shape[0]))
    for start in range(0, problem.n, per_block):
        rows = slice(start, start + per_block)
        part = problem
        if per_block < problem.n:
            part = problem.take(np.arange(problem.n)[rows])
        if common:
            ratio, points = (
                shared_ratio(part, grid[0], reml=reml).T,
                np.broadcast_to(grid, (part.n, grid.shape[1])),
            )
        else:
            points = grid[rows]
            ratio = _ratio(part, points, reml)
        brackets = _brackets(part, (points, scale[rows]), ratio, reml)
        tau2[rows], steps[rows], maxima[rows] = _best(part, brackets, ratio[:, 0] <= 1, reml)
    return tau2, steps, maxima


def _one_falling(
    problem: Problem, scan: tuple[np.ndarray, np.ndarray], phi: Phi
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """As `maximise` for one analysis whose ratio falls all the way, so that it has one maximum; None for any other."""
    grid, ratio = scan[0][0], scan[1][0]
    falls = ratio[1:] < ratio[:-1]
    r = ratio.tolist()
    above = int(np.count_nonzero(ratio > 1))
    if not falls.all() or (above == 0 and r[1] - r[0] > r[2] - r[1]):
        return None
    tau2, taken = np.zeros(1), np.zeros(1, dtype=np.intp)
    if above > 0:
        left = above - 1
        low, high = float(grid[left]), float(grid[above])
        base = min(max(left - 1, 0), len(r) - 4)
        x = _inverse_cubic([math.log(r[base + i]) for i in range(4)], [base + i - left for i in range(4)])
        scale = float(problem.least[0])
        guess = low + (low + scale) * math.expm1(
            (x if 0 < x < 1 else 0.5) * math.log((high + scale) / (low + scale))
        )
        tau2, taken = _refine_one(problem, (low, high), phi, guess)
    return tau2, taken, np.ones(1, dtype=np.intp)


def _inverse_cubic(f: list[Any], x: list[Any]) -> Any:
    """x at which f is zero by the cubic x(f) through four points."""
    total = 0.0
    for i in range(4):
        term = x[i]
        for j in range(4):
            if j != i:
                term = term * (f[j] / (f[j] - f[i]))
        total = total + term
    return total


def _grid(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Values of tau^2 (F or 1, S), evenly spaced in log(tau^2 + scale) up to the bound, and that scale (F,)."""
    bound, scale = upper_bound(problem), problem.least
    if can_share(problem):
        least = float(scale.min())
        reach = math.log1p(float(bound.max()) / least)
        points = max(GRID_BATCH, 1 + math.ceil(reach / GRID_STEP))
        grid = least * np.expm1(np.linspace(0.0, reach, points))
        return grid[None], np.full(problem.n, least)
    reach = np.log1p(bound / scale)
    points = max(
        GRID_SINGLE if problem.n * problem.y.shape[0] < 2_000 else 0, grid_points(float(reach.max()))
    )
    return scale[:, None] * np.expm1(_fractions(points) * reach[:, None]), scale


@cache
def _fractions(points: int) -> np.ndarray:
    return np.linspace(0.0, 1.0, points)


def _ratio(problem: Problem, grid: np.ndarray, reml: bool) -> np.ndarray:
    """(F, S) y'PPy / tr P (or / sum w) at a grid, in pieces that keep memory small when K is large."""
    width = max(1, LANES // (problem.y.shape[0] * problem.n))
    pieces = []
    for start in range(0, grid.shape[1], width):
        at = problem.at(grid[:, start : start + width])
        pieces.append(at.square / (at.trace if reml else at.w_sum))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _brackets(
    problem: Problem, scan: tuple[np.ndarray, np.ndarray], ratio: np.ndarray, reml: bool
) -> Brackets:
    """Intervals with a maximum inside: analysis (L,), lower end (L,), upper end (L,), guess and bend between them (`_guess`).

    scan : grid (F, S) evenly spaced in log(tau^2 + scale), and scale (F,).
    """
    grid, scale = scan
    above = ratio > 1
    owner, left = np.nonzero(above[:, :-1] & ~above[:, 1:])
    low, high = grid[owner, left], grid[owner, left + 1]
    found = [(owner, low, high, _guess(ratio, (owner, left), (low, high), scale[owner]))]
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
    usable = high > low
    if usable.any():
        found.append(_fine(problem, (row[usable], low[usable], high[usable]), reml))
    if len(found) == 1:
        return found[0]
    owners, lows, highs = (np.concatenate([part[i] for part in found]) for i in range(3))
    guesses, bends = (np.concatenate(parts) for parts in zip(*(part[3] for part in found), strict=True))
    return owners, lows, highs, (guesses, bends)


def _fine(problem: Problem, spans: tuple[np.ndarray, np.ndarray, np.ndarray], reml: bool) -> Brackets:
    """Brackets inside the spans (analysis, lower end, upper end) that the scan may have passed over."""
    row, low, high = spans
    sub = problem.take(row)
    scale = sub.least
    span = np.log((high + scale) / (low + scale))
    fractions = np.linspace(0.0, 1.0, GRID_FINE)
    fine = low[:, None] + (low + scale)[:, None] * np.expm1(fractions * span[:, None])
    ratio = _ratio(sub, fine, reml)
    over = ratio > 1
    owner, left = np.nonzero(over[:, :-1] & ~over[:, 1:])
    ends = fine[owner, left], fine[owner, left + 1]
    return row[owner], *ends, _guess(ratio, (owner, left), ends, scale[owner])


def _guess(
    ratio: np.ndarray,
    where: tuple[np.ndarray, np.ndarray],
    ends: tuple[np.ndarray, np.ndarray],
    scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(L,) tau^2 at which log ratio is about zero, and its bend there: half the second over the first derivative in
    log(tau^2 + scale). By the polynomial through `POINTS` points, from the inverse cubic through four."""
    owner, left = where
    low, high = ends
    base = np.clip(left - POINTS // 2 + 1, 0, ratio.shape[1] - POINTS)
    four = np.clip(left - 1, 0, ratio.shape[1] - 4)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        f = np.log(ratio[owner, base + np.arange(POINTS)[:, None]])
        near = [f[four - base + i, np.arange(len(owner))] for i in range(4)]
        x = _inverse_cubic(near, [four + i - left for i in range(4)])
        x = np.where((x > 0.0) & (x < 1.0), x, 0.5)
        middle = base + 0.5 * (POINTS - 1) - left  # of the points, seen from `left`
        better, bend = _polynomial_zero(_interpolation() @ f, x - middle)
        better = better + middle
        x = np.where((better > 0.0) & (better < 1.0), better, x)
        width = np.log((high + scale) / (low + scale))
        bend = np.where(np.isfinite(bend), bend, np.inf) / width
        return np.asarray(low + (low + scale) * np.expm1(x * width)), bend


@cache
def _interpolation() -> np.ndarray:
    """(POINTS, POINTS) from values at points one apart, about zero, to coefficients of powers 0, 1 ..."""
    return np.linalg.inv(np.vander(np.arange(POINTS) - 0.5 * (POINTS - 1), increasing=True))


def _polynomial_zero(coefficients: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two Newton steps from x (L,) to a zero of polynomials (P, L); half the second over the first derivative there."""
    for _ in range(2):
        value, slope, half = coefficients[-1], np.zeros_like(x), np.zeros_like(x)
        for c in coefficients[-2::-1]:
            half = half * x + slope
            slope = slope * x + value
            value = value * x + c
        x = x - value / slope
    return x, half / slope


def _best(
    problem: Problem, brackets: Brackets, zero: np.ndarray, reml: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest of the refined maxima and, where the score at 0 is not positive, of tau^2 = 0."""
    owner, low, high, (guess, bend) = brackets
    tau2, steps = np.zeros(problem.n), np.zeros(problem.n, dtype=np.intp)
    maxima = np.bincount(owner, minlength=problem.n) + zero
    if not len(owner):
        return tau2, steps, maxima
    part = problem if len(owner) == problem.n and (np.diff(owner) == 1).all() else problem.take(owner)
    found, taken = refine(part, (low, high), _score_reml if reml else _score_ml, guess=guess, bend=bend)
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


def refine(
    problem: Problem,
    ends: tuple[np.ndarray, np.ndarray],
    phi: Phi,
    *,
    guess: np.ndarray | None = None,
    bend: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Zero of a decreasing crossing phi(tau^2) between its ends per analysis: Newton, bisection when it leaves.

    `phi(at, rows)` returns (value, derivative with respect to tau^2) of the analyses `rows` of `problem`.
    bend : (F,) half the second over the first derivative of phi in log(tau^2 + scale), about, near the guess: with it a
        short step is of third order, and the last one is known earlier.
    Returns tau2 (F,) and steps taken (F,).
    """
    low, high = ends
    if problem.n == 1:
        return _refine_one(
            problem, (float(low[0]), float(high[0])), phi, None if guess is None else float(guess[0])
        )
    low, high, scale = low.copy(), high.copy(), problem.least
    root = _middle(low, high, scale) if guess is None else guess.copy()
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
            tiny = np.abs(step) < CLOSE
            if bend is not None:
                turn = bend[active] * step * step
                known = (np.abs(turn) < BENT) & (np.abs(step) < NEAR)
                step, tiny = np.where(known, step - turn, step), tiny | known
            new = t + (t + s) * np.expm1(np.clip(step, -50.0, 50.0))
        inside = (slope < 0) & (new > low[active]) & (new < high[active])
        tiny &= slope < 0
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


def _refine_one(
    problem: Problem, ends: tuple[float, float], phi: Phi, guess: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """The same steps for a single analysis, without the bookkeeping of many."""
    low, high = ends
    scale, row = float(problem.least[0]), np.zeros(1, dtype=np.intp)
    t = guess
    if t is None:
        t = low + (low + scale) * math.expm1(0.5 * math.log1p((high - low) / (low + scale)))
    for taken in range(1, MOST_STEPS + 1):
        value, slope = (float(part[0]) for part in phi(problem.at(np.array([t])), row))
        if value > 0:
            low = t
        else:
            high = t
        step = -value / (slope * (t + scale)) if slope < 0 else math.nan
        new = t + (t + scale) * math.expm1(min(max(step, -50.0), 50.0)) if slope < 0 else math.nan
        if slope < 0 and abs(step) < CLOSE:
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
