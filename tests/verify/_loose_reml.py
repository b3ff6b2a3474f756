"""REML as R's rma() finds it by default: Fisher scoring from Hedges' estimate, stopped when a step is below 1e-5.

Written from the description in its help; the plain formulas of Viechtbauer (2005), J Educ Behav Stat 30:261.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLD, MOST = 1e-5, 100


@dataclass(frozen=True)
class Loose:
    """tau2; b and covariance; residuals with their standard errors."""

    tau2: float
    b: np.ndarray
    covariance: np.ndarray
    residual: np.ndarray
    residual_se: np.ndarray


def loose_reml(y: np.ndarray, v: np.ndarray, x: np.ndarray) -> Loose:
    k, p = x.shape
    p0 = np.eye(k) - x @ np.linalg.solve(x.T @ x, x.T)
    tau2 = max(0.0, (y @ p0 @ y - np.trace(p0 * v)) / (k - p))
    for _ in range(MOST):
        projection, _ = _projection(v + tau2, x)
        py = projection @ y
        step = (py @ py - np.trace(projection)) / np.sum(projection**2)
        while tau2 + step < 0:
            step /= 2
        tau2 += step
        if abs(step) <= THRESHOLD:
            break
    projection, covariance = _projection(v + tau2, x)
    m = v + tau2
    b = covariance @ (x.T @ (y / m))
    spread = m * np.diag(projection) * m
    return Loose(tau2, b, covariance, y - x @ b, np.sqrt(spread))


def _projection(m: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w = 1 / m
    covariance = np.linalg.inv(x.T @ (w[:, None] * x))
    return np.diag(w) - (w[:, None] * x) @ covariance @ (x.T * w), covariance
