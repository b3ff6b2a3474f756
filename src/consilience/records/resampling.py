"""What resampling says of a fit: bootstrap, jackknife, cluster wild bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .display import Shown
from .note import Note

BootstrapInterval = Literal["percentile", "basic", "bca", "studentised"]
BOOTSTRAP_INTERVALS: tuple[BootstrapInterval, ...] = ("percentile", "basic", "bca", "studentised")


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Shown):
    """q quantities of a fit over R simulated or resampled data sets.

    names, estimate : of the quantities, (q,) at the fit itself.
    bias, se : (q,) mean of the draws minus the estimate, and their standard deviation.
    bias_error, se_error : (q,) half-widths of the 95% Monte-Carlo interval of both.
    low, high : interval name -> (q,) limits; NaN where a kind does not exist (the notes say why).
    low_error, high_error : the same, half-widths of the 95% Monte-Carlo interval of the limits; NaN where a limit lies too
    near the end of the draws.
    draws : (R, q); NaN in replicates that could not be fitted; failed : their number.
    kind : ``parametric`` or ``cluster``; unit : what was resampled.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    bias: np.ndarray
    se: np.ndarray
    bias_error: np.ndarray
    se_error: np.ndarray
    low: dict[BootstrapInterval, np.ndarray]
    high: dict[BootstrapInterval, np.ndarray]
    low_error: dict[BootstrapInterval, np.ndarray]
    high_error: dict[BootstrapInterval, np.ndarray]
    draws: np.ndarray
    failed: int
    kind: str
    unit: str
    level: float
    notes: tuple[Note, ...] = ()

    @property
    def replicates(self) -> int:
        return len(self.draws)


@dataclass(frozen=True, eq=False, repr=False)
class Jackknife(Shown):
    """q quantities of a fit with one of m clusters left out at a time.

    bias : (q,) (m - 1)(mean of the left-out values - estimate); corrected : estimate - bias.
    se : (q,) sqrt((m - 1) / m sum (left-out value - their mean)^2); low, high : corrected -/+ t(m - 1) se.
    left_out : (m, q) values without each cluster; pseudo : (m, q) m estimate - (m - 1) left-out value.
    labels : (m,) the clusters; failed : how many could not be left out (their rows are NaN and not counted in m).
    notes : the coefficients that cannot be estimated without one of them, which have no error.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    bias: np.ndarray
    corrected: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    left_out: np.ndarray
    pseudo: np.ndarray
    labels: tuple[str, ...]
    failed: int
    by: str
    level: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class WildBootstrap(Shown):
    """Cluster wild bootstrap test of q constraints.

    statistic : observed robust Wald statistic / q; p_value : share of replicates with at least as large a one, the
    observed one counted in; p_low, p_high : its 95% Monte-Carlo interval (Clopper-Pearson).
    exact : all sign patterns were enumerated, so that p has no Monte-Carlo error.
    imposed : residuals are those under the hypothesis. draws : (replicates,) statistics / q of the replicates.
    """

    name: str
    statistic: float
    df1: int
    p_value: float
    p_low: float
    p_high: float
    replicates: int
    exact: bool
    imposed: bool
    auxiliary: str
    correction: str
    clusters: int
    draws: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class WildInterval(Shown):
    """Values of a contrast that the cluster wild bootstrap test does not reject.

    low_error, high_error : half-widths of the 95% Monte-Carlo interval of the limits. A limit is infinite where no
    value is rejected: too few clusters for this level. values, p_values : (n,) the p-value as a function of the hypothesised value.
    """

    name: str
    estimate: float
    low: float
    high: float
    low_error: float
    high_error: float
    level: float
    replicates: int
    exact: bool
    auxiliary: str
    correction: str
    clusters: int
    values: np.ndarray
    p_values: np.ndarray
