"""The permutation distribution of each tested statistic, with the observed one; and the interval that follows from such tests."""

from __future__ import annotations

import numpy as np

from ..base.format import count, number
from ..records import PermutationInterval, PermutationTest, Table, TableColumn
from .histogram import HEIGHT, STEP, WIDTH, Histogram, histogram
from .layout import Item, Layout
from .panel import lay_out
from .panel_records import Panel, PanelColumn, PanelRow
from .plane import LEFT, MARGIN, footnotes, vertical_line

MOST = 6
Row = tuple[str, float, float, float, float, float]  # name, observed, 2.5%, median, 97.5%, p


def permutation_distribution(record: PermutationTest) -> Layout:
    """One histogram for each coefficient (the first six), bars as extreme as the observed statistic darker."""
    items: list[Item] = []
    rows: list[Row] = []
    shown = record.names[:MOST]
    for j, name in enumerate(shown):
        values = record.distribution[:, j]
        values = values[np.isfinite(values)]
        observed, p = float(record.observed[j]), float(record.p_value[j])
        items += _histogram(values, observed, record, (name, p), MARGIN + 34 + j * STEP)
        quantiles = np.quantile(values, (0.025, 0.5, 0.975)) if len(values) else np.full(3, np.nan)
        low, middle, high = (float(q) for q in quantiles)
        rows.append((name, observed, low, middle, high, p))
    notes = [f"{_arrangements(record)}. Line: observed; dark bars: at least as extreme."]
    if len(record.names) > MOST:
        notes.append(f"The first {MOST} of {len(record.names)} coefficients are drawn.")
    width = LEFT + WIDTH + MARGIN
    foot, bottom = footnotes(notes, MARGIN + 34 + (len(shown) - 1) * STEP + HEIGHT + 27, width)
    told = "; ".join(f"{row[0]} observed {number(row[1])}, p {number(row[5], 4)}" for row in rows)
    title, alt = "Permutation distribution of the statistic", f"Permutation distributions: {told}."
    return Layout("permutation", title, alt, width, bottom, (*items, *foot), _twin(rows))


def _arrangements(record: PermutationTest | PermutationInterval) -> str:
    n = count(record.iterations)
    return f"All {n} arrangements" if record.exact else f"{n} random arrangements"


def _twin(rows: list[Row]) -> Table:
    columns = (
        TableColumn("name", "Coefficient"),
        TableColumn("observed", "Observed", "right", 3),
        TableColumn("low", "2.5%", "right", 3),
        TableColumn("median", "Median", "right", 3),
        TableColumn("high", "97.5%", "right", 3),
        TableColumn("p", "p", "right", 4),
    )
    return Table("permutation-twin", "Permutation distributions", columns, tuple(rows))


def _histogram(
    values: np.ndarray, observed: float, record: PermutationTest, what: tuple[str, float], top: float
) -> list[Item]:
    name, p = what
    extreme = {
        "two-sided": np.abs(values) >= abs(observed) * (1 - 1e-8),
        "greater": values >= observed - 1e-8 * abs(observed),
        "less": values <= observed + 1e-8 * abs(observed),
    }.get(record.alternative)
    if extreme is None:
        upper = observed >= np.median(values)
        extreme = values >= observed if upper else values <= observed
    title = f"{name}: observed {number(observed, 3)}, p {number(p, 4)}"
    axis = "test statistic" if record.statistic == "test" else "coefficient"
    drawn = Histogram(values, extreme, (observed,), title, axis, "Arrangements")
    items, plane = histogram(drawn, top)
    return [*items, *vertical_line(plane, observed, tone="alert")]


def permutation_range(record: PermutationInterval) -> Layout:
    """The values that the test does not reject, with an arrow where it rejects none."""
    level = f"{100 * record.level:g}%"
    limits = [number(x, 3) if np.isfinite(x) else "no limit" for x in (record.low, record.high)]
    text = f"{number(record.estimate, 3)} [{limits[0]}, {limits[1]}]"
    # a side on which nothing is rejected is drawn to the edge of an axis that the finite numbers make
    known = [abs(x - record.estimate) for x in (record.low, record.high) if np.isfinite(x)]
    far = 4 * max([*known, 0.25 * abs(record.estimate), 1e-9])
    low, high = max(record.low, record.estimate - far), min(record.high, record.estimate + far)
    columns = (
        PanelColumn("name", "Coefficient"),
        PanelColumn("value", f"Estimate [{level}]", "right", "right"),
    )
    row = PanelRow("item", (record.name, text), record.estimate, low, high, marker="circle")
    rule = f"Values that the permutation test does not reject at {100 * (1 - record.level):g}%"
    notes = [f"{rule}. {_arrangements(record)}."]
    notes += [f"{record.reason[0].upper()}{record.reason[1:]}."] if record.reason else []
    return lay_out(
        Panel(
            "permutation-interval",
            "Values that the permutation test does not reject",
            f"{record.name}: {text}.",
            columns,
            (row,),
            record.name,
            ("", ""),
            notes=tuple(notes),
        )
    )[0]
