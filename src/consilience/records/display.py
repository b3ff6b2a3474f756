"""How records show themselves: a renderer is registered from above, so that records stay free of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_renderers: dict[str, Callable[[Any], str]] = {}


def register(kind: str, render: Callable[[Any], str]) -> None:
    """Set the function that turns a record into text (kind ``"text"``) or HTML (kind ``"html"``)."""
    _renderers[kind] = render


class Shown:
    """A record whose `print` and notebook view show the full summary."""

    def __str__(self) -> str:
        return _renderers["text"](self) if "text" in _renderers else object.__repr__(self)

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        return _renderers["html"](self) if "html" in _renderers else None
