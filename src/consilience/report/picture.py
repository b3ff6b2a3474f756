"""Figures as the page shows them: drawn into the page, with their twin in text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from ..plots import Layout, all_figures, figure_png, figure_svg, text_twin
from ..records import Analysis

MOST_BYTES = 1_500_000  # a larger figure is left to figures/ so that the page stays light
BROAD = 330.0  # points of width from which a figure scrolls on a phone instead of shrinking beyond reading


@dataclass(frozen=True, eq=False)
class Picture:
    """A laid-out figure and its renditions, each made when first asked for."""

    layout: Layout

    @property
    def key(self) -> str:
        return self.layout.key

    @property
    def title(self) -> str:
        return self.layout.title

    @property
    def alt(self) -> str:
        return self.layout.alt

    @cached_property
    def svg(self) -> str:
        """One ``<svg>`` element without inline style or script; `plots.svg` has escaped its texts."""
        return figure_svg(self.layout)

    @cached_property
    def twin(self) -> str:
        """The same numbers as aligned text."""
        return text_twin(self.layout)

    @property
    def png(self) -> bytes:
        return figure_png(self.layout)

    @property
    def markup(self) -> Markup:
        return Markup(self.svg)

    @property
    def broad(self) -> bool:
        return self.layout.width > BROAD

    @property
    def light(self) -> bool:
        """Small enough to stand in the page."""
        return len(self.svg) <= MOST_BYTES


def draw_figures(analysis: Analysis) -> dict[str, Picture]:
    """Every figure that the analysis has data for, by key; page 2 of ``forest`` is ``forest-2``."""
    return {key: Picture(layout) for key, layout in all_figures(analysis).items()}


def pages_of(pictures: Iterable[Picture], key: str) -> list[Picture]:
    """The pages of the figure called `key`, in order, that are light enough to show."""
    wanted = re.compile(rf"{re.escape(key)}(-\d+)?")
    return [p for p in pictures if wanted.fullmatch(p.key) and p.light]
