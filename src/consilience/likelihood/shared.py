"""The scan of a likelihood over tau^2 for analyses that share their variances: subsets, permutations, sign flips.

At a grid of tau^2 common to all, the weights are the same in every analysis, so that each sum over studies is a product
of a (K, S) matrix of weights with a (K, F) matrix of the studies present, their effects, their moderators. Such one-pass
sums serve to find where the score changes sign; what is reported comes from `weighted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np

from .weighted import LANE_SPREAD, LANES_FROM, Problem


def can_share(problem: Problem) -> bool:
    """Is there anything to share, and are the weights near enough to each other for one-pass sums?"""
    return problem.shared is not None and problem.n >= LANES_FROM and problem.spread <= LANE_SPREAD


def shared_ratio(problem: Problem, grid: np.ndarray, *, reml: bool) -> np.ndarray:
    """(S, F) y'PPy / tr P (or / sum w) at each tau^2 of the grid (S,), as `search` has it."""
    assert problem.shared is not None  # `can_share` said so
    w = 1.0 / (problem.shared[:, None] + grid)
    weights = np.concatenate([w, w * w], axis=1).T
    present = np.isfinite(problem.v).astype(float)
    if present.all():
        present = present[:, :1]

    def sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over studies of w and of w^2 times the values (K, F)."""
        both = weights @ values
        return both[: len(grid)], both[len(grid) :]

    y = _once(problem.y)
    w_sum, w2_sum = sums(present)
    square = weights[len(grid) :] @ (y * y)
    if problem.x is None:
        first, second = sums(y)
        mean = first / w_sum
        square = square + mean * (mean * w2_sum - 2 * second)
        return np.asarray(square / (w_sum - w2_sum / w_sum if reml else w_sum))
    x = [_once(column) * present for column in np.moveaxis(problem.x, 0, -1)]
    p = len(x)
    inner = {(i, j): sums(x[i] * x[j]) for i in range(p) for j in range(i + 1)}
    outer = [sums(column * y) for column in x]
    inverse = _minus_inverse({key: value[0] for key, value in inner.items()}, p)  # of X'WX
    trace = w_sum
    # b : minus the coefficients
    b = [_total(inverse[_low(i, j)] * outer[j][0] for j in range(p)) for i in range(p)]
    for i in range(p):
        # u'u with u = W (y - Xb), gathered by b_i; tr P by the entries of the inverse
        along = 2 * outer[i][1]
        for j in range(p):
            along = along + b[j] * inner[_low(i, j)][1]
        square = square + b[i] * along
        if reml:
            trace = trace + inverse[i, i] * inner[i, i][1]
            for j in range(i):
                trace = trace + inverse[i, j] * (2 * inner[i, j][1])
    return np.asarray(square / trace)


def _total(terms: Iterable[np.ndarray]) -> np.ndarray:
    """Their sum, without the zero that `sum` begins with."""
    return reduce(np.add, terms)


def _low(i: int, j: int) -> tuple[int, int]:
    """Where the lower triangle holds entry (i, j) of a symmetric matrix."""
    return max(i, j), min(i, j)


def _once(column: np.ndarray) -> np.ndarray:
    """(K, 1) of a column (K, F) that is the same in all analyses."""
    return column[:, :1] if (column == column[:, :1]).all() else column


def _minus_inverse(matrix: dict[tuple[int, int], np.ndarray], p: int) -> dict[tuple[int, int], np.ndarray]:
    """Lower triangles of minus the inverses of symmetric matrices given by their lower triangles, entries (S, F), by sweeps."""
    a = dict(matrix)
    for k in range(p):
        others = [i for i in range(p) if i != k]
        pivot = 1 / a[k, k]
        row = {i: a[_low(i, k)] for i in others}
        scaled = {i: row[i] * pivot for i in others}
        for i in others:
            for j in others:
                if j <= i:
                    a[i, j] = a[i, j] - row[i] * scaled[j]
            a[_low(i, k)] = scaled[i]
        a[k, k] = -pivot
    return a
