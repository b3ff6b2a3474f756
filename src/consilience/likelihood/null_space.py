"""What no data of this design can tell: components that the restricted likelihood does not feel, alone or in combinations.

With K an orthonormal basis of the complement of X, the restricted likelihood is that of K'y with covariance K'VK + sum
g_c K'D_c K, g_c the entries of all G (parameters, where a structure has a shape). The components are identified where the
K'D_c K are linearly independent, whatever V and y are; a direction d with sum d_c K'D_c K = 0 changes nothing. The
independence is looked for in the products with random vectors, which costs k times the number of components.

Source: Harville (1977), JASA 72:320 (error contrasts); Rothenberg (1971), Econometrica 39:577 (identification and the rank of
the information).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .build import Setup
from .terms import SHAPES, RandomTerm

UNSEEN = (
    1e-9  # share of a component's products that the fixed part leaves, below which it hides the component
)
ALIKE = 1e-10  # eigenvalue of the products' correlations that is zero but for rounding
PART = 1e-6  # share of a component in the null space that is none of rounding
FEW_ROWS = 1_000  # for which the random vectors are kept
VECTORS = 8  # random vectors beyond one for each component


@dataclass(frozen=True, eq=False)
class Component:
    """A coordinate of the covariance: its name, the derivative of its term's G, the parameters that are zero where it
    is a variance of zero, and whether it is a correlation of an unstructured matrix."""

    name: str
    term: RandomTerm
    slope: np.ndarray
    parameters: tuple[int, ...]
    between: bool = False


@dataclass(frozen=True, eq=False)
class Unknown:
    """zero : parameters to set to zero, each with the reason ("" where another one's says it); unseen : correlations of which
    the data say nothing; mixed : names of components of which only combinations can be estimated."""

    zero: tuple[tuple[int, str], ...] = ()
    unseen: tuple[str, ...] = ()
    mixed: tuple[tuple[str, ...], ...] = ()


def unknown(setup: Setup, free: np.ndarray) -> Unknown:
    """What the data cannot tell of the free parameters (q,)."""
    parts = _components(setup, free)
    if not parts:
        return Unknown()
    products, whole = _products(setup, parts)
    share = (products**2).sum(axis=1) / np.where(whole > 0, whole, 1.0)
    hidden = share < UNSEEN
    zero: dict[int, str] = {}
    unseen = []
    for number in np.flatnonzero(hidden).tolist():
        one = parts[number]
        if one.between:
            unseen.append(one.name)
            continue
        reason = f'"{one.name}" cannot be told apart from the coefficients'
        for i in one.parameters:
            zero.setdefault(i, reason)
            reason = ""
    gone = [one for one, lost in zip(parts, hidden, strict=True) if lost and not one.between]
    unseen = [name for name in unseen if not any(_concerns(name, one) for one in gone)]
    left = [number for number in range(len(parts)) if not hidden[number]]
    mixed = []
    for group in _dependent(products[left]):
        members = [parts[left[i]] for i in group]
        if _proportional(products[[left[i] for i in group]]) and all(_is_variance(one) for one in members):
            for later in members[1:]:
                zero[later.parameters[0]] = (
                    f'"{later.name}" adds to the covariance of the effects what "{members[0].name}" does, '
                    "only a sum of them can be estimated"
                )
        else:
            mixed.append(tuple(one.name for one in members))
    return Unknown(tuple(sorted(zero.items())), tuple(unseen), tuple(mixed))


def _concerns(pair: str, level: Component) -> bool:
    """Is the correlation one of this level's?"""
    term, _, own = level.name.partition(": ")
    return pair.startswith(f"{term}: ") and own in pair[len(term) + 2 :].split(", ")


def _is_variance(one: Component) -> bool:
    return one.term.structure.linear and len(one.parameters) == 1


def _proportional(rows: np.ndarray) -> bool:
    unit = rows / np.sqrt((rows**2).sum(axis=1))[:, None]
    return bool((unit @ unit[0] > 1 - ALIKE).all())


def _dependent(rows: np.ndarray) -> list[list[int]]:
    """Sets of rows that share directions of the null space."""
    if len(rows) < 2:
        return []
    unit = rows / np.sqrt((rows**2).sum(axis=1))[:, None]
    values, vectors = np.linalg.eigh(unit @ unit.T)
    null = vectors[:, values < ALIKE]
    touching = np.abs(null @ null.T) > PART
    groups: list[list[int]] = []
    for i in np.flatnonzero(touching.diagonal()).tolist():
        joined = [group for group in groups if touching[i, group].any()]
        groups = [group for group in groups if group not in joined]
        groups.append(sorted([i, *(j for group in joined for j in group)]))
    return groups


def _products(setup: Setup, parts: list[Component]) -> tuple[np.ndarray, np.ndarray]:
    """(c, k m) products K K'D_c K K'z of random vectors z, and (c,) the squared sizes of D_c z."""
    problem = setup.problem
    q = problem.layout.from_working(problem.basis)
    count = min(problem.k, VECTORS + len(parts))
    z = (_vectors if problem.k <= FEW_ROWS else _vectors.__wrapped__)(problem.k, count)
    inside = z - q @ (q.T @ z)
    both = np.concatenate([inside - q @ (q.T @ inside), z], axis=1)
    products, whole = [], []
    for term in dict.fromkeys(one.term for one in parts):
        moved = term.times(np.array([one.slope for one in parts if one.term is term]), both)
        size = np.abs(moved).max(axis=(1, 2), keepdims=True)
        moved = moved / np.where(size > 0, size, 1.0)
        part = moved[:, :, :count] - q @ (q.T @ moved[:, :, :count])
        products.append((part - q @ (q.T @ part)).reshape(len(moved), -1))
        whole.append((moved[:, :, count:] ** 2).sum(axis=(1, 2)))
    return np.concatenate(products), np.concatenate(whole)


@lru_cache(8)
def _vectors(k: int, count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((k, count))


def _components(setup: Setup, free: np.ndarray) -> list[Component]:
    """The coordinates of all terms that depend on free parameters."""
    result, start = [], 0
    for term in setup.terms:
        stop = start + len(term.parameters)
        own = np.flatnonzero(free[start:stop])
        if term.structure.mirrors is not None:
            result += _entries(term, start, free) if len(own) else []
        elif len(own):
            slopes = term.structure.evaluate(_ordinary(setup, term, start))[1]
            for i in own.tolist():
                correlation = term.parameters[i].unit == 0 and not term.parameters[i].name.endswith(SHAPES)
                result.append(Component(term.parameters[i].name, term, slopes[i], (start + i,), correlation))
        start = stop
    return result


def _entries(term: RandomTerm, start: int, free: np.ndarray) -> list[Component]:
    """The entries of an unstructured G, without the levels that are set to zero."""
    size = len(term.levels)
    rows, columns = np.tril_indices(size)
    still = free[start : start + len(rows)]
    kept = [a for a in range(size) if still[np.flatnonzero((rows == a) & (columns == a))[0]]]
    result = []
    for i, j in ((i, j) for i in kept for j in kept if j <= i):
        slope = np.zeros((size, size))
        slope[i, j] = slope[j, i] = 1.0
        if i == j:
            touched = tuple((start + np.flatnonzero((rows == i) | (columns == i))).tolist())
            name = term.variances[i]
        else:
            touched, name = (), f"{term.name}: {term.levels[j]}, {term.levels[i]}"
        result.append(Component(name, term, slope, touched, i != j))
    return result


def _ordinary(setup: Setup, term: RandomTerm, start: int) -> np.ndarray:
    """Parameters where nothing is at a limit: no shape hides there, and no distance is beyond a range."""
    result = []
    for i, parameter in enumerate(term.parameters, start):
        given = float(setup.problem.fixed[i])
        seed = (
            1.5 * max(parameter.seed, *parameter.more) if parameter.name.endswith("range") else parameter.seed
        )
        result.append(seed if np.isnan(given) else given)
    return np.array(result)
