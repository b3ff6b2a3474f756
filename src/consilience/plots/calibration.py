"""Calibration: how often each test's interval holds the truth, and the power of each test over true effects."""

from __future__ import annotations

import numpy as np

from ..base.format import interval, number
from ..records import Table, TableColumn
from ..records.calibration import Calibration, MethodCalibration
from .axis import SMALL, horizontal_axis
from .layout import Item, Label, Layout, Line
from .measure import shorten, text_width
from .palette import GROUP_MARKERS
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, legend_width, symbol, vertical_line
from .scale import Scale, ticks

WIDTH, ROW, HEAD = 520.0, 13.0, 17.0
CURVE_WIDTH, CURVE_HEIGHT = 320.0, 220.0
DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.5), (1.5, 2.0), (7.0, 2.0, 1.5, 2.0), (3.0, 3.0))


def tones(calibration: Calibration) -> dict[str, tuple[str, str]]:
    """Test -> (marker, tone), the same in both figures."""
    return {
        m.test: (GROUP_MARKERS[i % 6], f"group{i % 6 + 1}") for i, m in enumerate(calibration.fitted.methods)
    }


def coverage_figure(calibration: Calibration) -> Layout:
    """Coverage of each test's interval under each scenario with its 95% Monte-Carlo interval, against the nominal level."""
    level, shown = 100 * calibration.level, tones(calibration)
    scale = _coverage_scale(calibration)
    items: list[Item] = []
    y = MARGIN + 8
    for scenario in calibration.scenarios:
        heading = scenario.label[:1].upper() + scenario.label[1:]
        items.append(
            Label(MARGIN, y + HEAD - 6, shorten(heading, WIDTH - 2 * MARGIN, 8.0, bold=True), 8.0, bold=True)
        )
        y += HEAD
        ends = ((scale.at(level), y), (scale.at(level), y + ROW * len(scenario.methods)))
        items.append(Line(ends, "ink", 0.7, (3.0, 2.2)))
        for m in scenario.methods:
            items += _row(m, y, scale=scale, mark=shown[m.test], own=m.test == calibration.chosen)
            y += ROW
        y += 4
    items += horizontal_axis(scale, y)
    title = f"{level:g}% intervals that hold the truth, %"
    items.append(Label((scale.start + scale.end) / 2, y + 25, title, SMALL, "middle", True))
    note = (
        f"Dashed: the {level:g}% promised. Lines: 95% Monte-Carlo intervals (Clopper-Pearson) of "
        f"{calibration.replicates:,} simulated reviews. * the test of this analysis."
    )
    foot, bottom = footnotes([note], y + 27, WIDTH)
    own = calibration.own.coverage
    alt = (
        f"Dot plot of the coverage of {len(calibration.fitted.methods)} tests under {len(calibration.scenarios)} "
        f"scenarios; the test of this analysis: {number(100 * own.value, 1)}% "
        f"{interval(100 * own.low, 100 * own.high, 1)} with variances as estimated."
    )
    title = "How often the interval holds the truth in reviews like this one"
    twin = _coverage_twin(calibration)
    return Layout("calibration-coverage", title, alt, WIDTH, bottom, (*items, *foot), twin)


def _coverage_scale(calibration: Calibration) -> Scale:
    """Percent, wide enough for all Monte-Carlo intervals, right of the names."""
    level = calibration.level
    every = [m.coverage for s in calibration.scenarios for m in s.methods if m.coverage.n]
    low, high = min([level, *(c.low for c in every)]), max([level, *(c.high for c in every)])
    pad = 0.06 * max(high - low, 0.02)
    widest = max(text_width(m.label + " *", SMALL, bold=True) for m in calibration.fitted.methods)
    left = MARGIN + 8 + widest + 10
    right = WIDTH - MARGIN - text_width("100.0 [100.0, 100.0]", SMALL, bold=True) - 12
    return Scale(100 * (low - pad), 100 * min(high + pad, 1.0 + pad / 3), left, right)


def _row(m: MethodCalibration, top: float, *, scale: Scale, mark: tuple[str, str], own: bool) -> list[Item]:
    y = top + ROW / 2
    items: list[Item] = [Label(MARGIN + 8, y + 2.7, m.label + (" *" if own else ""), SMALL, bold=own)]
    share = m.coverage
    if not share.n:
        return [*items, Label(scale.start + 4, y + 2.7, "not available", SMALL, tone="muted")]
    kind, tone = mark
    items.append(Line(((scale.at(100 * share.low), y), (scale.at(100 * share.high), y)), tone, 1.4))
    items.append(symbol(kind, scale.at(100 * share.value), y, 3.6, tone, opacity=1.0))
    text = f"{number(100 * share.value, 1)} {interval(100 * share.low, 100 * share.high, 1)}"
    items.append(Label(WIDTH - MARGIN, y + 2.7, text, SMALL, "end", own))
    return items


def _coverage_twin(calibration: Calibration) -> Table:
    columns = (
        TableColumn("method", "Test"),
        TableColumn("coverage", "Coverage, %", "right", 1),
        TableColumn("low", "Monte-Carlo low", "right", 1),
        TableColumn("high", "Monte-Carlo high", "right", 1),
        TableColumn("se", "SE", "right", 2),
    )
    rows: list[tuple[str, float, float, float, float]] = []
    groups: list[tuple[int, str]] = []
    for scenario in calibration.scenarios:
        groups.append((len(rows), scenario.label))
        for m in scenario.methods:
            c = m.coverage
            rows.append((m.label, 100 * c.value, 100 * c.low, 100 * c.high, 100 * c.se))
    return Table("calibration-coverage-twin", "Coverage", columns, tuple(rows), tuple(groups))


def power_figure(calibration: Calibration) -> Layout:
    """Share of simulated reviews in which each test rejects zero, over the true effect, with variances as estimated."""
    scenario = calibration.fitted
    effects = scenario.effects
    top = MARGIN + 22
    plane = Plane(
        Scale(0.0, float(effects[-1]), LEFT, LEFT + CURVE_WIDTH), Scale(0.0, 100.0, top + CURVE_HEIGHT, top)
    )
    items, entries = _curves(calibration, plane)
    items += axes(
        plane,
        x_title=f"True {calibration.quantity}",
        y_title="Reviews that find an effect, %",
        y_values=ticks(0.0, 100.0, most=5),
    )
    left = plane.x.end + 18
    room = legend_width([name for name, _ in entries])
    items += legend(entries, left, plane.top + 8, room)
    width = left + room + MARGIN
    own_power = calibration.own.power
    notes = [
        f"Dashed: {100 * (1 - calibration.level):g}% (what a test may find where there is no effect) and the effect asked about, "
        f"{number(calibration.effect)}. {calibration.replicates:,} simulated reviews; Monte-Carlo SE at most "
        f"{number(50 / np.sqrt(max(scenario.replicates, 1)), 1)} percentage points. * the test of this analysis."
    ]
    foot, bottom = footnotes(notes, plane.bottom + 27, width)
    alt = (
        f"Power curves of {len(scenario.methods)} tests; the test of this analysis finds a true effect of "
        f"{number(calibration.effect)} in {number(100 * own_power.value, 1)}% of simulated reviews."
    )
    title = "Power: how often an effect is found in reviews like this one"
    return Layout("calibration-power", title, alt, width, bottom, (*items, *foot), _power_twin(calibration))


def _curves(calibration: Calibration, plane: Plane) -> tuple[list[Item], list[tuple[str, Item | None]]]:
    """The curves with their symbols, and the entries of the legend."""
    scenario, shown = calibration.fitted, tones(calibration)
    effects, level = scenario.effects, 100 * (1 - calibration.level)
    items: list[Item] = [
        Line(((plane.x.start, plane.y.at(level)), (plane.x.end, plane.y.at(level))), "muted", 0.7, (3.0, 2.2))
    ]
    items += vertical_line(plane, abs(calibration.effect), tone="muted", dash=(3.0, 2.2))
    marked = np.linspace(0, len(effects) - 1, 7).astype(int)
    entries: list[tuple[str, Item | None]] = [("Test", None)]
    for i, m in enumerate(scenario.methods):
        kind, tone = shown[m.test]
        own = m.test == calibration.chosen
        points = [
            (plane.x.at(float(x)), plane.y.at(100 * float(p)))
            for x, p in zip(effects, scenario.power[m.test], strict=True)
            if np.isfinite(p)
        ]
        if len(points) > 1:
            items.append(Line(tuple(points), tone, 1.8 if own else 1.0, DASHES[i % len(DASHES)]))
        items += [
            symbol(kind, points[j][0], points[j][1], 3.0, tone, opacity=1.0)
            for j in marked + (i % 3)
            if j < len(points)
        ]
        entries.append((m.label + (" *" if own else ""), symbol(kind, 0, 0, 3.4, tone, opacity=1.0)))
    return items, entries


def _power_twin(calibration: Calibration) -> Table:
    scenario = calibration.fitted
    columns = (
        TableColumn("effect", "True effect", "right", 3),
        *(TableColumn(m.test, m.label, "right", 1) for m in scenario.methods),
    )
    rows = tuple(
        (float(x), *(100 * float(scenario.power[m.test][i]) for m in scenario.methods))
        for i, x in enumerate(scenario.effects)
    )
    note = "Percent of simulated reviews in which the test rejects zero."
    return Table("calibration-power-twin", "Power", columns, rows, notes=(note,))
