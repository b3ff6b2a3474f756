"""A table as a GitHub-flavoured Markdown pipe table."""

from __future__ import annotations

from ..base.grid import clean
from ..records import Table
from .shown import shown

_ALIGN = {"left": ":---", "right": "---:", "center": ":---:"}
# every character that Markdown or the HTML inside it would act on
_SPECIAL = {c: "\\" + c for c in "\\`*_{}[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def escape_markdown(text: str) -> str:
    """Text that renders as itself: no emphasis, link, code, maths or HTML."""
    return "".join(_SPECIAL.get(c, c) for c in clean(text))


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def to_markdown(table: Table) -> str:
    """Title in bold, pipe table, notes as a list; group headings are bold rows."""
    view = shown(table)
    blank = ("",) * (len(view.titles) - 1)
    lines = [f"**{escape_markdown(table.title)}**", ""]
    lines.append(_line(tuple(escape_markdown(t) for t in view.titles)))
    lines.append(_line(tuple(_ALIGN[a] for a in view.aligns)))
    for i, row in enumerate(view.marked_rows):
        if i in view.groups:
            lines.append(_line((f"**{escape_markdown(view.groups[i])}**", *blank)))
        lines.append(_line(tuple(escape_markdown(cell) for cell in row)))
    if view.notes:
        lines += ["", *(f"- {escape_markdown(note)}" for note in view.notes)]
    return "\n".join(lines) + "\n"
