"""Normal quantile plot of the residuals with an envelope from simulated data."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_ppf
from ...base.errors import InputError
from ...base.options import choose
from ...records import Fit, Quantiles
from ..deletion.cases import row_labels
from ..deletion.pieces import BlockMatrix
from .residuals import NOTHING_LEFT, Parts, parts_of, residual_variances

KINDS = ("standardised", "cholesky")


def normal_quantiles(
    fit: Fit,
    *,
    rng: np.random.Generator | None = None,
    kind: str = "standardised",
    draws: int = 1000,
    level: float = 0.95,
) -> Quantiles:
    """Sorted residuals against normal quantiles at (i - a) / (k + 1 - 2a), a = 1/2 (k > 10) or 3/8.

    Parameters
    ----------
    rng : for the envelope; None = no envelope. Data are simulated from the fitted model on the fit's own design, variances
        held, and their residuals standardised and sorted; the envelope holds `level` of them at each place.
    kind : ``"standardised"``, or ``"cholesky"``: uncorrelated if the model holds, for dependent effects.

    Raises InputError ``too-few-residuals`` where fewer than three residuals have a variance; OptionError for `kind`.

    Source: Wang & Bushman (1998), Psychol Methods 3:46; Cook & Weisberg (1982) for the envelope; Houseman, Ryan & Coull
    (2004), JASA 99:383 for ``"cholesky"``.
    """
    choose(kind, KINDS, what="Residuals")
    parts = parts_of(fit)
    if kind == "cholesky":
        root = _roots(parts.at.m, inverse=True)
        white = root.dot(np.column_stack([parts.raw, fit.design.matrix]))
        at = root.dot(_spread_columns(parts, fit))
        raw, spread = white[:, 0], np.sum(at**2, axis=1)
    else:
        root, raw, spread = None, parts.raw, residual_variances(fit, parts)
    kept = spread > NOTHING_LEFT * (1.0 if root is not None else parts.at.m.diagonal)
    if kept.sum() < 3:
        raise InputError(
            f"Only {kept.sum()} residuals are not determined by their own effect; three are needed.",
            code="too-few-residuals",
        )
    se = np.sqrt(spread[kept])
    sample = raw[kept] / se
    order = np.argsort(sample, kind="stable")
    low = high = np.full(len(sample), np.nan)
    if rng is not None:
        simulated = _simulated(fit, parts, rng, draws)
        simulated = simulated if root is None else root.dot(simulated)
        ranked = np.sort(simulated[kept] / se[:, None], axis=0)
        low, high = np.quantile(ranked, ((1 - level) / 2, (1 + level) / 2), axis=1)
    row = np.flatnonzero(kept)[order]
    labels = row_labels(fit.effects)
    return Quantiles(
        kind=kind,
        label=tuple(labels[i] for i in row),
        row=row,
        theoretical=_positions(len(sample)),
        sample=sample[order],
        low=low,
        high=high,
        level=level,
        draws=0 if rng is None else draws,
        left_out=int(np.sum(~kept)),
    )


def _positions(n: int) -> np.ndarray:
    """(n,) expected places of sorted normal values."""
    a = 0.5 if n > 10 else 0.375
    return np.asarray(normal_ppf((np.arange(1, n + 1) - a) / (n + 1 - 2 * a)))


def _roots(m: BlockMatrix, *, inverse: bool) -> BlockMatrix:
    """The Cholesky factor L of each block, or its inverse."""
    blocks = []
    for rows, values in m.blocks:
        lower: np.ndarray = np.linalg.cholesky(values)
        blocks.append((rows, np.linalg.inv(lower) if inverse else lower))
    return BlockMatrix(len(m.diagonal), blocks)


def _simulated(fit: Fit, parts: Parts, rng: np.random.Generator, draws: int) -> np.ndarray:
    """(k, draws) residuals of data drawn from the model."""
    noise = _roots(parts.at.m, inverse=False).dot(rng.standard_normal((fit.effects.k, draws)))
    return np.asarray(noise - fit.design.matrix @ (parts.a @ noise))


def _spread_columns(parts: Parts, fit: Fit) -> np.ndarray:
    """(k, k) a root of the covariance of the residuals: (I - H) L."""
    lower = _roots(parts.at.m, inverse=False).dot(np.eye(fit.effects.k))
    return np.asarray(lower - fit.design.matrix @ (parts.a @ lower))
