"""Histograms of what resampling gave, one below another, each in a plane of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .layout import Item, Label, Shape, rectangle
from .measure import shorten
from .plane import LEFT, Plane, axes
from .scale import Scale

WIDTH, HEIGHT, STEP = 330.0, 110.0, 182.0
BINS = 60
FAR = 0.001  # share of the draws at either end that may be drawn at the edge


@dataclass(frozen=True, eq=False)
class Histogram:
    """values (n,), all finite; dark (n,) : drawn darker; always : values that the axis must hold; base : its left end, if fixed."""

    values: np.ndarray
    dark: np.ndarray
    always: tuple[float, ...]
    title: str
    axis: str
    count: str
    base: float | None = None


def histogram(drawn: Histogram, top: float, *, left: float = LEFT) -> tuple[list[Item], Plane]:
    """Bars, axes and the heading of one histogram; `top` is that of its plane."""
    values, always = drawn.values, [v for v in drawn.always if np.isfinite(v)]
    ends = np.quantile(values, (FAR, 1 - FAR)).tolist() if len(values) else []
    low, high = min([*ends, *always], default=0.0), max([*ends, *always], default=1.0)
    pad = 0.04 * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    start = low - pad if drawn.base is None else drawn.base
    edges = np.linspace(start, high + pad, BINS + 1)
    held = np.clip(values, edges[0], edges[-1])
    counts, dark = (np.histogram(held[part], edges)[0] for part in (slice(None), drawn.dark))
    plane = Plane(
        Scale(float(edges[0]), float(edges[-1]), left, left + WIDTH),
        Scale(0.0, float(max(counts.max(), 1)) * 1.05, top + HEIGHT, top),
    )
    items: list[Item] = []
    for i in np.flatnonzero(counts):
        for n, base, tone in ((counts[i], dark[i], "soft"), (dark[i], 0, "mark")):
            if n > base:
                sides = plane.x.at(edges[i]), plane.x.at(edges[i + 1])
                box = rectangle(sides[0], plane.y.at(float(n)), sides[1], plane.y.at(float(base)))
                items.append(Shape(box, tone))
    items += axes(plane, x_title=drawn.axis, y_title=drawn.count, y_values=(0.0,), rise=8.0)
    items.append(Label(left, top - 22, shorten(drawn.title, WIDTH, 8.5, bold=True), bold=True))
    return items, plane
