"""Layout of crossed intercepts and known correlations: a nested layout plus other groupings.

M = B + Z D Z', B nested (diagonal plus rank one by study after one rotation), Z the levels of the other groupings side by
side (sparse: one entry in a row for each), or the levels times a root of their known correlation, D their variances. With
K = D^1/2 and H = Z'B^-1 Z, the largest grouping is eliminated in H without filling it in, and what is left of Henderson's
equations is S = I + K H K, dense, C x C for the C levels of the smaller groupings: a variance of zero is a solution like
any other, and M, k x k, is never formed. Cost of one evaluation O(k + C^3).

M^-1 = T'T with T x = [B^-1/2 (x - Z K u), u], u = S^-1 K Z'B^-1 x: the root has k + C rows.

Source: Henderson (1975), Biometrics 31:423; Woodbury (1950).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.linalg import rows_by_size
from .nested import NestedFactor, NestedLayout

LOST = 1e-4  # share of a difference below which it is computed another way


@dataclass(frozen=True, eq=False)
class CrossedFactor:
    """T with T'T = M^-1. scale : (C,) diagonal of K; h : (C, C) Z'B^-1 Z; g : (m, C) z'W Z of each study, W and z
    those of the nested part; root : (C, C) Cholesky factor of S."""

    layout: CrossedLayout
    base: NestedFactor
    scale: np.ndarray
    h: np.ndarray
    g: Any
    root: np.ndarray
    logdet: float

    def whiten(self, x: np.ndarray) -> np.ndarray:
        """T x, (k + C,) or (k + C, c)."""
        z = self.layout.z
        u = self._solved(z.T @ self.base.back(self.base.whiten(x)))
        return np.asarray(np.concatenate([self.base.whiten(x - z @ self._times(u)), u]))

    def back(self, x: np.ndarray) -> np.ndarray:
        """T'x, so that back(whiten(x)) = M^-1 x."""
        k, z = len(self.layout.order), self.layout.z
        near = self.base.back(x[:k])
        u = self._solved(z.T @ near) - self._solved(x[k:], scaled=True)
        return np.asarray(near - self.base.back(self.base.whiten(z @ self._times(u))))

    def _times(self, u: np.ndarray) -> np.ndarray:
        """K u."""
        return np.asarray(u * (self.scale if u.ndim == 1 else self.scale[:, None]))

    def _solved(self, x: np.ndarray, *, scaled: bool = False) -> np.ndarray:
        """S^-1 K x; S^-1 x where x is `scaled` already."""
        from scipy.linalg import cho_solve

        right = x if scaled else self._times(x)
        return np.asarray(cho_solve((self.root, True), right, check_finite=False))

    @cached_property
    def inverse(self) -> np.ndarray:
        """(C, C) K S^-1 K."""
        from scipy.linalg.lapack import dpotri

        half = np.tril(dpotri(self.root, lower=1)[0])
        full = half + np.tril(half, -1).T
        return np.asarray(full * np.outer(self.scale, self.scale))

    def traces(self) -> np.ndarray:
        """tr(M^-1 dM/dtheta_i), (q,)."""
        layout, own = self.layout, self.base.traces()
        result = np.empty(len(own) + len(layout.columns))
        for slot, i in enumerate(layout.base_slots):
            result[i] = own[slot] - float(np.sum(self.inverse * _moved(self, layout.base.parameters[slot])))
        for columns, i in zip(layout.columns, layout.extra_slots, strict=True):
            result[i] = self._extra_trace(columns)
        return result

    def _extra_trace(self, columns: slice) -> float:
        """tr(Z_t'M^-1 Z_t) = (levels - tr(S^-1)_tt) / variance, unless that has no digits left."""
        size = float(self.scale[columns.start]) ** 2
        levels = columns.stop - columns.start
        if size:
            seen = levels - float(np.sum(self.inverse.diagonal()[columns])) / size
            if seen > LOST * levels:
                return float(seen / size)
        part = self.h[columns]
        return float(np.trace(part[:, columns]) - np.sum((part @ self.inverse) * part))

    def pair_traces(self) -> None:
        """None: as dear as the derivatives themselves."""
        return

    def trace_inverse(self) -> float:
        """tr(M^-1)."""
        lost = float(np.sum(self.inverse * _squared(self))) if self.scale.any() else 0.0
        return self.base.trace_inverse() - lost

    def apply(self, i: int, x: np.ndarray) -> np.ndarray:
        """(dM/dtheta_i) x."""
        if i in self.layout.base_slots:
            return self.base.apply(self.layout.base_slots.index(i), x)
        z = self.layout.z[:, self.layout.columns[self.layout.extra_slots.index(i)]]
        return np.asarray(z @ (z.T @ x))

    def curvature(self, u: np.ndarray, f: np.ndarray) -> np.ndarray | None:
        """None: M is linear in theta."""
        return None


def _moved(factor: CrossedFactor, parameter: str) -> np.ndarray:
    """(C, C) Z'B^-1 (dB/dparameter) B^-1 Z."""
    if parameter == "row":
        return _squared(factor)
    return _dense(factor.g.T @ _rows_times(factor.g, 1 / (1 + factor.base.b * factor.base.t) ** 2))


def _squared(factor: CrossedFactor) -> np.ndarray:
    """(C, C) Z'B^-2 Z with B^-1 = W - W z shrink z'W in each study."""
    base, layout = factor.base, factor.layout
    weight = base.root**2
    result = _dense(layout.z.T @ _rows_times(layout.z, weight**2))
    if base.b:
        shrink = base.b / (1 + base.b * base.t)
        twice = layout.sums @ _rows_times(layout.z, weight**2 * layout.base.z)
        cross = _dense(twice.T @ _rows_times(factor.g, shrink))
        square = layout.sums @ (weight * layout.base.z) ** 2
        result += _dense(factor.g.T @ _rows_times(factor.g, shrink**2 * square)) - cross - cross.T
    return result


@dataclass(frozen=True, eq=False)
class CrossedLayout:
    """base : the nested part; z : (k, C) all other terms in its working basis, sparse where they are groupings; columns :
    those of each term; sums : sparse (m, k) sums by study; slots : where each part's parameters are in theta; component :
    (k,) codes of independent sets of rows, in the rows' own order."""

    base: NestedLayout
    z: Any
    columns: tuple[slice, ...]
    sums: Any
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
        scale = np.empty(self.z.shape[1])
        for size, columns in zip(sizes, self.columns, strict=True):
            scale[columns] = np.sqrt(size)
        weight = base.root**2
        h = _dense(self.z.T @ _rows_times(self.z, weight))
        g = self.sums @ _rows_times(self.z, weight * self.base.z)
        if base.b:
            h -= _dense(g.T @ _rows_times(g, base.b / (1 + base.b * base.t)))
        s = h * np.outer(scale, scale)
        s[np.diag_indices_from(s)] += 1.0
        try:
            root = np.linalg.cholesky(s)
        except np.linalg.LinAlgError:
            return None
        logdet = base.logdet + 2 * float(np.sum(np.log(np.diag(root))))
        return CrossedFactor(self, base, scale, h, g, root, logdet)

    def covariances(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of M in the working basis. For small components: memory grows with their size squared."""
        k = len(self.order)
        full = np.zeros((k, k))
        for rows, blocks in self.base.covariances(theta[list(self.base_slots)]):
            full[rows[:, :, None], rows[:, None, :]] = blocks
        for size, columns in zip(theta[list(self.extra_slots)], self.columns, strict=True):
            z = self.z[:, columns]
            full += size * _dense(z @ z.T)
        grouped = rows_by_size(self.component[self.order])
        return [(rows, full[rows[:, :, None], rows[:, None, :]]) for _, rows in grouped]


def crossed_layout(
    base: NestedLayout,
    extras: list[tuple[np.ndarray | None, np.ndarray, np.ndarray]],
    *,
    slots: tuple[tuple[int, ...], tuple[int, ...]],
    component: np.ndarray,
) -> CrossedLayout:
    """Put the other terms, (outer, inner, matrix) of each, beside the nested ones; slots : of the base, of the others."""
    from scipy.sparse import csr_matrix, hstack

    k = len(base.order)
    sparse = all(outer is not None for outer, _, _ in extras) and not base.rotations
    parts, columns, start = [], [], 0
    for outer, inner, matrix in extras:
        if sparse and outer is not None:
            codes = outer[base.order]
            part = csr_matrix((np.ones(k), (np.arange(k), codes)), shape=(k, int(np.max(codes)) + 1))
        else:
            part = base.to_working(loading(outer, inner, matrix))
        parts.append(part)
        columns.append(slice(start, start + part.shape[1]))
        start = columns[-1].stop
    z = hstack(parts, format="csr") if sparse else np.concatenate(parts, axis=1)
    ends = np.append(base.starts, k)
    sums = csr_matrix((np.ones(k), np.arange(k), ends), shape=(len(base.starts), k))
    return CrossedLayout(base, z, tuple(columns), sums, slots[0], slots[1], component)


def loading(outer: np.ndarray | None, inner: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(k, c) Z with Z Z' the covariance of a term of variance one: indicators of `outer`, or rows of a root of `matrix`."""
    if outer is not None:
        return np.asarray(outer[:, None] == np.arange(int(np.max(outer)) + 1)[None, :], dtype=float)
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-12 * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    return np.asarray(root[inner])


def _rows_times(z: Any, weight: np.ndarray) -> Any:
    """diag(weight) z of a dense or sparse z."""
    if isinstance(z, np.ndarray):
        return z * weight[:, None]
    result = z.tocsr(copy=True)
    result.data *= np.repeat(weight, np.diff(result.indptr))
    return result


def _dense(x: Any) -> np.ndarray:
    return np.asarray(x if isinstance(x, np.ndarray) else x.toarray())
