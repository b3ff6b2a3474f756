"""The text of a cell to a number, strictly: what is not plainly a number is refused with advice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isnan

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}([,' \u00a0\u202f\u2019]\d{3})+(\.\d*)?")
_OTHER_MARK = re.compile(r"[+-]?\d*,\d+")
_RAISED_POINT = re.compile(r"[+-]?\d*[\u00b7\u2219\u22c5]\d+")
_SWAP = str.maketrans(",.", ".,")

# How reviewers and statistics programs mark a missing number; no number looks like these.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
SMALLEST, LARGEST = 1e-100, 1e100


@dataclass(frozen=True)
class NotNumber:
    """Why a text is not a number: code of the finding, sentence, advice ("" = that of the registry)."""

    code: str
    message: str
    advice: str = ""


def parse_number(text: str, *, decimal: str = ".") -> float | NotNumber:
    """The number in `text`, NaN if it marks a missing value, or why it is none.

    decimal : the decimal mark that the review declares, ``"."`` or ``","``.
    """
    word = text.strip().replace("\u2212", "-")  # the typographic minus of printed tables
    if word.lower() in MISSING:
        return float("nan")
    candidate = word.translate(_SWAP) if decimal == "," else word
    return in_range(float(candidate)) if _PLAIN.fullmatch(candidate) else _refusal(text, candidate, decimal)


def in_range(value: float) -> float | NotNumber:
    """The value if its square is a number too; nothing that was measured is beyond 1e-100 to 1e100."""
    if value == 0 or isnan(value) or SMALLEST <= abs(value) <= LARGEST:
        return value
    size = "large" if abs(value) > 1 else "small"
    return NotNumber("not-a-number", f"{value:g} is too {size} to be a measured value.")


def _refusal(text: str, candidate: str, decimal: str) -> NotNumber:
    if _GROUPED.fullmatch(candidate):
        return NotNumber(
            "thousands-separator", f'"{text}" seems to have a thousands separator; that is not read.'
        )
    if _OTHER_MARK.fullmatch(candidate):
        if decimal == ",":
            message = f'"{text}" has a decimal point, but the protocol declares a decimal comma.'
            return NotNumber("decimal-mark", message, "Write 1,5; or remove decimal from [files].")
        return NotNumber("decimal-mark", f'"{text}" has a decimal comma.')
    if _RAISED_POINT.fullmatch(candidate):
        return NotNumber("decimal-mark", f'"{text}" has a raised decimal point.', f"Write 1{decimal}5.")
    return NotNumber("not-a-number", f'"{text}" is not a number.', _advice(text.strip()))


def _advice(word: str) -> str:
    if word[:1] in "<>\u2264\u2265":
        return "A bound is not a value: leave the cell empty and put what is printed in note."
    if "\u00b1" in word or "+/-" in word or "(" in word or "[" in word:
        return "One cell holds one number: put the dispersion in its own column (sd, se, ci_low and ci_high)."
    if word.endswith("%"):
        return "Write the number without the percent sign."
    if word[:1] == "\u2013":
        return "That is a dash, not a minus sign."
    return ""
