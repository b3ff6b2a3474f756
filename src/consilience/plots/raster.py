"""A layout as a matplotlib figure, and as PNG. No pyplot: nothing global, nothing to close."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.grid import clean
from .glyphs import outlines
from .layout import Circle, Item, Label, Layout, Line, Shape
from .measure import has_glyph
from .palette import DARK, LIGHT
from .png import encode_png

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

MANY = 50  # areas of one paint in a row from which a collection pays
_REPLACEMENT = "\ufffd"
_ALIGN = {"start": "left", "middle": "center", "end": "right"}


def drawable(text: str, *, bold: bool = False) -> str:
    """The text with characters that the bundled font lacks replaced; SVG and text twin keep them."""
    return "".join(c if has_glyph(c, bold=bold) else _REPLACEMENT for c in clean(text))


def _text(label: Label, colours: dict[str, str]) -> Artist:
    from matplotlib.text import Text

    return Text(
        label.x,
        label.y,
        drawable(label.text, bold=label.bold),
        fontsize=label.size,
        ha=_ALIGN[label.anchor],
        va="baseline",
        color=colours[label.tone],
        weight="bold" if label.bold else "normal",
        family="DejaVu Sans",
        parse_math=False,
    )


def _outlined(labels: list[Label], colours: dict[str, str]) -> Artist:
    """Labels of one tone as one filled path: ten times faster than as many texts."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertices, codes = outlines([(label, drawable(label.text, bold=label.bold)) for label in labels])
    return PathPatch(Path(vertices, codes), facecolor=colours[labels[0].tone], linewidth=0)


def _line(line: Line, colours: dict[str, str]) -> Artist:
    from matplotlib.lines import Line2D

    xs, ys = zip(*line.points, strict=True)
    artist = Line2D(xs, ys, color=colours[line.tone], linewidth=line.width, dash_capstyle="butt")
    if line.dash:  # in line widths, as matplotlib counts
        artist.set_linestyle((0, tuple(d / line.width for d in line.dash)))
    return artist


def _paint(item: Item) -> tuple[Any, ...]:
    """What items that can be drawn as one artist have in common."""
    if isinstance(item, Shape | Circle):
        return "area", item.fill, item.stroke, item.width, item.opacity
    return ("text", item.tone) if isinstance(item, Label) else ("line",)


def _area(item: Shape | Circle, colours: dict[str, str]) -> Artist:
    from matplotlib.patches import Circle as Disc
    from matplotlib.patches import Polygon

    paint: dict[str, Any] = {
        "facecolor": colours[item.fill] if item.fill else "none",
        "edgecolor": colours[item.stroke] if item.stroke else "none",
        "linewidth": item.width if item.stroke else 0,
        "alpha": item.opacity,
    }
    if isinstance(item, Circle):
        return Disc((item.x, item.y), item.radius, **paint)
    return Polygon(item.points, closed=True, joinstyle="miter", **paint)


def _swarm(items: list[Shape | Circle], colours: dict[str, str]) -> list[Artist]:
    """Areas of one paint; many of them as one artist, which is four times faster than as many patches."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    if len(items) < MANY:
        return [_area(item, colours) for item in items]
    one = items[0]
    paths = [
        Path.circle((item.x, item.y), item.radius)
        if isinstance(item, Circle)
        else Path([*item.points, item.points[0]], closed=True)
        for item in items
    ]
    collection = PathCollection(
        paths,
        facecolors=colours[one.fill] if one.fill else "none",
        edgecolors=colours[one.stroke] if one.stroke else "none",
        linewidths=one.width if one.stroke else 0,
        alpha=one.opacity,
        joinstyle="miter",
    )
    return [collection]


def _artists(items: tuple[Item, ...], colours: dict[str, str], *, outline: bool) -> list[Artist]:
    out: list[Artist] = []
    for (kind, *_), run in groupby(items, key=_paint):
        members: list[Any] = list(run)
        if kind == "area":
            out += _swarm(members, colours)
        elif kind == "line":
            out += [_line(line, colours) for line in members]
        else:
            labels = [label for label in members if clean(label.text)]
            if not outline:
                out += [_text(label, colours) for label in labels]
            elif labels:
                out.append(_outlined(labels, colours))
    return out


def draw(layout: Layout, *, scheme: str = "light", outline: bool = False) -> Figure:
    """The layout as a matplotlib Figure of `layout.width` x `layout.height` points (72 to the inch).

    outline : draw texts as shapes (fast) instead of as text (can be edited in a saved PDF).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    colours = DARK if scheme == "dark" else LIGHT
    figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=72, facecolor=colours["paper"])
    FigureCanvasAgg(figure)
    page = Affine2D().scale(1 / 72, -1 / 72).translate(0, layout.height / 72) + figure.dpi_scale_trans
    for order, artist in enumerate(_artists(layout.items, colours, outline=outline)):
        artist.set_transform(page)
        artist.set_zorder(order)
        figure.add_artist(artist)
    return figure


def figure_png(layout: Layout, *, dpi: int = 144, scheme: str = "light") -> bytes:
    """The figure as PNG; the same layout gives the same bytes."""
    figure = draw(layout, scheme=scheme, outline=True)
    figure.set_dpi(dpi)
    figure.canvas.draw()
    return encode_png(np.asarray(figure.canvas.buffer_rgba()), dpi=dpi)  # type: ignore[attr-defined]
