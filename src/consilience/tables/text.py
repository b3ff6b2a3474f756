"""A table for the terminal: aligned columns that wrap to the width, stacked rows where columns cannot fit."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.grid import clean, display_width, pad, wrap
from ..records import Table
from .shown import Shown, shown

GAP = "  "
NARROWEST = 20  # a column is not squeezed below this: one word a line is no longer a table


def _natural(view: Shown) -> list[int]:
    cells = (view.titles, *view.marked_rows)
    return [max(1, *(display_width(row[j]) for row in cells)) for j in range(len(view.titles))]


def _floor(view: Shown, j: int) -> int:
    """Numbers never wrap; text and titles wrap between words, and inside very long ones."""
    words = max((display_width(word) for word in view.titles[j].split()), default=1)
    cells = [display_width(row[j]) for row in view.marked_rows]
    if view.aligns[j] == "right":
        return max([words, *cells])
    longest = max((display_width(word) for row in view.marked_rows for word in row[j].split()), default=1)
    return max(words, min(longest, NARROWEST))


def _squeeze(widths: list[int], view: Shown, width: int) -> list[int] | None:
    """Shrink text columns, widest first, until the line fits; None if it cannot."""
    out = list(widths)
    excess = sum(out) + len(GAP) * (len(out) - 1) - width
    floor = [_floor(view, j) for j in range(len(out))]
    while excess > 0:
        room = [w - f for w, f in zip(out, floor, strict=True)]
        if max(room) <= 0:
            return None
        widest = max(range(len(out)), key=lambda j: (room[j] > 0, out[j]))
        out[widest] -= 1
        excess -= 1
    return out


def _row_lines(cells: Sequence[str], widths: Sequence[int], aligns: Sequence[str]) -> list[str]:
    wrapped = [wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(lines) for lines in wrapped)
    return [
        GAP.join(
            pad(lines[i] if i < len(lines) else "", width, align)
            for lines, width, align in zip(wrapped, widths, aligns, strict=True)
        ).rstrip()
        for i in range(height)
    ]


def _columns(view: Shown, widths: list[int]) -> list[str]:
    rule = "\u2500" * (sum(widths) + len(GAP) * (len(widths) - 1))
    lines = [*_row_lines(view.titles, widths, view.aligns), rule]
    for i, row in enumerate(view.marked_rows):
        if i in view.groups:
            lines += ([""] if i else []) + wrap(view.groups[i], max(len(rule), 20))
        lines += _row_lines(row, widths, view.aligns)
    return [*lines, rule]


def _stacked(view: Shown, width: int) -> list[str]:
    """Each row as ``title  value`` lines under its first cell."""
    label = min(max(display_width(t) for t in view.titles), max(width // 3, 6))
    lines: list[str] = []
    for i, row in enumerate(view.marked_rows):
        if i in view.groups:
            lines += ["", *wrap(view.groups[i].upper(), width)]
        lines += ["", *wrap(row[0], width)]
        for title, cell in zip(view.titles[1:], row[1:], strict=True):
            room = max(width - label - 4, 8)
            lines += _row_lines(["", title, cell], [0, label, room], ["left", "left", "left"])
    return lines[1:]


def to_text(table: Table, *, width: int = 100) -> str:
    """The table as lines of at most `width` cells (a single number may be wider), ending in a newline.

    Source: layout our own; widths by Unicode East Asian Width (UAX 11).
    """
    view = shown(table)
    lines = wrap(clean(table.title), width)
    if not view.rows:
        lines.append("(no rows)")
    else:
        widths = _squeeze(_natural(view), view, width)
        lines += _stacked(view, width) if widths is None else _columns(view, widths)
    for note in view.notes:
        lines += wrap(note, width)
    return "\n".join(lines) + "\n"
