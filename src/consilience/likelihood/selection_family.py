"""What a selection function is: log w with its derivatives, and the pieces of z on which it is constant or smooth.

One-sided p = 1 - Phi(z); two-sided p = 2(1 - Phi(|z|)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..base.distributions import special_functions


@cache
def pairs_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the upper triangle of an (n, n) matrix. (Found once: it costs more than the sums it serves.)"""
    return np.triu_indices(n)


@dataclass(frozen=True, eq=False)
class LogWeight:
    """log w and its derivatives in the q parameters, arrays that broadcast against the places asked for.

    first : q arrays; second : (a, b) with a <= b -> array, left out where it is zero.
    """

    value: np.ndarray
    first: list[np.ndarray]
    second: dict[tuple[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Pieces:
    """Where w is integrated over z.

    z, weight : (N1,) Gauss-Legendre nodes and weights of all smooth panels.
    low, high : (N2, K or 1) ends of the intervals on which w is constant.
    place : (N1 + N2,) the place at which each node and interval is weighed: z, or the number of a step.
    """

    z: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, eq=False)
class Steps:
    """log w = linear theta + offset on N >= 2 intervals of z, from the highest to the lowest.

    cuts : (N - 1, K or 1) between the intervals; linear : (N, q); offset : (N,), -inf where the weight is zero.
    edge : (2 (N - 1), q) rows of the intervals above the cuts, then minus those of the intervals below them.
    products : (N, q (q + 1) / 2) of columns of `linear`, in the order of `pairs`.
    """

    cuts: np.ndarray
    linear: np.ndarray
    offset: np.ndarray
    edge: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]
    products: np.ndarray


@dataclass(frozen=True, eq=False)
class Family:
    """A selection function with q estimated parameters.

    log_weight : (places (N, F or 1, K or 1), theta (F, q)) -> LogWeight.
    locate : z (..., K) of studies -> their places.
    lower, upper, null : (q,) bounds, and the value without selection; start : (n, q) sensible starting values.
    to_delta : theta (q,) -> the d reported parameters and their (d, q) Jacobian.
    steps : the weights where they are constant between two or more cuts and nowhere smooth.
    """

    names: tuple[str, ...]
    pieces: Pieces
    log_weight: Callable[[np.ndarray, np.ndarray], LogWeight]
    locate: Callable[[np.ndarray], np.ndarray]
    lower: np.ndarray
    upper: np.ndarray
    null: np.ndarray
    start: np.ndarray
    to_delta: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    steps: Steps | None = None

    @property
    def q(self) -> int:
        return len(self.lower)


def log_p(z: np.ndarray, *, two_sided: bool) -> tuple[np.ndarray, np.ndarray]:
    """log p and log(1 - p), both exact in their tails."""
    special = special_functions()
    if not two_sided:
        return special.log_ndtr(-z), special.log_ndtr(z)
    size = np.abs(z)
    with np.errstate(divide="ignore"):
        return np.log(2.0) + special.log_ndtr(-size), np.log(special.erf(size / np.sqrt(2.0)))
