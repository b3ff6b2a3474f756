"""Permutation tests and intervals as tables, and what `print` shows of them."""

from __future__ import annotations

from ..base.format import count, interval, number, plural
from ..records import PermutationInterval, PermutationTest, Table, TableColumn
from ..records.table import Cell
from .show import WIDTH, show
from .text import to_text

WHAT = {"moderators": "rows of the moderators exchanged between {}s", "signs": "signs of {}s flipped"}
TAILS = {
    "two-sided": "two-sided",
    "two-sided-doubled": "two-sided (twice the smaller tail)",
    "greater": "larger values",
    "less": "smaller values",
}


def permutation_table(record: PermutationTest) -> Table:
    """One row per coefficient, then the test of all moderators."""
    columns = [
        TableColumn("name", "Coefficient"),
        TableColumn("observed", "Statistic" if record.statistic == "test" else "Estimate", "right", 3),
        TableColumn("p_value", "p", "right", 4, "number"),
    ]
    if not record.exact:
        columns += [
            TableColumn("mc_se", "Monte-Carlo SE of p", "right", 4),
            TableColumn("p_low", "95% interval of p", "right", 4, pair="p_high"),
            TableColumn("p_high", "upper limit", "right", 4),
        ]
    arrays = (record.observed, record.p_value, record.mc_se, record.p_low, record.p_high)
    rows: list[tuple[Cell, ...]] = [
        (name, *(float(a[j]) for a in arrays)) for j, name in enumerate(record.names)
    ]
    rows.append(("all moderators (omnibus)", *(float(x) for x in record.omnibus)))
    if record.arranged == "signs":
        rows.pop()  # the omnibus test of a mean is the test of the mean
    rows = [row[: len(columns)] for row in rows]
    how = "all" if record.exact else f"{count(record.iterations)} random of"
    possible = count(record.possible) if record.possible < 10**9 else f"{float(record.possible):.2g}"
    text = f"{how} {possible} arrangements, {WHAT[record.arranged].format(record.unit)}; {TAILS[record.alternative]}."
    notes = [text[0].upper() + text[1:]]
    if record.failed:
        notes.append(f"{plural(record.failed, 'arrangement')} could not be fitted and count as extreme.")
    if record.seed is not None:
        notes.append(f"Seed {record.seed}.")
    return Table("permutation", "Permutation test", tuple(columns), tuple(rows), notes=tuple(notes))


@show.register
def _(record: PermutationTest) -> str:
    return to_text(permutation_table(record), width=WIDTH)


@show.register
def _(record: PermutationInterval) -> str:
    how = "all" if record.exact else f"{count(record.iterations)} random"
    reason = f" {record.reason[0].upper()}{record.reason[1:]}." if record.reason else ""
    return (
        f"{record.name} {number(record.estimate, 4)}, {100 * record.level:g}% permutation interval {interval(record.low, record.high, 4)} "
        f"({how} arrangements of {record.unit}s).{reason}\n"
    )
