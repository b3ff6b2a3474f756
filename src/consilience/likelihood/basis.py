"""An orthonormal basis of a weighted design, batched, with leverages that keep their digits near one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

HEAVY = 0.9  # a leverage above this is recomputed from the other studies
SPREAD = 1e6  # ratio of weights from which the basis is orthonormalised twice


class once:
    """An attribute computed at first use. (functools.cached_property takes a lock that costs more than the sums.)"""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute, self.name, self.__doc__ = compute, compute.__name__, compute.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        value = owner.__dict__[self.name] = self.compute(owner)
        return value


def _by_reflections(b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q and R of `Basis` by Householder reflections, the diagonal of R positive."""
    q, r = np.linalg.qr(np.swapaxes(b, -1, -2))
    sign = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.swapaxes(q, -1, -2) * sign[..., :, None], r * sign[..., :, None]


class Basis:
    """Q (..., p, K) with orthonormal rows and upper-triangular R (..., p, p): the design b (..., p, K) is R'Q.

    By Cholesky of bb', twice where `spread` (the largest ratio of weights) asks for it.
    Source: CholeskyQR2 of Yamamoto et al. (2015), ETNA 44:306.
    """

    def __init__(self, b: np.ndarray, spread: float) -> None:
        try:
            lower = np.linalg.cholesky(b @ np.swapaxes(b, -1, -2))
        except np.linalg.LinAlgError:  # weights so far apart that the square has no digits for some columns
            self.q, self.r = _by_reflections(b)
            return
        q = np.linalg.inv(lower) @ b
        if spread > SPREAD:
            again = np.linalg.cholesky(q @ np.swapaxes(q, -1, -2))
            q, lower = np.linalg.inv(again) @ q, lower @ again
        self.q, self.r = q, np.swapaxes(lower, -1, -2)

    @once
    def inverse(self) -> np.ndarray:
        """(..., p, p) inverse of R."""
        return np.asarray(np.linalg.inv(self.r))

    @once
    def leverage(self) -> np.ndarray:
        """(..., K) squared length of each column of Q."""
        return np.asarray((self.q * self.q).sum(axis=-2))

    @once
    def left(self) -> np.ndarray:
        """(..., K) one minus the leverage, from h (1 - h) = sum over the others of (q_i'q_j)^2 where h is near one."""
        left = 1 - self.leverage
        if self.leverage.max(initial=0.0) > HEAVY:
            heavy = np.nonzero(self.leverage > HEAVY)
            lanes, study = heavy[:-1], heavy[-1]
            basis, which = self.q[lanes], np.arange(len(study))
            products = (basis[which, :, study][:, None, :] @ basis)[:, 0]
            products[which, study] = 0.0
            left[heavy] = (products * products).sum(axis=-1) / self.leverage[heavy]
        return np.asarray(left)

    def inner(self, values: np.ndarray) -> np.ndarray:
        """(..., p) products of each row of Q with values (..., K)."""
        return np.asarray((self.q @ values[..., None])[..., 0])


def square_trace(q: np.ndarray, left: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """(...,) sum over i, j of w1_i w2_j (delta_ij - q_i'q_j)^2.

    q : (..., p, K) orthonormal rows; left : (..., K) one minus their leverages; w1, w2 : (..., K).
    """
    leverage = (q * q).sum(axis=-2)
    turned = np.swapaxes(q, -1, -2)
    own = w1 * w2 * leverage * leverage
    pairs = ((q * w1[..., None, :]) @ turned) * ((q * w2[..., None, :]) @ turned)
    total = pairs.sum(axis=(-2, -1)) - own.sum(axis=-1)
    if leverage.max() > HEAVY:  # the difference above has lost its digits
        heavy = np.nonzero((leverage > HEAVY).any(axis=-1))
        off = w1[heavy][:, :, None] * w2[heavy][:, None, :] * (turned[heavy] @ q[heavy]) ** 2
        index = np.arange(off.shape[-1])
        off[:, index, index] = 0.0
        total[heavy] = off.sum(axis=(-2, -1))
    return np.asarray(total + (w1 * w2 * left * left).sum(axis=-1))


def combined(rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """(..., K) rows (..., p, K) times coefficients (..., p)."""
    return np.asarray((coefficients[..., None, :] @ rows)[..., 0, :])


def lane_inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...) sum over the first axis of a * b."""
    return np.asarray(np.einsum("k...,k...->...", a, b))


def lane_orthonormal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal q (p, K, F) and upper-triangular r (p, p, F) with x (p, K, F) = r'q, by Gram-Schmidt done twice.

    A column that depends on those before it leaves a diagonal of r near zero.
    """
    q, r = np.array(x), np.zeros((len(x), len(x), x.shape[-1]))
    for j in range(len(q)):
        for _ in range(2):
            for i in range(j):
                along = lane_inner(q[i], q[j])
                r[i, j] += along
                q[j] -= along * q[i]
        r[j, j] = np.sqrt(lane_inner(q[j], q[j]))
        q[j] /= np.where(r[j, j] > 0, r[j, j], 1.0)
    return q, r


def triangular_inverse(r: np.ndarray) -> np.ndarray:
    """Inverses (p, p, ...) of the upper-triangular r (p, p, ...)."""
    inverse = np.zeros_like(r)
    for j in range(len(r)):
        inverse[j, j] = 1 / r[j, j]
        for i in range(j - 1, -1, -1):
            total = sum(r[i, m] * inverse[m, j] for m in range(i + 1, j + 1))
            inverse[i, j] = -total * inverse[i, i]
    return inverse
