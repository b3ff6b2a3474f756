"""Checks of magnitude: the same marker in other trials says what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, isnan, log, sqrt

import numpy as np

from ..records import Columns
from .checks_rows import rows_text
from .findings import Finding, at, finding, joined
from .rules import Rules, Tables, group_rows
from .schema import ARMS

_LN10 = log(10)
# What a copied row repeats; counts of people and times recur by themselves
_RESULTS = tuple(
    f.name
    for f in ARMS.fields
    if f.kind == "number" and f.name not in {"weeks", "n", "events", "total", "r", "confidence"}
)


def check_identical_rows(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Three or more rows with the same numbers (at least two each): often a copied block."""
    arms = tables.arms
    numbers = np.column_stack([arms[name] for name in _RESULTS])
    known = ~np.isnan(numbers)
    comparable = np.where(known, numbers, -1e300)  # NaN is unequal to itself
    groups: dict[bytes, list[int]] = {}
    for i in np.flatnonzero(known.sum(axis=1) >= 2):
        groups.setdefault(comparable[i].tobytes(), []).append(int(i))
    for rows in groups.values():
        if len(rows) >= 3:
            names = joined([name for name, x in zip(_RESULTS, numbers[rows[0]], strict=True) if not isnan(x)])
            message = f"{rows_text(arms, rows)} have the same {names}."
            yield Finding(finding("identical-rows", message, at(arms, rows[0])), "arms")


def check_sd_like_se(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """SDs that are far too small for the marker while SD times sqrt(n) is about right.

    The usual SD comes from the outcome's declared log SD, else from at least two other trials with the same
    unit and scale. An SD is suspected where SD sqrt(n) is closer to it (as a ratio) than the SD, and the SD
    is less than a third of it.
    """
    arms = tables.arms
    levels = _levels(arms)
    for (outcome, scale, _), rows in group_rows(arms, ("outcome", "scale", "unit")).items():
        by_study = _by_study(arms, rows)
        typical = {study: _median(arms["sd"][own]) for study, own in by_study.items()}
        for study, own in by_study.items():
            others = [sd for name, sd in typical.items() if name != study and sd > 0]
            usual = float(np.median(others)) if len(others) >= 2 else float("nan")
            rule = rules.outcomes.get(str(outcome))
            log_sd = rule.log_sd if rule else float("nan")
            suspects = []
            for i in own:
                expected = usual if isnan(log_sd) else _sd_from_log(log_sd, float(levels[i]), str(scale))
                if _looks_like_se(float(arms["sd"][i]), float(arms["n"][i]), expected):
                    suspects.append((i, expected))
            if suspects:
                i, expected = suspects[0]
                sd, n = arms["sd"][i], arms["n"][i]
                message = (
                    f"{rows_text(arms, [i for i, _ in suspects])}: an SD of {sd:.4g} is small for {outcome} (usually about "
                    f"{expected:.3g}), while {sd:.4g} times the square root of {n:g} is {sd * sqrt(n):.3g}."
                )
                yield Finding(finding("sd-looks-like-se", message, at(arms, i, "sd")), "arms")


def _looks_like_se(sd: float, n: float, usual: float) -> bool:
    if not (sd > 0 and n > 1 and usual > 0):
        return False
    return sd < usual / 3 and abs(log(sd * sqrt(n) / usual)) < abs(log(sd / usual))


def _sd_from_log(log_sd: float, level: float, scale: str) -> float:
    """The SD that a log-normal marker with this log SD has at this mean; on a log scale the log SD itself."""
    if scale == "ln":
        return log_sd
    if scale == "log10":
        return log_sd / _LN10
    return level * sqrt(exp(log_sd**2) - 1)


def check_units(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Levels and SDs of one trial that differ from all other trials of the outcome by a telling factor.

    1000 (pg/mL against ng/mL), 10 (mg/L against mg/dL) and, for logarithms, 2.303 (ln against log10). Only rows
    with the same printed unit and scale are compared, by the median over trials.
    """
    arms = tables.arms
    levels = _levels(arms)
    for (outcome, scale, unit), rows in group_rows(arms, ("outcome", "scale", "unit")).items():
        by_study = _by_study(arms, rows)
        level = {study: _median(levels[own]) for study, own in by_study.items()}
        spread = {study: _median(arms["sd"][own]) for study, own in by_study.items()}
        for study, own in by_study.items():
            others = [name for name in by_study if name != study and level[name] > 0 and spread[name] > 0]
            alike = [level[name] for name in others]
            if not others:
                continue
            usual = float(np.median(alike))
            ratio = level[study] / usual
            sds = spread[study] / float(np.median([spread[name] for name in others]))
            reason = _telling(ratio, sds, alike, logs=scale in ("ln", "log10"))
            if reason:
                printed = f"the same unit ({unit})" if unit else "no unit"
                message = (
                    f"{outcome} is about {level[study]:.3g} in this trial and {usual:.3g} in {_trials(len(others))} "
                    f"with {printed}: a factor of {_factor(ratio)}, {reason}."
                )
                yield Finding(finding("unit-suspect", message, at(arms, own[0], "unit")), "arms")


def _telling(level: float, spread: float, others: list[float], *, logs: bool) -> str:
    """Why a ratio of levels and of SDs suggests another unit, "" if it does not.

    others : levels of the other trials; where they do not agree among themselves they show nothing usual.
    """
    if not (level > 0 and spread > 0) or (level > 1) != (spread > 1):
        return ""
    ratios = max(level, 1 / level), max(spread, 1 / spread)
    agreement = max(others) / min(others)
    several = len(others) >= 2 and agreement < 3
    if logs:
        alike = all(abs(x / _LN10 - 1) < 0.1 for x in ratios)
        return "as between natural and decimal logarithms (2.303)" if alike and several else ""
    if all(500 < x < 2000 for x in ratios) and agreement < 30:
        return "as between pg/mL and ng/mL (1000)"
    if all(8 < x < 12.5 for x in ratios) and several:
        return "as between mg/L and mg/dL (10)"
    return ""


def _factor(ratio: float) -> str:
    factor = max(ratio, 1 / ratio)
    return f"{factor:.3g}" if factor < 100 else f"{factor:.0f}"


def _trials(n: int) -> str:
    return "the other trial" if n == 1 else f"the {n} other trials"


def _levels(arms: Columns) -> np.ndarray:
    """(n,) mean, else geometric mean, else median."""
    level = arms["mean"]
    for name in ("geometric_mean", "median"):
        level = np.where(np.isnan(level), arms[name], level)
    return level


def _by_study(arms: Columns, rows: list[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i in rows:
        found.setdefault(str(arms["study"][i]), []).append(i)
    return found


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
