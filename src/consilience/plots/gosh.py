"""Subsets of studies in the plane of estimate and I^2: density, with both marginal histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.format import count, number
from ..records import Gosh, GoshClusters, SubsetCluster, Table, TableColumn
from ..records.gosh import CLUSTERS_CAVEAT
from ..records.table import Cell
from .axis import SMALL
from .layout import Item, Label, Layout, Line, Shape, rectangle
from .measure import shorten
from .plane import LEFT, MARGIN, Plane, axes, footnotes, vertical_line
from .scale import Scale, typical_range

SIDE, EDGE, GAP = 250.0, 34.0, 24.0  # of a panel, of a marginal histogram, between panels
BINS = 50
HEAD = 22.0  # above a panel, for its title
LEVELS, FAINT = 6, 0.4  # steps of opacity of the density; opacity of the histograms
NAMES, BARS, BETWEEN, ROW = (
    150.0,
    110.0,
    14.0,
    13.0,
)  # of clusters: names, a column of bars, the gap after it, a row
NAMED, MOST_NAMED = 4, 16  # studies named for each cluster, and in all
FAR = 0.0005  # share of subsets at either end that may be drawn at the edge


@dataclass(frozen=True, eq=False)
class _Grid:
    """Edges of the bins of estimate (B + 1,) and I^2 (B + 1,), the estimates held inside."""

    x: np.ndarray
    y: np.ndarray


_Part = tuple[str, np.ndarray, str]  # title, subsets (F,) and tone of a panel


def _parts(record: Gosh) -> list[_Part]:
    """One panel, or one in a tone of its own for each way of holding the highlighted studies."""
    usable = np.isfinite(record.estimate) & np.isfinite(record.i2)
    if not record.highlight:
        return [("", usable, "mark")]
    first = record.highlight[0]
    held = record.includes(first)
    if len(record.highlight) == 1:
        return [(f"with {first}", usable & held, "group1"), (f"without {first}", usable & ~held, "group2")]
    second = record.highlight[1]
    also = record.includes(second)
    return [
        ("with both", usable & held & also, "group1"),
        (f"with {first} only", usable & held & ~also, "group3"),
        (f"with {second} only", usable & ~held & also, "group4"),
        ("with neither", usable & ~held & ~also, "group2"),
    ]


def _grid(record: Gosh) -> _Grid:
    usable = record.estimate[np.isfinite(record.estimate) & np.isfinite(record.i2)].astype(float)
    low, high = np.quantile(usable, (FAR, 1 - FAR)) if len(usable) > 2 / FAR else (usable.min(), usable.max())
    low, high = min(low, float(record.whole[0])), max(high, float(record.whole[0]))
    pad = 0.03 * (high - low) if high > low else 0.5 * max(abs(high), 1e-9)
    return _Grid(np.linspace(low - pad, high + pad, BINS + 1), np.linspace(0.0, 100.0, BINS + 1))


def _cells(plane: Plane, grid: _Grid, counts: np.ndarray, tone: str) -> list[Item]:
    """Bins as squares, darker where there are more subsets (logarithmic, `LEVELS` steps)."""
    items: list[Item] = []
    most = counts.max()
    if most == 0:
        return items
    # rounding may lift the fullest bins above the last step
    level = np.minimum(np.ceil(LEVELS * np.log1p(counts) / np.log1p(most)), LEVELS).astype(int)
    for i, j in zip(*np.nonzero(counts), strict=True):
        box = rectangle(
            plane.x.at(grid.x[i]), plane.y.at(grid.y[j + 1]), plane.x.at(grid.x[i + 1]), plane.y.at(grid.y[j])
        )
        items.append(Shape(box, tone, opacity=(0.12 + 0.88 * level[i, j] / LEVELS)))
    return items


def _margins(plane: Plane, grid: _Grid, counts: np.ndarray, tone: str) -> list[Item]:
    """Histograms of the estimates above the panel and of I^2 to the right of it."""
    items: list[Item] = []
    above, right = counts.sum(axis=1), counts.sum(axis=0)
    for i in np.flatnonzero(above):
        top = plane.top - 3 - (EDGE - 6) * above[i] / above.max()
        box = rectangle(plane.x.at(grid.x[i]), top, plane.x.at(grid.x[i + 1]), plane.top - 3)
        items.append(Shape(box, tone, opacity=FAINT))
    for j in np.flatnonzero(right):
        end = plane.x.end + 3 + (EDGE - 6) * right[j] / right.max()
        box = rectangle(plane.x.end + 3, plane.y.at(grid.y[j + 1]), end, plane.y.at(grid.y[j]))
        items.append(Shape(box, tone, opacity=FAINT))
    return items


def _panel(record: Gosh, grid: _Grid, part: _Part, place: tuple[float, float]) -> list[Item]:
    """One density with its margins; `place` is the left end and top of the plane."""
    title, rows, tone = part
    left, top = place
    plane = Plane(
        Scale(float(grid.x[0]), float(grid.x[-1]), left, left + SIDE), Scale(0.0, 100.0, top + SIDE, top)
    )
    x = np.clip(record.estimate[rows].astype(float), grid.x[0], grid.x[-1])
    y = np.clip(record.i2[rows].astype(float), 0.0, 100.0)
    counts = np.histogram2d(x, y, bins=(grid.x, grid.y))[0]
    items = _cells(plane, grid, counts, tone) + _margins(plane, grid, counts, tone)
    items += vertical_line(plane, float(record.whole[0]), tone="summary", dash=(3.0, 2.2))
    level = plane.y.at(float(record.whole[2]))
    items.append(Line(((plane.x.start, level), (plane.x.end, level)), "summary", 0.7, (3.0, 2.2)))
    items += axes(plane, x_title="", y_title="", y_values=(0, 25, 50, 75, 100))
    items = [item for item in items if not (isinstance(item, Label) and not item.text)]
    items.append(
        Label((plane.x.start + plane.x.end) / 2, plane.bottom + 25, record.coefficient, SMALL, "middle", True)
    )
    items.append(Label(left - 34, plane.top - 9, "I², %", SMALL, bold=True))
    if title:
        text = shorten(f"{title} ({count(len(x))} subsets)", SIDE + EDGE, 8.5, bold=True)
        items.append(Label(left, plane.top - EDGE - 6, text, bold=True))
    return items


def gosh_density(record: Gosh) -> Layout:
    """Density of the subsets, one panel, or one for each way of holding the highlighted studies."""
    parts, grid = _parts(record), _grid(record)
    columns = 1 if len(parts) == 1 else 2
    step_x, step_y = LEFT + SIDE + EDGE + GAP, HEAD + EDGE + SIDE + 34
    items: list[Item] = []
    for i, part in enumerate(parts):
        row, column = divmod(i, columns)
        items += _panel(record, grid, part, (LEFT + column * step_x, MARGIN + HEAD + EDGE - 8 + row * step_y))
    width = MARGIN + columns * step_x - GAP
    low, high = float(grid.x[0]), float(grid.x[-1])
    beyond = int(((record.estimate < low) | (record.estimate > high)).sum())
    notes = [
        f"{record.rule[0].upper()}{record.rule[1:]}; darker is more. Dashed: all studies, "
        f"{number(float(record.whole[0]))}, I² {number(float(record.whole[2]), 0)}%."
    ]
    if beyond:
        notes.append(f"{count(beyond)} subsets lie beyond the axis and are drawn at its edge.")
    rows = (len(parts) + columns - 1) // columns
    foot, bottom = footnotes(notes, MARGIN + HEAD + EDGE - 8 + rows * step_y - HEAD - EDGE, width)
    middle = typical_range(record.estimate[np.isfinite(record.estimate)])
    alt = (
        f"Density of {count(len(record))} subsets of {len(record.studies)} studies by estimate and I²: "
        f"estimates from {number(middle[0])} to {number(middle[1])}"
        + (f", split by {' and '.join(record.highlight)}." if record.highlight else ".")
    )
    title = "Estimate and heterogeneity in subsets of the studies"
    return Layout("gosh", title, alt, width, bottom, (*items, *foot), _twin(record, parts))


def _twin(record: Gosh, parts: list[_Part]) -> Table:
    """Counts and quartiles of each panel."""
    columns = (
        TableColumn("part", "Subsets"),
        TableColumn("n", "Number", "right", 0),
        *(
            TableColumn(f"{key}{q}", f"{name} {q}%", "right", 2)
            for key, name in (("e", record.coefficient), ("i", "I²"))
            for q in (5, 50, 95)
        ),
    )
    rows: list[tuple[Cell, ...]] = []
    for title, rows_in, _ in parts:
        cells = [
            float(np.quantile(values[rows_in], q)) if rows_in.any() else float("nan")
            for values in (record.estimate, record.i2)
            for q in (0.05, 0.5, 0.95)
        ]
        rows.append((title or "all", float(rows_in.sum()), *cells))
    return Table("gosh-twin", "Subsets of the studies", columns, tuple(rows))


def driving_studies(record: GoshClusters) -> Layout:
    """For each cluster of subsets, by how much more (or less) often they hold each study than the others do."""
    studies = _telling(record)
    top = MARGIN + 46
    width = NAMES + len(record.clusters) * (BARS + BETWEEN) + MARGIN
    items: list[Item] = []
    for row, study in enumerate(studies):
        name = shorten(study, NAMES - MARGIN - 8, 8.5)
        items.append(Label(NAMES - 8, top + row * ROW + 3, name, anchor="end"))
    for c, cluster in enumerate(record.clusters):
        items += _difference_bars(cluster, studies, NAMES + c * (BARS + BETWEEN), top)
    note = (
        "Bars: share of a cluster's subsets that hold the study, less the share of the other subsets that do."
    )
    foot, height = footnotes([note, CLUSTERS_CAVEAT], top + (len(studies) - 1) * ROW + 12, width)
    lead = record.clusters[-1].studies[0]
    alt = f"{len(record.clusters)} clusters of subsets; the last is set apart most by {lead}."
    title = "Studies that set the clusters of subsets apart"
    twin = _differences_twin(record, studies)
    return Layout("gosh-clusters", title, alt, width, height, (*items, *foot), twin)


def _telling(record: GoshClusters) -> list[str]:
    """The studies that set each cluster apart most, at most `MOST_NAMED` in all."""
    named = [study for cluster in record.clusters for study in cluster.studies[:NAMED]]
    return list(dict.fromkeys(named))[:MOST_NAMED]


def _difference_bars(cluster: SubsetCluster, studies: list[str], start: float, top: float) -> list[Item]:
    """The column of one cluster: its share and means as a heading, and a bar from -100% to +100% for each study."""
    middle, bottom = start + BARS / 2, top + (len(studies) - 1) * ROW + 8
    share = f"{number(100 * cluster.share, 0)}% of subsets"
    means = f"{number(cluster.estimate)}, I² {number(cluster.i2, 0)}%"
    items: list[Item] = [
        Label(middle, MARGIN + 8, share, SMALL, "middle", True),
        Label(middle, MARGIN + 18, means, SMALL, "middle"),
        Line(((middle, top - 8), (middle, bottom)), "rule"),
        Label(start, top - 12, "−100%", SMALL, tone="muted"),
        Label(start + BARS, top - 12, "+100%", SMALL, "end", tone="muted"),
    ]
    by = dict(zip(cluster.studies, cluster.difference.tolist(), strict=True))
    for row, study in enumerate(studies):
        end, y = middle + by[study] * BARS / 2, top + row * ROW
        box = rectangle(min(middle, end), y - 4, max(middle, end), y + 4)
        items.append(Shape(box, "mark" if by[study] > 0 else "soft", "summary", 0.4))
    return items


def _differences_twin(record: GoshClusters, studies: list[str]) -> Table:
    columns = (
        TableColumn("study", "Study"),
        *(TableColumn(f"c{c}", f"Cluster {c + 1}", "right", 2) for c in range(len(record.clusters))),
    )
    rows: list[tuple[Cell, ...]] = []
    for study in studies:
        rows.append((study, *(float(c.difference[c.studies.index(study)]) for c in record.clusters)))
    return Table("gosh-clusters-twin", "Studies that set clusters apart", columns, tuple(rows))
