"""Rows of text with a point and an interval each: the layout behind forest plots, subgroups and sensitivity.

A panel is a list of rows under titled columns with one plotting column between the left and the right ones. Long
panels are split into pages; a heading is never left alone at the foot of a page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from ..records import Table, TableColumn
from .axis import horizontal_axis, sides
from .layout import Item, Label, Layout, Line, Shape, rectangle
from .measure import text_width, wrap_text
from .panel_records import Panel, PanelColumn, PanelRow
from .panel_rows import bias_mark, row_marks
from .scale import Scale, axis_range

SIZE = 8.5
LEADING = 10.5
MARGIN = 14.0
GAP = 14.0
PAGE = 940.0  # points of rows on a page, about 60 trials
HEIGHTS = {"heading": 20.0, "item": 15.0, "detail": 12.0, "summary": 17.0, "overall": 19.0, "note": 12.0}


@dataclass(frozen=True)
class _Frame:
    """Where the columns are: x of each text column (by its alignment), widths, the plot's ends, the figure's width."""

    x: tuple[float, ...]
    widths: tuple[float, ...]
    plot: tuple[float, float]
    width: float


def _frame(panel: Panel) -> _Frame:
    cells = [row.cells for row in panel.rows if len(row.cells) == len(panel.columns)]
    widths = []
    for j, column in enumerate(panel.columns):
        title = max((text_width(w, SIZE, bold=True) for w in _title_lines(column)), default=0.0)
        if column.draws == "bias":
            widths.append(max(title, 12.0))
            continue
        bold = j == 0
        body = max((text_width(row[j], SIZE, bold=bold) for row in cells), default=0.0)
        widths.append(max(title, min(body, column.most)))
    x, at = [], MARGIN
    plot = (0.0, 0.0)
    for j, column in enumerate(panel.columns):
        if column.side == "right" and plot[1] == 0.0:
            plot = (at + 4, at + 4 + panel.plot_width)
            at = plot[1] + GAP + 4
        x.append(at + {"left": 0.0, "right": widths[j], "center": widths[j] / 2}[column.align])
        at += widths[j] + GAP
    if plot[1] == 0.0:
        plot = (at + 4, at + 4 + panel.plot_width)
        at = plot[1] + GAP
    return _Frame(tuple(x), tuple(widths), plot, at - GAP + MARGIN)


def _title_lines(column: PanelColumn) -> tuple[str, ...]:
    return tuple(column.title.split("\n")) if column.title else ()


def _cell_lines(panel: Panel, frame: _Frame, row: PanelRow) -> list[tuple[str, ...]]:
    """The drawn lines of each cell; a heading or note runs over all columns left of the plot."""
    bold = row.kind in {"heading", "summary", "overall"}
    if len(row.cells) != len(panel.columns):
        # not over the plot, where lines would cross it
        room = frame.plot[0] - GAP - MARGIN - (8 if row.kind == "note" else 0)
        return [wrap_text(row.cells[0], room, SIZE, bold=bold, most=4)]
    indent = 8.0 if row.kind == "detail" else 0.0
    return [
        wrap_text(cell, frame.widths[j] - (indent if j == 0 else 0.0), SIZE, bold=bold and j == 0)
        if cell and panel.columns[j].draws == "text"
        else ()
        for j, cell in enumerate(row.cells)
    ]


def _height(lines: list[tuple[str, ...]], row: PanelRow) -> float:
    return HEIGHTS[row.kind] + LEADING * (max((len(c) for c in lines), default=1) - 1 if lines else 0)


def _pages(rows: tuple[PanelRow, ...], heights: list[float]) -> list[list[PanelRow]]:
    """Rows per page. A page never ends in a heading; a group that goes on repeats its heading."""
    pages: list[list[PanelRow]] = [[]]
    used, heading = 0.0, None
    for row, height in zip(rows, heights, strict=True):
        if pages[-1] and used + height > PAGE:
            moved: list[PanelRow] = []
            while pages[-1] and pages[-1][-1].kind == "heading":
                moved.insert(0, pages[-1].pop())
            if not moved and heading is not None and row.kind in {"item", "detail", "summary"}:
                moved.append(replace(heading, cells=(f"{heading.cells[0]} (continued)",)))
            pages.append(moved)
            used = HEIGHTS["heading"] * len(moved)
        heading = row if row.kind == "heading" else heading
        pages[-1].append(row)
        used += height
    return [page for page in pages if page]


def _header(panel: Panel, frame: _Frame) -> tuple[list[Item], float]:
    """Column titles over a rule; returns them and the y below which rows begin."""
    lines = [_title_lines(column) for column in panel.columns]
    tallest = max([1, *(len(x) for x in lines)])
    bottom = MARGIN + tallest * LEADING + 3
    items: list[Item] = []
    anchors: dict[str, Literal["start", "middle", "end"]] = {
        "left": "start",
        "right": "end",
        "center": "middle",
    }
    for j, column in enumerate(panel.columns):
        for i, text in enumerate(lines[j]):
            y = bottom - 5 - LEADING * (len(lines[j]) - 1 - i)
            items.append(Label(frame.x[j], y, text, SIZE, anchors[column.align], True))
    items.append(Line(((MARGIN, bottom), (frame.width - MARGIN, bottom)), "ink", 0.9))
    return items, bottom + 3


def _row_texts(
    panel: Panel, frame: _Frame, row: PanelRow, lines: list[tuple[str, ...]], top: float
) -> list[Item]:
    middle = top + HEIGHTS[row.kind] / 2
    bold = row.kind in {"heading", "summary", "overall"}
    tone = "muted" if row.kind in {"detail", "note"} else "ink"
    items: list[Item] = []
    anchors: dict[str, Literal["start", "middle", "end"]] = {
        "left": "start",
        "right": "end",
        "center": "middle",
    }
    if len(row.cells) != len(panel.columns):
        x = MARGIN + (8 if row.kind == "note" else 0)
        lift = 2.0 if row.kind == "heading" else 0.0
        for i, text in enumerate(lines[0]):
            items.append(
                Label(x, middle + 0.36 * SIZE + lift + i * LEADING, text, SIZE, bold=bold, tone=tone)
            )
        return items
    for j, column in enumerate(panel.columns):
        if column.draws == "bias":
            items += bias_mark(row.cells[j], frame.x[j], middle) if row.cells[j] else []
            continue
        indent = 8.0 if row.kind == "detail" and j == 0 else 0.0
        for i, text in enumerate(lines[j]):
            y = middle + 0.36 * SIZE + i * LEADING
            items.append(
                Label(frame.x[j] + indent, y, text, SIZE, anchors[column.align], bold and j == 0, tone)
            )
    return items


def _scale(panel: Panel, frame: _Frame) -> Scale:
    rows = panel.rows
    always = [0.0, *panel.band]
    always += [v for row in rows if row.kind == "overall" for v in (row.low, row.high, *row.pi)]
    always += [-panel.threshold, panel.threshold]
    low, high = axis_range(
        [row.estimate for row in rows], [row.low for row in rows], [row.high for row in rows], always=always
    )
    return Scale(low, high, *frame.plot)


def _backdrop(panel: Panel, scale: Scale, top: float, bottom: float) -> list[Item]:
    """Shading, the zero line and the dashed reference, behind the rows."""
    items: list[Item] = []
    if panel.threshold > 0:
        left, right = scale.at(-panel.threshold), scale.at(panel.threshold)
        items.append(Shape(rectangle(left, top, right, bottom), "band"))
    if not math.isnan(panel.band[0]):
        items.append(
            Shape(
                rectangle(scale.at(panel.band[0]), top, scale.at(panel.band[1]), bottom), "soft", opacity=0.45
            )
        )
    if scale.holds(0.0):
        items.append(Line(((scale.at(0), top), (scale.at(0), bottom)), "ink", 0.7))
    if scale.holds(panel.line):
        items.append(
            Line(((scale.at(panel.line), top), (scale.at(panel.line), bottom)), "summary", 0.7, (3.0, 2.2))
        )
    return items


def _foot(panel: Panel, scale: Scale, frame: _Frame, y: float, page: str) -> tuple[list[Item], float]:
    """Axis, its title, the two sides, notes and the page; returns them and the figure's height."""
    items = horizontal_axis(scale, y)
    y += 25
    items.append(Label((scale.start + scale.end) / 2, y, panel.axis_title, 7.5, "middle", True))
    if any(panel.favours):
        y += 11.5
        items += sides(scale, y, panel.favours)
    for note in (*panel.notes, *([page] if page else [])):
        y += 5
        for line in wrap_text(note, frame.width - 2 * MARGIN, 7.5, most=6):
            y += 9.5
            items.append(Label(MARGIN, y, line, 7.5, tone="muted"))
    return items, y + MARGIN


def _page(panel: Panel, frame: _Frame, scale: Scale, rows: list[PanelRow], number: tuple[int, int]) -> Layout:
    items, top = _header(panel, frame)
    start = top
    texts: list[Item] = []
    marks: list[Item] = []
    for row in rows:
        lines = _cell_lines(panel, frame, row)
        if row.kind == "overall":
            marks.append(Line(((MARGIN, top), (frame.width - MARGIN, top)), "rule", 0.7))
        texts += _row_texts(panel, frame, row, lines, top)
        marks += row_marks(row, scale, top + HEIGHTS[row.kind] / 2)
        top += _height(lines, row)
    page, pages = number
    foot, height = _foot(panel, scale, frame, top + 3, f"Page {page} of {pages}" if pages > 1 else "")
    # marks first, under their letters; then texts by style, so that neighbours share a group in the SVG
    texts.sort(
        key=lambda item: (1, item.bold, item.tone, item.x) if isinstance(item, Label) else (0, False, "", 0.0)
    )
    items += [*_backdrop(panel, scale, start, top + 3), *texts, *marks, *foot]
    key = panel.key if page == 1 else f"{panel.key}-{page}"
    title = panel.title if pages == 1 else f"{panel.title} (page {page} of {pages})"
    return Layout(key, title, panel.alt, frame.width, height, tuple(items), _twin(panel, rows, key))


def _twin(panel: Panel, chosen: list[PanelRow], key: str) -> Table:
    columns = tuple(TableColumn(c.key, c.title.replace("\n", " "), c.align) for c in panel.columns)
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for row in chosen:
        if row.kind == "heading":
            groups.append((len(rows), row.cells[0]))
        elif len(row.cells) != len(columns):
            rows.append((f"  {row.cells[0]}", *("" for _ in columns[1:])))
        else:
            rows.append(row.cells)
    merged: dict[int, str] = {}
    for first, text in groups:
        if first < len(rows):
            merged[first] = f"{merged[first]}: {text}" if first in merged else text
    return Table(f"{key}-twin", panel.title, columns, tuple(rows), tuple(merged.items()), panel.notes)


def lay_out(panel: Panel) -> tuple[Layout, ...]:
    """The panel's pages, all with the same columns and the same axis."""
    frame = _frame(panel)
    scale = _scale(panel, frame)
    heights = [_height(_cell_lines(panel, frame, row), row) for row in panel.rows]
    pages = _pages(panel.rows, heights)
    return tuple(_page(panel, frame, scale, page, (i, len(pages))) for i, page in enumerate(pages, 1))
