"""Data sets with the same rows at most, in arrays, to a `NestedBatch`: checked, on a safe scale, centred and rotated.

What the data sets share (variances, rows, design) has a first axis of one and is worked on once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.linalg import RANK_TOLERANCE
from .nested_batch import NestedBatch

INDEFINITE = 1e-10  # negative eigenvalue of a correlation matrix, per row, that is more than rounding
Blocks = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Studies:
    """F data sets of up to k rows with p moderators; a first axis S is F, or 1 where all have the same.

    y : (F, k); v, keep : (S, k); x : (S, k, p); blocks : [(rows (n, m), V (S, n, m, m)), ...], within groups;
    order : (k,) rows sorted by group; starts : (J,) first sorted row of each group; index : (k,) group of each sorted row.
    """

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    keep: np.ndarray
    blocks: Blocks
    order: np.ndarray
    starts: np.ndarray
    index: np.ndarray


@dataclass(frozen=True, eq=False)
class Prepared:
    """The data sets that can be analysed, and the way back to their own scales.

    ok : (F,) which those are; exponent : (G,) effects were multiplied by 2^exponent; back : (G, p, p) takes coefficients of
    the batch's design to those of the original one; offset : (G, p) coefficients already subtracted; logdet_xx : (G,)
    log|X'X| of the original design.
    """

    ok: np.ndarray
    batch: NestedBatch
    exponent: np.ndarray
    back: np.ndarray
    offset: np.ndarray
    logdet_xx: np.ndarray


def prepare_nested(data: Studies) -> Prepared | None:
    """Scale, orthonormalise the design, subtract a first weighted fit, rotate the blocks of V.

    A data set is left out (``ok`` False) where a kept effect, variance or moderator is not finite, a variance is negative, a
    block of V is no covariance, or the design has not full column rank; None if none is left.
    """
    ok = _usable(data)
    unit, scale = _unit_columns(np.where(data.keep[:, :, None], data.x, 0.0))
    basis, r = _basis(unit)
    pivots = np.abs(np.diagonal(r, axis1=1, axis2=2))
    ok = np.asarray(ok & (pivots > RANK_TOLERANCE).all(axis=1))
    if not ok.any():
        return None
    if not ok.all():
        rows = np.flatnonzero(ok)
        data = _taken(data, rows)
        basis, r, scale, pivots = (a[rows] if len(a) == len(ok) else a for a in (basis, r, scale, pivots))
    y = np.where(data.keep, data.y, 0.0)
    v = np.where(data.keep, data.v, np.inf)
    exponent = _exponents(v)
    y, v = np.ldexp(y, exponent[:, None]), np.ldexp(v, 2 * exponent[:, None])
    offset, rest = _centred(basis, y, v)
    batch = _rotated(data, exponent, v=v, rest=rest, basis=basis)
    n = len(y)
    with np.errstate(divide="ignore"):
        logdet = 2.0 * (np.log(pivots) + np.log(scale)).sum(axis=1)
    inverse = np.linalg.inv(r) / scale[:, :, None]
    return Prepared(
        ok,
        batch,
        np.broadcast_to(exponent, (n,)),
        np.broadcast_to(inverse, (n, *inverse.shape[1:])),
        offset,
        np.broadcast_to(logdet, (n,)),
    )


def _usable(data: Studies) -> np.ndarray:
    """(F,) finite effects, variances not negative, finite moderators, as many rows as coefficients, proper blocks."""
    good = np.isfinite(data.v) & (data.v >= 0) & np.isfinite(data.x).all(axis=2) & np.isfinite(data.y)
    n = data.keep.sum(axis=1)
    ok = (good | ~data.keep).all(axis=1) & (n > 0) & (n >= data.x.shape[2])
    for rows, matrices in data.blocks:
        ok = ok & _covariances(matrices, data.keep[:, rows])
    return np.asarray(ok)


def _covariances(matrices: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """(S,) which data sets have only finite, symmetric, not indefinite blocks among their kept rows (S, n, m)."""
    size = matrices.shape[-1]
    pairs = keep[..., :, None] & keep[..., None, :]
    if len(matrices) == 1 and not keep.all() and _covariances(matrices, np.ones_like(keep[:1])).all():
        return np.ones(len(keep), dtype=bool)  # parts of a covariance are covariances
    used = np.where(pairs, matrices, np.eye(size))
    finite = np.asarray(np.isfinite(used).all(axis=(-1, -2)))
    used = np.where(finite[..., None, None], used, np.eye(size))
    scale = np.sqrt(np.abs(np.diagonal(used, axis1=-2, axis2=-1)))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = used / scale[..., :, None] / scale[..., None, :]
    even = (np.abs(correlation - np.swapaxes(correlation, -1, -2)) <= 1e-8).all(axis=(-1, -2))
    try:
        np.linalg.cholesky(correlation)
        proper = np.ones(finite.shape, dtype=bool)
    except np.linalg.LinAlgError:
        proper = np.linalg.eigvalsh(correlation)[..., 0] >= -INDEFINITE * size
    return np.asarray((finite & even & proper).all(axis=1))


def _taken(data: Studies, rows: np.ndarray) -> Studies:
    """Some of the data sets."""
    n = len(data.y)

    def part(a: np.ndarray) -> np.ndarray:
        return a[rows] if len(a) == n else a

    blocks = [(where, part(matrices)) for where, matrices in data.blocks]
    return Studies(
        data.y[rows],
        part(data.v),
        part(data.x),
        part(data.keep),
        blocks,
        data.order,
        data.starts,
        data.index,
    )


def _unit_columns(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length one, and their lengths (S, p); a column of zeros, or one that is not finite, gets zeros."""
    largest = np.abs(np.where(np.isfinite(x), x, 0.0)).max(axis=1)
    largest = np.where(largest > 0, largest, 1.0)
    unit = np.where(np.isfinite(x), x, 0.0) / largest[:, None, :]
    length = np.sqrt((unit * unit).sum(axis=1))
    length = np.where(length > 0, length, 1.0)
    return unit / length[:, None, :], largest * length


def _basis(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """QR of each (k, p) design with columns of length one."""
    if unit.shape[2] == 1:
        return unit, np.sqrt((unit * unit).sum(axis=1, keepdims=True))
    if unit.shape[1] < unit.shape[2]:
        return unit[:, :, :0], np.zeros((len(unit), unit.shape[2], unit.shape[2]))
    q, r = np.linalg.qr(unit)
    return q, r


def _exponents(v: np.ndarray) -> np.ndarray:
    """(S,) e such that 4^e times a typical variance (geometric mean of the positive ones) is about one."""
    used = np.isfinite(v) & (v > 0)
    logs = np.log2(np.where(used, v, 1.0)).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    return np.asarray(-np.floor(logs / 2).astype(int))


def _centred(basis: np.ndarray, y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (F, p) on the basis by inverse-variance weights and what they leave (F, k); the second pass removes the
    rounding of the first."""
    w = np.where(np.isinf(v), 0.0, 1.0 / np.clip(v, 1e-6, 1e12))
    heavy = np.swapaxes(w[:, :, None] * basis, 1, 2)  # (S, p, k)
    inverse = np.linalg.inv(heavy @ basis)
    offset, rest = np.zeros((len(y), basis.shape[2])), y
    shared = len(basis) == 1
    for _ in range(2):
        if shared:
            step = (rest @ heavy[0].T) @ inverse[0].T
            rest = rest - step @ basis[0].T
        else:
            step = (inverse @ (heavy @ rest[:, :, None]))[:, :, 0]
            rest = rest - (basis @ step[:, :, None])[:, :, 0]
        offset = offset + step
    return offset, np.where(np.isinf(v), 0.0, rest)


def _rotated(
    data: Studies, exponent: np.ndarray, *, v: np.ndarray, rest: np.ndarray, basis: np.ndarray
) -> NestedBatch:
    """Sort the rows by group and turn each block of V by its eigenvectors."""
    n, k = rest.shape
    d = np.array(v)
    keep = data.keep
    ones = np.where(keep, 1.0, 0.0)
    parts = []
    for rows, matrices in data.blocks:
        values, vectors = _eigen(matrices, keep[:, rows])
        if len(values) > len(d):
            d = np.array(np.broadcast_to(d, (len(values), k)))
        d[:, rows] = np.ldexp(np.maximum(values, 0.0), 2 * exponent[:, None, None])
        parts.append((rows, vectors))
    z = _turn(ones[:, :, None], parts)[:, :, 0]
    x = _turn(basis, parts)
    y = _turn(rest[:, :, None], parts)[:, :, 0]
    lost = np.isinf(d)
    order = data.order
    p = x.shape[2]
    out = np.empty((n, p + 1, k))
    out[:, :p] = np.swapaxes(x, 1, 2)[:, :, order]
    out[:, p] = y[:, order]
    d, z, lost = d[:, order], z[:, order], lost[:, order]
    if lost.any():
        z = np.where(lost, 0.0, z)
        out = np.where(lost[:, None, :], 0.0, out)
    count = np.broadcast_to(keep.sum(axis=1), (n,))
    return NestedBatch(
        np.broadcast_to(d, (n, k)),
        np.broadcast_to(z, (n, k)),
        out,
        data.starts,
        data.index,
        count,
        bool(keep.all()),
    )


def _turn(x: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """U'x of each block of rows, for x (S, k, c); other rows as they are."""
    sets = max(len(x), *(len(u) for _, u in parts), 1)
    result = np.array(np.broadcast_to(x, (sets, *x.shape[1:])))
    for rows, u in parts:
        if len(u) == 1 and len(x) > 1:  # one product a block
            block = np.moveaxis(x[:, rows], 0, 2)  # (n, m, F, c)
            n, m = rows.shape
            flat = np.swapaxes(u[0], 1, 2) @ block.reshape(n, m, -1)
            result[:, rows] = np.moveaxis(flat.reshape(block.shape), 2, 0)
        else:
            result[:, rows] = np.swapaxes(u, -1, -2) @ x[:, rows]
    return result


def _eigen(matrices: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (S, n, m) and eigenvectors (S, n, m, m) of the kept part (S, n, m) of each block; rows that are not kept
    come last, with infinite variance."""
    size = keep.shape[2]
    counts = keep.sum(axis=2)
    if len(matrices) == 1 and len(keep) > 1:
        values, vectors = np.linalg.eigh(matrices[0])
        values = np.array(np.broadcast_to(values, keep.shape))
        vectors = np.array(np.broadcast_to(vectors, (*keep.shape, size)))
        values[counts == 0] = np.inf
        partly = (counts > 0) & (counts < size)
        if partly.any():
            owner, block = np.nonzero(partly)
            masks, back = np.unique(np.column_stack([block, keep[owner, block]]), axis=0, return_inverse=True)
            own = _masked_eigen(matrices[0, masks[:, 0]], masks[:, 1:].astype(bool))
            values[owner, block] = own[0][back.reshape(-1)]
            vectors[owner, block] = own[1][back.reshape(-1)]
        return values, vectors
    if keep.all():
        return np.linalg.eigh(matrices)
    return _masked_eigen(matrices, keep)


def _masked_eigen(matrices: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for matrices (..., m, m) each with its own mask (..., m)."""
    size = keep.shape[-1]
    used = np.where(keep[..., :, None] & keep[..., None, :], matrices, 0.0)
    beyond = 2.0 * np.trace(used, axis1=-2, axis2=-1) + 1e-300
    diagonal = np.arange(size)
    used[..., diagonal, diagonal] += np.where(keep, 0.0, beyond[..., None])
    values, vectors = np.linalg.eigh(used)
    lost = diagonal >= keep.sum(axis=-1)[..., None]
    return np.where(lost, np.inf, values), vectors
