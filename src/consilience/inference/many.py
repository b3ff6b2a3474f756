"""Coefficients of many nested models at once: Wald, Knapp-Hartung and cluster-robust with Satterthwaite df.

The same numbers as `coefficients.py` and `robust.py` give for one model. With inverse-variance weights the covariance of
the terms whose squares a robust variance sums is diag(d_j) - T T', so that tr G and tr G^2 are sums over clusters.

Source: Bell & McCaffrey (2002); Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672, eqs 4-11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import t_isf, t_two_sided
from ..base.linalg import rows_by_size
from ..likelihood.nested_batch import Lanes
from ..likelihood.nested_prepare import Prepared
from .robust import CORRECTIONS, FULL_LEVERAGE, NOTHING, pseudo_inverse


@dataclass(frozen=True, eq=False)
class ManyCoefficients:
    """Inference on F models x p coefficients: all (F, p) but `covariance` (F, p, p)."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluated:
    """F evaluated models. theta : (F, 2) variance between effects and between groups, working scale;
    cluster : (k,) codes of the independent clusters, ascending, each of whole groups."""

    prepared: Prepared
    at: Lanes
    theta: np.ndarray
    cluster: np.ndarray


def many_coefficients(found: Evaluated, *, test: str, level: float) -> ManyCoefficients:
    """Estimates, standard errors, tests and intervals by the `test` of a `Spec` (all but ``"t-containment"``)."""
    at, prepared = found.at, found.prepared
    unit = -prepared.exponent
    estimate = np.ldexp(
        (prepared.back @ (at.coefficients + prepared.offset)[:, :, None])[:, :, 0], unit[:, None]
    )
    root = np.ldexp(prepared.back @ np.swapaxes(at.inverse, 1, 2), unit[:, None, None])
    covariance = root @ np.swapaxes(root, 1, 2)
    n, p = estimate.shape
    left = prepared.batch.n - p
    left = np.where(left > 0, left, np.nan)
    if test in CORRECTIONS:
        covariance, df = _robust(found, root, test, model=covariance)
    elif test == "z":
        df = np.full((n, p), np.inf)
    else:
        df = np.repeat(left[:, None], p, axis=1)
        ratio = at.rss / left
        if test == "knapp-hartung-floor":
            ratio = np.maximum(ratio, 1.0)
        if test != "t":
            covariance = covariance * ratio[:, None, None]
    se = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    with np.errstate(all="ignore"):
        statistic = estimate / se
        half = t_isf((1 - level) / 2, df) * se
        p_value = t_two_sided(statistic, df)
    return ManyCoefficients(
        estimate, se, df, statistic, p_value, estimate - half, estimate + half, covariance
    )


def _robust(
    found: Evaluated, root: np.ndarray, kind: str, *, model: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (F, p, p) and degrees of freedom (F, p); model-based and normal where there is one cluster."""
    batch, at = found.prepared.batch, found.at
    starts = np.flatnonzero(np.diff(found.cluster, prepend=-1))
    clusters = (np.add.reduceat(~np.isinf(batch.d), starts, axis=1) > 0).sum(axis=1)
    x = at.inverse @ batch.data[:, :-1]
    residual = batch.data[:, -1] - (at.coefficients[:, None, :] @ batch.data[:, :-1])[:, 0]
    wx = at.factor.project(at.q.copy()) * at.factor.root[:, None, :]
    adjusted = _scalar(kind, clusters, batch.n, batch.p)[:, None, None] * _adjusted(kind, found, x, wx)
    terms = np.add.reduceat(adjusted * residual[:, None, :], starts, axis=2)
    half = root @ terms
    covariance = half @ np.swapaxes(half, 1, 2)
    df = _satterthwaite(found, root, x, adjusted, starts=starts)
    unknown = ~np.isfinite(df)
    covariance = np.where(unknown[:, :, None] | unknown[:, None, :], np.nan, covariance)
    one = clusters == 1
    covariance[one], df[one] = model[one], np.inf
    return covariance, df


def _scalar(kind: str, m: np.ndarray, k: np.ndarray, p: int) -> np.ndarray:
    """(F,) square root of the scalar corrections of CR1, CR1p and CR1S for m clusters and k effects."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = {
            "CR1": m / (m - 1),
            "CR1p": np.where(m > p, m / (m - p), np.nan),
            "CR1S": np.where((m > 1) & (k > p), m * (k - 1) / ((m - 1) * (k - p)), np.nan),
        }.get(kind, np.ones(len(m)))
        return np.asarray(np.sqrt(factor))


def _adjusted(kind: str, found: Evaluated, x: np.ndarray, wx: np.ndarray) -> np.ndarray:
    """A_j'W_j X_j as (F, p, k)."""
    if kind not in ("CR2", "CR3"):
        return wx
    result = np.empty_like(wx)
    batch, index = found.prepared.batch, found.prepared.batch.index
    variance = batch.d + found.theta[:, :1]
    for _, rows in rows_by_size(found.cluster):
        own, weighted = _clusters(x, rows), _clusters(wx, rows)
        if kind == "CR3":
            inside = np.swapaxes(own, 2, 3) @ weighted
            part = weighted @ pseudo_inverse(np.eye(batch.p) - inside)
        else:
            z = batch.z[:, rows]
            same = index[rows][:, :, None] == index[rows][:, None, :]
            between = found.theta[:, 1, None, None, None] * z[..., :, None] * z[..., None, :] * same
            part = _bias_reduced(variance[:, rows], between, own, weighted)
        result[:, :, rows] = np.moveaxis(part, 3, 1)
    return result


def _clusters(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(F, n, m, p) the rows (n, m) of x (F, p, k)."""
    return np.moveaxis(x[:, :, rows], 1, 3)


def _bias_reduced(variance: np.ndarray, between: np.ndarray, x: np.ndarray, wx: np.ndarray) -> np.ndarray:
    """CR2 for clusters of one size: variance (F, n, m), between (F, n, m, m), x and wx (F, n, m, p)."""
    size = variance.shape[-1]
    inside = np.swapaxes(x, 2, 3) @ wx
    leverage = inside[..., 0] if inside.shape[-1] == 1 else np.linalg.eigvalsh(inside)
    null = (leverage > 1 - FULL_LEVERAGE).sum(axis=-1)
    lost = np.isinf(variance)
    if size == 1:
        phi = np.where(lost, 1.0, variance)[..., None] + between
        left = phi - (x * x).sum(axis=-1, keepdims=True)
        live = (null[..., None, None] == 0) & (left > 0)
        return np.asarray(wx * np.sqrt(np.where(live, phi / np.where(live, left, 1.0), 0.0)))
    # a lost row keeps to itself, with a variance that no null direction has
    filled = np.where(lost, np.where(lost, 1.0, variance).max(axis=-1, keepdims=True), variance)
    diagonal = np.arange(size)
    phi = between.copy()
    phi[..., diagonal, diagonal] += filled
    lower = np.linalg.cholesky(phi)
    upper = np.swapaxes(lower, -1, -2)
    inner = upper @ x  # L'(Phi - XX')L = (L'L)^2 - (L'X)(L'X)'
    square = upper @ lower
    values, vectors = np.linalg.eigh(square @ square - inner @ np.swapaxes(inner, -1, -2))
    keep = (diagonal >= null[..., None]) & (values > 0)
    power = np.where(keep, 1.0 / np.sqrt(np.where(keep, values, 1.0)), 0.0)
    turned = np.swapaxes(vectors, -1, -2) @ (upper @ wx)
    return np.asarray(lower @ (vectors @ (power[..., None] * turned)))


def _satterthwaite(
    found: Evaluated, root: np.ndarray, x: np.ndarray, adjusted: np.ndarray, *, starts: np.ndarray
) -> np.ndarray:
    """(F, p) degrees of freedom of each coefficient; NaN where its robust variance is zero."""
    batch = found.prepared.batch
    a, b = found.theta[:, :1], found.theta[:, 1:]
    variance = np.where(np.isinf(batch.d), 0.0, batch.d + a)
    groups = found.cluster[batch.starts]  # cluster of each group
    firsts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.sqrt((root * root).sum(axis=2, keepdims=True))
    terms = (root / np.where(lengths > 0, lengths, 1.0)) @ adjusted  # (F, p, k)
    between = np.add.reduceat(batch.z[:, None, :] * terms, batch.starts, axis=2)
    own = np.add.reduceat(variance[:, None, :] * terms * terms, starts, axis=2)
    d = own + b[:, None, :] * np.add.reduceat(between * between, firsts, axis=2)
    result = np.full(root.shape[:2], np.nan)
    for i in range(batch.p):
        t = np.add.reduceat(x * terms[:, i, None, :], starts, axis=2)  # (F, p, J)
        low = (t * t).sum(axis=1)
        trace = (d[:, i] - low).sum(axis=1)
        gram = t @ np.swapaxes(t, 1, 2)
        square = (d[:, i] * (d[:, i] - 2 * low)).sum(axis=1) + (gram * gram).sum(axis=(1, 2))
        known = (square > 0) & (trace > NOTHING) & (lengths[:, i, 0] > 0)
        result[:, i] = np.where(known, trace * trace / np.where(known, square, 1.0), np.nan)
    return result
