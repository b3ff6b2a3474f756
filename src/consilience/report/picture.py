"""Figures as the page shows them: an image inside the file, its alternative text and its twin in text."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property

MOST_BYTES = 1_500_000  # a larger figure is left to figures/ so that the page stays light


@dataclass(frozen=True)
class Picture:
    """One figure. svg : as drawn by plots; alt : one sentence; twin : the same numbers as text."""

    key: str
    title: str
    caption: str
    svg: str
    alt: str
    twin: str

    @cached_property
    def uri(self) -> str:
        """A data: URI. As an image an svg can run nothing, load nothing and style nothing of the page."""
        return "data:image/svg+xml;base64," + b64encode(self.svg.encode()).decode("ascii")

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height in CSS pixels, from the svg's points; (0, 0) if it does not say."""
        found = re.search(r'<svg[^>]*?width="([\d.]+)pt"[^>]*?>', self.svg), re.search(
            r'<svg[^>]*?height="([\d.]+)pt"[^>]*?>', self.svg
        )
        if not (found[0] and found[1]):
            return 0.0, 0.0
        return round(float(found[0][1]) * 4 / 3), round(float(found[1][1]) * 4 / 3)

    @property
    def width(self) -> float:
        return self.size[0]

    @property
    def height(self) -> float:
        return self.size[1]

    @property
    def broad(self) -> bool:
        """Too wide to be read when shrunk to a phone: it scrolls in its box instead."""
        return self.width > 520

    @property
    def light(self) -> bool:
        return len(self.svg) <= MOST_BYTES
