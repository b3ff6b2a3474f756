"""A missing number of people from the trial's other numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..records import Columns, Reported

Rows = dict[int, dict[str, str]]
SMALLEST_ARM = 2


@dataclass(frozen=True, slots=True)
class _Known:
    """One printed n: of which arm and outcome."""

    arm: str
    outcome: str
    n: float


def fill_sizes(reported: Reported, rows: tuple[Rows, Rows], refused: dict[tuple[str, str], str]) -> Reported:
    """The tables with n filled in rows that lack it.

    The smallest n of the arm in other rows of the outcome, else in rows of any outcome; else what the known arms (by their largest
    n) leave of n_randomised, in equal parts for the arms of which no n is printed, rounded down.
    `rows` gets (arms, contrasts) row -> ``n`` -> what was done; `refused` (study, outcome) -> why not.
    """
    finder = _Finder(reported)
    arms, contrasts = reported.arms, reported.contrasts
    missing = np.isnan(arms.number("n")) & np.isnan(arms.number("total"))
    filled = _filled(arms, ("n", "arm"), missing, finder, rows=rows[0], refused=refused)
    other = contrasts
    for column, arm in (("n_treatment", "arm"), ("n_control", "control_arm")):
        missing = np.isnan(contrasts.number(column))
        other = _filled(other, (column, arm), missing, finder, rows=rows[1], refused=refused)
    return replace(reported, arms=filled, contrasts=other)


def _filled(
    table: Columns,
    names: tuple[str, str],
    missing: np.ndarray,
    finder: _Finder,
    *,
    rows: Rows,
    refused: dict[tuple[str, str], str],
) -> Columns:
    column, arm = names
    values = table.number(column).copy()
    for row in np.flatnonzero(missing).tolist():
        study, outcome, name = (str(table.text(x)[row]) for x in ("study", "outcome", arm))
        n, sentence = finder.find(study, outcome, name)
        if math.isnan(n):
            refused.setdefault((study, outcome), sentence)
        else:
            values[row] = n
            before = rows.setdefault(row, {}).get("n")
            rows[row]["n"] = f"{before}; {sentence}" if before else sentence
    return Columns(table.file, table.lines, {**table.data, column: values}) if rows else table


class _Finder:
    """The printed numbers of people of every trial."""

    def __init__(self, reported: Reported) -> None:
        self.known: dict[str, list[_Known]] = {}
        self.arms: dict[str, dict[str, None]] = {}
        sources = (
            (reported.arms, "arm", "n"),
            (reported.contrasts, "arm", "n_treatment"),
            (reported.contrasts, "control_arm", "n_control"),
        )
        for table, arm, column in sources:
            texts = [table.text(name).tolist() for name in ("study", "outcome", arm)]
            for study, outcome, name, n in zip(*texts, table.number(column).tolist(), strict=True):
                self.arms.setdefault(study, {})[name] = None
                if n > 0:
                    self.known.setdefault(study, []).append(_Known(name, outcome, n))
        randomised = reported.trials.number("n_randomised").tolist()
        self.randomised = dict(zip(reported.studies, randomised, strict=True))

    def find(self, study: str, outcome: str, arm: str) -> tuple[float, str]:
        """The number of people of an arm and what was done, or NaN and why not."""
        own = [k for k in self.known.get(study, []) if k.arm == arm]
        same = [k.n for k in own if k.outcome == outcome]
        if same:
            return min(same), f"n = {min(same):g} of {arm} imputed: the arm's n at another time"
        if own:
            least = min(own, key=lambda k: k.n)
            return least.n, f"n = {least.n:g} of {arm} imputed: the arm's n for {least.outcome}"
        return self._share(study, arm)

    def _share(self, study: str, arm: str) -> tuple[float, str]:
        total = self.randomised.get(study, math.nan)
        if math.isnan(total):
            return math.nan, f"the trial prints no n of {arm}, and trials gives no n_randomised."
        largest: dict[str, float] = {}
        for known in self.known.get(study, []):
            largest[known.arm] = max(known.n, largest.get(known.arm, 0.0))
        unknown = len(self.arms[study]) - len(largest)
        left = total - sum(largest.values())
        n = float(math.floor(left / unknown))
        if n < SMALLEST_ARM:
            return math.nan, f"the known arms leave {left:g} of {total:g} people randomised for {arm}."
        less = f" less {sum(largest.values()):g} in the known arms" if largest else ""
        split = f", split equally over {unknown} arms" if unknown > 1 else ""
        return n, f"n = {n:g} of {arm} imputed: {total:g} randomised{less}{split}"
