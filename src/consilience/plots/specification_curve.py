"""The specification curve: every estimate of a multiverse, sorted, above the choices that gave it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.format import interval, number, plural
from ..records import Dimension, JointTestResult, MultiverseResult, Table, TableColumn
from ..records.table import Cell
from .axis import SMALL, vertical_axis
from .layout import Item, Label, Layout, Line, Shape, marker, rectangle
from .measure import shorten, text_width
from .plane import MARGIN, Plane, footnotes
from .scale import Scale, axis_range

WIDTH, HEIGHT = 420.0, 190.0
BINS = 140  # specifications above which neighbours are drawn together
PITCH, HEADING = 10.0, 13.0  # points per alternative, per name of a dimension
NAMES = 190.0  # widest column of names
KEY = 14.0  # points between the signs of the legend and their words


@dataclass(frozen=True, eq=False)
class _Bins:
    """b groups of neighbouring specifications: rows of each, their median estimate and limits (b,), the bin of the primary."""

    rows: tuple[np.ndarray, ...]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    primary: int


def _bins(result: MultiverseResult) -> _Bins:
    there = np.flatnonzero(result.available)
    order = there[np.argsort(result.estimate[there], kind="stable")]
    rows = tuple(np.array_split(order, min(BINS, len(order))))
    low, high, middle = result.ci_low, result.ci_high, result.estimate
    return _Bins(
        rows,
        np.array([np.median(middle[r]) for r in rows]),
        np.array([np.median(low[r]) for r in rows]),
        np.array([np.median(high[r]) for r in rows]),
        next(i for i, r in enumerate(rows) if result.primary in r),
    )


def specification_curve(result: MultiverseResult) -> Layout:
    """Sorted estimates with their intervals; beneath, a row per alternative shows where it was chosen.

    Of more than 140 specifications neighbours are drawn together: the median estimate between the median limits, and in the
    rows beneath the share of the neighbours with that alternative as a shade.
    """
    bins = _bins(result)
    left = MARGIN + _names_width(result) + 34
    low, high = axis_range(bins.estimate, bins.low, bins.high, always=[0.0])
    top = MARGIN + 32
    plane = Plane(Scale(0.0, float(len(bins.rows)), left, left + WIDTH), Scale(low, high, top + HEIGHT, top))
    items = [*_legend(result, left), *_curve(plane, bins)]
    matrix, bottom = _matrix(result, bins, plane)
    items += matrix
    items += _primary(result, plane, bins, bottom)
    width = plane.x.end + MARGIN
    foot, height = footnotes(_notes(result, bins, plane), bottom + 2, width)
    title = "Specification curve: the average under every combination of choices"
    return Layout("specification-curve", title, _alt(result), width, height, (*items, *foot), _twin(result))


def _names_width(result: MultiverseResult) -> float:
    names = [text_width(label, SMALL) + 8 for d in result.dimensions for label in d.labels]
    titles = [text_width(d.title, SMALL, bold=True) for d in result.dimensions]
    return min(NAMES, max([*names, *titles, 60.0]))


def _tone(low: float, high: float) -> str:
    """Of the interval that is drawn: on which side of zero it lies."""
    if low > 0:
        return "mark"
    return "alert" if high < 0 else "rule"


def _legend(result: MultiverseResult, left: float) -> list[Item]:
    items: list[Item] = []
    level = f"{100 * result.level:g}% interval"
    x, y = left, MARGIN + 8
    entries = [(f"{level} above zero", "mark"), ("includes zero", "rule"), ("below zero", "alert")]
    for text, tone in entries:
        items.append(Line(((x + 4, y - 7), (x + 4, y + 2)), tone, 2.4))
        items.append(Label(x + KEY - 4, y, text, SMALL))
        x += KEY + text_width(text, SMALL) + 12
    items.append(Shape(marker("diamond", x + 4, y - 2.6, 3.0), "summary", "paper", 0.6))
    items.append(Label(x + KEY - 2, y, "primary analysis", SMALL))
    return items


def _curve(plane: Plane, bins: _Bins) -> list[Item]:
    pitch = (plane.x.end - plane.x.start) / len(bins.rows)
    items: list[Item] = []
    for i, (low, high) in enumerate(zip(bins.low, bins.high, strict=True)):
        x = plane.x.at(i + 0.5)
        if high >= plane.y.low and low <= plane.y.high:
            tone = _tone(low, high)
            items.append(Line(((x, plane.y.at(low)), (x, plane.y.at(high))), tone, min(3.0, 0.7 * pitch)))
    half = min(1.8, max(0.7, 0.3 * pitch))
    for i, value in enumerate(bins.estimate):
        x, y = plane.x.at(i + 0.5), plane.y.at(value)
        items.append(Shape(rectangle(x - half, y - half, x + half, y + half), "ink"))
    items.append(Line(((plane.x.start, plane.y.at(0.0)), (plane.x.end, plane.y.at(0.0))), "ink", 0.7))
    items += vertical_axis(plane.y, plane.x.start)
    items.append(Label(plane.x.start - 6, plane.top - 6, "g", SMALL, "end", True))
    return items


def _matrix(result: MultiverseResult, bins: _Bins, plane: Plane) -> tuple[list[Item], float]:
    """The rows of choices below the curve, and where they end."""
    items: list[Item] = []
    y = plane.bottom + 12
    room = plane.x.start - MARGIN - 10
    for j, d in enumerate(result.dimensions):
        items.append(Label(MARGIN, y + 8.5, shorten(d.title, room, SMALL, bold=True), SMALL, bold=True))
        y += HEADING
        for i, label in enumerate(d.labels):
            items.append(Label(MARGIN + 8, y + 7.5, shorten(label, room - 8, SMALL), SMALL))
            items.append(Shape(rectangle(plane.x.start, y + 1, plane.x.end, y + PITCH - 1), "band"))
            items += _row(result.choice[:, j] == i, bins, plane, y, of=d)
            y += PITCH
        y += 3
    return items, y


def _row(chosen: np.ndarray, bins: _Bins, plane: Plane, y: float, *, of: Dimension) -> list[Item]:
    """A mark for each bin with the alternative: its height is the share of the bin's specifications.

    Neighbouring bins with the same share are one shape.
    """
    shares = np.round([float(np.mean(chosen[rows])) for rows in bins.rows], 2)
    height = PITCH - 2.0
    items: list[Item] = []
    starts = np.flatnonzero(np.diff(shares, prepend=-1.0))
    gap = 0.25 if len(bins.rows) < BINS else 0.0  # single specifications stay countable
    for start, stop in zip(starts, [*starts[1:], len(shares)], strict=True):
        share = float(shares[start])
        if share == 0:
            continue
        bottom = y + PITCH - 1
        for left, right in [(start, stop)] if gap == 0 else [(s, s + 1) for s in range(start, stop)]:
            corners = rectangle(
                plane.x.at(left + gap), bottom - share * height, plane.x.at(right - gap), bottom
            )
            items.append(Shape(corners, "mark" if len(of) > 1 else "muted"))
    return items


def _primary(result: MultiverseResult, plane: Plane, bins: _Bins, bottom: float) -> list[Item]:
    """A hairline through the whole figure and the primary estimate on the curve."""
    x = plane.x.at(bins.primary + 0.5)
    y = plane.y.at(float(result.estimate[result.primary]))
    return [
        Line(((x, plane.top), (x, bottom - 4)), "summary", 0.6, (2.0, 2.0)),
        Shape(marker("diamond", x, y, 3.6), "summary", "paper", 0.7),
    ]


def _notes(result: MultiverseResult, bins: _Bins, plane: Plane) -> list[str]:
    low, high = result.range
    first = f"{plural(result.support.n, 'specification')}, sorted by estimate: median {number(result.median)}, range {interval(low, high)}."
    if len(bins.rows) < result.support.n:
        first += (
            f" About {result.support.n / len(bins.rows):.0f} neighbours are drawn together: their median estimate and limits; "
            "below, the height of a mark is the share of them with that choice."
        )
    if np.any((bins.low < plane.y.low) | (bins.high > plane.y.high)):
        first += " Intervals that leave the axis are cut."
    notes = [first]
    if result.joint is not None:
        notes.append(joint_note(result.joint))
    if result.sampled:
        notes.append(f"A random sample of {result.possible:,} possible combinations.")
    missing = len(result) - result.support.n
    if missing:
        notes.append(f"{plural(missing, 'more specification')} could not be computed.")
    return notes


def joint_note(joint: JointTestResult) -> str:
    """The p-values of the whole curve under random signs of the trials."""
    median, share = joint.chances
    return (
        f"If no trial had an effect: median this far from zero {median}, this many intervals beyond zero {share} "
        f"({joint.compared} patterns of signs of the trials)."
    )


def _alt(result: MultiverseResult) -> str:
    s, (low, high) = result.support, result.range
    word = "above" if s.side > 0 else "below"
    text = (
        f"Specification curve of {plural(s.n, 'specification')}: estimates from {number(low)} to {number(high)}, median "
        f"{number(result.median)}; {100 * s.same_sign:.0f}% {word} zero, {100 * s.supporting:.0f}% with the whole interval."
    )
    moved = [c for c in result.movement.contributions if c.share > 0]
    return f"{text} The choice that moves the estimate most is {moved[0].title}." if moved else text


def _twin(result: MultiverseResult) -> Table:
    columns = (
        TableColumn("alternative", "Choice"),
        TableColumn("n", "Specifications", "right", 0),
        TableColumn("mean", "Mean", "right", 2),
        TableColumn("median", "Median", "right", 2),
        TableColumn("low", "Smallest", "right", 2),
        TableColumn("high", "Largest", "right", 2),
        TableColumn("supporting", "Interval beyond zero, %", "right", 0),
    )
    groups: list[tuple[int, str]] = []
    rows: list[tuple[Cell, ...]] = []
    for d in result.dimensions:
        groups.append((len(rows), d.title))
        for a in result.alternatives:
            if a.dimension == d.name:
                rows.append((a.label, a.n, a.mean, a.median, a.low, a.high, 100 * a.supporting))
    return Table("specification-curve-twin", "Specification curve", columns, tuple(rows), tuple(groups))
