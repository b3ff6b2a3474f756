"""Records to arrays: effects, design and random terms become a Problem on a safe scale.

Everything is divided by a power of two (exact) so that a typical sampling variance is near one, moderators likewise,
and a first weighted fit is subtracted from the outcomes: shifting the data by 1e8 or measuring them in other units
changes nothing but the units of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import binary_exponent, dependent_columns
from ..records import Design, Effects, Spec
from .crossed import crossed_layout
from .dense import components, dense_layout
from .gaussian import Layout, Problem
from .nested import NestedLayout, nested_layout
from .structures import Parameter
from .terms import RandomTerm, column_codes, random_terms

Sized = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Unknown:
    """What the data cannot decide.

    hidden : (index in theta, reason), taken as zero; unseen : correlations of levels that never meet, by name;
    vague : other reasons, where nothing can be taken as zero.
    """

    hidden: tuple[tuple[int, str], ...] = ()
    unseen: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hidden or self.unseen or self.vague)


@dataclass(frozen=True, eq=False)
class Setup:
    """A Problem and the way back to the scale of the effects.

    exponent : effects were divided by 2^exponent; column_exponents : (p,) the same for the design;
    offset : (p,) coefficients already subtracted, in scaled units; twins : (later, earlier) pairs of parameters that the
    data cannot tell apart; unknown : what the data cannot decide, where that is known already.
    """

    problem: Problem
    terms: tuple[RandomTerm, ...]
    parameters: tuple[Parameter, ...]
    exponent: int
    column_exponents: np.ndarray
    offset: np.ndarray
    twins: tuple[tuple[int, int], ...] = ()
    unknown: Unknown | None = None

    def scale_theta(self, theta: np.ndarray, sign: int) -> np.ndarray:
        """theta from the effects' scale to the working scale (sign -1) or back (+1)."""
        powers = np.array([parameter.unit for parameter in self.parameters], dtype=int)
        return np.asarray(np.ldexp(theta, sign * self.exponent * powers))


def build(effects: Effects, design: Design, spec: Spec, *, dense: bool = False) -> Setup:
    """Arrays for the likelihood of `spec` (see module docstring).

    Parameters
    ----------
    dense : keep rows in their own order and basis even where a cheaper layout exists.

    Raises
    ------
    InputError: ``no-effects``, ``rank-deficient`` (names the columns), ``v-not-positive-definite`` (names the study), ``unknown-column``, ``block-overlap``.
    """
    if effects.k == 0:
        raise InputError("There are no effects to analyse.", code="no-effects")
    check_rank(design)
    positive = effects.v[effects.v > 0]
    middle = len(positive) // 2
    typical = float(np.partition(positive, middle)[middle]) if len(positive) else 1.0
    exponent = -binary_exponent(typical) // 2
    y, v = np.ldexp(effects.y, exponent), np.ldexp(effects.v, 2 * exponent)
    blocks = sized_blocks(effects, exponent)
    x, column_exponents = _scaled_design(design.matrix)
    offset, rest = _first_fit(x, y, v, typical=float(np.ldexp(typical, 2 * exponent)))
    terms = random_terms(effects, spec.terms)
    parameters = tuple(p for term in terms for p in term.parameters)
    layout, twins = (
        _layout(effects, terms, v=v, blocks=blocks, dense=dense or spec.weights not in ("", "equal")),
        _twins(terms),
    )
    problem = Problem(
        y=layout.to_working(rest),
        x=layout.to_working(x),
        layout=layout,
        lower=np.array([p.lower for p in parameters]),
        upper=np.array([p.upper for p in parameters]),
        fixed=np.ldexp(
            np.array([p.fixed for p in parameters]), exponent * np.array([p.unit for p in parameters], int)
        ),
    )
    return Setup(problem, tuple(terms), parameters, -exponent, column_exponents, offset, twins)


def check_rank(design: Design) -> None:
    """Raise InputError ``rank-deficient`` that names the columns which repeat others."""
    dependent = dependent_columns(design.matrix)
    if dependent:
        names = ", ".join(f'"{design.names[j]}"' for j in dependent)
        raise InputError(
            f"The design has {design.matrix.shape[1]} columns but rank {design.matrix.shape[1] - len(dependent)}: "
            f"{names} can be written by the columns before.",
            code="rank-deficient",
            advice="Leave out those columns (a level with no effects, a constant, or a repeated moderator).",
        )


def _listed(mask: np.ndarray, most: int = 5) -> str:
    rows = np.flatnonzero(mask)
    shown = ", ".join(str(row + 1) for row in rows[:most])
    return shown if len(rows) <= most else f"{shown} and {len(rows) - most} more"


def _scaled_design(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    exponents = np.array(
        [binary_exponent(float(m)) for m in np.max(np.abs(x), axis=0, initial=0.0)], dtype=int
    )
    return np.ldexp(x, -exponents), exponents


def _first_fit(
    x: np.ndarray, y: np.ndarray, v: np.ndarray, *, typical: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients by inverse-variance weights and what they leave; the second pass removes the first's rounding."""
    root = 1.0 / np.sqrt(np.maximum(v, 1e-6 * typical))
    q, r = np.linalg.qr(x * root[:, None])
    inverse = np.linalg.inv(r)
    offset, rest = np.zeros(x.shape[1]), y
    for _ in range(2):
        step = inverse @ (q.T @ (rest * root))
        offset, rest = offset + step, rest - x @ step
    return offset, rest


def sized_blocks(effects: Effects, exponent: int) -> Sized:
    """Blocks of V, scaled, equal sizes together: [(rows (n, m), V (n, m, m)), ...]. Refuses what is no covariance."""
    by_size: dict[int, list[int]] = {}
    for number, block in enumerate(effects.blocks):
        by_size.setdefault(len(block.rows), []).append(number)
    result = []
    seen = np.zeros(effects.k, dtype=np.intp)
    for size in sorted(by_size):
        rows = np.array([effects.blocks[n].rows for n in by_size[size]], dtype=np.intp).reshape(-1, size)
        _check_shapes(effects, rows, [effects.blocks[n].matrix for n in by_size[size]])
        matrices = np.ldexp(np.array([effects.blocks[n].matrix for n in by_size[size]]), 2 * exponent)
        np.add.at(seen, rows, 1)
        if size > 1:
            _check_covariances(effects, rows, matrices)
            result.append((rows, matrices))
    if np.any(seen > 1):
        raise InputError(f"Row {_listed(seen > 1)} is in more than one block of V.", code="block-overlap")
    return result


def _check_shapes(effects: Effects, rows: np.ndarray, matrices: list[np.ndarray]) -> None:
    """Each block within the effects, square, and with their variances on its diagonal."""
    size = rows.shape[1]
    outside = (rows < 0) | (rows >= effects.k)
    if outside.any():
        raise InputError(
            f"A block of V has the row {rows[outside][0]}; rows are counted from 0 to {effects.k - 1}.",
            code="block-rows",
        )
    for own, matrix in zip(rows, matrices, strict=True):
        if np.shape(matrix) != (size, size):
            raise InputError(
                f"The block of V of study {effects.study[own[0]]} has {size} rows and a matrix of shape {np.shape(matrix)}.",
                code="shape",
            )
    diagonal = np.diagonal(np.array(matrices), axis1=1, axis2=2)
    off = np.abs(diagonal - effects.v[rows]) > 1e-6 * np.abs(effects.v[rows])
    if off.any():
        block, place = np.argwhere(off)[0]
        raise InputError(
            f"The block of V of row {rows[block, place] + 1} has the variance {diagonal[block, place]:g}, "
            f"the effect {effects.v[rows[block, place]]:g}.",
            code="block-variance",
            advice="The diagonal of a block holds the sampling variances of its rows.",
        )


def _check_covariances(effects: Effects, rows: np.ndarray, matrices: np.ndarray) -> None:
    """Each block finite, symmetric and not indefinite (a correlation of one is allowed)."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    if finite.all() and (matrices == matrices.swapaxes(1, 2)).all() and _definite(matrices):
        return
    if not finite.all():
        study = effects.study[rows[np.flatnonzero(~finite)[0], 0]]
        raise InputError(f"The sampling covariance of study {study} has missing values.", code="not-finite")
    diagonal = np.sqrt(np.abs(np.diagonal(matrices, axis1=1, axis2=2)))
    scale = np.where(diagonal > 0, diagonal, 1.0)
    correlation = matrices / scale[:, :, None] / scale[:, None, :]
    uneven = np.max(np.abs(correlation - np.swapaxes(correlation, 1, 2)), axis=(1, 2)) > 1e-8
    negative = _indefinite(correlation)
    for bad, what in ((uneven, "not symmetric"), (negative, "not positive definite")):
        if bad.any():
            study = effects.study[rows[np.flatnonzero(bad)[0], 0]]
            raise InputError(
                f"The sampling covariance of study {study} is {what}.",
                code="v-not-positive-definite",
                advice="Check the correlations that it was made from.",
            )


def _indefinite(correlation: np.ndarray) -> np.ndarray:
    """(n,) which of the (n, m, m) matrices have an eigenvalue below zero by more than rounding."""
    if _definite(correlation):
        return np.zeros(len(correlation), dtype=bool)
    return np.asarray(np.linalg.eigvalsh(correlation)[:, 0] < -1e-10 * correlation.shape[1])


def _definite(matrices: np.ndarray) -> bool:
    """Have all matrices (n, m, m) a Cholesky factor?"""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    return True


def _layout(
    effects: Effects, terms: list[RandomTerm], *, v: np.ndarray, blocks: Sized, dense: bool
) -> Layout:
    """The cheapest layout that holds the terms.

    Nested: intercepts of one grouping and of single effects, V within the groups. Crossed: other intercepts and known
    correlations besides, where their levels are few. Dense: anything.
    """
    if (
        dense
        or any(t.parts for t in terms)
        or not all(len(t.parameters) == 1 and t.structure.linear for t in terms)
    ):
        return dense_layout(v, blocks, terms)
    kinds = _kinds(effects, terms)
    groups = [
        t.outer for t, kind in zip(terms, kinds, strict=True) if kind == "group" and t.outer is not None
    ]
    possible = [g for g in groups if _within(g, blocks)]
    group = max(possible, key=lambda g: int(np.max(g)), default=None)
    if group is None:
        group = column_codes(effects, "study")
    is_base = [
        kind == "row" or (kind == "group" and t.outer is not None and np.array_equal(t.outer, group))
        for t, kind in zip(terms, kinds, strict=True)
    ]
    if not _within(group, blocks):
        return dense_layout(v, blocks, terms)
    names = tuple(
        "row" if kind == "row" else "study" for kind, base in zip(kinds, is_base, strict=True) if base
    )
    if all(is_base):
        return nested_layout(v, group, blocks=blocks, parameters=names)
    if "matrix" in kinds and any(
        t.outer is not None for t, k in zip(terms, kinds, strict=True) if k == "matrix"
    ):
        return dense_layout(v, blocks, terms)
    base = nested_layout(v, group, blocks=blocks, parameters=names)
    return _crossed(base, terms, is_base, blocks=blocks) or dense_layout(v, blocks, terms)


def _crossed(
    base: NestedLayout, terms: list[RandomTerm], is_base: list[bool], *, blocks: Sized
) -> Layout | None:
    """The layout of a nested part and other terms; None if blocks of rows are cheaper."""
    extras = [t for t, own in zip(terms, is_base, strict=True) if not own]
    k = len(base.order)
    component = components(k, blocks, [t.outer for t in terms])
    rank = sum(int(np.max(t.outer)) + 1 if t.outer is not None else len(t.matrix) for t in extras)
    sparse = not blocks and all(t.outer is not None for t in extras)
    if np.sum(np.bincount(component).astype(float) ** 3) <= 4.0 * rank**2 * (rank if sparse else k):
        return None
    return crossed_layout(
        base,
        [(t.outer, t.inner, t.matrix) for t in extras],
        slots=(
            tuple(i for i, own in enumerate(is_base) if own),
            tuple(i for i, own in enumerate(is_base) if not own),
        ),
        component=component,
    )


def _kinds(effects: Effects, terms: list[RandomTerm]) -> list[str]:
    """``row`` (one level per effect), ``group`` (a plain intercept) or ``matrix`` (one variance times a matrix)."""
    return [
        "matrix"
        if not t.structure.plain or t.outer is None
        else "row"
        if np.max(t.outer) + 1 == effects.k
        else "group"
        for t in terms
    ]


def _within(group: np.ndarray, blocks: Sized) -> bool:
    return all(bool(np.all(group[rows] == group[rows[:, :1]])) for rows, _ in blocks)


def _twins(terms: list[RandomTerm]) -> tuple[tuple[int, int], ...]:
    """(later, earlier) parameters of plain intercepts with the same levels: only their sum is identified."""
    result, start = [], 0
    seen: dict[bytes, int] = {}
    for term in terms:
        if term.outer is not None and len(term.parameters) == 1 and term.structure.plain:
            key = term.outer.tobytes()
            if key in seen:
                result.append((start, seen[key]))
            seen.setdefault(key, start)
        start += len(term.parameters)
    return tuple(result)
