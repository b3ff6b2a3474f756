"""The text twin of a figure: the same numbers as aligned text, with every name in full."""

from __future__ import annotations

from ..base.format import number
from ..base.grid import clean, grid
from ..records.table import Cell
from .layout import Layout


def _text(cell: Cell, digits: int | None) -> str:
    if cell is None:
        return ""
    return clean(cell) if isinstance(cell, str) else number(float(cell), 2 if digits is None else digits)


def text_twin(layout: Layout) -> str:
    """Title, aligned rows under their group headings, notes; ends in a newline."""
    table = layout.twin
    titles = [clean(column.title) for column in table.columns]
    rows = [[_text(cell, c.digits) for cell, c in zip(row, table.columns, strict=True)] for row in table.rows]
    lines = grid([titles, *rows], [column.align for column in table.columns])
    groups = dict(table.groups)
    out = [clean(layout.title), *lines[:1]]
    for i, line in enumerate(lines[1:]):
        if i in groups:
            out += ["", clean(groups[i])]
        out.append(line)
    return "\n".join([*out, *(clean(note) for note in table.notes)]) + "\n"
