"""The likelihood of `selection.py` where weights are constant between cuts: no quadrature, and few array operations.

With the intervals from the highest z to the lowest, A is the sum of w_j times the probability of interval j, and its
derivatives are sums over cuts of (w_above - w_below) He_n(u) phi(u), u = (cut - x b) / sqrt(v + tau^2). Everything is taken
relative to A on the log scale, so that nothing underflows. The derivatives of each study in its mean, its variance and the
weights go into one array, of which one product with the columns of the design makes gradient and Hessian.

Source: Vevea & Hedges (1995), Psychometrika 60:419 (check); derivatives are ours.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..base.distributions import special_functions
from .selection_family import Steps, pairs_of
from .selection_problem import LOG_2PI, Evaluated, Selected, log_between

_sum = np.add.reduce


def step_values(problem: Selected, steps: Steps, theta: np.ndarray) -> Evaluated:
    """As `selection.evaluate`."""
    p, q, x = problem.p, steps.linear.shape[1], problem.x
    mean = theta[:, :p] @ x[0].T if len(x) == 1 else (x @ theta[:, :p, None])[:, :, 0]
    total = problem.v + theta[:, p : p + 1]
    inverse = 1 / np.sqrt(total)  # of the standard deviation
    u, r = (problem.cuts - mean) * inverse, (problem.y - mean) * inverse
    log_weight = theta[:, p + 1 :] @ steps.linear.T + steps.offset  # (F, N)
    log_a, share, edge = _relative(u, log_weight.T[:, :, None])
    place = problem.places[0]
    seen = (
        np.take(log_weight, place[0], axis=1)
        if len(place) == 1
        else np.take_along_axis(log_weight, place, axis=1)
    )
    loglik = seen - log_a - 0.5 * (LOG_2PI + np.log(total) + r * r)
    parts = _derivatives(steps, (u, r, inverse), share, edge)
    parts[2 : 2 + q] += problem.seen_slopes
    if not problem.whole:
        loglik = problem.count * np.where(problem.count > 0, loglik, 0.0)
    found = np.take(_products(problem, parts), _places(p, q), axis=1)
    size = theta.shape[1]
    hessian = found[:, size:].reshape(-1, size, size)
    return Evaluated(_sum(loglik, axis=1), found[:, :size], hessian, list(parts[: 2 + q]))


def _products(problem: Selected, parts: np.ndarray) -> np.ndarray:
    """(F, M C) sums over studies of each of the parts (M, F, K) times each of the C columns of the problem."""
    m, f, k = parts.shape
    if len(problem.count) > 1:
        parts = parts * problem.count
    columns = problem.columns
    if len(columns) > 1:
        return np.asarray((np.swapaxes(parts, 0, 1) @ columns).reshape(f, -1))
    products = (parts.reshape(-1, k) @ columns[0]).reshape(m, f, -1)
    return np.asarray(np.swapaxes(products, 0, 1).reshape(f, -1))


@cache
def _places(p: int, q: int) -> np.ndarray:
    """(P + P^2,) where gradient and Hessian lie among the products of `_derivatives` and `Selected.columns`."""
    kinds = 2 + q  # mean, variance, weights
    width = 1 + p + p * (p + 1) // 2
    kind = [0] * p + list(range(1, kinds))
    pairs = {pair: i for i, pair in enumerate(zip(*(a.tolist() for a in pairs_of(kinds)), strict=True))}
    both = {pair: i for i, pair in enumerate(zip(*(a.tolist() for a in pairs_of(p)), strict=True))}

    def second(i: int, j: int) -> int:
        column = 1 + p + both[i, j] if j < p else 1 + i if i < p else 0
        return (kinds + pairs[kind[i], kind[j]]) * width + column

    size = len(kind)
    gradient = [kind[i] * width + (1 + i if i < p else 0) for i in range(size)]
    return np.array(gradient + [second(min(i, j), max(i, j)) for i in range(size) for j in range(size)])


def _relative(u: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log A (F, K), the share of each interval in it (N, F, K), and w phi(u) / A of the intervals above the cuts, then of
    those below them (2 (N - 1), F, K). u : (N - 1, F, K); log_weight : (N, F, 1)."""
    n = len(u)
    tails = np.empty((2, *u.shape[1:]))
    np.negative(u[0], out=tails[0])
    tails[1] = u[-1]
    log_share = special_functions().log_ndtr(tails)
    if n > 1:
        log_share = np.concatenate([log_share[:1], log_between(u[1:], u[:-1]), log_share[1:]])
    log_share += log_weight
    log_a = np.logaddexp(*log_share) if n == 1 else np.logaddexp.reduce(log_share, axis=0)
    log_share -= log_a
    density = -0.5 * (u * u + LOG_2PI) - log_a
    edge = np.empty((2 * n, *u.shape[1:]))
    np.add(density, log_weight[:-1], out=edge[:n])
    np.add(density, log_weight[1:], out=edge[n:])
    return log_a, np.exp(log_share, out=log_share), np.exp(edge, out=edge)


def _derivatives(
    steps: Steps,
    points: tuple[np.ndarray, np.ndarray, np.ndarray],
    share: np.ndarray,
    edge: np.ndarray,
) -> np.ndarray:
    """Derivatives of each study's log-likelihood (2 + q + (2 + q) (3 + q) / 2, F, K).

    points : u (N - 1, F, K), residuals r and inverse standard deviations (F, K).
    Returns the first ones in mean, variance and weights (without that of the log weight seen), then the second ones in their
    pairs: mean, mean; mean, variance; ... variance, variance; ...
    """
    (u, r, inverse), q = points, steps.linear.shape[1]
    turned = edge * (u if len(u) == 1 else np.concatenate([u, u]))
    m1, m2, m3, m4 = _moments(u, edge, turned)
    kinds, half, rr = 2 + q, 0.5 * inverse * inverse, r * r
    parts = np.empty((kinds + kinds * (kinds + 1) // 2, *r.shape))
    mean, variance = m1 * inverse, m2 * half  # derivatives of log A
    np.subtract(r * inverse, mean, out=parts[0])
    np.subtract((rr - 1) * half, variance, out=parts[1])
    np.subtract(mean * mean, (2 * half) * (1 + m2), out=parts[kinds])
    np.subtract(mean * variance, inverse * half * (2 * r + m3), out=parts[kinds + 1])
    np.subtract(variance * variance, half * half * (m4 - 2 + 4 * rr), out=parts[2 * kinds])
    if q:
        flat = share.reshape(len(share), -1)
        weights = (steps.linear.T @ flat).reshape(q, *r.shape)
        along = (steps.edge.T @ edge.reshape(len(edge), -1)).reshape(q, *r.shape)
        twice = (steps.edge.T @ turned.reshape(len(edge), -1)).reshape(q, *r.shape)
        np.negative(weights, out=parts[2:kinds])
        np.subtract(weights * mean, along * inverse, out=parts[kinds + 2 : 2 * kinds])
        np.subtract(weights * variance, twice * half, out=parts[2 * kinds + 1 : 3 * kinds - 1])
        a, b = steps.pairs
        pairs = (steps.products.T @ flat).reshape(-1, *r.shape)
        np.subtract(weights[a] * weights[b], pairs, out=parts[3 * kinds - 1 :])
    return parts


def _moments(u: np.ndarray, edge: np.ndarray, turned: np.ndarray) -> list[np.ndarray]:
    """Integrals of w He_n phi relative to A, n = 1 ... 4, each (F, K): sums over cuts of jumps of w He_{n-1} phi."""
    n = len(u)
    jump, first = edge[:n] - edge[n:], turned[:n] - turned[n:]
    second = u * first
    found = [jump, first, second - jump, u * (second - 3 * jump)]
    return [part[0] for part in found] if n == 1 else [_sum(part) for part in found]
