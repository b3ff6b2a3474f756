"""Means and spreads of two groups in their own units or as ratios; of one group."""

from __future__ import annotations

import numpy as np

from ..arrays import log_positive, only
from ..small_sample import j_factor
from .cells import pooled
from .measure import Inputs, Options, Pair


def pooled_sd(sd1: np.ndarray, sd2: np.ndarray, n1: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """sqrt{[(n1 - 1) sd1^2 + (n2 - 1) sd2^2]/(n1 + n2 - 2)}; scaled, so that squares neither over- nor underflow."""
    top = np.maximum(sd1, sd2)
    unit = np.where(top > 0, top, 1.0)
    square = ((n1 - 1) * (sd1 / unit) ** 2 + (n2 - 1) * (sd2 / unit) ** 2) / (n1 + n2 - 2)
    return only((n1 >= 1) & (n2 >= 1) & (n1 + n2 > 2), unit * np.sqrt(np.maximum(square, 0.0)))


def log_mean_ratio(mean1: np.ndarray, mean2: np.ndarray) -> np.ndarray:
    """ln(mean1/mean2), also for two negative means; NaN where the signs differ or one is zero."""
    return log_positive(mean1 / mean2)


def mean_difference(inputs: Inputs, options: Options) -> Pair:
    sd1, sd2, n1, n2 = (inputs[name] for name in ("sd1", "sd2", "n1", "n2"))
    y = inputs["mean1"] - inputs["mean2"]
    if options.vtype == "HO":
        return y, pooled_sd(sd1, sd2, n1, n2) ** 2 * (1 / n1 + 1 / n2)
    return y, sd1**2 / n1 + sd2**2 / n2


def _squared_cv(sd: np.ndarray, mean: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.asarray((sd / mean) ** 2 / n)


def ratio_of_means(inputs: Inputs, options: Options) -> Pair:
    m1, m2, sd1, sd2, n1, n2 = (inputs[name] for name in ("mean1", "mean2", "sd1", "sd2", "n1", "n2"))
    v1, v2 = _squared_cv(sd1, m1, n1), _squared_cv(sd2, m2, n2)
    y = log_mean_ratio(m1, m2) + ((v1 - v2) / 2 if options.correct else 0.0)
    v = v1 + v2
    if options.vtype == "LS2":
        v = v + (v1**2 + v2**2) / 2
    elif options.vtype == "HO":
        sp = pooled_sd(sd1, sd2, n1, n2)
        v = _squared_cv(sp, m1, n1) + _squared_cv(sp, m2, n2)
    elif options.vtype == "AV":
        v = pooled(sd1 / m1 * n1, n1) ** 2 / n1 + pooled(sd2 / m2 * n2, n2) ** 2 / n2
    elif options.vtype == "AVHO":
        v = pooled(sd1 / m1 * n1 + sd2 / m2 * n2, n1 + n2) ** 2 * (1 / n1 + 1 / n2)
    return y, v


def _log_sd_bias(n: np.ndarray) -> np.ndarray:
    """Approximate variance of ln SD, 1/(2(n - 1)), which is also minus its bias; NaN for n <= 1."""
    return only(n > 1, 1 / (2 * (n - 1)))


def variability_ratio(inputs: Inputs, options: Options) -> Pair:
    sd1, sd2, n1, n2 = (inputs[name] for name in ("sd1", "sd2", "n1", "n2"))
    b1, b2 = _log_sd_bias(n1), _log_sd_bias(n2)
    return np.log(sd1) - np.log(sd2) + (b1 - b2 if options.correct else 0.0), b1 + b2


def variation_ratio(inputs: Inputs, options: Options) -> Pair:
    m1, m2, sd1, sd2, n1, n2 = (inputs[name] for name in ("mean1", "mean2", "sd1", "sd2", "n1", "n2"))
    b1, b2 = _log_sd_bias(n1), _log_sd_bias(n2)
    v1, v2 = _squared_cv(sd1, m1, n1), _squared_cv(sd2, m2, n2)
    y = np.log(sd1) - np.log(sd2) - log_mean_ratio(m1, m2)
    return y + (b1 - b2 - (v1 - v2) / 2 if options.correct else 0.0), b1 + b2 + v1 + v2


def mean(inputs: Inputs, options: Options) -> Pair:
    sd, n = inputs["sd"], inputs["n"]
    if options.vtype == "HO":
        return inputs["mean"], pooled((n - 1) * sd**2, n - 1) / n
    return inputs["mean"], sd**2 / n


def standardised_mean(inputs: Inputs, options: Options) -> Pair:
    n = inputs["n"]
    y = inputs["mean"] / inputs["sd"]
    y = y * j_factor(n - 1) if options.correct else only(n > 1, y)
    return y, 1 / n + y**2 / (2 * n)


def log_mean(inputs: Inputs, options: Options) -> Pair:
    return log_positive(inputs["mean"]), _squared_cv(inputs["sd"], inputs["mean"], inputs["n"])


def log_sd(inputs: Inputs, options: Options) -> Pair:
    bias = _log_sd_bias(inputs["n"])
    return np.log(inputs["sd"]) + (bias if options.correct else 0.0), bias


def log_variation(inputs: Inputs, options: Options) -> Pair:
    bias = _log_sd_bias(inputs["n"])
    # the mean's own bias is not corrected here, unlike in the ratio of two such coefficients
    y = np.log(inputs["sd"]) - log_positive(inputs["mean"]) + (bias if options.correct else 0.0)
    return y, bias + _squared_cv(inputs["sd"], inputs["mean"], inputs["n"])
