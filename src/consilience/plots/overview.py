"""All trials of a large review on one page: sorted intervals without names (a caterpillar plot)."""

from __future__ import annotations

import math

from ..base.format import interval, number, plural
from ..records import Analysis, StudyAverage, Table, TableColumn
from .axis import horizontal_axis, sides
from .forest import alt_text, estimate_text
from .layout import Item, Label, Layout, Line, Shape, rectangle
from .plane import MARGIN, footnotes
from .scale import Scale, axis_range

WIDTH = 460.0
TALLEST = 560.0  # points for all rows together
ROW = 7.0  # points per row when there is room
MANY = 60  # trials on the first page of a forest plot: an overview pays from more than one page


def _rows(studies: list[StudyAverage], scale: Scale, top: float, pitch: float) -> list[Item]:
    """Lines first, then dots, each kind in one run of equal style."""
    lines: list[Item] = []
    dots: list[Item] = []
    thick, half = min(0.9, 0.5 * pitch), min(1.9, max(0.7, 0.4 * pitch))
    for i, s in enumerate(studies):
        y = top + (i + 0.5) * pitch
        if s.ci_high >= scale.low and s.ci_low <= scale.high:
            tone = "mark" if s.ci_low > 0 else ("alert" if s.ci_high < 0 else "muted")
            lines.append(Line(((scale.at(s.ci_low), y), (scale.at(s.ci_high), y)), tone, thick))
        if scale.holds(s.estimate):
            x = scale.at(s.estimate)
            dots.append(Shape(rectangle(x - half, y - half, x + half, y + half), "ink"))
    return [*sorted(lines, key=lambda item: getattr(item, "tone", "")), *dots]


def _scale(analysis: Analysis, studies: list[StudyAverage]) -> Scale:
    overall, threshold = analysis.overall, analysis.plan.relevance
    low, high = axis_range(
        [s.estimate for s in studies],
        [s.ci_low for s in studies],
        [s.ci_high for s in studies],
        always=[0.0, overall.ci_low, overall.ci_high, overall.pi_low, overall.pi_high, -threshold, threshold],
    )
    return Scale(low, high, MARGIN, MARGIN + WIDTH)


def _overall(analysis: Analysis, scale: Scale, y: float) -> list[Item]:
    """The pooled diamond with its prediction bar, and their numbers to the right."""
    e = analysis.overall
    if not e.available or not scale.holds(e.estimate):
        return []
    low, middle, high = scale.at(e.ci_low), scale.at(e.estimate), scale.at(e.ci_high)
    items: list[Item] = []
    if not math.isnan(e.pi_low):
        items.append(Line(((scale.at(e.pi_low), y), (scale.at(e.pi_high), y)), "mark", 1.2))
        items += [
            Line(((scale.at(v), y - 4), (scale.at(v), y + 4)), "mark", 1.2) for v in (e.pi_low, e.pi_high)
        ]
    return [*items, Shape(((low, y), (middle, y - 6.5), (high, y), (middle, y + 6.5)), "summary")]


def _twin(studies: list[StudyAverage]) -> Table:
    columns = (
        TableColumn("study", "Trial"),
        TableColumn("group", "Class"),
        TableColumn("g", "g [CI]", "right"),
    )
    rows = tuple((s.label, s.group, estimate_text(s.estimate, s.ci_low, s.ci_high)) for s in studies)
    return Table("forest-overview-twin", "All trials, sorted", columns, rows)


def overview(analysis: Analysis) -> tuple[Layout, ...]:
    """Every trial's interval, sorted by its estimate; () for reviews whose forest plot fits one page."""
    studies = sorted(analysis.studies, key=lambda s: -s.estimate)
    if len(studies) <= MANY:
        return ()
    scale = _scale(analysis, studies)
    pitch = min(ROW, TALLEST / len(studies))
    top = MARGIN + 16
    bottom = top + pitch * len(studies)
    axis = bottom + 22
    threshold = analysis.plan.relevance
    items: list[Item] = []
    if threshold > 0:
        items.append(Shape(rectangle(scale.at(-threshold), top, scale.at(threshold), axis), "band"))
    items.append(Line(((scale.at(0), top), (scale.at(0), axis)), "ink", 0.7))
    items += _rows(studies, scale, top, pitch)
    items += _overall(analysis, scale, bottom + 11)
    favour = sum(s.estimate > 0 for s in studies)
    items.append(
        Label(MARGIN, MARGIN + 8, f"{plural(len(studies), 'trial')}, sorted by effect", 8.5, bold=True)
    )
    items += horizontal_axis(scale, axis)
    items.append(
        Label(MARGIN + WIDTH / 2, axis + 25, "g (standardised mean difference)", 7.5, "middle", True)
    )
    items += sides(scale, axis + 36.5, ("Favours control", "Favours intervention"))
    e = analysis.overall
    notes = [
        f"{favour} of {plural(len(studies), 'trial')} have an average in favour. Diamond: pooled g "
        f"{estimate_text(e.estimate, e.ci_low, e.ci_high)}; bar: prediction interval {interval(e.pi_low, e.pi_high)}.",
        f"Blue: interval above zero ({sum(s.ci_low > 0 for s in studies)}); orange: below zero "
        f"({sum(s.ci_high < 0 for s in studies)}); grey: includes zero. Shaded: effects smaller than {number(threshold)}.",
    ]
    width = WIDTH + 2 * MARGIN
    foot, height = footnotes(notes, axis + 36.5, width)
    title = "Overview: every trial, sorted by its effect"
    layout = Layout(
        "forest-overview", title, alt_text(analysis), width, height, (*items, *foot), _twin(studies)
    )
    return (layout,)
