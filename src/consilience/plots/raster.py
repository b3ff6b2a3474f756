"""A layout as a matplotlib figure, and as PNG. No pyplot: nothing global, nothing to close."""

from __future__ import annotations

import io
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..base.grid import clean
from .glyphs import outlines
from .layout import Circle, Item, Label, Layout, Line, Shape
from .measure import has_glyph
from .palette import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

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


def _artists(items: tuple[Item, ...], colours: dict[str, str], *, outline: bool) -> list[Artist]:
    out: list[Artist] = []
    runs = groupby(items, key=lambda item: (isinstance(item, Label), getattr(item, "tone", "")))
    for (is_text, _), run in runs:
        members = list(run)
        labels = [item for item in members if isinstance(item, Label) and clean(item.text)]
        if is_text and outline:
            out += [_outlined(labels, colours)] if labels else []
        elif is_text:
            out += [_text(label, colours) for label in labels]
        else:
            out += [
                _line(item, colours) if isinstance(item, Line) else _area(item, colours)
                for item in members
                if not isinstance(item, Label)
            ]
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
    stream = io.BytesIO()
    figure = draw(layout, scheme=scheme, outline=True)
    figure.savefig(
        stream,
        format="png",
        dpi=dpi,
        facecolor=figure.get_facecolor(),
        metadata={"Software": None},
        pil_kwargs={"compress_level": 4},
    )
    return stream.getvalue()
