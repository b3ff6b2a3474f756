"""How an effect came about, step by step: what was printed, which way it went, every number between."""

from __future__ import annotations

from dataclasses import dataclass

from .display import Shown
from .effects import Dropped
from .note import Note

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Step:
    """One number on the way. what : its name; how : its formula or where it was read."""

    what: str
    value: float
    how: str = ""


@dataclass(frozen=True)
class Way:
    """One way to an effect, from the printed numbers to its value.

    formula, variance : in words and symbols; steps : the numbers in the order of the formula.
    y, v, ci_low, ci_high : the result, oriented as in the effects (g: positive = benefit).
    lines : the rows that it rests on, e.g. ``"arms.csv rows 2, 4"``.
    """

    code: str
    route: str
    formula: str
    variance: str
    steps: tuple[Step, ...]
    y: float
    v: float
    ci_low: float
    ci_high: float
    lines: str = ""
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplainedEffect:
    """One effect of a review with every way that was computed.

    number : its place in the effects (and its row in effects.csv), counted from 1.
    use : what the row that was asked for does in it; "" if no row was asked for.
    second : the best other way that rests on other printed numbers; other : further ways, best first.
    disagreement : second minus used, NaN without a second.
    percent : the log ratio of ratios of the same comparison, if the numbers allow one.
    findings : what the checks say of this effect.
    """

    number: int
    study: str
    outcome: str
    label: str
    used: Way
    use: str = ""
    second: Way | None = None
    other: tuple[Way, ...] = ()
    percent: Way | None = None
    findings: tuple[Note, ...] = ()

    @property
    def disagreement(self) -> float:
        return self.second.y - self.used.y if self.second is not None else NAN


@dataclass(frozen=True)
class PrintedCell:
    """One cell: the text in the file, and what became of it ("" = used as it stands)."""

    column: str
    text: str
    became: str = ""


@dataclass(frozen=True)
class PrintedRow:
    """A row of a file. decisions : sentences on the decisions that touched it; findings : of the checks about it."""

    file: str
    line: int
    cells: tuple[PrintedCell, ...]
    decisions: tuple[str, ...] = ()
    findings: tuple[Note, ...] = ()


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """Everything about a row, a trial or an effect of a review.

    asked : what was asked for; rows : the printed rows behind it.
    dropped : rows among them that yield no effect, with the reason.
    """

    asked: str
    rows: tuple[PrintedRow, ...]
    effects: tuple[ExplainedEffect, ...]
    dropped: tuple[Dropped, ...] = ()
