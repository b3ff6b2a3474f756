"""A layout as a matplotlib figure, and that figure as PNG. No pyplot: nothing global, nothing to close."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..base.grid import clean
from .layout import Circle, Item, Label, Layout, Line
from .measure import has_glyph
from .palette import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REPLACEMENT = "\ufffd"
_ALIGN = {"start": "left", "middle": "center", "end": "right"}


def drawable(text: str, *, bold: bool = False) -> str:
    """The text with characters that the bundled font lacks replaced; the SVG and the text twin keep them."""
    return "".join(c if has_glyph(c, bold=bold) else _REPLACEMENT for c in clean(text))


def _add(axes: Axes, item: Item, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle as Disc
    from matplotlib.patches import Polygon

    if isinstance(item, Label):
        axes.text(
            item.x,
            item.y,
            drawable(item.text, bold=item.bold),
            fontsize=item.size,
            ha=_ALIGN[item.anchor],
            va="baseline",
            color=colours[item.tone],
            weight="bold" if item.bold else "normal",
            family="DejaVu Sans",
            parse_math=False,
        )
        return
    if isinstance(item, Line):
        xs, ys = zip(*item.points, strict=True)
        line = Line2D(xs, ys, color=colours[item.tone], linewidth=item.width)
        if item.dash:  # in line widths, as matplotlib counts
            line.set_linestyle((0, tuple(d / item.width for d in item.dash)))
        axes.add_line(line)
        return
    paint = {
        "facecolor": colours[item.fill] if item.fill else "none",
        "edgecolor": colours[item.stroke] if item.stroke else "none",
        "linewidth": item.width if item.stroke else 0,
        "alpha": item.opacity,
    }
    if isinstance(item, Circle):
        axes.add_patch(Disc((item.x, item.y), item.radius, **paint))
    else:
        axes.add_patch(Polygon(item.points, closed=True, joinstyle="miter", **paint))


def draw(layout: Layout, *, scheme: str = "light") -> Figure:
    """The layout as a matplotlib Figure of `layout.width` x `layout.height` points (72 to the inch)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = DARK if scheme == "dark" else LIGHT
    figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=72, facecolor=colours["paper"])
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)
    axes.set_axis_off()
    for item in layout.items:
        _add(axes, item, colours)
    return figure


def figure_png(layout: Layout, *, dpi: int = 144, scheme: str = "light") -> bytes:
    """The figure as PNG; the same layout gives the same bytes."""
    stream = io.BytesIO()
    figure = draw(layout, scheme=scheme)
    figure.savefig(
        stream, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Software": None}
    )
    return stream.getvalue()
