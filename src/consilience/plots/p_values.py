"""Distributions of what is significant: the p-curve and the z-curve; and whether p-values are as p-uniform makes them."""

from __future__ import annotations

import numpy as np

from ..base.format import number, percent, plural
from ..records import Table, TableColumn
from ..records.selection import PCurve, PUniform, ZCurve
from .layout import Circle, Item, Layout, Line, Shape, rectangle
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, symbol, vertical_line
from .scale import Scale

WIDTH, HEIGHT = 360.0, 230.0
KEY = 110.0


def p_plane(x: tuple[float, float], y: tuple[float, float]) -> Plane:
    top = MARGIN + 22
    return Plane(Scale(*x, LEFT, LEFT + WIDTH), Scale(*y, top + HEIGHT, top))


def p_curve_figure(record: PCurve) -> Layout:
    """Share of significant p-values by size, against no effect and 33% power."""
    middle = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    lines = (
        ("Observed", record.shares, "mark", 1.8, (), "circle"),
        ("No effect", np.full(5, 20.0), "alert", 1.2, (1.5, 2.0), "square"),
        ("33% power", record.expected33, "group3", 1.2, (5.0, 2.5), "diamond"),
    )
    top = 1.08 * max(100.0 if not len(record.p) else 0.0, *(float(values.max()) for _, values, *_ in lines))
    plane = p_plane((0.005, 0.055), (0.0, top))
    items: list[Item] = []
    entries: list[tuple[str, Item | None]] = []
    for name, values, tone, width, dash, kind in reversed(lines):
        points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(middle, values, strict=True))
        items.append(Line(points, tone, width, dash))
        items += [symbol(kind, a, b, 3.0, tone) for a, b in points]
        entries.insert(0, (name, symbol(kind, 0, 0, 3.0, tone)))
    labels = [f".{round(100 * m):02d}" for m in middle]
    items += axes(
        plane, x_title="p (up to)", y_title="% of significant results", x_ticks=(list(middle), labels)
    )
    items += legend(entries, plane.x.end + 12, plane.top + 8, KEY)
    width = plane.x.end + 12 + KEY + MARGIN
    note = f"{plural(len(record.p), 'significant result')} of {record.k}."
    foot, height = footnotes([note], plane.bottom + 27, width)
    columns = (
        TableColumn("p", "p up to", "right", 2),
        *(TableColumn(f"c{i}", name, "right", 1) for i, (name, *_) in enumerate(lines)),
    )
    rows = tuple((float(middle[i]), *(float(values[i]) for _, values, *_ in lines)) for i in range(5))
    alt = f"p-curve: {percent(float(record.shares[0]), 0).lstrip('+')} of {plural(len(record.p), 'significant p-value')} below .01."
    return Layout(
        "p-curve",
        "p-curve",
        alt,
        width,
        height,
        (*items, *foot),
        Table("p-curve-twin", "p-curve", columns, rows),
    )


def z_curve_figure(record: ZCurve) -> Layout:
    """Histogram of |z| with the fitted mixture, drawn on below the critical value as what it predicts."""
    cut, shown = 1.959964 if record.significance == 0.05 else float(record.grid[0]), record.z[record.z <= 6]
    edges = np.concatenate([np.linspace(0, cut, 9)[:-1], np.linspace(cut, 6, 21)])
    counts, _ = np.histogram(shown, edges)
    m = max(int(np.sum(record.z > cut)), 1)
    heights = counts / np.diff(edges) / m
    top = 1.08 * max(float(heights.max()), min(float(record.density.max()), 2.5 * float(heights.max())))
    plane = p_plane((0.0, 6.0), (0.0, top))
    items = _bars(plane, edges, heights, cut)
    items += vertical_line(plane, cut, tone="alert", dash=(3.0, 2.2))
    seen = record.density <= plane.y.high  # what is higher would be a line along the edge
    for part, dash in (((record.grid >= cut) & seen, ()), ((record.grid <= cut) & seen, (2.0, 2.0))):
        chosen = zip(record.grid[part], record.density[part], strict=True)
        items.append(Line(tuple((plane.x.at(a), plane.y.at(b)) for a, b in chosen), "mark", 1.6, dash))
    items += axes(plane, x_title="|z|", y_title="Density, relative to the significant results")
    far = int(np.sum(record.z > 6))
    notes = [
        "Line: fitted to the results from the dashed line to 5, beyond which power counts as 1; dotted: what it predicts below."
    ]
    notes += [f"{plural(far, 'result')} beyond 6."] if far else []
    width = plane.x.end + MARGIN + 10
    foot, height = footnotes(notes, plane.bottom + 27, width)
    alt = (
        f"Histogram of |z| of {plural(len(record.z), 'result')} with the fitted curve; expected replication rate "
        f"{number(record.err.estimate)}, expected discovery rate {number(record.edr.estimate)}."
    )
    return Layout(
        "z-curve",
        "z-curve",
        alt,
        width,
        height,
        (*items, *foot),
        _z_table(record, edges, counts),
    )


def p_uniform_figure(record: PUniform) -> Layout:
    """Sorted conditional p-values against those of a uniform distribution: on the line if the model holds."""
    values = np.sort(record.conditional[np.isfinite(record.conditional)])
    m = len(values)
    expected = (np.arange(m) + 0.5) / max(m, 1)
    plane = p_plane((0.0, 1.0), (0.0, 1.0))
    ends = ((plane.x.at(0.0), plane.y.at(0.0)), (plane.x.at(1.0), plane.y.at(1.0)))
    items: list[Item] = [Line(ends, "summary", 0.8, (3.0, 2.2))]
    radius = 2.8 if m <= 100 else max(1.3, 2.8 * (100 / m) ** 0.35)
    items += [
        Circle(plane.x.at(float(a)), plane.y.at(float(b)), radius, "mark", "paper", 0.4, 0.9)
        for a, b in zip(expected, values, strict=True)
    ]
    marks = (0, 0.25, 0.5, 0.75, 1.0)
    items += axes(
        plane,
        x_title="Uniform distribution",
        y_title="Conditional p",
        x_ticks=(marks, [f"{v:g}" for v in marks]),
        y_values=marks,
    )
    told = number(record.estimate.estimate, 3) if record.estimate is not None else "none"
    which = "significant result" if record.method == "p-uniform" else "result"
    note = f"{plural(m, which)}; p-values given that they are published, at the estimate ({told}). Dashed: the model holds."
    width = plane.x.end + MARGIN + 10
    foot, height = footnotes([note], plane.bottom + 27, width)
    columns = (TableColumn("uniform", "Uniform", "right", 3), TableColumn("p", "Conditional p", "right", 3))
    rows = tuple((float(a), float(b)) for a, b in zip(expected, values, strict=True))
    alt = (
        f"{record.method}: conditional p-values of {plural(m, which)} against uniform ones; estimate {told}."
    )
    twin = Table("p-uniform-twin", record.method, columns, rows)
    return Layout("p-uniform", record.method, alt, width, height, (*items, *foot), twin)


def _bars(plane: Plane, edges: np.ndarray, heights: np.ndarray, cut: float) -> list[Item]:
    """A histogram; results that are not significant in a paler tone."""
    items: list[Item] = []
    for a, b, h in zip(edges[:-1], edges[1:], heights, strict=True):
        if h > 0:
            tone = "soft" if a >= cut - 1e-9 else "band2"
            box = rectangle(plane.x.at(a), plane.y.at(h), plane.x.at(b), plane.bottom)
            items.append(Shape(box, tone, "rule", 0.5))
    return items


def _z_table(record: ZCurve, edges: np.ndarray, counts: np.ndarray) -> Table:
    columns = (
        TableColumn("low", "|z| from", "right", 2),
        TableColumn("high", "to", "right", 2),
        TableColumn("n", "Results", "right", kind="count"),
        TableColumn("fit", "Fitted density", "right", 3),
    )
    rows = tuple(
        (float(a), float(b), int(n), float(np.interp((a + b) / 2, record.grid, record.density)))
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    return Table("z-curve-twin", "z-curve", columns, rows)
