"""Printed cells of the arms table to locations and SDs: whatever was printed, on the raw and on the log scale."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..records import Columns, Note
from .convert_logs import LN10, geometric_to_log, quartiles_to_log, raw_to_log
from .convert_statistics import interval_to_se, p_to_t, se_to_sd
from .convert_summaries import FiveNumbers, summary_to_moments

OFF_CENTRE = 0.2  # an estimate further than this share of the width from the middle contradicts its interval
SPREADS_DIFFER = 1.25  # two printed dispersions of one mean that differ by more than this factor


@dataclass(frozen=True, eq=False)
class Side:
    """What every row says on one scale. Lists of length n_rows; NaN or "" where nothing.

    kind : how the location was made: ``mean``, ``converted``, ``median``, ``quartiles``, ``range``.
    spread : where the SD comes from, in words, e.g. ``"SD"``, ``"CI"``.
    """

    mean: list[float]
    sd: list[float]
    kind: list[str]
    spread: list[str]


@dataclass(frozen=True, eq=False)
class Cells:
    """The arms table, resolved. Lists of length n_rows.

    raw, log : locations and SDs on the raw and on the natural-log scale.
    change, change_sd : mean change and its SD, on the log scale where `change_log`.
    """

    n: list[float]
    r: list[float]
    raw: Side
    log: Side
    change: list[float]
    change_sd: list[float]
    change_spread: list[str]
    change_log: list[bool]
    events: list[float]
    total: list[float]
    notes: tuple[Note, ...] = field(default_factory=tuple)


def resolve_cells(arms: Columns) -> Cells:
    """Read every row of the arms table on both scales; nothing is paired yet.

    SDs come from SD, else SE sqrt(n), else the confidence interval by t with n - 1 degrees of freedom; for
    changes also from a paired t or an exact p. An interval that does not lie around its estimate is not used.
    """
    with np.errstate(all="ignore"):  # absurd numbers become inf or NaN and are refused later, with a reason
        return _resolve(arms)


def _resolve(arms: Columns) -> Cells:
    notes: list[Note] = []
    scale = arms.text("scale")
    factor = np.where(scale == "log10", LN10, 1.0)
    on_log = (scale == "ln") | (scale == "log10")
    mean = arms.number("mean")
    sd, spread = _spread(arms, "mean", "", notes)
    change = arms.number("change")
    change_sd, change_spread = _spread(arms, "change", "change_", notes)
    raw = _raw_side(arms, np.where(on_log, np.nan, mean), sd, spread)
    log = _log_side(arms, np.where(on_log, mean * factor, np.nan), sd * factor, (mean, sd, spread, on_log))
    return Cells(
        n=arms.number("n").tolist(),
        r=arms.number("r").tolist(),
        raw=raw,
        log=log,
        change=(change * factor).tolist(),
        change_sd=(change_sd * factor).tolist(),
        change_spread=change_spread.tolist(),
        change_log=on_log.tolist(),
        events=arms.number("events").tolist(),
        total=arms.number("total").tolist(),
        notes=tuple(notes),
    )


def _spread(arms: Columns, estimate: str, prefix: str, notes: list[Note]) -> tuple[np.ndarray, np.ndarray]:
    """SD of a printed mean or change, and which printed number it comes from."""
    value, n = arms.number(estimate), arms.number("n")
    low, high = arms.number(f"{prefix}ci_low"), arms.number(f"{prefix}ci_high")
    usable = around(value, low, high)
    notes.extend(_interval_notes(arms, estimate, f"{prefix}ci_low", (value, low, high, usable)))
    enough = n >= 2
    df = np.where(enough, n - 1, 1.0)
    ci_se = interval_to_se(low, high, level=printed_level(arms), df=df)
    ways = {
        "SD": arms.number(f"{prefix}sd"),
        "SE": se_to_sd(arms.number(f"{prefix}se"), n),
        "CI": np.where(usable & enough, se_to_sd(ci_se, n), np.nan),
    }
    if prefix:
        t = arms.number("change_t")
        p = p_to_t(arms.number("change_p"), df, direction=1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ways["t"] = np.where(t != 0, se_to_sd(np.abs(value / t), n), np.nan)
            ways["p"] = np.where(enough & (p > 0), se_to_sd(np.abs(value / p), n), np.nan)
    notes.extend(_disagreements(arms, estimate, ways))
    return first_known(ways)


def printed_level(columns: Columns) -> np.ndarray:
    level = columns.number("confidence")
    return np.where(np.isnan(level), 95.0, level)


def first_known(ways: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The first finite number per row, and the name of the way it comes by."""
    values = np.stack(list(ways.values()))
    known = np.isfinite(values)
    which = known.argmax(axis=0)
    any_known = known.any(axis=0)
    names = np.array(list(ways), dtype=object)[which]
    picked = np.take_along_axis(values, which[None, :], axis=0)[0]
    return np.where(any_known, picked, np.nan), np.where(any_known, names, "")


def around(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """True where an interval may belong to the estimate: around it and roughly symmetric, or no estimate printed."""
    with np.errstate(invalid="ignore"):
        width = high - low
        off = np.abs((low + high) / 2 - value)
        outside = (value < low) | (value > high) | (off > OFF_CENTRE * width)
        usable: np.ndarray = (width >= 0) & ~outside
        return usable


def _interval_notes(
    arms: Columns, estimate: str, column: str, parts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
) -> list[Note]:
    value, low, high, usable = parts
    bad = np.flatnonzero(~usable & np.isfinite(low) & np.isfinite(high))
    return [interval_note(arms, int(i), column, estimate, (value[i], low[i], high[i])) for i in bad]


def interval_note(
    columns: Columns, i: int, column: str, what: str, numbers: tuple[float, float, float]
) -> Note:
    """The finding that a printed interval cannot belong to its estimate."""
    value, low, high = numbers
    return Note(
        "ci-inconsistent",
        "warning",
        f"The interval [{low:g}, {high:g}] does not lie around the {what} {value:g}; it is not used.",
        "Check the printed cell; give the SD or SE instead if it is printed.",
        columns.file,
        int(columns.lines[i]),
        column,
        f"{low:g}",
        str(columns.text("study")[i]),
    )


def _disagreements(arms: Columns, estimate: str, ways: dict[str, np.ndarray]) -> list[Note]:
    """Rows in which two printed dispersions of the same number contradict each other."""
    values = np.stack(list(ways.values()))
    values = np.where(values > 0, values, np.nan)
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
        rows = np.flatnonzero(highest > SPREADS_DIFFER * lowest)
    notes = []
    for i in rows:
        listed = ", ".join(
            f"{values[j, i]:.3g} by the {way}" for j, way in enumerate(ways) if values[j, i] > 0
        )
        notes.append(
            Note(
                "dispersions-disagree",
                "warning",
                f"The SD of the {estimate} is {listed}; the first is used.",
                "Check which of them is misprinted or is another quantity, such as an SE under the name of SD.",
                arms.file,
                int(arms.lines[i]),
                estimate,
                f"{lowest[i]:.3g} to {highest[i]:.3g}",
                str(arms.text("study")[i]),
            )
        )
    return notes


def _raw_side(arms: Columns, mean: np.ndarray, sd: np.ndarray, spread: np.ndarray) -> Side:
    """Means as printed, else made from medians with quartiles or range (Luo 2018, Wan 2014, Shi 2020)."""
    five = _five(arms)
    made_mean, made_sd = summary_to_moments(five)
    made = np.isnan(mean) & np.isfinite(made_mean)
    kind = np.where(np.isfinite(mean), "mean", np.where(five.quartiles, "quartiles", "range"))
    words = np.where(five.quartiles, "median and quartiles", "median and range")
    mean = np.where(made, made_mean, mean)
    known = np.isfinite(mean)
    return Side(
        mean.tolist(),
        np.where(made, made_sd, np.where(known, sd, np.nan)).tolist(),
        np.where(known, kind, "").tolist(),
        np.where(made, words, np.where(known, spread, "")).tolist(),
    )


def _five(arms: Columns) -> FiveNumbers:
    on_raw = (arms.text("scale") == "") | (arms.text("scale") == "raw")
    columns = {
        name: np.where(on_raw, arms.number(name), np.nan) for name in ("q1", "q3", "minimum", "maximum")
    }
    median = np.where(on_raw, arms.number("median"), np.nan)
    return FiveNumbers.of(median, arms.number("n"), **columns)


def _log_side(
    arms: Columns,
    log_mean: np.ndarray,
    log_sd: np.ndarray,
    printed: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Side:
    """Logarithms as printed, else geometric means, else converted raw means, else medians with quartiles."""
    mean, sd, spread, on_log = printed
    n = arms.number("n")
    geo_mean, geo_sd = geometric_to_log(
        arms.number("geometric_mean"),
        arms.number("geometric_ci_low"),
        arms.number("geometric_ci_high"),
        np.where(n >= 2, n, np.nan),
        level=printed_level(arms),
    )
    raw_mean = np.where(on_log, np.nan, mean)
    con_mean, con_sd, _ = raw_to_log(raw_mean, np.where(sd > 0, sd, np.nan))
    five = _five(arms)
    med_mean, med_sd = quartiles_to_log(five.q1, five.median, five.q3, five.n)
    layers: list[tuple[np.ndarray, np.ndarray, str, np.ndarray | str]] = [
        (log_mean, log_sd, "mean", spread),
        (geo_mean, geo_sd, "mean", "geometric CI"),
        (con_mean, con_sd, "converted", spread),
        (med_mean, med_sd, "median", "median and quartiles"),
    ]
    out_mean, out_sd = np.full(len(n), np.nan), np.full(len(n), np.nan)
    kind, words = np.full(len(n), "", dtype=object), np.full(len(n), "", dtype=object)
    for layer_mean, layer_sd, name, word in layers:
        new = np.isnan(out_mean) & np.isfinite(layer_mean)
        out_mean[new], out_sd[new] = layer_mean[new], layer_sd[new]
        kind[new] = name
        words[new] = word if isinstance(word, str) else word[new]
    return Side(out_mean.tolist(), out_sd.tolist(), kind.tolist(), words.tolist())
