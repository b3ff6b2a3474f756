"""Baujat, radial, quantile and residual plots, and variance inflation against its reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.format import interval, number, plural
from ..records import Baujat, Collinearity, Quantiles, Radial, Residuals, Table, TableColumn
from ..records.table import Cell
from .layout import Circle, Item, Layout, Line, Point, Shape, marker
from .names import place_names
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow
from .plane import LEFT, MARGIN, Plane, axes, footnotes, measure_title
from .scale import Scale

WIDTH, HEIGHT = 400.0, 290.0
NAMED = 12


def _plane(x: tuple[float, float], y: tuple[float, float]) -> Plane:
    top = MARGIN + 22
    return Plane(Scale(*x, LEFT, LEFT + WIDTH), Scale(*y, top + HEIGHT, top))


def _padded(values: np.ndarray, *, always: Sequence[float] = ()) -> tuple[float, float]:
    """All values with a margin; never empty."""
    found = [*values[np.isfinite(values)].tolist(), *always] or [0.0, 1.0]
    low, high = min(found), max(found)
    alone = high - low <= 1e-9 * max(abs(low), abs(high), 1.0)  # one value: round ticks on either side
    pad = 0.5 if alone else 0.06 * (high - low)
    return low - pad, high + pad


def _cloud(plane: Plane, x: np.ndarray, y: np.ndarray, marked: np.ndarray) -> tuple[list[Item], list[Point]]:
    """Circles, and diamonds in another tone for the marked ones."""
    points = [
        (plane.x.at(float(a)), plane.y.at(float(b)))
        for a, b in zip(np.nan_to_num(x), np.nan_to_num(y), strict=True)
    ]
    seen = np.isfinite(x) & np.isfinite(y)
    radius = 2.8 if len(x) <= 100 else max(1.3, 2.8 * (100 / len(x)) ** 0.35)
    items: list[Item] = [
        Circle(*points[i], radius, "mark", "paper", 0.4, 0.9) for i in np.flatnonzero(seen & ~marked)
    ]
    items += [
        Shape(marker("diamond", *points[i], radius * 1.2), "alert", "paper", 0.4)
        for i in np.flatnonzero(seen & marked)
    ]
    return items, points


def _level(plane: Plane, value: float, *, tone: str = "ink", dash: tuple[float, ...] = ()) -> list[Item]:
    if not plane.y.holds(value):
        return []
    y = plane.y.at(value)
    return [Line(((plane.x.start, y), (plane.x.end, y)), tone, 0.7, dash)]


def _area(plane: Plane) -> tuple[float, float, float, float]:
    return plane.x.start + 2, plane.top - 2, plane.x.end + 20, plane.bottom - 2


def _finish(
    key: str, title: str, alt: str, *, plane: Plane, items: list[Item], notes: list[str], twin: Table
) -> Layout:
    width = plane.x.end + 20 + MARGIN
    foot, bottom = footnotes(notes, plane.bottom + 27, width)
    return Layout(key, title, alt, width, bottom, (*items, *foot), twin)


def _table(key: str, title: str, labels: Sequence[str], columns: Sequence[tuple[str, np.ndarray]]) -> Table:
    heads = (TableColumn("label", "Case"), *(TableColumn(n, n, "right", 3) for n, _ in columns))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, *(float(v[i]) for _, v in columns)) for i, label in enumerate(labels)
    )
    return Table(f"{key}-twin", title, heads, rows)


def baujat_plot(record: Baujat) -> Layout:
    """Contribution to heterogeneity across, influence on the answer up; the most extreme cases named."""
    title = "Which cases make the heterogeneity, and which move the answer"
    shown = np.isfinite(record.y)
    plane = _plane(_padded(record.x, always=[0.0]), _padded(record.y, always=[0.0]))
    distance = np.hypot(
        *(np.nan_to_num(v) / max(float(np.nanmax(v, initial=0.0)), 1e-300) for v in (record.x, record.y))
    )
    order = [int(i) for i in np.argsort(-distance, kind="stable") if shown[i]][:NAMED]
    items, points = _cloud(plane, record.x, record.y, np.zeros(len(record.x), dtype=bool))
    items += axes(plane, x_title="Contribution to heterogeneity", y_title="Influence on the fitted value")
    items += place_names(points, record.label, order, area=_area(plane))
    listed = ", ".join(record.label[i] for i in order[:3])
    alt = f"Baujat plot of {plural(len(record.label), 'case')}; furthest from the origin: {listed}."
    missing = [f"{record.label[i]}: {why}" for i, why in enumerate(record.reason) if why]
    notes = ["Named: the cases furthest from the origin. Top right: heterogeneous and influential."]
    notes += [f"Not drawn ({len(missing)}): {'; '.join(missing[:5])}."] if missing else []
    twin = _table("baujat", title, record.label, (("Heterogeneity", record.x), ("Influence", record.y)))
    return _finish("baujat", title, alt, plane=plane, items=items, notes=notes, twin=twin)


def radial_plot(record: Radial) -> Layout:
    """Effects over their SD against 1 / SD, with the pooled line and its band."""
    title = "Radial plot: effects over their standard deviation"
    far = float(record.x.max()) * 1.06
    reach = [record.slope * far + record.z, record.slope * far - record.z, record.z, -record.z]
    plane = _plane((0.0, far), _padded(record.y, always=reach))
    items: list[Item] = []
    band = tuple(
        (plane.x.at(x), plane.y.at(record.slope * x + side * record.z))
        for x, side in ((0.0, -1), (far, -1), (far, 1), (0.0, 1))
    )
    items.append(Shape(band, "band2"))
    items += _level(plane, 0.0, tone="rule")
    ends = ((plane.x.at(0.0), plane.y.at(0.0)), (plane.x.at(far), plane.y.at(record.slope * far)))
    items.append(Line(ends, "summary", 1.0, (3.0, 2.2)))
    gap = record.y - record.slope * record.x
    outside = np.abs(gap) > record.z
    cloud, points = _cloud(plane, record.x, record.y, outside)
    items += cloud
    items += axes(plane, x_title="1 / standard deviation", y_title="Effect / standard deviation")
    order = [int(i) for i in np.argsort(-np.abs(gap), kind="stable") if outside[i]][:NAMED]
    items += place_names(points, record.label, order, area=_area(plane))
    pooled = f"{number(record.slope)} {interval(record.ci_low, record.ci_high)}"
    notes = [
        f"Dashed: pooled {measure_title(record.measure)} {pooled}, the slope. Band: \u00b1{number(record.z)} around it; "
        f"{plural(int(outside.sum()), 'effect')} outside it (diamonds)."
    ]
    alt = f"Radial plot of {plural(len(record.label), 'effect')}; pooled {pooled}; {int(outside.sum())} outside the band."
    columns = (("Effect", record.effect), ("1/SD", record.x), ("Effect/SD", record.y))
    twin = _table("radial", title, record.label, columns)
    return _finish("radial", title, alt, plane=plane, items=items, notes=notes, twin=twin)


def quantiles_plot(record: Quantiles) -> Layout:
    """Sorted residuals against normal quantiles with the simulated envelope."""
    title = f"{record.kind.capitalize()} residuals against normal quantiles"
    values = np.concatenate([record.sample, record.low, record.high, record.theoretical])
    plane = _plane(_padded(record.theoretical), _padded(values))
    items: list[Item] = []
    outside = np.zeros(len(record.sample), dtype=bool)
    if record.draws:
        outside = (record.sample < record.low) | (record.sample > record.high)
        upper = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(record.theoretical, record.high, strict=True)]
        lower = [(plane.x.at(a), plane.y.at(b)) for a, b in zip(record.theoretical, record.low, strict=True)]
        items.append(Shape((*upper, *reversed(lower)), "band2"))
    low, high = plane.x.low, plane.x.high
    ends = tuple((plane.x.at(v), plane.y.at(v)) for v in (max(low, plane.y.low), min(high, plane.y.high)))
    items.append(Line(ends, "summary", 0.8, (3.0, 2.2)))
    cloud, points = _cloud(plane, record.theoretical, record.sample, outside)
    items += cloud
    items += axes(plane, x_title="Normal quantile", y_title=f"{record.kind.capitalize()} residual")
    order = [int(i) for i in np.argsort(-np.abs(record.sample), kind="stable") if outside[i]]
    items += place_names(points, record.label, order[:NAMED], area=_area(plane))
    notes = ["Dashed: normal residuals of variance one."]
    if record.draws:
        notes.append(
            f"Band: {100 * record.level:g}% of {record.draws:,} data sets simulated from the fitted model, at each "
            f"place; {record.outside} of {len(record.label)} outside (diamonds)."
        )
    alt = f"Normal quantile plot of {plural(len(record.label), 'residual')}" + (
        f"; {record.outside} outside the envelope." if record.draws else "."
    )
    columns = [
        ("Normal", record.theoretical),
        ("Residual", record.sample),
        ("Low", record.low),
        ("High", record.high),
    ]
    twin = _table("quantiles", title, record.label, columns[: 4 if record.draws else 2])
    return _finish("quantiles", title, alt, plane=plane, items=items, notes=notes, twin=twin)


INFLATION = (
    PanelColumn("term", "Term", most=230.0),
    PanelColumn("columns", "Columns", align="right"),
    PanelColumn("gvif", "GVIF", "right", "right"),
    PanelColumn("scaled", "GVIF^(1/2c)", "right", "right"),
    PanelColumn("unrelated", "if unrelated", "right", "right"),
)
KINDS = {
    "deleted": "Deleted residual (z)",
    "standardised": "Standardised residual",
    "raw": "Residual",
    "conditional": "Residual from the predicted true effect",
}


def residuals_plot(record: Residuals, kind: str = "deleted") -> Layout:
    """Residuals of one kind against the fitted values or a moderator."""
    title = f"{KINDS[kind]} against {record.x_name}"
    values = getattr(record, kind)
    unit = kind in ("deleted", "standardised")
    limit = 1.96 if unit else np.inf
    plane = _plane(_padded(record.x), _padded(values, always=[0.0, -2.0, 2.0] if unit else [0.0]))
    items = _level(plane, 0.0)
    for side in (-1.96, 1.96) if unit else ():
        items += _level(plane, side, tone="muted", dash=(3.0, 2.2))
    outside = np.abs(np.nan_to_num(values)) > limit
    cloud, points = _cloud(plane, record.x, values, outside)
    items += cloud
    x_title = "Fitted value" if record.x_name == "fitted" else record.x_name
    items += axes(plane, x_title=x_title, y_title=KINDS[kind])
    seen = np.isfinite(values) & np.isfinite(record.x)
    order = [int(i) for i in np.argsort(-np.abs(np.nan_to_num(values)), kind="stable") if seen[i]]
    named = [i for i in order if outside[i]] if unit else order[:3]
    items += place_names(points, record.label, named[:NAMED], area=_area(plane))
    notes = ["Dashed: \u00b11.96; diamonds lie beyond." if unit else "Named: the three largest."]
    if kind == "deleted":
        notes.append(f"Each effect left out, variances {'re-estimated' if record.reestimated else 'held'}.")
    missing = int(np.sum(~seen))
    if missing:
        notes.append(f"{plural(missing, 'effect')} not drawn: no residual of its own, or no value across.")
    alt = (
        f"{title}: {plural(int(seen.sum()), 'effect')}, {int(outside.sum())} beyond 1.96."
        if unit
        else f"{title}."
    )
    columns = ((record.x_name, record.x), *((name.capitalize(), getattr(record, name)) for name in KINDS))
    twin = _table(f"residuals-{kind}", title, record.label, columns)
    return _finish(f"residuals-{kind}", title, alt, plane=plane, items=items, notes=notes, twin=twin)


def collinearity_plot(record: Collinearity) -> Layout:
    """GVIF^(1/2c) of each term over the range that unrelated terms would have."""
    drawn = len(record.simulated) > 0
    unrelated = (
        record.simulated ** (0.5 / record.columns) if drawn else np.full((1, len(record.term)), np.nan)
    )
    low, high = np.quantile(unrelated, (0.025, 0.975), axis=0)
    rows = []
    for i, term in enumerate(record.term):
        reference = interval(low[i], high[i]) if drawn else "\u2014"
        numbers = (number(record.gvif[i]), number(record.scaled[i]), reference)
        cells = (term, str(int(record.columns[i])), *numbers)
        place = (float(record.scaled[i]), float(low[i]), float(high[i]))
        rows.append(PanelRow("item", cells, *place, weight=0.25, marker="diamond"))
    note = (
        f"Line: 95% of {len(record.simulated):,} designs, {record.how}."
        if drawn
        else "No reference was drawn."
    )
    title = "How much other moderators inflate the standard errors"
    alt = f"{title}: " + ", ".join(
        f"{t} {number(s)}" for t, s in zip(record.term[:12], record.scaled, strict=False)
    )
    panel = Panel(
        "collinearity",
        title,
        f"{alt}.",
        INFLATION,
        tuple(rows),
        "GVIF^(1/2c)",
        ("", ""),
        line=1.0,
        notes=(note,),
    )
    return lay_out(panel)[0]
