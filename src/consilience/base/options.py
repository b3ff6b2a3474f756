"""One place where a user's string becomes a choice, with the nearest suggestion when it does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import TypeVar

from .errors import InputError, OptionError

Choice = TypeVar("Choice", bound=str)


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word closest to `word` (case-insensitive), or None if none is close."""
    names = list(allowed)
    lowered = {name.lower(): name for name in reversed(names)}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """``Did you mean "x"?`` or the empty string."""
    found = nearest(word, allowed)
    return f'Did you mean "{found}"?' if found else ""


def choose(value: str, allowed: Iterable[Choice], *, what: str) -> Choice:
    """The one of `allowed` that is `value`, with its type; else raise OptionError naming all of them and the nearest."""
    names = list(allowed)
    for name in names:
        if name == value:
            return name
    listed = ", ".join(f'"{name}"' for name in names)
    raise OptionError(
        f'{what} "{value}" is not known; allowed: {listed}.',
        code="unknown-option",
        advice=suggestion(str(value), names),
    )


def confidence_level(level: float) -> float:
    """The level, which must lie between 0 and 1; else raise InputError ``level``."""
    number = isinstance(level, Real)
    if not number or not 0 < level < 1:
        raise InputError(
            f"The confidence level is {f'{level:g}' if number else repr(level)}; it must lie between 0 and 1.",
            code="level",
            advice=f"Did you mean {level / 100:g}?"
            if number and 1 < level < 100
            else "Give 0.95, for example.",
        )
    return float(level)
