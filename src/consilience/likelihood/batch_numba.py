"""The search of `search.maximise` as a compiled kernel: same grid, same brackets, same steps.

For common means, and for regressions with few columns and variances of similar size. A `case` is (effects (K,), variances
(K,), basis of the design (p, K), restricted?, smallest variance, room (2p + 2, K)) of one analysis, p = 0 for a common
mean. Optional: it needs numba, is compiled once and cached on disk, and agrees with the NumPy form to 1e-10. Importing
this module imports numba.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from .search import CLOSE, GRID_FINE, MOST_STEPS, grid_points, upper_bound
from .weighted import LANE_COLUMNS, LANE_SPREAD, Problem

PER_TASK = 4_096
REORDER = {"reassoc", "contract"}  # sums may be taken in any order: a few units in the last place


@njit(cache=True, nogil=True)
def _sums(case, t):
    """Weights into room[0]; returns their sum, the sum but the first, the weighted mean."""
    y, v, _, _, _, room = case
    w = room[0]
    total, others, weighted = 0.0, 0.0, 0.0
    for i in range(len(y)):
        w[i] = 1.0 / (v[i] + t)
        weighted += w[i] * y[i]
        if i > 0:
            others += w[i]
    total = w[0] + others
    return total, others, weighted / total


@njit(cache=True, nogil=True, fastmath=REORDER)
def _project(case, t):
    """Weights w into room[0], columns c_j with c_i'Wc_j = (i == j) and W c_j into the next rows, residuals into the last;
    returns log |X'WX|."""
    y, v, x, _, _, room = case
    p, n = x.shape
    w, rest, logdet = room[0], room[2 * p + 1], 0.0
    for i in range(n):
        w[i] = 1.0 / (v[i] + t)
        rest[i] = y[i]
    for j in range(p):
        c, turned = room[1 + j], room[1 + p + j]
        for i in range(n):
            c[i] = x[j, i]
        for m in range(j):
            before, along = room[1 + m], 0.0
            for i in range(n):
                along += room[1 + p + m, i] * c[i]
            for i in range(n):
                c[i] -= along * before[i]
        size, along = 0.0, 0.0
        for i in range(n):
            turned[i] = w[i] * c[i]
            size += turned[i] * c[i]
        scale = 1.0 / np.sqrt(size)
        for i in range(n):
            c[i] *= scale
            turned[i] *= scale
            along += turned[i] * rest[i]
        for i in range(n):
            rest[i] -= along * c[i]
        logdet += np.log(size)
    return logdet


@njit(cache=True, nogil=True, fastmath=REORDER)
def _ratio_projected(case, t):
    """`_ratio` of a regression."""
    _, _, x, reml, _, room = case
    p, n = x.shape
    _project(case, t)
    w, rest, square, trace = room[0], room[2 * p + 1], 0.0, 0.0
    for i in range(n):
        square += (w[i] * rest[i]) ** 2
        trace += w[i]
    if reml:
        for j in range(p):
            for i in range(n):
                trace -= room[1 + p + j, i] ** 2
    return square / trace


@njit(cache=True, nogil=True, fastmath=REORDER)
def _score_projected(case, t):
    """`_score` of a regression."""
    _, _, x, reml, _, room = case
    p, n = x.shape
    _project(case, t)
    w, rest = room[0], room[2 * p + 1]
    square, cube, trace, trace2, w_sum, w2_sum = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        u = w[i] * rest[i]
        square += u * u
        cube += w[i] * u * u
        taken = 0.0
        for j in range(p):
            taken += room[1 + p + j, i] ** 2
        left = w[i] - taken
        trace += left
        trace2 += left * left - taken * taken
        w_sum += w[i]
        w2_sum += w[i] * w[i]
    for j in range(p):
        line = 0.0
        for i in range(n):
            line += room[1 + p + j, i] * w[i] * rest[i]
        cube -= line * line
        for m in range(j + 1):
            inner = 0.0
            for i in range(n):
                inner += room[1 + p + j, i] * room[1 + p + m, i]
            trace2 += inner * inner * (1.0 if m == j else 2.0)
    if not reml:
        return np.log(square / w_sum), w2_sum / w_sum - 2.0 * cube / square
    return np.log(square / trace), trace2 / trace - 2.0 * cube / square


@njit(cache=True, nogil=True)
def _ratio(case, t):
    """y'PPy / tr P (or / sum w)."""
    y, _, x, reml, _, room = case
    if len(x):
        return _ratio_projected(case, t)
    w = room[0]
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
    y, _, x, reml, _, room = case
    if len(x):
        return _score_projected(case, t)
    w = room[0]
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
    """Log-likelihood up to a constant of the data."""
    y, v, x, reml, _, room = case
    w, value = room[0], 0.0
    if len(x):
        logdet = _project(case, t)
        for i in range(len(y)):
            if w[i] > 0.0:
                value += np.log(v[i] + t) + w[i] * room[2 * len(x) + 1, i] ** 2
        return -0.5 * (value + logdet) if reml else -0.5 * value
    total, _, mean = _sums(case, t)
    for i in range(len(y)):
        if w[i] > 0.0:
            value += np.log(v[i] + t) + w[i] * (y[i] - mean) ** 2
    return -0.5 * (value + np.log(total)) if reml else -0.5 * value


@njit(cache=True, nogil=True)
def _middle(low, high, scale):
    return low + (low + scale) * np.expm1(0.5 * np.log1p((high - low) / (low + scale)))


@njit(cache=True, nogil=True)
def _refine(case, low, high, t):
    scale = case[4]
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
        tiny = slope < 0 and abs(step) < CLOSE
        t = max(new, 0.0) if tiny or low < new < high else _middle(low, high, scale)
        if tiny or high - low <= 4e-16 * (high + 1e-3 * scale):
            break
    return t, taken


@njit(cache=True, nogil=True)
def _guess(ratio, grid, left, scale):
    """tau^2 between two grid points at which log ratio is about zero, by the cubic through four points."""
    base = min(max(left - 1, 0), len(ratio) - 4)
    x = 0.0
    for i in range(base, base + 4):
        term, own = float(i - left), np.log(ratio[i])
        for j in range(base, base + 4):
            if j != i:
                other = np.log(ratio[j])
                term *= other / (other - own) if other != own else np.inf
        x += term
    if not (x > 0.0 and x < 1.0):
        x = 0.5
    low, high = grid[left], grid[left + 1]
    return low + (low + scale) * np.expm1(x * np.log((high + scale) / (low + scale)))


@njit(cache=True, nogil=True)
def _consider(case, bracket, best):
    """Refine the maximum in a bracket (low, high, guess); keep it in best = (tau2, height, maxima, steps) if it is the highest."""
    t, taken = _refine(case, bracket[0], bracket[1], bracket[2])
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
    scale = case[4]
    span = np.log((high + scale) / (low + scale))
    before, before_above = 0.0, False
    for j in range(GRID_FINE):
        t = low + (low + scale) * np.expm1(j / (GRID_FINE - 1) * span)
        above = _ratio(case, t) > 1
        if j > 0 and before_above and not above:
            best = _consider(case, (before, t, _middle(before, t, scale)), best)
        before, before_above = t, above
    return best


@njit(cache=True, nogil=True)
def _one(case, bound, ratio, grid):
    """tau2, steps and number of maxima of one analysis."""
    n, scale = len(grid), case[4]
    reach = np.log1p(bound / scale)
    for j in range(n):
        grid[j] = scale * np.expm1(j / (n - 1) * reach)
        ratio[j] = _ratio(case, grid[j])
    best = (0.0, 0.0, 0, 0)
    if not ratio[0] > 1:
        best = (0.0, _height(case, 0.0), 1, 0)
    for j in range(n - 1):
        if ratio[j] > 1 and not ratio[j + 1] > 1:
            best = _consider(case, (grid[j], grid[j + 1], _guess(ratio, grid, j, scale)), best)
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
    """All analyses, effects and variances (F, K), bases (F or 1, p, K), bounds and least variances (F,), into out (3, F)."""
    y, v, x, bound, least = arrays
    room = np.empty((2 * x.shape[1] + 2, y.shape[1]))
    ratio, grid = np.empty(points), np.empty(points)
    for f in range(len(y)):
        case = (y[f], v[f], x[f if len(x) > 1 else 0], reml, least[f], room)
        out[0, f], out[1, f], out[2, f] = _one(case, bound[f], ratio, grid)


def compiles(problem: Problem) -> bool:
    """Is the compiled form accurate for this problem?"""
    return problem.x is None or (problem.p <= LANE_COLUMNS and problem.spread <= LANE_SPREAD)


def maximise_compiled(problem: Problem, *, reml: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `search.maximise`, on as many threads as this process may use."""
    y, v = np.ascontiguousarray(problem.y.T), np.ascontiguousarray(problem.v.T)
    x = np.empty((1, 0, len(problem.y))) if problem.x is None else np.ascontiguousarray(problem.x)
    bound, least = upper_bound(problem), problem.least
    points = grid_points(float(np.log1p(bound / least).max()))
    out = np.empty((3, problem.n))
    starts = range(0, problem.n, PER_TASK)

    def task(start: int) -> None:
        part = slice(start, start + PER_TASK)
        own = x[part] if len(x) > 1 else x
        _many((y[part], v[part], own, bound[part], least[part]), reml, points, out[:, part])

    if len(starts) == 1:
        task(0)
    else:
        with ThreadPoolExecutor(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        ) as pool:
            list(pool.map(task, starts))
    return out[0].copy(), out[1].astype(np.intp), out[2].astype(np.intp)
