"""The likelihood of the Copas selection model at given (gamma0, gamma1), many points of the grid at once.

A study with standard error s is published if gamma0 + gamma1 / s + delta > 0, delta standard normal and correlated (rho) with
the study's sampling error: with u = gamma0 + gamma1 / s, lambda = phi(u) / Phi(u), c^2 = lambda (u + lambda),
sigma^2 = s^2 / (1 - c^2 rho^2), T = tau^2 + sigma^2, rho~ = rho sigma / sqrt T, v = (u + rho~ (y - x b) / sqrt T) / sqrt(1 - rho~^2),

log L = sum of -log(2 pi T) / 2 - (y - x b)^2 / (2 T) - log Phi(u) + log Phi(v).

Parameters: theta = (b (p), tau^2, rho).

Source: Copas & Shi (2001), Stat Methods Med Res 10:251; Copas (1999), JRSS-A 162:95.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import special_functions

LOG_2PI = float(np.log(2 * np.pi))
STEP = 1e-5


@dataclass(frozen=True, eq=False)
class Copas:
    """y, s (K,); x (K, p); u (F, K) gamma0 + gamma1 / s of each lane."""

    y: np.ndarray
    s: np.ndarray
    x: np.ndarray
    u: np.ndarray


@dataclass(frozen=True, eq=False)
class CopasValues:
    """loglik (F,), gradient (F, P), hessian (F, P, P)."""

    loglik: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def mills(x: np.ndarray) -> np.ndarray:
    """phi(x) / Phi(x)."""
    return np.asarray(np.exp(-0.5 * (x * x + LOG_2PI) - special_functions().log_ndtr(x)))


def slope(model: Copas, lanes: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood (n,) and its gradient (n, P)."""
    p, u = model.x.shape[1], model.u[lanes]
    tau2, rho = theta[:, p : p + 1], theta[:, p + 1 :]
    ratio = mills(u)
    c2 = ratio * (u + ratio)
    left = 1 - c2 * rho * rho
    sigma2 = model.s**2 / left
    total = tau2 + sigma2
    root, sigma = np.sqrt(total), np.sqrt(sigma2)
    r = (model.y - theta[:, :p] @ model.x.T) / root
    tilde = rho * sigma / root
    rest = 1 - tilde * tilde
    v = (u + tilde * r) / np.sqrt(rest)
    ndtr = special_functions().log_ndtr
    loglik = -0.5 * (LOG_2PI + np.log(total) + r * r) - ndtr(u) + ndtr(v)
    m = mills(v)
    v_r, v_tilde = tilde / np.sqrt(rest), r / np.sqrt(rest) + (u + tilde * r) * tilde / rest**1.5
    in_mean = (r - m * v_r) / root
    plain = (r * r - 1) / (2 * total)
    in_total = plain - m * (v_tilde * tilde + v_r * r) / (2 * total)
    grow = 2 * model.s**2 * c2 * rho / left**2  # d sigma^2 / d rho
    in_tilde = sigma / root + tilde * grow / (2 * sigma2)
    in_rho = in_total * grow + m * v_tilde * in_tilde
    gradient = [in_mean @ model.x, in_total.sum(axis=1, keepdims=True), in_rho.sum(axis=1, keepdims=True)]
    return loglik.sum(axis=1), np.concatenate(gradient, axis=1)


def evaluate_copas(model: Copas, lanes: np.ndarray, theta: np.ndarray) -> CopasValues:
    """Values for `lanes.climb`; the Hessian by central differences of the exact gradient."""
    loglik, gradient = slope(model, lanes, theta)
    p, size = model.x.shape[1], theta.shape[1]
    unit = float(np.median(model.s))
    steps = STEP * np.array([*([unit] * p), unit**2, 0.1])
    hessian = np.empty((len(theta), size, size))
    for j in range(size):
        low, high = theta.copy(), theta.copy()
        high[:, j] += steps[j]
        low[:, j] -= steps[j] if j != p else np.minimum(steps[j], 0.5 * theta[:, j])
        gap = (high[:, j] - low[:, j])[:, None]
        hessian[:, :, j] = (slope(model, lanes, high)[1] - slope(model, lanes, low)[1]) / gap
    return CopasValues(loglik, gradient, 0.5 * (hessian + np.swapaxes(hessian, 1, 2)))
