"""Numbers to text, the same in tables, figures, report and terminal."""

from __future__ import annotations

import math
from decimal import Decimal

MINUS = "\u2212"
DASH = "\u2013"
NOT_AVAILABLE = "\u2014"


def number(value: float | None, digits: int = 2) -> str:
    """Fixed decimals with a true minus sign; an em dash for a missing value; no negative zero."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return "\u221e" if value > 0 else f"{MINUS}\u221e"
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and float(text) != 0
    return f"{MINUS}{text}" if negative else text


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``[low, high]`` in the same format as `number`."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def percent(value: float | None, digits: int = 1) -> str:
    """A percentage (already times 100) with its sign."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    text = number(value, digits)
    return f"+{text}%" if value > 0 and float(f"{value:.{digits}f}") != 0 else f"{text}%"


def p_value(value: float | None) -> str:
    """``.034``, ``< .001``; never ``.000``."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if value < 0.001:
        return "< .001"
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def equals(text: str) -> str:
    """``= .034`` or ``< .001``: what follows the letter p."""
    return text if text.startswith("<") else f"= {text}"


def count(value: float | int | None) -> str:
    """An integer with thousands separators."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    return f"{round(value):,}"


def large_count(n: int) -> str:
    """A count of any size: with thousands separators below 10^9, else like "1.3e+375" (also where a float overflows)."""
    if n < 10**9:
        return f"{n:,}"
    return f"{Decimal(n):.1e}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """``1 trial``, ``12 trials``."""
    return f"{n:,} {one if n == 1 else (many or one + 's')}"
