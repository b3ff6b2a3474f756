"""Log ratio of ratios: by how many percent the treated arm changed more than the control arm."""

from __future__ import annotations

import math
from dataclasses import replace

from ..records import Effects, OutcomeRule, Plan, Reported
from .arm_view import ArmView, Choice, arm_sizes, joint_r, view
from .assemble import Workings, assemble, candidates_in_use, choose_ways, list_dropped
from .candidates import NAN, OUT_OF_RANGE, Candidate, Failure, both_known, standardise
from .cells import Cells
from .contrast_numbers import ContrastNumbers
from .dependence import with_covariance
from .imputation import imputation_notes, mark_r
from .pairing import Comparison
from .ppc import mean_covariance, mean_variance
from .ratio_changes import log_changes, log_difference
from .route_words import MADE, about_r
from .routes_arms import sizes_failure
from .trials import RChoice, choice_for, printed_numbers, undeclared

EQUAL_CV = "the coefficient of variation after treatment is taken from before it (or the reverse)"


def trial_ratios(
    reported: Reported, plan: Plan, *, r: RChoice = "assumed", rho: float | None = None
) -> Effects:
    """Log ratio of ratios D = ln(MT,post/MT,pre) - ln(MC,post/MC,pre), in the marker's own direction.

    Only where means on a ratio scale, geometric means, medians or logarithms are given before and after in both arms,
    or mean changes of logarithms, of which D is the difference exactly.
    v = sum over arms of s1^2/(n m1^2) + s0^2/(n m0^2) - 2 r s1 s0/(n m1 m0); with logarithms
    (L1 + L0 - 2 r sqrt(L1 L0))/n, L their variances, or the squared SE of a printed change. Percent change = 100 (exp(D) - 1). The r assumed for an outcome
    of scale "log" is one of logarithms and is converted to one of values where the means are arithmetic.

    Parameters
    ----------
    reported, plan, r, rho : as in `trial_effects`.

    Returns
    -------
    Effects with measure ``"lnrr"``, natural logs, negative = the treated arm fell more; covariance filled.

    Source: Hedges, Gurevitch & Curtis (1999), eq. 1 for one ratio; the pre-post covariance by the delta method
    (Lajeunesse 2011).
    """
    return ratio_workings(reported, plan, r=r, rho=rho).effects


def ratio_workings(
    reported: Reported, plan: Plan, *, r: RChoice = "assumed", rho: float | None = None
) -> Workings:
    """`trial_ratios` together with the numbers that each went through."""
    cells, pairing, numbers, filled, more = printed_numbers(reported, plan)
    candidates: list[Candidate] = []
    groups: list[tuple[Comparison, OutcomeRule, range]] = []
    failures = list(pairing.failures)
    for comparison in pairing.comparisons:
        rule = plan.outcomes.get(comparison.outcome)
        way: Candidate | Failure = undeclared(comparison)
        if rule is not None:
            choice = choice_for(comparison, rule, r, filled)
            way = _guarded_ratio(comparison, cells, numbers, choice)
            if filled is not None and isinstance(way, Failure):
                other = _guarded_ratio(comparison, filled.cells, more or numbers, choice)
                way = filled.marked(other, comparison) if isinstance(other, Candidate) else way
        if isinstance(way, Candidate) and rule is not None:
            groups.append((comparison, rule, range(len(candidates), len(candidates) + 1)))
            candidates.extend(mark_r([way]))
        elif isinstance(way, Failure):
            contrasts = tuple(comparison.contrasts)
            failure = replace(way, arm_rows=comparison.arm_rows, contrast_rows=contrasts)
            failures.append((comparison.study, comparison.outcome, failure))
    sizes = standardise(candidates, plan.variance)
    made, out_of_range = choose_ways(groups, candidates, sizes)
    effects = assemble(reported, (candidates, sizes), made, cells, measure="lnrr")
    dropped = list_dropped(reported, failures + out_of_range, candidates_in_use(candidates, sizes))
    used = [(m.comparison, candidates[m.best]) for m in made]
    notes = tuple(imputation_notes(used, reported.arms, reported.contrasts))
    effects = replace(effects, dropped=tuple(dropped), notes=notes)
    effects = with_covariance(effects, plan.rho if rho is None else rho, plan.dependence)
    return Workings(effects, made, groups, candidates, sizes, cells)


def _guarded_ratio(
    c: Comparison, cells: Cells, numbers: ContrastNumbers, choice: Choice
) -> Candidate | Failure:
    try:
        way = _ratio(c, cells, choice)
        if isinstance(way, Failure):
            return next((x for row in c.contrasts if (x := log_difference(row, numbers))), way)
        return way
    except (OverflowError, ZeroDivisionError):
        return Failure(*OUT_OF_RANGE)


def _ratio(c: Comparison, cells: Cells, choice: Choice) -> Candidate | Failure:
    """The ratio from arithmetic means if all four are positive raw means, else from logarithms, else from their changes."""
    if c.post_t < 0 or c.post_c < 0:
        return Failure(
            "no-ratio", "Known only as a comparison of the arms: it says nothing about percent change."
        )
    n_t, n_c = arm_sizes(c, cells)
    failure = sizes_failure(c, n_t, n_c)
    if failure is not None:
        return failure
    negative = False
    for log in (False, True):
        t = view(cells, c.pre_t, c.post_t, n_t, log=log, choice=choice)
        k = view(cells, c.pre_c, c.post_c, n_c, log=log, choice=choice)
        means = (t.pre, t.post, k.pre, k.post)
        if not both_known(*means):
            if log and (way := log_changes(c, t, k)):
                return way
            continue
        if not log and (min(means) <= 0 or {t.pre_kind, t.post_kind, k.pre_kind, k.post_kind} != {"mean"}):
            negative = negative or min(means) <= 0
            continue
        skewed = choice.rule.scale == "log"
        part_t, part_c = (_part(arm, log=log, skewed=skewed) for arm in (t, k))
        if part_t > 0 and part_c > 0:
            return _candidate(c, t, k, (part_t, part_c), log=log)
    return _why_no_ratio(c, negative=negative)


def _why_no_ratio(c: Comparison, *, negative: bool) -> Failure:
    if negative:
        return Failure("means-not-positive", "A percent change needs positive means on a ratio scale.")
    if min(c.pre_t, c.pre_c) < 0:
        return Failure(
            "no-ratio",
            "A percent change needs values before and after treatment in both arms, or changes of logarithms.",
        )
    return Failure(
        "no-ratio", "A percent change needs means with SDs, geometric means or logarithms before and after."
    )


def _spread_pair(arm: ArmView, *, log: bool) -> tuple[float, float]:
    """Relative SDs before and after (SDs of the logarithm, or coefficients of variation); a missing one copies the other."""
    before = arm.pre_sd if log else arm.pre_sd / arm.pre
    after = arm.post_sd if log else arm.post_sd / arm.post
    return (after if math.isnan(before) else before), (before if math.isnan(after) else after)


def _raw_correlation(arm: ArmView, cv0: float, cv1: float, *, skewed: bool) -> float:
    """r of the values. The r assumed for an outcome analysed on the log scale is one of logarithms, and lognormal
    values correlate less: (exp(r sqrt(L0 L1)) - 1)/(CV0 CV1) with L = ln(1 + CV^2).
    """
    if not (skewed and arm.r_source.startswith("assumed") and cv0 * cv1 > 0):
        return arm.r
    return math.expm1(arm.r * math.sqrt(math.log1p(cv0**2) * math.log1p(cv1**2))) / (cv0 * cv1)


def _part(arm: ArmView, *, log: bool, skewed: bool) -> float:
    """One arm's share of v; NaN where no SD is known."""
    s0, s1 = _spread_pair(arm, log=log)
    if math.isnan(s0):
        return NAN
    if not log:
        return (s1**2 + s0**2 - 2 * _raw_correlation(arm, s0, s1, skewed=skewed) * s1 * s0) / arm.n
    level = s0 * s1
    covariance = mean_covariance(arm.pre_kind, arm.post_kind, arm.r, level) * level
    own = s0**2 * mean_variance(arm.pre_kind, s0**2) + s1**2 * mean_variance(arm.post_kind, s1**2)
    return (own - 2 * covariance) / arm.n


def _candidate(c: Comparison, t: ArmView, k: ArmView, parts: tuple[float, float], *, log: bool) -> Candidate:
    r, source = joint_r(t, k)
    copied = any(math.isnan(sd) for arm in (t, k) for sd in (arm.pre_sd, arm.post_sd))
    kinds = {kind for arm in (t, k) for kind in (arm.pre_kind, arm.post_kind)}
    made = [MADE[kind] for kind in sorted(kinds) if kind in MADE]
    changes = [arm.post - arm.pre if log else math.log(arm.post / arm.pre) for arm in (t, k)]
    return Candidate(
        rank=10 if log else 20,
        code="ratio-geometric" if log else "ratio-arithmetic",
        group="before and after",
        route="ratio of ratios of geometric means" if log else "ratio of ratios of means",
        cells="means",
        difference=changes[0] - changes[1],
        sd=1.0,
        n_t=t.n,
        n_c=k.n,
        part_t=parts[0],
        part_c=parts[1],
        basis="change",
        r=r,
        r_source=source,
        assumptions=(*made, *((EQUAL_CV,) if copied else ()), *about_r(t, k)),
        exactness="fixed",
        arm_rows=c.arm_rows,
        arms=(t, k),
    )
