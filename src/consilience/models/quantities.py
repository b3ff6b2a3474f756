"""The numbers of a fit that resampling follows: all known ones in one batch of refits, or any function of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from ..records import Design, Effects, Fit, Inner, Intercept, Known, Shared, Slopes
from .fit import fit as fit_one
from .refit import refit_many

Quantity = Callable[[Fit], float | Sequence[float] | np.ndarray | Mapping[str, float]]
Progress = Callable[[str, int, int], None]
HELD = 4_000_000  # numbers of one part of the data sets
MOST = 200  # data sets refitted between two reports of progress


@dataclass(frozen=True, eq=False)
class Followed:
    """Values (R, q) in R data sets and their standard errors (R, q), NaN where there is none."""

    values: np.ndarray
    se: np.ndarray

    def taken(self, rows: np.ndarray) -> Followed:
        """Some of the data sets."""
        return Followed(self.values[rows], self.se[rows])


def named_quantities(fit: Fit, quantity: Quantity | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values (q,) at the fit itself: coefficients, variances, their total, I^2; or what `quantity` returns.

    Raises InputError ``quantity`` if a function returns anything but numbers.
    """
    if quantity is not None:
        return _called(quantity, fit)
    names = [*fit.coefficients.names]
    values = [*fit.coefficients.estimate]
    if _plain(fit):
        names += [f"variance of {name}" for name in fit.components.names]
        values += [*fit.components.theta]
    if not _plain(fit) or len(fit.components.names) > 1:
        names.append("total variance")
        values.append(fit.components.total)
    return (*names, "I\u00b2, %"), np.array([*values, fit.heterogeneity.i2], dtype=float)


def _plain(fit: Fit) -> bool:
    """The likelihood's parameters are the variances themselves."""
    return fit.spec.scale is None and all(isinstance(t, (Intercept, Known)) for t in fit.spec.terms)


def _called(quantity: Quantity, fit: Fit) -> tuple[tuple[str, ...], np.ndarray]:
    given = quantity(fit)
    if isinstance(given, Mapping):
        return tuple(map(str, given)), np.array([float(x) for x in given.values()])
    try:
        values = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    if values.ndim != 1 or not len(values):
        raise InputError(
            f"A quantity must return a number, a list of numbers or names with numbers, not {type(given).__name__}.",
            code="quantity",
        )
    if len(values) == 1:
        return ("quantity",), values
    return tuple(f"quantity {i + 1}" for i in range(len(values))), values


def follow(
    fit: Fit,
    quantity: Quantity | None,
    *,
    keep: np.ndarray | None = None,
    y: np.ndarray | None = None,
    progress: Progress,
) -> Followed:
    """The quantities of a fit in R data sets that differ in rows kept (R, k) or effects (R, k); NaN if not fitted."""
    given = next(a for a in (keep, y) if a is not None)
    n, k = given.shape
    per = max(1, min(MOST, HELD // k))
    parts = []
    for start in range(0, n, per):
        progress("Refitting", start, n)
        part = slice(start, start + per)
        rows, made = (None if a is None else a[part] for a in (keep, y))
        if quantity is None:
            parts.append(_known(fit, rows, made))
        else:
            parts.append(_one_by_one(fit, quantity, keep=rows, y=made))
    progress("Refitting", n, n)
    return Followed(np.concatenate([p.values for p in parts]), np.concatenate([p.se for p in parts]))


def _known(fit: Fit, keep: np.ndarray | None, y: np.ndarray | None) -> Followed:
    found = refit_many(fit, keep=keep, y=y)
    columns = [found.estimate]
    if _plain(fit):
        columns.append(found.theta)
    if not _plain(fit) or len(fit.components.names) > 1:
        columns.append(found.tau2[:, None])
    values = np.concatenate([*columns, found.i2[:, None]], axis=1)
    values[~found.ok] = np.nan
    se = np.full(values.shape, np.nan)
    se[:, : found.se.shape[1]] = found.se
    return Followed(values, se)


def _one_by_one(fit: Fit, quantity: Quantity, *, keep: np.ndarray | None, y: np.ndarray | None) -> Followed:
    n = len(next(a for a in (keep, y) if a is not None))
    q = len(named_quantities(fit, quantity)[1])
    values = np.full((n, q), np.nan)
    for i in range(n):
        effects = fit.effects if y is None else replace(fit.effects, y=y[i])
        again = _refit(fit, effects, None if keep is None else keep[i])
        if again is not None:
            values[i] = _called(quantity, again)[1]
    return Followed(values, np.full((n, q), np.nan))


def _refit(fit: Fit, effects: Effects, keep: np.ndarray | None) -> Fit | None:
    spec, design = fit.spec, fit.design
    if keep is not None:
        effects, design = effects.take(keep), replace(design, matrix=design.matrix[keep])
        if spec.scale is not None:
            spec = replace(spec, scale=replace(spec.scale, matrix=spec.scale.matrix[keep]))
    try:
        return fit_one(effects, spec, design=design, start=fit)
    except InputError:
        return None


def with_copies(fit: Fit, cluster: np.ndarray, copies: int) -> Fit:
    """The fit with its rows repeated `copies` times, copy after copy; a copy of a cluster is a new cluster.

    Groupings whose levels lie within one cluster get new levels too; those that cross clusters (a laboratory, a
    species) keep theirs.

    Parameters
    ----------
    cluster : (k,) codes.
    """
    k = fit.effects.k
    index, copy = np.tile(np.arange(k), copies), np.repeat(np.arange(copies), k)
    effects = fit.effects

    def renamed(values: np.ndarray) -> np.ndarray:
        return np.array([f"{values[i]} #{c + 1}" for i, c in zip(index, copy, strict=True)], dtype=object)

    columns = {name: column[index] for name, column in effects.columns.items()}
    for name in _groupings(fit):
        if name in columns and _within(effects.columns[name], cluster):
            columns[name] = renamed(effects.columns[name])
    study = renamed(effects.study) if _within(effects.study, cluster) else effects.study[index]
    blocks = tuple(replace(b, rows=b.rows + c * k) for c in range(copies) for b in effects.blocks)
    many = replace(
        effects, y=effects.y[index], v=effects.v[index], study=study, blocks=blocks, columns=columns
    )
    spec = fit.spec
    if spec.scale is not None:
        spec = replace(spec, scale=replace(spec.scale, matrix=spec.scale.matrix[index]))
    design: Design = replace(fit.design, matrix=fit.design.matrix[index])
    return replace(fit, effects=many, design=design, spec=spec)


def _groupings(fit: Fit) -> set[str]:
    """Columns whose levels are groups of effects in the model."""
    names = {fit.spec.cluster}
    for term in (part for t in fit.spec.terms for part in (t.terms if isinstance(t, Shared) else (t,))):
        if isinstance(term, Intercept):
            names |= set(term.by)
        elif isinstance(term, Inner):
            names.add(term.outer)
        elif isinstance(term, Slopes):
            names.add(term.by)
    return names - {"row", "study"}


def _within(values: np.ndarray, cluster: np.ndarray) -> bool:
    """Does every level lie in one cluster?"""
    pairs = set(zip(values.tolist(), cluster.tolist(), strict=True))
    return len(pairs) == len({value for value, _ in pairs})
