"""One group, one event: x of n."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_ppf
from ..arrays import only
from .cells import added, pooled
from .measure import Inputs, Options, Pair


def _counts(inputs: Inputs, options: Options) -> tuple[np.ndarray, np.ndarray]:
    x, n = inputs["events"], inputs["n"]
    x = only(x <= n, x)
    plus = added((x == 0) | (x == n), options)
    return x + plus, n + 2 * plus


def _plug_in(x: np.ndarray, n: np.ndarray, options: Options) -> np.ndarray:
    """The proportion at which a variance is evaluated: the study's own or the average."""
    return pooled(x, n) if options.vtype == "AV" else x / n


def proportion(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    p = _plug_in(x, n, options)
    return x / n, p * (1 - p) / (n - 1 if options.vtype == "UB" else n)


def log_proportion(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    p = _plug_in(x, n, options)
    return np.log(x / n), (1 - p) / (p * n)


def logit(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    p = _plug_in(x, n, options)
    return np.log(x / (n - x)), 1 / (p * (1 - p) * n)


def probit(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    p = x / n
    z = np.asarray(normal_ppf(p))
    return z, 2 * np.pi * p * (1 - p) * np.exp(z**2) / n


def arcsine(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    return np.arcsin(np.sqrt(x / n)), 1 / (4 * n)


def freeman_tukey(inputs: Inputs, options: Options) -> Pair:
    x, n = _counts(inputs, options)
    below, above = np.arcsin(np.sqrt(x / (n + 1))), np.arcsin(np.sqrt((x + 1) / (n + 1)))
    return (below + above) / 2, 1 / (4 * n + 2)
