"""``print()`` of the records of influence and residuals, registered with `show`."""

from __future__ import annotations

from dataclasses import replace

from ..base.grid import clean, wrap
from ..records import (
    Baujat,
    Collinearity,
    Influence,
    Quantiles,
    Radial,
    Refitted,
    Residuals,
    Table,
)
from .build_influence import dfbetas_table, influence_sentence, influence_table, refitted_table
from .build_residuals import (
    baujat_table,
    collinearity_table,
    quantiles_table,
    radial_table,
    residuals_table,
)
from .show import WIDTH, show
from .text import to_text

LONG = 40  # rows printed of a long table
BRIEF = ("label", "z", "p_value", "dffits", "cook", "hat", "tau2", "flag")


def text_lines(*lines: str) -> str:
    """Sentences, wrapped."""
    return "\n".join(piece for line in lines for piece in wrap(clean(line), WIDTH)) + "\n"


def _short(table: Table) -> str:
    more = len(table.rows) - LONG
    if more > 0:
        table = replace(table, rows=table.rows[:LONG], notes=(f"... and {more:,} more.", *table.notes))
    return to_text(table, width=WIDTH)


def _first_flagged(table: Table, order: list[int]) -> Table:
    return replace(table, rows=tuple(table.rows[i] for i in order)) if len(table.rows) > LONG else table


@show.register
def _(record: Influence) -> str:
    order = sorted(
        range(record.n),
        key=lambda i: (not record.influential[i], not record.outlier[i], not record.reason[i], i),
    )
    table = influence_table(record)
    chosen = [j for j, column in enumerate(table.columns) if column.key in BRIEF]
    rows = tuple(tuple(row[j] for j in chosen) for row in table.rows)
    table = replace(table, columns=tuple(table.columns[j] for j in chosen), rows=rows)
    parts = [text_lines(influence_sentence(record)), _short(_first_flagged(table, order))]
    if len(record.names) > 1:
        parts.append(_short(_first_flagged(dfbetas_table(record), order)))
    parts += [text_lines(str(note)) for note in record.notes]
    return "\n".join(parts)


@show.register
def _(record: Refitted) -> str:
    return _short(refitted_table(record))


@show.register
def _(record: Baujat) -> str:
    return _short(baujat_table(record))


@show.register
def _(record: Radial) -> str:
    return _short(radial_table(record))


@show.register
def _(record: Quantiles) -> str:
    return _short(quantiles_table(record))


@show.register
def _(record: Residuals) -> str:
    return _short(residuals_table(record))


@show.register
def _(record: Collinearity) -> str:
    return _short(collinearity_table(record))
