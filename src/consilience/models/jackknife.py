"""Cluster jackknife: a fit without each cluster in turn."""

from __future__ import annotations

import numpy as np

from ..base.distributions import t_isf
from ..base.errors import InputError
from ..base.linalg import group_codes
from ..likelihood.columns import column
from ..likelihood.terms import column_codes
from ..records import Fit, Note
from ..records.resampling import Jackknife
from .quantities import Progress, Quantity, follow, named_quantities


def jackknife(
    fit: Fit, quantity: Quantity | None = None, *, by: str = "study", progress: Progress | None = None
) -> Jackknife:
    """Bias, standard error and t interval of quantities of a fit by leaving out one cluster at a time.

    With m clusters and values q_(i): bias (m - 1)(mean - q), se^2 = (m - 1)/m sum (q_(i) - mean)^2, pseudo-values
    m q - (m - 1) q_(i), whose mean is q - bias; interval around that with m - 1 degrees of freedom. Where the weights do
    not change (equal effects), sum (b_(i) - b)(b_(i) - b)' is the cluster-robust covariance CR3.

    Parameters
    ----------
    quantity : as in `bootstrap`; by : column whose levels are left out, ``"row"`` = each effect.

    Raises
    ------
    InputError ``too-few-clusters``, ``unknown-column``, ``quantity``.

    Source: Tukey (1958); Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.
    """
    codes, labels = column_codes(fit.effects, by), _labels(fit, by)
    report = progress or (lambda stage, done, total: None)
    names, estimate = named_quantities(fit, quantity)
    if len(labels) < 2:
        raise InputError(
            f'There is one level of "{by}" only; nothing is left without it.', code="too-few-clusters"
        )
    found = follow(fit, quantity, keep=codes[None] != np.arange(len(labels))[:, None], progress=report).values
    good = np.isfinite(found).any(axis=1)
    m = int(good.sum())
    if m < 2:
        raise InputError(
            f'Only {m} of {len(labels)} levels of "{by}" can be left out.', code="too-few-clusters"
        )
    # without the study that carries a coefficient there is no value of it
    lone = _lone(fit, [codes != level for level in np.flatnonzero(~good)] if quantity is None else [])
    gone = np.where(np.pad(lone, (0, len(names) - len(lone))) if quantity is None else False, np.nan, 0.0)
    mean = found[good].mean(axis=0) + gone
    bias = (m - 1) * (mean - estimate)
    se = np.sqrt((m - 1) / m * np.sum((found[good] - mean) ** 2, axis=0))
    half = t_isf((1 - fit.spec.level) / 2, m - 1) * se
    return Jackknife(
        names=names,
        estimate=estimate,
        bias=bias,
        corrected=estimate - bias,
        se=se,
        low=estimate - bias - half,
        high=estimate - bias + half,
        left_out=found,
        pseudo=m * estimate - (m - 1) * found,
        labels=tuple(labels),
        failed=len(labels) - m,
        by=by,
        level=fit.spec.level,
        notes=_notes(lone, fit.coefficients.names),
    )


def _labels(fit: Fit, by: str) -> list[str]:
    if by == "row":
        return [str(i + 1) for i in range(fit.effects.k)]
    return [str(x) for x in group_codes(column(fit.effects, by).tolist())[1]]


def _lone(fit: Fit, kept: list[np.ndarray]) -> np.ndarray:
    """(p,) which coefficients the rows of one of the failed refits leave open: e_j outside the row space of X."""
    x = fit.design.matrix / np.linalg.norm(fit.design.matrix, axis=0)
    found = np.zeros(x.shape[1], dtype=bool)
    for rows in kept:
        values, vectors = np.linalg.svd(np.linalg.qr(x[rows], mode="r"))[1:]
        rank = int(np.sum(values > 1e-10 * values[0]))
        found |= np.any(np.abs(vectors[rank:]) > 1e-8, axis=0)
    return found


def _notes(lone: np.ndarray, names: tuple[str, ...]) -> tuple[Note, ...]:
    if not lone.any():
        return ()
    named = ", ".join(f'"{name}"' for name, alone in zip(names, lone, strict=True) if alone)
    message = f"No jackknife error for {named}: without one of the levels it cannot be estimated."
    return (Note("coefficient-lone-cluster", "warning", message),)
