"""Roots of a continuous function inside a bracket: no derivative, always inside, to the last digit.

Source: Chandrupatla (1997), Advances in Engineering Software 28:145-149: bisection, with inverse quadratic
interpolation where that is safe.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .errors import InputError

EPSILON = float(np.finfo(float).eps)
_Point = tuple[float, float]  # x, f(x)
_Points = tuple[np.ndarray, np.ndarray]
MOST_STEPS = 2_200  # bisection alone needs about 2,100 halvings to cross the whole range of a double


def find_root(
    f: Callable[[float], float], low: float, high: float, *, rtol: float = 4 * EPSILON, atol: float = 0.0
) -> float:
    """A zero of `f` in [low, high], where `f` has opposite signs (or a zero) at the ends.

    Raises InputError ``root-not-bracketed`` if both ends have the same sign.
    """
    x1, x2 = float(low), float(high)
    f1, f2 = float(f(x1)), float(f(x2))
    if f1 == 0.0:
        return x1
    if f2 == 0.0:
        return x2
    if not (f1 < 0 < f2 or f2 < 0 < f1):
        raise InputError(
            f"The function has values {f1:g} and {f2:g} at {low:g} and {high:g}, so no zero is bracketed.",
            code="root-not-bracketed",
        )
    t, x3, f3 = 0.5, x1, f1
    for _ in range(MOST_STEPS):
        x = x1 + t * (x2 - x1)
        value = float(f(x))
        if (value > 0) == (f1 > 0):
            x3, f3 = x1, f1
        else:
            x3, f3, x2, f2 = x2, f2, x1, f1
        x1, f1 = x, value
        best, least = (x1, f1) if abs(f1) < abs(f2) else (x2, f2)
        width = abs(x2 - x1)
        tolerance = rtol * abs(best) + atol
        if least == 0.0 or width <= 2 * tolerance or best + 0.5 * (x1 + x2 - 2 * best) == best:
            return best
        t = _step((x1, f1), (x2, f2), (x3, f3))
        t = min(max(t, tolerance / width), 1 - tolerance / width)
    return best


def _step(first: _Point, second: _Point, third: _Point) -> float:
    """Fraction of the way from x1 to x2: inverse quadratic if Chandrupatla's condition holds, else half."""
    (x1, f1), (x2, f2), (x3, f3) = first, second, third
    if x3 == x2 or f3 in (f1, f2):
        return 0.5
    xi = (x1 - x2) / (x3 - x2)
    phi = (f1 - f2) / (f3 - f2)
    if not (phi * phi < xi and (1 - phi) * (1 - phi) < 1 - xi):
        return 0.5
    alpha = (x3 - x1) / (x2 - x1)
    return (f1 / (f1 - f2)) * (f3 / (f3 - f2)) - alpha * (f1 / (f3 - f1)) * (f2 / (f2 - f3))


def find_roots(
    f: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    *,
    rtol: float = 4 * EPSILON,
    atol: float = 0.0,
) -> np.ndarray:
    """`find_root` for n functions at once: `f` maps (n,) points to (n,) values.

    An element whose ends have the same sign gives NaN.
    """
    x1, x2 = np.array(low, float), np.array(high, float)
    f1, f2 = np.asarray(f(x1), float), np.asarray(f(x2), float)
    best = np.where(f1 == 0, x1, np.where(f2 == 0, x2, np.nan))
    active = np.isnan(best) & (np.sign(f1) * np.sign(f2) < 0)
    t = np.full(x1.shape, 0.5)
    for _ in range(MOST_STEPS):
        if not active.any():
            break
        x = np.where(active, x1 + t * (x2 - x1), x1)
        value = np.asarray(f(x), float)
        same = (value > 0) == (f1 > 0)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, value
        nearer = np.abs(f1) < np.abs(f2)
        point, least = np.where(nearer, x1, x2), np.where(nearer, f1, f2)
        best = np.where(active, point, best)
        width = np.abs(x2 - x1)
        tolerance = rtol * np.abs(point) + atol
        half = point + 0.5 * (x1 + x2 - 2 * point)
        active = active & (least != 0) & (width > 2 * tolerance) & (half != point)
        with np.errstate(all="ignore"):
            edge = np.where(active, tolerance / width, 0.0)
            t = np.clip(_steps((x1, f1), (x2, f2), (x3, f3)), edge, 1 - edge)
    return best


def _steps(first: _Points, second: _Points, third: _Points) -> np.ndarray:
    """`_step` elementwise; half a step wherever the interpolation is not finite."""
    (x1, f1), (x2, f2), (x3, f3) = first, second, third
    xi = (x1 - x2) / (x3 - x2)
    phi = (f1 - f2) / (f3 - f2)
    safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    alpha = (x3 - x1) / (x2 - x1)
    t = (f1 / (f1 - f2)) * (f3 / (f3 - f2)) - alpha * (f1 / (f3 - f1)) * (f2 / (f2 - f3))
    half: np.ndarray = np.where(safe & np.isfinite(t), t, 0.5)
    return half
