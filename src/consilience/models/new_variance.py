"""How much true effects vary around a predicted mean: by term, by level of an inner factor, by the scale's moderators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.options import suggestion
from ..likelihood.terms import column, partition
from ..records import Coefficients, Fit, Inner, Scale, Slopes
from ..records.spec import Term


def new_variance(
    fit: Fit, rows: np.ndarray, given: Mapping[str, Any], *, new: str, scale: np.ndarray | None
) -> tuple[np.ndarray, bool]:
    """(m,) variance of true effects around the means at design `rows`, and whether some of it is an average.

    given : column -> value or m values: levels of inner factors, values of random slopes; new : ``"effect"`` or ``"study"``.
    """
    m = len(rows)
    if fit.spec.scale is not None and fit.scale is not None:
        if scale is None:
            return np.full(m, fit.components.total), True
        return _of_scale(fit.spec.scale, fit.scale, np.atleast_2d(np.asarray(scale, dtype=float)), m=m), False
    if scale is not None:
        raise InputError("Only a location-scale model has scale moderators.", code="no-scale")
    total, averaged = np.zeros(m), False
    for term in fit.spec.terms:
        if new == "study" and not isinstance(term, (Inner, Slopes)) and _within(fit, term.by):
            continue
        variance, average = _of_term(fit, term, rows, given)
        total, averaged = total + variance, averaged or average
    return total, averaged


def _within(fit: Fit, by: str | tuple[str, ...]) -> bool:
    """Do effects of one study differ in the level of this term?"""
    codes = partition(fit.effects, (by,) if isinstance(by, str) else by)
    study = partition(fit.effects, (fit.spec.cluster,))
    return len(set(zip(study.tolist(), codes.tolist(), strict=True))) > len(set(study.tolist()))


def _of_term(
    fit: Fit, term: Term, rows: np.ndarray, given: Mapping[str, Any]
) -> tuple[np.ndarray | float, bool]:
    components = fit.components
    if term.name in components.names:
        return components[term.name], False
    average = components.average[term.name]
    if isinstance(term, Slopes):
        if not all(name in given for name in term.columns):
            return average, True
        values = [np.broadcast_to(np.asarray(given[name], dtype=float), len(rows)) for name in term.columns]
        z = np.column_stack([np.ones(len(rows)), *values])
        return np.einsum("mi,ij,mj->m", z, _covariance(fit, term), z), False
    if not isinstance(term, Inner):
        return average, True
    levels = _levels(given[term.inner], len(rows)) if term.inner in given else _own_levels(fit, term, rows)
    found = [average if level is None else _of_level(fit, term, level) for level in levels]
    return np.array(found), any(level is None for level in levels)


def _levels(values: Any, m: int) -> list[str | None]:
    listed = [values] * m if isinstance(values, str) or np.ndim(values) == 0 else list(values)
    listed = listed * m if len(listed) == 1 else listed
    if len(listed) != m:
        raise InputError(f"There are {len(listed)} levels for {m} predictions.", code="shape")
    return [str(value) for value in listed]


def _own_levels(fit: Fit, term: Inner, rows: np.ndarray) -> list[str | None]:
    """The one level that all effects of the fit with the same design row have; None where there are several, or none."""
    labels = np.array([str(value) for value in column(fit.effects, term.inner).tolist()], dtype=object)
    result: list[str | None] = []
    for row in rows:
        seen = set(labels[(fit.design.matrix == row).all(axis=1)].tolist())
        result.append(seen.pop() if len(seen) == 1 else None)
    return result


def _of_level(fit: Fit, term: Inner, level: str) -> float:
    names, name = fit.components.names, f"{term.name}: {level}"
    if name not in names:
        known = [n.removeprefix(f"{term.name}: ") for n in names if n.startswith(f"{term.name}: ")]
        raise InputError(
            f'"{level}" is no level of "{term.inner}" in the fit. {suggestion(level, known)}'.strip(),
            code="unknown-level",
            advice=f"Known are: {', '.join(known)}.",
        )
    return fit.components[name]


def _covariance(fit: Fit, term: Slopes) -> np.ndarray:
    """(c, c) of the random intercept and slopes."""
    levels = ("intercept", *term.columns)
    sd = np.sqrt([fit.components[f"{term.name}: {level}"] for level in levels])
    r = np.eye(len(levels))
    for i in range(len(levels)):
        for j in range(i):
            value = fit.components.correlations.get(f"{term.name}: {levels[j]}, {levels[i]}", 0.0)
            r[i, j] = r[j, i] = 0.0 if np.isnan(value) else value  # beside a variance of zero
    return np.asarray(r * np.outer(sd, sd))


def _of_scale(scale: Scale, found: Coefficients, z: np.ndarray, *, m: int) -> np.ndarray:
    """(m,) variances at rows z of the design of the scale, one row for all or m."""
    if z.ndim != 2 or z.shape[1] != len(scale.names) or len(z) not in (1, m) or not np.isfinite(z).all():
        raise InputError(
            f"Scale moderators have shape {z.shape}; needed are {m} finite rows (or one for all) of "
            f"{len(scale.names)}: {', '.join(scale.names)}.",
            code="shape",
        )
    line = np.broadcast_to(z @ found.estimate, (m,))
    return np.asarray(np.exp(line) if scale.link == "log" else np.maximum(line, 0.0))
