"""The fitted selection function with pointwise limits, for figures and tables."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_isf
from ...records.selection import SelectionCurve
from .setup import Setup

POINTS = 201


def curve_of(setup: Setup, theta: np.ndarray, covariance: np.ndarray) -> SelectionCurve:
    """w at p in (0, 1), relative to its largest value for smooth families (to the first interval for steps), with limits
    exp(log w -/+ z se(log w)) of the logarithm relative to the same point."""
    if setup.asked.kind.startswith("truncated"):
        return _truncated(setup, theta, covariance)
    x = _points(setup)
    two = setup.asked.alternative == "two-sided"
    z = np.asarray(normal_isf(x / 2 if two else x))
    precise = setup.asked.precision != ""
    places = np.asarray(setup.family.locate(z))[:, None, None]
    weight = setup.family.log_weight(places, theta[None])
    worst = int(np.argmax(setup.effects.v)) if precise else 0
    value = weight.value[:, 0, worst if weight.value.shape[2] > 1 else 0]
    first = [_column(part, worst, len(x)) for part in weight.first]
    base = 0 if setup.asked.kind == "step" else int(np.argmax(value))
    value = value - value[base]
    slope = np.array([f - f[base] for f in first]).T if first else np.zeros((len(x), 0))
    low, high = _limits(value, slope, covariance, setup.level)
    return SelectionCurve(x, np.exp(value), low, high)


def _column(part: np.ndarray, study: int, n: int) -> np.ndarray:
    full = np.broadcast_to(part, (n, *part.shape[1:]))
    return np.asarray(full[:, 0, study if full.shape[2] > 1 else 0])


def _points(setup: Setup) -> np.ndarray:
    """Even p, and for steps both sides of every cut."""
    steps = np.array([s for s in setup.asked.steps if 0 < s < 1])
    points = [*(steps * (1 - 1e-9)).tolist(), *np.minimum(steps * (1 + 1e-9), 1 - 1e-9).tolist()]
    if setup.asked.kind == "step":
        points += [1e-6, 1 - 1e-6]
    else:
        points += [*np.linspace(0, 1, POINTS)[1:-1].tolist(), *(10.0 ** np.linspace(-6, -2.5, 12)).tolist()]
    return np.array(sorted(set(points)))


def _limits(
    value: np.ndarray, slope: np.ndarray, covariance: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    if not np.isfinite(covariance).all() or not slope.shape[1]:
        missing = np.full(len(value), np.nan)
        return missing, missing
    se = np.sqrt(np.maximum(np.einsum("na,ab,nb->n", slope, covariance, slope), 0.0))
    half = float(normal_isf((1 - level) / 2)) * se
    with np.errstate(over="ignore"):
        return np.exp(value - half), np.exp(value + half)


def _truncated(setup: Setup, theta: np.ndarray, covariance: np.ndarray) -> SelectionCurve:
    cut, y = setup.asked.steps[0], setup.effects.y
    ends = np.array([min(y.min(), cut), max(y.max(), cut)])
    delta = float(setup.family.to_delta(theta)[0][1])
    x = np.array([ends[0], cut, cut, ends[1]])
    short = np.array([True, True, False, False]) if setup.sign > 0 else np.array([False, False, True, True])
    low, high = _limits(
        np.where(short, np.log(delta), 0.0),
        short[:, None].astype(float)[:, : setup.family.q],
        covariance,
        setup.level,
    )
    return SelectionCurve(x, np.where(short, delta, 1.0), low, high, "effect")
