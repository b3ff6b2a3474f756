"""The marginal normal likelihood: y ~ N(X beta, V + sum of random terms), ML and REML.

One evaluation gives the log-likelihood, its analytic gradient, the average information and everything the
coefficients need. The covariance enters through a layout (how M is factored), never through the model's name.

log L_R = -1/2 [(k - p) log 2 pi + log|M| + log|X'M^-1 X| - log|X'X| + y'P y]; ML drops the terms in X and has k.

Source: Harville (1977); Gilmour, Thompson & Cullis (1995) for the average information; the term log|X'X| makes
the restricted likelihood independent of how X is parametrised (Harville 1974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .basis import once

LOG_2PI = float(np.log(2 * np.pi))


class Factor(Protocol):
    """C with C C' = M(theta)."""

    @property
    def logdet(self) -> float: ...
    def whiten(self, x: np.ndarray) -> np.ndarray: ...
    def back(self, x: np.ndarray) -> np.ndarray: ...
    def traces(self) -> np.ndarray: ...
    def apply(self, i: int, x: np.ndarray) -> np.ndarray: ...
    def trace_inverse(self) -> float: ...
    def curvature(self, u: np.ndarray, f: np.ndarray) -> np.ndarray | None: ...
    def pair_traces(self) -> np.ndarray | None: ...


class Layout(Protocol):
    """How the covariance is stored and factored; rows are in the layout's own order and basis."""

    @property
    def order(self) -> np.ndarray: ...
    def to_working(self, x: np.ndarray) -> np.ndarray: ...
    def from_working(self, x: np.ndarray) -> np.ndarray: ...
    def factor(self, theta: np.ndarray, derivatives: bool = True) -> Factor | None: ...
    def covariances(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]: ...
    def sampling_variances(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Problem:
    """Arrays of one model in the layout's working order and basis.

    y : (k,) outcomes; x : (k, p) of full column rank.
    lower, upper : (q,) bounds of theta; fixed : (q,) given values, NaN = free.
    """

    y: np.ndarray
    x: np.ndarray
    layout: Layout
    lower: np.ndarray
    upper: np.ndarray
    fixed: np.ndarray

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def p(self) -> int:
        return int(self.x.shape[1])

    @once
    def _qr(self) -> tuple[np.ndarray, np.ndarray]:
        q, r = np.linalg.qr(self.x)
        return q, r

    @property
    def basis(self) -> np.ndarray:
        """(k, p) orthonormal columns that span X."""
        return np.asarray(self._qr[0])

    @once
    def logdet_xx(self) -> float:
        """log|X'X|."""
        return 2.0 * float(np.log(np.abs(self._qr[1].diagonal())).sum())


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The likelihood at one theta.

    score : (q,) gradient; information : (q, q) average information; curvature : (q, q) what a covariance that is not
    linear in theta adds to the negative Hessian, 1/2 [tr(P d2M) - y'P d2M P y]; flat : (q,) tr(P dM) / tr(M^-1 dM),
    zero where theta_i cannot be seen behind the fixed part; q_basis, r_basis : QR of the whitened X; along : (p,)
    coefficients of q_basis;
    observed : (q, q) negative Hessian where the layout has a cheap form of it.
    """

    loglik: float
    score: np.ndarray
    information: np.ndarray
    curvature: np.ndarray
    flat: np.ndarray
    rss: float
    along: np.ndarray
    q_basis: np.ndarray
    r_basis: np.ndarray
    residual: np.ndarray
    factor: Factor
    observed: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of effects."""
        return len(self.residual)


def evaluate(
    problem: Problem, theta: np.ndarray, *, reml: bool, derivatives: bool = True
) -> Evaluation | None:
    """Log-likelihood, and with `derivatives` its gradient and average information; None if M is not positive definite.

    Parameters
    ----------
    theta : (q,) parameters of the random terms.
    reml : restricted (True) or full (False) likelihood.
    """
    factor = problem.layout.factor(theta, derivatives)
    if factor is None:
        return None
    k, p = problem.k, problem.p
    white = factor.whiten(np.column_stack([problem.x, problem.y]))
    q, r = np.linalg.qr(white[:, :p])
    pivots = np.abs(r.diagonal())
    if not pivots.min(initial=np.inf) > 0:
        return None
    along = q.T @ white[:, p]
    residual = white[:, p] - q @ along
    correction = q.T @ residual
    residual, along = residual - q @ correction, along + correction
    rss = float(residual @ residual)
    loglik = -0.5 * (k * LOG_2PI + factor.logdet + rss)
    if reml:
        loglik += 0.5 * (p * LOG_2PI - 2 * float(np.log(pivots).sum()) + problem.logdet_xx)
    if not np.isfinite(loglik):
        return None
    empty = np.empty(0)
    score, information, curvature, flat, observed = (
        _derivatives(factor, q, residual, reml=reml, size=len(theta))
        if derivatives
        else (*(empty,) * 4, None)
    )
    return Evaluation(
        loglik, score, information, curvature, flat, rss, along, q, r, residual, factor, observed
    )


def _derivatives(
    factor: Factor, q: np.ndarray, residual: np.ndarray, *, reml: bool, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Gradient, average information, curvature, visible share of each parameter, observed information if cheap."""
    p = q.shape[1]
    u_and_f = factor.back(np.column_stack([residual, q]))
    u, f = u_and_f[:, 0], u_and_f[:, 1:]
    traces, pairs = factor.traces(), factor.pair_traces()
    inner, quadratic = np.empty((size, p, p)), np.empty(size)
    moved = [factor.apply(i, u_and_f) for i in range(size)]
    for i in range(size):
        quadratic[i] = u @ moved[i][:, 0]
        inner[i] = f.T @ moved[i][:, 1:]
    hidden = np.trace(inner, axis1=1, axis2=2)
    g = factor.whiten(np.column_stack([part[:, 0] for part in moved]) if size else np.empty((len(u), 0)))
    g -= q @ (q.T @ g)
    information = 0.5 * g.T @ g
    score = 0.5 * (quadratic - traces + (hidden if reml else 0.0))
    flat = (traces - hidden) / np.where(traces != 0, traces, 1.0)
    bend = factor.curvature(u, f if reml else np.zeros((len(u), 0)))
    bend = np.zeros((size, size)) if bend is None else bend
    if pairs is None:
        return score, information, bend, flat, None
    if reml:  # tr(P Mi P Mj) with P = M^-1 - f f'
        white = np.stack([factor.whiten(part[:, 1:]).ravel() for part in moved])
        flat_inner = inner.reshape(size, -1)
        pairs = pairs - 2 * white @ white.T + flat_inner @ flat_inner.T
    return score, information, bend, flat, 2 * information - 0.5 * pairs + bend
