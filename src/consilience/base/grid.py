"""Text in columns: display widths, cleaning, wrapping and padding, for terminals and figure texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ELLIPSIS = "\u2026"


def clean(text: object) -> str:
    """One printable line: line breaks and tabs become spaces; control and direction characters go.

    Text comes from files that others wrote: an escape sequence or a right-to-left override in a
    trial's name must not reach a terminal or an SVG file.
    """
    raw = str(text)
    if raw.isascii() and raw.isprintable():
        return raw.strip()
    kept = (" " if c.isspace() else c for c in raw if c.isspace() or unicodedata.category(c) not in _DROPPED)
    return " ".join("".join(kept).split())


def character_width(character: str) -> int:
    """Cells that a terminal gives to a character: 0 for combining marks, 2 for wide East Asian ones."""
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def display_width(text: str) -> int:
    """Terminal cells of a line of text."""
    return len(text) if text.isascii() else sum(character_width(c) for c in text)


def pad(text: str, width: int, align: str = "left") -> str:
    """Fill with spaces to `width` cells; longer text is returned as it is."""
    space = max(0, width - display_width(text))
    if align == "right":
        return " " * space + text
    if align == "center":
        return " " * (space // 2) + text + " " * (space - space // 2)
    return text + " " * space


def _split(word: str, width: int) -> list[str]:
    """Cut a word that is wider than a line into pieces of at most `width` cells (one character at least)."""
    pieces = [""]
    for character in word:
        if pieces[-1] and display_width(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def wrap(text: str, width: int) -> list[str]:
    """Break at spaces into lines of at most `width` cells; words that are wider are cut."""
    lines = [""]
    for word in text.split():
        for piece in _split(word, width):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if display_width(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines if len(lines) == 1 or lines[0] else lines[1:]


def grid(rows: Sequence[Sequence[str]], aligns: Sequence[str], *, gap: int = 2) -> list[str]:
    """Rows of cells as aligned lines without trailing space; every row has as many cells as `aligns`."""
    if not rows:
        return []
    widths = [max(display_width(row[j]) for row in rows) for j in range(len(aligns))]
    space = " " * gap
    return [
        space.join(
            pad(cell, width, align) for cell, width, align in zip(row, widths, aligns, strict=True)
        ).rstrip()
        for row in rows
    ]
