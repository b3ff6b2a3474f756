"""What a figure is before anything draws it: texts, lines and shapes at their places, in points.

The origin is the top left corner and y grows downwards, as on a page. Colours are named tones, so that
one layout can be drawn light, dark or in grey (see `palette`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..records import Table

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Label:
    """One line of text; y is its baseline, `text` is what is drawn (possibly shortened)."""

    x: float
    y: float
    text: str
    size: float = 8.5
    anchor: Anchor = "start"
    bold: bool = False
    tone: str = "ink"


@dataclass(frozen=True)
class Line:
    """A straight or broken line. dash : lengths of stroke and gap, () = solid."""

    points: tuple[Point, ...]
    tone: str = "ink"
    width: float = 0.8
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Shape:
    """A filled polygon; an empty tone is not drawn."""

    points: tuple[Point, ...]
    fill: str = "mark"
    stroke: str = ""
    width: float = 0.8
    opacity: float = 1.0


@dataclass(frozen=True)
class Circle:
    """A filled circle; an empty tone is not drawn."""

    x: float
    y: float
    radius: float
    fill: str = "mark"
    stroke: str = ""
    width: float = 0.8
    opacity: float = 1.0


Item = Label | Line | Shape | Circle


@dataclass(frozen=True)
class Layout:
    """A figure, ready to be drawn.

    key : stable identifier, e.g. ``"forest"``; title : caption; alt : what it shows in a sentence or two.
    width, height : points. items : in drawing order.
    twin : the same numbers as a table, with every name in full.
    """

    key: str
    title: str
    alt: str
    width: float
    height: float
    items: tuple[Item, ...]
    twin: Table

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(item for item in self.items if isinstance(item, Label))


def rectangle(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """Corners of a rectangle, clockwise from the top left."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def marker(kind: str, x: float, y: float, half: float) -> tuple[Point, ...]:
    """Corners of a marker: ``square``, ``diamond``, ``triangle-up``, ``triangle-down``, ``left``, ``right``, ``cross``."""
    if kind == "square":
        return rectangle(x - half, y - half, x + half, y + half)
    if kind == "diamond":
        h = 1.3 * half
        return ((x, y - h), (x + h, y), (x, y + h), (x - h, y))
    if kind in {"triangle-up", "triangle-down"}:
        s = 1 if kind == "triangle-up" else -1
        return (
            (x, y - 1.2 * s * half),
            (x + 1.15 * half, y + 0.85 * s * half),
            (x - 1.15 * half, y + 0.85 * s * half),
        )
    if kind in {"left", "right"}:
        s = 1 if kind == "right" else -1
        return ((x, y), (x - s * 1.6 * half, y - half), (x - s * 1.6 * half, y + half))
    t = half / 3  # a cross with arms of a third
    steps = ((-t, -half), (t, -half), (t, -t), (half, -t), (half, t), (t, t), (t, half), (-t, half), (-t, t))
    return tuple((x + a, y + b) for a, b in (*steps, (-half, t), (-half, -t), (-t, -t)))
