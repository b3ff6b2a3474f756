"""One arm of a comparison as a route sees it: what is printed on one scale, how many people, and which r."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import OutcomeRule
from .candidates import NAN
from .cells import Cells, Side
from .pairing import Comparison, nan_row
from .ppc import pooled_sd


@dataclass(frozen=True, slots=True)
class Choice:
    """What the protocol says of this outcome: its rule, the value of r in use and, if that is not the rule's, its source."""

    rule: OutcomeRule
    r: float
    source: str = ""

    @property
    def assumed(self) -> str:
        if self.source:
            return self.source
        source = self.rule.r.source
        if source.startswith("assumed"):
            return source
        return f"assumed ({source})" if source else "assumed"


@dataclass(frozen=True, slots=True)
class ArmView:
    """One arm of one comparison on one scale; NaN and "" where nothing is printed."""

    n: float
    pre: float
    pre_sd: float
    pre_kind: str
    post: float
    post_sd: float
    post_kind: str
    spread: str
    change: float
    change_sd: float
    change_spread: str
    r: float
    r_source: str
    refused: bool  # a change SD is printed that no correlation can produce


def arm_sizes(c: Comparison, cells: Cells) -> tuple[float, float]:
    """People of each arm in the effect: those of the later time, or of the earlier one where fewer."""
    sizes = []
    for pre, post in ((c.pre_t, c.post_t), (c.pre_c, c.post_c)):
        before, after = nan_row(cells.n, pre), nan_row(cells.n, post)
        sizes.append(before if before < after else after)
    return sizes[0], sizes[1]


def view(cells: Cells, pre: int, post: int, n: float, *, log: bool, choice: Choice) -> ArmView:
    """Collect what one arm says on one scale and settle its r: reported, else derived, else assumed."""
    side: Side = cells.log if log else cells.raw
    m0, s0 = nan_row(side.mean, pre), nan_row(side.sd, pre)
    m1, s1 = nan_row(side.mean, post), nan_row(side.sd, post)
    same_scale = post >= 0 and cells.change_log[post] == log
    change, change_sd = (cells.change[post], cells.change_sd[post]) if same_scale else (NAN, NAN)
    r, source, refused = nan_row(cells.r, post), "reported", False
    if not abs(r) <= 1:
        r = nan_row(cells.r, pre)
    if not abs(r) <= 1:
        r, source = _derived_r(s0, s1, change_sd), "derived from the SD of change"
        if math.isnan(r) and s0 > 0 and s1 > 0 and change_sd >= 0:
            refused, change_sd = True, NAN  # the three SDs cannot belong together
    if math.isnan(r):
        r, source = choice.r, choice.assumed
    return ArmView(
        n, m0, s0, side.kind[pre] if pre >= 0 else "", m1, s1, side.kind[post] if post >= 0 else "",
        (side.spread[pre] if pre >= 0 else "") or (side.spread[post] if post >= 0 else ""),
        change, change_sd, cells.change_spread[post] if same_scale else "", r, source, refused,
    )  # fmt: skip


def _derived_r(before: float, after: float, change: float) -> float:
    """r = (Sb^2 + Sa^2 - Sd^2)/(2 Sb Sa); NaN if it is not a correlation. Source: Cochrane Handbook 6.5.2.8."""
    if not (before > 0 and after > 0 and change >= 0):
        return NAN
    r = (before**2 + after**2 - change**2) / (2 * before * after)
    return r if abs(r) <= 1 else NAN


def joint_r(t: ArmView, c: ArmView) -> tuple[float, str]:
    """The r of the effect as a whole, weighted as in its variance, and where it comes from."""
    r = t.r if t.r == c.r else (t.r / t.n + c.r / c.n) / (1 / t.n + 1 / c.n)
    source = t.r_source if t.r_source == c.r_source else f"treated: {t.r_source}; control: {c.r_source}"
    return r, source


def standardiser(t: ArmView, c: ArmView) -> tuple[float, str]:
    """The SD before treatment, pooled over the arms as far as they print it; else the one after treatment.

    Returns (NaN, "") if there is none, and a sentence where it is not simply the pooled SD before treatment.
    """
    for which, sd_t, sd_c in (("before", t.pre_sd, c.pre_sd), ("after", t.post_sd, c.post_sd)):
        late = "" if which == "before" else "no SD before treatment is printed: the one after it is used"
        if sd_t >= 0 and sd_c >= 0:
            return float(pooled_sd(sd_t, t.n, sd_c, c.n)), late
        for name, sd in (("treated", sd_t), ("control", sd_c)):
            if sd >= 0:
                alone = f"the SD {which} treatment of the {name} arm stands for both"
                return sd, f"{late}; {alone}" if late else alone
    return NAN, ""
