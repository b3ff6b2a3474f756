"""Axes as items of a layout: line, ticks, labels, and which side favours what."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.format import number
from .layout import Item, Label, Line, Shape, marker
from .measure import shorten, text_width
from .scale import Scale, tick_digits, ticks

TICK = 3.5
SMALL = 7.5


def _spaced(scale: Scale, values: Sequence[float], digits: int) -> list[float]:
    """Ticks whose labels do not touch: every one, every second, ..."""
    widest = max((text_width(number(v, digits), SMALL) for v in values), default=0.0) + 4
    for every in range(1, len(values) + 1):
        kept = [
            v
            for i, v in enumerate(values)
            if i % every == (list(values).index(0.0) % every if 0.0 in values else 0)
        ]
        if len(kept) < 2 or abs(scale.at(kept[1]) - scale.at(kept[0])) >= widest:
            return kept
    return list(values[:1])


def horizontal_axis(
    scale: Scale, y: float, *, values: Sequence[float] | None = None, labels: Sequence[str] | None = None
) -> list[Item]:
    """Axis line at height y with ticks and their labels below it; takes 14 points.

    values : ticks, by default round ones that fit; labels : one text per value, which must fit as they are.
    """
    marks = list(ticks(scale.low, scale.high, most=6)) if values is None else list(values)
    if labels is None:
        digits = tick_digits(marks)
        marks = _spaced(scale, marks, digits)
        labels = [number(v, digits) for v in marks]
    items: list[Item] = [Line(((scale.start, y), (scale.end, y)))]
    items += [Line(((scale.at(v), y), (scale.at(v), y + TICK))) for v in marks]
    items += [
        Label(scale.at(v), y + TICK + 8, t, SMALL, "middle") for v, t in zip(marks, labels, strict=True)
    ]
    return items


def vertical_axis(scale: Scale, x: float, *, values: Sequence[float] | None = None) -> list[Item]:
    """Axis line at x with ticks and their labels to the left of it."""
    marks = (
        list(ticks(min(scale.low, scale.high), max(scale.low, scale.high), most=6))
        if values is None
        else list(values)
    )
    digits = tick_digits(marks)
    items: list[Item] = [Line(((x, scale.start), (x, scale.end)))]
    items += [Line(((x - TICK, scale.at(v)), (x, scale.at(v)))) for v in marks]
    items += [Label(x - TICK - 2, scale.at(v) + 0.36 * SMALL, number(v, digits), SMALL, "end") for v in marks]
    return items


def sides(scale: Scale, y: float, names: tuple[str, str]) -> list[Item]:
    """``< Favours control`` at one end of the axis, ``Favours intervention >`` at the other; takes 10 points."""
    room = abs(scale.end - scale.start) / 2 - 16
    height = y - 0.36 * SMALL
    items: list[Item] = []
    for name, end, inward in ((names[0], scale.start, 1), (names[1], scale.end, -1)):
        if not name:
            continue
        kind = "left" if inward > 0 else "right"
        items.append(Shape(marker(kind, end, height, 2.4), "muted"))
        items.append(Line(((end + inward * 3.5, height), (end + inward * 8, height)), "muted"))
        text = shorten(name, room, SMALL)
        items.append(Label(end + inward * 11, y, text, SMALL, "start" if inward > 0 else "end", tone="muted"))
    return items
