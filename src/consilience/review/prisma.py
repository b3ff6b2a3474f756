"""The boxes of a PRISMA 2020 flow and the sums that must hold between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field


class Prisma(BaseModel):
    """Counts of the PRISMA 2020 flow diagram (Page 2021, BMJ 372:n71)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    identified: int = Field(ge=0)
    duplicates: int = Field(default=0, ge=0)
    automation: int = Field(default=0, ge=0)
    other: int = Field(default=0, ge=0)
    screened: int = Field(ge=0)
    excluded: int = Field(ge=0)
    sought: int = Field(ge=0)
    not_retrieved: int = Field(default=0, ge=0)
    assessed: int = Field(ge=0)
    reasons: dict[str, int] = Field(default_factory=dict)
    new_reports: int = Field(ge=0)
    previous: int = Field(default=0, ge=0)
    total: int = Field(ge=0)


# box = first box minus (or plus) the others
_SUMS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("screened", "identified", "-", ("duplicates", "automation", "other")),
    ("sought", "screened", "-", ("excluded",)),
    ("assessed", "sought", "-", ("not_retrieved",)),
    ("new_reports", "assessed", "-", ("reasons",)),
    ("total", "new_reports", "+", ("previous",)),
)


def prisma_problems(prisma: Prisma) -> Iterator[tuple[str, str]]:
    """(box, sentence) for every box that is not what the boxes above it leave (PRISMA 2020 arithmetic)."""
    counts: Mapping[str, int] = {
        **{name: value for name, value in prisma.model_dump().items() if name != "reasons"},
        "reasons": sum(prisma.reasons.values()),
    }
    for box, start, sign, parts in _SUMS:
        total = sum(counts[part] for part in parts)
        expected = counts[start] - total if sign == "-" else counts[start] + total
        if counts[box] != expected:
            terms = f" {sign} ".join(
                [f"{start} {counts[start]}", *(f"{_named(p)} {counts[p]}" for p in parts)]
            )
            yield box, f"{box} is {counts[box]}, but {terms} = {expected}."
    for reason, count in prisma.reasons.items():
        if count < 0:
            yield "reasons", f'reasons: "{reason}" is {count}, but a count cannot be negative.'


def _named(part: str) -> str:
    return "all reasons" if part == "reasons" else part
