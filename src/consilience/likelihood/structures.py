"""Covariance structures of correlated random effects: parameters -> G and its derivatives.

Each structure is a small record: its parameters (in the order of theta) and `evaluate(theta) -> (G, dG)` with G (l, l)
and dG (q, l, l). Variances are on the natural scale where that keeps G linear, standard deviations or Cholesky factors
where a boundary must stay a smooth point. Structures: METHODS of Pinheiro & Bates (2000) ch. 5; Steiger (1980)-type
unstructured by Cholesky factor; spatial ones of Cressie (1993) ch. 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]


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
    bend : (q, q, l, l) second derivatives of G where they are constant."""

    parameters: tuple[Parameter, ...]
    evaluate: Callable[[np.ndarray], Pair]
    plain: bool = False
    linear: bool = False
    bend: np.ndarray | None = None

    def second(self, theta: np.ndarray) -> np.ndarray:
        """(q, q, l, l) second derivatives of G, by differences of dG (exact where dG is linear, as for Cholesky
        factors); they steer a search and are not reported."""
        if self.bend is not None:
            return self.bend
        parts = []
        for i, parameter in enumerate(self.parameters):
            step = 1e-4 * max(abs(float(theta[i])), 1.0)
            high, low = theta.copy(), theta.copy()
            high[i] = min(theta[i] + step, parameter.upper)
            low[i] = max(theta[i] - step, parameter.lower)
            parts.append((self.evaluate(high)[1] - self.evaluate(low)[1]) / (high[i] - low[i]))
        return np.stack(parts)


def scaled(matrix: np.ndarray, name: str, fixed: float) -> Structure:
    """sigma^2 times a known matrix; a (1, 1) matrix of one is a plain random intercept."""

    def evaluate(theta: np.ndarray) -> Pair:
        return theta[0] * matrix, matrix[None]

    return Structure((Parameter(name, fixed=fixed),), evaluate, plain=matrix.shape == (1, 1), linear=True)


def diagonal(names: list[str], fixed: np.ndarray) -> Structure:
    """A variance for each level, no correlation."""
    units = np.zeros((len(names),) * 3)
    units[(np.arange(len(names)),) * 3] = 1.0

    def evaluate(theta: np.ndarray) -> Pair:
        return np.diag(theta), units

    parameters = tuple(Parameter(n, fixed=f) for n, f in zip(names, fixed.tolist(), strict=True))
    return Structure(parameters, evaluate, linear=True)


def correlated(
    correlation: Callable[[float], Pair], *, names: list[str], fixed: np.ndarray, shape: Parameter
) -> Structure:
    """One correlation parameter: tau^2 R(rho) with one name, or S R(rho) S with a standard deviation for each level.

    correlation : rho -> (R, dR/drho); shape : the parameter rho.
    """
    if len(names) == 1:

        def evaluate(theta: np.ndarray) -> Pair:
            r, dr = correlation(float(theta[1]))
            return theta[0] * r, np.stack([r, theta[0] * dr])

        return Structure((Parameter(names[0], fixed=float(fixed[0])), shape), evaluate)

    def evaluate_each(theta: np.ndarray) -> Pair:
        r, dr = correlation(float(theta[-1]))
        s = theta[:-1]
        parts = _of_deviations(s, r)
        return r * np.outer(s, s), np.concatenate([parts, (dr * np.outer(s, s))[None]])

    deviations = tuple(
        Parameter(n, unit=1, fixed=f) for n, f in zip(names, np.sqrt(fixed).tolist(), strict=True)
    )
    return Structure((*deviations, shape), evaluate_each)


def _of_deviations(s: np.ndarray, r: np.ndarray) -> np.ndarray:
    """(l, l, l) derivatives of S R S by each standard deviation."""
    parts = np.zeros((len(s),) * 3)
    for i in range(len(s)):
        parts[i, i, :] += r[i] * s
        parts[i, :, i] += r[i] * s
    return parts


def unstructured(names: list[str]) -> Structure:
    """Any covariance matrix, G = L L' with no bounds: a singular G (a correlation of one) is a smooth point."""
    size = len(names)
    rows, columns = np.tril_indices(size)
    unit = np.eye(size)[rows]
    parameters = tuple(
        Parameter(
            f"{names[i]}, {names[j]}" if i != j else names[i],
            unit=1,
            lower=-np.inf,
            seed=1.0 if i == j else 0.3,
            more=() if i == j else (0.0, -0.3),
        )
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    )

    def evaluate(theta: np.ndarray) -> Pair:
        lower = np.zeros((size, size))
        lower[rows, columns] = theta
        # dG / dL_ij = e_i l_j' + l_j e_i' with l_j column j of L
        outer = unit[:, :, None] * lower.T[columns][:, None, :]
        return lower @ lower.T, outer + np.swapaxes(outer, 1, 2)

    pairs = (
        unit[:, None, :, None]
        * unit[None, :, None, :]
        * (columns[:, None] == columns[None, :])[:, :, None, None]
    )
    return Structure(parameters, evaluate, bend=pairs + np.swapaxes(pairs, 2, 3))


def partly_given(names: list[str], variances: np.ndarray, correlations: np.ndarray) -> Structure:
    """Standard deviations and correlations as parameters, some of them given (NaN = estimate).

    correlations : below the diagonal, column by column.
    """
    size = len(names)
    columns, rows = np.triu_indices(size, 1)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    deviations = [
        Parameter(n, unit=1, fixed=f) for n, f in zip(names, np.sqrt(variances).tolist(), strict=True)
    ]
    between = [
        Parameter(f"{names[i]}, {names[j]}", unit=0, lower=-1.0, upper=1.0, fixed=f, seed=0.3, more=(0.0,))
        for (i, j), f in zip(pairs, correlations.tolist(), strict=True)
    ]

    def evaluate(theta: np.ndarray) -> Pair:
        s, r = theta[:size], np.eye(size)
        parts = np.zeros((len(theta), size, size))
        for n, (i, j) in enumerate(pairs):
            r[i, j] = r[j, i] = theta[size + n]
            parts[size + n, i, j] = parts[size + n, j, i] = s[i] * s[j]
        parts[:size] = _of_deviations(s, r)
        return r * np.outer(s, s), parts

    return Structure((*deviations, *between), evaluate)


def exchangeable(size: int) -> Callable[[float], Pair]:
    """All correlations equal."""
    off = 1.0 - np.eye(size)

    def correlation(rho: float) -> Pair:
        return np.eye(size) + rho * off, off

    return correlation


def powers(gaps: np.ndarray) -> Callable[[float], Pair]:
    """rho^gap; for rho < 0 the gaps must be whole numbers."""
    whole = bool(np.all(gaps == np.round(gaps)))
    exponent = gaps.astype(int) if whole else gaps

    def correlation(rho: float) -> Pair:
        r = np.power(rho, exponent, dtype=float)
        lowered = np.where(gaps > 0, gaps - 1, 0)
        base = np.power(rho, lowered.astype(int) if whole else lowered, dtype=float) if rho or whole else 0.0
        return r, np.where(gaps > 0, gaps * base, 0.0)

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


def spatial(kind: str, distance: np.ndarray) -> Callable[[float], Pair]:
    """Correlation f(d / range) of each spatial structure."""
    shape = SPATIAL[kind]

    def correlation(scale: float) -> Pair:
        value, slope = shape(distance / scale)
        return value, -slope * distance / scale**2

    return correlation
