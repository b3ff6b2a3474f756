"""The likelihood along one parameter, the others at their best: a variance, a correlation, a range.

A parameter of theta is held by its bounds. The variances and correlations of an unstructured covariance are no parameters of
its Cholesky factor L, but with the level (or the pair of levels) first in the order of L they are its first entry, or the
direction of its second row; the rest of L stays free, so that G stays a covariance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from .build import Setup
from .dense import DenseLayout
from .multistart import Method, Solution
from .nested_solve import solve
from .structures import Structure, correlation_given, unstructured
from .terms import RandomTerm

Held = Callable[[float], tuple[Setup, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a parameter is: entry `index` of theta, or the variance (i, i) or correlation (i, j) of the unstructured term number
    `term`."""

    index: int
    term: int = -1
    pair: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Line:
    """The profile of one parameter on the working scale: `held(value)` is the model there and where to climb from.

    unit, lower, upper : as of `structures.Parameter` (a variance of an unstructured term as its square root); peak : the
    estimate; top : the log-likelihood there; exponent : of `Setup`.
    """

    held: Held
    method: Method
    peak: float
    top: float
    unit: int
    lower: float
    upper: float
    exponent: int

    def drop(self, value: float) -> float:
        """Log-likelihood at `value` minus the maximum; minus infinity where it does not exist.

        The higher of a climb from beside the maximum and of a search: with one parameter held the others may have
        another maximum that is higher than the one nearby.
        """
        setup, start = self.held(value)
        try:
            ends = [
                solve(setup, method=self.method, start=first).evaluation.loglik for first in (start, None)
            ]
        except InputError:
            return -np.inf
        return max(ends) - self.top


def line_names(setup: Setup) -> dict[str, Place]:
    """Name -> place of everything that has a profile, in the order of the terms."""
    result: dict[str, Place] = {}
    start = 0
    for number, term in enumerate(setup.terms):
        stop = start + len(term.parameters)
        if term.structure.mirrors is not None:
            variances, correlations = term.describe(np.ones(stop - start))
            size = len(term.levels)
            columns, rows = np.triu_indices(size, 1)
            pairs = [(i, i) for i in range(size)], list(zip(columns.tolist(), rows.tolist(), strict=True))
            for names, places in zip((variances, correlations), pairs, strict=True):
                result |= {n: Place(start, number, pair) for n, pair in zip(names, places, strict=True)}
        else:
            for i, parameter in enumerate(term.parameters, start):
                if np.isnan(setup.problem.fixed[i]):
                    result[parameter.name] = Place(i)
        start = stop
    return result


def line_of(setup: Setup, found: Solution, place: Place, *, method: Method) -> Line:
    """The profile through the maximum `found` of `setup`."""
    top = found.evaluation.loglik
    if place.term < 0:
        parameter = setup.parameters[place.index]

        def held(value: float) -> tuple[Setup, np.ndarray]:
            return _fixed(setup, place.index, value), _with(found.theta, place.index, value)

        bounds = parameter.unit, parameter.lower, parameter.upper
        return Line(held, method, float(found.theta[place.index]), top, *bounds, setup.exponent)
    term = setup.terms[place.term]
    own = slice(place.index, place.index + len(term.parameters))
    g = term.structure.evaluate(found.theta[own])[0]
    i, j = place.pair
    if i == j:
        along = _variance(setup, found.theta, place, g)
        return Line(along, method, float(np.sqrt(g[i, i])), top, 1, 0.0, np.inf, setup.exponent)
    scale = float(np.sqrt(g[i, i] * g[j, j]))
    peak = float(np.clip(g[i, j] / scale, -1.0, 1.0)) if scale > 0 else 0.0
    return Line(_correlation(setup, found.theta, place, g), method, peak, top, 0, -1.0, 1.0, setup.exponent)


def _variance(setup: Setup, theta: np.ndarray, place: Place, g: np.ndarray) -> Held:
    """The level comes first, so that its variance is the square of the first entry of L."""
    term = setup.terms[place.term]
    order = [place.pair[0], *(i for i in range(len(g)) if i != place.pair[0])]
    back = np.argsort(order)
    plain = unstructured([term.levels[i] for i in order])

    def evaluate(own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = plain.evaluate(own)
        return values[..., back[:, None], back], slopes[..., back[:, None], back]

    bend = None if plain.bend is None else plain.bend[..., back[:, None], back]
    moved = _changed(setup, place, replace(plain, evaluate=evaluate, bend=bend))
    start = _spliced(theta, place, term, _factor(g[np.ix_(order, order)])[np.tril_indices(len(g))])

    def held(value: float) -> tuple[Setup, np.ndarray]:
        return _fixed(moved, place.index, value), _with(start, place.index, value)

    return held


def _correlation(setup: Setup, theta: np.ndarray, place: Place, g: np.ndarray) -> Held:
    """Standard deviations of the pair and the rest of L; the correlation is in the structure."""
    term = setup.terms[place.term]
    i, j = place.pair
    order = [i, j, *(n for n in range(len(g)) if n not in place.pair)]
    lower = _factor(g[np.ix_(order, order)])
    own = [lower[0, 0], np.sqrt(g[j, j]), *(x for row in range(2, len(g)) for x in lower[row, : row + 1])]
    start = _spliced(theta, place, term, np.array(own))

    def held(value: float) -> tuple[Setup, np.ndarray]:
        return _changed(setup, place, correlation_given(list(term.levels), place.pair, value)), start

    return held


def _factor(g: np.ndarray) -> np.ndarray:
    """L (l, l) with L L' = g, also where g is singular."""
    values, vectors = np.linalg.eigh(g)
    lower = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1].T
    return np.asarray(lower * np.where(lower.diagonal() < 0, -1.0, 1.0))


def _with(theta: np.ndarray, index: int, value: float) -> np.ndarray:
    result = theta.copy()
    result[index] = value
    return result


def _spliced(theta: np.ndarray, place: Place, term: RandomTerm, own: np.ndarray) -> np.ndarray:
    """theta with `own` in place of the parameters of the term."""
    return np.concatenate([theta[: place.index], own, theta[place.index + len(term.parameters) :]])


def _fixed(setup: Setup, index: int, value: float) -> Setup:
    return replace(setup, problem=replace(setup.problem, fixed=_with(setup.problem.fixed, index, value)))


def _changed(setup: Setup, place: Place, structure: Structure) -> Setup:
    """The same data with another structure of one term."""
    old = setup.terms[place.term]
    parameters = tuple(replace(p, term=place.term) for p in structure.parameters)
    new = replace(old, structure=replace(structure, parameters=parameters))
    terms = tuple(new if number == place.term else term for number, term in enumerate(setup.terms))
    problem, layout = setup.problem, setup.problem.layout
    assert isinstance(layout, DenseLayout)  # as of all terms with a Cholesky factor

    def all_of(before: np.ndarray, own: list[float]) -> np.ndarray:
        return _spliced(before, place, old, np.array(own))

    problem = replace(
        problem,
        layout=replace(layout, terms=list(terms)),
        lower=all_of(problem.lower, [p.lower for p in parameters]),
        upper=all_of(problem.upper, [p.upper for p in parameters]),
        fixed=all_of(problem.fixed, [p.fixed for p in parameters]),
    )
    every = tuple(p for term in terms for p in term.parameters)
    return replace(setup, problem=problem, terms=terms, parameters=every)
