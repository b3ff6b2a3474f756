"""The scan of a likelihood over tau^2 for analyses that share their variances: subsets, permutations, sign flips.

At a grid of tau^2 common to all, the weights are the same in every analysis, so that each sum over studies is a product
of a (K, S) matrix of weights with a (K, F) matrix of the studies present, their effects, their moderators. Such one-pass
sums serve to find where the score changes sign; what is reported comes from `weighted`.
"""

from __future__ import annotations

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

    w_sum, w2_sum = sums(present)
    square = weights[len(grid) :] @ (problem.y * problem.y)
    if problem.x is None:
        first, second = sums(problem.y)
        mean = first / w_sum
        square += mean * (mean * w2_sum - 2 * second)
        return np.asarray(square / (w_sum - w2_sum / w_sum if reml else w_sum))
    x = [_once(column) * present for column in np.moveaxis(problem.x, 0, -1)]
    inner = {(i, j): sums(x[i] * x[j]) for i in range(len(x)) for j in range(i + 1)}
    outer = [sums(column * problem.y) for column in x]
    inverse = _inverse({key: value[0] for key, value in inner.items()}, len(x))
    trace = w_sum
    b = [sum(inverse[max(i, j), min(i, j)] * outer[j][0] for j in range(len(x))) for i in range(len(x))]
    for (i, j), (_, second) in inner.items():
        times = 1 if i == j else 2
        square = square + times * b[i] * b[j] * second
        trace = trace - times * inverse[i, j] * second
    for i, (_, second) in enumerate(outer):
        square = square - 2 * b[i] * second
    return np.asarray(square / (trace if reml else w_sum))


def _once(column: np.ndarray) -> np.ndarray:
    """(K, 1) of a column (K, F) that is the same in all analyses."""
    return column[:, :1] if (column == column[:, :1]).all() else column


def _inverse(matrix: dict[tuple[int, int], np.ndarray], p: int) -> dict[tuple[int, int], np.ndarray]:
    """Lower triangles of the inverses of symmetric matrices given by their lower triangles, entries (S, F), by sweeps."""
    a = dict(matrix)
    for k in range(p):
        others = [i for i in range(p) if i != k]
        pivot = 1 / a[k, k]
        row = {i: a[max(i, k), min(i, k)] for i in others}
        scaled = {i: row[i] * pivot for i in others}
        for i in others:
            for j in others:
                if j <= i:
                    a[i, j] = a[i, j] - row[i] * scaled[j]
            a[max(i, k), min(i, k)] = scaled[i]
        a[k, k] = -pivot
    return {key: -value for key, value in a.items()}
