"""Where a value of g lies on a drawn axis, in percent of its width."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..base.format import number
from ..plots.scale import axis_range, tick_digits, ticks

AROUND_ZERO = 0.05  # so that an axis has a width even where every effect is zero


@dataclass(frozen=True)
class Tick:
    """A labelled place on the axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """An interval with its point, in percent of the axis; `cut_*` = it goes on beyond the drawn range."""

    low: float
    high: float
    point: float
    cut_low: bool = False
    cut_high: bool = False


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high` with `ticks`."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def at(self, value: float) -> float:
        """Percent of the axis, kept inside it."""
        share = 100 * (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, share)), 2)

    def bar(self, low: float, point: float, high: float) -> Bar:
        """An interval on this axis; an unknown limit is drawn at the point."""
        low = point if math.isnan(low) else low
        high = point if math.isnan(high) else high
        return Bar(self.at(low), self.at(high), self.at(point), low < self.low, high > self.high)


def make_scale(intervals: Iterable[tuple[float, float, float]]) -> Scale:
    """An axis for (low, point, high): around zero and all points, laid out as in the figures.

    Very long intervals are cut.
    """
    rows = list(intervals)
    lows, points, highs = zip(*rows, strict=True) if rows else ((), (), ())
    low, high = axis_range(points, lows, highs, always=(-AROUND_ZERO, AROUND_ZERO, *points))
    values = ticks(low, high, most=6)
    digits = tick_digits(values)
    return Scale(
        low, high, tuple(Tick(round(100 * (v - low) / (high - low), 2), number(v, digits)) for v in values)
    )


def peak(bar: Bar) -> float:
    """Where the point of a diamond lies, in percent of its own width."""
    width = bar.high - bar.low
    return round(100 * (bar.point - bar.low) / width, 2) if width > 0 else 50.0
