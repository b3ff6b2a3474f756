"""What a prediction is made for: rows of the design, and the variance of the random terms there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.linalg import numbers
from ..base.options import suggestion
from ..data.formula import columns_of, new_rows
from ..likelihood.terms import RandomTerm, partition, random_terms
from ..records import Design, Fit, Inner, Intercept, Known, Shared, Slopes, Term


@dataclass(frozen=True, eq=False)
class NewRows:
    """rows (m, p) of the design; columns : the moderators that they were made of, None if only rows are known;
    z : (m, q) of the scale moderators, None if there are none or they are not known."""

    rows: np.ndarray
    columns: dict[str, np.ndarray] | None
    z: np.ndarray | None = None


def design_rows(fit: Fit, x: Any, z: np.ndarray | None = None) -> NewRows:
    """Rows of the fit's design for x: nothing, rows, or moderators by name; and z of a location-scale model."""
    scale, found = fit.spec.scale, fit.scale
    if scale is None or found is None:
        if z is not None:
            raise InputError("Only a location-scale model has scale moderators.", code="no-scale")
        return _design_rows(fit, x)
    if x is None and z is None:
        both = np.unique(np.column_stack([fit.design.matrix, scale.matrix]), axis=0)
        p = fit.design.matrix.shape[1]
        return NewRows(both[:, :p], None, both[:, p:])
    new = _design_rows(fit, x)
    if z is None:
        own = scale.design
        if own is None or not own.columns or new.columns is None or not set(own.columns) <= set(new.columns):
            return new
        z = new_rows(own, new.columns)
    values = np.atleast_2d(np.asarray(z, dtype=float))
    if values.ndim != 2 or values.shape[1] != len(found.names) or len(values) not in (1, len(new.rows)):
        raise InputError(
            f"Scale moderators have shape {np.shape(z)}; needed are {len(new.rows)} rows (or one for all) of "
            f"{len(found.names)}: {', '.join(found.names)}.",
            code="shape",
        )
    return replace(new, z=np.broadcast_to(values, (len(new.rows), values.shape[1])))


def _design_rows(fit: Fit, x: Any) -> NewRows:
    if x is None:
        return NewRows(np.unique(fit.design.matrix, axis=0), None)
    if not (isinstance(x, Mapping) or hasattr(x, "columns")):
        return NewRows(_checked(fit, x), None)
    columns = columns_of(x)
    if not columns or not all(len(column) for column in columns.values()):
        raise InputError("There are no values to predict for.", code="shape")
    length = max(len(column) for column in columns.values())
    constant = _constant(fit.design) and set(columns) <= _of_terms(fit)
    rows = np.ones((length, 1)) if constant else new_rows(fit.design, columns)
    if len(rows) == 1:
        rows = np.repeat(rows, length, axis=0)
    return NewRows(rows, {name: np.broadcast_to(column, length) for name, column in columns.items()})


def _of_terms(fit: Fit) -> set[str]:
    """Columns on which the variance of a random term rests."""
    scale = fit.spec.scale
    result: set[str] = set() if scale is None or scale.design is None else set(scale.design.columns)
    for term in (part for t in fit.spec.terms for part in (t.terms if isinstance(t, Shared) else (t,))):
        if isinstance(term, Inner):
            result.add(term.inner)
        elif isinstance(term, Slopes):
            result |= set(term.columns)
    return result


def _constant(design: Design) -> bool:
    return bool(design.matrix.shape[1] == 1 and (design.matrix == 1).all())


def _checked(fit: Fit, x: Any) -> np.ndarray:
    rows = np.atleast_2d(numbers(x, "moderator values"))
    p = len(fit.coefficients.names)
    if rows.ndim != 2 or rows.shape[1] != p or not np.isfinite(rows).all():
        raise InputError(
            f"Moderator values have shape {np.shape(x)}; needed are finite rows of {p}: "
            f"{', '.join(fit.coefficients.names)}.",
            code="shape",
        )
    return rows


def new_variance(fit: Fit, new: NewRows, *, within: bool) -> tuple[np.ndarray, bool]:
    """(m,) variance of a new effect (`within`) or of the mean of a new study, and whether it had to be averaged."""
    m, components = len(new.rows), fit.components
    if fit.spec.scale is not None:
        if new.z is None or fit.scale is None:
            return np.full(m, components.total), True
        eta = new.z @ fit.scale.estimate
        return np.exp(eta) if fit.spec.scale.link == "log" else np.maximum(eta, 0.0), False
    if not fit.spec.terms:  # working variances of RVE, by name
        kept = [within or not name.endswith("row") for name in components.names]
        return np.full(m, float(np.sum(components.variance[kept]))), False
    kept = [within or _between(fit, term) for term in fit.spec.terms]
    if all(isinstance(term, Intercept) for term in fit.spec.terms):
        return np.full(m, float(np.sum(components.variance[kept]))), False
    made = random_terms(fit.effects, fit.spec.terms)
    total, averaged, start = np.zeros(m), False, 0
    for asked, term, counts in zip(fit.spec.terms, made, kept, strict=True):
        part = components.theta[start : start + len(term.parameters)]
        start += len(term.parameters)
        if counts:
            own = _at(fit, asked, term, part=part, new=new)
            averaged |= own is None
            total += np.mean(term.marginal(part)) if own is None else own
    return total, averaged


def _between(fit: Fit, term: Term) -> bool:
    """Is a random effect of the term the same for all rows of a study (of its level, for inner | outer)?"""
    if isinstance(term, Shared):
        return all(_between(fit, part) for part in term.terms)
    grouping = term.outer if isinstance(term, Inner) else term.by
    by = (grouping,) if isinstance(grouping, str) else grouping
    codes = partition(fit.effects, by)
    study = fit.effects.study.tolist()
    return len(set(zip(study, codes.tolist(), strict=True))) == len(set(study))


def _at(fit: Fit, asked: Term, term: RandomTerm, *, part: np.ndarray, new: NewRows) -> np.ndarray | None:
    """(m,) variance of one term at the new rows; None if it differs between rows and theirs is not known."""
    if isinstance(asked, Shared):
        each = [_at(fit, a, t, part=part, new=new) for a, t in zip(asked.terms, term.parts, strict=True)]
        known = [one for one in each if one is not None]
        return np.asarray(sum(known)) if len(known) == len(each) else None
    m = len(new.rows)
    g, _ = term.structure.evaluate(part)
    if isinstance(asked, Slopes):
        values = _slope_values(fit, asked, new)
        if values is None:
            return None
        z = np.column_stack([np.ones(m), *values])
        return np.asarray(np.einsum("mi,ij,mj->m", z, g, z))
    diagonal = np.diag(g)
    if isinstance(asked, (Intercept, Known)) or np.ptp(diagonal) <= 1e-12 * np.max(diagonal):
        same = np.ptp(term.marginal(part)) <= 1e-9 * np.max(term.marginal(part), initial=0.0)
        return np.full(m, float(np.mean(term.marginal(part)))) if same else None
    if new.columns is not None:
        return diagonal[_named_levels(asked, term, new.columns)]
    return _levels_of_rows(fit, term, diagonal, new.rows)


def _slope_values(fit: Fit, asked: Slopes, new: NewRows) -> list[np.ndarray] | None:
    """Values of the columns with random slopes: given by name, or columns of the design of that name."""
    if new.columns is not None:
        return [_needed(new.columns, name, asked.name).astype(float) for name in asked.columns]
    names = list(fit.design.names)
    if not all(name in names for name in asked.columns):
        return None
    return [new.rows[:, names.index(name)] for name in asked.columns]


def _needed(columns: dict[str, np.ndarray], name: str, term: str) -> np.ndarray:
    if name not in columns:
        raise InputError(
            f'The prediction interval needs values of "{name}", on which the random term "{term}" rests. '
            f"{suggestion(name, columns)}".strip(),
            code="unknown-column",
        )
    return columns[name]


def _named_levels(asked: Inner, term: RandomTerm, columns: dict[str, np.ndarray]) -> list[int]:
    """Index in G of each new row."""
    place = {level: i for i, level in enumerate(term.levels)}
    result = []
    for value in _needed(columns, asked.inner, term.name).tolist():
        if str(value) not in place:
            raise InputError(
                f'"{value}" is no level of "{asked.inner}"; the fit has: {", ".join(term.levels)}. '
                f"{suggestion(str(value), term.levels)}".strip(),
                code="unknown-level",
            )
        result.append(place[str(value)])
    return result


def _levels_of_rows(fit: Fit, term: RandomTerm, diagonal: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Variance of the level that each row of the design stands for; None where a row has several or is not in the data."""
    found: dict[bytes, set[int]] = {}
    for row, level in zip(fit.design.matrix + 0.0, term.inner.tolist(), strict=True):
        found.setdefault(row.tobytes(), set()).add(level)
    levels = [found.get(row.tobytes(), set()) for row in rows + 0.0]
    if any(len(one) != 1 for one in levels):
        return None
    return diagonal[[next(iter(one)) for one in levels]]
