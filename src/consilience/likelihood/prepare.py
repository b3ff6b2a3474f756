"""From arrays as given to the centred and scaled `Problem`, and the way back.

Each analysis is divided by a power of two (exact) so that its variances are near one, and shifted by the effect of
its most precise study (also exact, where effects are close to each other), so results do not depend on unit or origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from .basis import lane_orthonormal, triangular_inverse
from .weighted import Problem

RANK = 1e-7  # a column is dependent if less than this share of its length is left after the others


@dataclass(frozen=True, eq=False)
class Prepared:
    """A problem and its origin.

    problem : the rows of `ok` only, in their order.
    order : (K, F) or (K, 1) position of each study in the arrays as given, the most precise first.
    ok : (F_all,) whether the analysis has more studies than coefficients and independent columns.
    exponent : (F,) tau^2, variances and squared effects were divided by 4^exponent.
    shift : (F,) subtracted from the effects before scaling; 0 where the design holds no constant.
    back : (F, p, p) or (1, p, p): coefficients as given = back @ coefficients of the problem.
    constant : (F, p) or (1, p) coefficients (as given) of a constant of one, for undoing the shift.
    """

    problem: Problem
    order: np.ndarray
    ok: np.ndarray
    exponent: np.ndarray
    shift: np.ndarray
    back: np.ndarray
    constant: np.ndarray

    def arranged(self, values: np.ndarray) -> np.ndarray:
        """(F_all, K) in the order of the problem: (K, F)."""
        return _arranged(values[self.ok].T, self.order)

    def coefficients(self, found: np.ndarray) -> np.ndarray:
        """(F, p) of the problem as (F, p) in the units given."""
        scaled = (self.back @ np.ldexp(found, self.exponent[:, None])[..., None])[..., 0]
        return np.asarray(scaled + self.shift[:, None] * self.constant)

    def root(self, found: np.ndarray) -> np.ndarray:
        """(F, p, p) root of a covariance of the problem in the units given."""
        return np.asarray(np.ldexp(self.back @ found, self.exponent[:, None, None]))


@dataclass(frozen=True, eq=False)
class Rearranged:
    """F designs that are one with its rows moved between studies: design (K, p), rows (F, K) the row that each study gets."""

    design: np.ndarray
    rows: np.ndarray

    @property
    def each(self) -> np.ndarray:
        """(F, K, p) all of them written out."""
        return np.asarray(self.design[self.rows])


def prepare_any(y: np.ndarray, v: np.ndarray, x: np.ndarray | Rearranged | None) -> Prepared:
    """`prepare`, with one set of effects y (1, K) and variances for all rearrangements of a design."""
    if not isinstance(x, Rearranged):
        return prepare(y, v, x)
    v = v if v.ndim == 1 else v[0]
    whole = len(y) == 1 and bool(np.isfinite(y).all() and np.isfinite(v).all())
    one = prepare(y, v, x.design[None]) if whole else None
    if one is None or not one.ok[0]:
        return prepare(np.broadcast_to(y, x.rows.shape), v, x.each)
    return _rearranged(one, x.rows)


def _rearranged(one: Prepared, rows: np.ndarray) -> Prepared:
    """One analysis in F copies, whose studies have the rows of its design in other orders.

    Moved rows of an orthonormal basis are an orthonormal basis of the moved design: there is nothing to compute.
    """
    f, first, order = len(rows), one.problem, one.order[:, 0]
    assert first.x is not None  # a design was given
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))

    def copies(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, f, axis=-1)

    moved = np.take(first.x[0], place[rows.T[order]], axis=1)
    problem = replace(
        first,
        y=copies(first.y),
        v=copies(first.v),
        x=np.moveaxis(moved, -1, 0),
        k=copies(first.k),
        least=copies(first.least),
    )
    return replace(
        one, problem=problem, ok=copies(one.ok), exponent=copies(one.exponent), shift=copies(one.shift)
    )


def prepare(y: np.ndarray, v: np.ndarray, x: np.ndarray | None = None) -> Prepared:
    """Centre, scale and order F analyses.

    Parameters
    ----------
    y, v : (F, K) effects and sampling variances; a study is missing where v is inf or either is NaN. v of (K,) is
        shared by all analyses, which is faster.
    x : (K, p) design of all analyses, (F, K, p) one for each, or None for a common mean.

    Raises
    ------
    InputError ``variance-not-positive`` and ``effect-not-finite``, naming the first offending study.
    """
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    shared = v.ndim == 1
    v, missing, k = _seen(y, v)
    whole = not missing.any()
    p = 1 if x is None else x.shape[-1]
    ok = k >= max(p, 1)
    order = np.argsort(v.min(axis=0)[None] if shared else v, axis=1, kind="stable").T
    basis, back, constant = None, np.ones((1, 1, 1)), np.ones((1, 1))
    if x is not None:
        basis, back, constant, full = _basis(np.asarray(x, dtype=float), missing)
        ok &= full
    if not ok.all():
        y, v, k = y[ok], v[ok], k[ok]
        order = order if shared else order[:, ok]
        if basis is not None and basis.shape[-1] > 1:
            basis, back, constant = basis[..., ok], back[ok], constant[ok]
    y, v = _arranged(y.T, order), _arranged(v.T, order)
    present = np.isfinite(v)
    most = v.max(axis=0, initial=0.0) if whole else np.where(present, v, 0.0).max(axis=0)
    if shared:
        least, first = v.min(axis=0), y[present.argmax(axis=0), np.arange(y.shape[1])]
        exponent = np.broadcast_to(_exponent(least.min(initial=np.inf), most.max(initial=0.0)), least.shape)
    else:
        least, first, exponent = v[0], y[0], _exponent(v[0], most)
    shift = first if x is None else np.where(np.isnan(constant).any(axis=1), 0.0, first)
    v = v * np.ldexp(1.0, -2 * exponent)
    y = (y - shift) * np.ldexp(1.0, -exponent)
    problem = Problem(
        y=y if whole else np.where(present, y, 0.0),
        v=v,
        x=None if basis is None else np.moveaxis(_arranged(basis, order), -1, 0),
        k=k,
        p=p,
        least=v[0] if not shared else v.min(axis=0),
        spread=float((most / least).max(initial=1.0)),
        shared=v.min(axis=1, initial=np.inf) if shared else None,
    )
    constant = constant if x is None else np.where(np.isnan(constant), 0.0, constant)
    return Prepared(problem, order, ok, exponent, shift, back, constant)


def _seen(y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """v (F, K), infinite where a study is missing, which these are, and how many others there are (F,)."""
    missing = np.isnan(y) | np.isnan(v) | (v == np.inf)
    _check(y, v, missing)
    if missing.any():
        return np.where(missing, np.inf, v), missing, (~missing).sum(axis=1)
    return np.broadcast_to(v, y.shape), missing, np.full(len(y), y.shape[1])


def _arranged(lanes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(..., K, F) with the studies in `order` (K, F or 1), contiguous."""
    if order.shape[1] == 1:
        return np.ascontiguousarray(np.take(lanes, order[:, 0], axis=-2))
    if lanes.shape[-1] == 1:
        lanes = np.broadcast_to(lanes, (*lanes.shape[:-1], order.shape[1]))
    along = order if lanes.ndim == 2 else order[None]
    return np.ascontiguousarray(np.take_along_axis(lanes, along, axis=-2))


def _check(y: np.ndarray, v: np.ndarray, missing: np.ndarray) -> None:
    if ((v > 0) & np.isfinite(y) | missing).all():
        return
    for bad, code, what in (
        (~missing & ~(v > 0), "variance-not-positive", "sampling variance {v:g}; it must be positive"),
        (~missing & np.isinf(y), "effect-not-finite", "effect {y:g}; it must be a finite number"),
    ):
        if bad.any():
            analysis, study = (int(i[0]) for i in np.nonzero(bad))
            place = f"Row {study + 1}" if len(y) == 1 else f"Analysis {analysis + 1}, row {study + 1}"
            text = what.format(v=v[analysis, study], y=y[analysis, study])
            raise InputError(f"{place} has {text}.", code=code, advice="Leave the row out or correct it.")


def _exponent(least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """(F,) half the binary exponent of the middle (on the log scale) of smallest and largest variance."""
    return np.asarray((np.frexp(least)[1] + np.frexp(most)[1]) // 4, dtype=np.int64)


def _basis(x: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal columns (p, K, F or 1), the way back, coefficients of a constant (NaN: none) and full rank (F,)."""
    k, p = x.shape[-2:]
    each = x.ndim == 3
    if each and missing.any():
        x = np.where(missing[:, :, None], 0.0, x)
    lanes = np.array((x if each else x[None]).T)
    size = np.abs(lanes).max(axis=1)
    scale = np.ldexp(1.0, -np.frexp(np.where(size > 0, size, 1.0))[1])
    unit = lanes * scale[:, None]
    if each:
        q, r = lane_orthonormal(unit)
    else:
        q, r = (a[0][..., None] for a in np.linalg.qr(unit.T))
        q = q.swapaxes(0, 1)
    rank = _full_rank(q, r, missing)
    eye = np.eye(p)[:, :, None]
    inverse = triangular_inverse(np.where(rank if each else rank.any(), r, eye))
    back = np.moveaxis(scale[:, None] * inverse, -1, 0)
    ones = np.where(missing.T, 0.0, 1.0) if each else np.ones((k, 1))
    exact = (lanes == ones).all(axis=1).T  # an intercept column: its coefficient is exactly one
    first = exact & (np.cumsum(exact, axis=1) == 1)
    if first.any(axis=1).all():
        return q, back, first.astype(float), rank
    inside = np.einsum("pkf,kf->pf", q, ones)
    rest = ones - np.einsum("pkf,pf->kf", q, inside)
    held = np.abs(rest).max(axis=0) < 1e-12
    constant = (back @ inside.T[..., None])[..., 0]
    constant = np.where(exact.any(axis=1)[:, None], first.astype(float), constant)
    return q, back, np.where(held[:, None], constant, np.nan), rank


def _full_rank(q: np.ndarray, r: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """(F,) whether the columns are independent over the studies present."""
    diagonal, length = np.abs(np.diagonal(r)).T, np.sqrt((r * r).sum(axis=0))
    whole = (diagonal > RANK * length).all(axis=0)
    if q.shape[-1] > 1 or not missing.any() or not whole.any():
        return np.broadcast_to(whole, (len(missing),))
    # one design, different studies missing: the smallest eigenvalue of what is left of an orthonormal basis
    present = (~missing).astype(float)
    p, basis = len(q), q[:, :, 0].T
    products = (basis[:, :, None] * basis[:, None, :]).reshape(-1, p * p)
    left = np.linalg.eigvalsh((present @ products).reshape(-1, p, p))[:, 0]
    return np.asarray(left > RANK**2 * 1e3)
