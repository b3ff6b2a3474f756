"""A plotting area with two axes, for points in the plane: funnel, time course, histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .axis import SMALL, horizontal_axis, vertical_axis
from .layout import Circle, Item, Label, Line, Point, Shape, marker
from .measure import text_width, wrap_text
from .scale import Scale

MARGIN = 14.0
LEFT = 48.0


@dataclass(frozen=True)
class Plane:
    """x and y scales; the area is x.start..x.end by y.end (top) .. y.start (bottom)."""

    x: Scale
    y: Scale

    @property
    def top(self) -> float:
        return min(self.y.start, self.y.end)

    @property
    def bottom(self) -> float:
        return max(self.y.start, self.y.end)


def axes(
    plane: Plane,
    *,
    x_title: str,
    y_title: str,
    x_ticks: tuple[Sequence[float], Sequence[str]] | None = None,
    y_values: Sequence[float] | None = None,
    rise: float = 9.0,
) -> list[Item]:
    """Both axes with titles: the x title centred below (takes 27 points), the y title `rise` above the axis."""
    values, labels = x_ticks if x_ticks else (None, None)
    items = horizontal_axis(plane.x, plane.bottom, values=values, labels=labels)
    items += vertical_axis(plane.y, plane.x.start, values=y_values)
    middle = (plane.x.start + plane.x.end) / 2
    items.append(Label(middle, plane.bottom + 25, x_title, SMALL, "middle", True))
    items.append(Label(MARGIN, plane.top - rise, y_title, SMALL, bold=True))
    return items


def vertical_line(
    plane: Plane, value: float, *, tone: str = "ink", dash: tuple[float, ...] = ()
) -> list[Item]:
    if not plane.x.holds(value):
        return []
    x = plane.x.at(value)
    return [Line(((x, plane.top), (x, plane.bottom)), tone, 0.7, dash)]


def symbol(kind: str, x: float, y: float, half: float, tone: str, *, opacity: float = 0.85) -> Item:
    """A point of the plane in a group's tone and shape, with a thin outline that keeps neighbours apart."""
    if kind == "circle":
        return Circle(x, y, half, tone, "paper", 0.5, opacity)
    return Shape(marker(kind, x, y, half * 0.92), tone, "paper", 0.5, opacity)


def legend(entries: Sequence[tuple[str, Item | None]], left: float, top: float, width: float) -> list[Item]:
    """Symbols (made for the origin by `symbol`) with names beneath each other; None = a heading."""
    items: list[Item] = []
    y = top
    for name, mark in entries:
        lines = wrap_text(name, width - 14, SMALL, bold=mark is None)
        for i, line in enumerate(lines):
            x = left + (0 if mark is None else 14)
            items.append(Label(x, y + i * 9.5, line, SMALL, bold=mark is None))
        if mark is not None:
            items.append(moved(mark, left + 5, y - 0.36 * SMALL))
        y += 9.5 * len(lines) + 4
    return items


def moved(item: Item, dx: float, dy: float) -> Item:
    """The item shifted; only symbols and lines are shifted."""
    if isinstance(item, Line):
        return Line(tuple((x + dx, y + dy) for x, y in item.points), item.tone, item.width, item.dash)
    if isinstance(item, Circle):
        return Circle(item.x + dx, item.y + dy, item.radius, item.fill, item.stroke, item.width, item.opacity)
    if isinstance(item, Shape):
        points: tuple[Point, ...] = tuple((x + dx, y + dy) for x, y in item.points)
        return Shape(points, item.fill, item.stroke, item.width, item.opacity)
    raise TypeError(f"cannot shift a {type(item).__name__}")


def footnotes(notes: Sequence[str], y: float, width: float) -> tuple[list[Item], float]:
    """Notes across the figure from y downwards; returns them and the figure's height."""
    items: list[Item] = []
    for note in notes:
        y += 5
        for line in wrap_text(note, width - 2 * MARGIN, SMALL, most=6):
            y += 9.5
            items.append(Label(MARGIN, y, line, SMALL, tone="muted"))
    return items, y + MARGIN


def legend_width(names: Sequence[str], most: float = 150.0) -> float:
    """Room for a legend: its widest name, up to `most` points."""
    return min(most, 16 + max((text_width(name, SMALL, bold=True) for name in names), default=0.0))


def measure_title(measure: str) -> str:
    """How the effects' scale is named on an axis: ``g`` for the package's own measure, "effect" where none is known."""
    return {"": "effect", "generic": "effect", "ppc-g": "g"}.get(measure, measure)
