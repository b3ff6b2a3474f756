"""Layout of crossed intercepts and known correlations: a nested layout plus a low-rank part.

M = B + sum_t s_t Z_t Z_t', B nested (diagonal plus rank one by study after one rotation), Z_t the levels of another
grouping, or the levels times a root of their known correlation. With W = B^-1/2 [sqrt(s_t) Z_t] of rank C, everything
follows from the C x C matrix W'W: O(k C^2), never k x k.

Source: Woodbury (1950); the symmetric root (I + W W')^-1/2 = I - W V diag(1/(q(q + 1))) V'W' with W'W = V diag(l) V' and
q = sqrt(1 + l).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.linalg import rows_by_size
from .nested import NestedFactor, NestedLayout


@dataclass(frozen=True, eq=False)
class CrossedFactor:
    """C with C C' = M. loadings : B^-1/2 Z_t, one (k, c_t) per extra term; w : (k, C) scaled and side by side;
    shrink, inverse : (C, C) so that (I + W W')^-1/2 = I - W shrink W' and (I + W W')^-1 = I - W inverse W'."""

    layout: CrossedLayout
    base: NestedFactor
    loadings: list[np.ndarray]
    w: np.ndarray
    shrink: np.ndarray
    inverse: np.ndarray
    logdet: float

    def whiten(self, x: np.ndarray) -> np.ndarray:
        """C^-1 x for x (k,) or (k, c)."""
        half = self.base.whiten(x)
        return np.asarray(half - self.w @ (self.shrink @ (self.w.T @ half)))

    def back(self, x: np.ndarray) -> np.ndarray:
        """C^-T x, so that back(whiten(x)) = M^-1 x."""
        return np.asarray(self.base.back(x - self.w @ (self.shrink @ (self.w.T @ x))))

    def _far(self) -> tuple[np.ndarray, np.ndarray]:
        """B^-T/2 W and the same times `inverse`: what M^-1 lacks of B^-1 is the product of the two."""
        back = self.base.back(self.w)
        return back, back @ self.inverse

    def traces(self) -> np.ndarray:
        """tr(M^-1 dM/dtheta_i), (q,)."""
        back, lost = self._far()
        own = self.base.traces()
        result = np.empty(len(own) + len(self.loadings))
        for slot, i in enumerate(self.layout.base_slots):
            result[i] = own[slot] - np.sum(lost * self.base.apply(slot, back))
        for loading, i in zip(self.loadings, self.layout.extra_slots, strict=True):
            shared = loading.T @ self.w
            result[i] = np.sum(loading**2) - np.sum((shared @ self.inverse) * shared)
        return result

    def pair_traces(self) -> None:
        """None: as dear as the derivatives themselves."""
        return

    def trace_inverse(self) -> float:
        """tr(M^-1)."""
        back, lost = self._far()
        return self.base.trace_inverse() - float(np.sum(back * lost))

    def apply(self, i: int, x: np.ndarray) -> np.ndarray:
        """(dM/dtheta_i) x."""
        if i in self.layout.base_slots:
            return self.base.apply(self.layout.base_slots.index(i), x)
        z = self.layout.extras[self.layout.extra_slots.index(i)]
        return np.asarray(z @ (z.T @ x))

    def curvature(self, u: np.ndarray, f: np.ndarray) -> np.ndarray | None:
        """None: M is linear in theta."""
        return None


@dataclass(frozen=True, eq=False)
class CrossedLayout:
    """base : the nested part; extras : Z_t in its working basis; slots : where each part's parameters are in theta;
    component : (k,) codes of independent sets of rows, in the rows' own order."""

    base: NestedLayout
    extras: list[np.ndarray]
    base_slots: tuple[int, ...]
    extra_slots: tuple[int, ...]
    component: np.ndarray

    @property
    def order(self) -> np.ndarray:
        return self.base.order

    def to_working(self, x: np.ndarray) -> np.ndarray:
        """Rows of x (k,) or (k, c) in the working order and basis."""
        return self.base.to_working(x)

    def from_working(self, x: np.ndarray) -> np.ndarray:
        """The inverse of `to_working`."""
        return self.base.from_working(x)

    def sampling_variances(self) -> np.ndarray:
        """(k,) variances of V in the working basis."""
        return self.base.sampling_variances()

    def factor(self, theta: np.ndarray, derivatives: bool = True) -> CrossedFactor | None:
        """The factor of M(theta), or None if M is not positive definite."""
        base = self.base.factor(theta[list(self.base_slots)])
        sizes = theta[list(self.extra_slots)]
        if base is None or np.any(sizes < 0):
            return None
        loadings = [base.whiten(z) for z in self.extras]
        w = np.concatenate([np.sqrt(s) * u for s, u in zip(sizes, loadings, strict=True)], axis=1)
        values, vectors = np.linalg.eigh(w.T @ w)
        values = np.maximum(values, 0.0)
        q = np.sqrt(1 + values)
        shrink = (vectors / (q * (q + 1))) @ vectors.T
        inverse = (vectors / (1 + values)) @ vectors.T
        logdet = base.logdet + float(np.sum(np.log1p(values)))
        return CrossedFactor(self, base, loadings, w, shrink, inverse, logdet)

    def covariances(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of M in the working basis. For small components: memory grows with their size squared."""
        k = len(self.order)
        full = np.zeros((k, k))
        for rows, blocks in self.base.covariances(theta[list(self.base_slots)]):
            full[rows[:, :, None], rows[:, None, :]] = blocks
        for size, z in zip(theta[list(self.extra_slots)], self.extras, strict=True):
            full += size * (z @ z.T)
        grouped = rows_by_size(self.component[self.order])
        return [(rows, full[rows[:, :, None], rows[:, None, :]]) for _, rows in grouped]


def loading(outer: np.ndarray | None, inner: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(k, c) Z with Z Z' the covariance of a term of variance one: indicators of `outer`, or rows of a root of `matrix`."""
    if outer is not None:
        return np.asarray(outer[:, None] == np.arange(int(np.max(outer)) + 1)[None, :], dtype=float)
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-12 * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    return np.asarray(root[inner])
