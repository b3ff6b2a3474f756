"""From arrays as given to the centred and scaled `Problem`, and the way back.

Each analysis is divided by a power of two (exact) so that its variances are near one, and shifted by the effect of
its most precise study (also exact, where effects are close to each other), so results do not depend on unit or origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from .weighted import Problem

RANK = 1e-7  # a column is dependent if less than this share of its length is left after the others


@dataclass(frozen=True, eq=False)
class Prepared:
    """A problem and its origin.

    problem : the rows of `ok` only, in their order.
    order : (K, F) position of each study in the arrays as given, the most precise first.
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
        return np.take_along_axis(values[self.ok].T, self.order, axis=0)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """(K, F) of the problem back in the order given: (F, K)."""
        result = np.empty_like(values)
        np.put_along_axis(result, self.order, values, axis=0)
        return result.T

    def coefficients(self, found: np.ndarray) -> np.ndarray:
        """(F, p) of the problem as (F, p) in the units given."""
        scaled = (self.back @ np.ldexp(found, self.exponent[:, None])[..., None])[..., 0]
        return np.asarray(scaled + self.shift[:, None] * self.constant)

    def root(self, found: np.ndarray) -> np.ndarray:
        """(F, p, p) root of a covariance of the problem in the units given."""
        return np.asarray(np.ldexp(self.back @ found, self.exponent[:, None, None]))


def prepare(y: np.ndarray, v: np.ndarray, x: np.ndarray | None = None) -> Prepared:
    """Centre, scale and order F analyses.

    Parameters
    ----------
    y, v : (F, K) effects and sampling variances; a study is missing where v is inf or either is NaN.
    x : (K, p) design of all analyses, (F, K, p) one for each, or None for a common mean.

    Raises
    ------
    InputError ``variance-not-positive`` and ``effect-not-finite``, naming the first offending study.
    """
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    missing = np.isnan(y) | np.isnan(v) | (v == np.inf)
    _check(y, v, missing)
    v = np.where(missing, np.inf, v)
    k = (~missing).sum(axis=1)
    p = 1 if x is None else x.shape[-1]
    ok = k >= max(p, 1)
    order = np.argsort(v, axis=1, kind="stable")
    if x is not None:
        x = np.asarray(x, dtype=float)
        basis, back, constant, full = _basis(x, missing)
        ok &= full
    chosen, order = np.flatnonzero(ok), order[ok]
    y, v = (np.take_along_axis(a[chosen], order, axis=1) for a in (y, v))
    exponent = _exponent(v)
    if x is None:
        back, constant = np.ones((1, 1, 1)), np.ones((1, 1))
        columns = None
    else:
        if len(basis) > 1:
            basis, back, constant = basis[ok], back[ok], constant[ok]
        columns = np.ascontiguousarray(
            np.swapaxes(np.take_along_axis(basis, order[:, :, None], axis=1), 1, 2)
        )
    shift = np.where(np.isnan(constant).any(axis=1), 0.0, y[:, 0])
    constant = np.where(np.isnan(constant), 0.0, constant)
    y = np.where(np.isinf(v), 0.0, np.ldexp(y - shift[:, None], -exponent[:, None]))
    v = np.ldexp(v, -2 * exponent[:, None])
    spread = float((np.where(np.isinf(v), 0.0, v).max(axis=1) / v[:, 0]).max(initial=1.0))
    problem = Problem(np.ascontiguousarray(y.T), np.ascontiguousarray(v.T), columns, k[ok], p, spread)
    return Prepared(problem, np.ascontiguousarray(order.T), ok, exponent, shift, back, constant)


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


def _exponent(v: np.ndarray) -> np.ndarray:
    """(F,) half the binary exponent of the middle (on the log scale) of smallest and largest variance."""
    small = np.frexp(v[:, 0])[1]
    large = np.frexp(np.where(np.isinf(v), v[:, :1], v).max(axis=1))[1]
    return np.asarray((small + large) // 4, dtype=np.int64)


def _basis(x: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal columns, the way back, coefficients of a constant (NaN: none) and full rank (F,)."""
    k, p = x.shape[-2:]
    x = x[None] if x.ndim == 2 else np.where(missing[:, :, None], 0.0, x)
    size = np.abs(x).max(axis=1)
    unit = np.ldexp(x, -np.frexp(np.where(size > 0, size, 1.0))[1][:, None, :])
    q, r = np.linalg.qr(unit)
    rank = _full_rank(q, r, missing)
    safe = np.where(rank[:, None, None] if len(r) > 1 else rank.any(), r, np.eye(p))
    scale = np.ldexp(1.0, -np.frexp(np.where(size > 0, size, 1.0))[1])
    back = scale[:, :, None] * np.linalg.inv(safe)
    ones = np.ones((len(x), k)) if len(x) == 1 else np.where(missing, 0.0, 1.0)
    inside = (np.swapaxes(q, -1, -2) @ ones[..., None])[..., 0]
    rest = ones - (q @ inside[..., None])[..., 0]
    held = np.abs(rest).max(axis=1) < 1e-12
    exact = (x == ones[..., None]).all(axis=1)  # an intercept column: its coefficient is exactly one
    constant = (back @ inside[..., None])[..., 0]
    first = exact & (np.cumsum(exact, axis=1) == 1)
    constant = np.where(exact.any(axis=1)[:, None], first.astype(float), constant)
    return q, back, np.where(held[:, None], constant, np.nan), rank


def _full_rank(q: np.ndarray, r: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """(F,) whether the columns are independent over the studies present."""
    diagonal, length = np.abs(np.diagonal(r, axis1=-2, axis2=-1)), np.sqrt((r * r).sum(axis=-2))
    whole = (diagonal > RANK * length).all(axis=-1)
    if len(q) > 1 or not missing.any() or not whole.any():
        return np.broadcast_to(whole, (len(missing),))
    # one design, different studies missing: the smallest eigenvalue of what is left of an orthonormal basis
    present = (~missing).astype(float)
    p = q.shape[-1]
    products = (q[0][:, :, None] * q[0][:, None, :]).reshape(-1, p * p)
    left = np.linalg.eigvalsh((present @ products).reshape(-1, p, p))[:, 0]
    return np.asarray(left > RANK**2 * 1e3)
