"""Regression coefficients and correlations to d, and ratios to one another.

All arrays are (n,) and broadcast; rows that cannot be converted are NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import floats, only


def coefficient_to_d(b: Any, sd_outcome: Any, n1: Any, n2: Any) -> np.ndarray:
    """Unstandardised coefficient of a 0/1 group variable to d, given the SD of the outcome over both
    groups.

    The pooled SD takes the group difference out of the total: s^2 = {(N - 1) sd_y^2 - b^2 n1 n2/N}/(N - 2).

    Parameters
    ----------
    b : (n,) coefficient, group 1 minus group 2, in the outcome's units; adjusted coefficients give an
        adjusted d.
    sd_outcome : (n,) SD of the outcome in everyone. n1, n2 : group sizes.

    Returns
    -------
    (n,) d without small-sample factor; NaN where the difference explains more than the whole variance.

    Source: Lipsey & Wilson (2001), Practical Meta-Analysis, table B10, eq. 8.
    """
    b, sd, n1, n2 = floats(b, sd_outcome, n1, n2)
    total = n1 + n2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        square = ((total - 1) * sd**2 - b**2 * n1 * n2 / total) / (total - 2)
        return only((n1 > 0) & (n2 > 0) & (total > 2) & (square > 0) & (sd >= 0), b / np.sqrt(square))


def beta_to_d(beta: Any, n1: Any, n2: Any) -> np.ndarray:
    """Standardised coefficient of a 0/1 group variable to d.

    b/sd_y = beta/sd_x with sd_x^2 = n1 n2/{N(N - 1)}, then as `coefficient_to_d`.

    Source: Lipsey & Wilson (2001), table B10, eq. 9.
    """
    beta, n1, n2 = floats(beta, n1, n2)
    total = n1 + n2
    with np.errstate(divide="ignore", invalid="ignore"):
        sd_group = np.sqrt(n1 * n2 / (total * (total - 1)))
        return coefficient_to_d(beta / sd_group, 1.0, n1, n2)


def beta_to_r(beta: Any) -> np.ndarray:
    """Standardised coefficient to a correlation, r = beta + .05 (beta >= 0): a rough imputation for |beta|
    <= .5.

    It ignores the other predictors; use it in a sensitivity analysis only. NaN for |beta| > .5.

    Source: Peterson & Brown (2005), J Appl Psychol 90:175; criticised by Roth et al. (2018).
    """
    (beta,) = floats(beta)
    return only(np.abs(beta) <= 0.5, beta + 0.05 * (beta >= 0))


def r_to_d(r: Any, variance: Any = np.nan) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of two continuous variables to d, as if one were cut into equal groups: 2r/sqrt(1 - r^2).

    Returns
    -------
    (d, v) : v = 4 v_r/(1 - r^2)^3; NaN for |r| >= 1.

    Source: Borenstein et al. (2009), Introduction to Meta-Analysis, eqs. 7.5, 7.6.
    """
    r, variance = floats(r, variance)
    rest = only(np.abs(r) < 1, 1 - r**2)
    return 2 * r / np.sqrt(rest), 4 * variance / rest**3


def d_to_r(d: Any, n1: Any, n2: Any, variance: Any = np.nan) -> tuple[np.ndarray, np.ndarray]:
    """d to a correlation: r = d/sqrt(d^2 + a), a = N^2/(n1 n2); v = a^2 v_d/(d^2 + a)^3.

    Source: Borenstein et al. (2009), eqs. 7.7 to 7.9.
    """
    d, n1, n2, variance = floats(d, n1, n2, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = only((n1 > 0) & (n2 > 0), (n1 + n2) ** 2 / (n1 * n2))
        return d / np.sqrt(d**2 + a), a**2 * variance / (d**2 + a) ** 3


def risk_ratio_to_odds_ratio(risk_ratio: Any, baseline: Any) -> np.ndarray:
    """RR at a baseline risk to OR: RR (1 - p0)/(1 - RR p0); NaN where the risk would reach 1.

    Source: Cochrane Handbook (2024), section 15.4.4; algebra of the two definitions.
    """
    ratio, p0 = floats(risk_ratio, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        possible = (ratio > 0) & (p0 > 0) & (ratio * p0 < 1) & (p0 < 1)
        return only(possible, ratio * (1 - p0) / (1 - ratio * p0))


def hazard_ratio_to_risk_ratio(hazard_ratio: Any, baseline: Any) -> np.ndarray:
    """HR to RR over a period with baseline risk p0, under proportional hazards: {1 - (1 - p0)^HR}/p0.

    Source: algebra of S1 = S0^HR; VanderWeele (2017), Eur J Epidemiol 32:1041, for common outcomes.
    """
    ratio, p0 = floats(hazard_ratio, baseline)
    possible = (ratio > 0) & (p0 > 0) & (p0 < 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return only(possible, -np.expm1(ratio * np.log1p(-np.where(possible, p0, 0.5))) / p0)
