"""What resampling says of a fit: distributions of its quantities, and what it is without each cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.format import count, interval, number, plural
from ..records import Bootstrap, Jackknife, Table, TableColumn
from ..records.resampling import WildBootstrap, WildInterval
from ..records.selection import SelectionBootstrap
from ..records.table import Cell
from .axis import SMALL
from .histogram import HEIGHT, WIDTH, Histogram, histogram
from .layout import Circle, Item, Label, Layout, Line
from .measure import shorten, text_width
from .names import place_names
from .plane import LEFT, MARGIN, Plane, axes, footnotes, vertical_line
from .scale import Scale

MOST, ROW = 6, 11.0  # quantities drawn; points a bar of an interval takes
SIDE = 78.0  # room for the names of intervals
WORDS = {"bca": "BCa"}
Limits = tuple[str, float, float]
NAMED = 6


def bootstrap_distributions(record: Bootstrap) -> Layout:
    """A histogram of each quantity's draws with the estimate and its intervals as bars beneath."""
    limits = [
        [(str(kind), float(record.low[kind][j]), float(record.high[kind][j])) for kind in record.low]
        for j in range(len(record.names))
    ]
    how = f"{count(record.replicates)} {record.kind} bootstrap samples, {record.unit}"
    return _distributions(
        record.names, record.estimate, record.draws, limits, said=(how, record.level, record.failed)
    )


def selection_distributions(record: SelectionBootstrap) -> Layout:
    """The same of a selection model whose studies were resampled."""
    spread = np.nanstd(record.draws, axis=0)
    rows = [j for j in range(len(record.names)) if spread[j] > 0]  # given weights do not vary
    limits = [[("percentile", float(record.ci_low[j]), float(record.ci_high[j]))] for j in rows]
    how = f"{count(len(record.draws))} bootstrap samples of studies"
    return _distributions(
        [record.names[j] for j in rows],
        record.estimate[rows],
        record.draws[:, rows],
        limits,
        said=(how, record.level, record.failed),
    )


def _distributions(
    names: Sequence[str],
    estimate: np.ndarray,
    draws: np.ndarray,
    limits: Sequence[Sequence[Limits]],
    *,
    said: tuple[str, float, int],
) -> Layout:
    how, level, failed = said
    items: list[Item] = []
    top = MARGIN + 34.0
    shown = names[:MOST]
    for j, name in enumerate(shown):
        values = draws[np.isfinite(draws[:, j]), j]
        told = [(kind, low, high) for kind, low, high in limits[j] if np.isfinite(low) and np.isfinite(high)]
        always = (float(estimate[j]), *(x for _, low, high in told for x in (low, high)))
        title = f"{name}: {number(float(estimate[j]), 3)}"
        none = np.zeros(len(values), dtype=bool)
        drawn, plane = histogram(Histogram(values, none, always, title, name, "Draws"), top, left=SIDE)
        items += [*drawn, *vertical_line(plane, float(estimate[j]), tone="alert")]
        bottom = plane.bottom + 32
        items += _bars(plane, told, bottom)
        top = bottom + ROW * len(told) + 46
    width = SIDE + WIDTH + MARGIN
    notes = [f"{how}. Line: estimate; bars: {100 * level:g}% intervals."]
    notes += [f"{plural(failed, 'sample')} without an estimate."] if failed else []
    notes += [f"The first {MOST} of {len(names)} quantities are drawn."] if len(names) > MOST else []
    foot, height = footnotes(notes, top - 46, width)
    title = "Bootstrap distributions"
    twin = _draws_table(names, estimate, draws, limits)
    shares = "; ".join(f"{names[j]} {number(float(estimate[j]), 3)}" for j in range(len(shown)))
    return Layout("bootstrap", title, f"{how}: {shares}.", width, height, (*items, *foot), twin)


def _bars(plane: Plane, limits: Sequence[Limits], top: float) -> list[Item]:
    """One bar for each kind of interval, named at the left."""
    items: list[Item] = []
    for i, (kind, low, high) in enumerate(limits):
        y = top + ROW * i + 5
        items.append(Label(plane.x.start - 6, y + 0.36 * SMALL, WORDS.get(kind, kind), SMALL, "end"))
        a, b = plane.x.at(low), plane.x.at(high)
        items.append(Line(((a, y), (b, y)), "mark", 1.8))
        items += [Line(((x, y - 3), (x, y + 3)), "mark", 1.0) for x in (a, b)]
    return items


def _draws_table(
    names: Sequence[str], estimate: np.ndarray, draws: np.ndarray, limits: Sequence[Sequence[Limits]]
) -> Table:
    columns = (
        TableColumn("name", "Quantity"),
        TableColumn("estimate", "Estimate", "right", 3),
        TableColumn("mean", "Mean of draws", "right", 3),
        TableColumn("se", "SD of draws", "right", 3),
        TableColumn("kind", "Interval"),
        TableColumn("low", "Lower limit", "right", 3),
        TableColumn("high", "Upper limit", "right", 3),
    )
    rows: list[tuple[Cell, ...]] = []
    for j, name in enumerate(names):
        values = draws[np.isfinite(draws[:, j]), j]
        mean, sd = (float(values.mean()), float(values.std(ddof=1))) if len(values) > 1 else (np.nan, np.nan)
        for kind, low, high in limits[j]:
            rows.append((name, float(estimate[j]), mean, sd, WORDS.get(kind, kind), low, high))
    return Table("bootstrap-twin", "Bootstrap distributions", columns, tuple(rows))


def jackknife_runs(record: Jackknife) -> Layout:
    """Each quantity without each cluster, sorted, beside the whole estimate and the jackknife's interval."""
    items: list[Item] = []
    top, step = MARGIN + 34.0, 180.0
    shown = record.names[:MOST]
    for j, name in enumerate(shown):
        items += _run(record, j, top + j * step)
        low, high = float(record.low[j]), float(record.high[j])
        text = f"{name}: {number(float(record.estimate[j]), 3)}, corrected {number(float(record.corrected[j]), 3)} {interval(low, high, 3)}"
        items.append(Label(LEFT, top + j * step - 22, shorten(text, WIDTH + 60, 8.5, bold=True), bold=True))
    width = LEFT + WIDTH + 60 + MARGIN
    notes = [
        f"Points: without one {record.by}, sorted by the answer. Dashed: all of them; in brackets: {100 * record.level:g}% limits of the jackknife."
    ]
    notes += [f"{plural(record.failed, record.by)} could not be left out."] if record.failed else []
    notes += (
        [f"The first {MOST} of {len(record.names)} quantities are drawn."] if len(record.names) > MOST else []
    )
    foot, height = footnotes(notes, top + (len(shown) - 1) * step + HEIGHT + 27, width)
    title = f"The answer without each {record.by}"
    told = "; ".join(f"{name} {_span(record.left_out[:, j])}" for j, name in enumerate(shown))
    columns = (
        TableColumn("label", record.by),
        *(TableColumn(f"q{j}", name, "right", 3) for j, name in enumerate(record.names)),
    )
    rows: list[tuple[Cell, ...]] = [
        (label, *map(float, record.left_out[i])) for i, label in enumerate(record.labels)
    ]
    twin = Table("jackknife-twin", title, columns, tuple(rows))
    alt = f"Jackknife of {plural(len(record.labels), record.by)}: {told}."
    return Layout("jackknife", title, alt, width, height, (*items, *foot), twin)


def _span(values: np.ndarray) -> str:
    found = values[np.isfinite(values)]
    return (
        f"from {number(float(found.min()), 3)} to {number(float(found.max()), 3)}" if len(found) else "none"
    )


def _run(record: Jackknife, j: int, top: float) -> list[Item]:
    values = record.left_out[:, j]
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    whole = float(record.estimate[j])
    ends = [whole, *(float(values[i]) for i in order)]
    low, high = min(ends), max(ends)
    pad = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    plane = Plane(
        Scale(0.0, len(order) + 1.0, LEFT, LEFT + WIDTH), Scale(low - pad, high + pad, top + HEIGHT, top)
    )
    at = [(plane.x.at(i + 1.0), plane.y.at(float(values[row]))) for i, row in enumerate(order)]
    level = plane.y.at(whole)
    items: list[Item] = [Line(((plane.x.start, level), (plane.x.end, level)), "summary", 0.8, (3.0, 2.2))]
    radius = max(1.2, 2.4 * (60 / max(len(order), 60)) ** 0.35)
    items += [Circle(x, y, radius, "mark", "paper", 0.3) for x, y in at]
    items += axes(plane, x_title=f"{record.by} left out", y_title=record.names[j], x_ticks=((), ()), rise=8.0)
    away = np.abs(values[order] - whole)
    moved = away > 1e-9 * max(abs(whole), 1e-300)  # where nothing moves there is no one to name
    far = [int(i) for i in np.argsort(-away, kind="stable") if moved[i]][:NAMED]
    line = [(plane.x.at(float(i)), level) for i in range(len(order) + 2)]
    area = (plane.x.start + 2, plane.top, plane.x.end + 60, plane.bottom - 2)
    return items + list(place_names(at, [record.labels[i] for i in order], far, area=area, avoid=line))


def wild_distribution(record: WildBootstrap) -> Layout:
    """The statistic in the replicates, those at least as large as the observed one darker."""
    values = record.draws[np.isfinite(record.draws)]
    title = f"observed {number(record.statistic, 3)}, p {number(record.p_value, 4)}"
    dark = values >= record.statistic * (1 - 1e-10)
    axis = "robust Wald statistic" + (f" / {record.df1}" if record.df1 > 1 else "")
    drawn = Histogram(values, dark, (record.statistic,), title, axis, "Replicates", 0.0)
    items, plane = histogram(drawn, MARGIN + 34)
    items += vertical_line(plane, record.statistic, tone="alert")
    n = count(record.replicates)
    which = f"All {n} patterns" if record.exact else f"{n} random patterns"
    error = (
        "" if record.exact else f" 95% Monte-Carlo interval of p: {interval(record.p_low, record.p_high, 4)}."
    )
    notes = [
        f"{which} of {plural(record.clusters, 'cluster')}. Line: observed; dark bars: at least as large.{error}"
    ]
    width = LEFT + WIDTH + MARGIN
    foot, height = footnotes(notes, plane.bottom + 27, width)
    quantiles = (
        [float(q) for q in np.quantile(values, (0.5, 0.9, 0.95, 0.99))] if len(values) else [np.nan] * 4
    )
    columns = (
        TableColumn("observed", "Observed", "right", 3),
        TableColumn("p", "p", "right", 4),
        *(TableColumn(f"q{q}", f"{q}%", "right", 3) for q in (50, 90, 95, 99)),
    )
    name = "Cluster wild bootstrap"
    twin = Table("wild-twin", name, columns, ((record.statistic, record.p_value, *quantiles),))
    return Layout("wild-bootstrap", name, f"{record.name}: {title}.", width, height, (*items, *foot), twin)


def wild_p_values(record: WildInterval) -> Layout:
    """The p-value as a function of the hypothesised value; the interval is where it exceeds 1 - level."""
    x, p = record.values, record.p_values
    top, alpha = MARGIN + 34.0, 1 - record.level
    plane = Plane(
        Scale(float(x[0]), float(x[-1]), LEFT, LEFT + WIDTH), Scale(0.0, 1.05, top + HEIGHT + 40, top)
    )
    items: list[Item] = []
    level = plane.y.at(alpha)
    items.append(Line(((plane.x.start, level), (plane.x.end, level)), "muted", 0.7, (3.0, 2.2)))
    items.append(Line(tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(x, p, strict=True)), "mark", 1.6))
    items += vertical_line(plane, 0.0)
    for limit in (record.low, record.high):
        if np.isfinite(limit):
            items += vertical_line(plane, limit, tone="alert", dash=(4.0, 2.4))
    items += axes(plane, x_title=record.name, y_title="p-value", y_values=(0, 0.25, 0.5, 0.75, 1.0))
    ends = [number(v, 3) if np.isfinite(v) else "no limit" for v in (record.low, record.high)]
    text = f"{record.name}: {number(record.estimate, 3)} [{ends[0]}, {ends[1]}]"
    items.append(Label(LEFT, top - 22, shorten(text, WIDTH, 8.5, bold=True), bold=True))
    which = "all" if record.exact else f"{count(record.replicates)} random"
    width = LEFT + max(WIDTH, text_width("0", SMALL)) + MARGIN
    note = (
        f"{100 * record.level:g}% interval: values with p above {alpha:g} (dashed). {which.capitalize()} patterns of "
        f"{plural(record.clusters, 'cluster')}."
    )
    foot, height = footnotes([note], plane.bottom + 27, width)
    columns = (TableColumn("value", "Value", "right", 4), TableColumn("p", "p", "right", 4))
    rows = tuple((float(a), float(b)) for a, b in zip(x, p, strict=True))
    name = "p-value of each hypothesised value"
    twin = Table("wild-interval-twin", name, columns, rows)
    return Layout("wild-interval", name, f"{text}.", width, height, (*items, *foot), twin)
