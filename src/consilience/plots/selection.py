"""Selection: the fitted selection function over the p-values, and the funnel of affirmative and other results."""

from __future__ import annotations

import numpy as np

from ..base.format import number, plural
from ..records import Table, TableColumn
from ..records.selection import SelectionModel, WorstCase
from .layout import Item, Layout, Line, Shape
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, legend_width, symbol, vertical_line
from .scale import Scale, axis_range, ticks

WIDTH, HEIGHT = 380.0, 240.0
TICKS = (0.0, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def _root(p: np.ndarray) -> np.ndarray:
    """Small p need room: the axis is that of the square root."""
    return np.asarray(np.sqrt(p))


def selection_function(model: SelectionModel) -> Layout:
    """Relative chance of publication against p, with pointwise limits and one tick for each result."""
    curve, on_p = model.curve, model.curve.scale == "p"
    x = _root(curve.x) if on_p else curve.x
    values = _root(model.p_values) if on_p else model.effects.y
    banded = bool(np.isfinite(curve.high).any())
    top = max(1.15, 1.15 * float(curve.weight.max()))
    if banded:
        top = min(
            max(top, float(np.nanmax(np.minimum(curve.high, 3 * top)))), 3.0 * float(curve.weight.max())
        )
    ends = (0.0, 1.0) if on_p else axis_range(values, values, values, always=[float(v) for v in x])
    start = MARGIN + 22
    plane = Plane(Scale(*ends, LEFT, LEFT + WIDTH), Scale(0.0, top, start + HEIGHT, start))
    items: list[Item] = []
    if banded:
        upper = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(x, curve.high, strict=True)]
        lower = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(x, curve.low, strict=True)]
        items.append(Shape((*upper, *reversed(lower)), "band2"))
    items.append(
        Line(((plane.x.start, plane.y.at(1.0)), (plane.x.end, plane.y.at(1.0))), "muted", 0.6, (3.0, 2.2))
    )
    points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(x, curve.weight, strict=True))
    items.append(Line(points, "mark", 1.8))
    items += _result_ticks(plane, values)
    title = "One-sided p" if model.alternative != "two-sided" else "Two-sided p"
    kept = _spread_ticks(plane) if on_p else None
    marks = ([float(_root(np.array(t))) for t in kept], [f"{t:g}" for t in kept]) if kept else None
    items += axes(
        plane, x_title=title if on_p else "Effect", y_title="Relative chance of publication", x_ticks=marks
    )
    notes = _curve_notes(model, top)
    width = plane.x.end + MARGIN + 8
    foot, height = footnotes(notes, plane.bottom + 27, width)
    title = "Selection function"
    twin = _curve_table(model)
    alt = (
        f"Relative chance of publication against p for a {model.kind} selection model of {plural(len(values), 'result')}: "
        f"from {number(float(curve.weight[0]))} at the smallest to {number(float(curve.weight[-1]))} at the largest."
    )
    return Layout("selection-function", title, alt, width, height, (*items, *foot), twin)


def _spread_ticks(plane: Plane) -> list[float]:
    kept: list[float] = []
    for t in TICKS:
        if not kept or plane.x.at(float(np.sqrt(t))) - plane.x.at(float(np.sqrt(kept[-1]))) > 24:
            kept.append(t)
    return kept


def significance_funnel(record: WorstCase) -> Layout:
    """Effects against their standard error: affirmative results filled, the others open; pooled with and without them."""
    y, se = record.effects.y, np.sqrt(record.effects.v)
    slope = 1.959964 if record.alpha == 0.05 else None
    centre = [record.uncorrected.estimate, 0.0, *([record.worst.estimate] if record.worst else [])]
    low, high = axis_range(y, y, y, always=centre)
    start = MARGIN + 22
    plane = Plane(
        Scale(low, high, LEFT, LEFT + WIDTH), Scale(0.0, 1.06 * float(se.max()), start, start + HEIGHT + 40)
    )
    items: list[Item] = [*vertical_line(plane, 0.0, tone="rule")]
    if slope is not None:
        items.append(_boundary(plane, record.sign * slope))
    items += vertical_line(plane, record.uncorrected.estimate, tone="mark")
    if record.worst is not None:
        items += vertical_line(plane, record.worst.estimate, tone="alert", dash=(4.0, 2.4))
    items += _points(plane, record)
    items += axes(
        plane, x_title="Effect", y_title="Standard error", y_values=ticks(0.0, plane.y.high, most=5)
    )
    entries: list[tuple[str, Item | None]] = [
        ("Affirmative", symbol("circle", 0, 0, 3.2, "group1")),
        ("Not affirmative", symbol("diamond", 0, 0, 3.2, "group2")),
    ]
    room = legend_width([name for name, _ in entries])
    left = plane.x.end + 14
    items += legend(entries, left, plane.top + 8, room)
    width = left + room + MARGIN
    notes = [_funnel_note(record)]
    foot, height = footnotes(notes, plane.bottom + 27, width)
    title = "Significance funnel"
    alt = f"Funnel of {plural(len(y), 'result')}, {int(record.affirmative.sum())} of them affirmative."
    return Layout(
        "significance-funnel",
        title,
        alt,
        width,
        height,
        (*items, *foot),
        _funnel_table(record),
    )


ETA_TICKS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


def corrected_effects(record: WorstCase) -> Layout:
    """The corrected effect with limits against eta on a logarithmic axis, towards that of the other results alone."""
    eta, low, high = np.log(record.etas), record.low, record.high
    worst = record.worst.estimate if record.worst is not None else float("nan")
    ends = axis_range(record.estimate, low, high, always=[record.null, *([worst] if record.worst else [])])
    start = MARGIN + 22
    far = max(float(eta.max()), float(np.log(1.5)))
    plane = Plane(Scale(0.0, far, LEFT, LEFT + WIDTH), Scale(*ends, start + HEIGHT, start))
    known = np.isfinite(low) & np.isfinite(high)
    items: list[Item] = []
    if known.sum() > 1:
        upper = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(eta[known], high[known], strict=True)]
        lower = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(eta[known], low[known], strict=True)]
        items.append(Shape((*upper, *reversed(lower)), "band2"))
    for value, tone, dash in ((record.null, "ink", ()), (worst, "alert", (4.0, 2.4))):
        if np.isfinite(value):
            y = plane.y.at(value)
            items.append(Line(((plane.x.start, y), (plane.x.end, y)), tone, 0.8, dash))
    points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(eta, record.estimate, strict=True))
    items.append(Line(points, "mark", 1.8))
    kept = [t for t in ETA_TICKS if np.log(t) <= far * (1 + 1e-9)]
    marks = ([float(np.log(t)) for t in kept], [f"{t:g}" for t in kept])
    items += axes(
        plane,
        x_title="Affirmative results are published so many times as often (η)",
        y_title="Corrected effect",
        x_ticks=marks,
    )
    width = plane.x.end + MARGIN + 8
    foot, height = footnotes([_eta_note(record)], plane.bottom + 27, width)
    title = "Effect corrected for publication bias of each strength"
    alt = f"Corrected effect from {number(float(record.estimate[0]))} at {number(float(record.etas[0]))} to {number(float(record.estimate[-1]))} at {number(float(record.etas[-1]))}. {_eta_note(record)}"
    return Layout("corrected-effects", title, alt, width, height, (*items, *foot), _eta_table(record))


def _eta_note(record: WorstCase) -> str:
    def words(s: float) -> str:
        return "by no eta" if np.isinf(s) else f"at eta {number(s, 1)}"

    note = (
        f"Band: {100 * record.level:g}% limits. The estimate reaches {number(record.null)} {words(record.s_value)}, "
        f"its limit {words(record.s_value_limit)}."
    )
    if record.worst is not None:
        note += f" Dashed: results that are not affirmative alone, {number(record.worst.estimate)}."
    return note


def _eta_table(record: WorstCase) -> Table:
    columns = (
        TableColumn("eta", "eta", "right", 2),
        TableColumn("estimate", "Corrected", "right", 3),
        TableColumn("low", "Lower limit", "right", 3),
        TableColumn("high", "Upper limit", "right", 3),
    )
    arrays = (record.etas, record.estimate, record.low, record.high)
    rows = tuple(tuple(map(float, row)) for row in zip(*arrays, strict=True))
    return Table("corrected-effects-twin", "Corrected effects", columns, rows)


def _result_ticks(plane: Plane, values: np.ndarray) -> list[Item]:
    """A short stroke on the axis for each result."""
    width = 0.6 if len(values) < 100 else 0.3
    places = [plane.x.at(float(value)) for value in values]
    return [Line(((at, plane.bottom - 1), (at, plane.bottom - 9)), "ink", width) for at in places]


def _curve_notes(model: SelectionModel, top: float) -> list[str]:
    curve, level = model.curve, model.coefficients.level
    notes = [f"Ticks: {plural(model.effects.k, 'result')}; dashed: no selection."]
    if np.isfinite(curve.high).any():
        notes[0] += f" Band: pointwise {100 * level:g}% limits."
        if float(np.nanmax(curve.high)) > top:
            notes.append("The band goes on above the figure.")
    return notes


def _curve_table(model: SelectionModel) -> Table:
    curve = model.curve
    columns = (
        TableColumn("x", "p" if curve.scale == "p" else "Effect", "right", 4),
        TableColumn("weight", "Relative chance", "right", 3),
        TableColumn("low", "Lower limit", "right", 3),
        TableColumn("high", "Upper limit", "right", 3),
    )
    cells = zip(curve.x, curve.weight, curve.low, curve.high, strict=True)
    rows = tuple(tuple(map(float, row)) for row in cells)
    return Table("selection-function-twin", "Selection function", columns, rows)


def _boundary(plane: Plane, slope: float) -> Item:
    """Effects on this line are just significant."""
    edge = plane.x.high if slope > 0 else plane.x.low
    deep = min(plane.y.high, edge / slope)
    ends = ((plane.x.at(0.0), plane.top), (plane.x.at(slope * deep), plane.y.at(deep)))
    return Line(ends, "muted", 0.8, (1.5, 2.0))


def _points(plane: Plane, record: WorstCase) -> list[Item]:
    y, se = record.effects.y, np.sqrt(record.effects.v)
    radius = 3.2 if len(y) <= 150 else 2.2
    kinds = {True: ("circle", "group1"), False: ("diamond", "group2")}
    items: list[Item] = []
    for i in np.argsort(record.affirmative, kind="stable"):
        kind, tone = kinds[bool(record.affirmative[i])]
        items.append(symbol(kind, plane.x.at(float(y[i])), plane.y.at(float(se[i])), radius, tone))
    return items


def _funnel_table(record: WorstCase) -> Table:
    y, se = record.effects.y, np.sqrt(record.effects.v)
    columns = (
        TableColumn("study", "Study"),
        TableColumn("y", "Effect", "right", 3),
        TableColumn("se", "SE", "right", 3),
        TableColumn("affirmative", "Affirmative"),
    )
    cells = tuple(
        (str(record.effects.study[i]), float(y[i]), float(se[i]), "yes" if record.affirmative[i] else "no")
        for i in range(len(y))
    )
    return Table("significance-funnel-twin", "Significance funnel", columns, cells)


def _funnel_note(record: WorstCase) -> str:
    note = f"Solid line: all results, {number(record.uncorrected.estimate)}."
    if record.worst is not None:
        note += f" Dashed: results that are not affirmative alone, {number(record.worst.estimate)}."
    return note + (" Dotted: p = .05." if record.alpha == 0.05 else "")
