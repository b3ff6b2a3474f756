"""Leaving out each trial of a large review: the distribution of the estimates, with the extreme trials named."""

from __future__ import annotations

import math

from ..base.format import interval, number, plural
from ..records import Analysis, Scenario, Table, TableColumn
from .layout import Item, Label, Layout, Shape, rectangle
from .measure import shorten
from .plane import LEFT, MARGIN, Plane, axes, footnotes, vertical_line
from .scale import Scale, nice_step
from .sensitivity import MANY, WORDS, is_leave_one_out

WIDTH, HEIGHT = 520.0, 130.0
NAMED = 5  # trials named at either end
SIZE = 8.0


def bins(values: list[float], *, most: int = 36) -> tuple[list[float], list[int]]:
    """Edges of equal bins of round width over the values, and how many values each holds."""
    low, high = min(values), max(values)
    step = nice_step(max(high - low, 1e-6), most)
    first = math.floor(low / step)
    n = max(1, math.floor(high / step) - first + 1)
    counts = [0] * n
    for value in values:
        counts[min(n - 1, max(0, math.floor(value / step) - first))] += 1
    return [(first + i) * step for i in range(n + 1)], counts


def _plane(edges: list[float], counts: list[int], primary: float) -> Plane:
    span = edges[-1] - edges[0]
    low, high = min(edges[0], primary) - 0.05 * span, max(edges[-1], primary) + 0.05 * span
    if low - 0.0 < span and low > 0:
        low = -0.02 * span  # zero is near enough to be shown
    top = MARGIN + 20
    return Plane(Scale(low, high, LEFT, LEFT + WIDTH), Scale(0.0, max(counts) * 1.08, top + HEIGHT, top))


def _digits(ordered: list[Scenario]) -> int:
    """Decimals that tell the extremes apart: large reviews move little."""
    span = ordered[-1].estimate.estimate - ordered[0].estimate.estimate
    return 2 if span >= 0.05 else 3


def _names(
    chosen: list[Scenario], title: str, *, at: tuple[float, float], width: float, digits: int
) -> list[Item]:
    """A titled list of trials with the estimate that remains without them."""
    x, y = at
    items: list[Item] = [Label(x, y, title, SIZE, bold=True)]
    for i, s in enumerate(chosen, 1):
        e = s.estimate
        numbers = f"{number(e.estimate, digits)} {interval(e.ci_low, e.ci_high, digits)}"
        items.append(Label(x, y + 12 * i, shorten(s.label, width - 116, SIZE), SIZE))
        items.append(Label(x + width, y + 12 * i, numbers, SIZE, "end"))
    return items


def _twin(scenarios: list[Scenario]) -> Table:
    columns = (
        TableColumn("label", "Left out"),
        TableColumn("g", "g", "right", 3),
        TableColumn("interval", "CI", "right"),
        TableColumn("verdict", "Conclusion"),
    )
    rows = tuple(
        (s.label, s.estimate.estimate, interval(s.estimate.ci_low, s.estimate.ci_high), WORDS[s.verdict])
        for s in sorted(scenarios, key=lambda s: s.estimate.estimate)
    )
    return Table("leave-one-out-twin", "Leaving out each trial", columns, rows)


def leave_one_out(analysis: Analysis) -> tuple[Layout, ...]:
    """Histogram of the leave-one-out estimates; () for small reviews, whose rows stand in `sensitivity`."""
    chosen = [s for s in analysis.scenarios if is_leave_one_out(s) and s.estimate.available]
    if len(chosen) <= MANY:
        return ()
    ordered = sorted(chosen, key=lambda s: s.estimate.estimate)
    edges, counts = bins([s.estimate.estimate for s in ordered])
    primary = analysis.overall
    plane = _plane(edges, counts, primary.estimate)
    items: list[Item] = []
    for low, high, n in zip(edges, edges[1:], counts, strict=False):
        if n:
            box = rectangle(plane.x.at(low) + 0.4, plane.y.at(n), plane.x.at(high) - 0.4, plane.bottom)
            items.append(Shape(box, "mark"))
    items += vertical_line(plane, 0.0)
    items += vertical_line(plane, primary.estimate, tone="summary", dash=(3.0, 2.2))
    items += axes(plane, x_title="g with one trial left out", y_title="Trials")
    half, digits = (WIDTH - 24) / 2, _digits(ordered)
    y = plane.bottom + 48
    items += _names(ordered[:NAMED], "Lowest", at=(LEFT, y), width=half, digits=digits)
    items += _names(
        ordered[: -NAMED - 1 : -1], "Highest", at=(LEFT + half + 24, y), width=half, digits=digits
    )
    width = LEFT + WIDTH + MARGIN
    changed = sum(s.verdict != "same" for s in chosen)
    summary = (
        f"Leaving out each of {plural(len(chosen), 'trial')} in turn gives g from {number(ordered[0].estimate.estimate, digits)} to "
        f"{number(ordered[-1].estimate.estimate, digits)}; {changed} of them change the conclusion."
    )
    note = f"{summary} Dashed: primary g {number(primary.estimate, digits)}."
    foot, bottom = footnotes([note], y + 12 * NAMED + 4, width)
    title = "Leaving out each trial in turn"
    return (Layout("leave-one-out", title, summary, width, bottom, (*items, *foot), _twin(chosen)),)
