"""The marginal normal likelihood of effects that were selected by their p-values, F analyses at once.

A study with effect y_i is published with probability proportional to w(p_i), so that its density is
w(p_i) phi(y_i; x_i b, v_i + tau^2) / A_i with A_i = integral of w(p(y)) phi(y; x_i b, v_i + tau^2) dy. A_i is a sum over pieces:
intervals of constant w in closed form, panels of smooth w by Gauss-Legendre nodes fixed in z = y / se (there w changes on the
scale of 1 and the density on the scale of sqrt(1 + tau^2 / v) >= 1, so 16 nodes a unit are exact to 1e-12). Derivatives follow
from the same pieces with Hermite polynomials of r = (y - x b) / sqrt(v + tau^2). All sums are of positive terms after their
largest one was taken out, so nothing underflows.

Parameters: theta = (b (p), tau^2, family's own (q)).

Source: Vevea & Hedges (1995), Psychometrika 60:419; derivatives are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .selection_family import Family
from .selection_problem import LOG_2PI, Evaluated, Selected, log_between
from .selection_step_values import step_values


@dataclass(frozen=True, eq=False)
class _Normaliser:
    """log A (F, K) and its derivatives in the mean, the variance and the family's parameters."""

    log: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    mean2: np.ndarray
    cross: np.ndarray
    variance2: np.ndarray
    own: list[np.ndarray]
    own_mean: list[np.ndarray]
    own_variance: list[np.ndarray]
    own2: dict[tuple[int, int], np.ndarray]


def evaluate(problem: Selected, theta: np.ndarray) -> Evaluated:
    """Log-likelihood with its first and second derivatives at theta (F, P)."""
    if problem.family.steps is not None:
        return step_values(problem, problem.family.steps, theta)
    p, family = problem.p, problem.family
    shared = len(problem.x) == 1
    mean = theta[:, :p] @ problem.x[0].T if shared else (problem.x @ theta[:, :p, None])[:, :, 0]
    total = problem.v + theta[:, p : p + 1]
    root = np.sqrt(total)
    a = normaliser(family, mean, root, problem.se, theta[:, p + 1 :])
    seen = family.log_weight(problem.places, theta[:, p + 1 :])
    r = (problem.y - mean) / root
    loglik = seen.value[0] - 0.5 * (LOG_2PI + np.log(total) + r * r) - a.log
    own = [first[0] - b for first, b in zip(seen.first, a.own, strict=True)]
    s_mean, s_variance = r / root - a.mean, (r * r - 1) / (2 * total) - a.variance
    count = problem.count
    sums = [(count * part).sum(axis=1, keepdims=True) for part in (s_variance, *own)]
    curve = _Curves(
        -1 / total - a.mean2,
        -r / (total * root) - a.cross,
        (1 - 2 * r * r) / (2 * total * total) - a.variance2,
        [-b for b in a.own_mean],
        [-b for b in a.own_variance],
        {key: seen.second[key][0] - b if key in seen.second else -b for key, b in a.own2.items()},
    )
    loglik = np.where(count > 0, loglik, 0.0)
    return Evaluated(
        (count * loglik).sum(axis=1),
        np.concatenate([_project(count * s_mean, problem.x), *sums], axis=1),
        _hessian(problem, curve),
        [s_mean, s_variance, *own],
    )


def normaliser(
    family: Family, mean: np.ndarray, root: np.ndarray, se: np.ndarray, theta: np.ndarray
) -> _Normaliser:
    """log A and its derivatives at means and total standard deviations (F, K); se (F or 1, K), theta (F, q)."""
    weight = family.log_weight(family.pieces.place[:, None, None], theta)
    shift, e = _masses(family, weight.value, mean=mean, root=root, se=se)
    whole = e[0].sum(axis=0)
    m = [part.sum(axis=0) / whole for part in e]
    t = root * root
    n_mean, n_variance = m[1] / root, m[2] / (2 * t)
    own, own_mean, own_variance = [], [], []
    for first in weight.first:
        d0, d1, d2 = ((e[n] * first).sum(axis=0) / whole for n in range(3))
        own.append(d0)
        own_mean.append(d1 / root - d0 * n_mean)
        own_variance.append(d2 / (2 * t) - d0 * n_variance)
    own2 = {}
    for i, first in enumerate(weight.first):
        for j in range(i, len(own)):
            bend = first * weight.first[j]
            if (i, j) in weight.second:
                bend = bend + weight.second[i, j]
            own2[i, j] = (e[0] * bend).sum(axis=0) / whole - own[i] * own[j]
    return _Normaliser(
        log=shift + np.log(whole),
        mean=n_mean,
        variance=n_variance,
        mean2=m[2] / t - n_mean**2,
        cross=m[3] / (2 * t * root) - n_mean * n_variance,
        variance2=m[4] / (4 * t * t) - n_variance**2,
        own=own,
        own_mean=own_mean,
        own_variance=own_variance,
        own2=own2,
    )


def _masses(
    family: Family, log_weight: np.ndarray, *, mean: np.ndarray, root: np.ndarray, se: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """log of the largest piece (F, K), and relative to it w times the n-th Hermite moment of each piece (N, F, K), n = 0 ... 4."""
    pieces, smooth = family.pieces, len(family.pieces.z)
    low, high = ((end[:, None, :] * se - mean) / root for end in (pieces.low, pieces.high))
    flat = log_weight[smooth:]
    log_mass = log_between(low, high) + flat
    shift = log_mass.max(axis=0)
    if smooth:
        r = (pieces.z[:, None, None] * se - mean) / root
        outside = np.log(pieces.weight)[:, None, None] + np.log(se / root) - 0.5 * LOG_2PI
        log_node = outside - 0.5 * r * r + log_weight[:smooth]
        shift = np.maximum(shift, log_node.max(axis=0))
    moments = [np.exp(log_mass - shift), *_edge_moments(low, high, flat - shift)]
    if not smooth:
        return shift, moments
    e, rr = np.exp(log_node - shift), r * r
    nodes = [e, e * r, e * (rr - 1), e * r * (rr - 3), e * (rr * rr - 6 * rr + 3)]
    return shift, [np.concatenate([a, b]) for a, b in zip(nodes, moments, strict=True)]


def _edge_moments(low: np.ndarray, high: np.ndarray, scale: np.ndarray) -> list[np.ndarray]:
    """exp(scale) times the integral of He_n phi over [low, high], n = 1 ... 4: He_{n-1} phi at low minus at high."""
    below, above = (_edge(u, scale) for u in (low, high))
    return [a - b for a, b in zip(below, above, strict=True)]


def _edge(u: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
    """exp(scale) He_n(u) phi(u), n = 0 ... 3; zero at infinity."""
    z = np.clip(u, -1e6, 1e6)
    density = np.exp(scale - 0.5 * (z * z + LOG_2PI))
    first = z * density
    second = z * first - density
    return density, first, second, z * second - 2 * first


@dataclass(frozen=True, eq=False)
class _Curves:
    """Second derivatives of the log-likelihood of each study (F, K)."""

    mean2: np.ndarray
    cross: np.ndarray
    variance2: np.ndarray
    own_mean: list[np.ndarray]
    own_variance: list[np.ndarray]
    own2: dict[tuple[int, int], np.ndarray]


def _project(column: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(F, p) sums over studies of column (F, K) times x (F or 1, K, p)."""
    return np.asarray(column @ x[0] if len(x) == 1 else (column[:, None, :] @ x)[:, 0, :])


def _hessian(problem: Selected, curve: _Curves) -> np.ndarray:
    p, q = problem.p, problem.family.q
    x, count = problem.x, problem.count
    f = len(curve.mean2)
    h = np.zeros((f, p + 1 + q, p + 1 + q))
    counted = count * curve.mean2
    h[:, :p, :p] = np.swapaxes(x, 1, 2) @ (counted[:, :, None] * x)

    def cross(column: np.ndarray) -> np.ndarray:
        return _project(count * column, x)

    h[:, :p, p] = h[:, p, :p] = cross(curve.cross)
    h[:, p, p] = (count * curve.variance2).sum(axis=1)
    for a in range(q):
        h[:, :p, p + 1 + a] = h[:, p + 1 + a, :p] = cross(curve.own_mean[a])
        h[:, p, p + 1 + a] = h[:, p + 1 + a, p] = (count * curve.own_variance[a]).sum(axis=1)
    for (a, b), bend in curve.own2.items():
        h[:, p + 1 + a, p + 1 + b] = h[:, p + 1 + b, p + 1 + a] = (count * bend).sum(axis=1)
    return h
