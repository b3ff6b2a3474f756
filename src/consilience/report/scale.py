"""Where a value of g lies on a drawn axis, in percent of its width."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..base.format import number


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


def make_scale(intervals: Iterable[tuple[float, float, float]], *, pad: float = 0.05) -> Scale:
    """An axis that shows zero, every point and nearly all intervals.

    intervals : (low, point, high). A few very wide intervals are cut, so that the rest stays readable: limits
    reach at most three times as far as the middle 80% of all limits.
    """
    rows = [row for row in intervals if not math.isnan(row[1])]
    points = [row[1] for row in rows]
    limits = sorted(x for row in rows for x in row if math.isfinite(x)) or [0.0]
    reach = 3 * max(abs(limits[len(limits) // 10]), abs(limits[-1 - len(limits) // 10]), 0.1)
    low = min(0.0, *points, max(limits[0], -reach))
    high = max(0.0, *points, min(limits[-1], reach))
    room = max(pad * (high - low), 0.01)
    low, high = low - room, high + room
    step = _step(high - low)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step), math.floor(high / step)
    values = [i * step for i in range(first, last + 1)]
    return Scale(
        low, high, tuple(Tick(round(100 * (v - low) / (high - low), 2), number(v, digits)) for v in values)
    )


def _step(width: float) -> float:
    """A round step that gives about five ticks."""
    rough = width / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def peak(bar: Bar) -> float:
    """Where the point of a diamond lies, in percent of its own width."""
    width = bar.high - bar.low
    return round(100 * (bar.point - bar.low) / width, 2) if width > 0 else 50.0
