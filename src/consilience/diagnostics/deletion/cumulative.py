"""How the answer came about: studies added one after the other."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...base.errors import InputError
from ...base.format import plural
from ...base.options import choose
from ...likelihood.columns import column
from ...records import Cumulative, Fit
from .cases import Cases, cases_of
from .selections import refitted

PRECISION = "precision"
Ties = Literal["row", "together"]
TIES = ("row", "together")


def cumulative(
    fit: Fit,
    *,
    order: str = "year",
    by: str = "study",
    descending: bool = False,
    ties: Ties = "row",
    coefficient: str = "",
) -> Cumulative:
    """The fit on the first case, the first two, and so on, variances re-estimated at every step, in one batch.

    Parameters
    ----------
    order : a column, numbers or text, or ``"precision"`` (smallest sampling variance first); a case of several effects
        stands where its first value puts it.
    by : what is added at a time: ``"study"``, ``"effect"`` or a column.
    descending : from the largest value down.
    ties : cases of the same value one after the other in the order of the rows (``"row"``), or ``"together"``. Cases
        without a value come last, in the order of the rows.
    coefficient : which coefficient figures show; "" = the first.

    Raises
    ------
    InputError ``unknown-column``, ``no-order`` where no case has a value; OptionError for an unknown choice.

    Source: Lau et al. (1992), N Engl J Med 327:248.
    """
    choose(ties, TIES, what="Ties")
    cases = cases_of(fit.effects, by)
    values = fit.effects.v if order == PRECISION else column(fit.effects, order)
    rank, text = _ranks(cases, values, descending=descending)
    known = rank < cases.n
    if not known.any():
        raise InputError(f'No effect has a value of "{order}" to be ordered by.', code="no-order")
    sequence = np.argsort(rank, kind="stable")
    groups = [[int(i)] for i in sequence]
    if ties == "together":
        groups = [[int(i) for i in sequence if rank[i] == r] for r in np.unique(rank[known])]
        groups += [[int(i)] for i in sequence if not known[i]]
    step = np.empty(cases.n, dtype=np.intp)
    for place, group in enumerate(groups):
        step[group] = place
    keep = step[cases.code][None, :] <= np.arange(len(groups))[:, None]
    return Cumulative(
        label=tuple(", ".join(cases.label[i] for i in group) for group in groups),
        by=cases.by,
        order=order,
        value=tuple(text[group[0]] for group in groups),
        rule=_rule(order, descending=descending, ties=ties, missing=int(np.sum(~known))),
        **refitted(fit, keep, coefficient=coefficient),
    )


def _ranks(cases: Cases, values: np.ndarray, *, descending: bool) -> tuple[np.ndarray, list[str]]:
    """(n,) dense rank of each case's first value, n where it has none; and the values as text."""
    numeric = values.dtype != object or all(isinstance(x, (int, float)) or x is None for x in values.tolist())
    listed = [_value(x, numeric=numeric) for x in values.tolist()]
    best: list[float | str | None] = [None] * cases.n
    for i, x in zip(cases.code.tolist(), listed, strict=True):
        first = best[i]
        if x is not None and (first is None or (x > first if descending else x < first)):
            best[i] = x
    distinct = sorted({x for x in best if x is not None}, reverse=descending)
    place = {x: r for r, x in enumerate(distinct)}
    rank = np.array([cases.n if x is None else place[x] for x in best], dtype=np.intp)
    return rank, ["" if x is None else x if isinstance(x, str) else f"{x:g}" for x in best]


def _value(x: object, *, numeric: bool) -> float | str | None:
    if x is None or x == "" or (isinstance(x, float) and np.isnan(x)):
        return None
    return float(str(x)) if numeric else str(x)


def _rule(order: str, *, descending: bool, ties: Ties, missing: int) -> str:
    way = "smallest sampling variance first" if order == PRECISION else f"by {order}"
    if descending:
        way = "largest sampling variance first" if order == PRECISION else f"{way}, from high to low"
    how = "in the order of the rows" if ties == "row" else "together"
    last = "" if not missing else f"; {plural(missing, 'case')} without a value last"
    return f"Added {way}; equal values {how}{last}."
