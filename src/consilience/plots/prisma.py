"""The PRISMA 2020 flow: boxes from the protocol's counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..base.format import count
from ..records import Analysis, Table, TableColumn
from .layout import Item, Label, Layout, Line, Shape, marker, rectangle
from .measure import wrap_text
from .plane import MARGIN

SIZE, LEADING, PADDING = 8.5, 11.5, 7.0
MAIN, SIDE, BETWEEN, BAND = 210.0, 220.0, 42.0, 22.0
GAP = 24.0


@dataclass(frozen=True)
class Box:
    """A step: its lines in the main column, and what left the flow there (beside it)."""

    stage: str
    main: tuple[str, ...]
    side: tuple[str, ...] = ()


def _line(counts: Mapping[str, object], key: str, words: str) -> tuple[str, ...]:
    value = counts.get(key)
    return (f"{words} (n = {count(float(str(value)))})",) if value is not None else ()


def _reasons(counts: Mapping[str, object]) -> tuple[str, ...]:
    reasons = counts.get("reasons")
    if not isinstance(reasons, Mapping) or not reasons:
        return ()
    lines = tuple(f"{reason} (n = {count(float(n))})" for reason, n in reasons.items())
    return ("Reports excluded:", *lines)


def boxes(counts: Mapping[str, object]) -> list[Box]:
    """The steps for which counts are given, top to bottom."""
    removed = (
        *_line(counts, "duplicates", "duplicates"),
        *_line(counts, "automation", "marked ineligible by automation tools"),
        *_line(counts, "other", "other reasons"),
    )
    included = (
        *_line(counts, "new_reports", "New reports included"),
        *_line(counts, "previous", "Reports of previous versions"),
        *_line(counts, "total", "Total included in the review"),
    )
    steps = [
        Box(
            "Identification",
            _line(counts, "identified", "Records identified"),
            ("Removed before screening:", *removed) if removed else (),
        ),
        Box(
            "Screening",
            _line(counts, "screened", "Records screened"),
            _line(counts, "excluded", "Records excluded"),
        ),
        Box(
            "Screening",
            _line(counts, "sought", "Reports sought"),
            _line(counts, "not_retrieved", "Not retrieved"),
        ),
        Box("Screening", _line(counts, "assessed", "Reports assessed for eligibility"), _reasons(counts)),
        Box("Included", included),
    ]
    return [step for step in steps if step.main]


def _lines(texts: tuple[str, ...], width: float) -> list[str]:
    return [line for text in texts for line in wrap_text(text, width - 2 * PADDING, SIZE, most=4)]


def _box(lines: list[str], left: float, top: float, width: float, height: float) -> list[Item]:
    items: list[Item] = [Shape(rectangle(left, top, left + width, top + height), "paper", "ink", 0.8)]
    first = top + (height - LEADING * len(lines)) / 2 + LEADING / 2 + 0.36 * SIZE
    return items + [Label(left + PADDING, first + i * LEADING, line, SIZE) for i, line in enumerate(lines)]


def _arrow(start: tuple[float, float], end: tuple[float, float], kind: str) -> list[Item]:
    return [Line((start, end), "ink", 0.8), Shape(marker(kind, *end, 3.0), "ink")]


def _down(x: float, top: float, bottom: float) -> list[Item]:
    head = ((x, bottom), (x - 3.0, bottom - 4.8), (x + 3.0, bottom - 4.8))
    return [Line(((x, top), (x, bottom)), "ink", 0.8), Shape(head, "ink")]


def _stages(steps: list[Box], spans: list[tuple[float, float]]) -> list[Item]:
    """A band with the stage's name over the boxes of each stage."""
    items: list[Item] = []
    for stage in dict.fromkeys(step.stage for step in steps):
        mine = [span for step, span in zip(steps, spans, strict=True) if step.stage == stage]
        top = mine[0][0] - BAND
        right = MARGIN + MAIN + BETWEEN + SIDE
        items.append(Shape(rectangle(MARGIN, top, right, top + 15), "band2"))
        items.append(Label(MARGIN + PADDING, top + 10.8, stage, SIZE, bold=True))
    return items


def prisma(analysis: Analysis) -> tuple[Layout, ...]:
    """The flow diagram; () when the protocol gives no counts."""
    steps = boxes(analysis.plan.prisma)
    if not steps:
        return ()
    items: list[Item] = []
    spans: list[tuple[float, float]] = []
    y = MARGIN
    for i, step in enumerate(steps):
        new_stage = i == 0 or steps[i - 1].stage != step.stage
        y += BAND if new_stage else 0.0
        main, side = _lines(step.main, MAIN), _lines(step.side, SIDE)
        height = max(len(main), len(side), 1) * LEADING + 2 * PADDING
        items += _box(main, MARGIN, y, MAIN, height)
        if side:
            items += _box(side, MARGIN + MAIN + BETWEEN, y, SIDE, height)
            middle = y + height / 2
            items += _arrow((MARGIN + MAIN, middle), (MARGIN + MAIN + BETWEEN, middle), "right")
        spans.append((y, y + height))
        y += height + GAP
    for (_, above), (below, _), step, following in zip(spans, spans[1:], steps, steps[1:], strict=False):
        # between stages the arrow ends at the band that names the next one
        end = below - (BAND if step.stage != following.stage else 0.0)
        items += _down(MARGIN + MAIN / 2, above, end)
    items += _stages(steps, spans)
    width = 2 * MARGIN + MAIN + BETWEEN + SIDE
    texts = [" ".join(step.main) for step in steps]
    alt = f"PRISMA flow diagram: {'; '.join(texts)}."
    return (
        Layout("prisma", "PRISMA flow diagram", alt, width, y - GAP + MARGIN, tuple(items), _twin(steps)),
    )


def _twin(steps: list[Box]) -> Table:
    columns = (
        TableColumn("stage", "Stage"),
        TableColumn("main", "Step"),
        TableColumn("side", "Leaving the flow"),
    )
    rows = tuple((step.stage, "; ".join(step.main), "; ".join(step.side)) for step in steps)
    return Table("prisma-twin", "PRISMA flow diagram", columns, rows)
