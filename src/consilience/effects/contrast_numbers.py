"""The contrasts table resolved: differences with a standard error, t-like statistics, odds ratios, SMDs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Columns, Note
from .cells import around, first_known, interval_note, printed_level
from .convert_logs import LN10
from .convert_statistics import chi2_to_d, interval_to_se, p_to_t, ratio_interval_to_log

DF_SLACK, DF_SHARE = 3.0, 0.05  # df + 2 may fall short of the people by covariates: 3, or 5% in large trials
# where the standard error of a difference comes from
SPREADS = {
    "SE": "as printed",
    "CI": "(upper \u2212 lower)/(2 t) of its interval",
    "t": "difference / t",
    "p": "difference / the t of p",
    "": "none is printed",
}


@dataclass(frozen=True, eq=False)
class ContrastNumbers:
    """Lists of length n_rows, treated minus control, NaN or "" where nothing is printed or usable.

    difference, difference_se, spread : in printed units (natural logs where `log`) and where the SE comes from.
    t, f_t, p_t : t statistics as printed, from F, from p; chi2_d : d from chi-squared.
    log_or, log_or_se; smd, smd_se : as printed or from their intervals.
    direction : +1 treated higher, -1 control higher, NaN unknown.
    """

    n_t: list[float]
    n_c: list[float]
    compares: list[str]
    log: list[bool]
    direction: list[float]
    difference: list[float]
    difference_se: list[float]
    spread: list[str]
    sd: list[float]
    t: list[float]
    f_t: list[float]
    p_t: list[float]
    chi2_d: list[float]
    log_or: list[float]
    log_or_se: list[float]
    smd: list[float]
    smd_se: list[float]
    df: list[float]
    empty: list[bool]
    notes: tuple[Note, ...]


def resolve_contrasts(contrasts: Columns, n_t: Sequence[float], n_c: Sequence[float]) -> ContrastNumbers:
    """Read every row of the contrasts table; `n_t`, `n_c` (n_rows,) are the arm sizes in use."""
    with np.errstate(all="ignore"):  # absurd numbers become inf or NaN and are refused later, with a reason
        return _resolve(contrasts, np.asarray(n_t, dtype=float), np.asarray(n_c, dtype=float))


def _resolve(contrasts: Columns, sizes_t: np.ndarray, sizes_c: np.ndarray) -> ContrastNumbers:
    number = contrasts.number
    notes = _df_notes(contrasts, sizes_t + sizes_c)
    difference = number("difference")
    scale = contrasts.text("scale")
    log = (scale == "ln") | (scale == "log10")
    log_factor = np.where(scale == "log10", LN10, 1.0)
    direction = _direction(contrasts, difference)
    df = number("df")
    df = np.where(np.isnan(df), sizes_t + sizes_c - 2, df)
    p_t = p_to_t(number("p"), df, direction=direction)
    t = number("t")
    t = np.where(np.isfinite(_declared(contrasts)), np.abs(t) * direction, t)
    with np.errstate(invalid="ignore"):
        f_t = np.where(number("f") >= 0, np.sqrt(np.abs(number("f"))), np.nan) * direction
    se, spread = _difference_se(contrasts, df, (t, p_t), notes)
    log_or, log_or_se = _odds_ratio(contrasts, notes)
    smd_se = _smd_se(contrasts, notes)
    return ContrastNumbers(
        n_t=sizes_t.tolist(),
        n_c=sizes_c.tolist(),
        compares=contrasts.text("compares").tolist(),
        log=log.tolist(),
        direction=direction.tolist(),
        difference=(difference * log_factor).tolist(),
        difference_se=(se * log_factor).tolist(),
        spread=spread.tolist(),
        sd=(number("sd") * log_factor).tolist(),
        t=t.tolist(),
        f_t=f_t.tolist(),
        p_t=p_t.tolist(),
        chi2_d=chi2_to_d(number("chi2"), sizes_t, sizes_c, direction=direction).tolist(),
        log_or=log_or.tolist(),
        log_or_se=log_or_se.tolist(),
        smd=number("smd").tolist(),
        smd_se=smd_se.tolist(),
        df=number("df").tolist(),
        empty=_empty(contrasts).tolist(),
        notes=tuple(notes),
    )


def _empty(contrasts: Columns) -> np.ndarray:
    """Rows that print no statistic at all."""
    names = ("difference", "t", "f", "chi2", "p", "odds_ratio", "odds_ratio_ci_low", "smd")
    return np.asarray(np.all([np.isnan(contrasts.number(name)) for name in names], axis=0))


def _declared(contrasts: Columns) -> np.ndarray:
    word = contrasts.text("direction")
    return np.select([word == "treatment higher", word == "control higher"], [1.0, -1.0], default=np.nan)


def _direction(contrasts: Columns, difference: np.ndarray) -> np.ndarray:
    """As declared, else the sign of the printed difference."""
    declared = _declared(contrasts)
    with np.errstate(invalid="ignore"):
        sign = np.where(np.abs(difference) > 0, np.sign(difference), np.nan)
    return np.where(np.isnan(declared), sign, declared)


def _usable(
    contrasts: Columns, what: str, value: np.ndarray, notes: list[Note], *, log: bool = False
) -> np.ndarray:
    """Mask of the rows whose interval may belong to its estimate; a note for each that may not."""
    low, high = contrasts.number(f"{what}_ci_low"), contrasts.number(f"{what}_ci_high")
    if log:
        with np.errstate(invalid="ignore", divide="ignore"):
            usable = around(np.log(value), np.log(low), np.log(high))
    else:
        usable = around(value, low, high)
    words = what.replace("_", " ")
    for i in np.flatnonzero(~usable & np.isfinite(low) & np.isfinite(high)):
        notes.append(interval_note(contrasts, int(i), f"{what}_ci_low", words, (value[i], low[i], high[i])))
    return usable


def _difference_se(
    contrasts: Columns, df: np.ndarray, statistics: tuple[np.ndarray, np.ndarray], notes: list[Note]
) -> tuple[np.ndarray, np.ndarray]:
    """SE of the difference: printed, from its interval, or difference / t.

    A t or p is taken for the test of this difference; rows whose interval contradicts the t are left to the
    comparison of routes.
    """
    difference = contrasts.number("difference")
    usable = _usable(contrasts, "difference", difference, notes)
    known_df = np.where(df > 0, df, np.inf)
    low, high = contrasts.number("difference_ci_low"), contrasts.number("difference_ci_high")
    from_ci = np.where(usable, interval_to_se(low, high, level=printed_level(contrasts), df=known_df), np.nan)
    ways = {"SE": contrasts.number("difference_se"), "CI": from_ci}
    for name, t in zip(("t", "p"), statistics, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            ways[name] = np.where(np.abs(t) > 0, np.abs(difference / t), np.nan)
    return first_known({name: np.where(se > 0, se, np.nan) for name, se in ways.items()})


def _odds_ratio(contrasts: Columns, notes: list[Note]) -> tuple[np.ndarray, np.ndarray]:
    ratio = contrasts.number("odds_ratio")
    usable = _usable(contrasts, "odds_ratio", ratio, notes, log=True)
    low, high = contrasts.number("odds_ratio_ci_low"), contrasts.number("odds_ratio_ci_high")
    log_or, se = ratio_interval_to_log(ratio, low, high, level=printed_level(contrasts))
    return log_or, np.where(usable & (se > 0), se, np.nan)


def _smd_se(contrasts: Columns, notes: list[Note]) -> np.ndarray:
    usable = _usable(contrasts, "smd", contrasts.number("smd"), notes)
    low, high = contrasts.number("smd_ci_low"), contrasts.number("smd_ci_high")
    from_ci = np.where(usable, interval_to_se(low, high, level=printed_level(contrasts)), np.nan)
    se, _ = first_known({"SE": contrasts.number("smd_se"), "CI": from_ci})
    return np.where(se > 0, se, np.nan)


def _df_notes(contrasts: Columns, people: np.ndarray) -> list[Note]:
    """Degrees of freedom that do not go with the arm sizes."""
    df = contrasts.number("df")
    with np.errstate(invalid="ignore"):
        off = np.abs(df + 2 - people) > np.maximum(DF_SLACK, DF_SHARE * people)
    off &= np.isnan(contrasts.number("chi2"))
    return [
        Note(
            "df-contradicts-sizes",
            "warning",
            f"{df[i]:g} degrees of freedom go with about {df[i] + 2:g} people; the arm sizes sum to {people[i]:g}.",
            "Check how many people this test analysed, and enter those.",
            contrasts.file,
            int(contrasts.lines[i]),
            "df",
            f"{df[i]:g}",
            str(contrasts.text("study")[i]),
        )
        for i in np.flatnonzero(off)
    ]
