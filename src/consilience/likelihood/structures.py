"""Covariance structures of correlated random effects: parameters -> G and its derivatives.

Each structure is a small record: its parameters (in the order of theta) and `evaluate(theta) -> (G, dG)` with G (..., l, l)
and dG (..., q, l, l) for one theta (q,) or many (..., q). Variances are on the natural scale where that keeps G linear, standard deviations or Cholesky factors
where a boundary must stay a smooth point. Structures: METHODS of Pinheiro & Bates (2000) ch. 5; Steiger (1980)-type
unstructured by Cholesky factor; spatial ones of Cressie (1993) ch. 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ..base.linalg import entries_below, lower_entries

Pair = tuple[np.ndarray, np.ndarray]
FEW_LEVELS = 4  # up to which each level is tried as the one that varies most


@dataclass(frozen=True)
class Parameter:
    """One entry of theta.

    unit : power of the effect's scale (variance 2, SD or Cholesky entry 1, correlation 0);
    seed : where searches start, as a multiple of that power of the term's total SD; more : other seeds to try.
    """

    name: str
    term: int = 0
    unit: int = 2
    lower: float = 0.0
    upper: float = np.inf
    fixed: float = np.nan
    seed: float = 1.0
    more: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Structure:
    """Parameters and the function theta -> (G, dG); plain : G is one variance; linear : G is linear in theta;
    bend : (q, q, l, l) second derivatives of G where they are constant; mirrors : places in theta of the diagonal of a
    Cholesky factor and the column of each entry, where the signs of whole columns mean nothing; cells : row and column of
    G that each parameter belongs to, where G is any covariance matrix; start : seeds of a structure that has its own;
    shaped : the last parameter is one correlation or range of the whole term."""

    parameters: tuple[Parameter, ...]
    evaluate: Callable[[np.ndarray], Pair]
    plain: bool = False
    linear: bool = False
    bend: np.ndarray | None = None
    mirrors: Pair | None = None
    cells: Pair | None = None
    start: np.ndarray | None = None
    shaped: bool = False

    def seeds(self) -> np.ndarray:
        """(S, q) thetas to look at for a total variance of about one: levels alike and each of a few the largest, each
        with several correlations."""
        if self.start is not None:
            return self.start
        if self.mirrors is not None:
            return cholesky_seeds(len(self.mirrors[0]))
        sizes = np.array([p.unit > 0 for p in self.parameters])
        most = max((len(p.more) for p in self.parameters), default=0)
        shapes = np.array(
            [
                [(p.seed, *p.more)[n] if n <= len(p.more) else p.seed for p in self.parameters]
                for n in range(most + 1)
            ]
        )
        of = _patterns(int(sizes.sum()))
        result = np.tile(shapes, (len(of), 1))
        result[:, sizes] *= np.repeat(of, len(shapes), axis=0)
        return result

    def second(self, theta: np.ndarray) -> np.ndarray:
        """(..., q, q, l, l) second derivatives of G at theta (..., q), by differences of dG; constant ones (q, q, l, l)
        for any number of thetas. They steer a search and are not reported."""
        if self.bend is not None:
            return self.bend
        each = np.arange(len(self.parameters))
        step = 1e-4 * np.maximum(np.abs(theta), 1.0)
        ends = np.repeat(np.stack([theta, theta])[..., None, :], len(each), axis=-2)
        ends[0][..., each, each] = np.minimum(theta + step, [p.upper for p in self.parameters])
        ends[1][..., each, each] = np.maximum(theta - step, [p.lower for p in self.parameters])
        gap = ends[0][..., each, each] - ends[1][..., each, each]
        high, low = self.evaluate(ends)[1]
        return np.asarray((high - low) / gap[..., None, None, None])


def _patterns(size: int) -> np.ndarray:
    """(n, size) relative sizes of the levels."""
    alike = np.ones((1, size))
    if not 1 < size <= FEW_LEVELS:
        return alike
    return np.concatenate([alike, np.where(np.eye(size) > 0, 1.0, 0.1)])


@cache
def cholesky_seeds(size: int) -> np.ndarray:
    """Lower Cholesky factors, row by row, with four equal correlations."""
    rows, columns = lower_entries(size)
    least = -0.8 / max(size - 1, 1)
    equal = np.where(np.eye(size) > 0, 1.0, np.array([0.3, 0.0, 0.9, least])[:, None, None])
    roots = np.linalg.cholesky(equal)[:, rows, columns]
    return (_patterns(size)[:, None, rows] * roots).reshape(-1, len(rows))


def scaled(matrix: np.ndarray, name: str, fixed: float) -> Structure:
    """sigma^2 times a known matrix; a (1, 1) matrix of one is a plain random intercept."""

    def evaluate(theta: np.ndarray) -> Pair:
        return theta[..., :1, None] * matrix, np.broadcast_to(matrix, (*theta.shape[:-1], 1, *matrix.shape))

    return Structure((Parameter(name, fixed=fixed),), evaluate, plain=matrix.shape == (1, 1), linear=True)


def diagonal(names: list[str], fixed: np.ndarray) -> Structure:
    """A variance for each level, no correlation."""
    units = np.zeros((len(names),) * 3)
    units[(np.arange(len(names)),) * 3] = 1.0

    def evaluate(theta: np.ndarray) -> Pair:
        return np.tensordot(theta, units, 1), np.broadcast_to(units, (*theta.shape[:-1], *units.shape))

    parameters = tuple(Parameter(n, fixed=f) for n, f in zip(names, fixed.tolist(), strict=True))
    return Structure(parameters, evaluate, linear=True)


def correlated(
    correlation: Callable[[np.ndarray], Pair], *, names: list[str], fixed: np.ndarray, shape: Parameter
) -> Structure:
    """One correlation parameter: tau^2 R(rho) with one name, or S R(rho) S with a standard deviation for each level.

    correlation : rho (..., 1, 1) -> (R, dR/drho), both (..., l, l); shape : the parameter rho.
    """
    if len(names) == 1:

        def evaluate(theta: np.ndarray) -> Pair:
            r, dr = correlation(theta[..., 1:, None])
            size = theta[..., :1, None]
            return size * r, np.stack([r, size * dr], axis=-3)

        return Structure((Parameter(names[0], fixed=float(fixed[0])), shape), evaluate, shaped=True)

    def evaluate_each(theta: np.ndarray) -> Pair:
        r, dr = correlation(theta[..., -1:, None])
        s = theta[..., :-1]
        pairs = s[..., :, None] * s[..., None, :]
        return r * pairs, np.concatenate([of_deviations(s, r), (dr * pairs)[..., None, :, :]], axis=-3)

    deviations = tuple(
        Parameter(n, unit=1, fixed=f) for n, f in zip(names, np.sqrt(fixed).tolist(), strict=True)
    )
    return Structure((*deviations, shape), evaluate_each, shaped=True)


def of_deviations(s: np.ndarray, r: np.ndarray) -> np.ndarray:
    """(..., l, l, l) derivatives of S R S by each standard deviation: row i and column i of R S, twice where they meet."""
    half = np.zeros((*s.shape, s.shape[-1], s.shape[-1]))
    each = np.arange(s.shape[-1])
    half[..., each, each, :] = r * s[..., None, :]
    return half + np.swapaxes(half, -1, -2)


def unstructured(names: list[str]) -> Structure:
    """Any covariance matrix, G = L L' with no bounds: a singular G (a correlation of one) is a smooth point."""
    rows, columns = lower_entries(len(names))
    parameters = tuple(
        Parameter(
            f"{names[i]}, {names[j]}" if i != j else names[i],
            unit=1,
            lower=-np.inf,
            seed=1.0 if i == j else 0.3,
        )
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    )
    return replace(_any_matrix(len(names)), parameters=parameters)


@cache
def _any_matrix(size: int) -> Structure:
    """`unstructured` of so many levels, without names."""
    rows, columns = lower_entries(size)
    unit = np.eye(size)[rows]
    place = np.eye(size * size)[columns * size + rows]

    def evaluate(theta: np.ndarray) -> Pair:
        turned = (theta @ place).reshape(*theta.shape[:-1], size, size)  # L'
        # dG / dL_ij = e_i l_j' + l_j e_i' with l_j column j of L
        outer = unit[:, :, None] * turned[..., columns, None, :]
        return turned.swapaxes(-1, -2) @ turned, outer + outer.swapaxes(-1, -2)

    pairs = (
        unit[:, None, :, None]
        * unit[None, :, None, :]
        * (columns[:, None] == columns[None, :])[:, :, None, None]
    )
    mirrors = np.flatnonzero(rows == columns), columns
    bend = pairs + np.swapaxes(pairs, 2, 3)
    return Structure((), evaluate, bend=bend, mirrors=mirrors, cells=(rows, columns))


def partly_given(names: list[str], variances: np.ndarray, correlations: np.ndarray) -> Structure:
    """Standard deviations and correlations as parameters, some of them given (NaN = estimate).

    correlations : below the diagonal, column by column.
    """
    size = len(names)
    rows, columns = entries_below(size)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    deviations = [
        Parameter(n, unit=1, fixed=f) for n, f in zip(names, np.sqrt(variances).tolist(), strict=True)
    ]
    between = [
        Parameter(f"{names[i]}, {names[j]}", unit=0, lower=-1.0, upper=1.0, fixed=f, seed=0.3, more=(0.0,))
        for (i, j), f in zip(pairs, correlations.tolist(), strict=True)
    ]

    def evaluate(theta: np.ndarray) -> Pair:
        s, between = theta[..., :size], theta[..., size:]
        r = np.broadcast_to(np.eye(size), (*theta.shape[:-1], size, size)).copy()
        r[..., rows, columns] = r[..., columns, rows] = between
        parts = np.zeros((*theta.shape, size, size))
        place = size + np.arange(len(rows))
        parts[..., place, rows, columns] = parts[..., place, columns, rows] = s[..., rows] * s[..., columns]
        parts[..., :size, :, :] = of_deviations(s, r)
        return r * (s[..., :, None] * s[..., None, :]), parts

    return Structure((*deviations, *between), evaluate)


def exchangeable(size: int) -> Callable[[np.ndarray], Pair]:
    """All correlations equal."""
    off = 1.0 - np.eye(size)

    def correlation(rho: np.ndarray) -> Pair:
        return np.eye(size) + rho * off, np.broadcast_to(off, (*rho.shape[:-2], size, size))

    return correlation


def powers(gaps: np.ndarray) -> Callable[[np.ndarray], Pair]:
    """rho^gap; for rho < 0 the gaps must be whole numbers."""
    whole = bool(np.all(gaps == np.round(gaps)))
    exponent = gaps.astype(int) if whole else gaps
    lowered = np.where(gaps > 0, exponent - 1, 0)

    def correlation(rho: np.ndarray) -> Pair:
        safe = rho if whole else np.where(rho == 0, 1.0, rho)
        base = np.power(safe, lowered, dtype=float)
        if not whole:
            base = np.where(rho == 0, 0.0, base)
        return np.power(rho, exponent, dtype=float), np.where(gaps > 0, gaps * base, 0.0)

    return correlation


def _exponential(t: np.ndarray) -> Pair:
    value = np.exp(-t)
    return value, -value


def _gaussian(t: np.ndarray) -> Pair:
    value = np.exp(-t * t)
    return value, -2 * t * value


def _linear(t: np.ndarray) -> Pair:
    return np.where(t < 1, 1 - t, 0.0), np.where(t < 1, -1.0, 0.0)


def _rational(t: np.ndarray) -> Pair:
    return 1 / (1 + t * t), -2 * t / (1 + t * t) ** 2


def _spherical(t: np.ndarray) -> Pair:
    return np.where(t < 1, 1 - 1.5 * t + 0.5 * t**3, 0.0), np.where(t < 1, -1.5 + 1.5 * t * t, 0.0)


SPATIAL: dict[str, Callable[[np.ndarray], Pair]] = {
    "SPEXP": _exponential,
    "SPGAU": _gaussian,
    "SPLIN": _linear,
    "SPRAT": _rational,
    "SPSPH": _spherical,
}


def spatial(kind: str, distance: np.ndarray) -> Callable[[np.ndarray], Pair]:
    """Correlation f(d / range) of each spatial structure."""
    shape = SPATIAL[kind]

    def correlation(scale: np.ndarray) -> Pair:
        value, slope = shape(distance / scale)
        return value, -slope * distance / scale**2

    return correlation
