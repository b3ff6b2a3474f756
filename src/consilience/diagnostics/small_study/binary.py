"""Effects and working variances that the tests for two-by-two tables use; all arrays (F, K)."""

from __future__ import annotations

import numpy as np

from ...base.distributions import log_gamma
from .studies import Studies

Pair = tuple[np.ndarray, np.ndarray]


def _keep(studies: Studies, y: np.ndarray, v: np.ndarray) -> Pair:
    """Tables without information, and studies that are missing anyway, get an infinite variance."""
    with np.errstate(invalid="ignore"):
        bad = ~(np.isfinite(y) & np.isfinite(v) & (v > 0)) | np.isinf(studies.v)
    return np.where(bad, 0.0, y), np.where(bad, np.inf, v)


def log_odds(studies: Studies) -> Pair:
    """Log odds ratios and Woolf's variances; one half is added to every cell of a table with an empty one."""
    a, n1, c, n2 = studies.tables()
    b, d = n1 - a, n2 - c
    plus = 0.5 * ((a == 0) | (b == 0) | (c == 0) | (d == 0))
    a, b, c, d = a + plus, b + plus, c + plus, d + plus
    with np.errstate(all="ignore"):
        return _keep(studies, np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d)


def equal_odds_variance(studies: Studies) -> Pair:
    """Log odds ratios with variances that do not depend on them: 1/events + 1/non-events of both arms together."""
    y, _ = log_odds(studies)
    a, n1, c, n2 = studies.tables()
    with np.errstate(all="ignore"):
        return _keep(studies, y, 1 / (a + c) + 1 / (n1 + n2 - a - c))


def inverse_size(studies: Studies) -> Pair:
    """Log odds ratios with variance 1 / effective sample size, ESS = 4 n1 n2 / (n1 + n2)."""
    y, _ = log_odds(studies)
    _, n1, _, n2 = studies.tables()
    with np.errstate(all="ignore"):
        return _keep(studies, y, (n1 + n2) / (4 * n1 * n2))


def harbord_scores(studies: Studies) -> Pair:
    """Z/V with variance 1/V: Z = a - E(a) the score of the log odds ratio at zero and V its variance (Peto's)."""
    a, n1, c, n2 = studies.tables()
    n, events = n1 + n2, a + c
    with np.errstate(all="ignore"):
        score = a - events * n1 / n
        information = n1 * n2 * events * (n - events) / (n**2 * (n - 1))
        return _keep(studies, score / information, 1 / information)


def arcsine_difference(studies: Studies) -> Pair:
    """asin sqrt(a/n1) - asin sqrt(c/n2) with variance 1/(4 n1) + 1/(4 n2), which does not depend on it."""
    a, n1, c, n2 = studies.tables()
    with np.errstate(all="ignore"):
        y = np.arcsin(np.sqrt(a / n1)) - np.arcsin(np.sqrt(c / n2))
        return _keep(studies, y, 1 / (4 * n1) + 1 / (4 * n2))


def hypergeometric_deviates(studies: Studies) -> Pair:
    """(a - E(a)) / sd(a) and 1 / var(a), of the noncentral hypergeometric distribution at the common odds ratio of
    Mantel and Haenszel. Missing or empty tables are NaN in the first and inf in the second.

    Source: Schwarzer, Antes & Schumacher (2007), Stat Med 26:721.
    """
    a, n1, c, n2 = studies.tables()
    b, d, n = n1 - a, n2 - c, n1 + n2
    missing = np.isinf(studies.v) | (a + c == 0) | (b + d == 0)
    with np.errstate(all="ignore"):
        up = np.where(missing, 0.0, a * d / n).sum(axis=1, keepdims=True)
        down = np.where(missing, 0.0, b * c / n).sum(axis=1, keepdims=True)
        mean, variance = _hypergeometric(n1, n2, np.where(missing, 1.0, a + c), up / down)
        missing |= ~(variance > 0)
        deviate = (a - mean) / np.sqrt(variance)
        return np.where(missing, np.nan, deviate), np.where(missing, np.inf, 1 / variance)


def _hypergeometric(n1: np.ndarray, n2: np.ndarray, events: np.ndarray, odds: np.ndarray) -> Pair:
    """Mean and variance of the events in group 1 given all margins; arrays (F, K), odds (F, 1)."""
    low, high = np.maximum(0.0, events - n2), np.minimum(n1, events)
    shape = np.broadcast_shapes(n1.shape, odds.shape)
    parts = [np.broadcast_to(x, shape).ravel() for x in (n1, n2, events, odds, low, high)]
    order = np.argsort(parts[5] - parts[4], kind="stable")
    mean, variance = np.empty(order.size), np.empty(order.size)
    start = 0
    while start < order.size:  # groups of similar width, so that one wide table does not widen all
        width = max(1, int(parts[5][order[start]] - parts[4][order[start]]) + 1)
        stop = start + 1
        while stop < order.size and parts[5][order[stop]] - parts[4][order[stop]] < 2 * width + 8:
            stop += 1
        rows = order[start:stop]
        mean[rows], variance[rows] = _moments(*(x[rows, None] for x in parts))
        start = stop
    return mean.reshape(shape), variance.reshape(shape)


def _moments(n1: np.ndarray, n2: np.ndarray, m: np.ndarray, odds: np.ndarray, *ends: np.ndarray) -> Pair:
    """Sums over the support, with weights C(n1, x) C(n2, m - x) odds^x on the log scale."""
    low, high = ends
    x = low + np.arange(int((high - low).max()) + 1)
    inside = x <= high
    x = np.minimum(x, high)
    parts = log_gamma(x + 1) + log_gamma(n1 - x + 1) + log_gamma(m - x + 1) + log_gamma(n2 - m + x + 1)
    weight = x * np.log(odds) - parts
    weight = np.where(
        inside, np.exp(weight - np.where(inside, weight, -np.inf).max(axis=1, keepdims=True)), 0.0
    )
    weight /= weight.sum(axis=1, keepdims=True)
    mean = (weight * x).sum(axis=1)
    return mean, (weight * (x - mean[:, None]) ** 2).sum(axis=1)
