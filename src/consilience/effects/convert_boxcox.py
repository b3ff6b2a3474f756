"""Medians, quartiles and ranges of skewed positive values to mean and SD by a Box-Cox transformation."""

from __future__ import annotations

import numpy as np

from .arrays import only
from .convert_summaries import FiveNumbers, summary_to_moments

POWERS = (
    -20.0,
    20.0,
)  # search range of the power; nearly symmetric values with a small spread need large ones
HALVINGS = 60
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
REACH = 8.0


def box_cox_moments(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray]:
    """Five numbers (or three) of skewed positive values to mean and SD.

    The power makes the summary symmetric about its median; Luo's mean and the SD of Wan and Shi are taken
    on that scale, and the normal with these moments is transformed back by integration over its possible
    part. (The paper draws random numbers there; the integral is its limit.)

    Parameters
    ----------
    five : positive numbers, raw scale.

    Returns
    -------
    (mean, sd) : (k,) each; NaN where a number is not positive or no power makes the summary symmetric.

    Source: McGrath et al. (2020), Stat Methods Med Res 29:2520, section 2.2.
    """
    positive = np.fmin(five.minimum, five.q1)
    usable = (five.design > 0) & (positive > 0)
    # the power does not depend on the unit, and powers of numbers near one are safe
    unit = np.where(usable, five.median, 1.0)
    scaled = five.map(lambda x: only(usable, x / unit))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        power = _symmetric_power(scaled)
        mean, sd = summary_to_moments(scaled.map(lambda x: _box_cox(x, power)))
        raw_mean, raw_sd = _back(mean, sd, power)
    return raw_mean * unit, raw_sd * unit


def _box_cox(x: np.ndarray, power: np.ndarray) -> np.ndarray:
    """(x^p - 1)/p, ln x at p = 0; x = 1 goes to 0."""
    logs = np.log(x)
    tiny = np.abs(power * logs) < 1e-12
    return np.asarray(np.where(tiny, logs, np.expm1(power * logs) / np.where(power == 0, 1.0, power)))


def _skew(five: FiveNumbers, power: np.ndarray) -> np.ndarray:
    """Sum of the two asymmetries about the median, each over its width; increasing in the power."""

    def of_pair(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        below, above = -_box_cox(low, power), _box_cox(high, power)  # the median is at 0
        return np.asarray((above - below) / (above + below))

    ends, inner = of_pair(five.minimum, five.maximum), of_pair(five.q1, five.q3)
    return np.asarray(np.where(np.isnan(ends), inner, np.where(np.isnan(inner), ends, ends + inner)))


def _symmetric_power(five: FiveNumbers) -> np.ndarray:
    """The power without asymmetry, by bisection; NaN if there is none in `POWERS`."""
    low, high = np.full(five.n.shape, POWERS[0]), np.full(five.n.shape, POWERS[1])
    bracketed = (_skew(five, low) <= 0) & (_skew(five, high) >= 0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        right = _skew(five, middle) < 0
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return only(bracketed, (low + high) / 2)


def _back(mean: np.ndarray, sd: np.ndarray, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moments of (1 + p Z)^(1/p), Z ~ N(mean, sd^2), over the Z for which it is positive."""
    # Z must lie on the side of zero of this bound
    bound = np.where(power == 0, np.inf, -1 / np.where(power == 0, 1.0, power))
    edge = np.clip((bound - mean) / sd, -REACH, REACH)
    first = np.where(power > 0, edge, -REACH)[..., None]
    last = np.where(power < 0, edge, REACH)[..., None]
    z = first + (last - first) * (NODES + 1) / 2
    mass = np.exp(-(z**2) / 2) * WEIGHTS
    mass /= mass.sum(axis=-1, keepdims=True)
    inner = power[..., None] * (mean[..., None] + sd[..., None] * z)
    small = np.abs(power[..., None]) < 1e-12
    logs = np.where(
        small, mean[..., None] + sd[..., None] * z, np.log1p(inner) / np.where(small, 1.0, power[..., None])
    )
    values = np.exp(logs)
    average = np.sum(values * mass, axis=-1)
    return average, np.sqrt(np.sum((values - average[..., None]) ** 2 * mass, axis=-1))
