"""Weighted least squares of many analyses at once, at given weights: everything the tau^2 estimators need.

With W = diag(w) and P = W - WX (X'WX)^-1 X'W, the quantities are y'Py, y'PPy, y'PPPy, tr P, tr PP, log |X'WX|.
None is a difference of nearly equal numbers, so one study may outweigh the others 10^12 times: the most precise
study stands first and the leverage that it leaves to the others is summed, not subtracted from one.

Two layouts, one interface: `MeanAt` for a common mean (studies along the first axis, analyses in lanes) and
`RegressionAt` for a design matrix (analyses first, so that small matrices are batched). A missing study has
infinite variance, hence weight zero.

Source: matrix identities of Harville (1977), JASA 72:320.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .basis import Basis, combined, once, square_trace

_sum = np.add.reduce  # over studies, the first axis


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
        fitted = coefficients.T if self.x is None else combined(self.x, coefficients).T
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


class _At:
    """Sums of the weights w (K, ...)."""

    w: np.ndarray

    @once
    def w2(self) -> np.ndarray:
        return np.asarray(self.w * self.w)

    @once
    def w_sum(self) -> np.ndarray:
        return np.asarray(_sum(self.w))

    @once
    def w2_sum(self) -> np.ndarray:
        return np.asarray(_sum(self.w2))


class MeanAt(_At):
    """A common mean at weights w (K, ...): every scalar is (...)."""

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        self.y = _lanes(problem.y, w)
        self.others = _sum(w[1:])
        self.w_sum = w[0] + self.others
        self.mean = _sum(w * self.y) / self.w_sum
        self.residual = self.y - self.mean

    @once
    def weighted_residual(self) -> np.ndarray:
        """W (y - Xb) = Py."""
        return np.asarray(self.w * self.residual)

    @once
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray(_sum(self.weighted_residual * self.residual))

    @once
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray(_sum(self.weighted_residual * self.weighted_residual))

    @once
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        u = self.weighted_residual
        wu = self.w * u
        return np.asarray(_sum(wu * u) - _sum(wu) ** 2 / self.w_sum)

    @once
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray(self.others + self.w[0] * self.others / self.w_sum - _sum(self.w2[1:]) / self.w_sum)

    @once
    def trace2(self) -> np.ndarray:
        """tr PP."""
        share = self.w / self.w_sum
        first, rest = share[0], self.w2[1:]
        total = _sum(rest)
        own = _sum(rest * (1 - 2 * share[1:])) + (total / self.w_sum) ** 2
        return np.asarray((self.w[0] * self.others / self.w_sum) ** 2 + 2 * first**2 * total + own)

    @once
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        left = 1 - self.w / self.w_sum
        left[0] = self.others / self.w_sum
        return np.asarray(left)

    @once
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

    @property
    def outer(self) -> np.ndarray:
        """(..., 1, K) B with P = W - B'B, which also takes the effects to root' times the coefficients."""
        return np.asarray(np.moveaxis(self.w / np.sqrt(self.w_sum), 0, -1)[..., None, :])


class RegressionAt(_At):
    """A regression at weights w (K, ...); inside, studies are the last axis and columns the last but one."""

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        y = np.moveaxis(_lanes(problem.y, w), 0, -1)
        self._w = np.ascontiguousarray(np.moveaxis(w, 0, -1))  # (..., K)
        self._root_w = np.sqrt(self._w)
        x = problem.x if w.ndim == 2 else problem.x[:, None]  # type: ignore[index]
        self.basis = basis = Basis(self._root_w[..., None, :] * x, problem.spread)
        first = self._root_w * y
        step = basis.inner(first)
        rest = first - combined(basis.q, step)
        more = basis.inner(rest)  # the second pass removes what rounding left of the first
        self._rest = rest - combined(basis.q, more)  # W^(1/2) (y - Xb)
        self._turned = self._w * self._rest
        self._projected = step + more

    @once
    def weighted_residual(self) -> np.ndarray:
        """(K, ...) W (y - Xb) = Py."""
        return np.asarray(np.moveaxis(self._root_w * self._rest, -1, 0))

    @once
    def rss(self) -> np.ndarray:
        """y'Py."""
        return np.asarray((self._rest * self._rest).sum(axis=-1))

    @once
    def square(self) -> np.ndarray:
        """y'PPy."""
        return np.asarray((self._turned * self._rest).sum(axis=-1))

    @once
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        inside = self.basis.inner(self._turned)
        return np.asarray((self._turned * self._turned).sum(axis=-1) - (inside * inside).sum(axis=-1))

    @once
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study."""
        return np.moveaxis(self.basis.left, -1, 0)

    @once
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray((self._w * self.basis.left).sum(axis=-1))

    @once
    def trace2(self) -> np.ndarray:
        """tr PP."""
        return square_trace(self.basis.q, self.basis.left, self._w, self._w)

    @once
    def logdet(self) -> np.ndarray:
        """log |X'WX|."""
        return np.asarray(2 * np.log(np.abs(np.diagonal(self.basis.r, axis1=-2, axis2=-1))).sum(axis=-1))

    @once
    def coefficients(self) -> np.ndarray:
        """(..., p) in the coordinates of the problem."""
        return np.asarray((self.basis.inverse @ self._projected[..., None])[..., 0])

    @property
    def root(self) -> np.ndarray:
        """(..., p, p) L with LL' the inverse of X'WX."""
        return self.basis.inverse

    @property
    def outer(self) -> np.ndarray:
        """(..., p, K) B with P = W - B'B, which also takes the effects to root' times the coefficients."""
        return np.asarray(self._root_w[..., None, :] * self.basis.q)


def trace_pdpd(at: MeanAt | RegressionAt, d: np.ndarray, e: np.ndarray) -> np.ndarray:
    """(F,) tr(P diag(d) P diag(e)) for d, e (K, F)."""
    w = at.w.T
    q = np.divide(at.outer, np.sqrt(w)[:, None, :], out=np.zeros_like(at.outer), where=w[:, None, :] > 0)
    return square_trace(q, at.complement.T, w * d.T, w * e.T)


def sandwich_root(at: MeanAt | RegressionAt, d: np.ndarray) -> np.ndarray:
    """(F, p, p) L with LL' the covariance of these coefficients when the effects have variances d (K, F), finite."""
    half = np.sqrt(d.T)[:, None, :] * (at.root @ at.outer)
    return np.asarray(np.swapaxes(np.linalg.qr(np.swapaxes(half, -1, -2), mode="r"), -1, -2))
