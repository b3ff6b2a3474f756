"""Widths of text in points, from the font that every installation of matplotlib carries (DejaVu Sans).

It is one of the widest sans-serif fonts: text that fits here also fits in the narrower fonts with which a browser
may draw the same figure. Characters that the font lacks count as a full em.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..base.grid import ELLIPSIS, character_width

_EM = 100


@lru_cache(maxsize=2)
def font(bold: bool = False) -> Any:
    """The bundled font as a FreeType face, at 100 points."""
    from pathlib import Path

    import matplotlib
    from matplotlib.ft2font import FT2Font

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    face = FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)))
    face.set_size(_EM, 72)
    return face


def has_glyph(character: str, *, bold: bool = False) -> bool:
    """Can the bundled font draw it?"""
    return bool(font(bold).get_char_index(ord(character)))


@lru_cache(maxsize=4096)
def advance(character: str, bold: bool) -> float:
    """Width of a character of the bundled font in em."""
    if character_width(character) == 0:
        return 0.0
    if not has_glyph(character, bold=bold):
        return 1.0
    glyph = font(bold).load_char(ord(character))
    return max(float(glyph.linearHoriAdvance) / 65536 / _EM, float(character_width(character) == 2))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text in points."""
    return size * sum(advance(c, bold) for c in text)


def shorten(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text, or as much of it as fits in `width` points with an ellipsis at its end."""
    if text_width(text, size, bold=bold) <= width:
        return text
    room = width - text_width(ELLIPSIS, size, bold=bold)
    used, kept = 0.0, 0
    for character in text:
        used += size * advance(character, bold)
        if used > room:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def wrap_text(text: str, width: float, size: float, *, bold: bool = False, most: int = 2) -> tuple[str, ...]:
    """Lines of at most `width` points; at most `most` of them, the last shortened if there is more."""
    lines = [""]
    words = text.split()
    for i, word in enumerate(words):
        joined = f"{lines[-1]} {word}".strip()
        if text_width(joined, size, bold=bold) <= width or not lines[-1]:
            lines[-1] = joined
        elif len(lines) == most:
            lines[-1] = " ".join([lines[-1], *words[i:]])
            break
        else:
            lines.append(word)
    return tuple(shorten(line, width, size, bold=bold) for line in lines)
