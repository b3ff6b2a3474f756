"""Medians, quartiles and ranges of skewed (lognormal) values to mean and SD, and a test of skewness."""

from __future__ import annotations

import numpy as np

from .arrays import log_positive, only
from .convert_summaries import FiveNumbers, summary_to_moments

# Shi et al. (2020b): per design (range, quartiles, all five) the factors of the bias corrections of the
# mean, E exp(mu + s2/2) = exp(..)(1 + FIRST s2/n + SECOND s4/n); the second moments follow from the
# same expansion.
FIRST = (0.565, 0.57, 0.405)
SECOND = (0.37, 0.75, 0.315)


def summary_to_log_moments(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray]:
    """Five numbers (or three) of lognormal values to mean and SD of the logarithm.

    Luo's means and nearly unbiased variances of the logged order statistics.

    Returns
    -------
    (log mean, log SD) : (k,) each, natural logs; NaN where a number is not positive.

    Source: Shi, Tong, Wang & Genton (2020), Statistics and Its Interface 13:519, section 3.
    """
    mean, variance, _ = _log_estimates(five)
    with np.errstate(invalid="ignore"):
        return mean, np.sqrt(variance)


def summary_to_raw_moments(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray]:
    """Five numbers (or three) of lognormal values to the raw mean and SD, corrected for bias.

    mean = exp(m + s2/2)/(1 + c1 s2/n + c2 s4/n), with m, s2, s4 the estimates of the log mean, its
    variance and the square of its variance; the SD is the root of the corrected second moment minus
    squared mean.

    Returns
    -------
    (mean, sd) : (k,) each, raw scale; NaN where a number is not positive.

    Source: Shi, Tong, Wang & Genton (2020), Statistics and Its Interface 13:519, section 3.
    """
    mean, variance, fourth = _log_estimates(five)
    first, second = (_of_design(five, values) / five.n for values in (FIRST, SECOND))
    with np.errstate(over="ignore", invalid="ignore"):
        mean_factor = 1 + first * variance + second * fourth
        upper = np.exp(2 * mean + 2 * variance) / (1 + 4 * first * variance + 16 * second * fourth)
        lower = np.exp(2 * mean + variance) / (1 + 4 * first * variance + 4 * second * fourth)
        # sampling error can put the corrected moments in the wrong order; there is then no SD
        sd = np.sqrt(only(upper >= lower, upper - lower))
        return np.exp(mean + variance / 2) / mean_factor, sd


def skewness_statistic(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray]:
    """Test of normality from the summary alone: statistic and its 5% critical value.

    S1: |a + b - 2m| / (b - a); S2: |q1 + q3 - 2m| / (q3 - q1); S3: the larger of 2.65 ln(.6n)/sqrt(n)
    times the first and the second. A statistic above the critical value says that the values are skewed:
    use the lognormal conversion instead of the normal one.

    Returns
    -------
    (statistic, critical) : (k,) each.

    Source: Shi et al. (2023), Stat Methods Med Res 32:1338.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        n = five.n
        ends = np.abs(five.minimum + five.maximum - 2 * five.median) / (five.maximum - five.minimum)
        inner = np.abs(five.q1 + five.q3 - 2 * five.median) / (five.q3 - five.q1)
        both = np.maximum(2.65 * np.log(0.6 * n) / np.sqrt(n) * ends, inner)
        critical = _of_formulas(
            five,
            1.01 / np.log(n + 9) + 2.43 / (n + 1),
            2.66 / np.sqrt(n) - 5.92 / n**2,
            2.97 / np.sqrt(n) - 39.1 / n**3,
        )
        return _of_formulas(five, ends, inner, both), critical


def _of_design(five: FiveNumbers, values: tuple[float, float, float]) -> np.ndarray:
    table = np.array([np.nan, *values])
    return np.asarray(table[five.design], dtype=float)


def _of_formulas(five: FiveNumbers, s1: np.ndarray, s2: np.ndarray, s3: np.ndarray) -> np.ndarray:
    design = five.design
    return np.select([design == 1, design == 2, design == 3], [s1, s2, s3], default=np.nan)


def _log_estimates(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and squared variance of the logarithm, each nearly unbiased."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logged = five.map(log_positive)
        mean, sd = summary_to_moments(logged)
        log_n2 = np.log(five.n) ** 2
        of_variance = _of_formulas(five, 1.01 + 0.25 / log_n2, 1 + 1.58 / five.n, 1 + 0.28 / log_n2)
        of_fourth = _of_formulas(five, 1 + 2.23 / log_n2, 1 + 19.2 / five.n**1.2, 1 + 3.93 / five.n)
        return mean, sd**2 / of_variance, sd**4 / of_fourth
