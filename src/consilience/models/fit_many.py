"""One model on many data sets that differ in anything: effects, variances, covariances, rows, moderators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from ..base.errors import InputError
from ..inference.knapp_hartung import wald
from ..likelihood.batch import ESTIMATORS, fit_batch
from ..likelihood.batch_fit import BatchFit
from ..records import Design, Effects, Fit, Intercept, Refits, Spec
from .fit import fit
from .nested_many import Given, Nesting, blocks_by_size, empty_refits, fit_nested, nesting_of
from .univariate import is_univariate, weights_of_spec


def fit_many(
    effects: Sequence[Effects], spec: Spec, *, designs: Sequence[Design] | Design | None = None
) -> Refits:
    """Fit `spec` to each of F data sets; those of equal layout (studies, rows, blocks of V) in one batch.

    Each gets what ``fit(effects[i], spec, design=designs[i])`` gives: the highest likelihood, the test of the spec.

    Parameters
    ----------
    designs : one for each data set, or one for all; None = a pooled mean. All have the same number of columns.

    A data set that cannot be fitted has ``ok`` False; nothing is raised for it.

    Raises
    ------
    InputError ``shape`` if designs and data sets differ in number, or designs in their columns.
    """
    if isinstance(designs, Design):
        given = [designs] * len(effects)
    else:
        given = [Design.intercept(e.k) for e in effects] if designs is None else list(designs)
    widths = {design.matrix.shape[1] for design in given}
    if len(given) != len(effects) or len(widths) > 1:
        raise InputError(
            f"There are {len(effects)} data sets and {len(given)} designs with {sorted(widths)} columns.",
            code="shape",
            advice="Give one design for each data set, all with the same number of columns.",
        )
    pieces = [
        (rows, _group([effects[i] for i in rows], [given[i] for i in rows], spec, nesting))
        for rows, nesting in _groups(effects, given, spec)
    ]
    q = max((piece.theta.shape[1] for _, piece in pieces), default=0)
    k = np.array([e.k for e in effects], dtype=np.intp)
    result = empty_refits(k, widths.pop() if widths else 1, q)
    for rows, piece in pieces:
        for field in fields(Refits):
            if field.name != "theta":
                getattr(result, field.name)[rows] = getattr(piece, field.name)
        result.theta[rows, : piece.theta.shape[1]] = piece.theta
    return result


def _groups(
    effects: Sequence[Effects], designs: Sequence[Design], spec: Spec
) -> list[tuple[list[int], Nesting | None]]:
    """Data sets of equal layout, and how their effects nest."""
    found: dict[tuple[object, ...], tuple[list[int], Nesting | None]] = {}
    for i, (e, design) in enumerate(zip(effects, designs, strict=True)):
        univariate = spec.scale is None and is_univariate(e, spec)
        fits = design.matrix.shape == (e.k, len(design.names)) and design.matrix.shape[1] > 0
        nesting = nesting_of(e, spec) if fits and not univariate else None
        key: tuple[object, ...] = (e.k, univariate and fits)
        if nesting is not None:
            blocks = tuple(block.rows.tobytes() for block in e.blocks if len(block.rows) > 1)
            key = (e.k, nesting.group.tobytes(), nesting.cluster.tobytes(), blocks)
        found.setdefault(key, ([], nesting))[0].append(i)
    return list(found.values())


def _group(effects: list[Effects], designs: list[Design], spec: Spec, nesting: Nesting | None) -> Refits:
    """Data sets of one layout."""
    first = effects[0]
    if nesting is None:
        if spec.scale is None and is_univariate(first, spec) and spec.method in ESTIMATORS:
            y, v = np.array([e.y for e in effects]), np.array([e.v for e in effects])
            weights = None if not spec.weights else np.array([weights_of_spec(e, spec) for e in effects])
            shapes = [design.matrix.shape == designs[0].matrix.shape for design in designs]
            if all(shapes) and np.isfinite(y).all() and (np.isfinite(v) & (v > 0)).all():
                x = np.array([design.matrix for design in designs])
                batch = many_univariate(y, v, x, spec, weights=weights)
                return univariate_refits(batch, spec, k=np.full(len(y), first.k))
        fits = [attempt(e, spec, design) for e, design in zip(effects, designs, strict=True)]
        return refits_of(fits, k=np.array([e.k for e in effects]), p=designs[0].matrix.shape[1])
    x = designs[0].matrix[None]
    if any(design is not designs[0] for design in designs):
        x = np.array([design.matrix for design in designs])
    blocks = []
    for rows, matrices in blocks_by_size(first):
        places = [i for i, block in enumerate(first.blocks) if len(block.rows) == rows.shape[1]]
        every = np.empty((len(effects), *matrices.shape))
        for n, e in enumerate(effects):
            every[n] = [e.blocks[i].matrix for i in places]
        blocks.append((rows, every))
    keep = np.ones((1, first.k), dtype=bool)
    data = Given(np.array([e.y for e in effects]), np.array([e.v for e in effects]), x, keep, blocks)
    return fit_nested(data, nesting, spec)


def many_univariate(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, spec: Spec, *, weights: np.ndarray | None
) -> BatchFit:
    """One effect per study: y (F, k), missing where it is NaN; v (F, k) or (k,); x (k, p) or (F, k, p)."""
    common = x.shape[-1] == 1 and bool((x == 1).all())
    given = spec.terms[0].variance if spec.terms and isinstance(spec.terms[0], Intercept) else None
    method = spec.method if spec.terms else "EE"
    return fit_batch(y, v, None if common else x, method=method, weights=weights, tau2=given)


def univariate_refits(batch: BatchFit, spec: Spec, *, k: np.ndarray) -> Refits:
    """Coefficients, tests and heterogeneity of a batch of univariate models. k : (F,) effects in each."""
    found = wald(batch, test=spec.test, level=spec.level)
    p = batch.coefficients.shape[1]
    return Refits(
        ok=batch.ok,
        k=k,
        estimate=batch.coefficients,
        se=found.se,
        df=np.repeat(found.df[:, None], p, axis=1),
        statistic=found.statistic,
        p_value=found.p_value,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        covariance=found.covariance,
        theta=batch.tau2[:, None][:, : len(spec.terms)],
        tau2=batch.tau2,
        loglik=batch.loglik_ml if not spec.terms or spec.method in ("ML", "EE") else batch.loglik_reml,
        q=batch.q,
        i2=batch.i2,
        h2=batch.h2,
    )


def attempt(effects: Effects, spec: Spec, design: Design, start: Fit | None = None) -> Fit | None:
    """A fit, or None where `fit` refuses."""
    try:
        return fit(effects, spec, design=design, start=start)
    except InputError:
        return None


def refits_of(fits: Sequence[Fit | None], *, k: np.ndarray, p: int) -> Refits:
    """Single fits as arrays. k : (F,) number of effects of each; p : number of coefficients.

    Where the rows that are left lack a level of an inner | outer term, there is no theta for it: NaN, the rest is kept.
    """
    q = max((len(found.components.theta) for found in fits if found is not None), default=0)
    result = empty_refits(k, p, q)
    for i, found in enumerate(fits):
        if found is None:
            continue
        result.ok[i] = True
        if len(found.components.theta) == q:
            result.theta[i] = found.components.theta
        for name in ("estimate", "se", "df", "statistic", "p_value", "ci_low", "ci_high", "covariance"):
            getattr(result, name)[i] = getattr(found.coefficients, name)
        result.tau2[i], result.loglik[i] = found.components.total, found.loglik
        for name in ("q", "i2", "h2"):
            getattr(result, name)[i] = getattr(found.heterogeneity, name)
    return result
