"""The course of the effect over time since the end of treatment: points by weight, curve with its band."""

from __future__ import annotations

import math

from ..base.format import interval, number, plural
from ..records import Analysis, Course, Table, TableColumn
from .layout import Circle, Item, Label, Layout, Line, Shape
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, vertical_line
from .scale import Scale, axis_range

WIDTH, HEIGHT = 430.0, 270.0
WEEKS = (0, 4, 8, 13, 26, 52, 104, 208, 416, 832, 1664)
LONG = 104.0  # beyond two years the axis is logarithmic: otherwise most trials share the first millimetres


def _weeks(course: Course) -> list[float]:
    return [*course.weeks, *(p[2] for p in course.points if math.isfinite(p[2]))]


def stretch(week: float, last: float) -> float:
    """Position of a week on the axis before scaling: linear, or log(weeks + 1) when follow-up is very long."""
    return math.log1p(max(week, 0.0)) if last > LONG else week


def _plane(course: Course, last: float, persistence: float) -> Plane:
    points = [p[3] for p in course.points]
    # the curve is always in view; of its band as much as the usual rule allows
    low, high = axis_range(points, course.ci_low, course.ci_high, always=[0.0, *course.estimate])
    end = stretch(max(last, persistence * 1.1, 1.0), last)
    top = MARGIN + 28
    x = Scale(-0.05 * end, end * 1.05, LEFT, LEFT + WIDTH)
    return Plane(x, Scale(low, high, top + HEIGHT, top))


def _curve(course: Course, plane: Plane, last: float) -> list[Item]:
    if len(course.weeks) < 2:
        return []
    xs = [plane.x.at(stretch(w, last)) for w in course.weeks]
    upper = [(x, plane.y.at(v)) for x, v in zip(xs, course.ci_high, strict=True)]
    lower = [(x, plane.y.at(v)) for x, v in zip(xs, course.ci_low, strict=True)]
    line = tuple((x, plane.y.at(v)) for x, v in zip(xs, course.estimate, strict=True))
    return [Shape((*upper, *reversed(lower)), "soft", opacity=0.55), Line(line, "summary", 1.6)]


def _radii(course: Course) -> list[float]:
    """Areas in proportion to weights, the largest 6 points in radius, none below 1.4."""
    largest = max((p[4] for p in course.points), default=1.0)
    most = 6.0 if len(course.points) < 200 else 4.0
    return [
        max(1.4, most * math.sqrt(max(p[4], 0.0) / largest)) if largest > 0 else 2.0 for p in course.points
    ]


def _offsets(xs: list[float], ys: list[float], radii: list[float], room: float) -> list[float]:
    """Sideways shifts that spread points of one week and similar height, at most `room` points to either side."""
    shelves: dict[tuple[int, int], list[int]] = {}
    step = 2.0 * max(radii, default=1.0)
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        shelves.setdefault((round(x / 3), round(y / step)), []).append(i)
    out = [0.0] * len(xs)
    for members in shelves.values():
        gap = min(step * 0.85, 2 * room / len(members))
        for rank, i in enumerate(members):  # 0, +1, -1, +2, -2 ...
            out[i] = gap * ((rank + 1) // 2) * (1 if rank % 2 else -1)
    return out


def _marks(course: Course, plane: Plane, last: float) -> list[Item]:
    drawn = [(p, r) for p, r in zip(course.points, _radii(course), strict=True) if math.isfinite(p[2] + p[3])]
    drawn.sort(key=lambda pair: -pair[1])
    xs = [plane.x.at(stretch(p[2], last)) for p, _ in drawn]
    ys = [plane.y.at(p[3]) for p, _ in drawn]
    shifts = _offsets(xs, ys, [r for _, r in drawn], 16.0)
    return [
        Circle(x + shift, y, radius, "mark", "paper", 0.5, 0.7)
        for x, y, shift, (_, radius) in zip(xs, ys, shifts, drawn, strict=True)
    ]


def _week_ticks(plane: Plane, last: float) -> tuple[list[float], list[str]]:
    """Tick positions (stretched) and labels: quarters of a year and their multiples, as far as they fit."""
    shown = [float(w) for w in WEEKS if stretch(w, last) <= plane.x.high]
    if last <= LONG and len(shown) < 3:
        shown = [0.0, *(x for x in (1.0, 2.0, 4.0) if x <= plane.x.high)]
    kept: list[float] = []
    for week in reversed(shown):  # from the right, where room is
        if not kept or plane.x.at(stretch(kept[-1], last)) - plane.x.at(stretch(week, last)) >= 20:
            kept.append(week)
    return [stretch(w, last) for w in reversed(kept)], [number(w, 0) for w in reversed(kept)]


def _twin(course: Course) -> Table:
    columns = (
        TableColumn("study", "Trial or curve"),
        TableColumn("outcome", "Outcome"),
        TableColumn("weeks", "Weeks", "right", 0),
        TableColumn("g", "g", "right", 2),
        TableColumn("interval", "CI", "right"),
        TableColumn("weight", "Weight, %", "right", 2),
    )
    curve = [
        ("fitted", "", w, e, interval(lo, hi), None)
        for w, e, lo, hi in zip(course.weeks, course.estimate, course.ci_low, course.ci_high, strict=True)
    ]
    points = [(study, outcome, weeks, g, "", weight) for study, outcome, weeks, g, weight in course.points]
    groups = tuple(
        (first, name) for first, name, some in ((0, "Curve", curve), (len(curve), "Effects", points)) if some
    )
    return Table("course-twin", "The effect over time", columns, (*curve, *points), groups)


def _entries(level: float) -> list[tuple[str, Item | None]]:
    band = ((-5.0, -4.0), (5.0, -4.0), (5.0, 4.0), (-5.0, 4.0))
    return [
        ("effect (area = weight)", Circle(0, 0, 3.6, "mark", "", 0.5, 0.7)),
        ("fitted course", Shape(((-5, -0.8), (5, -0.8), (5, 0.8), (-5, 0.8)), "summary")),
        (f"{100 * level:g}% CI", Shape(band, "soft", opacity=0.55)),
    ]


def _drawn(found: Course, plane: Plane, last: float, persistence: float) -> list[Item]:
    """Curve, zero line, the persistence week, points and axes, back to front."""
    zero = plane.y.at(0.0)
    items = _curve(found, plane, last)
    items.append(Line(((plane.x.start, zero), (plane.x.end, zero)), "ink", 0.7))
    items += vertical_line(plane, stretch(persistence, last), tone="alert", dash=(3.0, 2.2))
    items += _marks(found, plane, last)
    items += axes(
        plane,
        x_title="Weeks since the end of treatment",
        y_title="g (positive = benefit)",
        x_ticks=_week_ticks(plane, last),
        rise=18.0,  # above the label of the persistence week
    )
    x = plane.x.at(stretch(persistence, last))
    return [*items, Label(x, plane.top - 4, f"{number(persistence, 0)} weeks", 7.5, "middle", tone="alert")]


def course(analysis: Analysis) -> tuple[Layout, ...]:
    """Effects and the fitted curve against weeks since the end of treatment; () when there is nothing to show."""
    found = analysis.course
    weeks = _weeks(found)
    if not weeks:
        return ()
    last, persistence = max(weeks), analysis.plan.persistence_weeks
    plane = _plane(found, last, persistence)
    items = _drawn(found, plane, last, persistence)
    left = plane.x.end + 18
    items += legend(_entries(analysis.plan.level), left, plane.top + 8, 120)
    width = left + 120 + MARGIN
    foot, bottom = footnotes(_notes(found, plane, last), plane.bottom + 27, width)
    alt = _alt(found, persistence, len(found.points))
    title = "Does the effect last? Effects over time"
    return (Layout("course", title, alt, width, bottom, (*items, *foot), _twin(found)),)


def _notes(found: Course, plane: Plane, last: float) -> list[str]:
    notes = [f"Curve: {found.label}."] if found.label else []
    if last > LONG:
        notes.append("The axis of weeks is logarithmic: log(weeks + 1).")
    if len(found.points) > 1:
        notes.append("Points of the same week are spread sideways.")
    beyond = sum(not plane.y.holds(p[3]) for p in found.points)
    if beyond:
        notes.append(f"{plural(beyond, 'far outlier')} drawn at the edge; see the text version.")
    return [" ".join(notes)] if notes else []


def _alt(found: Course, persistence: float, n: int) -> str:
    text = f"{plural(n, 'effect')} against weeks since the end of treatment."
    if len(found.weeks) < 2:
        return text
    nearest = min(range(len(found.weeks)), key=lambda i: abs(found.weeks[i] - persistence))
    bounds = interval(found.ci_low[nearest], found.ci_high[nearest])
    return (
        f"{text} The fitted effect is {number(found.estimate[0])} at {number(found.weeks[0], 0)} weeks and "
        f"{number(found.estimate[nearest])} {bounds} at {number(found.weeks[nearest], 0)} weeks."
    )
