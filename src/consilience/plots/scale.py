"""From values to points: the range of an axis, its ticks and the mapping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Scale:
    """Linear map of [low, high] to [start, end] points; start > end for an axis that points up."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Position of a value, held inside the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def finite(values: Iterable[float]) -> list[float]:
    return [float(v) for v in values if math.isfinite(v)]


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that needs at most `most` steps."""
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, *, most: int = 7) -> tuple[float, ...]:
    """Round values inside [low, high], at most `most` + 1 of them."""
    step = nice_step(high - low, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(0.0 if i == 0 else i * step for i in range(first, last + 1))


def tick_digits(values: Sequence[float]) -> int:
    """Decimals that tell neighbouring ticks apart."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    for digits in range(6):
        if abs(round(step, digits) - step) < 1e-9 * max(1.0, abs(step)):
            return digits
    return 6


def typical_range(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Smallest and largest value that are not far outliers (4 interquartile ranges beyond the quartiles)."""
    q1, q3 = np.quantile(values, (0.25, 0.75))
    reach = 4 * max(q3 - q1, 0.25 * max(abs(q1), abs(q3)), 1e-12)
    kept = np.asarray(values, dtype=float)
    kept = kept[(q1 - reach <= kept) & (kept <= q3 + reach)]
    return float(kept.min()), float(kept.max())


def axis_range(
    estimates: Iterable[float],
    lows: Iterable[float],
    highs: Iterable[float],
    *,
    always: Sequence[float] = (0.0,),
) -> tuple[float, float]:
    """Range that shows all typical estimates and the `always` values; very long intervals are cut (drawn as arrows).

    An interval may widen the axis by at most 60% of what the estimates span on either side.
    """
    middle = finite(estimates)
    low, high = typical_range(middle) if middle else (0.0, 0.0)
    fixed = finite(always)
    low, high = min([low, *fixed]), max([high, *fixed])
    span = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    wide_low = max(min([low, *finite(lows)]), low - 0.6 * span)
    wide_high = min(max([high, *finite(highs)]), high + 0.6 * span)
    pad = 0.04 * max(wide_high - wide_low, span)
    return wide_low - pad, wide_high + pad
