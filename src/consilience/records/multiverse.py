"""The same review analysed in every defensible way: the specifications, what they give, what moves the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.format import equals, p_value
from .display import Shown
from .note import Note

SAME = 1e-9  # difference of two estimates, relative to the largest, that is rounding
VERDICTS = ("same", "weaker", "stronger", "reversed", "unavailable")


@dataclass(frozen=True)
class Dimension:
    """One choice of the analysis and its alternatives; the first is that of the primary analysis.

    name : key in the protocol and in files; keys, labels : the alternatives as the protocol and as readers name them.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class AlternativeSummary:
    """What the specifications with one alternative of one dimension give.

    n : specifications with an estimate; mean, median, low, high : of their estimates (NaN if there is none).
    supporting : share whose interval lies on the conclusion's side of zero.
    """

    dimension: str
    key: str
    label: str
    n: int
    mean: float
    median: float
    low: float
    high: float
    supporting: float


@dataclass(frozen=True)
class Contribution:
    """How much one dimension moves the estimate.

    share : of the variance of the estimates between specifications (eta squared of its main effect).
    total : the same with all interactions that it takes part in: what is left of the variance when everything else is held.
    spread : largest minus smallest adjusted mean of its alternatives.
    """

    dimension: str
    title: str
    share: float
    total: float
    spread: float


@dataclass(frozen=True)
class Movement:
    """The variance of the estimates divided between the dimensions, largest first.

    interactions : share that only combinations of choices explain. overlap : share that the main effects explain together
        but none of them alone, because combinations are missing; 0 when the cross product is complete.
    variance : of the estimates; method : ``balanced`` or ``type III``.
    """

    contributions: tuple[Contribution, ...]
    interactions: float
    overlap: float
    variance: float
    method: Literal["balanced", "type III"]


@dataclass(frozen=True)
class Support:
    """Shares of the n specifications with an estimate, for the side of zero on which the primary estimate lies.

    side : +1 or -1. same_sign : estimate on that side; supporting : its interval too; opposite : interval on the other side;
    relevant : estimate on that side and at least `relevance` from zero.
    """

    n: int
    side: int
    same_sign: float
    supporting: float
    opposite: float
    relevant: float
    relevance: float


@dataclass(frozen=True, eq=False)
class JointTest:
    """One number of a specification curve against its values under random signs.

    observed; p_value, with its 95% Monte-Carlo interval p_low, p_high (p itself where all patterns were taken);
    null : (N,) values without any effect.
    """

    observed: float
    p_value: float
    p_low: float
    p_high: float
    null: np.ndarray


@dataclass(frozen=True, eq=False)
class JointTestResult:
    """Would n specifications look like this if no trial had an effect? Signs of whole trials flipped at random.

    median : of the estimates; share : of the intervals on that side of zero with more of them. trials : that were flipped;
    patterns : of signs compared; exact : all there are.
    """

    median: JointTest
    share: JointTest
    n: int
    trials: int
    patterns: int
    exact: bool
    level: float

    @property
    def chances(self) -> tuple[str, str]:
        """How likely the median and the share are by chance, as ``p = .034``."""
        median, share = (f"p {equals(p_value(one.p_value))}" for one in (self.median, self.share))
        return median, share

    @property
    def compared(self) -> str:
        """The patterns of signs: ``all`` or ``999 random``."""
        return "all" if self.exact else f"{self.patterns:,} random"


@dataclass(frozen=True, eq=False, repr=False)
class MultiverseResult(Shown):
    """n specifications of a review's pooled average and their estimates (g, positive = benefit).

    Parameters
    ----------
    dimensions : d choices that were varied.
    choice : (n, d) index of the alternative that each specification takes; row `primary` is all zeros.
    estimate, se, ci_low, ci_high, p_value, df : (n,) NaN where there is none.
    k, studies : (n,) effects and trials analysed.
    fit : (n,) number of the fitted model; specifications that analyse the same numbers in the same way share it; -1 = none.
    verdict : (n,) one of `VERDICTS`, against the primary analysis; reason : (n,) why there is no estimate, "" if there is one.
    possible : size of the full cross product; n is smaller where a random sample was drawn.
    support, alternatives, movement : the summaries. joint : what random signs of whole trials give; None = not tested.
    """

    dimensions: tuple[Dimension, ...]
    choice: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    p_value: np.ndarray
    df: np.ndarray
    k: np.ndarray
    studies: np.ndarray
    fit: np.ndarray
    verdict: np.ndarray
    reason: np.ndarray
    primary: int
    possible: int
    level: float
    support: Support
    alternatives: tuple[AlternativeSummary, ...]
    movement: Movement
    notes: tuple[Note, ...] = ()
    joint: JointTestResult | None = None

    def __len__(self) -> int:
        return len(self.estimate)

    @property
    def available(self) -> np.ndarray:
        """(n,) True where there is an estimate with an interval."""
        return np.asarray(self.verdict != "unavailable")

    @property
    def sampled(self) -> bool:
        """Were only some of the possible combinations analysed?"""
        return len(self) < self.possible

    @property
    def n_fits(self) -> int:
        """Distinct fitted models."""
        return int(np.max(self.fit, initial=-1)) + 1

    @property
    def median(self) -> float:
        """Of the available estimates."""
        return float(np.median(self.estimate[self.available]))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest available estimate."""
        found = self.estimate[self.available]
        return float(found.min()), float(found.max())

    @property
    def rank(self) -> int:
        """Place of the primary estimate among the available ones, 1 = smallest; equals share a place."""
        below = self.estimate[self.primary] - self.estimate[self.available]
        return 1 + int(np.sum(below > SAME * np.max(np.abs(self.estimate[self.available]))))

    def key(self, row: int) -> tuple[str, ...]:
        """The alternatives of one specification, one per dimension."""
        return tuple(d.keys[i] for d, i in zip(self.dimensions, self.choice[row], strict=True))
