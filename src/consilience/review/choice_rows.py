"""Which effects the alternatives of a multiverse leave: (effects, mask of those left so far, alternative) -> mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..records import Effects

Keep = Callable[[Effects, np.ndarray, str | float], np.ndarray]

# word of the protocol -> group of routes
LEFT_OUT = {
    "before and after": "before and after",
    "change": "change",
    "final values": "final values",
    "statistics": "statistic",
}
FENCE = 1.5  # interquartile ranges beyond the quartiles
FEW = 4  # effects below which none is called an outlier
COLUMNS = {"family": "family", "class": "outcome_class", "outcome": "outcome"}


def keep_trials(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    return left if value == "all" else np.asarray(left & (effects["randomised"] == "yes"))


def keep_risk_of_bias(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    """``not high`` keeps trials that nobody judged; ``low or some`` does not."""
    judged = effects["risk_of_bias"]
    if value == "not high":
        return np.asarray(left & (judged != "high"))
    return left if value == "any" else np.asarray(left & np.isin(judged, ("low", "some")))


def keep_routes(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    """A preference of routes leaves all effects; it is at work where they are made."""
    verb, _, group = str(value).partition(" ")
    named = effects["route_group"] == LEFT_OUT.get(group, "")
    if verb == "only":
        return np.asarray(left & named)
    return np.asarray(left & ~named) if verb == "without" else left


def keep_outcomes(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    """One family, class or outcome; or of each trial the effect with the smallest sampling variance (the first of equals)."""
    kind, _, name = str(value).partition(": ")
    if kind in COLUMNS:
        return np.asarray(left & (effects[COLUMNS[kind]] == name))
    return _first_of_each([effects.study], effects.v, left) if value == "one per trial" else left


def keep_times(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    """One kind of time; or of each comparison of arms and outcome the last or the first time."""
    if value in ("post", "follow-up"):
        return np.asarray(left & (effects["time"] == value))
    if value == "all":
        return left
    weeks = np.nan_to_num(effects["weeks"].astype(float), nan=-1.0)
    when = (
        np.where(effects["time"] == "follow-up", 1e6, 0.0) + weeks
    )  # a follow-up is after the end of treatment
    group = [effects.study, effects["treatment"], effects["control"], effects["outcome"]]
    return _first_of_each(group, -when if value == "longest" else when, left)


def keep_typical(effects: Effects, left: np.ndarray, value: str | float) -> np.ndarray:
    """Without effects more than 1.5 interquartile ranges beyond the quartiles of those left (Tukey 1977)."""
    if value == "keep" or left.sum() < FEW:
        return left
    first, third = np.quantile(effects.y[left], (0.25, 0.75))
    reach = FENCE * (third - first)
    return np.asarray(left & (effects.y >= first - reach) & (effects.y <= third + reach))


def _first_of_each(group: list[np.ndarray], order: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Of the rows left in each group the one that is first in `order`, the earliest of equals."""
    rows = np.flatnonzero(left)
    seen: set[tuple[str, ...]] = set()
    result = np.zeros_like(left)
    for row in rows[np.argsort(order[rows], kind="stable")].tolist():
        key = tuple(str(column[row]) for column in group)
        if key not in seen:
            seen.add(key)
            result[row] = True
    return result
