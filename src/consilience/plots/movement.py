"""What moves the answer: the share of the variance between specifications that each choice accounts for."""

from __future__ import annotations

from ..records import Contribution, MultiverseResult, Table, TableColumn
from .axis import SMALL, horizontal_axis
from .layout import Item, Label, Layout, Line, Shape, rectangle
from .measure import shorten, text_width
from .plane import MARGIN, footnotes
from .scale import Scale

WIDTH = 260.0
PITCH, BAR = 19.0, 11.0
NAMES = 200.0


def movement_bars(result: MultiverseResult) -> Layout:
    """A bar per dimension: dark what it accounts for by itself, pale what it takes part in together with others."""
    moved = result.movement
    titles = [c.title for c in moved.contributions]
    names = min(NAMES, max((text_width(t, 8.5) for t in titles), default=0.0))
    scale = Scale(0.0, 100.0, MARGIN + names + 8, MARGIN + names + 8 + WIDTH)
    top = MARGIN + 20
    items: list[Item] = [*_legend(scale.start)]
    bottom = top + PITCH * len(titles)
    items += [
        Line(((scale.at(v), top), (scale.at(v), bottom)), "rule", 0.5) for v in (25.0, 50.0, 75.0, 100.0)
    ]
    for i, c in enumerate(moved.contributions):
        items += _bar(c, scale, top + i * PITCH, names)
    items += horizontal_axis(scale, bottom, values=(0.0, 25.0, 50.0, 75.0, 100.0))
    middle = (scale.start + scale.end) / 2
    items.append(
        Label(middle, bottom + 25, "Share of the variance of the estimates, %", SMALL, "middle", True)
    )
    width = scale.end + 62 + MARGIN
    foot, height = footnotes(_notes(result), bottom + 27, width)
    first = moved.contributions[0] if moved.contributions else None
    alt = f"Bars of {len(titles)} choices."
    if first is not None:
        alt += f" {first.title} accounts for {_percent(first.share)} of the variance by itself"
        alt += f", {_percent(first.total)} with others; combinations of choices for {_percent(moved.interactions)}."
    title = "What moves the answer: variance between specifications by choice"
    return Layout("multiverse-movement", title, alt, width, height, (*items, *foot), _twin(result))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _legend(left: float) -> list[Item]:
    items: list[Item] = []
    x, y = left, MARGIN + 6
    for text, tone in (("by itself", "mark"), ("together with other choices", "soft")):
        items.append(Shape(rectangle(x, y - 7, x + 10, y + 1), tone))
        items.append(Label(x + 14, y, text, SMALL))
        x += 14 + text_width(text, SMALL) + 14
    return items


def _bar(c: Contribution, scale: Scale, top: float, names: float) -> list[Item]:
    middle = top + PITCH / 2
    own, total = scale.at(100 * c.share), scale.at(100 * max(c.total, c.share))
    items: list[Item] = [
        Label(scale.start - 8, middle + 3, shorten(c.title, names, 8.5), 8.5, "end"),
        Shape(rectangle(scale.start, middle - BAR / 2, total, middle + BAR / 2), "soft"),
        Shape(rectangle(scale.start, middle - BAR / 2, own, middle + BAR / 2), "mark"),
    ]
    text = f"{_percent(c.share)} ({_percent(c.total)})"
    return [*items, Label(scale.end + 6, middle + 3, text, SMALL)]


def _notes(result: MultiverseResult) -> list[str]:
    moved = result.movement
    notes = [
        f"Right: by itself (with others). Combinations of choices account for {_percent(moved.interactions)}; what a choice "
        "takes part in together with others is counted for each of them."
    ]
    if moved.method == "type III":
        notes.append(
            "Combinations are missing, so that choices are confounded: shares are those which no other choice can account "
            f"for; {_percent(moved.overlap)} cannot be told apart."
        )
    return notes


def _twin(result: MultiverseResult) -> Table:
    columns = (
        TableColumn("dimension", "Choice"),
        TableColumn("share", "By itself, %", "right", 1),
        TableColumn("total", "With others, %", "right", 1),
        TableColumn("spread", "Largest difference of means", "right", 2),
    )
    moved = result.movement
    rows = tuple((c.title, 100 * c.share, 100 * c.total, c.spread) for c in moved.contributions)
    rest = ("combinations of choices", 100 * moved.interactions, None, None)
    return Table("multiverse-movement-twin", "What moves the answer", columns, (*rows, rest))
