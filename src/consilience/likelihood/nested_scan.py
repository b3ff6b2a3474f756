"""The nested layout's likelihood at many thetas at once, to choose starting points.

Only sums are formed (no factor, no derivatives): a few elementwise passes over thetas x rows. Good to about eight digits,
which is enough to rank starting points and not used for anything else.
"""

from __future__ import annotations

import numpy as np

from .gaussian import Problem
from .nested import NestedLayout

CHUNK = 2_000_000  # numbers held at once


def scan_nested(problem: Problem, layout: NestedLayout, thetas: np.ndarray, *, reml: bool) -> np.ndarray:
    """(G,) log-likelihood up to a constant at each row of `thetas` (G, q); minus infinity where it does not exist."""
    basis = np.linalg.qr(problem.x)[0]
    columns = np.column_stack([basis, problem.y])
    per = max(1, CHUNK // (problem.k * (columns.shape[1] + 1)))
    parts = [
        _values(layout, columns, thetas[start : start + per], reml=reml)
        for start in range(0, len(thetas), per)
    ]
    return np.concatenate(parts)


def _values(layout: NestedLayout, columns: np.ndarray, thetas: np.ndarray, *, reml: bool) -> np.ndarray:
    is_row = np.array([name == "row" for name in layout.parameters])
    a, b = thetas @ is_row, thetas @ ~is_row
    spread = layout.d + a[:, None]
    valid = np.all(spread > 0, axis=1)
    w = 1.0 / np.where(spread > 0, spread, 1.0)
    c = columns.shape[1]
    upper = np.triu_indices(c)
    gram = np.empty((len(thetas), c, c))
    gram[:, upper[0], upper[1]] = w @ (columns[:, upper[0]] * columns[:, upper[1]])
    gram[:, upper[1], upper[0]] = gram[:, upper[0], upper[1]]
    logdet = -np.sum(np.log(w), axis=1)
    if np.any(b > 0):
        t = np.add.reduceat(w * layout.z**2, layout.starts, axis=1)
        sums = np.add.reduceat(w[:, :, None] * (layout.z[:, None] * columns), layout.starts, axis=1)
        shrink = b[:, None] / (1 + b[:, None] * t)
        gram -= np.swapaxes(sums, 1, 2) @ (shrink[:, :, None] * sums)
        logdet += np.sum(np.log1p(b[:, None] * t), axis=1)
    xx, xy = gram[:, :-1, :-1], gram[:, :-1, -1]
    sign, logdet_xx = np.linalg.slogdet(xx)
    valid &= sign > 0
    safe = np.where(valid[:, None, None], xx, np.eye(c - 1))
    solved = np.linalg.solve(safe, xy[:, :, None])[:, :, 0]
    rss = gram[:, -1, -1] - np.sum(xy * solved, axis=1)
    value = -0.5 * (logdet + rss + (logdet_xx if reml else 0.0))
    return np.where(valid & np.isfinite(value), value, -np.inf)
