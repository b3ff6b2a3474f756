"""The search of `search.maximise` for common means as a compiled kernel: same grid, same brackets, same steps.

A `case` is (effects, variances, restricted?, room for the weights) of one analysis. Optional: it needs numba, is compiled once and cached on disk, and agrees with the NumPy form to 1e-10. Importing this
module imports numba.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from .search import GRID_FINE, MOST_STEPS, grid_points, upper_bound
from .weighted import Problem

PER_TASK = 4_096


@njit(cache=True, nogil=True)
def _sums(case, t):
    """Weights into w; returns their sum, the sum but the first, the weighted mean."""
    y, v, _, w = case
    total, others, weighted = 0.0, 0.0, 0.0
    for i in range(len(y)):
        w[i] = 1.0 / (v[i] + t)
        weighted += w[i] * y[i]
        if i > 0:
            others += w[i]
    total = w[0] + others
    return total, others, weighted / total


@njit(cache=True, nogil=True)
def _ratio(case, t):
    """y'PPy / tr P (or / sum w)."""
    y, _, reml, w = case
    total, others, mean = _sums(case, t)
    square, squares = 0.0, 0.0
    for i in range(len(y)):
        u = w[i] * (y[i] - mean)
        square += u * u
        if i > 0:
            squares += w[i] * w[i]
    if reml:
        return square / (others + w[0] * others / total - squares / total)
    return square / total


@njit(cache=True, nogil=True)
def _score(case, t):
    """log of `_ratio` and its derivative."""
    y, _, reml, w = case
    total, others, mean = _sums(case, t)
    square, cube, line, squares, own = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(y)):
        u = w[i] * (y[i] - mean)
        square += u * u
        cube += w[i] * u * u
        line += w[i] * u
        if i > 0:
            squares += w[i] * w[i]
            own += w[i] * w[i] * (1.0 - 2.0 * w[i] / total)
    cube -= line * line / total
    if not reml:
        return np.log(square / total), (squares + w[0] * w[0]) / total - 2.0 * cube / square
    trace = others + w[0] * others / total - squares / total
    own += (squares / total) ** 2
    trace2 = (w[0] * others / total) ** 2 + 2.0 * (w[0] / total) ** 2 * squares + own
    return np.log(square / trace), trace2 / trace - 2.0 * cube / square


@njit(cache=True, nogil=True)
def _height(case, t):
    y, v, reml, w = case
    total, _, mean = _sums(case, t)
    value = 0.0
    for i in range(len(y)):
        if w[i] > 0.0:
            value += np.log(v[i] + t) + w[i] * (y[i] - mean) ** 2
    return -0.5 * (value + np.log(total)) if reml else -0.5 * value


@njit(cache=True, nogil=True)
def _middle(low, high, scale):
    return low + (low + scale) * np.expm1(0.5 * np.log1p((high - low) / (low + scale)))


@njit(cache=True, nogil=True)
def _refine(case, low, high):
    scale = case[1][0]
    t = _middle(low, high, scale)
    taken = 0
    for _ in range(MOST_STEPS):
        value, slope = _score(case, t)
        taken += 1
        if value > 0:
            low = t
        else:
            high = t
        step, new = 0.0, -1.0
        if slope < 0:
            step = -value / (slope * (t + scale))
            new = t + (t + scale) * np.expm1(min(max(step, -50.0), 50.0))
        tiny = slope < 0 and abs(step) < 1e-9
        t = max(new, 0.0) if tiny or low < new < high else _middle(low, high, scale)
        if tiny or high - low <= 4e-16 * (high + 1e-3 * scale):
            break
    return t, taken


@njit(cache=True, nogil=True)
def _consider(case, bracket, best):
    """Refine the maximum in a bracket; keep it in best = (tau2, height, maxima, steps) if it is the highest."""
    t, taken = _refine(case, bracket[0], bracket[1])
    if best[2] == 0:
        return t, best[1], 1, taken  # the height is needed only once there is a rival
    first = _height(case, best[0]) if best[2] == 1 else best[1]
    height = _height(case, t)
    if height > first:
        return t, height, best[2] + 1, max(best[3], taken)
    return best[0], first, best[2] + 1, max(best[3], taken)


@njit(cache=True, nogil=True)
def _fine(case, ends, best):
    """Look between two grid points for maxima that the grid passed over."""
    low, high = ends
    scale = case[1][0]
    span = np.log((high + scale) / (low + scale))
    before, before_above = 0.0, False
    for j in range(GRID_FINE):
        t = low + (low + scale) * np.expm1(j / (GRID_FINE - 1) * span)
        above = _ratio(case, t) > 1
        if j > 0 and before_above and not above:
            best = _consider(case, (before, t), best)
        before, before_above = t, above
    return best


@njit(cache=True, nogil=True)
def _one(case, bound, ratio, grid):
    """tau2, steps and number of maxima of one analysis."""
    n, scale = len(grid), case[1][0]
    reach = np.log1p(bound / scale)
    for j in range(n):
        grid[j] = scale * np.expm1(j / (n - 1) * reach)
        ratio[j] = _ratio(case, grid[j])
    best = (0.0, 0.0, 0, 0)
    if not ratio[0] > 1:
        best = (0.0, _height(case, 0.0), 1, 0)
    for j in range(n - 1):
        if ratio[j] > 1 and not ratio[j + 1] > 1:
            best = _consider(case, (grid[j], grid[j + 1]), best)
    for j in range(1, n - 1):
        above = ratio[j] > 1
        if above != (ratio[j - 1] > 1) or above != (ratio[j + 1] > 1):
            continue
        low, high = min(ratio[j - 1], ratio[j + 1]), max(ratio[j - 1], ratio[j + 1])
        if (ratio[j] <= low if above else ratio[j] >= high) and grid[j + 1] > grid[j - 1]:
            best = _fine(case, (grid[j - 1], grid[j + 1]), best)
    above, first, second = ratio[0] > 1, ratio[1] - ratio[0], ratio[2] - ratio[1]
    if above == (ratio[1] > 1) and (second > 0 if above else first > second) and grid[1] > grid[0]:
        best = _fine(case, (grid[0], grid[1]), best)
    return best[0], best[3], max(best[2], 1)


@njit(cache=True, nogil=True)
def _many(arrays, reml, points, out):
    """All analyses, (F, K) arrays, into out (3, F)."""
    y, v, bound = arrays
    w, ratio, grid = np.empty(y.shape[1]), np.empty(points), np.empty(points)
    for f in range(len(y)):
        out[0, f], out[1, f], out[2, f] = _one((y[f], v[f], reml, w), bound[f], ratio, grid)


def maximise_compiled(problem: Problem, *, reml: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `search.maximise` for a problem without moderators, on as many threads as this process may use."""
    y, v = np.ascontiguousarray(problem.y.T), np.ascontiguousarray(problem.v.T)
    bound = upper_bound(problem)
    points = grid_points(float(np.log1p(bound / problem.least).max()))
    out = np.empty((3, problem.n))
    starts = range(0, problem.n, PER_TASK)

    def task(start: int) -> None:
        part = slice(start, start + PER_TASK)
        _many((y[part], v[part], bound[part]), reml, points, out[:, part])

    if len(starts) == 1:
        task(0)
    else:
        with ThreadPoolExecutor(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        ) as pool:
            list(pool.map(task, starts))
    return out[0].copy(), out[1].astype(np.intp), out[2].astype(np.intp)
