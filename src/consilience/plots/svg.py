"""A layout as SVG: real text (searchable, copyable), small, the same bytes every time.

Text keeps its place because widths were measured in a wide font (see `measure`) and browsers draw it in a narrower or
equal one. Colours are presentation attributes plus a class per tone, so a page can repaint an inlined figure with
`palette.palette_css` and a strict Content-Security-Policy finds no inline style.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import groupby

from ..base.grid import clean
from .layout import Circle, Item, Label, Layout, Line, Point
from .palette import LIGHT

FONTS = "Helvetica Neue, Arial, Liberation Sans, DejaVu Sans, Verdana, sans-serif"


def coordinate(value: float) -> str:
    """At most two decimals, without trailing zeros or a negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _points(points: tuple[Point, ...]) -> str:
    return " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)


def _paint(fill: str, stroke: str, width: float, opacity: float = 1.0) -> str:
    classes = " ".join([f"f-{fill}"] * bool(fill) + [f"s-{stroke}"] * bool(stroke))
    text = f' class="{classes}" fill="{LIGHT[fill] if fill else "none"}"'
    if stroke:
        text += f' stroke="{LIGHT[stroke]}" stroke-width="{coordinate(width)}"'
    return text + (f' opacity="{coordinate(opacity)}"' if opacity < 1 else "")


def _style(item: Item) -> str:
    """Attributes that neighbouring items can share in a group."""
    if isinstance(item, Label):
        weight = ' font-weight="700"' if item.bold else ""
        anchor = f' text-anchor="{item.anchor}"' if item.anchor != "start" else ""
        return f' font-size="{coordinate(item.size)}"{weight}{anchor}{_paint(item.tone, "", 0)}'
    if isinstance(item, Line):
        dash = f' stroke-dasharray="{" ".join(map(coordinate, item.dash))}"' if item.dash else ""
        return _paint("", item.tone, item.width) + dash
    return _paint(item.fill, item.stroke, item.width, item.opacity)


def _element(item: Item) -> str:
    if isinstance(item, Label):
        text = escape(clean(item.text), quote=False)
        return f'<text x="{coordinate(item.x)}" y="{coordinate(item.y)}">{text}</text>'
    if isinstance(item, Line):
        if len(item.points) == 2:
            (x1, y1), (x2, y2) = item.points
            return f'<path d="M{coordinate(x1)} {coordinate(y1)}L{coordinate(x2)} {coordinate(y2)}"/>'
        return f'<polyline points="{_points(item.points)}"/>'
    if isinstance(item, Circle):
        return f'<circle cx="{coordinate(item.x)}" cy="{coordinate(item.y)}" r="{coordinate(item.radius)}"/>'
    return f'<polygon points="{_points(item.points)}"/>'


def _group_key() -> Callable[[Item], tuple[type, str]]:
    return lambda item: (type(item), _style(item))


def figure_svg(layout: Layout) -> str:
    """The figure as one ``<svg>`` element (UTF-8 text), with title and description for screen readers."""
    width, height = coordinate(layout.width), coordinate(layout.height)
    name = "figure-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in layout.key)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="consilience" viewBox="0 0 {width} {height}" '
        f'width="{width}pt" height="{height}pt" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'font-family="{FONTS}">',
        f'<title id="{name}-title">{escape(clean(layout.title), quote=False)}</title>',
        f'<desc id="{name}-desc">{escape(clean(layout.alt), quote=False)}</desc>',
        f'<rect width="{width}" height="{height}"{_paint("paper", "", 0)}/>',
    ]
    for (_, style), items in groupby(layout.items, key=_group_key()):
        elements = "".join(_element(item) for item in items)
        parts.append(f"<g{style}>{elements}</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"
