"""Ways to an effect from the rows of two arms: before and after, change, final values, events."""

from __future__ import annotations

import math

from ..records import Step
from .arm_view import ArmView, Choice, arm_sizes, joint_r, standardiser, view
from .candidates import Candidate, Failure, both_known
from .cells import Cells
from .convert_statistics import LOGISTIC_SD
from .pairing import Comparison, nan_row
from .ppc import change_variance, mean_variance, pooled_sd
from .route_words import about_r, location_kinds, note_scale, spreads, why_not

POOLED_BEFORE = "SD before treatment, pooled over the arms"


def arm_candidates(c: Comparison, cells: Cells, choice: Choice) -> tuple[list[Candidate], Failure | None]:
    """All ways to this effect that the arms table allows, or why there is none.

    On the log scale where the outcome's rule says so and the printed numbers allow it, else on the raw scale.
    Final values are used only where nothing about the baseline is known.
    """
    if c.post_t < 0 or c.post_c < 0:
        return [], None
    events, failure = _events(c, cells)
    n_t, n_c = arm_sizes(c, cells)
    if not events and (failure := failure or sizes_failure(c, n_t, n_c)):
        return [], failure
    if events:
        return events, None
    log_first = choice.rule.scale == "log"
    views = []
    for log in (log_first, not log_first):
        t = view(cells, c.pre_t, c.post_t, n_t, log=log, choice=choice)
        views.append((log, t, view(cells, c.pre_c, c.post_c, n_c, log=log, choice=choice)))
    out = []
    for way in (_before_after, _change):
        made = next((x for log, t, k in views if (x := way(c, t, k, log=log))), None)
        if made is not None:
            out.append(made)
    if not out:
        out = [x for log, t, k in views if (x := _final(c, t, k, log=log))][:1]
    for candidate in out:
        note_scale(candidate, choice)
    return (out, None) if out else ([], why_not(c, views))


def sizes_failure(c: Comparison, n_t: float, n_c: float) -> Failure | None:
    """The reason why these arm sizes allow no effect, or None."""
    unknown = [name for name, n in (("treated", n_t), ("control", n_c)) if math.isnan(n)]
    if unknown:
        where = "both arms" if len(unknown) == 2 else f"the {unknown[0]} arm"
        return Failure(
            "arm-sizes-unknown",
            f"The number of people analysed in {where} at this time is not given: fill in n.",
            c.arm_rows,
        )
    if min(n_t, n_c) < 1 or n_t + n_c < 4:
        return Failure(
            "too-few-people", f"{n_t + n_c:g} people in both arms allow no effect size.", c.arm_rows
        )
    return None


def _arm_part(arm: ArmView, sd: float, *, log: bool, of_change: bool = False) -> float:
    """Variance of one arm's mean change in units of sd^2: from the printed SD of change, else from r.

    A printed r goes before the SD of change unless the effect is made of the change itself (`of_change`).
    """
    if arm.change_sd >= 0 and (of_change or arm.r_source != "reported"):
        return arm.change_sd**2 / (arm.n * sd**2)
    pre, post = arm.pre_kind or "mean", arm.post_kind or "mean"
    return change_variance(pre, post, r=arm.r, n=arm.n, log_variance=sd**2 if log else 0.0)


def _before_after(c: Comparison, t: ArmView, k: ArmView, *, log: bool) -> Candidate | None:
    """Route 1: pretest-posttest-control g (Morris 2008) from means before and after."""
    sd, about_sd = standardiser(t, k)
    if not both_known(t.pre, t.post, k.pre, k.post) or not sd > 0:
        return None
    code, words, made = location_kinds((t, k), log=log, final=False)
    r, source = joint_r(t, k)
    return Candidate(
        rank=10,
        code=f"pre-post-{code}",
        group="before and after",
        route=f"pre and post {words} with {spreads(t, k)}",
        cells="means",
        difference=(t.post - t.pre) - (k.post - k.pre),
        sd=sd,
        n_t=t.n,
        n_c=k.n,
        part_t=_arm_part(t, sd, log=log),
        part_c=_arm_part(k, sd, log=log),
        basis="change",
        r=r,
        r_source=source,
        assumptions=tuple(x for x in (*made, about_sd, *about_r(t, k)) if x),
        scale="log" if log else "raw",
        arm_rows=c.arm_rows,
        arms=(t, k),
        trace=(Step("S", sd, about_sd or POOLED_BEFORE),),
    )


def _change(c: Comparison, t: ArmView, k: ArmView, *, log: bool) -> Candidate | None:
    """Routes 2 and 4: mean changes over the baseline SD, else over the SD of change, rescaled."""
    if not both_known(t.change, k.change):
        return None
    sd, about_sd = standardiser(t, k)
    printed = both_known(t.change_sd, k.change_sd)
    if not sd > 0:
        return _change_score(c, t, k, log=log) if printed else None
    dispersion = (
        " and ".join(dict.fromkeys(x for x in (t.change_spread, k.change_spread) if x)) or "no dispersion"
    )
    assumed = [] if printed else about_r(t, k)
    derived = all(arm.r_source.startswith("derived") for arm in (t, k))
    r, source = joint_r(t, k) if derived or not printed else (math.nan, "not needed")
    return Candidate(
        rank=20 if printed else 25,
        code="change-means-baseline-sd" if printed else "change-means-no-dispersion",
        group="change",
        route=f"change means with {dispersion} over the baseline SD",
        cells="change",
        difference=t.change - k.change,
        sd=sd,
        n_t=t.n,
        n_c=k.n,
        part_t=_arm_part(t, sd, log=log, of_change=printed),
        part_c=_arm_part(k, sd, log=log, of_change=printed),
        basis="change",
        r=r,
        r_source=source,
        assumptions=tuple(x for x in (about_sd, *assumed) if x),
        scale="log" if log else "raw",
        arm_rows=c.arm_rows,
        arms=(t, k),
        trace=(Step("S", sd, about_sd or POOLED_BEFORE),),
    )


def _change_score(c: Comparison, t: ArmView, k: ArmView, *, log: bool) -> Candidate | None:
    """Route 4: d = difference of changes / SD of change, times sqrt(2(1 - r)) to the SD of the values."""
    sd_change = float(pooled_sd(t.change_sd, t.n, k.change_sd, k.n))
    r, source = joint_r(t, k)
    if not sd_change > 0 or not r < 1:
        return None
    factor = math.sqrt(2 * (1 - r))
    rescaled = "the change-score d is rescaled to the SD of the values by sqrt(2(1 - r))"
    dispersion = " and ".join(dict.fromkeys((t.change_spread, k.change_spread)))
    return Candidate(
        rank=40,
        code="change-score-d",
        group="change",
        route=f"change means with {dispersion}, no baseline SD: change-score d",
        cells="change",
        difference=t.change - k.change,
        sd=sd_change / factor,
        n_t=t.n,
        n_c=k.n,
        part_t=2 * (1 - r) / t.n,
        part_c=2 * (1 - r) / k.n,
        basis="change",
        r=r,
        r_source=source,
        assumptions=(rescaled, *about_r(t, k)),
        scale="log" if log else "raw",
        arm_rows=c.arm_rows,
        arms=(t, k),
        trace=(
            Step("SD of change, pooled", sd_change, "pooled over the arms"),
            Step("S", sd_change / factor, "SD of change / \u221a(2(1 \u2212 r))"),
        ),
    )


def _final(c: Comparison, t: ArmView, k: ArmView, *, log: bool) -> Candidate | None:
    """Route 5: difference of final means over their own SD (F3), without the baseline."""
    after_t, after_c = t.post_sd, k.post_sd
    if not both_known(t.post, k.post, after_t, after_c):
        return None
    sd = float(pooled_sd(after_t, t.n, after_c, k.n))
    if not sd > 0:
        return None
    code, words, made = location_kinds((t, k), log=log, final=True)
    log_variance = sd**2 if log else 0.0
    return Candidate(
        rank=50,
        code=f"final-{code}",
        group="final values",
        route=f"final {words} with {spreads(t, k)}",
        cells="means",
        difference=t.post - k.post,
        sd=sd,
        n_t=t.n,
        n_c=k.n,
        part_t=mean_variance(t.post_kind, log_variance) / t.n,
        part_c=mean_variance(k.post_kind, log_variance) / k.n,
        basis="final",
        assumptions=(*made, "no adjustment for baseline"),
        scale="log" if log else "raw",
        arm_rows=(c.post_t, c.post_c),
        arms=(t, k),
        trace=(Step("S", sd, "SD after treatment, pooled over the arms"),),
    )


def _events(c: Comparison, cells: Cells) -> tuple[list[Candidate], Failure | None]:
    """2x2 counts to ln OR to d = ln OR sqrt(3)/pi; 0.5 is added to all cells where one is zero."""
    numbers = [nan_row(column, row) for row in (c.post_t, c.post_c) for column in (cells.events, cells.total)]
    if not both_known(*numbers):
        return [], None
    (yes_t, n_t, yes_c, n_c), rows = numbers, (c.post_t, c.post_c)
    table = [yes_t, n_t - yes_t, yes_c, n_c - yes_c]
    if min(table) < 0:
        return [], Failure("events-above-total", "More events than people: check events and total.", rows)
    if yes_t + yes_c in (0, n_t + n_c):
        return [], Failure(
            "no-contrast-in-events", "The event happened to nobody or to everybody in both arms.", rows
        )
    zero = min(table) == 0
    a, b, x, y = (cell + 0.5 for cell in table) if zero else table
    assumptions = ["ln OR to d by sqrt(3)/pi (logistic; Hasselblad & Hedges 1995)"]
    if zero:
        assumptions.append("0.5 is added to each cell because one is zero")
    candidate = Candidate(
        rank=60,
        code="events",
        group="statistic",
        route=f"events {yes_t:g}/{n_t:g} v {yes_c:g}/{n_c:g}: odds ratio to d",
        cells="events",
        difference=math.log(a * y / (b * x)) / LOGISTIC_SD,
        sd=1.0,
        n_t=n_t,
        n_c=n_c,
        part_t=(1 / a + 1 / b) / LOGISTIC_SD**2,
        part_c=(1 / x + 1 / y) / LOGISTIC_SD**2,
        basis="event",
        assumptions=tuple(assumptions),
        exactness="fixed",
        arm_rows=rows,
        trace=_event_steps((a, b, x, y), zero=zero),
    )
    return [candidate], None


def _event_steps(table: tuple[float, ...], *, zero: bool) -> tuple[Step, ...]:
    names = (
        "treated with event",
        "treated without event",
        "control with event",
        "control without event",
    )
    how = "the count + 0.5, because one cell is zero" if zero else "the count"
    return tuple(Step(name, cell, how) for name, cell in zip(names, table, strict=True))
