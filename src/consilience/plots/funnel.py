"""The funnel plot: effects against their precision, with contours of significance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.format import number, plural
from ..records import Analysis, Table, TableColumn
from .layout import Item, Layout, Line, Point, Shape
from .palette import GROUP_MARKERS
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, legend_width, symbol, vertical_line
from .scale import Scale, axis_range, ticks

WIDTH, HEIGHT = 380.0, 300.0
MANY = 40  # trials above which lines between effects would only hide the points
CONTOURS = ((2.575829, "band"), (1.959964, "band2"), (1.644854, "paper"))  # |z| at p = .01, .05, .10
Against = Literal["se", "size"]
Y_TITLE = {"se": "Standard error of g", "size": "√(1/n treated + 1/n control)"}


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the points are: rows drawn, their height (k,), class (k,), symbol per class; were trials joined?"""

    rows: np.ndarray
    height: np.ndarray
    groups: np.ndarray
    tones: dict[str, tuple[str, str]]
    joined: bool


def predictor(analysis: Analysis, against: Against) -> np.ndarray | None:
    """(k,) what the height shows; None where the effects do not carry the arm sizes."""
    effects = analysis.effects
    if against == "se":
        return np.asarray(np.sqrt(effects.v))
    if "n_treatment" not in effects.columns or "n_control" not in effects.columns:
        return None
    return np.asarray(np.sqrt(1 / effects["n_treatment"] + 1 / effects["n_control"]))


def group_names(analysis: Analysis, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Up to six classes by size, the rest together as ``other``; and each row's class (k,)."""
    effects = analysis.effects
    if "intervention_class" not in effects.columns:
        return ["all"], np.full(effects.k, "all", dtype=object)
    classes = np.array([str(c) or "no class given" for c in effects["intervention_class"]], dtype=object)
    names, counts = np.unique(classes[rows], return_counts=True)
    ordered = [str(n) for n in names[np.argsort(-counts, kind="stable")]]
    if len(ordered) > 7:
        kept = ordered[:6]
        classes = np.array([c if c in kept else "other classes" for c in classes], dtype=object)
        ordered = [*kept, "other classes"]
    return ordered, classes


def wedge(plane: Plane, z: float) -> tuple[Point, ...]:
    """The region |g| < z * se inside the plane."""
    deepest = max(plane.y.low, plane.y.high)
    points: list[Point] = [(plane.x.at(0.0), plane.y.at(0.0))]
    left: list[Point] = []
    for edge, side in ((plane.x.high, points), (plane.x.low, left)):
        reach = z * deepest
        if reach > abs(edge):
            side.append((plane.x.at(edge), plane.y.at(abs(edge) / z)))
            side.append((plane.x.at(edge), plane.y.at(deepest)))
        else:
            side.append((plane.x.at(reach if edge > 0 else -reach), plane.y.at(deepest)))
    return (*points, *reversed(left))


def _threads(plane: Plane, x: np.ndarray, y: np.ndarray, study: np.ndarray) -> list[Item]:
    """A faint line through the effects of one trial: they are not independent points."""
    items: list[Item] = []
    for name in dict.fromkeys(study.tolist()):
        rows = np.flatnonzero(study == name)
        if len(rows) > 1:
            rows = rows[np.argsort(x[rows], kind="stable")]
            items.append(Line(tuple((plane.x.at(x[i]), plane.y.at(y[i])) for i in rows), "rule", 0.6))
    return items


def _twin(analysis: Analysis, rows: np.ndarray, y: np.ndarray, groups: np.ndarray, key: str) -> Table:
    effects = analysis.effects
    columns = (
        TableColumn("study", "Trial"),
        TableColumn("outcome", "Outcome"),
        TableColumn("class", "Class"),
        TableColumn("g", "g", "right", 2),
        TableColumn("height", "Height", "right", 3),
    )
    outcome = effects.columns.get("outcome", np.full(effects.k, "", dtype=object))
    cells = tuple(
        (str(effects.study[i]), str(outcome[i]), str(groups[i]), float(effects.y[i]), float(y[i]))
        for i in rows
    )
    return Table(f"{key}-twin", "Funnel plot", columns, cells)


def _plane(x: np.ndarray, y: np.ndarray, centre: float) -> Plane:
    low, high = axis_range(x, x, x, always=[0.0, centre])
    deepest = float(y.max()) * 1.06
    top = MARGIN + 22
    return Plane(Scale(low, high, LEFT, LEFT + WIDTH), Scale(0.0, deepest, top, top + HEIGHT))


def funnel(analysis: Analysis, *, against: Against = "se") -> tuple[Layout, ...]:
    """Pooled effects against their standard error (``se``, with contours) or arm sizes (``size``).

    For standardised mean differences the standard error depends on g itself; the arm sizes do not
    (Pustejovsky & Rodgers 2019), so the test uses them and ``size`` is the plot that belongs to it.
    """
    effects = analysis.effects
    height = predictor(analysis, against)
    pooled = effects["pooled"] > 0 if "pooled" in effects.columns else np.ones(effects.k, dtype=bool)
    if height is None or not analysis.overall.available:  # around nothing pooled there is no funnel
        return ()
    rows = np.flatnonzero(pooled & np.isfinite(height) & np.isfinite(effects.y))
    if len(rows) < 2:
        return ()
    names, groups = group_names(analysis, rows)
    centre = analysis.overall.estimate
    plane = _plane(effects.y[rows], height[rows], centre)
    items: list[Item] = []
    if against == "se":
        items += [Shape(wedge(plane, z), tone) for z, tone in CONTOURS]
    items += vertical_line(plane, 0.0)
    items += vertical_line(plane, centre, tone="summary", dash=(3.0, 2.2))
    joined = len(set(effects.study[rows].tolist())) <= MANY
    if joined:
        items += _threads(plane, effects.y[rows], height[rows], effects.study[rows])
    radius = 3.4 if len(rows) <= 150 else max(1.7, 3.4 * (150 / len(rows)) ** 0.3)
    tones = {name: (GROUP_MARKERS[i], f"group{i + 1}") for i, name in enumerate(names)}
    for i in rows:
        kind, tone = tones[groups[i]]
        items.append(symbol(kind, plane.x.at(effects.y[i]), plane.y.at(height[i]), radius, tone))
    items += axes(plane, x_title="g", y_title=Y_TITLE[against], y_values=ticks(0.0, plane.y.high, most=5))
    drawn = _Drawn(rows, height, groups, tones, joined)
    return (_finish(analysis, plane, items, against=against, drawn=drawn),)


def _entries(against: Against, tones: dict[str, tuple[str, str]]) -> list[tuple[str, Item | None]]:
    entries: list[tuple[str, Item | None]] = [("Class of intervention", None)]
    entries += [(name, symbol(kind, 0, 0, 3.4, tone, opacity=1.0)) for name, (kind, tone) in tones.items()]
    if against == "se":
        box = ((-5.0, -4.0), (5.0, -4.0), (5.0, 4.0), (-5.0, 4.0))
        entries += [
            ("Shading", None),
            (".05 < p < .10", Shape(box, "band2")),
            (".01 < p < .05", Shape(box, "band")),
        ]
    return entries


def _finish(
    analysis: Analysis, plane: Plane, items: list[Item], *, against: Against, drawn: _Drawn
) -> Layout:
    rows, height = drawn.rows, drawn.height
    entries = _entries(against, drawn.tones)
    left = plane.x.end + 18
    room = legend_width([name for name, _ in entries])
    width = left + room + MARGIN
    items += legend(entries, left, plane.top + 8, room)
    note = f"Dashed: pooled g {number(analysis.overall.estimate)}."
    note += " Lines join the effects of one trial." if drawn.joined else ""
    beyond = [i for i in rows if not plane.x.holds(float(analysis.effects.y[i]))]
    if beyond:
        note += f" {plural(len(beyond), 'far outlier')} drawn at the edge; see the text version."
    foot, bottom = footnotes([note], plane.bottom + 27, width)
    key = "funnel" if against == "se" else "funnel-size"
    title = "Funnel plot: effects against their precision"
    left_of = int(np.sum(analysis.effects.y[rows] < analysis.overall.estimate))
    alt = (
        f"Funnel plot of {plural(len(rows), 'effect')}, {Y_TITLE[against].lower()} from {number(float(height[rows].min()))} "
        f"to {number(float(height[rows].max()))}; {left_of} lie left of the pooled effect."
    )
    return Layout(
        key, title, alt, width, bottom, (*items, *foot), _twin(analysis, rows, height, drawn.groups, key)
    )
