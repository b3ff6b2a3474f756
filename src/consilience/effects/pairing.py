"""Which rows belong together: treated arm x control arm x outcome x time, with the baselines and the contrasts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records import Columns, Reported
from .candidates import NAN, Failure


@dataclass(slots=True)
class Comparison:
    """One effect to be made. Row numbers are positions in the tables, -1 = there is none."""

    study: str
    outcome: str
    treatment: str
    control: str
    time: str
    weeks: float
    pre_t: int = -1
    post_t: int = -1
    pre_c: int = -1
    post_c: int = -1
    contrasts: list[int] = field(default_factory=list)

    @property
    def arm_rows(self) -> tuple[int, ...]:
        return tuple(sorted(row for row in (self.pre_t, self.post_t, self.pre_c, self.post_c) if row >= 0))


@dataclass(slots=True)
class _Arm:
    role: str
    pre: int = -1
    later: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Pairing:
    """All comparisons in the order of the trials, the rows without a partner, each with the reason."""

    comparisons: list[Comparison]
    failures: list[tuple[str, str, Failure]]


def same_time(time_1: str, weeks_1: float, time_2: str, weeks_2: float) -> bool:
    """Equal weeks where both are known, else equal labels."""
    if math.isnan(weeks_1) or math.isnan(weeks_2):
        return time_1 == time_2
    return abs(weeks_1 - weeks_2) < 1e-9


def pair_rows(reported: Reported) -> Pairing:
    """Pair every later row of a treated arm with the same time of every control arm, and attach the contrasts."""
    arms, contrasts = reported.arms, reported.contrasts
    pairing = Pairing([], [])
    groups = _group(arms, pairing)
    times = (arms.text("time").tolist(), arms.number("weeks").tolist())
    found: dict[tuple[str, str], list[Comparison]] = {}
    for (study, outcome), members in groups.items():
        found[study, outcome] = list(_pairs(study, outcome, members, times))
        _unpaired(study, outcome, members, found[study, outcome], pairing)
    _attach(contrasts, groups, found, times)
    order = {study: i for i, study in enumerate(reported.studies)}
    flat = [comparison for group in found.values() for comparison in group]
    pairing.comparisons.extend(sorted(flat, key=lambda c: order.get(c.study, len(order))))
    return pairing


def _group(arms: Columns, pairing: Pairing) -> dict[tuple[str, str], dict[str, _Arm]]:
    """(study, outcome) -> arm -> its rows; a second row of one arm and time is refused."""
    groups: dict[tuple[str, str], dict[str, _Arm]] = {}
    seen: dict[tuple[str, str, str, str, float], int] = {}
    columns = [arms.text(name).tolist() for name in ("study", "outcome", "arm", "role", "time")]
    weeks = arms.number("weeks").tolist()
    for row, (study, outcome, arm, role, time) in enumerate(zip(*columns, strict=True)):
        when = 0.0 if time == "pre" else (-1.0 if math.isnan(weeks[row]) else weeks[row])
        key = (study, outcome, arm, time, when)
        if key in seen:
            first = int(arms.lines[seen[key]])
            reason = f"Row {first} already gives this arm, outcome and time; exclude one of the two rows."
            pairing.failures.append((study, outcome, Failure("duplicate-row", reason, (row,))))
            continue
        seen[key] = row
        entry = groups.setdefault((study, outcome), {}).setdefault(arm, _Arm(role))
        if time == "pre":
            entry.pre = row
        else:
            entry.later.append(row)
    return groups


def _pairs(
    study: str, outcome: str, members: dict[str, _Arm], times: tuple[list[str], list[float]]
) -> Iterator[Comparison]:
    time, weeks = times
    controls = [(name, arm) for name, arm in members.items() if arm.role == "control"]
    for name, arm in members.items():
        if arm.role != "treatment":
            continue
        for row in arm.later:
            for control_name, control in controls:
                for other in control.later:
                    if same_time(time[row], weeks[row], time[other], weeks[other]):
                        when = weeks[other] if math.isnan(weeks[row]) else weeks[row]
                        yield Comparison(
                            study,
                            outcome,
                            name,
                            control_name,
                            time[row],
                            when,
                            arm.pre,
                            row,
                            control.pre,
                            other,
                        )


def _unpaired(
    study: str, outcome: str, members: dict[str, _Arm], found: list[Comparison], pairing: Pairing
) -> None:
    """List the later rows that met no partner."""
    used = {row for comparison in found for row in (comparison.post_t, comparison.post_c)}
    for arm in members.values():
        other = "control" if arm.role == "treatment" else "treated"
        lone = [row for row in arm.later if row not in used]
        reason = f"No {other} arm of this trial has this outcome at this time; add its row or its contrast."
        for row in lone:
            baseline = () if arm.pre < 0 or len(lone) < len(arm.later) else (arm.pre,)
            pairing.failures.append((study, outcome, Failure("no-partner", reason, (*baseline, row))))


def _attach(
    contrasts: Columns,
    groups: dict[tuple[str, str], dict[str, _Arm]],
    found: dict[tuple[str, str], list[Comparison]],
    times: tuple[list[str], list[float]],
) -> None:
    """Give every contrast to its comparison, or open one for it with the arms' baselines and sizes."""
    columns = [contrasts.text(name).tolist() for name in ("study", "outcome", "arm", "control_arm", "time")]
    weeks = contrasts.number("weeks").tolist()
    for row, (study, outcome, arm, control, time) in enumerate(zip(*columns, strict=True)):
        group = found.setdefault((study, outcome), [])
        pair = [c for c in group if (c.treatment, c.control) == (arm, control)]
        home = next((c for c in pair if same_time(c.time, c.weeks, time, weeks[row])), None)
        if home is None:
            members = groups.get((study, outcome), {})
            home = _open(Comparison(study, outcome, arm, control, time, weeks[row]), members, times)
            group.append(home)
        elif math.isnan(home.weeks):
            home.weeks = weeks[row]
        home.contrasts.append(row)


def _open(new: Comparison, members: dict[str, _Arm], times: tuple[list[str], list[float]]) -> Comparison:
    """Fill in the arms' rows, as far as they exist, for a comparison that only a contrast reports."""
    time, weeks = times
    for name, side in ((new.treatment, "t"), (new.control, "c")):
        arm = members.get(name)
        if arm is None:
            continue
        setattr(new, f"pre_{side}", arm.pre)
        for row in arm.later:
            if same_time(time[row], weeks[row], new.time, new.weeks):
                setattr(new, f"post_{side}", row)
    return new


def nan_row(values: list[float], row: int) -> float:
    """The value of that row, NaN where there is no row."""
    return values[row] if row >= 0 else NAN
