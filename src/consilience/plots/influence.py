"""Influence of each case: eight small panels over the cases, limits dashed, flagged cases named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.format import plural
from ..records import Influence, Table, TableColumn
from ..records.table import Cell
from .axis import SMALL, vertical_axis
from .layout import Circle, Item, Label, Layout, Line, Shape, marker
from .names import place_names
from .plane import MARGIN, footnotes
from .scale import Scale, nice_step, ticks

WIDTH, HEIGHT, BETWEEN = 240.0, 92.0, 34.0
LEFT, ROW = 50.0, 46.0
NAMED = 8  # names tried in one panel
STEMS = 100  # cases up to which every point stands on a stem
STEPS = tuple(t / 16 for t in range(17))  # places along a stem that names must not hide


@dataclass(frozen=True, eq=False)
class _Panel:
    """title; value (n,); limits drawn dashed; base : where stems stand (NaN = none)."""

    title: str
    value: np.ndarray
    limits: tuple[float, ...]
    base: float


def influence_panels(record: Influence) -> Layout:
    """Deleted residuals, DFFITS, Cook's distance, covariance ratio, tau^2 and Q without the case, hat, weight."""
    panels = _panels(record)
    flagged = np.flatnonzero(record.outlier | record.influential)
    items: list[Item] = []
    for number, panel in enumerate(panels):
        left = MARGIN + LEFT - 14 + (number % 2) * (WIDTH + LEFT + BETWEEN - 14)
        top = MARGIN + 16 + (number // 2) * (HEIGHT + ROW)
        items += _draw(record, panel, (left, top), flagged)
    width = MARGIN + LEFT - 14 + 2 * WIDTH + LEFT + BETWEEN - 14 + MARGIN + 8
    end = MARGIN + 16 + (len(panels) + 1) // 2 * (HEIGHT + ROW) - ROW + 14
    foot, bottom = footnotes(_notes(record, flagged), end, width)
    names = ", ".join(record.label[i] for i in flagged[:12]) or "none"
    alt = (
        f"Eight panels over {plural(record.n, 'case')} ({record.by}): deleted residual, DFFITS, Cook's distance, covariance "
        f"ratio, tau squared and Q without the case, hat value, weight. Flagged: {names}."
    )
    title = f"Influence of each {record.by}"
    return Layout("influence", title, alt, width, bottom, (*items, *foot), _twin(record, title))


def _panels(record: Influence) -> tuple[_Panel, ...]:
    limits, single = record.limits, bool((record.size == 1).all())
    first = (
        _Panel("Deleted residual (z)", record.extreme, (-1.96, 0.0, 1.96), 0.0)
        if single
        else _Panel("Deleted residuals (p of \u03c7\u00b2)", record.p_value, (0.05,), np.nan)
    )
    return (
        first,
        _Panel("DFFITS", record.dffits, (-limits["dffits"], 0.0, limits["dffits"]), 0.0),
        _Panel("Cook's distance", record.cook, (limits["cook"],), 0.0),
        _Panel("Covariance ratio", record.covratio, (1.0,), np.nan),
        _Panel("\u03c4\u00b2 without the case", record.tau2, (), np.nan),
        _Panel("Q without the case", record.q, (), np.nan),
        _Panel("Hat value", record.hat, (limits["hat"],), 0.0),
        _Panel("Weight (%)", record.weight, (100 / record.n,), 0.0),
    )


def _range(panel: _Panel) -> tuple[float, float]:
    """Typical values, the largest in size and those limits that are not far away."""
    value = panel.value[np.isfinite(panel.value)]
    if not len(value):
        return 0.0, 1.0
    low, high = float(value.min()), float(value.max())
    low, high = (min(low, panel.base), max(high, panel.base)) if np.isfinite(panel.base) else (low, high)
    span = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-6)
    near = [x for x in panel.limits if low - 1.2 * span <= x <= high + 1.2 * span]
    low, high = min([low, *near]), max([high, *near])
    span = max(high - low, span)
    pad = 0.08 * span
    return (low - pad if low != panel.base else low), high + pad


def _draw(record: Influence, panel: _Panel, at: tuple[float, float], flagged: np.ndarray) -> list[Item]:
    left, top = at
    low, high = _range(panel)
    x = Scale(0.0, record.n + 1.0, left, left + WIDTH)
    y = Scale(low, high, top + HEIGHT, top)
    items: list[Item] = [Label(left - 36, top - 6, panel.title, 8.0, bold=True)]
    items += vertical_axis(y, left, values=ticks(low, high, most=4))
    for limit in panel.limits:
        if y.holds(limit):
            dash = () if limit == 0 else (3.0, 2.2)
            tone = "rule" if limit == 0 else "muted"
            items.append(Line(((left, y.at(limit)), (left + WIDTH, y.at(limit))), tone, 0.7, dash))
    radius = 2.2 if record.n <= 60 else max(1.0, 2.2 * (60 / record.n) ** 0.4)
    points = [(x.at(i + 1.0), y.at(v if np.isfinite(v) else low)) for i, v in enumerate(panel.value)]
    marked = set(flagged.tolist())
    order = [i for i in range(record.n) if i not in marked] + flagged.tolist()
    base = y.at(panel.base) if np.isfinite(panel.base) else np.nan
    for i in order:
        if np.isfinite(panel.value[i]):
            items += _point(
                points[i], base if record.n <= STEMS or i in marked else np.nan, radius, i in marked
            )
    items += _cases_axis(record.n, x, top + HEIGHT)
    shown = [i for i in flagged if np.isfinite(panel.value[i])]
    middle = np.nanmedian(panel.value) if np.isfinite(panel.value).any() else 0.0
    shown = sorted(shown, key=lambda i: -abs(panel.value[i] - middle))[:NAMED]
    area = (left + 1, top - 3, left + WIDTH + 6, top + HEIGHT - 1)
    seen = [points[i] for i in (range(record.n) if record.n <= STEMS else flagged)]
    stems = [(px, base + t * (py - base)) for px, py in seen for t in STEPS] if np.isfinite(base) else []
    return items + place_names(points, record.label, shown, area=area, avoid=stems)


def _point(point: tuple[float, float], base: float, radius: float, marked: bool) -> list[Item]:
    px, py = point
    items: list[Item] = []
    if np.isfinite(base):
        items.append(Line(((px, base), (px, py)), "alert" if marked else "soft", 0.9 if marked else 0.6))
    if marked:
        items.append(Shape(marker("diamond", px, py, radius * 1.25), "alert", "paper", 0.4))
    else:
        items.append(Circle(px, py, radius, "mark", "paper", 0.3))
    return items


def _cases_axis(n: int, x: Scale, y: float) -> list[Item]:
    """Case numbers below a panel."""
    items: list[Item] = [Line(((x.start, y), (x.end, y)))]
    step = max(1, int(nice_step(n, 6)))
    for value in [1, *range(step, n + 1, step)] if step > 1 else range(1, n + 1):
        if value == 1 and step == 1 and n > 12:
            continue
        items.append(Line(((x.at(value), y), (x.at(value), y + 2.5))))
        items.append(Label(x.at(value), y + 10, str(value), SMALL, "middle"))
    return items


def _notes(record: Influence, flagged: np.ndarray) -> list[str]:
    what = "study" if record.by == "study" else record.by
    notes = [f"Horizontal: {what} number, as in the text version. Dashed: limits (weight: equal shares)."]
    if len(flagged):
        listed = ", ".join(f"{record.label[i]} ({i + 1})" for i in flagged[:20])
        more = f" and {len(flagged) - 20} more" if len(flagged) > 20 else ""
        notes.append(f"Flagged (diamonds): {listed}{more}.")
    missing = [i for i, why in enumerate(record.reason) if why]
    if missing:
        listed = "; ".join(f"{record.label[i]}: {record.reason[i]}" for i in missing[:5])
        notes.append(f"Not drawn ({len(missing)}): {listed}.")
    return [*notes, *record.rules]


def _twin(record: Influence, title: str) -> Table:
    numbers = (
        ("Deleted z", record.extreme, 2),
        ("p", record.p_value, 3),
        ("DFFITS", record.dffits, 2),
        ("Cook", record.cook, 3),
        ("Cov. ratio", record.covratio, 3),
        ("tau2", record.tau2, 4),
        ("Q", record.q, 2),
        ("Hat", record.hat, 3),
        ("Weight", record.weight, 2),
    )
    columns = (
        TableColumn("number", "No.", "right", 0),
        TableColumn("label", "Case"),
        *(TableColumn(name, name, "right", digits) for name, _, digits in numbers),
        TableColumn("flag", "Flag"),
    )
    words = [
        record.reason[i]
        or ", ".join(
            w
            for w, is_set in (("outlier", record.outlier[i]), ("influential", record.influential[i]))
            if is_set
        )
        for i in range(record.n)
    ]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (i + 1, record.label[i], *(float(v[i]) for _, v, _ in numbers), words[i]) for i in range(record.n)
    )
    return Table("influence-twin", title, columns, rows, notes=record.rules)
