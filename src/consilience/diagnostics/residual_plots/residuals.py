"""Residuals of every kind, and what they are drawn against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.errors import InputError
from ...likelihood.columns import column
from ...records import Fit, Residuals
from ..deletion.cases import row_labels
from ..deletion.influence import influence
from ..deletion.pieces import BlockMatrix, Pieces, estimator, pieces_of, plain_covariance

NOTHING_LEFT = 1e-10  # share of its variance below which a residual is rounding


@dataclass(frozen=True, eq=False)
class Parts:
    """A fit in pieces: M, V, A with b = A y, and its residuals (k,)."""

    at: Pieces
    v: BlockMatrix
    a: np.ndarray
    raw: np.ndarray


def parts_of(fit: Fit) -> Parts:
    """What residuals of all kinds are made of."""
    at = pieces_of(fit)
    raw = fit.effects.y - fit.design.matrix @ fit.coefficients.estimate
    return Parts(at, plain_covariance(fit), estimator(fit, at), raw)


def residuals(fit: Fit, *, against: str = "fitted", reestimate: bool = True) -> Residuals:
    """Residuals of each effect: raw, standardised, conditional on the predicted true effects, and deleted.

    Var(y - Xb) = (I - H) M (I - H)'; conditional residuals are V M^-1 (y - Xb), the effects minus their best linear
    unbiased predictions. NaN where an effect determines its own fitted value.

    Parameters
    ----------
    against : ``"fitted"``, a coefficient's name (its column of the design) or a numeric column of the effects.
    reestimate : variances estimated anew for the deleted residuals, or held.

    Raises InputError ``unknown-column``, ``not-numeric``, and as `influence`.

    Source: Hedges & Olkin (1985), ch. 12; Viechtbauer & Cheung (2010), Res Synth Methods 1:112.
    """
    parts = parts_of(fit)
    spread = residual_variances(fit, parts)
    conditional, conditional_variance = _conditional(fit, parts)
    kept = spread > NOTHING_LEFT * parts.at.m.diagonal
    se = np.sqrt(np.where(kept, spread, np.nan))
    deleted = influence(fit, by="effect", reestimate=reestimate)
    return Residuals(
        label=row_labels(fit.effects),
        x_name=against,
        x=_against(fit, against),
        fitted=fit.effects.y - parts.raw,
        raw=parts.raw,
        raw_se=se,
        standardised=parts.raw / se,
        conditional=conditional,
        conditional_se=np.sqrt(np.where(kept, np.maximum(conditional_variance, 0.0), np.nan)),
        deleted=deleted.studentised,
        reestimated=deleted.reestimated,
        measure=fit.effects.measure,
    )


def residual_variances(fit: Fit, parts: Parts) -> np.ndarray:
    """(k,) diagonal of (I - H) M (I - H)'."""
    x, a = fit.design.matrix, parts.a
    am = parts.at.m.dot(np.ascontiguousarray(a.T)).T
    shared = np.einsum("kp,pk->k", x, am)
    return np.asarray(parts.at.m.diagonal - 2 * shared + np.einsum("kp,pq,kq->k", x, am @ a.T, x))


def _conditional(fit: Fit, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """V K e and the diagonal of its covariance."""
    x, a, m = fit.design.matrix, parts.a, parts.at.m
    inverse = parts.at.inverse
    solved = inverse.dot(np.column_stack([parts.raw, x]))
    shrunk = parts.v.dot(solved)
    av = parts.v.dot(np.ascontiguousarray(a.T))
    middle = a @ m.dot(np.ascontiguousarray(a.T))
    own = np.empty(len(x))
    for (rows, v), (_, k) in zip(parts.v.blocks, inverse.blocks, strict=True):
        own[rows] = np.einsum("nij,njk,nki->ni", v, k, v)
    tx = shrunk[:, 1:]
    variance = own - 2 * np.sum(tx * av, axis=1) + np.einsum("kp,pq,kq->k", tx, middle, tx)
    return shrunk[:, 0], variance


def _against(fit: Fit, name: str) -> np.ndarray:
    if name == "fitted":
        return np.asarray(fit.design.matrix @ fit.coefficients.estimate)
    if name in fit.design.names:
        return np.array(fit.design.matrix[:, fit.design.names.index(name)])
    values = column(fit.effects, name)
    try:
        return np.array([np.nan if x is None or x == "" else float(x) for x in values.tolist()])
    except ValueError:
        raise InputError(
            f'The column "{name}" is not numeric, so residuals cannot be drawn against it.',
            code="not-numeric",
            advice="Compare groups with a moderator instead.",
        ) from None
