"""Events over person-time: two groups and one group. x events, t person-time."""

from __future__ import annotations

import numpy as np

from .cells import added
from .measure import Inputs, Options, Pair


def _two(inputs: Inputs, options: Options) -> tuple[np.ndarray, ...]:
    x1, x2 = inputs["count1"], inputs["count2"]
    if options.drop00:
        none = (x1 == 0) & (x2 == 0)
        x1, x2 = np.where(none, np.nan, x1), np.where(none, np.nan, x2)
    plus = added((x1 == 0) | (x2 == 0), options)
    return x1 + plus, inputs["time1"], x2 + plus, inputs["time2"]


def rate_ratio(inputs: Inputs, options: Options) -> Pair:
    x1, t1, x2, t2 = _two(inputs, options)
    return np.log(x1 / t1) - np.log(x2 / t2), 1 / x1 + 1 / x2


def rate_difference(inputs: Inputs, options: Options) -> Pair:
    x1, t1, x2, t2 = _two(inputs, options)
    return x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2


def root_rate_difference(inputs: Inputs, options: Options) -> Pair:
    x1, t1, x2, t2 = _two(inputs, options)
    return np.sqrt(x1 / t1) - np.sqrt(x2 / t2), 1 / (4 * t1) + 1 / (4 * t2)


def _one(inputs: Inputs, options: Options) -> tuple[np.ndarray, np.ndarray]:
    x = inputs["count"]
    return x + added(x == 0, options), inputs["time"]


def rate(inputs: Inputs, options: Options) -> Pair:
    x, t = _one(inputs, options)
    return x / t, x / t**2


def log_rate(inputs: Inputs, options: Options) -> Pair:
    x, t = _one(inputs, options)
    return np.log(x / t), 1 / x


def root_rate(inputs: Inputs, options: Options) -> Pair:
    x, t = _one(inputs, options)
    return np.sqrt(x / t), 1 / (4 * t)


def freeman_tukey_rate(inputs: Inputs, options: Options) -> Pair:
    x, t = _one(inputs, options)
    return (np.sqrt(x / t) + np.sqrt((x + 1) / t)) / 2, 1 / (4 * t)
