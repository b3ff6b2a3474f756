"""GRIM and GRIMMER: can so many whole-number scores have this mean and this SD?"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, isnan

import numpy as np

from .findings import Finding, at, finding, shown
from .rules import Rules, Tables

_SLACK = 1e-9  # of binary fractions; printed numbers have far fewer digits
_MOST_TOTALS = 200  # with more possible totals the SD cannot contradict all of them
_MEANS = (("mean", "sd"), ("change", "change_sd"))


def check_whole_numbers(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Means, then SDs, of outcomes that the protocol declares to be whole numbers (`integer_items`).

    A number counts with the decimals that it has in the file; zeros that a spreadsheet dropped at the end make the test
    more lenient, never stricter. Values on a logarithmic scale and rows without a whole n are not tested.

    Source: Brown & Heathers (2017), Soc Psychol Personal Sci 8:363 (GRIM); Anaya (2016), PeerJ Preprints 4:e2400v1 and
    Allard (2018) for the sums of squares and their parity (GRIMMER).
    """
    arms = tables.arms
    items = np.array([_items(rules, outcome) for outcome in arms.text("outcome")], dtype=int)
    raw = np.isin(arms.text("scale"), ("", "raw"))
    for row in np.flatnonzero(raw & (items > 0)):
        n = float(arms["n"][row])
        if isnan(n) or n != int(n):
            continue
        for mean, sd in _MEANS:
            value, spread = float(arms[mean][row]), float(arms[sd][row])
            if isnan(value):
                continue
            of = _scores(int(n), int(items[row]))
            if not possible_totals(value, int(n), int(items[row])):
                message = f"{mean} is {shown(value)}, which {of} cannot have; the nearest are {_nearest(value, int(n), int(items[row]))}."
                note = finding("grim-inconsistent", message, at(arms, int(row), mean))
                yield Finding(note, "arms")
            elif not isnan(spread) and not possible_sd(value, spread, int(n), items=int(items[row])):
                message = f"{sd} is {shown(spread)}, which {of} with the {mean} {shown(value)} cannot have."
                note = finding("grimmer-inconsistent", message, at(arms, int(row), sd))
                yield Finding(note, "arms")


def _items(rules: Rules, outcome: str) -> int:
    rule = rules.outcomes.get(outcome)
    return rule.integer_items if rule is not None else 0


def _scores(n: int, items: int) -> str:
    return f"{n} whole-number scores" if items == 1 else f"{n} scores from {items} whole-number items each"


def possible_totals(mean: float, n: int, items: int = 1) -> range:
    """The whole-number totals over all people and items whose mean rounds (up or to even) to `mean`; empty if none.

    The mean of n people with `items` items each is total/(n items): it moves in steps of 1/(n items).
    """
    half, cells = _half_unit(mean), n * items
    low, high = (mean - half) * cells, (mean + half) * cells
    slack = _SLACK * max(1.0, abs(high))
    return range(ceil(low - slack), floor(high + slack) + 1)


def possible_sd(mean: float, sd: float, n: int, *, items: int = 1) -> bool:
    """Whether whole numbers exist whose sum, and sum of squares, agree with the mean and the SD as printed.

    With X = items x score: sum X = k is a total of `possible_totals`, and Q = sum X^2 = (n - 1)(items SD)^2 + k^2/n (or
    n in place of n - 1) must be a whole number, of the parity of k, and no less than for scores as equal as can be.
    Necessary, not sufficient: what is refused is impossible.
    """
    totals = possible_totals(mean, n, items)
    if len(totals) > _MOST_TOTALS:
        return True
    half = _half_unit(sd)
    limits = items * max(sd - half, 0.0), items * (sd + half)
    return any(
        _has_square_sum(k, limits, n, divisor=divisor) for k in totals for divisor in {max(n - 1, 1), n}
    )


def _has_square_sum(k: int, limits: tuple[float, float], n: int, *, divisor: int) -> bool:
    low, high = (divisor * limit**2 + k**2 / n for limit in limits)
    slack = _SLACK * max(1.0, high)
    whole, rest = divmod(k, n)
    least = (n - rest) * whole**2 + rest * (whole + 1) ** 2
    first = max(ceil(low - slack), least)
    first += (first - k) % 2  # x^2 and x are odd together
    return first <= high + slack


def _nearest(mean: float, n: int, items: int) -> str:
    cells = n * items
    decimals = _decimals(mean)
    below = floor(mean * cells)
    return " and ".join(f"{total / cells:.{decimals}f}" for total in (below, below + 1))


def _half_unit(value: float) -> float:
    """Half a unit of the last decimal: what rounding may hide."""
    return 0.5 * 10.0 ** -_decimals(value)


def _decimals(value: float) -> int:
    return len(shown(value).partition(".")[2])
