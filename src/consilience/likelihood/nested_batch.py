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

UNEVEN = 1e-3  # ratio of the pivots of X below which its basis is orthonormalised twice


@dataclass(frozen=True, eq=False)
class NestedBatch:
    """F data sets of up to k rows in J groups, in the rotated basis and on a safe scale.

    d : (F, k) variances, inf = the data set lacks the row; z : (F, k) rotated ones, 0 there;
    data : (F, p + 1, k) columns of the design (orthonormal before weighting), then the outcomes, 0 there;
    starts : (J,) first row of each group; index : (k,) group of each row; n : (F,) rows of each data set.
    """

    d: np.ndarray
    z: np.ndarray
    data: np.ndarray
    starts: np.ndarray
    index: np.ndarray
    n: np.ndarray

    @property
    def p(self) -> int:
        return int(self.data.shape[1]) - 1

    def take(self, rows: np.ndarray) -> NestedBatch:
        """The chosen data sets, in that order, repeated at will."""
        return NestedBatch(self.d[rows], self.z[rows], self.data[rows], self.starts, self.index, self.n[rows])


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
    """Derivatives in theta = (a, b): score (L, 2), average and observed information (L, 2, 2); flat : (L, 2) tr(P dM) /
    tr(M^-1 dM), zero where a variance cannot be seen behind the coefficients."""

    score: np.ndarray
    average: np.ndarray
    observed: np.ndarray
    flat: np.ndarray


@dataclass(frozen=True, eq=False)
class Factor:
    """C with C C' = M. root = (d + a)^-1/2; zw = z root; damp = 1 + b t with t : (L, J) sums of zw^2."""

    batch: NestedBatch
    b: np.ndarray
    root: np.ndarray
    zw: np.ndarray
    t: np.ndarray
    damp: np.ndarray
    kappa: np.ndarray

    def project(self, x: np.ndarray) -> np.ndarray:
        """The rank-one part of C^-1 applied to x (L, c, k), in place."""
        zw = self.zw[:, None, :]
        sums = self.batch_sums(zw * x)
        sums *= self.kappa[:, None, :]
        x -= zw * sums.take(self.batch.index, axis=-1)
        return x

    def batch_sums(self, x: np.ndarray) -> np.ndarray:
        """Sums over the rows of each group."""
        return np.asarray(np.add.reduceat(x, self.batch.starts, axis=-1))

    def trace_inverse(self) -> np.ndarray:
        """(L,) tr(M^-1)."""
        weight = self.root * self.root
        shrink = self.b[:, None] / self.damp
        return np.asarray(
            weight.sum(axis=1) - (shrink * self.batch_sums(weight * self.zw * self.zw)).sum(axis=1)
        )


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
    t = np.add.reduceat(zw * zw, batch.starts, axis=1)
    damp = 1.0 + b * t
    q = np.sqrt(damp)
    factor = Factor(batch, b[:, 0], root, zw, t, damp, b / (q * (1.0 + q)))
    lost = batch.n[0] < variance.shape[1] or (batch.n < variance.shape[1]).any()
    logs = np.log(np.where(np.isinf(variance), 1.0, variance) if lost else variance).sum(axis=1)
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

    With u = Py, F = M^-1 X T' and per group s = 1'·, everything is a sum over rows or groups of products of u, F, their
    group sums z'u, z'F and the weighted ones z'M^-1 u, z'M^-1 F.
    """
    f = at.factor
    p = at.q.shape[1]
    both = f.project(np.concatenate([at.q, at.residual[:, None, :]], axis=1))
    both *= f.root[:, None, :]  # rows F, then u
    weight = f.root * f.root
    plain = f.batch_sums(f.batch.z[:, None, :] * both)  # z'M^-1 r
    heavy = weight[:, None, :] * both
    damped = f.batch_sums(f.batch.z[:, None, :] * heavy)  # z'W r
    h = f.t / f.damp  # z'M^-1 z
    shrink = f.b[:, None] / f.damp
    turned = np.swapaxes(both, 1, 2)
    rows = both @ turned  # r'r
    groups = plain @ np.swapaxes(plain, 1, 2)  # r'ZZ'r
    row_row = heavy @ turned - (damped * shrink[:, None, :]) @ np.swapaxes(damped, 1, 2)  # r'M^-1 r
    study_study = (plain * h[:, None, :]) @ np.swapaxes(plain, 1, 2)
    row_study = (plain / f.damp[:, None, :]) @ np.swapaxes(damped, 1, 2)
    traces = _traces(f, weight, h, shrink)
    inner = np.stack([rows, groups], axis=1)  # (L, 2, c, c)
    hidden = np.trace(inner[:, :, :p, :p], axis1=2, axis2=3)
    first = traces[:, :2]
    score = 0.5 * (inner[:, :, p, p] - first + (hidden if reml else 0.0))
    across = inner[:, :, p, :p]
    average = _symmetric(row_row[:, p, p], row_study[:, p, p], study_study[:, p, p])
    average = 0.5 * (average - across @ np.swapaxes(across, 1, 2))
    pairs = _symmetric(traces[:, 2], traces[:, 3], traces[:, 4])
    if reml:
        part = [np.trace(m[:, :p, :p], axis1=1, axis2=2) for m in (row_row, row_study, study_study)]
        flat_inner = inner[:, :, :p, :p].reshape(len(inner), 2, p * p)
        pairs = pairs - 2 * _symmetric(*part) + flat_inner @ np.swapaxes(flat_inner, 1, 2)
    visible = (first - hidden) / np.where(first != 0, first, 1.0)
    return Slopes(score, average, 2 * average - 0.5 * pairs, visible)


def _traces(f: Factor, weight: np.ndarray, h: np.ndarray, shrink: np.ndarray) -> np.ndarray:
    """(L, 5) tr M^-1, tr M^-1 ZZ', tr M^-2, tr M^-1 M^-1 ZZ', tr (M^-1 ZZ')^2."""
    z2 = f.zw * f.zw
    second = np.stack([weight * z2, weight * weight * z2], axis=1)
    first, third = np.moveaxis(f.batch_sums(second), 1, 0)
    moved = shrink * first
    own = (weight * weight).sum(axis=1) - 2 * (shrink * third).sum(axis=1) + (moved * moved).sum(axis=1)
    return np.stack(
        [
            weight.sum(axis=1) - moved.sum(axis=1),
            h.sum(axis=1),
            own,
            (first / (f.damp * f.damp)).sum(axis=1),
            (h * h).sum(axis=1),
        ],
        axis=1,
    )


def _symmetric(first: np.ndarray, off: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(L, 2, 2) symmetric matrices."""
    return np.stack([first, off, off, last], axis=1).reshape(-1, 2, 2)
