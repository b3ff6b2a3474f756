"""Which effects enter the primary analysis, and why another does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..base.format import plural
from ..records import Effects, Plan

Rule = tuple[str, Callable[[Effects], np.ndarray]]


def rules(plan: Plan) -> tuple[Rule, ...]:
    """(reason, function that marks the rows to leave out), in the order in which a reason is given."""
    found: list[Rule] = [
        ("no direction of benefit is declared", lambda e: e["better"] == "none"),
        ("no finite effect and variance", lambda e: ~(np.isfinite(e.y) & np.isfinite(e.v) & (e.v > 0))),
    ]
    if plan.only_randomised:
        found.append(("the trial is not described as randomised", lambda e: e["randomised"] != "yes"))
    if plan.times != "all":
        found.append((f"the protocol pools {plan.times} results only", lambda e: e["time"] != plan.times))
    return tuple(found)


def mark(effects: Effects, plan: Plan) -> Effects:
    """The effects with columns ``pooled`` (1.0 or 0.0) and ``why_not`` ("" or the reason)."""
    why = np.full(effects.k, "", dtype=object)
    for reason, leaves_out in rules(plan):
        why[(why == "") & leaves_out(effects)] = reason
    columns = {**effects.columns, "pooled": (why == "").astype(float), "why_not": why}
    return replace(effects, columns=columns)


def why_none(effects: Effects) -> str:
    """Why no effect of a marked table is in the primary analysis."""
    if not effects.k:
        return "No effect could be computed."
    reasons = Counter(effects["why_not"].tolist())
    listed = "; ".join(f"{reason} ({n:,})" for reason, n in reasons.most_common())
    return (
        f"{plural(effects.k, 'effect')} could be computed, but none may enter the primary analysis: {listed}."
    )


def pooled_rows(effects: Effects) -> Effects:
    """The rows marked for the primary analysis."""
    return effects.take(effects["pooled"] == 1.0)
