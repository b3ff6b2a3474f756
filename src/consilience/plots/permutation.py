"""The permutation distribution of each tested statistic, with the observed one."""

from __future__ import annotations

import numpy as np

from ..base.format import count, number
from ..records import PermutationTest, Table, TableColumn
from .layout import Item, Label, Layout, Shape, rectangle
from .measure import shorten
from .plane import LEFT, MARGIN, Plane, axes, footnotes, vertical_line
from .scale import Scale

WIDTH, HEIGHT, STEP = 330.0, 110.0, 182.0
BINS, MOST = 60, 6
FAR = 0.001  # share of arrangements at either end that may be drawn at the edge

COLUMNS = (
    TableColumn("name", "Coefficient"),
    TableColumn("observed", "Observed", "right", 3),
    TableColumn("low", "2.5%", "right", 3),
    TableColumn("median", "Median", "right", 3),
    TableColumn("high", "97.5%", "right", 3),
    TableColumn("p", "p", "right", 4),
)


def permutation_distribution(record: PermutationTest) -> Layout:
    """One histogram for each coefficient (the first six), bars as extreme as the observed statistic darker."""
    items: list[Item] = []
    rows: list[tuple[str, float, float, float, float, float]] = []
    shown = record.names[:MOST]
    for j, name in enumerate(shown):
        values = record.distribution[:, j]
        values = values[np.isfinite(values)]
        observed = float(record.observed[j])
        items += _histogram(
            values, observed, record, (name, float(record.p_value[j])), MARGIN + 34 + j * STEP
        )
        quantiles = np.quantile(values, (0.025, 0.5, 0.975)) if len(values) else np.full(3, np.nan)
        low, middle, high = (float(q) for q in quantiles)
        rows.append((name, observed, low, middle, high, float(record.p_value[j])))
    width = LEFT + WIDTH + MARGIN
    notes = [
        f"{count(record.iterations)} {'(all)' if record.exact else 'random'} arrangements. Line: observed; dark bars: "
        "at least as extreme."
    ]
    if len(record.names) > MOST:
        notes.append(f"The first {MOST} of {len(record.names)} coefficients are drawn.")
    foot, bottom = footnotes(notes, MARGIN + 34 + (len(shown) - 1) * STEP + HEIGHT + 27, width)
    alt = "Permutation distributions: " + "; ".join(
        f"{row[0]} observed {number(row[1])}, p {number(row[5], 4)}" for row in rows
    )
    twin = Table("permutation-twin", "Permutation distributions", COLUMNS, tuple(rows))
    return Layout(
        "permutation",
        "Permutation distribution of the statistic",
        f"{alt}.",
        width,
        bottom,
        (*items, *foot),
        twin,
    )


def _histogram(
    values: np.ndarray, observed: float, record: PermutationTest, what: tuple[str, float], top: float
) -> list[Item]:
    name, p = what
    low, high = np.quantile(values, (FAR, 1 - FAR)) if len(values) else (observed - 1, observed + 1)
    low, high = min(low, observed), max(high, observed)
    pad = 0.04 * (high - low) if high > low else 1.0
    edges = np.linspace(low - pad, high + pad, BINS + 1)
    held = np.clip(values, edges[0], edges[-1])
    extreme = {
        "two-sided": np.abs(values) >= abs(observed) * (1 - 1e-8),
        "greater": values >= observed - 1e-8 * abs(observed),
        "less": values <= observed + 1e-8 * abs(observed),
    }.get(record.alternative)
    if extreme is None:
        upper = observed >= np.median(values)
        extreme = values >= observed if upper else values <= observed
    counts, dark = (np.histogram(held[part], edges)[0] for part in (slice(None), extreme))
    plane = Plane(
        Scale(float(edges[0]), float(edges[-1]), LEFT, LEFT + WIDTH),
        Scale(0.0, float(max(counts.max(), 1)) * 1.05, top + HEIGHT, top),
    )
    items: list[Item] = []
    for i in np.flatnonzero(counts):
        for n, base, tone in ((counts[i], dark[i], "soft"), (dark[i], 0, "mark")):
            if n > base:
                box = rectangle(
                    plane.x.at(edges[i]),
                    plane.y.at(float(n)),
                    plane.x.at(edges[i + 1]),
                    plane.y.at(float(base)),
                )
                items.append(Shape(box, tone))
    items += vertical_line(plane, observed, tone="alert")
    title = "test statistic" if record.statistic == "test" else "coefficient"
    items += axes(plane, x_title=title, y_title="Arrangements", y_values=(0.0,), rise=8.0)
    text = shorten(f"{name}: observed {number(observed, 3)}, p {number(p, 4)}", WIDTH, 8.5, bold=True)
    items.append(Label(LEFT, top - 22, text, bold=True))
    return items
