"""Permutation tests and the intervals that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .display import Shown

Alternative = Literal["two-sided", "two-sided-doubled", "greater", "less"]
Statistic = Literal["test", "coefficient"]


@dataclass(frozen=True, eq=False, repr=False)
class PermutationTest(Shown):
    """How often rearranged data are as extreme as the observed ones.

    names : p coefficients; observed, p_value, mc_se, p_low, p_high : (p,) statistic, its p-value, Monte-Carlo standard
        error of that and its 95% interval (0 and the p-value itself where all arrangements were compared).
    omnibus : (5,) the same five of the test of all moderators (without moderators: of the mean).
    distribution : (N, p) the statistic in each arrangement; NaN where the model could not be fitted.
    arranged : ``"moderators"`` or ``"signs"``; unit : ``"effect"`` or the cluster whose effects move together.
    possible : number of distinct arrangements; exact : were all compared; seed : of the generator, if it tells.
    """

    names: tuple[str, ...]
    observed: np.ndarray
    p_value: np.ndarray
    mc_se: np.ndarray
    p_low: np.ndarray
    p_high: np.ndarray
    omnibus: np.ndarray
    distribution: np.ndarray
    arranged: Literal["moderators", "signs"]
    unit: str
    possible: int
    exact: bool
    statistic: Statistic
    alternative: Alternative
    seed: int | None = None

    @property
    def iterations(self) -> int:
        """Number of arrangements compared with the observed one."""
        return len(self.distribution)

    @property
    def failed(self) -> int:
        """Arrangements that could not be fitted; they count as extreme, so that the p-value is never too small."""
        return int(np.isnan(self.distribution).any(axis=1).sum())


@dataclass(frozen=True, repr=False)
class PermutationInterval(Shown):
    """Values of a coefficient that its permutation test does not reject at 1 - level.

    low, high : infinite where no value is rejected on that side, with the `reason`.
    """

    name: str
    estimate: float
    low: float
    high: float
    level: float
    exact: bool
    iterations: int
    unit: str
    reason: str = ""
    seed: int | None = None
