"""One model, many data sets: rows left out, other effects, other designs, all in one batch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from ..base.errors import InputError
from ..likelihood.batch_fit import BatchFit
from ..likelihood.compiled import available, compiled
from ..records import Design, Effects, Fit, Refits, Spec
from .fit_many import attempt, many_univariate, refits_of, univariate_refits
from .nested_many import Given, blocks_by_size, fit_nested, nesting_of
from .univariate import is_univariate, weights_of_spec

LOADING_PAYS = 300  # refits one by one from which loading numba is repaid


def refit_many(
    fit: Fit,
    *,
    keep: np.ndarray | None = None,
    y: np.ndarray | None = None,
    x: np.ndarray | None = None,
    safe: bool = True,
) -> Refits:
    """The model of `fit` on F data sets that differ in the rows kept, in the effects or in the design.

    Models with one effect per study, and intercepts of effects and of one grouping, go through batched kernels; other
    models one by one.

    Parameters
    ----------
    keep : (F, k) bool, rows of each data set; None = all.
    y : (F, k) effects instead of the observed ones; None = observed.
    x : (F, k, p) or (k, p) design instead of the fit's; None = the fit's.
    safe : the highest likelihood is searched for each; False = local search from the fit's variances, faster.

    A data set that cannot be fitted (too few rows, columns that became dependent) has ``ok`` False; nothing is raised.
    InputError ``shape`` for arrays of other lengths.
    """
    _refuse_shapes(fit.effects.k, keep=keep, y=y, x=x)
    shapes = [len(a) for a in (keep, y) if a is not None] + (
        [len(x)] if x is not None and x.ndim == 3 else []
    )
    n = max(shapes, default=1)
    k = fit.effects.k
    kept = np.broadcast_to(True if keep is None else np.asarray(keep, dtype=bool), (n, k))
    effects = np.broadcast_to(fit.effects.y if y is None else np.asarray(y, dtype=float), (n, k))
    design = fit.design.matrix if x is None else np.asarray(x, dtype=float)
    spec = fit.spec
    if is_univariate(fit.effects, spec) and spec.scale is None:
        return univariate_refits(univariate_batch(fit, kept, effects, design), spec, k=kept.sum(axis=1))
    nesting = nesting_of(fit.effects, spec) if design.shape[-1] else None
    if nesting is not None:
        rows = kept if keep is not None else np.ones((1, k), dtype=bool)
        blocks = [(where, matrices[None]) for where, matrices in blocks_by_size(fit.effects)]
        given = Given(effects, fit.effects.v[None], design.reshape(-1, *design.shape[-2:]), rows, blocks)
        return fit_nested(given, nesting, spec, start=None if safe else fit.components.theta)
    designs = np.broadcast_to(design, (n, *design.shape[-2:]))
    return one_by_one(fit, kept, effects, designs, safe=safe)


def _refuse_shapes(k: int, **given: np.ndarray | None) -> None:
    for name, values in given.items():
        if values is None:
            continue
        shape = np.shape(values)
        rows = shape[-2:-1] if name == "x" else shape[-1:]
        if rows != (k,) or len(shape) not in ((2, 3) if name == "x" else (2,)):
            raise InputError(
                f"{name} has shape {shape}; each data set needs one value (of x one row) for each of the {k} effects.",
                code="shape",
            )


def in_batches(fit: Fit) -> bool:
    """Do its refits go through the batched kernels?"""
    if is_univariate(fit.effects, fit.spec):
        return fit.spec.scale is None
    return bool(fit.design.names) and nesting_of(fit.effects, fit.spec) is not None


def univariate_batch(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray) -> BatchFit:
    """A univariate model on F data sets, as `refit_many` says; whatever of them is asked for is computed then."""
    present = y if keep.all() else np.where(keep, y, np.nan)  # shared variances are the faster way
    return many_univariate(
        present, fit.effects.v, x, fit.spec, weights=weights_of_spec(fit.effects, fit.spec)
    )


def one_by_one(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray, *, safe: bool) -> Refits:
    """Any model, one data set at a time: keep, y (F, k), x (F, k, p)."""
    with compiled() if len(keep) >= LOADING_PAYS and available() else nullcontext():
        fits = [_part(fit, keep[i], y[i], x[i], safe=safe) for i in range(len(keep))]
    return refits_of(fits, k=keep.sum(axis=1), p=x.shape[2])


def _part(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray, *, safe: bool) -> Fit | None:
    spec: Spec = fit.spec
    if spec.scale is not None:
        spec = replace(spec, scale=replace(spec.scale, matrix=spec.scale.matrix[keep]))
    effects: Effects = replace(fit.effects, y=y).take(keep)
    design = replace(fit.design, matrix=x[keep]) if x.shape[1] == len(fit.design.names) else _plain(x[keep])
    return attempt(effects, spec, design, None if safe else fit)


def _plain(x: np.ndarray) -> Design:
    return Design(x, tuple(f"x{j + 1}" for j in range(x.shape[1])))
