"""How the estimate of each two-group measure leans on its two groups: the pieces of every sampling covariance.

By the delta method an effect is y = sum over its groups g of level_g L_g + spread_g D_g, where L_g is the standardised error of the
group's mean (risk, rate) and D_g that of its log SD, both with variance 1 and independent. So
Var(y) = sum of level_g^2 + spread_g^2, and two effects that lean on the same people have
Cov = sum over shared groups of level level' R + spread spread' R^2, with R the correlation of the two variables in those people.

Sources: Gleser & Olkin (2009), Handbook of Research Synthesis, ch. 19 (MD, SMD, RR, OR, RD: shared control, several outcomes);
Wei & Higgins (2013), Stat Med 32:1191 (several outcomes, OR, RR, RD, SMD); Lajeunesse (2011), Ecology 92:2049 (ROM); Nakagawa et al.
(2015), Methods Ecol Evol 6:143 (VR, CVR: variances); Bonett (2009), Psychol Methods 14:225 (SMDH, SMD1H: variances).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .measures.cells import table
from .measures.measure import Inputs, Options

HALF = Options(
    "LS"
)  # zeros get the usual half; another correction changes the variances, which are kept as they are


@dataclass(frozen=True, eq=False)
class Loads:
    """(2, k) arrays, group 1 first.

    level, spread : signed loads on the error of the group's mean (risk, rate) and on that of its log SD.
    people : group sizes, or person-time. risk : proportions with the event, None unless the measure compares risks.
    """

    level: np.ndarray
    spread: np.ndarray
    people: np.ndarray
    risk: np.ndarray | None = None

    @property
    def variance(self) -> np.ndarray:
        """(k,) large-sample variance that the loads imply."""
        total: np.ndarray = np.sum(self.level**2 + self.spread**2, axis=0)
        return total


def _two(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(first, dtype=float), np.asarray(second, dtype=float)])


def _sizes(x: Inputs) -> np.ndarray:
    return _two(x["n1"], x["n2"])


def mean_difference(x: Inputs, y: np.ndarray) -> Loads:
    """Levels SD/sqrt(n). Source: Gleser & Olkin (2009)."""
    n = _sizes(x)
    return Loads(_two(x["sd1"], -x["sd2"]) / np.sqrt(n), np.zeros_like(n), n)


def ratio_of_means(x: Inputs, y: np.ndarray) -> Loads:
    """Levels SD/(mean sqrt(n)). Source: Lajeunesse (2011)."""
    n = _sizes(x)
    level = _two(x["sd1"] / x["mean1"], -x["sd2"] / x["mean2"]) / np.sqrt(n)
    return Loads(level, np.zeros_like(n), n)


def standardised(x: Inputs, y: np.ndarray) -> Loads:
    """Levels 1/sqrt(n); spreads y (n/N)/sqrt(2n): the SD is pooled. Source: Gleser & Olkin (2009)."""
    n = _sizes(x)
    return Loads(_two(1 / np.sqrt(n[0]), -1 / np.sqrt(n[1])), y * np.sqrt(n / 2) / n.sum(axis=0), n)


def standardised_unequal(x: Inputs, y: np.ndarray) -> Loads:
    """The SD is the root of the mean variance: spreads y SD_g^2/(2 S^2)/sqrt(2(n - 1))."""
    n, sd = _sizes(x), _two(x["sd1"], x["sd2"])
    square = np.mean(sd**2, axis=0)
    level = sd / np.sqrt(square * (n - 1)) * np.array([[1.0], [-1.0]])
    return Loads(level, y * sd**2 / (2 * square) / np.sqrt(2 * (n - 1)), n)


def by_second_sd(x: Inputs, y: np.ndarray) -> Loads:
    """Glass's delta: the SD is that of group 2 alone. Source: Gleser & Olkin (2009)."""
    n = _sizes(x)
    spread = _two(np.zeros_like(n[0]), y / np.sqrt(2 * n[1]))
    return Loads(_two(1 / np.sqrt(n[0]), -1 / np.sqrt(n[1])), spread, n)


def by_second_sd_unequal(x: Inputs, y: np.ndarray) -> Loads:
    """The same where the SDs differ."""
    n = _sizes(x)
    level = _two(x["sd1"] / x["sd2"], -np.ones_like(n[1])) / np.sqrt(n - 1)
    return Loads(level, _two(np.zeros_like(n[0]), y / np.sqrt(2 * (n[1] - 1))), n)


def variability_ratio(x: Inputs, y: np.ndarray) -> Loads:
    """Spreads 1/sqrt(2(n - 1)), no levels."""
    n = _sizes(x)
    return Loads(np.zeros_like(n), np.array([[1.0], [-1.0]]) / np.sqrt(2 * (n - 1)), n)


def variation_ratio(x: Inputs, y: np.ndarray) -> Loads:
    """The spreads of the variability ratio and the levels of the ratio of means, turned round."""
    means, spreads = ratio_of_means(x, y), variability_ratio(x, y)
    return Loads(-means.level, spreads.spread, means.people)


def _risks(x: Inputs) -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = table(x, HALF)
    n = _two(a + b, c + d)
    return _two(a, c) / n, n


def _of_risks(x: Inputs, slope: Callable[[np.ndarray], np.ndarray]) -> Loads:
    """Levels slope(p) sqrt(p(1 - p)/n) with slope the derivative of the measure's scale. Source: Wei & Higgins (2013)."""
    p, n = _risks(x)
    level = slope(p) * np.sqrt(p * (1 - p) / n) * np.array([[1.0], [-1.0]])
    return Loads(level, np.zeros_like(n), n, p)


def risk_ratio(x: Inputs, y: np.ndarray) -> Loads:
    return _of_risks(x, lambda p: 1 / p)


def odds_ratio(x: Inputs, y: np.ndarray) -> Loads:
    return _of_risks(x, lambda p: 1 / (p * (1 - p)))


def risk_difference(x: Inputs, y: np.ndarray) -> Loads:
    return _of_risks(x, np.ones_like)


def arcsine_difference(x: Inputs, y: np.ndarray) -> Loads:
    return _of_risks(x, lambda p: 1 / (2 * np.sqrt(p * (1 - p))))


def _of_rates(x: Inputs, slope: Callable[[np.ndarray], np.ndarray]) -> Loads:
    """Levels slope(rate) sqrt(count)/time with slope the derivative of the measure's scale; half an event where there is none.

    Source: delta method for Poisson counts; shared groups as in Gleser & Olkin (2009).
    """
    count, time = _two(x["count1"], x["count2"]), _two(x["time1"], x["time2"])
    count = count + np.where((count == 0).any(axis=0), 0.5, 0.0)
    level = slope(count / time) * np.sqrt(count) / time * np.array([[1.0], [-1.0]])
    return Loads(level, np.zeros_like(count), time)


def rate_ratio(x: Inputs, y: np.ndarray) -> Loads:
    return _of_rates(x, lambda rate: 1 / rate)


def rate_difference(x: Inputs, y: np.ndarray) -> Loads:
    return _of_rates(x, np.ones_like)


def root_rate_difference(x: Inputs, y: np.ndarray) -> Loads:
    return _of_rates(x, lambda rate: 1 / (2 * np.sqrt(rate)))


# Measure -> its loads. A constant factor (OR2D) does not matter: the loads serve as correlations.
LOADS: Mapping[str, Callable[[Inputs, np.ndarray], Loads]] = {
    "MD": mean_difference,
    "SMD": standardised,
    "SMDH": standardised_unequal,
    "SMD1": by_second_sd,
    "SMD1H": by_second_sd_unequal,
    "ROM": ratio_of_means,
    "VR": variability_ratio,
    "CVR": variation_ratio,
    "RR": risk_ratio,
    "OR": odds_ratio,
    "RD": risk_difference,
    "AS": arcsine_difference,
    "OR2D": odds_ratio,
    "OR2DL": odds_ratio,
    "OR2DN": odds_ratio,
    "IRR": rate_ratio,
    "IRD": rate_difference,
    "IRSD": root_rate_difference,
}


def risk_limits(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest possible correlation of two events with risks (m,) `first` and (m,) `second`: two (m, m) arrays.

    From max(0, p + q - 1) <= P(both) <= min(p, q). Source: Frechet's bounds.
    """
    p, q = first[:, None], second[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(p * (1 - p) * q * (1 - q))
        low = (np.maximum(0.0, p + q - 1) - p * q) / scale
        high = (np.minimum(p, q) - p * q) / scale
    known = scale > 0
    return np.where(known, low, -1.0), np.where(known, high, 1.0)
