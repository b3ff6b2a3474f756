"""Checks across the rows of a table: keys, arms, times, numbers that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

import numpy as np

from ..records import Columns
from .findings import Finding, at, finding, joined, shown
from .rules import Rules, Tables, group_rows
from .schema import TABLES


def check_duplicates(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Rows that report the same thing twice: the first is used."""
    for name, schema in TABLES.items():
        columns = tables.table(name)
        key = tuple(
            dict.fromkeys((*schema.key[:-1], *(("time",) if "time" in schema.names else ()), schema.key[-1]))
        )
        for values, rows in group_rows(columns, key).items():
            needed = [value for part, value in zip(key, values, strict=True) if part != "weeks"]
            if len(rows) < 2 or "" in needed:
                continue
            shown_key = ", ".join("no weeks" if v is None else shown(v) for v in values)
            message = (
                f"{rows_text(columns, rows)} have the same {joined(list(key))} ({shown_key}); "
                f"only row {columns.lines[rows[0]]} is used."
            )
            yield Finding(finding("duplicate-row", message, at(columns, rows[1])), name, drop=tuple(rows[1:]))


def check_change_sd(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """SD of change outside |Sb - Sf| to Sb + Sf: it would need a correlation beyond -1 or 1.

    Only where the same people stand behind all three (equal n, or n of the baseline not given).
    """
    arms = tables.arms
    sd, change_sd, n = arms["sd"], arms["change_sd"], arms["n"]
    for rows in group_rows(arms, ("study", "arm", "outcome", "scale")).values():
        pre = [i for i in rows if arms["time"][i] == "pre" and not isnan(sd[i])]
        if len(pre) != 1:
            continue
        before = pre[0]
        for row in rows:
            if row == before or not (isnan(n[before]) or n[before] == n[row]):
                continue
            low, high = abs(sd[before] - sd[row]), sd[before] + sd[row]
            slack = sum(_half_unit(x) for x in (sd[before], sd[row], change_sd[row]))
            if change_sd[row] > high + slack or change_sd[row] < low - slack:
                message = (
                    f"change_sd is {shown(change_sd[row])}, but with SDs {shown(sd[before])} before and {shown(sd[row])} "
                    f"after it must lie between {shown(low)} and {shown(high)}; the value is not used."
                )
                note = finding("change-sd-impossible", message, at(arms, row, "change_sd"))
                yield Finding(note, "arms", cells=((row, "change_sd"),))


def _half_unit(value: float) -> float:
    """Half a unit of the last printed decimal: what rounding may have hidden."""
    decimals = len(shown(value).partition(".")[2]) if not isnan(value) else 0
    return 0.5 * 10.0**-decimals


def check_analysed(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """More people analysed, summed over the arms of a trial, than were randomised."""
    largest: dict[str, dict[str, float]] = {}
    for study, arm, n in _arm_sizes(tables):
        sizes = largest.setdefault(study, {})
        sizes[arm] = max(n, sizes.get(arm, 0.0))
    trials = tables.trials
    for row, (study, randomised) in enumerate(zip(trials["study"], trials["n_randomised"], strict=True)):
        sizes = largest.get(study, {})
        total = sum(sizes.values())
        if total > randomised:
            arms = joined([f"{arm} {shown(n)}" for arm, n in sizes.items()])
            message = (
                f"n_randomised is {shown(randomised)}, but {shown(total)} people were analysed ({arms}); "
                "n_randomised is not used."
            )
            note = finding("more-analysed-than-randomised", message, at(trials, row, "n_randomised"))
            yield Finding(note, "trials", cells=((row, "n_randomised"),))


def _arm_sizes(tables: Tables) -> Iterator[tuple[str, str, float]]:
    arms, contrasts = tables.arms, tables.contrasts
    for columns, arm, n in (
        (arms, "arm", "n"),
        (arms, "arm", "total"),
        (contrasts, "arm", "n_treatment"),
        (contrasts, "control_arm", "n_control"),
    ):
        for study, name, size in zip(columns["study"], columns[arm], columns[n], strict=True):
            if not isnan(size):
                yield study, name, float(size)


def check_roles(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """One arm with two roles, a contrast the wrong way round, a trial with one role only."""
    arms = tables.arms
    roles: dict[tuple[str, str], str] = {}
    for (study, arm), rows in group_rows(arms, ("study", "arm")).items():
        found = [arms["role"][i] for i in rows]
        roles[str(study), str(arm)] = found[0]
        if len(set(found) - {""}) > 1:
            other = next(i for i in rows if arms["role"][i] not in ("", found[0]))
            message = (
                f'The arm "{arm}" is {arms["role"][other]} here, but {found[0]} in row {arms.lines[rows[0]]}; '
                "none of its rows is used."
            )
            yield Finding(
                finding("role-inconsistent", message, at(arms, other, "role")), "arms", drop=tuple(rows)
            )
    yield from _reversed_contrasts(tables.contrasts, roles, arms.file)
    with_contrasts = set(tables.contrasts["study"])
    for (study,), rows in group_rows(arms, ("study",)).items():
        found = [role for role in dict.fromkeys(arms["role"][i] for i in rows) if role]
        if len(found) == 1 and study not in with_contrasts:
            message = f'All arms of "{study}" are {found[0]}; without the other arm they yield no effect.'
            yield Finding(finding("role-missing", message, at(arms, rows[0], "role")), "arms")


def _reversed_contrasts(
    contrasts: Columns, roles: dict[tuple[str, str], str], file: str
) -> Iterator[Finding]:
    for row, (study, arm, control) in enumerate(
        zip(contrasts["study"], contrasts["arm"], contrasts["control_arm"], strict=True)
    ):
        if roles.get((study, arm)) == "control" and roles.get((study, control)) == "treatment":
            message = f'"{arm}" is control and "{control}" is treatment in {file}, here it is the reverse; the row is not used.'
            yield Finding(
                finding(
                    "role-inconsistent", message, at(contrasts, row, "arm"), advice="Swap the two names."
                ),
                "contrasts",
                drop=(row,),
            )


def check_times(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Weeks that do not fit pre, post or follow-up, or the length of treatment."""
    lengths = dict(zip(tables.trials["study"], tables.trials["treatment_weeks"], strict=True))
    for name in ("arms", "contrasts"):
        columns = tables.table(name)
        ends = _last_post(columns)
        for (study, time, weeks), rows in group_rows(columns, ("study", "time", "weeks")).items():
            if weeks is None:
                continue
            length, post = lengths.get(str(study), float("nan")), ends.get(str(study), float("nan"))
            problem = _time_problem(str(time), float(str(weeks)), float(length), post)
            if problem:
                message = (
                    f"{rows_text(columns, rows)}: time is {time}, but weeks is {shown(weeks)}; {problem}."
                )
                yield Finding(finding("time-inconsistent", message, at(columns, rows[0], "weeks")), name)


def _last_post(columns: Columns) -> dict[str, float]:
    """Study -> latest week called post."""
    ends: dict[str, float] = {}
    for study, time, weeks in zip(columns["study"], columns["time"], columns["weeks"], strict=True):
        if time == "post" and not isnan(weeks):
            ends[study] = max(float(weeks), ends.get(study, 0.0))
    return ends


def _time_problem(time: str, weeks: float, length: float, post: float) -> str:
    if time == "pre":
        return "" if weeks == 0 else "baseline is week 0"
    if weeks == 0:
        return "week 0 is the baseline"
    if time == "post" and weeks < 0.75 * length:
        return f"treatment lasts {shown(length)} weeks"
    if time == "post" and weeks > length + max(4.0, 0.5 * length):
        return f"treatment ends after {shown(length)} weeks, which makes it a follow-up"
    if time == "follow-up" and weeks <= length:
        return f"treatment lasts {shown(length)} weeks, which makes it no follow-up"
    if time == "follow-up" and weeks <= post:
        return f"another row of the trial calls week {shown(post)} post"
    return ""


def check_baseline_alone(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """A baseline without a later row of the same arm and outcome, unless a contrast can use its SD."""
    arms = tables.arms
    contrasts = set(zip(tables.contrasts["study"], tables.contrasts["outcome"], strict=True))
    for (study, arm, outcome), rows in group_rows(arms, ("study", "arm", "outcome")).items():
        if all(arms["time"][i] == "pre" for i in rows) and (study, outcome) not in contrasts:
            message = f'The baseline of "{outcome}" in the arm "{arm}" has no later row.'
            yield Finding(finding("baseline-alone", message, at(arms, rows[0], "time")), "arms")


def check_sd_ratio(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """SDs of the arms of one trial, outcome and time that differ more than tenfold."""
    arms = tables.arms
    spread = np.where(np.isnan(arms["sd"]), arms["se"] * np.sqrt(arms["n"]), arms["sd"])
    for rows in group_rows(arms, ("study", "outcome", "time", "weeks", "scale")).values():
        known = [i for i in rows if spread[i] > 0]
        if len(known) < 2:
            continue
        small, large = min(known, key=lambda i: spread[i]), max(known, key=lambda i: spread[i])
        if spread[large] > 10 * spread[small]:
            message = (
                f"The SD is {spread[large]:.4g} in row {arms.lines[large]} and {spread[small]:.4g} in row "
                f"{arms.lines[small]}: {spread[large] / spread[small]:.3g} times as large in one arm as in the other."
            )
            yield Finding(finding("sd-ratio", message, at(arms, large, "sd")), "arms")


def rows_text(columns: Columns, rows: list[int]) -> str:
    """``Row 5``, ``Rows 5, 9 and 12`` as a person sees them."""
    lines = [str(columns.lines[i]) for i in rows]
    return f"Row {lines[0]}" if len(lines) == 1 else f"Rows {joined(lines)}"
