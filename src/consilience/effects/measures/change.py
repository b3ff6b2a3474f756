"""The same people twice: mean changes, standardised or as ratios.

m1, m2 and s1, s2: means and SDs at the two times, r: their correlation; the change is m1 - m2 and its SD
sd = sqrt(s1^2 + s2^2 - 2 r s1 s2).
"""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_cdf
from ..arrays import only
from ..convert_statistics import change_sd
from ..small_sample import j_factor
from .correlations import unbiased_r
from .means import log_mean_ratio
from .measure import Inputs, Options, Pair
from .standardised import normal_density, signed_t


def _inputs(inputs: Inputs) -> tuple[np.ndarray, ...]:
    return tuple(inputs[name] for name in ("mean1", "mean2", "sd1", "sd2", "n", "r"))


def mean_change(inputs: Inputs, options: Options) -> Pair:
    m1, m2, s1, s2, n, r = _inputs(inputs)
    return m1 - m2, change_sd(s1, s2, r) ** 2 / n


def _variance(y: np.ndarray, d: np.ndarray, w: np.ndarray, n: np.ndarray, vtype: str) -> np.ndarray:
    """Variance of a standardised mean whose mean has variance w in SD units: J^2 d by n - 1 degrees of freedom."""
    m = n - 1
    j = j_factor(m)
    if vtype == "LS2":
        return np.asarray(j**2 * (w + d**2 / (2 * n)))
    if vtype == "UB":
        v = w + (1 - (m - 2) / (m * j**2)) * (d * j) ** 2
        return only((m > 2) & (v >= 0), v)
    if vtype == "H0":
        return only(m > 2, j**2 * m / (m - 2) * w)
    return np.asarray(w + y**2 / (2 * n))


def standardised_by_change(inputs: Inputs, options: Options) -> Pair:
    """The change over its own SD; d, t or a signed p can stand for the means."""
    m1, m2, s1, s2, n, r = _inputs(inputs)
    d = (m1 - m2) / change_sd(s1, s2, r)
    for other in (inputs["d"], inputs["t"] / np.sqrt(n), signed_t(inputs["p"], n - 1) / np.sqrt(n)):
        d = np.where(np.isnan(d), other, d)
    d = only(n > 1, d)
    y = d * j_factor(n - 1) if options.correct else d
    return y, _variance(y, d, 1 / n, n, options.vtype)


def standardised_by_first(inputs: Inputs, options: Options) -> Pair:
    """The change over the SD of the first time, equal SDs assumed for the variance (Becker 1988)."""
    n, r = inputs["n"], inputs["r"]
    d = only(n > 1, (inputs["mean1"] - inputs["mean2"]) / inputs["sd1"])
    y = d * j_factor(n - 1) if options.correct else d
    if options.vtype in ("UB", "H0"):
        r = unbiased_r(r, n)
    return y, _variance(y, d, 2 * (1 - r) / n, n, options.vtype)


def standardised_by_first_unequal(inputs: Inputs, options: Options) -> Pair:
    """The change over the SD of the first time; SDs may differ (Bonett 2008)."""
    m1, m2, s1, s2, n, r = _inputs(inputs)
    d = only(n > 1, (m1 - m2) / s1)
    y = d * j_factor(n - 1) if options.correct else d
    size = n if options.vtype == "LS2" else n - 1
    return y, only(n > 1, (change_sd(s1, s2, r) / s1) ** 2 / size + y**2 / (2 * size))


def _by_average(inputs: Inputs, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The change over the root of the mean variance; J with 2(n - 1)/(1 + r^2) degrees of freedom. And that SD^2."""
    m1, m2, s1, s2, n, r = _inputs(inputs)
    square = (s1**2 + s2**2) / 2
    d = only(n > 1, (m1 - m2) / np.sqrt(square))
    return (d * j_factor(2 * (n - 1) / (1 + r**2)) if options.correct else d), square


def standardised_by_average(inputs: Inputs, options: Options) -> Pair:
    n, r = inputs["n"], inputs["r"]
    y, _ = _by_average(inputs, options)
    return y, 2 * (1 - r) / n + y**2 * (1 + r**2) / (4 * n)


def _fourth_moment(s1: np.ndarray, s2: np.ndarray, r: np.ndarray) -> np.ndarray:
    """n/2 times the variance of s1^2 + s2^2: s1^4 + s2^4 + 2 r^2 s1^2 s2^2."""
    return np.asarray(s1**4 + s2**4 + 2 * r**2 * s1**2 * s2**2)


def standardised_by_average_unequal(inputs: Inputs, options: Options) -> Pair:
    _, _, s1, s2, n, r = _inputs(inputs)
    y, square = _by_average(inputs, options)
    size = n if options.vtype == "LS2" else n - 1
    of_mean = change_sd(s1, s2, r) ** 2 / square
    return y, only(n > 1, (of_mean + y**2 * _fourth_moment(s1, s2, r) / (8 * square**2)) / size)


def superiority(inputs: Inputs, options: Options) -> Pair:
    """P(X1 > X2) for a random value of each time, not paired: Phi{(m1 - m2)/sqrt(s1^2 + s2^2)}."""
    m1, m2, s1, s2, n, r = _inputs(inputs)
    square = s1**2 + s2**2
    z = (m1 - m2) / np.sqrt(square)
    of_mean = change_sd(s1, s2, r) ** 2 / square
    inner = of_mean + z**2 * _fourth_moment(s1, s2, r) / (2 * square**2)
    return np.asarray(normal_cdf(z)), only(n > 1, normal_density(z) ** 2 * inner / (n - 1))


def _log_ratio_terms(inputs: Inputs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared coefficients of variation over n and the covariance of the two log means."""
    m1, m2, s1, s2, n, r = _inputs(inputs)
    return (s1 / m1) ** 2 / n, (s2 / m2) ** 2 / n, r * (s1 / m1) * (s2 / m2) / n


def ratio_of_means(inputs: Inputs, options: Options) -> Pair:
    v1, v2, cross = _log_ratio_terms(inputs)
    y = log_mean_ratio(inputs["mean1"], inputs["mean2"])
    return y + ((v1 - v2) / 2 if options.correct else 0.0), np.maximum(v1 + v2 - 2 * cross, 0.0)


def variability_ratio(inputs: Inputs, options: Options) -> Pair:
    n, r = inputs["n"], inputs["r"]
    return np.log(inputs["sd1"]) - np.log(inputs["sd2"]), only(n > 1, (1 - r**2) / (n - 1))


def variation_ratio(inputs: Inputs, options: Options) -> Pair:
    v1, v2, cross = _log_ratio_terms(inputs)
    y, v = variability_ratio(inputs, options)
    y = y - log_mean_ratio(inputs["mean1"], inputs["mean2"])
    return y - ((v1 - v2) / 2 if options.correct else 0.0), v + np.maximum(v1 + v2 - 2 * cross, 0.0)
