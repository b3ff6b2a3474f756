"""Log ratio of ratios from changes of logarithms: the difference of the mean changes is the ratio of ratios itself."""

from __future__ import annotations

import math

from ..records import Step
from .arm_view import ArmView, joint_r
from .candidates import NAN, Candidate, both_known
from .contrast_numbers import SPREADS, ContrastNumbers
from .pairing import Comparison
from .route_words import about_r

EQUAL_SD = "the SD of the logarithm after treatment is taken from before it (or the reverse)"


def log_changes(c: Comparison, t: ArmView, k: ArmView) -> Candidate | None:
    """Mean changes of logarithms: their difference is the log ratio of ratios, with no approximation."""
    if not both_known(t.change, k.change):
        return None
    parts = [_change_part(arm) for arm in (t, k)]
    if not min(parts) > 0:
        return None
    assumed = [arm for arm in (t, k) if math.isnan(arm.change_sd)]
    r, source = joint_r(t, k) if assumed else (NAN, "not needed")
    copied = any(math.isnan(sd) for arm in assumed for sd in (arm.pre_sd, arm.post_sd))
    return Candidate(
        rank=15,
        code="ratio-log-change",
        group="change",
        route="ratio of ratios from mean changes of logarithms",
        cells="change",
        difference=t.change - k.change,
        sd=1.0,
        n_t=t.n,
        n_c=k.n,
        part_t=parts[0],
        part_c=parts[1],
        basis="change",
        r=r,
        r_source=source,
        assumptions=(*((EQUAL_SD,) if copied else ()), *(about_r(t, k) if assumed else ())),
        exactness="fixed",
        arm_rows=c.arm_rows,
        arms=(t, k),
    )


def _change_part(arm: ArmView) -> float:
    """Variance of one arm's mean change of logarithms: from its printed SD, else from the SDs before and after and r."""
    if arm.change_sd >= 0:
        return arm.change_sd**2 / arm.n
    s0 = arm.post_sd if math.isnan(arm.pre_sd) else arm.pre_sd
    s1 = arm.pre_sd if math.isnan(arm.post_sd) else arm.post_sd
    return (s0**2 + s1**2 - 2 * arm.r * s0 * s1) / arm.n


def log_difference(row: int, x: ContrastNumbers) -> Candidate | None:
    """A printed difference between arms of mean changes of logarithms, with its SE."""
    n_t, n_c, se = x.n_t[row], x.n_c[row], x.difference_se[row]
    changes = x.log[row] and x.compares[row] in ("change", "interaction")
    if not (changes and both_known(n_t, n_c, x.difference[row]) and min(n_t, n_c) >= 1 and se > 0):
        return None
    share = se**2 / (1 / n_t + 1 / n_c)
    return Candidate(
        rank=30,
        code="ratio-log-difference",
        group="change",
        route=f"ratio of ratios from the difference of changes of logarithms with {x.spread[row]}",
        cells="difference",
        difference=x.difference[row],
        sd=1.0,
        n_t=n_t,
        n_c=n_c,
        part_t=share / n_t,
        part_c=share / n_c,
        basis="change",
        exactness="fixed",
        contrast_row=row,
        trace=(
            Step("difference printed", x.difference[row], "difference of changes of logarithms"),
            Step("its standard error", se, SPREADS[x.spread[row]]),
        ),
    )
