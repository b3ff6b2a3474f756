"""Standardised mean differences of two groups and what derives from them. m = n1 + n2 - 2, a = 1/n1 + 1/n2."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_cdf, normal_ppf, t_isf
from ..arrays import only
from ..convert_statistics import LOGISTIC_SD
from ..small_sample import j_factor
from .means import pooled_sd
from .measure import Inputs, Options, Pair
from .two_by_two import PROBIT_SD


def normal_density(z: np.ndarray) -> np.ndarray:
    """Standard normal density."""
    density: np.ndarray = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return density


def signed_t(p: np.ndarray, df: np.ndarray) -> np.ndarray:
    """t of a two-sided p value that carries the sign of the effect; NaN where p = 0 or df <= 0."""
    valid = (np.abs(p) > 0) & (df > 0)
    t = np.asarray(t_isf(np.where(valid, np.abs(p), 1.0) / 2, np.where(valid, df, 1.0)))
    return only(valid, np.sign(p) * t)


def cohen_d(inputs: Inputs) -> np.ndarray:
    """d with the pooled SD from means, or as given, or from t, p or the point-biserial r, in this order."""
    n1, n2 = inputs["n1"], inputs["n2"]
    df, half = n1 + n2 - 2, np.sqrt(1 / n1 + 1 / n2)
    r = inputs["r"]
    ways = (
        ("d", lambda: inputs["d"]),
        ("t", lambda: inputs["t"] * half),
        ("p", lambda: signed_t(inputs["p"], df) * half),
        ("r", lambda: r * half * np.sqrt(df / (1 - r**2))),
    )
    d = (inputs["mean1"] - inputs["mean2"]) / pooled_sd(inputs["sd1"], inputs["sd2"], n1, n2)
    for name, way in ways:
        if not np.isnan(inputs[name]).all():  # most tables print one of them only
            d = np.where(np.isnan(d), way(), d)
    return only((df > 0) & (n1 >= 1) & (n2 >= 1), d)


def smd(inputs: Inputs, options: Options) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    m, a = n1 + n2 - 2, 1 / n1 + 1 / n2
    d, j = cohen_d(inputs), j_factor(m)
    y = d * j if options.correct else d
    if options.vtype == "LS2":
        return y, j**2 * (a + d**2 / (2 * (n1 + n2)))
    if options.vtype == "UB":
        # unbiased; can be negative by chance in tiny groups, which is no variance
        v = a + (1 - (m - 2) / (m * j**2)) * (d * j) ** 2
        return y, only((m > 2) & (v >= 0), v)
    if options.vtype == "H0":
        return y, only(m > 2, j**2 * m / (m - 2) * a)
    return y, a + y**2 / (2 * (n1 + n2))


def smd_unequal(inputs: Inputs, options: Options) -> Pair:
    """The SD is the root of the mean variance: SDs may differ (Bonett 2009)."""
    sd1, sd2, n1, n2 = (inputs[name] for name in ("sd1", "sd2", "n1", "n2"))
    square = (sd1**2 + sd2**2) / 2
    d = (inputs["mean1"] - inputs["mean2"]) / np.sqrt(square)
    y = d * j_factor(n1 + n2 - 2) if options.correct else d
    f1, f2 = (n1, n2) if options.vtype == "LS2" else (n1 - 1, n2 - 1)
    fourth = (sd1**4 / f1 + sd2**4 / f2) / (8 * square**2)
    v = y**2 * fourth + (sd1**2 / f1 + sd2**2 / f2) / square
    return y, only((f1 > 0) & (f2 > 0), v)


def _glass(inputs: Inputs, options: Options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difference over the SD of group 2: estimate, uncorrected estimate, factor."""
    d = (inputs["mean1"] - inputs["mean2"]) / inputs["sd2"]
    j = j_factor(inputs["n2"] - 1)
    return (d * j if options.correct else only(inputs["n2"] > 1, d)), d, j


def smd_group2(inputs: Inputs, options: Options) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    y, d, j = _glass(inputs, options)
    a = 1 / n1 + 1 / n2
    if options.vtype == "LS2":
        return y, j**2 * (a + d**2 / (2 * n2))
    return y, a + y**2 / (2 * n2)


def smd_group2_unequal(inputs: Inputs, options: Options) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    y, _, _ = _glass(inputs, options)
    ratio = (inputs["sd1"] / inputs["sd2"]) ** 2
    v = ratio / (n1 - 1) + 1 / (n2 - 1) + y**2 / (2 * (n2 - 1))
    return y, only((n1 > 1) & (n2 > 1), v)


def d_to_odds_ratio(inputs: Inputs, options: Options) -> Pair:
    return _scaled(inputs, LOGISTIC_SD)


def d_to_odds_ratio_normal(inputs: Inputs, options: Options) -> Pair:
    return _scaled(inputs, PROBIT_SD)


def _scaled(inputs: Inputs, factor: float) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    d = cohen_d(inputs)
    return d * factor, (1 / n1 + 1 / n2 + d**2 / (2 * (n1 + n2))) * factor**2


def point_biserial(inputs: Inputs, options: Options) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    total, d = n1 + n2, cohen_d(inputs)
    h = (total - 2) / n1 + (total - 2) / n2
    y = d / np.sqrt(d**2 + h)
    if options.vtype == "CS":
        p = n1 / total
        return y, (1 - y**2) ** 2 * (1 - 1.5 * y**2 + y**2 / (4 * p * (1 - p))) / total
    return y, h**2 / (h + d**2) ** 3 * (1 / n1 + 1 / n2 + d**2 / (2 * total))


def biserial(inputs: Inputs, options: Options) -> Pair:
    n1, n2 = inputs["n1"], inputs["n2"]
    total = n1 + n2
    p, q = n1 / total, n2 / total
    z = np.asarray(normal_ppf(p))
    f = normal_density(z)
    r, _ = point_biserial(inputs, options)
    y = np.sqrt(p * q) / f * r
    inner = p * q * z**2 / f**2 + (1 - 2 * p) * z / f - 2.5
    return y, (y**4 + y**2 * inner + p * q / f**2) / (total - 1)


def superiority(inputs: Inputs, options: Options) -> Pair:
    """P(X1 > X2) for normal values: Phi{(m1 - m2)/sqrt(sd1^2 + sd2^2)}."""
    sd1, sd2, n1, n2 = (inputs[name] for name in ("sd1", "sd2", "n1", "n2"))
    if options.vtype == "HO":
        d = cohen_d({**inputs, **dict.fromkeys(("d", "t", "p", "r"), np.full(n1.shape, np.nan))})
        z = d / np.sqrt(2)
        slope = normal_density(z) ** 2
        return np.asarray(normal_cdf(z)), slope / 2 * (1 / n1 + 1 / n2 + d**2 / (2 * (n1 + n2)))
    square = sd1**2 + sd2**2
    z = (inputs["mean1"] - inputs["mean2"]) / np.sqrt(square)
    f1, f2 = (n1, n2) if options.vtype == "LS2" else (n1 - 1, n2 - 1)
    of_mean = (sd1**2 / f1 + sd2**2 / f2) / square
    of_sd = z**2 * (sd1**4 / f1 + sd2**4 / f2) / (2 * square**2)
    return np.asarray(normal_cdf(z)), only((f1 > 0) & (f2 > 0), normal_density(z) ** 2 * (of_mean + of_sd))


def superiority_given(inputs: Inputs, options: Options) -> Pair:
    """Probability of superiority as printed, with the variance of a Mann-Whitney statistic."""
    p, n1, n2 = inputs["probability"], inputs["n1"], inputs["n2"]
    if options.vtype == "H0":
        return p, (n1 + n2 + 1) / (12 * n1 * n2)
    if options.vtype == "MAX":
        smaller = np.minimum(n1, n2)
        return p, only(smaller > 1, p * (1 - p) / (smaller - 1))
    first, second = p / (2 - p), 2 * p**2 / (1 + p)
    if options.vtype == "LS2":
        top = p * (1 - p) + (n1 - 1) * (first - p**2) + (n2 - 1) * (second - p**2)
    else:
        m = (n1 + n2) / 2 - 1
        top = p * (1 - p) * (1 + m * (1 - p) / (2 - p) + m * p / (1 + p))
    return p, only((n1 > 1) & (n2 > 1), np.maximum(top, 0.0) / ((n1 - 1) * (n2 - 1)))
