"""Any covariance matrix with one of its elements as a parameter of its own, so that a profile can hold it.

G = L L' has no bounds in L, and its first elements are simple functions of the first rows of L: with the levels in another
order, any variance is L_11^2, and any correlation is the cosine of the angle between the first two rows. All other entries
of L stay free, so G stays positive semi-definite whatever the held value is.

Source: Pinheiro & Bates (1996), Stat Comput 6:289 (Cholesky and spherical forms of a covariance matrix).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.linalg import entries_below, lower_root
from .angles import angles_of, holding_by_angles, root_of
from .build import Setup, Unknown
from .dense import DenseLayout
from .structures import Pair, Parameter, Structure, cholesky_seeds, partly_given, unstructured
from .terms import RandomTerm


def hold(
    setup: Setup, theta: np.ndarray, number: int, cell: tuple[int, int]
) -> tuple[Setup, int, np.ndarray]:
    """The problem with one element of the matrix of term `number` as a parameter: it, its index, and theta there.

    cell : (i, i) for the variance of level i, (i, j) for a correlation.
    """
    layout, term = setup.problem.layout, setup.terms[number]
    assert isinstance(layout, DenseLayout)  # a free matrix has no other
    start = sum(len(t.parameters) for t in setup.terms[:number])
    own = slice(start, start + len(term.parameters))
    placed = _in_free_matrix if term.structure.cells is not None else _beside_given
    made, index, values = placed(term, theta[own], cell)
    theta, fixed = theta.copy(), setup.problem.fixed.copy()
    theta[own] = values
    parameters = list(setup.parameters)
    parameters[own] = [replace(p, name=f"{term.name}: {p.name}", term=number) for p in made.parameters]
    for i, parameter in enumerate(made.parameters, start):
        if parameter.unit == 0:  # as a correlation now, or as another angle
            fixed[i] = parameter.fixed
    new = replace(term, structure=replace(made, parameters=tuple(parameters[own])))
    terms = tuple(new if t is term else t for t in setup.terms)
    problem = replace(
        setup.problem,
        layout=replace(layout, terms=list(terms)),
        lower=np.array([p.lower for p in parameters]),
        upper=np.array([p.upper for p in parameters]),
        fixed=fixed,
    )
    unknown = _moved(setup.unknown, term.structure, made, start=start)
    return (
        replace(setup, problem=problem, terms=terms, parameters=tuple(parameters), unknown=unknown),
        start + index,
        theta,
    )


def _in_free_matrix(
    term: RandomTerm, theta: np.ndarray, cell: tuple[int, int]
) -> tuple[Structure, int, np.ndarray]:
    """The structure with the element as its first parameter, that index, and the parameters that give the same G."""
    g, _ = term.structure.evaluate(theta)
    made = holding_variance(list(term.levels), cell[0])
    if cell[0] != cell[1]:
        made = holding_correlation(list(term.levels), *cell)
    order = list(dict.fromkeys((*cell, *range(len(g)))))
    entries = entries_of(g, np.array(order))
    return made, 0, entries if cell[0] == cell[1] else as_angle(entries)


def pairs_to_hold(term: RandomTerm) -> list[tuple[int, int]]:
    """Correlations of a partly given matrix that can be held beside the given ones: those that leave a level common to all
    of them, or no other free one."""
    size = len(term.levels)
    given = np.sin([p.fixed for p in term.parameters[size:]])
    rows, columns = entries_below(size)
    result = []
    for place in np.flatnonzero(np.isnan(given)).tolist():
        pattern = given.copy()
        pattern[place] = 0.0
        if np.isfinite(pattern).all() or root_of(pattern, size) is not None:
            result.append((int(columns[place]), int(rows[place])))
    return result


def _beside_given(
    term: RandomTerm, theta: np.ndarray, cell: tuple[int, int]
) -> tuple[Structure, int, np.ndarray]:
    """The same for a matrix in which some correlations are given."""
    size, names = len(term.levels), list(term.levels)
    rows, columns = entries_below(size)
    place = int(np.flatnonzero((columns == cell[0]) & (rows == cell[1]))[0])
    fixed = np.array([p.fixed for p in term.parameters])
    variances, given = fixed[:size] ** 2, np.sin(fixed[size:])
    g, _ = term.structure.evaluate(theta)
    s = np.sqrt(g.diagonal())
    r = np.where(s[:, None] * s > 0, g / np.where(s[:, None] * s > 0, s[:, None] * s, 1.0), np.eye(size))
    pattern = given.copy()
    pattern[place] = 0.0
    if np.isfinite(pattern).all():
        made, values = partly_given(names, variances, given), r[rows, columns]
        low, high = _possible(r, *cell)
        parameters = list(made.parameters)
        parameters[size + place] = replace(parameters[size + place], lower=low, upper=high)
        made = replace(made, parameters=tuple(parameters))
    else:
        root = root_of(pattern, size)
        assert root is not None  # one of `pairs_to_hold`
        made = holding_by_angles(names, variances, given, root=root, place=place)
        values = angles_of(r, root)
        values[place] = r[cell]
    return made, size + place, np.concatenate([theta[:size], values])


def _possible(r: np.ndarray, i: int, j: int) -> tuple[float, float]:
    """The correlations of i and j with which R stays positive semi-definite."""
    rest = [m for m in range(len(r)) if m not in (i, j)]
    solved = np.linalg.pinv(r[np.ix_(rest, rest)]) @ r[rest][:, [i, j]]
    shared = r[[i, j]][:, rest] @ solved
    half = float(np.sqrt(max(1.0 - shared[0, 0], 0.0) * max(1.0 - shared[1, 1], 0.0)))
    middle = float(shared[0, 1])
    return max(middle - half, -1.0), min(middle + half, 1.0)


def _moved(unknown: Unknown | None, old: Structure, new: Structure, *, start: int) -> Unknown | None:
    """What is hidden, at its place among the parameters of another form of the same matrix."""
    if unknown is None or old.cells is None or new.cells is None:
        return unknown
    place = {_cell(new, i): i for i in range(len(new.parameters))}
    at = {start + i: start + place[_cell(old, i)] for i in range(len(old.parameters))}
    return replace(unknown, hidden=tuple(sorted((at.get(i, i), why) for i, why in unknown.hidden)))


def _cell(structure: Structure, i: int) -> tuple[int, int]:
    assert structure.cells is not None
    a, b = int(structure.cells[0][i]), int(structure.cells[1][i])
    return min(a, b), max(a, b)


def holding_variance(names: list[str], level: int) -> Structure:
    """Parameters: the standard deviation of `level`, then the other entries of L with that level first."""
    order = [level, *(i for i in range(len(names)) if i != level)]
    made = unstructured([names[i] for i in order])
    back = np.argsort(order)
    rows, columns = np.array(order)[np.array(np.tril_indices(len(names)))]

    def evaluate(theta: np.ndarray) -> Pair:
        return _back(made.evaluate(theta), back)

    return replace(
        made,
        parameters=(replace(made.parameters[0], lower=0.0), *made.parameters[1:]),
        evaluate=evaluate,
        bend=None if made.bend is None else made.bend[..., back[:, None], back],
        cells=(rows, columns),
    )


def holding_correlation(names: list[str], first: int, second: int) -> Structure:
    """Parameters: the correlation of two levels, their standard deviations, then rows 3, 4, ... of L with those two first."""
    size = len(names)
    order = np.array([first, second, *(i for i in range(size) if i not in (first, second))])
    back = np.argsort(order)
    rows, columns = (index[3:] for index in np.tril_indices(size))

    def evaluate(theta: np.ndarray) -> Pair:
        return _back(_from_angle(theta, rows, columns, size=size), back)

    rest = [
        Parameter(f"{order[i]}, {order[j]}", unit=1, lower=-np.inf)
        for i, j in zip(rows, columns, strict=True)
    ]
    parameters = (
        Parameter(f"{names[first]}, {names[second]}", unit=0, lower=-1.0, upper=1.0, seed=0.3),
        *(Parameter(names[i], unit=1) for i in (first, second)),
        *rest,
    )
    cells = (
        order[np.concatenate([[1, 0, 1], rows]).astype(int)],
        order[np.concatenate([[0, 0, 1], columns]).astype(int)],
    )
    return Structure(parameters, evaluate, cells=cells, start=as_angle(cholesky_seeds(size)))


def as_angle(entries: np.ndarray) -> np.ndarray:
    """Entries of L (..., q), row by row -> parameters of `holding_correlation`; a variance of zero has correlation zero."""
    deviation = np.hypot(entries[..., 1], entries[..., 2])
    cosine = entries[..., 1] / np.where(deviation > 0, deviation, 1.0)
    head = np.stack([np.sign(entries[..., 0]) * cosine, np.abs(entries[..., 0]), deviation], axis=-1)
    signs = np.where(entries[..., :1] < 0, -1.0, 1.0)
    size = int((np.sqrt(8 * entries.shape[-1] + 1) - 1) / 2)
    columns = np.tril_indices(size)[1][3:]
    tail = entries[..., 3:] * np.where(
        columns == 0, signs, np.where(columns == 1, np.where(entries[..., 2:3] < 0, -1.0, 1.0), 1.0)
    )
    return np.concatenate([head, tail], axis=-1)


def entries_of(g: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(q,) entries, row by row, of the lower Cholesky factor of a positive semi-definite G with its levels in `order`."""
    return lower_root(g[np.ix_(order, order)])[np.tril_indices(len(g))]


def _back(pair: Pair, back: np.ndarray) -> Pair:
    """G and dG with the levels in their own order again."""
    return pair[0][..., back[:, None], back], pair[1][..., back[:, None], back]


def _from_angle(theta: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, size: int) -> Pair:
    """G and dG from (rho, s1, s2, rest of L); the slope in rho is that of sqrt(1 - rho^2) a little inside the bounds."""
    rho, s1, s2 = theta[..., 0], theta[..., 1], theta[..., 2]
    height = np.sqrt(np.maximum(1.0 - rho * rho, 0.0))
    lower = np.zeros((*theta.shape[:-1], size, size))
    lower[..., rows, columns] = theta[..., 3:]
    lower[..., 0, 0], lower[..., 1, 0], lower[..., 1, 1] = s1, s2 * rho, s2 * height
    slopes = np.zeros((*theta.shape, size, size))
    slopes[..., 3 + np.arange(len(rows)), rows, columns] = 1.0
    slopes[..., 1, 0, 0] = 1.0
    slopes[..., 2, 1, 0], slopes[..., 2, 1, 1] = rho, height
    slopes[..., 0, 1, 0] = s2
    slopes[..., 0, 1, 1] = -s2 * rho / np.maximum(height, 1e-8)
    half = slopes @ lower[..., None, :, :].swapaxes(-1, -2)
    return lower @ lower.swapaxes(-1, -2), half + half.swapaxes(-1, -2)
