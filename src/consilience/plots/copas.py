"""The Copas model: the adjusted effect along the path from no to severe selection, over all selections, and what asymmetry is left."""

from __future__ import annotations

import numpy as np

from ..base.format import number
from ..records import Table, TableColumn
from ..records.selection import CopasFit
from .axis import SMALL
from .contour_lines import contour_lines, levels_between
from .layout import Item, Label, Layout, Line, Shape
from .measure import text_width
from .p_values import KEY, p_plane
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, symbol
from .scale import Scale, axis_range

PUBLISHED = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SIDE = 300.0  # of the contour plot


def copas_figure(record: CopasFit) -> Layout:
    """Adjusted effect with limits against the chance of publication of the least precise study."""
    path = record.path
    ok = np.isfinite(path.low) & np.isfinite(path.high)
    x, y, low, high, p = (
        a[ok] for a in (path.published, path.estimate, path.low, path.high, path.p_residual)
    )
    plain = record.unadjusted
    ends = axis_range(y, low, high, always=[0.0, plain.estimate])
    plane = p_plane((0.0, 1.0), ends)  # x is the chance of not being published
    items: list[Item] = []
    items += _band(plane, 1 - x, low, high)
    items.append(Line(((plane.x.start, plane.y.at(0.0)), (plane.x.end, plane.y.at(0.0))), "ink", 0.7))
    at = plane.y.at(plain.estimate)
    items.append(Line(((plane.x.start, at), (plane.x.end, at)), "muted", 0.7, (3.0, 2.2)))
    points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(1 - x, y, strict=True))
    items.append(Line(points, "mark", 1.4))
    for point, residual in zip(points, p, strict=True):
        kind, tone = ("circle", "mark") if residual > 0.1 else ("square", "alert")
        items.append(symbol(kind, *point, 3.4, tone))
    items += _published_axes(plane, "Adjusted effect")
    entries: list[tuple[str, Item | None]] = [
        ("Asymmetry left, p ≤ .10", symbol("square", 0, 0, 3.4, "alert")),
        ("No asymmetry left", symbol("circle", 0, 0, 3.4, "mark")),
    ]
    items += legend(entries, plane.x.end + 12, plane.top + 8, KEY)
    width = plane.x.end + 12 + KEY + MARGIN
    note = f"Dashed: unadjusted, {number(plain.estimate)}. Band: {100 * record.level:g}% limits."
    foot, height = footnotes([note], plane.bottom + 27, width)
    alt = (
        f"Adjusted effect from {number(float(y[0]))} without to {number(float(y[-1]))} with severe selection."
        if len(y)
        else "No estimate."
    )
    title = "Copas selection model"
    return Layout("copas", title, alt, width, height, (*items, *foot), _copas_table((x, y, low, high, p)))


def _published_axes(plane: Plane, title: str) -> list[Item]:
    """The chance of publication of the least precise study falls from left to right."""
    labels = [f"{1 - v:.1f}" for v in PUBLISHED]
    x_title = "Chance of publication of the least precise study"
    return axes(plane, x_title=x_title, y_title=title, x_ticks=(PUBLISHED, labels))


def residual_asymmetry(record: CopasFit) -> Layout:
    """p of the asymmetry that is left against the chance of publication of the least precise study."""
    x, p = 1 - record.path.published, record.path.p_residual
    plane = p_plane((0.0, 1.0), (0.0, max(0.2, 1.08 * float(np.nanmax(p)))))
    at = plane.y.at(0.1)
    items: list[Item] = [Line(((plane.x.start, at), (plane.x.end, at)), "muted", 0.7, (3.0, 2.2))]
    points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in zip(x, p, strict=True))
    items.append(Line(points, "mark", 1.4))
    for point, residual in zip(points, p, strict=True):
        kind, tone = ("circle", "mark") if residual > 0.1 else ("square", "alert")
        items.append(symbol(kind, *point, 3.4, tone))
    items += _published_axes(plane, "p, asymmetry left")
    width = plane.x.end + MARGIN + 10
    note = "Likelihood-ratio test of a slope on the standard error, given the selection. Dashed: p = .10."
    foot, height = footnotes([note], plane.bottom + 27, width)
    path = record.path
    arrays = (path.published, path.estimate, path.low, path.high, path.p_residual)
    title = "Copas selection model: asymmetry that is left"
    alt = f"p of residual asymmetry from {number(float(p[0]), 3)} without to {number(float(p[-1]), 3)} with severe selection."
    return Layout("copas-residual", title, alt, width, height, (*items, *foot), _copas_table(arrays))


def copas_contours(record: CopasFit) -> Layout:
    """Lines of equal adjusted effect over (gamma0, gamma1); where asymmetry remains is shaded."""
    g0, g1, z = record.gamma0, record.gamma1, record.estimate
    top = MARGIN + 22
    plane = Plane(Scale(*_ends(g0), LEFT, LEFT + SIDE), Scale(*_ends(g1), top + SIDE, top))
    items = _shaded(record, plane)
    boxes: list[tuple[float, float, float, float]] = []
    for level in levels_between(float(np.nanmin(z)), float(np.nanmax(z))):
        lines = contour_lines(g0, g1, z, level)
        for line in lines:
            points = tuple((plane.x.at(a), plane.y.at(b)) for a, b in line)
            items.append(Line(points, "mark", 1.1))
        items += _level_name(number(level, 3).rstrip("0").rstrip("."), plane, lines, boxes)
    items += axes(plane, x_title="γ₀", y_title="γ₁")
    width = plane.x.end + MARGIN + 20
    plain = number(record.unadjusted.estimate)
    note = (
        f"Lines: adjusted effect (unadjusted {plain}) if a study is published with probability Φ(γ₀ + γ₁ / standard error) and large results "
        "are favoured; selection is most severe at the bottom left. Shaded: asymmetry left, p ≤ .10."
    )
    foot, height = footnotes([note], plane.bottom + 27, width)
    low, high = number(float(np.nanmin(z))), number(float(np.nanmax(z)))
    title = "Copas selection model: adjusted effect by selection"
    alt = f"Contours of the adjusted effect over the parameters of selection: from {low} to {high}; unadjusted {plain}."
    columns = (
        TableColumn("gamma1", "γ₁", "right", 3),
        *(TableColumn(f"g{i}", f"γ₀ {number(float(v))}", "right", 3) for i, v in enumerate(g0)),
    )
    rows = tuple((float(g), *map(float, row)) for g, row in zip(g1, z, strict=True))
    twin = Table("copas-contours-twin", title, columns, rows)
    return Layout("copas-contours", title, alt, width, height, (*items, *foot), twin)


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _shaded(record: CopasFit, plane: Plane) -> list[Item]:
    """One strip for each run of neighbouring grid points of a row whose asymmetry is significant."""
    x, y = _edges(record.gamma0), _edges(record.gamma1)
    items: list[Item] = []
    for i, row in enumerate(record.p_residual <= 0.1):
        marks = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for start, stop in marks.reshape(-1, 2):
            a, b = plane.x.at(x[start]), plane.x.at(x[stop])
            c, d = plane.y.at(y[i]), plane.y.at(y[i + 1])
            items.append(Shape(((a, c), (b, c), (b, d), (a, d)), "band2"))
    return items


def _edges(values: np.ndarray) -> np.ndarray:
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([values[:1], middle, values[-1:]])


def _level_name(
    text: str,
    plane: Plane,
    lines: list[np.ndarray],
    boxes: list[tuple[float, float, float, float]],
) -> list[Item]:
    """The level on its longest line, where it overlaps no other; left out if there is no such place."""
    if not lines:
        return []
    line = max(lines, key=len)
    width = text_width(text, SMALL, bold=True)
    order = sorted(range(len(line)), key=lambda i: abs(i - len(line) // 2))
    for i in order:
        x, y = plane.x.at(float(line[i][0])), plane.y.at(float(line[i][1]))
        box = (x - width / 2 - 2, y - 6, x + width / 2 + 2, y + 6)
        inside = (
            box[0] > plane.x.start + 2
            and box[2] < plane.x.end
            and box[1] > plane.top
            and box[3] < plane.bottom - 2
        )
        if inside and not any(
            box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes
        ):
            boxes.append(box)
            corners = ((box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3]))
            return [
                Shape(corners, "paper", opacity=0.85),
                Label(x, y + 0.36 * SMALL, text, SMALL, "middle", True),
            ]
    return []


def _band(plane: Plane, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[Item]:
    """The area between two lines."""
    if len(x) < 2:
        return []
    upper = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(x, high, strict=True)]
    lower = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(x, low, strict=True)]
    return [Shape((*upper, *reversed(lower)), "band2")]


def _copas_table(arrays: tuple[np.ndarray, ...]) -> Table:
    columns = (
        TableColumn("published", "P(publication)", "right", 3),
        TableColumn("estimate", "Estimate", "right", 3),
        TableColumn("low", "Lower limit", "right", 3),
        TableColumn("high", "Upper limit", "right", 3),
        TableColumn("p", "p, asymmetry left", "right", 3),
    )
    rows = tuple(tuple(float(a[i]) for a in arrays) for i in range(len(arrays[0])))
    return Table("copas-twin", "Copas selection model", columns, rows)
