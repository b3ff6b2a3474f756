"""Nested intercepts, many data sets at once: the normal likelihood of F data sets x one layout of rows, at any thetas.

V is rotated to a diagonal once, so that the covariance of each group is M_j = D_j + a I + b z_j z_j' with a = theta[0] the
variance between the effects of a group and b = theta[1] that between groups (see `nested.py`). A row that a data set
lacks has infinite variance: it takes part in no sum. A lane is one data set at one theta.

Source: Sherman & Morrison (1950); Gilmour, Thompson & Cullis (1995) for the average information; Harville (1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .gaussian import LOG_2PI

_PAIRS = np.array([[0, 1], [1, 2]])  # places of (row, row), (row, study), (study, study) in a 2 x 2 matrix
UNEVEN = 1e-3  # ratio of the pivots of X below which its basis is orthonormalised twice


@dataclass(frozen=True, eq=False)
class NestedBatch:
    """F data sets of up to k rows in J groups, in the rotated basis and on a safe scale.

    d : (F, k) variances, inf = the data set lacks the row; z : (F, k) rotated ones, 0 there;
    data : (F, p + 1, k) columns of the design (orthonormal before weighting), then the outcomes, 0 there;
    starts : (J,) first row of each group; index : (k,) group of each row; n : (F,) rows of each data set;
    complete : no data set lacks a row.
    """

    d: np.ndarray
    z: np.ndarray
    data: np.ndarray
    starts: np.ndarray
    index: np.ndarray
    n: np.ndarray
    complete: bool = False

    @property
    def p(self) -> int:
        return int(self.data.shape[1]) - 1

    def take(self, rows: np.ndarray) -> NestedBatch:
        """The chosen data sets, in that order, repeated at will."""
        return NestedBatch(
            self.d[rows],
            self.z[rows],
            self.data[rows],
            self.starts,
            self.index,
            self.n[rows],
            self.complete,
        )


@dataclass(frozen=True, eq=False)
class Lanes:
    """The likelihood at one theta of each of L data sets; minus infinity where M is not positive definite.

    loglik : (L,) up to log|X'X| / 2 of the original design (REML); rss, logdet, logdet_xx : (L,) y'Py, log|M| and
    log|X'M^-1 X|; coefficients : (L, p); inverse : (L, p, p) T with Q = T X whitened; residual : (L, k) and q : (L, p, k),
    whitened; weights : the factor, for what follows from it.
    """

    loglik: np.ndarray
    rss: np.ndarray
    logdet: np.ndarray
    logdet_xx: np.ndarray
    coefficients: np.ndarray
    inverse: np.ndarray
    residual: np.ndarray
    q: np.ndarray
    factor: Factor


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives in theta = (a, b): score (L, 2), average and observed information (L, 2, 2); traces, hidden : (L, 2)
    tr(M^-1 dM) and the part of it that the coefficients take."""

    score: np.ndarray
    average: np.ndarray
    observed: np.ndarray
    traces: np.ndarray
    hidden: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """(L, 2) tr(P dM) / tr(M^-1 dM), zero where a variance cannot be seen behind the coefficients."""
        return np.asarray((self.traces - self.hidden) / np.where(self.traces != 0, self.traces, 1.0))


@dataclass(frozen=True, eq=False)
class Factor:
    """C with C C' = M. root = (d + a)^-1/2; zw = z root; square = zw^2; damp = 1 + b t, t : (L, J) sums of square."""

    batch: NestedBatch
    b: np.ndarray
    root: np.ndarray
    zw: np.ndarray
    square: np.ndarray
    t: np.ndarray
    damp: np.ndarray
    kappa: np.ndarray

    def project(self, x: np.ndarray) -> np.ndarray:
        """The rank-one part of C^-1 applied to x (L, c, k), in place."""
        zw = self.zw[:, None, :]
        sums = self.sums(zw * x)
        sums *= self.kappa[:, None, :]
        x -= zw * sums.take(self.batch.index, axis=-1)
        return x

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Sums over the rows of each group."""
        return np.asarray(np.add.reduceat(x, self.batch.starts, axis=-1))

    def trace_inverse(self) -> np.ndarray:
        """(L,) tr(M^-1)."""
        weight = self.root * self.root
        shrink = self.b[:, None] / self.damp
        return np.asarray(weight.sum(axis=1) - (shrink * self.sums(weight * self.square)).sum(axis=1))


def lanes_at(batch: NestedBatch, theta: np.ndarray, *, reml: bool) -> Lanes:
    """The likelihood of each data set of the batch at its row of `theta` (F, 2)."""
    a, b = theta[:, :1], theta[:, 1:]
    variance = batch.d + a
    valid = (variance > 0).all(axis=1) & (b[:, 0] >= 0)
    if not valid.all():
        variance = np.where(valid[:, None], variance, 1.0)
        b = np.where(valid[:, None], b, 0.0)
    root = 1.0 / np.sqrt(variance)
    zw = batch.z * root
    square = zw * zw
    t = np.add.reduceat(square, batch.starts, axis=1)
    damp = 1.0 + b * t
    q = np.sqrt(damp)
    factor = Factor(batch, b[:, 0], root, zw, square, t, damp, b / (q * (1.0 + q)))
    logs = np.log(variance if batch.complete else np.where(np.isinf(variance), 1.0, variance)).sum(axis=1)
    logdet = logs + np.log(damp).sum(axis=1)
    white = factor.project(root[:, None, :] * batch.data)
    basis, inverse, logdet_xx, full = orthonormal(white[:, :-1])
    coefficients, residual = _projected(basis, white[:, -1])
    rss = (residual * residual).sum(axis=1)
    loglik = -0.5 * (logdet + rss + batch.n * LOG_2PI)
    if reml:
        loglik += 0.5 * (batch.p * LOG_2PI - logdet_xx)
    loglik = np.where(valid & full & np.isfinite(loglik), loglik, -np.inf)
    solved = (coefficients[:, None, :] @ inverse)[:, 0]
    return Lanes(loglik, rss, logdet, logdet_xx, solved, inverse, residual, basis, factor)


def _projected(basis: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (L, p) of y (L, k) on the rows of `basis` (L, p, k), and what is left; twice, for the digits."""
    coefficients, rest = 0.0, y
    for _ in range(2):
        step = (basis @ rest[:, :, None])[:, :, 0]
        coefficients = coefficients + step
        rest = rest - (step[:, None, :] @ basis)[:, 0]
    return np.asarray(coefficients), rest


def orthonormal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal rows Q = T X of X (L, p, k): Q, T (L, p, p) lower triangular, log|XX'| (L,), and whether it has full rank.

    By Cholesky of XX', twice where pivots are uneven. Source: Yamamoto et al. (2015), ETNA 44:306 (CholeskyQR2).
    """
    if x.shape[1] == 1:
        square = (x * x).sum(axis=-1, keepdims=True)
        full = square[:, 0, 0] > 0
        inverse = 1.0 / np.sqrt(np.where(square > 0, square, 1.0))
        return x * inverse, inverse, np.log(np.where(full, square[:, 0, 0], 1.0)), full
    q, inverse, log, full = _cholesky_rows(x)
    pivots = np.abs(np.diagonal(inverse, axis1=1, axis2=2))
    if (pivots.min(axis=1) < UNEVEN * pivots.max(axis=1)).any():
        q, again, more, same = _cholesky_rows(q)
        inverse, log, full = again @ inverse, log + more, full & same
    return q, inverse, log, full


def _cholesky_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    gram = x @ np.swapaxes(x, 1, 2)
    full = np.ones(len(x), dtype=bool)
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(gram)
        full = smallest[:, 0] > 1e-14 * smallest[:, -1]
        gram = np.where(full[:, None, None], gram, np.eye(x.shape[1]))
        lower = np.linalg.cholesky(gram)
    inverse = np.linalg.inv(lower)
    log = 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    return inverse @ x, inverse, log, full


def slopes_at(at: Lanes, *, reml: bool) -> Slopes:
    """Exact derivatives of the likelihood at evaluated lanes, from sums over groups only.

    With u = Py, F = M^-1 X T' and r any of them, everything is a sum of products of r, its group sums z'r and the weighted
    ones z'W r with W = 1/(d + a).
    """
    f = at.factor
    n, p, k = at.q.shape
    c = p + 1
    rows = np.empty((n, c, k))  # F, then u
    rows[:, :p], rows[:, p] = at.q, at.residual
    f.project(rows)
    rows *= f.root[:, None, :]
    weight = f.root * f.root
    wide = np.empty((n, 2 * c + 2, k))
    heavy = rows * weight[:, None, :]
    np.multiply(rows, f.batch.z[:, None, :], out=wide[:, :c])
    np.multiply(heavy, f.batch.z[:, None, :], out=wide[:, c : 2 * c])
    np.multiply(f.square, weight, out=wide[:, 2 * c])
    np.multiply(wide[:, 2 * c], weight, out=wide[:, 2 * c + 1])
    sums = f.sums(wide)
    plain, damped = sums[:, :c], sums[:, c : 2 * c]  # z'r and z'W r
    shrink = f.b[:, None] / f.damp
    turned, plain_t, damped_t = rows.transpose(0, 2, 1), plain.transpose(0, 2, 1), damped.transpose(0, 2, 1)
    moved = np.empty((n, 2, c, c))  # r' dM r
    moved[:, 0], moved[:, 1] = rows @ turned, plain @ plain_t
    twice = np.empty((n, 3, c, c))  # r' dM M^-1 dM r for (row, row), (row, study), (study, study)
    twice[:, 0] = heavy @ turned - (damped * shrink[:, None, :]) @ damped_t
    twice[:, 1] = (plain / f.damp[:, None, :]) @ damped_t
    twice[:, 2] = (plain * (f.t / f.damp)[:, None, :]) @ plain_t
    return _derivatives(moved, twice, _traces(f, weight, sums[:, 2 * c :], shrink), reml=reml)


def surely_seen(batch: NestedBatch, theta: np.ndarray) -> np.ndarray:
    """(F, 2) variances of which the data certainly say something at `theta` (F, 2): `Slopes.flat` is above 1e-8, by
    bounds of the eigenvalues of M^-1 and Z'M^-1 Z that cost no evaluation. False where the bounds prove nothing."""
    a, b = theta[:, 0], theta[:, 1]
    lost = np.isinf(batch.d)
    least = batch.d.min(axis=1) + a
    most = (batch.d if batch.complete else np.where(lost, 0.0, batch.d)).max(axis=1) + a
    n, groups = batch.n, np.full(len(a), len(batch.starts))
    if not batch.complete:
        groups = (np.add.reduceat(~lost, batch.starts, axis=1) > 0).sum(axis=1)
    rows = (n - batch.p) / n * least / (most + b * n)
    between = (groups - batch.p) / groups * (least + b) / (most + b) / n
    return np.asarray(np.stack([rows, between], axis=1) > 1e-8)


def _derivatives(moved: np.ndarray, twice: np.ndarray, traces: np.ndarray, *, reml: bool) -> Slopes:
    """Score, informations and visible shares from the products and the (n, 5) traces of `slopes_at`."""
    n, c = len(moved), moved.shape[2]
    p = c - 1
    first = traces[:, :2]
    diagonal = moved.reshape(n, 2, c * c)[:, :, :: c + 1]
    hidden = diagonal[:, :, 0] if p == 1 else diagonal[:, :, :p].sum(axis=2)
    score = diagonal[:, :, p] - first
    across = moved[:, :, p, :p]
    average = twice[:, _PAIRS, p, p] - across @ across.transpose(0, 2, 1)
    pairs = traces[:, 2:]
    if reml:
        score = score + hidden
        inner = moved[:, :, :p, :p].reshape(n, 2, p * p)
        own = twice.reshape(n, 3, c * c)[:, :, :: c + 1]
        own = own[:, :, 0] if p == 1 else own[:, :, :p].sum(axis=2)
        full = (pairs - 2 * own)[:, _PAIRS] + inner @ inner.transpose(0, 2, 1)
    else:
        full = pairs[:, _PAIRS]
    return Slopes(0.5 * score, 0.5 * average, average - 0.5 * full, first, hidden)


def _traces(f: Factor, weight: np.ndarray, sums: np.ndarray, shrink: np.ndarray) -> np.ndarray:
    """(n, 5) tr M^-1, tr M^-1 ZZ', tr M^-2, tr M^-2 ZZ', tr (M^-1 ZZ')^2; sums : (n, 2, J) of w^2 z^2 and w^3 z^2."""
    first, third = sums[:, 0], sums[:, 1]
    moved, h = shrink * first, f.t / f.damp
    result = np.empty((len(h), 5))
    result[:, 0] = weight.sum(axis=1) - moved.sum(axis=1)
    result[:, 1] = h.sum(axis=1)
    result[:, 2] = (weight * weight).sum(axis=1) + (moved * moved - 2 * shrink * third).sum(axis=1)
    result[:, 3] = (first / (f.damp * f.damp)).sum(axis=1)
    result[:, 4] = (h * h).sum(axis=1)
    return result
