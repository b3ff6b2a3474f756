"""Transformations that need sample sizes: Freeman-Tukey, (point-)biserial correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.distributions import normal_ppf
from .arrays import floats, only


def freeman_tukey(p: Any, n: Any) -> np.ndarray:
    """Double arcsine of a proportion: {asin sqrt(x/(n+1)) + asin sqrt((x+1)/(n+1))}/2, x = pn.

    Source: Freeman & Tukey (1950), Ann Math Stat 21:607.
    """
    p, n = floats(p, n)
    x = only((p >= 0) & (p <= 1) & (n > 0), p * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1)))) / 2)


def inverse_freeman_tukey(y: Any, n: Any) -> np.ndarray:
    """Double arcsine back to a proportion, exactly for the n that made it.

    p = [1 - sgn(cos 2y) sqrt{1 - (sin 2y + (sin 2y - 1/sin 2y)/n)^2}]/2; values beyond those of 0 and 1 give 0 and 1.
    For a pooled value no n is right: the harmonic mean is customary and can mislead.

    Source: Miller (1978), Am Stat 32:138; Schwarzer et al. (2019), Res Synth Methods 10:476.
    """
    y, n = floats(y, n)
    zero, one = freeman_tukey(np.zeros_like(n), n), freeman_tukey(np.ones_like(n), n)
    with np.errstate(invalid="ignore", divide="ignore"):
        sine = np.sin(2 * y)
        inner = sine + (sine - 1 / sine) / n
        p = (1 - np.sign(np.cos(2 * y)) * np.sqrt(np.maximum(1 - inner**2, 0.0))) / 2
    return only(~np.isnan(y + n), np.where(y <= zero, 0.0, np.where(y >= one, 1.0, p)))


def harmonic_mean(n: Any) -> float:
    """k / sum(1/n) over the known sizes."""
    n = np.asarray(n, dtype=float)
    known = n[np.isfinite(n) & (n > 0)]
    return float(len(known) / np.sum(1 / known)) if len(known) else float("nan")


def freeman_tukey_rate(rate: Any, time: Any) -> np.ndarray:
    """{sqrt(x/t) + sqrt((x + 1)/t)}/2 of a rate x/t."""
    rate, time = floats(rate, time)
    valid = (rate >= 0) & (time > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return only(valid, (np.sqrt(rate) + np.sqrt(rate + 1 / time)) / 2)


def _spread_ratio(n1: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """h = m/n1 + m/n2 with m = n1 + n2 - 2: d^2/r^2 - d^2."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return only((n1 > 0) & (n2 > 0) & (n1 + n2 > 2), (n1 + n2 - 2) * (1 / n1 + 1 / n2))


def d_to_point_biserial(d: Any, n1: Any, n2: Any) -> np.ndarray:
    """r = d/sqrt(d^2 + h), h = m/n1 + m/n2. Source: Jacobs & Viechtbauer (2017), eq. 9."""
    d, n1, n2 = floats(d, n1, n2)
    return np.asarray(d / np.sqrt(d**2 + _spread_ratio(n1, n2)))


def point_biserial_to_d(r: Any, n1: Any, n2: Any) -> np.ndarray:
    """d = r sqrt(h)/sqrt(1 - r^2): the inverse of `d_to_point_biserial`; NaN for |r| >= 1."""
    r, n1, n2 = floats(r, n1, n2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return only(np.abs(r) < 1, r * np.sqrt(_spread_ratio(n1, n2) / (1 - r**2)))


def point_biserial_to_biserial(r: Any, p: Any) -> np.ndarray:
    """r sqrt(p(1 - p))/f, f the normal density where the share p is cut. Source: Jacobs & Viechtbauer (2017)."""
    r, p = floats(r, p)
    z = np.asarray(normal_ppf(only((p > 0) & (p < 1), p)))
    return np.asarray(r * np.sqrt(p * (1 - p)) * np.sqrt(2 * np.pi) * np.exp(z**2 / 2))


def d_to_biserial(d: Any, n1: Any, n2: Any) -> np.ndarray:
    """d to the biserial correlation, through the point-biserial one."""
    n1, n2 = floats(n1, n2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = n1 / (n1 + n2)
    return point_biserial_to_biserial(d_to_point_biserial(d, n1, n2), share)
