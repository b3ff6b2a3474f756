"""Maximising F likelihoods side by side, each inside its own box: Newton steps with the exact curvature, damped.

Starts, constrained models, profile points, bootstrap samples and simulated reviews are all lanes of one batch. Negative
curvatures are turned positive so that a step leads uphill; bounds are an active set, so a variance of zero is a solution.

Source: Bertsekas (1982), SIAM J Control Optim 20:221 (projection); Dauphin et al. (2014) (absolute eigenvalues).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

AIM = 1e-9  # scaled score that ends a climb
MOST_STEPS = 200
REACH = 4.0  # longest step in units of the curvature's own scale, then halved as needed


class Values(Protocol):
    """What an objective returns for F points: loglik (F,), gradient (F, P), hessian (F, P, P)."""

    @property
    def loglik(self) -> np.ndarray: ...
    @property
    def gradient(self) -> np.ndarray: ...
    @property
    def hessian(self) -> np.ndarray: ...


Objective = Callable[[np.ndarray, np.ndarray], Values]  # lanes (n,), theta (n, P)


@dataclass(frozen=True, eq=False)
class Climbed:
    """theta (F, P), loglik (F,), hessian (F, P, P), scaled score (F,), steps (F,), free (F, P): not held by a bound."""

    theta: np.ndarray
    loglik: np.ndarray
    hessian: np.ndarray
    score: np.ndarray
    steps: np.ndarray
    free: np.ndarray


def climb(objective: Objective, start: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Climbed:
    """Local maxima uphill from `start` (F, P) inside [lower, upper] (F, P); equal bounds hold a parameter."""
    theta = np.clip(start, lower, upper)
    f, size = theta.shape
    lower, upper = np.broadcast_to(lower, theta.shape), np.broadcast_to(upper, theta.shape)
    lanes = np.arange(f)
    at = objective(lanes, theta)
    loglik, gradient, hessian = np.array(at.loglik), np.array(at.gradient), np.array(at.hessian)
    steps, length = np.zeros(f, dtype=np.intp), np.ones(f)
    direction, free, score = _direction(theta, gradient, hessian, lower, upper)
    while len(lanes := np.flatnonzero((score > AIM) & (steps < MOST_STEPS) & (length > 1e-12))):
        trial = np.clip(theta[lanes] + length[lanes, None] * direction[lanes], lower[lanes], upper[lanes])
        with np.errstate(all="ignore"):
            found = objective(lanes, trial)
        steps[lanes] += 1
        gain = (gradient[lanes] * (trial - theta[lanes])).sum(axis=1)
        noise = 1e-13 * (1 + np.abs(loglik[lanes]))
        finite = np.isfinite(found.loglik) & np.isfinite(found.gradient).all(axis=1)
        finite &= np.isfinite(found.hessian).all(axis=(1, 2))
        rise = np.where(finite, found.loglik, -np.inf) - loglik[lanes]
        new = _direction(
            trial,
            np.where(finite[:, None], found.gradient, 0.0),
            np.where(finite[:, None, None], found.hessian, -np.eye(size)),
            lower[lanes],
            upper[lanes],
        )
        small = (gain <= 100 * noise) & (rise >= -10 * noise) & (new[2] < score[lanes])
        good = finite & ((rise >= 1e-4 * gain) & (gain > 100 * noise) | small)
        rows = lanes[good]
        theta[rows], loglik[rows] = trial[good], found.loglik[good]
        gradient[rows], hessian[rows] = found.gradient[good], found.hessian[good]
        direction[rows], free[rows], score[rows] = (part[good] for part in new)
        length[rows] = 1.0
        length[lanes[~good]] *= 0.35
    return Climbed(theta, loglik, hessian, score, steps, free)


def _direction(
    theta: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton direction (F, P), the parameters that may move (F, P), and the largest scaled score (F,) among them."""
    held = ((theta <= lower) & (gradient <= 0)) | ((theta >= upper) & (gradient >= 0))
    free = ~held
    curvature = np.abs(np.einsum("fpp->fp", hessian))
    spread = np.sqrt(np.maximum(curvature, 1e-12 * np.maximum(curvature.max(axis=1, keepdims=True), 1e-300)))
    scaled = np.where(free, gradient / spread, 0.0)
    score = np.abs(scaled).max(axis=1)
    matrix = -hessian / (spread[:, :, None] * spread[:, None, :])
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, matrix, np.eye(theta.shape[1]))
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(np.abs(values), 1e-7 * np.abs(values).max(axis=1, keepdims=True))
    step = (vectors @ ((np.swapaxes(vectors, 1, 2) @ scaled[:, :, None])[:, :, 0] / values)[:, :, None])[
        :, :, 0
    ]
    longest = np.abs(step).max(axis=1, keepdims=True)
    step = step * np.minimum(1.0, REACH / np.maximum(longest, 1e-300))
    return np.where(free, step / spread, 0.0), free, score
