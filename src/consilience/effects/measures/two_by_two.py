"""Two groups, one event: ratios, odds ratios, differences and associations.

Throughout, a, b (c, d) are events and non-events of group 1 (2); p1 = a/n1, p2 = c/n2.
"""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_ppf
from ..arrays import only
from ..convert_statistics import LOGISTIC_SD
from .cells import pooled, table
from .measure import Inputs, Options, Pair

PROBIT_SD = 1.65  # Cox's constant: ln OR per unit of d for a normal outcome
EXAMPLE = {"events1": 12.0, "n1": 60.0, "events2": 24.0, "n2": 58.0}


def log_odds_ratio_of(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> Pair:
    """ln(ad/bc) and 1/a + 1/b + 1/c + 1/d of cells that are already corrected."""
    return np.log(a) + np.log(d) - np.log(b) - np.log(c), 1 / a + 1 / b + 1 / c + 1 / d


def risk_ratio(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2 = a + b, c + d
    y = np.log(a / n1) - np.log(c / n2)
    if options.vtype == "AV":
        p1, p2 = pooled(a, n1), pooled(c, n2)
        return y, (1 - p1) / (p1 * n1) + (1 - p2) / (p2 * n2)
    return y, b / (a * n1) + d / (c * n2)


def odds_ratio(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    y, v = log_odds_ratio_of(a, b, c, d)
    if options.vtype == "AV":
        n1, n2 = a + b, c + d
        p1, p2 = pooled(a, n1), pooled(c, n2)
        v = 1 / (p1 * (1 - p1) * n1) + 1 / (p2 * (1 - p2) * n2)
    return y, v


def risk_difference(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2 = a + b, c + d
    p1, p2 = a / n1, c / n2
    y = p1 - p2
    if options.vtype == "AV":
        p1, p2 = pooled(a, n1), pooled(c, n2)
    less = 1 if options.vtype == "UB" else 0
    return y, p1 * (1 - p1) / (n1 - less) + p2 * (1 - p2) / (n2 - less)


def arcsine_difference(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2 = a + b, c + d
    return np.arcsin(np.sqrt(a / n1)) - np.arcsin(np.sqrt(c / n2)), 1 / (4 * n1) + 1 / (4 * n2)


def peto(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2, total = a + b, c + d, a + b + c + d
    expected = n1 * (a + c) / total
    spread = n1 * n2 * (a + c) * (b + d) / (total**2 * (total - 1))
    return (a - expected) / spread, 1 / spread


def phi(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2, m1, m2, total = a + b, c + d, a + c, b + d, a + b + c + d
    y = (a * d - b * c) / np.sqrt(n1 * n2 * m1 * m2)
    if options.vtype == "ST":
        return y, _phi_stratified(a, b, c, d)
    p, q = n1 / total, n2 / total
    s, t = m1 / total, m2 / total
    cross = y * (1 + y**2 / 2) * (p - q) * (s - t) / np.sqrt(p * q * s * t)
    margins = 0.75 * y**2 * ((p - q) ** 2 / (p * q) + (s - t) ** 2 / (s * t))
    # a perfect association leaves nothing to vary: the approximation has no variance for it
    return y, only(np.abs(y) < 1, (1 - y**2 + cross - margins) / total)


def _phi_stratified(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Delta method with the group sizes fixed: phi = sqrt(pq)(p1 - p2)/sqrt(st) and p1, p2 vary."""
    n1, n2, total = a + b, c + d, a + b + c + d
    p, q, s = n1 / total, n2 / total, (a + c) / total
    st = s * (1 - s)
    p1, p2 = a / n1, c / n2
    bend = (p1 - p2) * (1 - 2 * s) / (2 * st)
    slope1, slope2 = 1 - bend * p, -1 - bend * q
    variance: np.ndarray = p * q / st * (slope1**2 * p1 * (1 - p1) / n1 + slope2**2 * p2 * (1 - p2) / n2)
    return variance


def fisher_z(pair: Pair) -> Pair:
    """Fisher's z of a correlation-like estimate: atanh(y), v/(1 - y^2)^2."""
    y, v = pair
    return np.arctanh(y), v / (1 - y**2) ** 2


def yule_q(inputs: Inputs, options: Options) -> Pair:
    log_or, v = log_odds_ratio_of(*table(inputs, options))
    q = np.tanh(log_or / 2)
    return q, (1 - q**2) ** 2 / 4 * v


def yule_y(inputs: Inputs, options: Options) -> Pair:
    log_or, v = log_odds_ratio_of(*table(inputs, options))
    y = np.tanh(log_or / 4)
    return y, (1 - y**2) ** 2 / 16 * v


def probit_difference(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = table(inputs, options)
    n1, n2 = a + b, c + d
    p1, p2 = a / n1, c / n2
    z1, z2 = np.asarray(normal_ppf(p1)), np.asarray(normal_ppf(p2))
    part1 = p1 * (1 - p1) * np.exp(z1**2) / n1
    return z1 - z2, 2 * np.pi * (part1 + p2 * (1 - p2) * np.exp(z2**2) / n2)


def odds_ratio_to_d(inputs: Inputs, options: Options) -> Pair:
    y, v = log_odds_ratio_of(*table(inputs, options))
    return y / LOGISTIC_SD, v / LOGISTIC_SD**2


def odds_ratio_to_d_normal(inputs: Inputs, options: Options) -> Pair:
    y, v = log_odds_ratio_of(*table(inputs, options))
    return y / PROBIT_SD, v / PROBIT_SD**2
