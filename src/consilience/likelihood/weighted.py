"""Weighted least squares of many analyses at once, at given weights: everything the tau^2 estimators need.

With W = diag(w) and P = W - WX (X'WX)^-1 X'W, the quantities are y'Py, y'PPy, y'PPPy, tr P, tr PP, log |X'WX|.
None is a difference of nearly equal numbers, so one study may outweigh the others 10^12 times: the most precise
study stands first and the leverage that it leaves to the others is summed, not subtracted from one.

Two layouts, one interface: `MeanAt` for a common mean (studies along the first axis, analyses in lanes) and
`RegressionAt` for a design matrix (analyses first, so that small matrices are batched). A missing study has
infinite variance, hence weight zero.

Source: matrix identities of Harville (1977), JASA 72:320; CholeskyQR2 of Yamamoto et al. (2015), ETNA 44:306.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_sum = np.add.reduce  # over studies, the first axis
HEAVY = 0.9  # a leverage above this is recomputed from the other studies
SPREAD = 1e6  # ratio of weights from which the basis is orthonormalised twice


class _once:
    """An attribute computed at first use. (functools.cached_property takes a lock, which costs more than the sums.)"""

    def __init__(self, compute: Callable[[Any], np.ndarray]) -> None:
        self.compute, self.name, self.__doc__ = compute, compute.__name__, compute.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> np.ndarray:
        if owner is None:
            return self  # type: ignore[return-value]
        value = owner.__dict__[self.name] = self.compute(owner)
        return value


@dataclass(frozen=True, eq=False)
class Problem:
    """F analyses of up to K studies, centred and scaled so that sums neither cancel nor overflow.

    y, v : (K, F) effects (0 where missing) and sampling variances (inf where missing); the first study of each
        analysis is its most precise one.
    x : (F, p, K) or (1, p, K) basis of the design with unit-size columns; None for a common mean.
    k : (F,) number of studies present; p : number of coefficients.
    spread : largest ratio of variances within an analysis.
    """

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray | None
    k: np.ndarray
    p: int
    spread: float = 1.0

    @property
    def n(self) -> int:
        """Number of analyses F."""
        return int(self.y.shape[1])

    def take(self, rows: np.ndarray) -> Problem:
        """The analyses selected by integer indices (repeats allowed)."""
        x = self.x if self.x is None or len(self.x) == 1 else self.x[rows]
        return replace(self, y=self.y[:, rows], v=self.v[:, rows], x=x, k=self.k[rows])

    def residual(self, coefficients: np.ndarray) -> np.ndarray:
        """(K, F) y - Xb for coefficients (F, p); 0 where missing."""
        fitted = coefficients.T if self.x is None else _combined(self.x, coefficients).T
        return np.where(np.isinf(self.v), 0.0, self.y - fitted)

    def at(self, tau2: np.ndarray) -> MeanAt | RegressionAt:
        """Weights 1 / (v + tau2); tau2 is (F,) or (F, S) for S values per analysis."""
        extra = (slice(None), slice(None)) + (None,) * (tau2.ndim - 1)
        return self.weighted(1.0 / (self.v[extra] + tau2))

    def weighted(self, w: np.ndarray) -> MeanAt | RegressionAt:
        """Any weights (K, F) or (K, F, S), zero where missing."""
        if self.x is None:
            return MeanAt(self, w)
        return RegressionAt(self, w)


def _lanes(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """(K, F) as (K, F) or (K, F, 1)."""
    return values if like.ndim == 2 else values[:, :, None]


class MeanAt:
    """A common mean at weights w (K, ...): every scalar is (...)."""

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        self.y = _lanes(problem.y, w)
        self.others = _sum(w[1:])
        self.w_sum = w[0] + self.others
        self.mean = _sum(w * self.y) / self.w_sum
        self.residual = self.y - self.mean

    @_once
    def weighted_residual(self) -> np.ndarray:
        """W (y - Xb) = Py."""
        return np.asarray(self.w * self.residual)

    @_once
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray(_sum(self.weighted_residual * self.residual))

    @_once
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray(_sum(self.weighted_residual * self.weighted_residual))

    @_once
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        u = self.weighted_residual
        wu = self.w * u
        return np.asarray(_sum(wu * u) - _sum(wu) ** 2 / self.w_sum)

    @_once
    def _w2(self) -> np.ndarray:
        return np.asarray(self.w * self.w)

    @_once
    def w2_sum(self) -> np.ndarray:
        return np.asarray(_sum(self._w2))

    @_once
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray(
            self.others + self.w[0] * self.others / self.w_sum - _sum(self._w2[1:]) / self.w_sum
        )

    @_once
    def trace2(self) -> np.ndarray:
        """tr PP."""
        share = self.w / self.w_sum
        first, rest = share[0], self._w2[1:]
        total = _sum(rest)
        own = _sum(rest * (1 - 2 * share[1:])) + (total / self.w_sum) ** 2
        return np.asarray((self.w[0] * self.others / self.w_sum) ** 2 + 2 * first**2 * total + own)

    @_once
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        left = 1 - self.w / self.w_sum
        left[0] = self.others / self.w_sum
        return np.asarray(left)

    def trace_pdpd(self, d: np.ndarray, e: np.ndarray) -> np.ndarray:
        """tr(P diag(d) P diag(e)) for d, e (K, F)."""
        w2 = self._w2
        single = _sum(d * e * w2 * (1 - 2 * self.w / self.w_sum))
        return np.asarray(single + _sum(d * w2) * _sum(e * w2) / self.w_sum**2)

    @_once
    def logdet(self) -> np.ndarray:
        """log |X'WX|."""
        return np.asarray(np.log(self.w_sum))

    @property
    def coefficients(self) -> np.ndarray:
        """(..., 1) in the coordinates of the problem."""
        return np.asarray(self.mean[..., None])

    @property
    def root(self) -> np.ndarray:
        """(..., 1, 1) L with LL' the inverse of X'WX."""
        return np.asarray(1 / np.sqrt(self.w_sum)[..., None, None])

    def sandwich_root(self, d: np.ndarray) -> np.ndarray:
        """(..., 1, 1) L with LL' the covariance of these coefficients when the effects have variances d (K, F)."""
        return np.asarray((np.sqrt(_sum(self._w2 * d)) / self.w_sum)[..., None, None])


class RegressionAt:
    """A regression at weights w (K, ...); inside, studies are the last axis and columns the last but one."""

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        y = _lanes(problem.y, w)
        self._w = np.ascontiguousarray(np.moveaxis(w, 0, -1))  # (..., K)
        self._root = np.sqrt(self._w)
        x = problem.x if w.ndim == 2 else problem.x[:, None]  # type: ignore[index]
        self._basis, self._r = _orthonormal(self._root[..., None, :] * x, problem)
        first = self._root * np.moveaxis(y, 0, -1)
        step = _inner(self._basis, first)
        rest = first - _combined(self._basis, step)
        more = _inner(self._basis, rest)  # the second pass removes what rounding left of the first
        self._rest = rest - _combined(self._basis, more)  # W^(1/2) (y - Xb)
        self._projected = step + more

    @_once
    def w_sum(self) -> np.ndarray:
        return np.asarray(self._w.sum(axis=-1))

    @_once
    def w2_sum(self) -> np.ndarray:
        return np.asarray((self._w * self._w).sum(axis=-1))

    @_once
    def weighted_residual(self) -> np.ndarray:
        """(K, ...) W (y - Xb) = Py."""
        return np.asarray(np.moveaxis(self._root * self._rest, -1, 0))

    @_once
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray((self._rest * self._rest).sum(axis=-1))

    @_once
    def _turned(self) -> np.ndarray:
        return np.asarray(self._w * self._rest)

    @_once
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray((self._turned * self._rest).sum(axis=-1))

    @_once
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        z = self._turned
        inside = _inner(self._basis, z)
        return np.asarray((z * z).sum(axis=-1) - (inside * inside).sum(axis=-1))

    @_once
    def _leverage(self) -> np.ndarray:
        return np.asarray((self._basis * self._basis).sum(axis=-2))

    @_once
    def _left(self) -> np.ndarray:
        left = 1 - self._leverage
        if self._leverage.max() > HEAVY:
            heavy = np.nonzero(self._leverage > HEAVY)
            lanes, study = heavy[:-1], heavy[-1]
            basis = self._basis[lanes]  # (n, p, K)
            own = basis[np.arange(len(study)), :, study]
            products = (own[:, None, :] @ basis)[:, 0]
            products[np.arange(len(study)), study] = 0.0
            left[heavy] = (products * products).sum(axis=-1) / self._leverage[heavy]
        return left

    @_once
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        return np.moveaxis(self._left, -1, 0)

    @_once
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray((self._w * self._left).sum(axis=-1))

    @_once
    def trace2(self) -> np.ndarray:
        """tr PP."""
        middle = (self._basis * self._w[..., None, :]) @ np.swapaxes(self._basis, -1, -2)
        own = self._w * self._leverage
        total = (middle * middle).sum(axis=(-2, -1)) - (own * own).sum(axis=-1)
        if self._leverage.max() > HEAVY:
            heavy = np.nonzero((self._leverage > HEAVY).any(axis=-1))
            products = np.swapaxes(self._basis[heavy], -1, -2) @ self._basis[heavy]
            off = self._w[heavy][:, :, None] * self._w[heavy][:, None, :] * products**2
            index = np.arange(off.shape[-1])
            off[:, index, index] = 0.0
            total[heavy] = off.sum(axis=(-2, -1))
        kept = self._w * self._left
        return np.asarray(total + (kept * kept).sum(axis=-1))

    def trace_pdpd(self, d: np.ndarray, e: np.ndarray) -> np.ndarray:
        """tr(P diag(d) P diag(e)) for d, e (K, F)."""
        wd, we = self._w * d.T, self._w * e.T
        turned = np.swapaxes(self._basis, -1, -2)
        left = (self._basis * wd[..., None, :]) @ turned
        right = (self._basis * we[..., None, :]) @ turned
        single = (wd * we * (1 - 2 * self._leverage)).sum(axis=-1)
        return np.asarray(single + (left * np.swapaxes(right, -1, -2)).sum(axis=(-2, -1)))

    @_once
    def logdet(self) -> np.ndarray:
        """log |X'WX|."""
        return np.asarray(2 * np.log(np.abs(np.diagonal(self._r, axis1=-2, axis2=-1))).sum(axis=-1))

    @_once
    def _r_inverse(self) -> np.ndarray:
        return np.asarray(np.linalg.inv(self._r))

    @_once
    def coefficients(self) -> np.ndarray:
        """(..., p) in the coordinates of the problem."""
        return np.asarray((self._r_inverse @ self._projected[..., None])[..., 0])

    @property
    def root(self) -> np.ndarray:
        """(..., p, p) L with LL' the inverse of X'WX."""
        return self._r_inverse

    def sandwich_root(self, d: np.ndarray) -> np.ndarray:
        """(..., p, p) L with LL' the covariance of these coefficients when the effects have variances d (K, F)."""
        half = np.sqrt(self._w * d.T)[..., None, :] * (self._r_inverse @ self._basis)
        return np.asarray(np.swapaxes(np.linalg.qr(np.swapaxes(half, -1, -2), mode="r"), -1, -2))


def _inner(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(..., p) products of each column with values (..., K)."""
    return np.asarray((basis @ values[..., None])[..., 0])


def _combined(basis: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """(..., K) columns times coefficients (..., p)."""
    return np.asarray((coefficients[..., None, :] @ basis)[..., 0, :])


def _orthonormal(b: np.ndarray, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Q (..., p, K) with orthonormal rows and upper-triangular R (..., p, p) with b = R'Q."""
    lower = np.linalg.cholesky(b @ np.swapaxes(b, -1, -2))
    q = np.linalg.inv(lower) @ b
    if problem.spread > SPREAD:
        again = np.linalg.cholesky(q @ np.swapaxes(q, -1, -2))
        q, lower = np.linalg.inv(again) @ q, lower @ again
    return q, np.swapaxes(lower, -1, -2)
