"""Weighted least squares of many analyses at once, at given weights: everything the tau^2 estimators need.

With W = diag(w) and P = W - WX (X'WX)^-1 X'W, the quantities are y'Py, y'PPy, y'PPPy, tr P, tr PP, log |X'WX|.
None is a difference of nearly equal numbers, so one study may outweigh the others 10^12 times: the most precise
study stands first and the leverage that it leaves to the others is summed, not subtracted from one.

One interface, three layouts: `MeanAt` for a common mean and `LaneRegressionAt` for many regressions with few columns
(studies along the first axis, analyses in lanes), `RegressionAt` for any other design (analyses first, so that small
matrices are batched). A missing study has infinite variance, hence weight zero.

Source: matrix identities of Harville (1977), JASA 72:320.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .basis import Basis, combined, lane_inner, once, square_trace, triangular_inverse

_sum = np.add.reduce  # over studies, the first axis
LANES_FROM, LANE_COLUMNS = 8, 6  # analyses from which lanes pay, and the most columns for which they do
LANE_SPREAD = 1e3  # ratio of weights up to which sums in lanes keep their digits without special care


@dataclass(frozen=True, eq=False)
class Problem:
    """F analyses of up to K studies, centred and scaled so that sums neither cancel nor overflow.

    y, v : (K, F) effects (0 where missing) and sampling variances (inf where missing); the first study of each
        analysis is its most precise one, unless the variances are shared.
    x : (F, p, K) or (1, p, K) basis of the design with unit-size columns; None for a common mean.
    k : (F,) number of studies present; p : number of coefficients.
    least : (F,) smallest variance of each analysis; spread : largest ratio of variances within an analysis.
    shared : (K,) variances of the studies where all analyses have the same (but for missing ones), ascending; or None.
    """

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray | None
    k: np.ndarray
    p: int
    least: np.ndarray
    spread: float = 1.0
    shared: np.ndarray | None = None

    @once
    def n(self) -> int:
        """Number of analyses F."""
        return int(self.y.shape[1])

    def take(self, rows: np.ndarray) -> Problem:
        """The analyses selected by integer indices (repeats allowed)."""
        x = self.x
        if x is not None and len(x) > 1:  # as it lies in memory: analyses last
            x = np.moveaxis(np.take(np.moveaxis(x, 0, -1), rows, axis=-1), -1, 0)
        y, v = np.take(self.y, rows, axis=1), np.take(self.v, rows, axis=1)
        return replace(self, y=y, v=v, x=x, k=self.k[rows], least=self.least[rows])

    def residual(self, coefficients: np.ndarray) -> np.ndarray:
        """(K, F) y - Xb for coefficients (F, p); 0 where missing."""
        fitted = coefficients.T if self.x is None else combined(self.x, coefficients).T
        return np.where(np.isinf(self.v), 0.0, self.y - fitted)

    def at(self, tau2: np.ndarray) -> At:
        """Weights 1 / (v + tau2); tau2 is (F,) or (F, S) for S values per analysis."""
        w = 1.0 / (_lanes(self.v, tau2, 1) + tau2)
        if self.x is None:
            return MeanAt(self, w)
        return LaneRegressionAt(self, w) if self._in_lanes(self.spread) else RegressionAt(self, w)

    def weighted(self, w: np.ndarray) -> At:
        """Any weights (K, F), zero where missing."""
        if self.x is None:
            return MeanAt(self, w)
        if self._in_lanes(1.0):
            least = np.where(w > 0, w, np.inf).min(axis=0)
            if self._in_lanes(float((w.max(axis=0) / least).max())):
                return LaneRegressionAt(self, w)
        return RegressionAt(self, w)

    def _in_lanes(self, spread: float) -> bool:
        return self.n >= LANES_FROM and self.p <= LANE_COLUMNS and spread <= LANE_SPREAD


def _lanes(values: np.ndarray, like: np.ndarray, plain: int = 2) -> np.ndarray:
    """(K, F) as (K, F), or (K, F, 1) where `like` has more than `plain` axes."""
    return values if like.ndim == plain else values[:, :, None]


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
        return np.asarray(self.basis.inverse)

    @property
    def outer(self) -> np.ndarray:
        """(..., p, K) B with P = W - B'B, which also takes the effects to root' times the coefficients."""
        return np.asarray(self._root_w[..., None, :] * self.basis.q)


class LaneRegressionAt(_At):
    """`RegressionAt` in lanes, for `LANE_COLUMNS` columns and weights within `LANE_SPREAD` of each other.

    With columns c_j (K, ...) of the design made orthonormal in the weights, c_i' W c_j = (i == j), P is
    W - sum over j of (W c_j)(W c_j)'.
    """

    def __init__(self, problem: Problem, w: np.ndarray) -> None:
        self.w = w
        x = np.moveaxis(np.asarray(problem.x), 0, -1)
        x = x if w.ndim == 2 else x[..., None]
        self.r = np.zeros((len(x), len(x), *w.shape[1:]))
        self.columns: list[np.ndarray] = []
        self.turned: list[np.ndarray] = []  # W c_j
        self.projected: list[np.ndarray] = []
        self.residual = _lanes(problem.y, w)
        for j, c in enumerate(x):
            for i, (before, turned) in enumerate(zip(self.columns, self.turned, strict=True)):
                self.r[i, j] = lane_inner(turned, c)
                c = c - self.r[i, j] * before
            wc = w * c
            self.r[j, j] = np.sqrt(lane_inner(wc, c))
            scale = 1 / self.r[j, j]
            c, wc = c * scale, wc * scale
            along = lane_inner(wc, self.residual)
            self.residual = self.residual - along * c
            self.columns.append(c)
            self.turned.append(wc)
            self.projected.append(along)
        self.weighted_residual = w * self.residual  # W (y - Xb) = Py

    @once
    def rss(self) -> np.ndarray:
        """y'Py."""
        return lane_inner(self.weighted_residual, self.residual)

    @once
    def square(self) -> np.ndarray:
        """y'PPy."""
        return lane_inner(self.weighted_residual, self.weighted_residual)

    @once
    def cube(self) -> np.ndarray:
        """y'PPPy."""
        u = self.weighted_residual
        total = lane_inner(self.w * u, u)
        for turned in self.turned:
            total = total - lane_inner(turned, u) ** 2
        return total

    @once
    def weighted_left(self) -> np.ndarray:
        """(K, ...) diagonal of P."""
        left = self.w
        for turned in self.turned:
            left = left - turned * turned
        return np.asarray(left)

    @property
    def complement(self) -> np.ndarray:
        """(K, ...) one minus the leverage of each study; 1 where it has no weight."""
        left = np.divide(self.weighted_left, self.w, out=np.ones_like(self.w), where=self.w > 0)
        return np.asarray(left)

    @once
    def trace(self) -> np.ndarray:
        """tr P."""
        return np.asarray(_sum(self.weighted_left))

    @once
    def trace2(self) -> np.ndarray:
        """tr PP: squared diagonal, and all pairs less their own."""
        taken = self.w - self.weighted_left
        total = lane_inner(self.weighted_left, self.weighted_left) - lane_inner(taken, taken)
        for i, one in enumerate(self.turned):
            total = total + lane_inner(one, one) ** 2
            for other in self.turned[:i]:
                total = total + 2 * lane_inner(one, other) ** 2
        return np.asarray(total)

    @once
    def logdet(self) -> np.ndarray:
        """log |X'WX|."""
        return np.asarray(2 * sum(np.log(self.r[j, j]) for j in range(len(self.r))))

    @once
    def root(self) -> np.ndarray:
        """(..., p, p) L with LL' the inverse of X'WX."""
        return np.moveaxis(triangular_inverse(self.r), (0, 1), (-2, -1))

    @once
    def coefficients(self) -> np.ndarray:
        """(..., p) in the coordinates of the problem."""
        return np.asarray((self.root @ np.stack(self.projected, axis=-1)[..., None])[..., 0])

    @property
    def outer(self) -> np.ndarray:
        """(..., p, K) B with P = W - B'B, which also takes the effects to root' times the coefficients."""
        return np.moveaxis(np.stack(self.turned), (0, 1), (-2, -1))


At = MeanAt | RegressionAt | LaneRegressionAt


def trace_pdpd(at: At, d: np.ndarray, e: np.ndarray) -> np.ndarray:
    """(F,) tr(P diag(d) P diag(e)) for d, e (K, F)."""
    w = at.w.T
    q = np.divide(at.outer, np.sqrt(w)[:, None, :], out=np.zeros_like(at.outer), where=w[:, None, :] > 0)
    return square_trace(q, at.complement.T, w * d.T, w * e.T)


def sandwich_root(at: At, d: np.ndarray) -> np.ndarray:
    """(F, p, p) L with LL' the covariance of these coefficients when the effects have variances d (K, F), finite."""
    half = np.sqrt(d.T)[:, None, :] * (at.root @ at.outer)
    return np.asarray(np.swapaxes(np.linalg.qr(np.swapaxes(half, -1, -2), mode="r"), -1, -2))
