"""Transformations of effect sizes as data: function and slope, so that variances follow by the delta method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.distributions import normal_cdf, normal_ppf
from ..base.options import choose
from .convert_statistics import LOGISTIC_SD

Array = np.ndarray
COX = 1.65  # ln OR per unit of d when the outcome is normal


@dataclass(frozen=True)
class Transform:
    """One function of an effect size. meaning : what goes in and comes out; slope : its derivative."""

    name: str
    meaning: str
    function: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    source: str = ""


def transform(y: Any, name: str) -> np.ndarray:
    """(n,) effect sizes on another scale; `TRANSFORMS` lists the names. Limits of intervals go the same way."""
    chosen = TRANSFORMS[choose(name, TRANSFORMS, what="transformation")]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(chosen.function(np.asarray(y, dtype=float)))


def delta_method(y: Any, v: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Effects and their variances on another scale: f(y), f'(y)^2 v.

    Source: Agresti (2002), Categorical Data Analysis, section 14.1.
    """
    chosen = TRANSFORMS[choose(name, TRANSFORMS, what="transformation")]
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(chosen.function(y)), np.asarray(chosen.slope(y) ** 2 * v)


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _probability(z: Array) -> Array:
    return np.asarray(normal_cdf(z))


def _quantile(p: Array) -> Array:
    return np.asarray(normal_ppf(p))


def _expit(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _cohen_u1(d: Array) -> Array:
    u2 = _probability(np.abs(d) / 2)
    return np.asarray((2 * u2 - 1) / u2)


def _tetrachoric_pearson(log_or: Array) -> Array:
    return np.cos(np.pi / (1 + np.exp(log_or / 2)))


def _tetrachoric_slope(log_or: Array) -> Array:
    root = np.exp(log_or / 2)
    return np.asarray(np.sin(np.pi / (1 + root)) * np.pi * root / (2 * (1 + root) ** 2))


_SINE_END = np.pi / 2
_ALL = (
    Transform("exp", "log ratio to ratio", np.exp, np.exp),
    Transform("log", "ratio to log ratio", np.log, lambda x: 1 / x),
    Transform(
        "percent", "log ratio to percent change", lambda x: 100 * np.expm1(x), lambda x: 100 * np.exp(x)
    ),
    Transform("fisher-z", "correlation to Fisher's z", np.arctanh, lambda r: 1 / (1 - r**2)),
    Transform("tanh", "Fisher's z to correlation", np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    Transform(
        "root-fisher-z",
        "R squared to Fisher's z of R",
        lambda x: np.arctanh(np.sqrt(x)),
        lambda x: 1 / (2 * np.sqrt(x) * (1 - x)),
    ),
    Transform(
        "squared-tanh",
        "Fisher's z of R to R squared",
        lambda z: np.tanh(z) ** 2,
        lambda z: 2 * np.tanh(z) / np.cosh(z) ** 2,
    ),
    Transform("logit", "proportion to log odds", lambda p: np.log(p / (1 - p)), lambda p: 1 / (p * (1 - p))),
    Transform("expit", "log odds to proportion", _expit, lambda x: _expit(x) * _expit(-x)),
    Transform("probit", "proportion to normal quantile", _quantile, lambda p: 1 / _density(_quantile(p))),
    Transform("normal-probability", "normal quantile to proportion", _probability, _density),
    Transform(
        "arcsine",
        "proportion to arcsine of its root",
        lambda p: np.arcsin(np.sqrt(p)),
        lambda p: 1 / (2 * np.sqrt(p * (1 - p))),
    ),
    Transform(
        "squared-sine",
        "arcsine to proportion; angles outside 0 to pi/2 give 0 or 1",
        lambda x: np.sin(np.clip(x, 0.0, _SINE_END)) ** 2,
        lambda x: np.where((x >= 0) & (x <= _SINE_END), np.sin(2 * x), 0.0),
    ),
    Transform(
        "square",
        "root of a rate to the rate",
        lambda x: np.maximum(x, 0.0) ** 2,
        lambda x: 2 * np.maximum(x, 0.0),
    ),
    Transform(
        "cube-root",
        "Cronbach's alpha to 1 - (1 - alpha)^(1/3)",
        lambda a: 1 - np.cbrt(1 - a),
        lambda a: 1 / (3 * np.cbrt(1 - a) ** 2),
        "Hakstian & Whalen (1976)",
    ),
    Transform(
        "inverse-cube", "back to Cronbach's alpha", lambda x: 1 - (1 - x) ** 3, lambda x: 3 * (1 - x) ** 2
    ),
    Transform(
        "log-complement",
        "Cronbach's alpha to -ln(1 - alpha)",
        lambda a: -np.log1p(-a),
        lambda a: 1 / (1 - a),
        "Bonett (2002)",
    ),
    Transform("complement-exp", "back to Cronbach's alpha", lambda x: -np.expm1(-x), lambda x: np.exp(-x)),
    Transform(
        "cohen-u1",
        "d to the share of both groups that does not overlap",
        _cohen_u1,
        lambda d: np.sign(d) * _density(d / 2) / (2 * _probability(np.abs(d) / 2) ** 2),
        "Cohen (1988), table 2.2.1",
    ),
    Transform(
        "cohen-u2",
        "d to the share of group 1 that exceeds the same share of group 2",
        lambda d: _probability(d / 2),
        lambda d: _density(d / 2) / 2,
        "Cohen (1988), table 2.2.1",
    ),
    Transform(
        "cohen-u3",
        "d to the share of group 1 above the mean of group 2",
        _probability,
        _density,
        "Cohen (1988)",
    ),
    Transform(
        "overlap",
        "d to the overlapping share of two normals",
        lambda d: 2 * _probability(-np.abs(d) / 2),
        lambda d: -np.sign(d) * _density(d / 2),
        "Reiser & Faraggi (1999)",
    ),
    Transform(
        "superiority",
        "d to the probability of superiority",
        lambda d: _probability(d / np.sqrt(2)),
        lambda d: _density(d / np.sqrt(2)) / np.sqrt(2),
        "McGraw & Wong (1992)",
    ),
    Transform(
        "superiority-to-d",
        "probability of superiority to d",
        lambda p: np.sqrt(2) * _quantile(p),
        lambda p: np.sqrt(2) / _density(_quantile(p)),
        "McGraw & Wong (1992)",
    ),
    Transform(
        "cliff-delta",
        "d to Cliff's delta",
        lambda d: 2 * _probability(d / np.sqrt(2)) - 1,
        lambda d: np.sqrt(2) * _density(d / np.sqrt(2)),
        "Cliff (1993)",
    ),
    Transform(
        "success-rate",
        "d to the success rate of group 1 in the binomial effect size display (groups of equal size)",
        lambda d: (1 + d / np.sqrt(d**2 + 4)) / 2,
        lambda d: 2 / (d**2 + 4) ** 1.5,
        "Rosenthal & Rubin (1982)",
    ),
    Transform(
        "log-or-to-d",
        "ln OR to d, logistic",
        lambda x: x / LOGISTIC_SD,
        lambda x: np.full_like(x, 1 / LOGISTIC_SD),
        "Chinn (2000)",
    ),
    Transform(
        "d-to-log-or",
        "d to ln OR, logistic",
        lambda d: d * LOGISTIC_SD,
        lambda d: np.full_like(d, LOGISTIC_SD),
        "Chinn (2000)",
    ),
    Transform(
        "log-or-to-d-normal",
        "ln OR to d, normal",
        lambda x: x / COX,
        lambda x: np.full_like(x, 1 / COX),
        "Cox & Snell (1989)",
    ),
    Transform(
        "d-to-log-or-normal",
        "d to ln OR, normal",
        lambda d: d * COX,
        lambda d: np.full_like(d, COX),
        "Cox & Snell (1989)",
    ),
    Transform(
        "log-or-to-tetrachoric-pearson",
        "ln OR to an approximate tetrachoric correlation, cos{pi/(1 + sqrt OR)}",
        _tetrachoric_pearson,
        _tetrachoric_slope,
        "Pearson (1900)",
    ),
    Transform(
        "log-or-to-tetrachoric-digby",
        "ln OR to an approximate tetrachoric correlation, (OR^.75 - 1)/(OR^.75 + 1)",
        lambda x: np.tanh(0.375 * x),
        lambda x: 0.375 / np.cosh(0.375 * x) ** 2,
        "Digby (1983), Biometrics 39:753",
    ),
)
TRANSFORMS: dict[str, Transform] = {one.name: one for one in _ALL}
