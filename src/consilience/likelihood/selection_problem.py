"""What a likelihood under selection is of, what it gives, and the probability between two points of a normal curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import special_functions
from .basis import once
from .selection_family import Family, pairs_of

LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Selected:
    """F analyses of K studies (F = 1 of an array is shared by all); made by `selected`.

    y, v, se : (F or 1, K); x : (F or 1, K, p); count : (F or 1, K) how often each study counts (0 = absent).
    places : (1, F or 1, K) where the selection function is read for each study.
    """

    y: np.ndarray
    v: np.ndarray
    se: np.ndarray
    x: np.ndarray
    count: np.ndarray
    places: np.ndarray
    family: Family

    @property
    def p(self) -> int:
        return int(self.x.shape[2])

    @once
    def whole(self) -> bool:
        """Does every study count once?"""
        return bool((self.count == 1).all())

    @once
    def columns(self) -> np.ndarray:
        """(F or 1, K, 1 + p + p (p + 1) / 2) one, the columns of the design, their products; counted, if all count alike."""
        a, b = pairs_of(self.p)
        ones = np.ones((*self.x.shape[:2], 1))
        columns = np.concatenate([ones, self.x, self.x[:, :, a] * self.x[:, :, b]], axis=2)
        return columns if len(self.count) > 1 else columns * self.count[:, :, None]

    @once
    def cuts(self) -> np.ndarray:
        """(N - 1, F or 1, K) effects at the cuts between intervals of constant weight."""
        assert self.family.steps is not None
        return np.asarray(self.family.steps.cuts[:, None] * self.se)

    @once
    def seen_slopes(self) -> np.ndarray:
        """(q, F or 1, K) derivatives of the log weight of each study, where weights are constant between cuts."""
        assert self.family.steps is not None
        return np.moveaxis(self.family.steps.linear[self.places[0]], -1, 0)

    def take(self, rows: np.ndarray) -> Selected:
        """The selected analyses."""
        if max(len(self.y), len(self.v), len(self.x), len(self.count)) == 1:
            return self

        def part(a: np.ndarray) -> np.ndarray:
            return a if len(a) == 1 else a[rows]

        places = self.places if self.places.shape[1] == 1 else self.places[:, rows]
        return Selected(
            part(self.y), part(self.v), part(self.se), part(self.x), part(self.count), places, self.family
        )


def selected(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, *, family: Family, count: np.ndarray | None = None
) -> Selected:
    """Analyses from y, v (F or 1, K), x (F or 1, K, p); count (F or 1, K), None = every study once."""
    se = np.sqrt(v)
    counts = np.ones((1, y.shape[1])) if count is None else count
    return Selected(y, v, se, x, counts, np.asarray(family.locate(y / se))[None], family)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """loglik (F,), gradient (F, P), hessian (F, P, P); parts : derivatives of single studies in the mean, the variance and
    the family's parameters, each (F, K), uncounted."""

    loglik: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    parts: list[np.ndarray]

    def scores(self, x: np.ndarray) -> np.ndarray:
        """(F, K, P) derivatives of single studies; x (F or 1, K, p)."""
        mean, *others = self.parts
        return np.concatenate([x * mean[:, :, None], *(part[:, :, None] for part in others)], axis=2)


def log_between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """log P(low < Z < high), without cancellation in either tail."""
    ndtr = special_functions().log_ndtr
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)  # now a < 0 wherever both lie on one side
    upper, lower = ndtr(b), ndtr(a)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(np.isneginf(lower), -np.inf, lower - upper)
        return np.asarray(upper + np.log(-np.expm1(gap)))
