"""Random terms: records of the spec -> which effects share a random effect, and its covariance structure.

Every term has the form Cov(u_i, u_j) = [same outer level] z_i' G(theta) z_j, where z_i picks a level of the inner factor
(or holds the values of random slopes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from ..base.errors import InputError
from ..base.linalg import combine_codes, entries_below, group_codes, numbers
from ..base.options import choose
from ..records import Effects, Inner, Intercept, Known, Shared, Slopes, Term
from ..records.spec import Structure as SpecStructure
from .angles import by_angles, root_of
from .basis import once
from .columns import finite_column, whole_column
from .structures import (
    SPATIAL,
    Parameter,
    Structure,
    correlated,
    diagonal,
    exchangeable,
    partly_given,
    powers,
    scaled,
    spatial,
    unstructured,
)

SCALINGS = ("none", "correlation", "correlation-from-zero", "from-zero")
ROUNDING = 1e-8  # of a correlation that is given
STRUCTURES: tuple[str, ...] = get_args(SpecStructure)


@dataclass(frozen=True, eq=False)
class RandomTerm:
    """One term as arrays.

    outer : (k,) codes, effects of different levels are independent; None = one level.
    inner : (k,) index into G; slopes : (k, c) values instead of an index, or None.
    levels : names of the rows of G. parts : terms that share G, in place of outer, inner and slopes; or none.
    """

    name: str
    structure: Structure
    outer: np.ndarray | None
    inner: np.ndarray
    slopes: np.ndarray | None
    levels: tuple[str, ...]
    parts: tuple[RandomTerm, ...] = ()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.structure.parameters

    @once
    def matrix(self) -> np.ndarray:
        """G at parameters of one."""
        return self.structure.evaluate(np.ones(len(self.parameters)))[0]

    @property
    def variances(self) -> tuple[str, ...]:
        """Names of the variances."""
        if self.structure.plain or (len(self.parameters) == 1 and self.slopes is None):
            return (self.name,)
        if self.structure.shaped:
            return tuple(p.name for p in self.parameters[:-1])
        return tuple(f"{self.name}: {level}" for level in self.levels)

    @property
    def is_variance(self) -> bool:
        """Is the first parameter its one variance?"""
        return len(self.variances) == 1 and (self.structure.linear or self.structure.shaped)

    def describe(self, theta: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
        """Variances and correlations (or ranges) by name, from this term's part of theta."""
        names, last = self.variances, self.parameters[-1]
        shape = {last.name: float(theta[-1])} if self.structure.shaped else {}
        if self.is_variance:
            return {names[0]: float(theta[0])}, shape
        g, _ = self.structure.evaluate(theta)
        several = len(self.parameters) > len(g) and not shape
        values = g.diagonal().tolist()
        return dict(zip(names, values, strict=True)), self._pairs(g) if several else shape

    def _pairs(self, g: np.ndarray) -> dict[str, float]:
        """Correlations below the diagonal of G, column by column; NaN where a variance is zero."""
        rows, columns = entries_below(len(g))
        root = np.sqrt(np.diag(g))
        scale = root[rows] * root[columns]
        values = np.where(scale > 0, g[rows, columns] / np.where(scale > 0, scale, 1.0), np.nan)
        names = [
            f"{self.name}: {self.levels[c]}, {self.levels[r]}" for r, c in zip(rows, columns, strict=True)
        ]
        return dict(zip(names, values.tolist(), strict=True))

    def apart(self) -> list[tuple[str, str]]:
        """Pairs of levels that no outer level has both of: the data say nothing on their correlation."""
        if self.parts:
            each = [part.apart() for part in self.parts]
            return [pair for pair in each[0] if all(pair in other for other in each)]
        if self.outer is None or self.slopes is not None or len(self.levels) == 1:
            return []
        present = np.zeros((int(np.max(self.outer)) + 1, len(self.levels)))
        present[self.outer, self.inner] = 1.0
        never = present.T @ present == 0
        if not never.any():
            return []
        columns, rows = np.nonzero(np.triu(never, 1))
        return [(self.levels[c], self.levels[r]) for c, r in zip(columns, rows, strict=True)]

    def marginal(self, theta: np.ndarray) -> np.ndarray:
        """(k,) variance that this term gives each effect."""
        if self.parts:
            return np.asarray(sum(part.marginal(theta) for part in self.parts))
        g, _ = self.structure.evaluate(theta)
        if self.slopes is not None:
            return np.asarray(np.einsum("ki,ij,kj->k", self.slopes, g, self.slopes))
        return np.asarray(np.diag(g)[self.inner])

    def times(self, g: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(c, k, m) covariances that the matrices `g` (c, l, l) give the effects, times z (k, m), rows in the effects'
        order."""
        outer = np.zeros(len(z), dtype=np.intp) if self.outer is None else self.outer
        sums = np.zeros((int(np.max(outer)) + 1, g.shape[-1], z.shape[1]))
        if self.slopes is not None:
            np.add.at(sums, outer, self.slopes[:, :, None] * z[:, None, :])
            return np.asarray((self.slopes[:, None, :] @ (g[:, None] @ sums)[:, outer])[:, :, 0])
        np.add.at(sums, (outer, self.inner), z)
        return np.asarray((g[:, None] @ sums)[:, outer, self.inner])

    def gather(self, blocks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(l, l) sum of z_i block_ij z_j' over pairs of `rows` (n, m) with the same outer level: adjoint of `expand`."""
        if self.parts:
            return np.asarray(sum(part.gather(blocks, rows) for part in self.parts))
        if self.outer is not None:
            outer = self.outer[rows]
            blocks = blocks * (outer[:, :, None] == outer[:, None, :])
        if self.slopes is not None:
            z = self.slopes[rows]
            return np.asarray(np.einsum("nic,nij,njd->cd", z, blocks, z, optimize=True))
        size, inner = len(self.levels), self.inner[rows]
        pairs = inner[:, :, None] * size + inner[:, None, :]
        return np.bincount(pairs.ravel(), blocks.ravel(), minlength=size * size).reshape(size, size)

    def expand(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n, m, m) covariance that the (l, l) matrix `g` gives the `rows` (n, m)."""
        if self.parts:
            return np.asarray(sum(part.expand(g, rows) for part in self.parts))
        if self.slopes is not None:
            z = self.slopes[rows]
            block = z @ g @ np.swapaxes(z, 1, 2)
        elif g.shape == (1, 1):
            block = np.full((*rows.shape, rows.shape[1]), g[0, 0])
        else:
            inner = self.inner[rows]
            block = g[inner[:, :, None], inner[:, None, :]]
        if self.outer is not None:
            outer = self.outer[rows]
            block = block * (outer[:, :, None] == outer[:, None, :])
        return np.asarray(block)


def column_codes(effects: Effects, name: str) -> np.ndarray:
    """(k,) codes of one column, in order of first appearance."""
    if name == "row":
        return np.arange(effects.k)
    return group_codes(whole_column(effects, name).tolist())[0]


def partition(effects: Effects, by: tuple[str, ...]) -> np.ndarray:
    """(k,) codes of the combinations of the columns `by`; ``"row"`` makes every effect its own level."""
    if "row" in by:
        return np.arange(effects.k)
    codes = column_codes(effects, by[0])
    for name in by[1:]:
        codes = group_codes(combine_codes(codes, column_codes(effects, name)).tolist())[0]
    return codes


def sorted_levels(values: np.ndarray) -> tuple[np.ndarray, list[object]]:
    """Codes into the sorted distinct values; text that is all numbers is sorted as numbers."""
    distinct = list(dict.fromkeys(values.tolist()))
    try:
        ordered = sorted(distinct, key=float)
    except (TypeError, ValueError):
        ordered = sorted(distinct, key=str)
    place = {value: i for i, value in enumerate(ordered)}
    return np.array([place[value] for value in values.tolist()], dtype=np.intp), ordered


def random_terms(effects: Effects, terms: tuple[Term, ...]) -> list[RandomTerm]:
    """All terms of a spec, a repeated name with its number; the names of parameters start with that of their term."""
    result: list[RandomTerm] = []
    count: dict[str, int] = {}
    for number, term in enumerate(terms):
        made = _one(effects, term)
        count[term.name] = count.get(term.name, 0) + 1
        name = term.name if count[term.name] == 1 else f"{term.name} ({count[term.name]})"
        parameters = tuple(
            replace(p, name=name if p.name in ("", term.name) else f"{name}: {p.name}", term=number)
            for p in made.structure.parameters
        )
        result.append(replace(made, name=name, structure=replace(made.structure, parameters=parameters)))
    return result


def _shared(effects: Effects, term: Shared) -> RandomTerm:
    """Several groupings with one G, that of the first."""
    parts = tuple(_one(effects, part) for part in term.terms)
    if not parts or any(not _alike(part, parts[0]) for part in parts):
        names = ", ".join(part.name for part in term.terms) or "nothing"
        raise InputError(
            f"Terms that share their components must have the same parameters and levels; these do not: {names}.",
            code="not-shareable",
            advice="Share intercepts, known matrices that are equal, or one structure of one inner column.",
        )
    structure = parts[0].structure
    own = tuple(replace(p, name="" if p.name == parts[0].name else p.name) for p in structure.parameters)
    levels = (term.name,) if len(parts[0].levels) == 1 else parts[0].levels
    return replace(
        parts[0],
        name=term.name,
        structure=replace(structure, parameters=own),
        outer=None,
        levels=levels,
        parts=parts,
    )


def _alike(one: RandomTerm, other: RandomTerm) -> bool:
    """Do two terms have the same G at the same theta?"""
    slopes = (one.slopes, other.slopes)
    if slopes[0] is None or slopes[1] is None:
        same = slopes[0] is slopes[1] and (len(one.levels) == 1 or one.levels == other.levels)
    else:
        same = one.levels == other.levels and np.array_equal(slopes[0], slopes[1])
    if not same or [p.unit for p in one.parameters] != [p.unit for p in other.parameters]:
        return False
    probe = np.linspace(0.5, 0.6, len(one.parameters))
    first, second = one.structure.evaluate(probe)[0], other.structure.evaluate(probe)[0]
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-12)


def _one(effects: Effects, term: Term) -> RandomTerm:
    if isinstance(term, Shared):
        return _shared(effects, term)
    if isinstance(term, Intercept):
        fixed = np.nan if term.variance is None else term.variance
        structure = scaled(np.ones((1, 1)), term.name, fixed)
        nowhere = np.zeros(effects.k, dtype=np.intp)
        return RandomTerm(term.name, structure, partition(effects, term.by), nowhere, None, (term.name,))
    if isinstance(term, Known):
        fixed = np.nan if term.variance is None else term.variance
        inner = _known_levels(effects, term.by, term.labels, term.matrix)
        _check_relation(term)
        structure = scaled(_rescaled(term), term.name, fixed)
        return RandomTerm(term.name, structure, None, inner, None, (term.name,))
    if isinstance(term, Slopes):
        return _slopes(effects, term)
    return _inner(effects, term)


def _known_levels(effects: Effects, by: str, labels: tuple[str, ...], given: np.ndarray | None) -> np.ndarray:
    """(k,) index of each effect's level in `labels`; the matrix must be symmetric and of that size."""
    matrix = np.asarray(given if given is not None else np.empty(0), dtype=float)
    if matrix.shape != (len(labels), len(labels)) or not np.allclose(matrix, matrix.T):
        raise InputError(
            f'The matrix between the levels of "{by}" must be symmetric with one row for each of the '
            f"{len(labels)} labels; it has shape {matrix.shape}.",
            code="shape",
        )
    place = {str(label): i for i, label in enumerate(labels)}
    values = [str(value) for value in whole_column(effects, by).tolist()]
    missing = sorted({value for value in values if value not in place})
    if missing:
        raise InputError(
            f'The matrix between the levels of "{by}" has no row for {", ".join(missing[:5])}.',
            code="unknown-level",
        )
    return np.array([place[value] for value in values], dtype=np.intp)


def _check_relation(term: Known) -> None:
    """A known correlation must be positive semi-definite."""
    matrix = np.asarray(term.matrix, dtype=float)
    if not matrix.any():
        raise InputError(
            f'The matrix between the levels of "{term.by}" is zero.', code="not-positive-definite"
        )
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -1e-8 * max(float(values[-1]), 0.0):
        raise InputError(
            f'The matrix between the levels of "{term.by}" is no correlation matrix: its smallest eigenvalue is '
            f"{values[0]:.3g}.",
            code="not-positive-definite",
        )


def _rescaled(term: Known) -> np.ndarray:
    """The matrix of a term as it is used."""
    choose(term.scaling, SCALINGS, what="scaling of a known matrix")
    matrix = np.asarray(term.matrix, dtype=float)
    if term.scaling.startswith("correlation"):
        spread = np.sqrt(np.diagonal(matrix))
        if not np.all(spread > 0):
            raise InputError(
                f'A diagonal element of the matrix between the levels of "{term.by}" is zero.', code="shape"
            )
        matrix = matrix / spread[:, None] / spread
    if term.scaling.endswith("from-zero"):
        least = float(np.min(matrix))
        top = 1.0 - least if term.scaling.startswith("correlation") else 1.0
        matrix = (matrix - least) / (top if top > 0 else 1.0)
    return matrix


def _slopes(effects: Effects, term: Slopes) -> RandomTerm:
    levels = ("intercept", *term.columns)
    values = [np.ones(effects.k), *(finite_column(effects, c) for c in term.columns)]
    structure = _slopes_structure(term, list(levels))
    nowhere = np.zeros(effects.k, dtype=np.intp)
    return RandomTerm(
        term.name, structure, column_codes(effects, term.by), nowhere, np.column_stack(values), levels
    )


def _slopes_structure(term: Slopes, names: list[str]) -> Structure:
    """Of the intercept and the slopes `names`; slopes that are not correlated have no correlation to give."""
    variances = _given(term.variance, len(names), term, "variance")
    if not term.correlated:
        if term.correlation is not None:
            raise InputError(
                f'The slopes of "{term.name}" are not correlated, so no correlation can be given.',
                code="shape",
            )
        return diagonal(names, variances)
    if term.variance is None and term.correlation is None:
        return unstructured(names)
    return _partly_given(term, names, variances)


def _inner(effects: Effects, term: Inner) -> RandomTerm:
    outer = column_codes(effects, term.outer)
    kind = choose(term.structure, STRUCTURES, what="structure")
    if kind in SPATIAL:
        inner = _known_levels(effects, term.inner, term.labels, term.distance)
        levels: list[object] = list(term.labels)
    else:
        inner, levels = sorted_levels(whole_column(effects, term.inner))
    names = [str(level) for level in levels]
    structure = _structure(term, names=names, levels=levels, within=(inner, outer))
    return RandomTerm(term.name, structure, outer, inner, None, tuple(names))


def _most_within(inner: np.ndarray, outer: np.ndarray) -> int:
    """Largest number of inner levels in one outer level: bounds how negative an equal correlation may be."""
    pairs = np.unique(np.stack([outer, inner], axis=1), axis=0)
    return int(np.max(np.bincount(pairs[:, 0])))


def _structure(
    term: Inner, *, names: list[str], levels: list[object], within: tuple[np.ndarray, np.ndarray]
) -> Structure:
    """The covariance structure of an inner | outer term, `within` its codes (k,) of both."""
    kind, size = term.structure, len(names)
    one = kind in ("CS", "AR", "CAR", "ID") or kind in SPATIAL
    fixed = _given(term.variance, 1 if one else size, term, "variance")
    if kind == "ID":
        return scaled(np.eye(size), term.name, float(fixed[0]))
    if kind == "DIAG":
        return diagonal(names, fixed)
    if kind == "UN":
        if term.variance is None and term.correlation is None:
            return unstructured(names)
        return _partly_given(term, names, fixed)
    rho = float(_given(term.correlation, 1, term, "correlation")[0])
    which = [term.name] if one else names
    if kind in SPATIAL:
        distance = np.asarray(term.distance, dtype=float)
        return correlated(spatial(kind, distance), names=which, fixed=fixed, shape=_range(distance, rho))
    lower = 0.0 if kind == "CAR" else -1.0
    if kind in ("CS", "HCS"):
        lower = -1 / max(_most_within(*within) - 1, 1)
    if not (np.isnan(rho) or lower - ROUNDING <= rho <= 1 + ROUNDING):
        raise InputError(
            f'The correlation given for "{term.name}" is {rho:g}; it must lie between {lower:.4g} and 1.',
            code="not-positive-definite",
        )
    more = (0.0, 0.95, 0.9 * lower) if lower < 0 else (0.0, 0.95)
    shape = Parameter("rho", unit=0, lower=lower, upper=1.0, fixed=rho, seed=0.5, more=more)
    if kind in ("CS", "HCS"):
        return correlated(exchangeable(size), names=which, fixed=fixed, shape=shape)
    if kind == "CAR":
        times = numbers([str(x) for x in levels], f'times "{term.inner}" of a CAR term')
    else:
        times = np.arange(size, dtype=float)
    gaps = np.abs(times[:, None] - times[None, :])
    return correlated(powers(gaps), names=which, fixed=fixed, shape=shape)


def _partly_given(term: Inner | Slopes, names: list[str], variances: np.ndarray) -> Structure:
    """An unstructured matrix with given variances or correlations that stays positive semi-definite."""
    size = len(names)
    rows, columns = entries_below(size)
    given = _given(term.correlation, len(rows), term, "correlation")
    if np.any(np.abs(given) > 1):
        raise InputError(
            f'A correlation given for "{term.name}" is beyond -1 and 1.', code="not-positive-definite"
        )
    if size <= 2 or np.isfinite(given).all():
        whole = np.eye(size)
        whole[rows, columns] = whole[columns, rows] = np.where(np.isnan(given), 0.0, given)
        least = float(np.linalg.eigvalsh(whole)[0])
        if least < -1e-10:
            raise InputError(
                f'The correlations given for "{term.name}" are no correlation matrix: its smallest eigenvalue is {least:.3g}.',
                code="not-positive-definite",
            )
        return partly_given(names, variances, given)
    root = root_of(given, size)
    if root is None:
        raise InputError(
            f'Some correlations given for "{term.name}" have no level in common.',
            code="given-correlations",
            advice="Give all correlations, or only those of one level with others; the rest is estimated.",
        )
    return by_angles(names, variances, given, root=root)


def _range(distance: np.ndarray, fixed: float) -> Parameter:
    """The range of a spatial term: from far below the smallest distance to far beyond the largest."""
    positive = distance[distance > 0]
    if not len(positive):
        raise InputError("All distances of a spatial term are zero.", code="shape")
    low, high = float(np.min(positive)), float(np.max(positive))
    seeds = np.geomspace(low / 4, high, 7).tolist()
    return Parameter(
        "range", unit=0, lower=low * 1e-3, upper=high * 1e3, fixed=fixed, seed=seeds[2], more=tuple(seeds)
    )


def _given(values: tuple[float, ...] | None, size: int, term: Inner | Slopes, what: str) -> np.ndarray:
    """(size,) given values, NaN where to be estimated; one value stands for all."""
    if values is None:
        return np.full(size, np.nan)
    values = tuple(np.atleast_1d(np.asarray(values)).tolist())
    if len(values) not in (1, size):
        kind = f" ({term.structure})" if isinstance(term, Inner) else ""
        raise InputError(
            f'The term "{term.name}"{kind} needs 1 or {size} values of {what}, not {len(values)}.',
            code="shape",
        )
    given = numbers(values * size if len(values) == 1 else values, f'{what}s given for "{term.name}"')
    if what == "variance" and (np.isinf(given).any() or (given < 0).any()):
        raise InputError(
            f'A variance given for "{term.name}" is negative or infinite.',
            code="given-variance",
            advice="Give NaN or None to estimate it.",
        )
    return given
