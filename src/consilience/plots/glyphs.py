"""Text as outlines of the bundled font: vertices and codes of one compound path, placed by `measure`'s widths."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .layout import Label
from .measure import advance, font, text_width


@lru_cache(maxsize=1024)
def _glyph(character: str, bold: bool) -> tuple[np.ndarray, np.ndarray]:
    """Outline in em, y downwards: vertices (m, 2) and matplotlib path codes (m,)."""
    from matplotlib.ft2font import LoadFlags

    face = font(bold)
    face.load_char(ord(character), LoadFlags.NO_HINTING)
    vertices, codes = face.get_path()
    return np.asarray(vertices, dtype=float) * (0.01, -0.01), np.asarray(codes, dtype=np.uint8)


def outlines(labels: list[tuple[Label, str]]) -> tuple[np.ndarray, np.ndarray]:
    """One path for all labels, each with the text to draw: vertices (m, 2) in points and codes (m,)."""
    vertices: list[np.ndarray] = [np.zeros((0, 2))]
    codes: list[np.ndarray] = [np.zeros(0, dtype=np.uint8)]
    for label, text in labels:
        width = text_width(text, label.size, bold=label.bold)
        x = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        for character in text:
            shape, code = _glyph(character, label.bold)
            if len(code):
                vertices.append(shape * label.size + (x, label.y))
                codes.append(code)
            x += label.size * advance(character, label.bold)
    return np.concatenate(vertices), np.concatenate(codes)
