"""The median and the share of significant results of a multiverse beside those of random signs of the trials."""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..base.format import equals, number, p_value
from ..records import JointTest, MultiverseResult, Table, TableColumn
from ..records.table import Cell
from .histogram import HEIGHT, STEP, WIDTH, Histogram, histogram
from .layout import Item, Layout
from .plane import LEFT, MARGIN, footnotes, vertical_line
from .specification_curve import joint_note


def joint_null(result: MultiverseResult) -> Layout:
    """Two histograms: what each number would be without any effect, with the observed one.

    Raises InputError ``no-picture`` for a multiverse without this test.
    """
    joint = result.joint
    if joint is None:
        raise InputError("This multiverse was not compared with random signs.", code="no-picture")
    share = f"share of {100 * joint.level:g}% intervals beyond zero on one side"
    rows: tuple[tuple[str, JointTest], ...] = (("median estimate", joint.median), (share, joint.share))
    items: list[Item] = []
    for j, (name, one) in enumerate(rows):
        size = np.abs(one.null)
        dark = size >= abs(one.observed) * (1 - 1e-9)
        title = f"{name}: {number(one.observed, 3)}, p {equals(p_value(one.p_value))}"
        drawn = Histogram(one.null, dark, (one.observed,), title, name, "Patterns of signs")
        some, plane = histogram(drawn, MARGIN + 34 + j * STEP)
        items += [*some, *vertical_line(plane, one.observed, tone="alert")]
    width = LEFT + WIDTH + MARGIN
    note = f"{joint_note(joint)} Line: observed; dark bars: at least as far from zero."
    foot, height = footnotes([note], MARGIN + 34 + STEP + HEIGHT + 27, width)
    columns = (
        TableColumn("name", "Number"),
        TableColumn("observed", "Observed", "right", 3),
        *(TableColumn(f"q{q:g}", f"{q:g}%", "right", 3) for q in (2.5, 50, 97.5)),
        TableColumn("p", "p", "right", 4),
    )
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (name, one.observed, *map(float, np.quantile(one.null, (0.025, 0.5, 0.975))), one.p_value)
        for name, one in rows
    )
    title = "The specifications if no trial had an effect"
    return Layout(
        "multiverse-joint",
        title,
        joint_note(joint),
        width,
        height,
        (*items, *foot),
        Table("joint-twin", title, columns, cells),
    )
