"""Printed test statistics and intervals to standardised mean differences and standard errors.

All functions take arrays that broadcast and return arrays; a row that cannot be converted is NaN, never an
exception, so that the caller can say why for that row. `direction` is +1 (first group higher) or -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.distributions import t_isf
from .arrays import floats, log_positive, only

LOGISTIC_SD = np.pi / np.sqrt(3.0)  # SD of the standard logistic distribution: ln OR per unit of d


def t_to_d(t: Any, n1: Any, n2: Any) -> np.ndarray:
    """Two-sample t to Cohen's d: d = t sqrt(1/n1 + 1/n2). No small-sample factor is applied.

    Parameters
    ----------
    t : (n,) t statistic, positive = first group higher.
    n1, n2 : (n,) group sizes.

    Returns
    -------
    (n,) d in units of the pooled SD; NaN where a size is not positive.

    Source: Rosenthal (1994), eq. 16-21 with unequal n; Borenstein & Hedges (2019), eq. 11.27.
    """
    t, n1, n2 = floats(t, n1, n2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return only((n1 > 0) & (n2 > 0), t * np.sqrt(1 / n1 + 1 / n2))


def d_to_t(d: Any, n1: Any, n2: Any) -> np.ndarray:
    """Cohen's d to the two-sample t: the inverse of `t_to_d`."""
    d, n1, n2 = floats(d, n1, n2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return only((n1 > 0) & (n2 > 0), d / np.sqrt(1 / n1 + 1 / n2))


def f_to_d(f: Any, n1: Any, n2: Any, *, direction: Any) -> np.ndarray:
    """F with one numerator degree of freedom to d: t = direction sqrt(F), then `t_to_d`.

    F has no sign: `direction` (+1 or -1) must come from the paper. NaN where F < 0 or direction is not +-1.

    Source: Thalheimer & Cook (2002), p. 4; Borenstein & Hedges (2019), table 11.1.
    """
    f, direction = floats(f, direction)
    with np.errstate(invalid="ignore"):
        t = only((f >= 0) & (np.abs(direction) == 1), direction * np.sqrt(f))
    return t_to_d(t, n1, n2)


def p_to_t(p: Any, df: Any, *, direction: Any) -> np.ndarray:
    """Exact two-sided p value to t: t = direction * t_{df}^{-1}(1 - p/2), from the upper tail.

    Parameters
    ----------
    p : (n,) two-sided p value, 0 < p <= 1 ("p < .05" is not exact and must not be passed).
    df : (n,) degrees of freedom; inf gives z.
    direction : +1 or -1, which group is higher.

    Returns
    -------
    (n,) t; NaN outside these ranges. p = 1e-300 is still right.

    Source: Rosenthal (1994), p. 239.
    """
    p, df, direction = floats(p, df, direction)
    valid = (p > 0) & (p <= 1) & (df > 0) & (np.abs(direction) == 1)
    t = np.asarray(t_isf(np.where(valid, p, 0.5) / 2, np.where(valid, df, 1.0)))
    return only(valid, direction * t)


def p_to_d(p: Any, n1: Any, n2: Any, *, direction: Any) -> np.ndarray:
    """Exact two-sided p of a two-sample t test to d, through t with n1 + n2 - 2 degrees of freedom."""
    n1, n2 = floats(n1, n2)
    return t_to_d(p_to_t(p, n1 + n2 - 2, direction=direction), n1, n2)


def chi2_to_d(chi2: Any, n1: Any, n2: Any, *, direction: Any) -> np.ndarray:
    """Chi-squared with one degree of freedom to d.

    phi = direction sqrt(chi2/N); d = phi / sqrt(1 - phi^2) * N / sqrt(n1 n2), which is
    2 sqrt(chi2/(N - chi2)) for equal groups. With only N known pass n1 = n2 = N/2.

    Returns
    -------
    (n,) d; NaN where chi2 < 0, chi2 >= N, a size is not positive, or direction is not +-1.

    Source: Rosenthal (1994), eqs. 16-19 and 16-25.
    """
    chi2, n1, n2, direction = floats(chi2, n1, n2, direction)
    total = n1 + n2
    valid = (chi2 >= 0) & (chi2 < total) & (n1 > 0) & (n2 > 0) & (np.abs(direction) == 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return only(valid, direction * np.sqrt(chi2 / (total - chi2)) * total / np.sqrt(n1 * n2))


def log_or_to_d(log_or: Any, variance: Any = np.nan) -> tuple[np.ndarray, np.ndarray]:
    """ln OR to d under a logistic outcome: d = ln OR sqrt(3)/pi, v = v_lnOR * 3/pi^2.

    Source: Hasselblad & Hedges (1995), eq. 8; Chinn (2000).
    """
    log_or, variance = floats(log_or, variance)
    return log_or / LOGISTIC_SD, variance / LOGISTIC_SD**2


def d_to_log_or(d: Any, variance: Any = np.nan) -> tuple[np.ndarray, np.ndarray]:
    """d to ln OR: the inverse of `log_or_to_d`."""
    d, variance = floats(d, variance)
    return d * LOGISTIC_SD, variance * LOGISTIC_SD**2


def critical_value(level: Any = 95.0, df: Any = np.inf) -> np.ndarray:
    """Two-sided critical value of t (z at df = inf) for a confidence level in percent."""
    level, df = floats(level, df)
    valid = (level > 0) & (level < 100) & (df > 0)
    tail = np.where(valid, (100.0 - level) / 200.0, 0.5)
    return only(valid, t_isf(tail, np.where(valid, df, 1.0)))


def interval_to_se(low: Any, high: Any, *, level: Any = 95.0, df: Any = np.inf) -> np.ndarray:
    """Confidence interval to standard error: (high - low) / (2 critical value).

    Parameters
    ----------
    low, high : (n,) limits, on the scale on which the interval is symmetric (for OR, RR, HR: their logs).
    level : confidence level in percent.
    df : degrees of freedom if the interval was made with t (n - 1 for a mean, n1 + n2 - 2 for a difference).

    Returns
    -------
    (n,) standard errors; NaN where high < low.

    Source: Cochrane Handbook (2024), sections 6.5.2.2 and 6.5.2.3.
    """
    low, high = floats(low, high)
    return only(high >= low, (high - low) / (2 * critical_value(level, df)))


def ratio_interval_to_log(
    ratio: Any, low: Any, high: Any, *, level: Any = 95.0
) -> tuple[np.ndarray, np.ndarray]:
    """Ratio (OR, RR, HR, IRR) with its interval to the log ratio and its standard error.

    A missing ratio is replaced by the geometric mean of the limits, which is where it must be if the interval
    is symmetric on the log scale.

    Returns
    -------
    (log ratio, SE) : (n,) each; NaN where a number that is needed is missing or not positive.

    Source: Cochrane Handbook (2024), section 6.3.2.
    """
    ratio, low, high = floats(ratio, low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [log_positive(x) for x in (ratio, low, high)]
    log_ratio = np.where(np.isnan(ratio), (logs[1] + logs[2]) / 2, logs[0])
    return log_ratio, interval_to_se(logs[1], logs[2], level=level)


def se_to_sd(se: Any, n: Any) -> np.ndarray:
    """Standard error of a mean to the SD: se sqrt(n); NaN where n <= 0 or se < 0."""
    se, n = floats(se, n)
    with np.errstate(invalid="ignore"):
        return only((n > 0) & (se >= 0), se * np.sqrt(n))


def difference_se_to_sd(se: Any, n1: Any, n2: Any) -> np.ndarray:
    """SE of a difference of two means to the common SD: se / sqrt(1/n1 + 1/n2).

    Source: Cochrane Handbook (2024), section 6.5.2.3.
    """
    se, n1, n2 = floats(se, n1, n2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return only((n1 > 0) & (n2 > 0) & (se >= 0), se / np.sqrt(1 / n1 + 1 / n2))


def correlation_from_change(sd_before: Any, sd_after: Any, sd_change: Any) -> np.ndarray:
    """Pre-post correlation from three SDs: r = (Sb^2 + Sa^2 - Sd^2) / (2 Sb Sa).

    Values outside [-1, 1] are returned as they are: they show that the three SDs cannot be right.

    Source: Cochrane Handbook (2024), section 6.5.2.8.
    """
    before, after, change = floats(sd_before, sd_after, sd_change)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return only((before > 0) & (after > 0), (before**2 + after**2 - change**2) / (2 * before * after))


def change_sd(sd_before: Any, sd_after: Any, r: Any) -> np.ndarray:
    """SD of the change: sqrt(Sb^2 + Sa^2 - 2 r Sb Sa); the inverse of `correlation_from_change`."""
    before, after, r = floats(sd_before, sd_after, r)
    with np.errstate(invalid="ignore", over="ignore"):
        square = (before - after) ** 2 + 2 * (1 - r) * before * after
        return only((before >= 0) & (after >= 0) & (np.abs(r) <= 1), np.sqrt(square))
