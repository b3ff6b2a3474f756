"""The contour-enhanced funnel of any fit: contours of significance, studies added by trim and fill, adjusted effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.errors import InputError
from ..base.format import number, plural
from ..records import Effects, Table, TableColumn
from ..records.small_study import Funnel, FunnelLine, LimitMeta, PetPeese, TrimAndFill
from .funnel import CONTOURS, wedge
from .layout import Circle, Item, Layout, Line, Shape, rectangle
from .plane import LEFT, MARGIN, Plane, axes, footnotes, legend, legend_width, measure_title, vertical_line
from .scale import Scale, axis_range, ticks

WIDTH, HEIGHT = 380.0, 300.0
STEPS = 80
DRAWN = {"PET": ("alert", ()), "PEESE": ("alert", ()), "limit": ("group3", (5.0, 2.0, 1.2, 2.0))}
NAMES = {"PET": "PET line", "PEESE": "PEESE curve", "limit": "limit meta-analysis"}
POOLED, FILLED, LIMITS = (3.0, 2.2), (1.2, 1.8), (6.0, 3.0)


def point_radius(k: int) -> float:
    """Smaller points where there are many."""
    return 3.4 if k <= 150 else max(1.7, 3.4 * (150 / k) ** 0.3)


def funnel_plane(x: np.ndarray, se: np.ndarray, centre: float, *, z: float = 0.0) -> Plane:
    """Effects across, standard errors downwards from zero; wide enough for centre -/+ z se where that is not far."""
    deepest = float(se.max()) * 1.06
    low, high = axis_range(x, [centre - z * deepest], [centre + z * deepest], always=[0.0, centre])
    top = MARGIN + 22
    return Plane(Scale(low, high, LEFT, LEFT + WIDTH), Scale(0.0, deepest, top, top + HEIGHT))


def _curve(plane: Plane, line: FunnelLine) -> Line:
    """The part of the line that lies in the plane."""
    depths = np.linspace(0.0, plane.y.high, STEPS + 1)
    inside = [(line.at(float(d)), float(d)) for d in depths if plane.x.holds(line.at(float(d)))]
    tone, dash = DRAWN[line.name]
    return Line(tuple((plane.x.at(x), plane.y.at(d)) for x, d in inside), tone, 1.3, dash)


def _limits(plane: Plane, centre: float, z: float) -> list[Item]:
    """Pooled effect -/+ z se, as far as it stays in the plane."""
    items: list[Item] = []
    for sign in (-1.0, 1.0):
        edge = plane.x.high if sign > 0 else plane.x.low
        depth = min(plane.y.high, abs(edge - centre) / z)
        ends = ((centre, 0.0), (centre + sign * z * depth, depth))
        items.append(Line(tuple((plane.x.at(x), plane.y.at(d)) for x, d in ends), "muted", 0.7, LIMITS))
    return items


def _studies(record: Funnel, plane: Plane) -> list[Item]:
    radius = point_radius(len(record.y) + len(record.added_y))
    items: list[Item] = [
        Circle(plane.x.at(x), plane.y.at(se), radius, "mark", "paper", 0.5, 0.85)
        for x, se in zip(record.y.tolist(), record.se.tolist(), strict=True)
    ]
    for x, se in zip(record.added_y.tolist(), record.added_se.tolist(), strict=True):
        items.append(Circle(plane.x.at(x), plane.y.at(se), radius, "paper", "alert", 1.1))
    return items


def _entries(record: Funnel) -> list[tuple[str, Item | None]]:
    def sample(tone: str, dash: tuple[float, ...], width: float = 1.0) -> Line:
        return Line(((-5.0, 0.0), (6.0, 0.0)), tone, width, dash)

    entries: list[tuple[str, Item | None]] = [("study", Circle(0, 0, 3.4, "mark", "paper", 0.5))]
    if len(record.added_y):
        entries.append(("added by trim and fill", Circle(0, 0, 3.4, "paper", "alert", 1.1)))
    entries.append(("pooled effect", sample("summary", POOLED)))
    if len(record.added_y):
        entries.append(("with the added studies", sample("alert", FILLED)))
    entries.append((f"{100 * record.level:g}% limits around it", sample("muted", LIMITS)))
    entries += [(NAMES[line.name], sample(*DRAWN[line.name], 1.3)) for line in record.lines]
    box = rectangle(-5.0, -4.0, 5.0, 4.0)
    return [
        *entries,
        ("Shading", None),
        ("p > .10 inside, p < .01 outside", Shape(box, "paper", "rule", 0.6)),
        (".05 < p < .10", Shape(box, "band2")),
        (".01 < p < .05", Shape(box, "band")),
    ]


def _twin(record: Funnel) -> Table:
    columns = (
        TableColumn("study", "Study"),
        TableColumn("effect", "Effect", "right", 3),
        TableColumn("se", "SE", "right", 3),
    )
    rows = [(str(s), float(y), float(e)) for s, y, e in zip(record.study, record.y, record.se, strict=True)]
    groups = ((len(rows), "Added by trim and fill"),) if len(record.added_y) else ()
    rows += [
        (f"filled {i + 1}", float(y), float(e))
        for i, (y, e) in enumerate(zip(record.added_y, record.added_se, strict=True))
    ]
    notes = [f"{NAMES[line.name]}: {number(line.at(0.0), 3)} without sampling error" for line in record.lines]
    return Table("funnel-twin", "Funnel plot", columns, tuple(rows), groups, tuple(notes))


def _sentence(record: Funnel) -> str:
    parts = [f"Pooled effect {number(record.estimate)}"]
    if len(record.added_y):
        parts.append(
            f"{number(record.filled_estimate)} with {plural(len(record.added_y), 'study', 'studies')} added"
        )
    parts += [f"{NAMES[line.name]} {number(line.at(0.0))} without sampling error" for line in record.lines]
    return "; ".join(parts) + "."


def contour_funnel(record: Funnel) -> Layout:
    """Effects against their standard errors, with contours of significance around zero (Peters et al. 2008)."""
    x = np.concatenate([record.y, record.added_y])
    plane = funnel_plane(x, np.concatenate([record.se, record.added_se]), record.estimate, z=record.z)
    items: list[Item] = [Shape(wedge(plane, z), tone) for z, tone in CONTOURS]
    items += vertical_line(plane, 0.0)
    items += vertical_line(plane, record.estimate, tone="summary", dash=POOLED)
    if len(record.added_y):
        items += vertical_line(plane, record.filled_estimate, tone="alert", dash=FILLED)
    items += _limits(plane, record.estimate, record.z)
    items += _studies(record, plane)
    items += [_curve(plane, line) for line in record.lines if len(_curve(plane, line).points) > 1]
    items += axes(
        plane,
        x_title=measure_title(record.measure),
        y_title="Standard error",
        y_values=ticks(0.0, plane.y.high, most=5),
    )
    entries = _entries(record)
    left, room = plane.x.end + 18, legend_width([name for name, _ in entries])
    items += legend(entries, left, plane.top + 8, room)
    width = left + room + MARGIN
    beyond = int(np.sum((x < plane.x.low) | (x > plane.x.high)))
    far = f" {plural(beyond, 'far outlier')} drawn at the edge; see the text version." if beyond else ""
    sentence = _sentence(record)
    foot, bottom = footnotes([sentence + far], plane.bottom + 27, width)
    below = int(np.sum(record.y < record.estimate))
    alt = (
        f"Funnel plot of {plural(len(record.y), 'effect')}; {below} lie left of the pooled effect. {sentence}"
    )
    title = "Funnel plot with contours of significance"
    return Layout("funnel-contours", title, alt, width, bottom, (*items, *foot), _twin(record))


def trim_and_fill_funnel(record: TrimAndFill) -> Layout:
    """The funnel of a trim-and-fill analysis."""
    fit = record.original
    return contour_funnel(
        replace(
            _plain(fit.effects, float(fit.coefficients.estimate[0]), fit.components.total),
            added_y=record.added_y,
            added_se=np.sqrt(record.added_v),
            filled_estimate=float(record.filled.coefficients.estimate[0]),
        )
    )


def limit_funnel(record: LimitMeta) -> Layout:
    """The funnel with the curve of a limit meta-analysis, which meets the top at the adjusted effect."""
    line = FunnelLine("limit", record.beta, record.alpha, 1.0, record.tau2)
    plain = _plain(record.effects, record.unadjusted.estimate, record.tau2)
    return contour_funnel(replace(plain, lines=(line,)))


def pet_peese_funnel(record: PetPeese) -> Layout:
    """The funnel with the line or curve that the conditional rule takes."""
    if record.predictor != "se":
        raise InputError(
            "This PET-PEESE regression is on the sizes of the arms, so it is no line in a funnel of standard errors.",
            code="no-picture",
            advice='Use pet_peese(..., predictor="se") for the figure.',
        )
    chosen = record.estimate
    line = FunnelLine(record.chosen, chosen.estimate, chosen.slope, 1.0 if record.chosen == "PET" else 2.0)
    return contour_funnel(replace(_plain(record.effects, record.unadjusted.estimate), lines=(line,)))


def _plain(effects: Effects, estimate: float, tau2: float = 0.0) -> Funnel:
    return Funnel(
        y=effects.y,
        se=np.sqrt(effects.v),
        study=effects.study,
        measure=effects.measure,
        estimate=estimate,
        tau2=tau2,
        z=1.959963984540054,
        level=0.95,
        added_y=np.empty(0),
        added_se=np.empty(0),
        filled_estimate=float("nan"),
    )
