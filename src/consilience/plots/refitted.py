"""Leave-one-out and cumulative analyses: rows of intervals, or for many a run of points with the extremes named."""

from __future__ import annotations

import numpy as np

from ..base.format import interval, number, plural
from ..records import Cumulative, LeaveOneOut, Refitted, Table, TableColumn
from .layout import Circle, Item, Layout, Line, Shape
from .names import place_names
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow
from .plane import LEFT, MARGIN, Plane, axes, footnotes, measure_title
from .scale import Scale, axis_range, ticks

ROWS = 50  # selections up to which each has a row of text
WIDTH, HEIGHT = 560.0, 260.0
NAMED = 6  # names tried at each end
NO_SIDES = ("", "")


def leave_one_out_forest(record: LeaveOneOut) -> Layout:
    """The answer without each case."""
    if record.n <= ROWS:
        return _rows(record, "leave-one-out-fit", "The answer without each case", "Left out")
    order = np.argsort(np.where(_shown(record), record.estimate[:, record.focus], np.inf), kind="stable")
    return _run(
        record, order, "leave-one-out-fit", ("The answer without each case", "Case left out, by the answer")
    )


def cumulative_forest(record: Cumulative) -> Layout:
    """The answer as cases are added."""
    if record.n <= ROWS:
        return _rows(record, "cumulative", "The answer as evidence came in", "Added")
    title = ("The answer as evidence came in", f"Cases added by {record.order}")
    return _run(record, np.arange(record.n), "cumulative", title)


def _shown(record: Refitted) -> np.ndarray:
    return np.asarray(np.isfinite(record.estimate[:, record.focus]))


def _text(record: Refitted, i: int) -> str:
    j = record.focus
    if not np.isfinite(record.estimate[i, j]):
        return "\u2014"
    value = number(record.estimate[i, j])
    low, high = record.ci_low[i, j], record.ci_high[i, j]
    return f"{value} {interval(low, high)}" if np.isfinite(low) else value


def _measure(record: Refitted) -> str:
    name = record.names[record.focus]
    scale = measure_title(record.measure)
    return scale if len(record.names) == 1 else f"{name} ({scale})"


def _rows(record: Refitted, key: str, title: str, first: str) -> Layout:
    j = record.focus
    ordered = isinstance(record, Cumulative) and record.order != "precision"
    values = record.value if isinstance(record, Cumulative) and ordered else ("",) * record.n
    columns = [PanelColumn("label", first, most=230.0)]
    if isinstance(record, Cumulative) and ordered:
        columns.append(PanelColumn("value", record.order, align="right", most=90.0))
    columns += [
        PanelColumn("k", "Effects", align="right"),
        PanelColumn("estimate", f"Estimate [{100 * record.level:g}% CI]", "right", "right"),
        PanelColumn("tau2", "\u03c4\u00b2", "right", "right"),
    ]
    rows = []
    for i in range(record.n):
        cells = [record.label[i], *([values[i]] if ordered else []), str(int(record.k[i])), _text(record, i)]
        cells.append(number(record.tau2[i], 3))
        y, low, high = (float(a[i, j]) for a in (record.estimate, record.ci_low, record.ci_high))
        rows.append(PanelRow("item", tuple(cells), y, low, high, weight=0.25, marker="circle"))
        if record.reason[i]:
            rows.append(PanelRow("note", (record.reason[i],)))
    whole = f"{number(record.whole[j])} {interval(record.whole_low[j], record.whole_high[j])}"
    cells = ["All effects", *([""] if ordered else []), "", whole, ""]
    low, high = float(record.whole_low[j]), float(record.whole_high[j])
    rows.append(PanelRow("overall", tuple(cells), float(record.whole[j]), low, high))
    return lay_out(
        Panel(
            key,
            title,
            _alt(record, title),
            tuple(columns),
            tuple(rows),
            _measure(record),
            NO_SIDES,
            line=float(record.whole[j]),
            band=(low, high),
            notes=_notes(record),
        )
    )[0]


def _notes(record: Refitted) -> tuple[str, ...]:
    j = record.focus
    band = f"Dashed and band: all effects {number(record.whole[j])} {interval(record.whole_low[j], record.whole_high[j])}."
    notes = (f"{band} Intervals: {record.method}.",)
    return (*notes, record.rule) if isinstance(record, Cumulative) else notes


def _step_notes(record: Cumulative) -> tuple[str, ...]:
    """Where the band is that of the steps and not of all effects."""
    j, level = record.focus, f"{100 * record.level:g}%"
    whole = f"{number(record.whole[j])} {interval(record.whole_low[j], record.whole_high[j])}"
    return (
        f"Dashed: all effects {whole}. Band: {level} interval of each step, {record.method}.",
        record.rule,
    )


def _alt(record: Refitted, title: str) -> str:
    values = record.estimate[_shown(record), record.focus]
    span = f"from {number(values.min())} to {number(values.max())}" if len(values) else "none available"
    whole = number(record.whole[record.focus])
    return f"{title}: {plural(record.n, 'fit')}, estimates {span}; all effects {whole}."


def _run(record: Refitted, order: np.ndarray, key: str, titles: tuple[str, str]) -> Layout:
    """Estimates side by side; of a cumulative analysis with the band of their intervals."""
    j, shown = record.focus, _shown(record)
    y, low, high = (a[order, j] for a in (record.estimate, record.ci_low, record.ci_high))
    whole, added = float(record.whole[j]), isinstance(record, Cumulative)
    notes = _step_notes(record) if isinstance(record, Cumulative) else _run_notes(record)
    bottom_value, top_value = (
        axis_range(y, low, high, always=[0.0, whole]) if added else axis_range(y, y, y, always=[whole])
    )
    top = MARGIN + 22
    plane = Plane(
        Scale(0.0, len(order) + 1.0, LEFT, LEFT + WIDTH), Scale(bottom_value, top_value, top + HEIGHT, top)
    )
    at = [(plane.x.at(i + 1.0), plane.y.at(float(v))) for i, v in enumerate(np.nan_to_num(y))]
    items = _band(plane, low, high) if added else []
    items += _references(plane, whole)
    radius = max(1.2, 2.4 * (60 / len(order)) ** 0.35)
    items += [Circle(*at[i], radius, "mark", "paper", 0.3) for i in range(len(order)) if shown[order[i]]]
    marks = ticks(bottom_value, top_value, most=6)
    items += axes(plane, x_title=titles[1], y_title=_measure(record), y_values=marks)
    names = [record.label[i] for i in order]
    area = (plane.x.start + 2, plane.top, plane.x.end + 14, plane.bottom - 2)
    line = [(plane.x.at(float(i)), plane.y.at(whole)) for i in range(len(order) + 2)]
    items += place_names(at, names, _extremes(record, order), area=area, avoid=line)
    width = LEFT + WIDTH + MARGIN + 10
    foot, end = footnotes(notes, plane.bottom + 27, width)
    alt = _alt(record, titles[0])
    return Layout(key, titles[0], alt, width, end, (*items, *foot), _twin(record, titles[0], notes))


def _band(plane: Plane, low: np.ndarray, high: np.ndarray) -> list[Item]:
    """The intervals as one shape over the steps that have them."""
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if len(known) < 2:
        return []
    upper = [(plane.x.at(i + 1.0), plane.y.at(float(high[i]))) for i in known]
    lower = [(plane.x.at(i + 1.0), plane.y.at(float(low[i]))) for i in known]
    return [Shape((*upper, *reversed(lower)), "band2")]


def _references(plane: Plane, whole: float) -> list[Item]:
    """Zero and the answer of all effects."""
    items: list[Item] = []
    for value, tone, dash in ((0.0, "ink", ()), (whole, "summary", (3.0, 2.2))):
        if plane.y.holds(value):
            y = plane.y.at(value)
            items.append(Line(((plane.x.start, y), (plane.x.end, y)), tone, 0.7, dash))
    return items


def _run_notes(record: Refitted) -> tuple[str, ...]:
    """The range of the answers and of their limits, and whose removal moves a limit across zero."""
    j, shown = record.focus, _shown(record)
    low, high = record.ci_low[shown, j], record.ci_high[shown, j]
    whole = interval(record.whole_low[j], record.whole_high[j], 3)
    excludes = record.whole_low[j] > 0 or record.whole_high[j] < 0
    other = np.flatnonzero(((record.ci_low[:, j] > 0) | (record.ci_high[:, j] < 0)) != excludes)
    other = other[shown[other]]
    listed = ", ".join(record.label[i] for i in other[:10])
    word = "includes" if excludes else "excludes"
    moved = f"the interval {word} zero without: {listed}" + (
        f" and {len(other) - 10} more" if len(other) > 10 else ""
    )
    moved = moved if len(other) else "no case alone changes whether the interval includes zero"
    return (
        f"Dashed: all effects {number(record.whole[j], 3)} {whole}. Lower limits from {number(low.min(), 3)} to "
        f"{number(low.max(), 3)}, upper from {number(high.min(), 3)} to {number(high.max(), 3)}; {moved}. "
        f"Intervals: {record.method}.",
    )


def _extremes(record: Refitted, order: np.ndarray) -> list[int]:
    """Places of the cases to be named: both ends, or the steps that moved the answer most."""
    y = record.estimate[order, record.focus]
    places = np.flatnonzero(np.isfinite(y))
    if isinstance(record, Cumulative):
        moved = np.abs(np.diff(y[places], prepend=y[places[0]] if len(places) else 0.0))
        return [int(i) for i in places[np.argsort(-moved, kind="stable")][: 2 * NAMED]]
    away = np.argsort(-np.abs(y[places] - record.whole[record.focus]), kind="stable")
    return [int(i) for i in places[away][: 2 * NAMED]]


def _twin(record: Refitted, title: str, notes: tuple[str, ...]) -> Table:
    ordered = isinstance(record, Cumulative) and record.order != "precision"
    values = record.value if isinstance(record, Cumulative) and ordered else ("",) * record.n
    columns = (
        TableColumn("label", "Added" if isinstance(record, Cumulative) else "Left out"),
        *(
            (TableColumn("value", record.order, "right"),)
            if isinstance(record, Cumulative) and ordered
            else ()
        ),
        TableColumn("k", "Effects", "right", 0),
        TableColumn("estimate", "Estimate [CI]", "right"),
        TableColumn("tau2", "tau2", "right", 3),
        TableColumn("reason", "Remark"),
    )
    rows = tuple(
        (
            record.label[i],
            *((values[i],) if ordered else ()),
            int(record.k[i]),
            _text(record, i),
            float(record.tau2[i]),
            record.reason[i],
        )
        for i in range(record.n)
    )
    return Table("refitted-twin", title, columns, rows, notes=notes)
