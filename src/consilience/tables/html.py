"""A table as semantic HTML: caption, headers with scope, row groups; no style or script, all text escaped."""

from __future__ import annotations

import re
from html import escape

from ..base.grid import clean
from ..records import Table
from .shown import Shown, shown

_CLASS = {"left": "", "right": ' class="num"', "center": ' class="mid"'}


def table_id(key: str) -> str:
    """``table-<key>`` with anything that cannot stand in an HTML id or a fragment link made a hyphen."""
    return "table-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", key)


def _head(view: Shown) -> list[str]:
    cells = "".join(
        f'<th scope="col"{_CLASS[align]}>{escape(title)}</th>'
        for title, align in zip(view.titles, view.aligns, strict=True)
    )
    return ["<thead>", f"<tr>{cells}</tr>", "</thead>"]


def _row(cells: tuple[str, ...], aligns: tuple[str, ...], mark: str) -> str:
    sup = f" <sup>{escape(mark)}</sup>" if mark else ""
    first = f'<th scope="row"{_CLASS[aligns[0]]}>{escape(cells[0])}{sup}</th>'
    rest = (f"<td{_CLASS[a]}>{escape(c)}</td>" for c, a in zip(cells[1:], aligns[1:], strict=True))
    return f"<tr>{first}{''.join(rest)}</tr>"


def _body(view: Shown) -> list[str]:
    lines = ["<tbody>"]
    for i, row in enumerate(view.rows):
        if i in view.groups:
            if i:
                lines += ["</tbody>", "<tbody>"]
            width = len(view.titles)
            lines.append(
                f'<tr class="group"><th scope="rowgroup" colspan="{width}">{escape(view.groups[i])}</th></tr>'
            )
        lines.append(_row(row, view.aligns, view.marks[i]))
    return [*lines, "</tbody>"]


def to_html(table: Table) -> str:
    """``<table id="table-<key>">`` with its caption; notes in the foot.

    Classes for a style sheet: ``num`` and ``mid`` (cells), ``group`` and ``notes`` (rows).
    """
    view = shown(table)
    lines = [
        f'<table id="{table_id(table.key)}">',
        f"<caption>{escape(clean(table.title))}</caption>",
        *_head(view),
    ]
    if view.rows:
        lines += _body(view)
    if view.notes:
        notes = "".join(f"<p>{escape(note)}</p>" for note in view.notes)
        lines += [
            "<tfoot>",
            f'<tr class="notes"><td colspan="{len(view.titles)}">{notes}</td></tr>',
            "</tfoot>",
        ]
    return "\n".join([*lines, "</table>"]) + "\n"
