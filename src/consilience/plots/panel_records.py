"""The records of a panel: titled columns, rows with a point and an interval, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAN = float("nan")

RowKind = Literal["heading", "item", "detail", "summary", "overall", "note"]


@dataclass(frozen=True)
class PanelColumn:
    """side : of the plot; most : widest in points (longer text wraps or is shortened); draws : text or bias mark."""

    key: str
    title: str
    side: Literal["left", "right"] = "left"
    align: Literal["left", "right", "center"] = "left"
    most: float = 190.0
    draws: Literal["text", "bias"] = "text"


@dataclass(frozen=True)
class PanelRow:
    """cells : one text per column, in full; a heading or note has one cell. weight : share of the largest, 0 to 1."""

    kind: RowKind
    cells: tuple[str, ...]
    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    pi: tuple[float, float] = (NAN, NAN)
    weight: float = 0.3
    marker: str = "square"


@dataclass(frozen=True)
class Panel:
    """What to lay out. threshold : |g| below which an effect does not matter (shaded); line : dashed reference;
    band : (low, high) of the primary interval; favours : names of the two sides."""

    key: str
    title: str
    alt: str
    columns: tuple[PanelColumn, ...]
    rows: tuple[PanelRow, ...]
    axis_title: str
    favours: tuple[str, str] = ("Favours control", "Favours intervention")
    threshold: float = 0.0
    line: float = NAN
    band: tuple[float, float] = (NAN, NAN)
    plot_width: float = 240.0
    notes: tuple[str, ...] = ()
