"""Where the likelihood of nested intercepts may have its maximum: the local maxima of a grid of both variances.

For a given variance between effects, the likelihood at any variance between groups needs sums over groups only, so a fine
grid costs little more than one line of it. Good to about eight digits, enough to rank starting points.
"""

from __future__ import annotations

import numpy as np

from .nested_batch import NestedBatch

CHUNK = 400_000  # numbers of one array held at once
MANY_ROWS = 20_000  # beyond this the likelihood is as good as unimodal
MOST_STARTS = 6


def starting_grid(batch: NestedBatch, free: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (F, A) of the variance between effects and (F, B) between groups: zero, then from a thirtieth of the smallest
    sampling variance to the spread of the outcomes; the given value alone where it is not free.

    Parameters
    ----------
    free : (2,) which variances are to be estimated, for all data sets; fixed : (F, 2) values of the others.
    """
    d = batch.d
    low = 0.03 * np.where(d > 0, d, np.inf).min(axis=1)
    low = np.where(np.isfinite(low), low, 1e-3)
    high = 2.0 * (_least_squares_residual(batch) ** 2).max(axis=1)
    low = np.maximum(low, 1e-9 * high)
    k = d.shape[1]
    size = 5 if k > MANY_ROWS else 16
    steps = np.linspace(0.0, 1.0, size)
    ratio = np.log(np.maximum(high / low, 1.0))
    line = np.concatenate([np.zeros((len(d), 1)), low[:, None] * np.exp(ratio[:, None] * steps)], axis=1)
    a, b = (line if free[i] else fixed[:, i : i + 1] for i in (0, 1))
    return a, b


def _least_squares_residual(batch: NestedBatch) -> np.ndarray:
    """(F, k) outcomes less their projection on the design, without weights."""
    x, y = batch.data[:, :-1], batch.data[:, -1]
    return np.asarray(y - (((x @ y[:, :, None])[:, :, 0])[:, None, :] @ x)[:, 0])


def grid_values(batch: NestedBatch, a: np.ndarray, b: np.ndarray, *, reml: bool) -> np.ndarray:
    """(F, A, B) log-likelihood up to a constant of each data set; minus infinity where it does not exist."""
    n, width = len(batch.d), a.shape[1]
    c, k, j = batch.data.shape[1], batch.d.shape[1], len(batch.starts)
    cells = width * max(k * c, b.shape[1] * j)
    per = max(1, CHUNK // cells)
    parts = [
        _values(
            batch if n <= per else batch.take(np.arange(s, min(s + per, n))),
            a[s : s + per],
            b[s : s + per],
            reml=reml,
        )
        for s in range(0, n, per)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _values(batch: NestedBatch, a: np.ndarray, b: np.ndarray, *, reml: bool) -> np.ndarray:
    f, c = batch.data.shape[:2]
    variance = batch.d[:, None, :] + a[:, :, None]  # (F, A, k)
    valid = (variance > 0).all(axis=2)
    if not valid.all():
        variance = np.where(valid[:, :, None], variance, 1.0)
    w = 1.0 / variance
    logs = np.log(w if batch.complete else np.where(w > 0, w, 1.0)).sum(axis=2)
    left, right = np.triu_indices(c)
    products = batch.data[:, left] * batch.data[:, right]  # (F, s, k)
    gram = (w @ np.swapaxes(products, 1, 2))[:, :, None, :]  # (F, A, 1, s)
    wz = w * batch.z[:, None, :]
    t = np.add.reduceat(wz * batch.z[:, None, :], batch.starts, axis=2)[:, :, None, :]  # (F, A, 1, J)
    sums = np.add.reduceat(wz[:, :, None, :] * batch.data[:, None], batch.starts, axis=3)  # (F, A, c, J)
    damp = 1.0 + b[:, None, :, None] * t  # (F, A, B, J)
    logdet = np.log(damp).sum(axis=3) - logs[:, :, None]
    shrink = b[:, None, :, None] / damp
    gram = gram - shrink @ np.swapaxes(sums[:, :, left] * sums[:, :, right], 2, 3)
    rss, logdet_xx, full = _eliminated(gram.reshape(-1, len(left)).T, c)
    value = -0.5 * (logdet.ravel() + rss + (logdet_xx if reml else 0.0))
    value = np.where(full & np.isfinite(value), value, -np.inf).reshape(f, a.shape[1], b.shape[1])
    return np.where(valid[:, :, None], value, -np.inf)


def _eliminated(gram: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper triangles (s, n) of n symmetric c x c matrices: what is left of the last diagonal element after eliminating
    the others, the log of the product of the other pivots, and whether all were positive."""
    place = np.zeros((c, c), dtype=np.intp)
    place[np.triu_indices(c)] = np.arange(len(gram))
    place = np.maximum(place, place.T)
    rows = [[gram[place[i, j]] for j in range(c)] for i in range(c)]
    product = np.zeros(gram.shape[1])
    full = np.ones(gram.shape[1], dtype=bool)
    for i in range(c - 1):
        pivot = rows[i][i]
        full &= pivot > 0
        pivot = np.where(full, pivot, 1.0)
        product += np.log(pivot)
        for j in range(i + 1, c):
            ratio = rows[i][j] / pivot
            for m in range(j, c):
                rows[j][m] = rows[j][m] - ratio * rows[i][m]
    return rows[-1][-1], product, full


def peaks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Up to `MOST_STARTS` local maxima of each data set's (A, B) grid, the highest first: (owner (L,), i (L,), j (L,)).

    A value counts if it is above all its neighbours; of equal ones the first counts.
    """
    f, rows, columns = values.shape
    padded = np.full((f, rows + 2, columns + 2), -np.inf)
    padded[:, 1:-1, 1:-1] = values
    peak = values > -np.inf
    for up in (-1, 0, 1):
        for right in (-1, 0, 1):
            if up or right:
                other = padded[:, 1 + up : 1 + up + rows, 1 + right : 1 + right + columns]
                peak &= values > other if (up, right) < (0, 0) else values >= other
    owner, i, j = np.nonzero(peak)
    order = np.lexsort((-values[owner, i, j], owner))
    owner, i, j = owner[order], i[order], j[order]
    first = np.searchsorted(owner, owner)
    chosen = np.arange(len(owner)) - first < MOST_STARTS
    return owner[chosen], i[chosen], j[chosen]


def between_points(
    values: np.ndarray, a: np.ndarray, b: np.ndarray, place: tuple[int, int]
) -> tuple[float, float]:
    """Where a parabola through the neighbours of a local maximum of the grid (A, B) has its top, in log variances.

    Along an axis on which the maximum is at its end, at zero or beside it, the point itself is kept.
    """
    i, j = place
    here = float(a[i]), float(b[j])
    inside = 1 < i < len(a) - 1, 1 < j < len(b) - 1
    up = values[i - 1 : i + 2, j].tolist() if inside[0] else [-1.0, 0.0, -1.0]
    right = values[i, j - 1 : j + 2].tolist() if inside[1] else [-1.0, 0.0, -1.0]
    slope = 0.5 * (up[2] - up[0]), 0.5 * (right[2] - right[0])
    bend = 2 * up[1] - up[0] - up[2], 2 * right[1] - right[0] - right[2]
    cross = 0.0
    if inside[0] and inside[1]:
        (first, _, second), _, (third, _, fourth) = values[i - 1 : i + 2, j - 1 : j + 2].tolist()
        cross = 0.25 * (second + third - first - fourth)
    size = bend[0] * bend[1] - cross * cross
    if not (size > 0 and np.isfinite(size)):
        return here
    shift = (bend[1] * slope[0] - cross * slope[1]) / size, (bend[0] * slope[1] - cross * slope[0]) / size
    moved = [
        float(line[n] * (line[n + 1] / line[n]) ** min(max(step, -0.7), 0.7)) if within else float(line[n])
        for line, n, step, within in zip((a, b), place, shift, inside, strict=True)
    ]
    return moved[0], moved[1]
