"""The sunset (power-enhanced) funnel: how much power had each study for the pooled effect?"""

from __future__ import annotations

import numpy as np

from ..base.format import equals, number, p_value, plural
from ..records import Table, TableColumn
from ..records.small_study import StudyPower
from .axis import SMALL, TICK
from .funnel_record import funnel_plane, point_radius
from .layout import Circle, Item, Label, Layout, Line, Shape, rectangle
from .plane import MARGIN, Plane, axes, footnotes, legend, legend_width, measure_title, vertical_line
from .scale import ticks

DARKEST = 0.85
APART = 10.0  # points between labels of power
RIGHT = 30.0


def _bands(record: StudyPower, plane: Plane) -> list[Item]:
    """The darker, the less power; bands of ten percentage points."""
    edges = [0.0, *(se for _, se in record.contours), np.inf]
    items: list[Item] = []
    for i in range(1, len(edges) - 1):
        low, high = edges[i], min(edges[i + 1], plane.y.high)
        if low >= plane.y.high:
            break
        box = rectangle(plane.x.start, plane.y.at(low), plane.x.end, plane.y.at(high))
        items.append(Shape(box, "high", opacity=DARKEST * i / (len(edges) - 2)))
    return items


def _power_axis(record: StudyPower, plane: Plane) -> list[Item]:
    """Power on the right, where its labels do not touch; always the median study's neighbourhood from the top down."""
    x = plane.x.end
    items: list[Item] = [Line(((x, plane.y.start), (x, plane.y.end)))]
    last = -np.inf
    for power, se in record.contours:
        y = plane.y.at(se)
        if se < plane.y.high and y - last >= APART:
            items.append(Line(((x, y), (x + TICK, y))))
            items.append(Label(x + TICK + 2, y + 0.36 * SMALL, f"{100 * power:.0f}%", SMALL))
            last = y
    items.append(Label(x + RIGHT, plane.top - 9, "Power", SMALL, "end", bold=True))
    return items


def _significance(record: StudyPower, plane: Plane) -> list[Item]:
    """|effect| = z se."""
    items: list[Item] = []
    for edge in (plane.x.low, plane.x.high):
        if edge == 0.0:
            continue
        depth = min(plane.y.high, abs(edge) / record.z)
        end = np.sign(edge) * record.z * depth
        points = ((plane.x.at(0.0), plane.y.at(0.0)), (plane.x.at(float(end)), plane.y.at(depth)))
        items.append(Line(points, "ink", 0.7, (1.2, 1.8)))
    return items


def _twin(record: StudyPower) -> Table:
    columns = (
        TableColumn("study", "Study"),
        TableColumn("effect", "Effect", "right", 3),
        TableColumn("se", "SE", "right", 3),
        TableColumn("power", "Power, %", "right", 1),
        TableColumn("significant", "Significant"),
    )
    e = record.effects
    rows = tuple(
        (
            str(e.study[i]),
            float(e.y[i]),
            float(np.sqrt(e.v[i])),
            100 * float(record.power[i]),
            "yes" if record.significant[i] else "no",
        )
        for i in range(e.k)
    )
    return Table("sunset-twin", "Power of the studies", columns, rows)


def sunset(record: StudyPower) -> Layout:
    """Effects against their standard errors over bands of power for the pooled effect (Kossmeier et al. 2020)."""
    e = record.effects
    se = np.sqrt(e.v)
    plane = funnel_plane(e.y, se, record.effect)
    items = _bands(record, plane)
    items += vertical_line(plane, 0.0)
    items += vertical_line(plane, record.effect, tone="summary", dash=(3.0, 2.2))
    items += _significance(record, plane)
    radius = point_radius(e.k)
    for x, depth, significant in zip(e.y.tolist(), se.tolist(), record.significant, strict=True):
        fill = "mark" if significant else "paper"
        items.append(Circle(plane.x.at(x), plane.y.at(depth), radius, fill, "ink", 0.6, 0.9))
    items += axes(
        plane,
        x_title=measure_title(e.measure),
        y_title="Standard error",
        y_values=ticks(0.0, plane.y.high, most=5),
    )
    items += _power_axis(record, plane)
    return _finish(record, plane, items)


def _finish(record: StudyPower, plane: Plane, items: list[Item]) -> Layout:
    entries: list[tuple[str, Item | None]] = [
        ("significant", Circle(0, 0, 3.4, "mark", "ink", 0.6)),
        ("not significant", Circle(0, 0, 3.4, "paper", "ink", 0.6)),
        ("assumed true effect", Line(((-5.0, 0.0), (6.0, 0.0)), "summary", 1.0, (3.0, 2.2))),
        (f"p = {p_value(record.alpha)}", Line(((-5.0, 0.0), (6.0, 0.0)), "ink", 1.0, (1.2, 1.8))),
    ]
    left, room = plane.x.end + RIGHT + 14, legend_width([name for name, _ in entries])
    items += legend(entries, left, plane.top + 8, room)
    width = left + room + MARGIN
    k = record.effects.k
    sentence = (
        f"Median power {number(100 * record.median, 0)}% for a true effect of {number(record.effect)}; {record.observed} of "
        f"{plural(k, 'study', 'studies')} significant, {number(record.expected, 1)} expected "
        f"(p {equals(p_value(record.excess_p))}); R-index {number(100 * record.r_index, 0)}%."
    )
    foot, bottom = footnotes([sentence + " Darker: less power."], plane.bottom + 27, width)
    title = "Power of the studies for the pooled effect"
    alt = f"Funnel plot of {plural(k, 'study', 'studies')} over bands of power. {sentence}"
    return Layout("sunset", title, alt, width, bottom, (*items, *foot), _twin(record))
