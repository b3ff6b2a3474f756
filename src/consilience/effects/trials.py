"""From the tables of a review to pretest-posttest-control g, one per trial x arms x outcome x time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

from ..records import Effects, OutcomeRule, Plan, Reported
from .arm_view import Choice, arm_sizes
from .assemble import Workings, assemble, candidates_in_use, choose_ways, list_dropped
from .candidates import OUT_OF_RANGE, Candidate, Failure, standardise
from .cells import Cells, resolve_cells
from .contrast_numbers import ContrastNumbers, resolve_contrasts
from .dependence import with_covariance
from .imputation import Filled, fill_missing, imputation_notes, mark_r
from .pairing import Comparison, Pairing, pair_rows
from .plausibility import effect_notes
from .routes_arms import arm_candidates
from .routes_contrasts import contrast_candidates

RChoice = Literal["low", "assumed", "high"] | float


def choice_of(rule: OutcomeRule, r: RChoice) -> Choice:
    """The outcome's rule with the value of r that this run uses."""
    named = {"low": rule.r.low, "assumed": rule.r.value, "high": rule.r.high}
    return Choice(rule, named[r] if isinstance(r, str) else float(r))


def choice_for(comparison: Comparison, rule: OutcomeRule, r: RChoice, filled: Filled | None) -> Choice:
    """The same for one comparison: an imputed r goes before the declared one, but not before a number given for all."""
    choice = choice_of(rule, r)
    return choice if filled is None or not isinstance(r, str) else filled.choice(choice, comparison, r)


def trial_effects(
    reported: Reported, plan: Plan, *, r: RChoice = "assumed", rho: float | None = None, prefer: str = ""
) -> Effects:
    """Pretest-posttest-control g of every comparison that the trials' printed numbers allow.

    Each effect is a trial x treated arm x control arm x outcome x time. The ways to it, best first: means before and
    after; mean changes over the baseline SD; a difference of changes over the baseline SD; change-score d; final
    values; t, F, p, chi-squared, odds ratio or SMD. The best is used; the next best that rests on other printed
    numbers is kept beside it.

    Parameters
    ----------
    reported : the tables, decisions applied.
    plan : directions, scales, correlations, kind of variance.
    r : which end of each outcome's assumed pre-post correlation to use, or one number for all of them; reported and
        derived correlations do not move.
    rho : correlation of effects whose dependence is unknown; None = the plan's.
    prefer : a group of routes (``route_group`` of an effect) that goes before the order above; "" = none.

    Returns
    -------
    Effects with measure ``"ppc-g"``, positive = benefit (outcomes without a direction: treated minus control, with
    ``pooled`` 0), sampling covariance filled, rows that yield nothing in `dropped` with the reason.

    Source: Morris (2008); the formula of each route is in `routes_arms` and `routes_contrasts`.
    """
    return trial_workings(reported, plan, r=r, rho=rho, prefer=prefer).effects


def trial_workings(
    reported: Reported, plan: Plan, *, r: RChoice = "assumed", rho: float | None = None, prefer: str = ""
) -> Workings:
    """`trial_effects` together with every way that was tried and the numbers it went through."""
    cells, pairing, numbers, filled, more = printed_numbers(reported, plan)
    candidates: list[Candidate] = []
    groups: list[tuple[Comparison, OutcomeRule, range]] = []
    failures = list(pairing.failures)
    for comparison in pairing.comparisons:
        rule = plan.outcomes.get(comparison.outcome)
        if rule is None:
            failures.append((comparison.study, comparison.outcome, undeclared(comparison)))
            continue
        choice = choice_for(comparison, rule, r, filled)
        ways, failed = _ways(comparison, cells, numbers, choice)
        if filled is not None and not ways:
            ways, _ = _ways(comparison, filled.cells, more or numbers, choice)
            ways = [filled.marked(way, comparison) for way in ways]
            failed = [replace(f, reason=f.reason + filled.why_not(comparison)) for f in failed]
        ways = sorted(mark_r(ways), key=lambda way: way.group != prefer)
        failures.extend((comparison.study, comparison.outcome, f) for f in _explained(failed, ways))
        groups.append((comparison, rule, range(len(candidates), len(candidates) + len(ways))))
        candidates.extend(ways)
    sizes = standardise(candidates, plan.variance)
    made, out_of_range = choose_ways(groups, candidates, sizes)
    effects = assemble(reported, (candidates, sizes), made, cells)
    dropped = list_dropped(reported, failures + out_of_range, candidates_in_use(candidates, sizes))
    notes = (*cells.notes, *numbers.notes)
    effects = replace(effects, dropped=tuple(dropped), notes=notes)
    effects = with_covariance(effects, plan.rho if rho is None else rho, plan.dependence)
    rows = [(m.comparison, candidates[m.best], m.rule) for m in made]
    used = [(comparison, candidate) for comparison, candidate, _ in rows]
    found = (
        *effect_notes(effects, rows, reported.arms, cells),
        *imputation_notes(used, reported.arms, reported.contrasts),
    )
    return Workings(replace(effects, notes=effects.notes + found), made, groups, candidates, sizes, cells)


class Printed(NamedTuple):
    """Everything printed, resolved: cells of the arms, comparisons, contrasts; and both filled where that is allowed."""

    cells: Cells
    pairing: Pairing
    numbers: ContrastNumbers
    filled: Filled | None
    more: ContrastNumbers | None


def printed_numbers(reported: Reported, plan: Plan) -> Printed:
    """The common start of g and of the log ratios: what stands in the tables, arm by arm and contrast by contrast."""
    cells = resolve_cells(reported.arms)
    pairing = pair_rows(reported)
    numbers = resolve_contrasts(reported.contrasts, *contrast_sizes(reported, pairing.comparisons, cells))
    filled, more = _filled_numbers(reported, plan, pairing.comparisons, cells)
    return Printed(cells, pairing, numbers, filled, more)


def _filled_numbers(
    reported: Reported, plan: Plan, comparisons: Sequence[Comparison], cells: Cells
) -> tuple[Filled | None, ContrastNumbers | None]:
    """The tables and the resolved contrasts with what the protocol allows to fill in; None where it allows nothing."""
    filled = fill_missing(reported, plan, comparisons, cells)
    if filled is None:
        return None, None
    sizes = contrast_sizes(filled.reported, comparisons, filled.cells)
    return filled, resolve_contrasts(filled.reported.contrasts, *sizes)


def contrast_sizes(
    reported: Reported, comparisons: Sequence[Comparison], cells: Cells
) -> tuple[list[float], list[float]]:
    """Arm sizes of every contrast: its own, else those of the arms at that time."""
    n_t = reported.contrasts.number("n_treatment").tolist()
    n_c = reported.contrasts.number("n_control").tolist()
    for comparison in comparisons:
        if comparison.contrasts:
            from_arms = arm_sizes(comparison, cells)
            for row in comparison.contrasts:
                n_t[row] = from_arms[0] if math.isnan(n_t[row]) else n_t[row]
                n_c[row] = from_arms[1] if math.isnan(n_c[row]) else n_c[row]
    return n_t, n_c


def _explained(failed: Sequence[Failure], ways: Sequence[Candidate]) -> list[Failure]:
    """The failures, with a word where other numbers of the same comparison gave the effect all the same."""
    if not ways:
        return list(failed)
    return [
        replace(f, reason=f"{f.reason} The effect is made from other numbers: {ways[0].route}.")
        for f in failed
    ]


def undeclared(comparison: Comparison) -> Failure:
    reason = f'The outcome "{comparison.outcome}" is not declared in the protocol.'
    return Failure("outcome-not-declared", reason, comparison.arm_rows, tuple(comparison.contrasts))


def _ways(
    comparison: Comparison, cells: Cells, numbers: ContrastNumbers, choice: Choice
) -> tuple[list[Candidate], list[Failure]]:
    """All candidates of a comparison, best first, and the rows that gave none."""
    ways, failure = _guarded(partial(arm_candidates, comparison, cells, choice), comparison.arm_rows, ())
    failed = [failure] if failure else []
    for row in comparison.contrasts:
        more, failure = _guarded(
            partial(contrast_candidates, comparison, row, numbers, cells=cells, choice=choice), (), (row,)
        )
        ways = ways + more
        if failure:
            failed.append(failure)
    return sorted(ways, key=lambda way: way.rank), failed


def _guarded(
    make: Callable[[], tuple[list[Candidate], Failure | None]],
    arm_rows: tuple[int, ...],
    contrast_rows: tuple[int, ...],
) -> tuple[list[Candidate], Failure | None]:
    """Numbers whose squares overflow are a reason, not a crash."""
    try:
        return make()
    except (OverflowError, ZeroDivisionError):
        return [], Failure(*OUT_OF_RANGE, arm_rows, contrast_rows)
