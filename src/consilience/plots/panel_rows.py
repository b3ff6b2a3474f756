"""What is drawn of one row of a panel: interval, point, diamond, prediction bar, risk-of-bias mark."""

from __future__ import annotations

import math

from .layout import Circle, Item, Label, Line, Shape, marker
from .panel_records import PanelRow
from .scale import Scale

BIAS = {"low": ("circle", "L"), "some": ("square", "S"), "high": ("diamond", "H")}


ARROW = 7.0  # length of the arrowhead of a diamond that leaves the axis


def bias_mark(judgement: str, x: float, y: float, *, half: float = 4.6) -> list[Item]:
    """Shape and letter of a judgement: circle L, square S, diamond H; a dash where nothing was judged."""
    if judgement not in BIAS:
        return [Label(x, y + 2.6, "\u2013", 7.5, "middle", tone="muted")]
    kind, letter = BIAS[judgement]
    shape: Item = Circle(x, y, half, judgement, "ink", 0.5)
    if kind != "circle":
        shape = Shape(marker(kind, x, y, half * 0.92), judgement, "ink", 0.5)
    return [shape, Label(x, y + 2.1, letter, 5.8, "middle", True, "on-mark" if judgement else "ink")]


def interval_line(
    scale: Scale, low: float, high: float, y: float, *, tone: str = "ink", width: float = 0.9
) -> list[Item]:
    """The part of [low, high] inside the axis, with an arrowhead where it goes on."""
    if not (low <= scale.high and high >= scale.low):
        if math.isnan(low) or math.isnan(high):
            return []
        kind, x = ("right", scale.end) if low > scale.high else ("left", scale.start)
        return [Shape(marker(kind, x, y, 2.6), tone)]
    items: list[Item] = [Line(((scale.at(low), y), (scale.at(high), y)), tone, width)]
    if low < scale.low:
        items.append(Shape(marker("left", scale.start, y, 2.6), tone))
    if high > scale.high:
        items.append(Shape(marker("right", scale.end, y, 2.6), tone))
    return items


def _diamond(row: PanelRow, scale: Scale, y: float, half: float) -> list[Item]:
    """A diamond from limit to limit; cut straight before an arrowhead where it leaves the axis."""
    fill = "summary" if row.kind == "overall" else "mark"
    if not scale.holds(row.estimate):
        return interval_line(scale, row.low, row.high, y, tone=fill, width=1.2)
    middle = scale.at(row.estimate)
    (left, tall_left, head_left), (right, tall_right, head_right) = (
        _corner(row.low, row.estimate, scale, half=half, side=-1),
        _corner(row.high, row.estimate, scale, half=half, side=1),
    )
    upper = ((left, y - tall_left), (middle, y - half), (right, y - tall_right))
    lower = ((right, y + tall_right), (middle, y + half), (left, y + tall_left))
    items: list[Item] = [Shape((*upper, *lower), fill, fill, 0.5)]
    if head_left:
        items.append(Shape(marker("left", scale.start, y, ARROW / 1.6), fill))
    if head_right:
        items.append(Shape(marker("right", scale.end, y, ARROW / 1.6), fill))
    return items


def _corner(
    limit: float, middle: float, scale: Scale, *, half: float, side: int
) -> tuple[float, float, bool]:
    """Where a side of a diamond ends, how tall it is there, and whether it goes on beyond the axis."""
    edge, inside = (scale.high, scale.end - ARROW) if side > 0 else (scale.low, scale.start + ARROW)
    if side * (limit - edge) <= 0:
        return scale.at(limit), 0.0, False
    place = max(inside * side, scale.at(middle) * side) * side
    share = (
        (scale.at(middle) - place) / (scale.end - scale.start) * (scale.high - scale.low) / (middle - limit)
    )
    return place, half * (1 - share), True


def prediction_bar(row: PanelRow, scale: Scale, y: float) -> list[Item]:
    """A pale bar with end caps behind the diamond."""
    low, high = row.pi
    if math.isnan(low) or math.isnan(high):
        return []
    items = interval_line(scale, low, high, y, tone="mark", width=1.0)
    for value in (low, high):
        if scale.holds(value):
            x = scale.at(value)
            items.append(Line(((x, y - 3), (x, y + 3)), "mark", 1.0))
    return items


def point(kind: str, x: float, y: float, half: float) -> Item:
    """A marker by its name; ``open-`` before it draws it hollow, ``alert-`` in the colour that calls attention."""
    tone = "alert" if kind.startswith("alert-") else "mark"
    kind = kind.removeprefix("alert-")
    hollow = kind.startswith("open-")
    kind = kind.removeprefix("open-")
    fill, stroke = ("paper", tone) if hollow else (tone, "")
    if kind == "circle":
        return Circle(x, y, half, fill, stroke, 1.1)
    return Shape(marker(kind, x, y, half), fill, stroke, 1.1)


def row_marks(row: PanelRow, scale: Scale, y: float) -> list[Item]:
    """Everything that a row draws in the plotting column around height y."""
    if math.isnan(row.estimate):
        return []
    if row.kind in {"summary", "overall"}:
        half = 5.5 if row.kind == "overall" else 4.5
        return [*prediction_bar(row, scale, y), *_diamond(row, scale, y, half)]
    items: list[Item] = []
    if not math.isnan(row.pi[0]):
        items += prediction_bar(row, scale, y)
    detail = row.kind == "detail"
    thick = 0.7 if detail else (0.9 if math.isnan(row.pi[0]) else 1.9)
    items += interval_line(scale, row.low, row.high, y, tone="muted" if detail else "ink", width=thick)
    if scale.holds(row.estimate):
        # area, not width, is in proportion to the weight
        half = 2.0 if detail else max(1.7, 5.8 * math.sqrt(min(max(row.weight, 0.0), 1.0)))
        items.append(point(row.marker, scale.at(row.estimate), y, half))
    return items
