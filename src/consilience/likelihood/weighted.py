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

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

HEAVY = 0.9  # a leverage above this is recomputed from the other studies
SPREAD = 1e6  # ratio of weights from which the basis is orthonormalised twice


@dataclass(frozen=True, eq=False)
class Problem:
    """F analyses of up to K studies, centred and scaled so that sums neither cancel nor overflow.

    y, v : (K, F) effects (0 where missing) and sampling variances (inf where missing); the first study of each
        analysis is its most precise one.
    x : (F, K, p) or (1, K, p) basis of the design with unit-size columns; None for a common mean.
    k : (F,) number of studies present; p : number of coefficients.
    """

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray | None
    k: np.ndarray
    p: int

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
        fitted = coefficients.T if self.x is None else (self.x @ coefficients[..., None])[..., 0].T
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
        self.others = w[1:].sum(axis=0)
        self.w_sum = w[0] + self.others
        self.mean = (w * self.y).sum(axis=0) / self.w_sum
        self.residual = self.y - self.mean

    @cached_property
    def weighted_residual(self) -> np.ndarray:
        """W (y - Xb) = Py."""
        return np.asarray(self.w * self.residual)

    @cached_property
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray((self.weighted_residual * self.residual).sum(axis=0))

    @cached_property
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray((self.weighted_residual * self.weighted_residual).sum(axis=0))

    @cached_property
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        u = self.weighted_residual
        wu = self.w * u
        return np.asarray((wu * u).sum(axis=0) - wu.sum(axis=0) ** 2 / self.w_sum)

    @cached_property
    def _w2(self) -> np.ndarray:
        return np.asarray(self.w * self.w)

    @cached_property
    def w2_sum(self) -> np.ndarray:
        return np.asarray(self._w2.sum(axis=0))

    @cached_property
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray(
            self.others + self.w[0] * self.others / self.w_sum - self._w2[1:].sum(axis=0) / self.w_sum
        )

    @cached_property
    def trace2(self) -> np.ndarray:
        """tr PP."""
        share = self.w / self.w_sum
        first, rest = share[0], self._w2[1:]
        total = rest.sum(axis=0)
        own = (rest * (1 - 2 * share[1:])).sum(axis=0) + (total / self.w_sum) ** 2
        return np.asarray((self.w[0] * self.others / self.w_sum) ** 2 + 2 * first**2 * total + own)

    @cached_property
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        left = 1 - self.w / self.w_sum
        left[0] = self.others / self.w_sum
        return np.asarray(left)

    def trace_pdpd(self, d: np.ndarray, e: np.ndarray) -> np.ndarray:
        """tr(P diag(d) P diag(e)) for d, e (K, F)."""
        w2 = self._w2
        single = (d * e * w2 * (1 - 2 * self.w / self.w_sum)).sum(axis=0)
        return np.asarray(single + (d * w2).sum(axis=0) * (e * w2).sum(axis=0) / self.w_sum**2)

    @cached_property
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
        return np.asarray((np.sqrt((self._w2 * d).sum(axis=0)) / self.w_sum)[..., None, None])


class RegressionAt:
    """A regression at weights w (K, ...); inside, studies are the last axis but one."""

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        self.y = _lanes(problem.y, w)
        self._w = np.moveaxis(w, 0, -1)  # (..., K)
        self._root = np.sqrt(self._w)
        x = problem.x if w.ndim == 2 else problem.x[:, None]  # type: ignore[index]
        self._basis, self._r = _orthonormal(self._root[..., None] * x, problem)
        target = self._root * np.moveaxis(self.y, 0, -1)
        self._projected = np.zeros((*target.shape[:-1], problem.p))
        rest = target
        for _ in range(2):  # the second pass removes what rounding left of the first
            step = _transposed_times(self._basis, rest)
            rest = rest - (self._basis @ step[..., None])[..., 0]
            self._projected = self._projected + step
        self._rest = rest  # W^(1/2) (y - Xb)

    @cached_property
    def w_sum(self) -> np.ndarray:
        return np.asarray(self.w.sum(axis=0))

    @cached_property
    def w2_sum(self) -> np.ndarray:
        return np.asarray((self.w * self.w).sum(axis=0))

    @cached_property
    def weighted_residual(self) -> np.ndarray:
        """(K, ...) W (y - Xb) = Py."""
        return np.asarray(np.moveaxis(self._root * self._rest, -1, 0))

    @cached_property
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray((self._rest * self._rest).sum(axis=-1))

    @cached_property
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray((self._w * self._rest * self._rest).sum(axis=-1))

    @cached_property
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        z = self._w * self._rest
        inside = _transposed_times(self._basis, z)
        return np.asarray((z * z).sum(axis=-1) - (inside * inside).sum(axis=-1))

    @cached_property
    def _leverage(self) -> np.ndarray:
        return np.asarray((self._basis * self._basis).sum(axis=-1))

    @cached_property
    def _left(self) -> np.ndarray:
        left = 1 - self._leverage
        heavy = np.nonzero(self._leverage > HEAVY)
        if len(heavy[0]):
            lanes, study = heavy[:-1], heavy[-1]
            own = self._basis[heavy]
            products = (self._basis[lanes] @ own[:, :, None])[..., 0]
            products[np.arange(len(study)), study] = 0.0
            left[heavy] = (products * products).sum(axis=-1) / self._leverage[heavy]
        return left

    @cached_property
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        return np.moveaxis(self._left, -1, 0)

    @cached_property
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray((self._w * self._left).sum(axis=-1))

    @cached_property
    def trace2(self) -> np.ndarray:
        """tr PP."""
        middle = _transposed_times(self._basis, self._w[..., None] * self._basis)
        own = (self._w * self._leverage) ** 2
        total = (middle * middle).sum(axis=(-2, -1)) - own.sum(axis=-1)
        heavy = np.nonzero((self._leverage > HEAVY).any(axis=-1))
        if len(heavy[0]):
            products = self._basis[heavy] @ np.swapaxes(self._basis[heavy], -1, -2)
            off = self._w[heavy][:, :, None] * self._w[heavy][:, None, :] * products**2
            index = np.arange(off.shape[-1])
            off[:, index, index] = 0.0
            total[heavy] = off.sum(axis=(-2, -1))
        return np.asarray(total + ((self._w * self._left) ** 2).sum(axis=-1))

    def trace_pdpd(self, d: np.ndarray, e: np.ndarray) -> np.ndarray:
        """tr(P diag(d) P diag(e)) for d, e (K, F)."""
        wd, we = self._w * d.T, self._w * e.T
        left = _transposed_times(self._basis, wd[..., None] * self._basis)
        right = _transposed_times(self._basis, we[..., None] * self._basis)
        single = (wd * we * (1 - 2 * self._leverage)).sum(axis=-1)
        return np.asarray(single + (left * np.swapaxes(right, -1, -2)).sum(axis=(-2, -1)))

    @cached_property
    def logdet(self) -> np.ndarray:
        """log |X'WX|."""
        return np.asarray(2 * np.log(np.abs(np.diagonal(self._r, axis1=-2, axis2=-1))).sum(axis=-1))

    @cached_property
    def _r_inverse(self) -> np.ndarray:
        return np.asarray(np.linalg.inv(self._r))

    @cached_property
    def coefficients(self) -> np.ndarray:
        """(..., p) in the coordinates of the problem."""
        return np.asarray((self._r_inverse @ self._projected[..., None])[..., 0])

    @property
    def root(self) -> np.ndarray:
        """(..., p, p) L with LL' the inverse of X'WX."""
        return self._r_inverse

    def sandwich_root(self, d: np.ndarray) -> np.ndarray:
        """(..., p, p) L with LL' the covariance of these coefficients when the effects have variances d (K, F)."""
        half = np.sqrt(self._w * d.T)[..., None] * (self._basis @ np.swapaxes(self._r_inverse, -1, -2))
        return np.asarray(np.swapaxes(np.linalg.qr(half, mode="r"), -1, -2))


def _transposed_times(basis: np.ndarray, other: np.ndarray) -> np.ndarray:
    """basis' other, batched; `other` is (..., K) or (..., K, q)."""
    flat = other.ndim == basis.ndim - 1
    product = np.swapaxes(basis, -1, -2) @ (other[..., None] if flat else other)
    return np.asarray(product[..., 0] if flat else product)


def _orthonormal(b: np.ndarray, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Q (..., K, p) with orthonormal columns and upper-triangular R (..., p, p) with QR = b."""
    lower = np.linalg.cholesky(_transposed_times(b, b))
    upper = np.swapaxes(lower, -1, -2)
    q = b @ np.swapaxes(np.linalg.inv(lower), -1, -2)
    finite = np.where(np.isinf(problem.v), 0.0, problem.v)
    if np.any(finite.max(axis=0) > SPREAD * problem.v.min(axis=0)):
        again = np.linalg.cholesky(_transposed_times(q, q))
        q = q @ np.swapaxes(np.linalg.inv(again), -1, -2)
        upper = np.swapaxes(again, -1, -2) @ upper
    return q, upper
