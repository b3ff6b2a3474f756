"""Records -> Layout (all positions, pure) -> SVG text, matplotlib figure, PNG or aligned text."""

from .figures import FIGURES, all_figures, figure
from .layout import Layout
from .palette import palette_css
from .picture import PICTURES, picture
from .raster import draw, figure_png
from .svg import figure_svg
from .twin import text_twin

__all__ = [
    "FIGURES",
    "PICTURES",
    "Layout",
    "all_figures",
    "draw",
    "figure",
    "figure_png",
    "figure_svg",
    "palette_css",
    "picture",
    "text_twin",
]
