"""Two-by-two tables from their margins and an association; effects from an estimate with its interval or test.

All arrays are (n,) and broadcast; rows that cannot be converted are NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.distributions import normal_isf
from .arrays import floats, only
from .convert_statistics import interval_to_se


def table_from_phi(
    phi: Any, n: Any, n_first: Any, events: Any, *, whole: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Phi coefficient and margins to the cells: a = {phi sqrt(n1 n2 m1 m2) + n1 m1}/N.

    Parameters
    ----------
    phi : (n,) correlation of group and event.
    n : everyone; n_first : size of group 1 (n1); events : people with the event in both groups (m1).
    whole : round to people.

    Returns
    -------
    (a, b, c, d) : events and non-events of group 1, of group 2; NaN where a cell would be negative.

    Source: algebra of phi = (N a - n1 m1)/sqrt(n1 n2 m1 m2).
    """
    phi, n, n1, m1 = floats(phi, n, n_first, events)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = (phi * np.sqrt(n1 * (n - n1) * m1 * (n - m1)) + n1 * m1) / n
        return _cells(only(np.abs(phi) <= 1, a), n, n1, m1, whole=whole)


def table_from_chi2(
    chi2: Any,
    n: Any,
    n_first: Any,
    events: Any,
    *,
    direction: Any = 1.0,
    yates: bool = True,
    whole: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Chi-squared (one degree of freedom) and margins to the cells.

    |ad - bc| = sqrt(chi2 n1 n2 m1 m2/N), plus N/2 if the statistic has Yates' correction.
    `direction` is +1 if group 1 has the larger risk, else -1.
    """
    chi2, n, n1, m1, direction = floats(chi2, n, n_first, events, direction)
    with np.errstate(invalid="ignore", divide="ignore"):
        product = n1 * (n - n1) * m1 * (n - m1)
        determinant = np.sqrt(chi2 * product / n) + (n / 2 if yates else 0.0)
        a = (direction * determinant + n1 * m1) / n
        return _cells(only((chi2 >= 0) & (np.abs(direction) == 1), a), n, n1, m1, whole=whole)


def table_from_odds_ratio(
    odds_ratio: Any, n: Any, n_first: Any, events: Any, *, whole: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Odds ratio and margins to the cells: the root of (OR - 1) a^2 - {(n1 + m1) OR + N - n1 - m1} a + OR n1 m1 = 0.

    Source: Di Pietrantonj (2006), Stat Med 25:2299.
    """
    ratio, n, n1, m1 = floats(odds_ratio, n, n_first, events)
    with np.errstate(invalid="ignore", divide="ignore"):
        b = (n1 + m1) * ratio + n - n1 - m1
        root = np.sqrt(np.maximum(b**2 - 4 * (ratio - 1) * ratio * n1 * m1, 0.0))
        # 2c/(b + root), not (b - root)/(2(OR - 1)): stable through OR = 1, where the equation is linear
        a = 2 * ratio * n1 * m1 / (b + root)
        return _cells(only(ratio > 0, a), n, n1, m1, whole=whole)


def _cells(
    a: np.ndarray, n: np.ndarray, n1: np.ndarray, m1: np.ndarray, *, whole: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    a = np.round(a) if whole else a
    b, c = n1 - a, m1 - a
    d = n - n1 - c
    slack = -1e-9 * n
    possible = (a >= slack) & (b >= slack) & (c >= slack) & (d >= slack)
    return only(possible, a), only(possible, b), only(possible, c), only(possible, d)


def wald_to_effect(
    estimate: Any,
    low: Any = np.nan,
    high: Any = np.nan,
    *,
    statistic: Any = np.nan,
    p: Any = np.nan,
    level: Any = 95.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate with interval, z or p to effect and variance; the first that is given is used, in this order.

    Parameters
    ----------
    estimate, low, high : (n,) on the scale where the interval is symmetric (logs of ratios). A missing estimate is
        the middle of its interval.
    statistic : (n,) z; the variance is (estimate/z)^2. p : (n,) two-sided p of that z.
    level : confidence level in percent.

    Returns
    -------
    (y, v) : (n,) each.

    Source: Cochrane Handbook (2024), sections 6.3.1 and 6.3.2.
    """
    y, low, high, z, p = floats(estimate, low, high, statistic, p)
    y = np.where(np.isnan(y), (low + high) / 2, y)
    from_p = np.asarray(normal_isf(only((p > 0) & (p < 1), p) / 2))
    z = np.where(np.isnan(z), from_p, z)
    with np.errstate(divide="ignore", invalid="ignore"):
        from_z = only(z != 0, (y / z) ** 2)
        v = np.where(np.isnan(low + high), from_z, interval_to_se(low, high, level=level) ** 2)
    return y, v
