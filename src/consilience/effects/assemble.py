"""Candidates to Effects: the way in use, its columns, and a reason for every row that is not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Columns, Dropped, Effects, OutcomeRule, Reported
from .candidates import NAN, OUT_OF_RANGE, Candidate, Failure, Standardised
from .cells import Cells
from .effect_columns import effect_columns, places
from .pairing import Comparison


@dataclass(frozen=True, eq=False)
class Workings:
    """Everything behind a set of effects, for whoever asks how they came about.

    effects : the result; made : one entry per effect, in its order.
    groups : every comparison with its rule and the positions of its candidates, best first.
    candidates, sizes : all ways and what each gave; cells : the arms table, resolved.
    """

    effects: Effects
    made: Sequence[Made]
    groups: Sequence[tuple[Comparison, OutcomeRule, range]]
    candidates: Sequence[Candidate]
    sizes: Standardised
    cells: Cells


@dataclass(frozen=True, slots=True)
class Made:
    """One effect: where it stands, the way in use and the best other one (-1 = none), as positions in the candidates."""

    comparison: Comparison
    best: int
    second: int
    rule: OutcomeRule


def choose_ways(
    groups: Sequence[tuple[Comparison, OutcomeRule, range]],
    candidates: Sequence[Candidate],
    sizes: Standardised,
) -> tuple[list[Made], list[tuple[str, str, Failure]]]:
    """Of each comparison the best usable way, and the best other one that rests on different printed cells.

    `groups` : comparison, rule and the positions of its candidates, best first.
    """
    usable = sizes.usable.tolist()
    made: list[Made] = []
    failures: list[tuple[str, str, Failure]] = []
    for comparison, rule, positions in groups:
        ways = [i for i in positions if usable[i]]
        if ways:
            used = candidates[ways[0]].cells
            second = next((i for i in ways if candidates[i].cells != used), -1)
            made.append(Made(comparison, ways[0], second, rule))
        elif positions:
            rows = comparison.arm_rows, tuple(comparison.contrasts)
            failures.append((comparison.study, comparison.outcome, Failure(*OUT_OF_RANGE, *rows)))
    return made, failures


def candidates_in_use(candidates: Sequence[Candidate], sizes: Standardised) -> list[Candidate]:
    """The candidates that gave a number."""
    return [candidate for candidate, usable in zip(candidates, sizes.usable.tolist(), strict=True) if usable]


def assemble(
    reported: Reported,
    computed: tuple[Sequence[Candidate], Standardised],
    made: Sequence[Made],
    cells: Cells,
    *,
    measure: str = "ppc-g",
) -> Effects:
    """Effects without covariance: ``ppc-g`` oriented towards benefit, anything else in its own direction."""
    candidates, sizes = computed
    best = np.array([m.best for m in made], dtype=np.intp)
    second = np.array([m.second for m in made], dtype=np.intp)
    sign = np.array([sign_of(m.rule, measure) for m in made])
    columns = effect_columns(reported, [(m.comparison, candidates[m.best], m.rule) for m in made], cells)
    columns["part_treatment"], columns["part_control"] = sizes.part_t[best], sizes.part_c[best]
    other = second >= 0
    routes = [candidates[i].route if i >= 0 else "" for i in second]
    columns["second_route"] = np.array(routes, dtype=object)
    columns["second_lines"] = np.array(
        [places(reported, candidates[i])[1] if i >= 0 else "" for i in second], object
    )
    columns["second_y"] = np.where(other, sign * sizes.y[second], NAN) if len(made) else np.empty(0)
    columns["second_v"] = np.where(other, sizes.v[second], NAN) if len(made) else np.empty(0)
    study = np.array([m.comparison.study for m in made], dtype=object)
    return Effects(sign * sizes.y[best], sizes.v[best], study, measure, columns=columns)


def sign_of(rule: OutcomeRule, measure: str) -> float:
    """What turns treated minus control towards benefit: -1 for a g of an outcome where lower is better."""
    return -1.0 if measure == "ppc-g" and rule.better == "lower" else 1.0


def list_dropped(
    reported: Reported, failures: Sequence[tuple[str, str, Failure]], used: Sequence[Candidate]
) -> list[Dropped]:
    """Every row that yields nothing, with its reason.

    `used` : all candidates, also those that only check a better one.
    """
    tables = (reported.arms, reported.contrasts)
    seen: tuple[set[int], set[int]] = (set(), set())
    for candidate in used:
        seen[0].update(candidate.arm_rows)
        seen[1].update((candidate.contrast_row,) if candidate.contrast_row >= 0 else ())
    dropped: list[Dropped] = []
    for study, outcome, failure in failures:
        for table, rows, known in zip(tables, (failure.arm_rows, failure.contrast_rows), seen, strict=True):
            fresh = [row for row in rows if row not in known]
            if fresh:
                known.update(fresh)
                lines = tuple(int(table.lines[row]) for row in fresh)
                dropped.append(Dropped(study, outcome, table.file, lines, failure.code, failure.reason))
    return dropped + _alone(reported.arms, seen[0])


def _alone(arms: Columns, known: set[int]) -> list[Dropped]:
    """Baselines without a later row."""
    reason = "The same arm has no later row for this outcome that an effect could be made with."
    study, outcome = arms.text("study"), arms.text("outcome")
    return [
        Dropped(
            str(study[row]), str(outcome[row]), arms.file, (int(arms.lines[row]),), "no-later-row", reason
        )
        for row in range(len(arms))
        if row not in known
    ]
