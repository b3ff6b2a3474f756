"""A missing standard deviation from the other trials of the same marker."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..records import Columns
from .cells import Cells, Side
from .convert_logs import raw_to_log

Rows = dict[int, dict[str, str]]
SPREAD = "SD"  # the route adds that it is imputed


def pooled_elsewhere(sd: np.ndarray, n: np.ndarray, study: np.ndarray, own: str) -> tuple[float, int]:
    """sqrt(sum (n - 1) sd^2 / sum (n - 1)) over the rows of other studies, and how many studies; (NaN, 0) if there are none."""
    use = (study != own) & (sd > 0) & (n > 1)
    if not use.any():
        return math.nan, 0
    weight = n[use] - 1
    return float(np.sqrt(np.sum(weight * sd[use] ** 2) / np.sum(weight))), len(set(study[use].tolist()))


def fill_spreads(arms: Columns, cells: Cells, rows: Rows, refused: dict[tuple[str, str], str]) -> Cells:
    """The cells with SDs filled for trials that print no dispersion of an outcome at all.

    Raw SDs come from rows with the same printed unit; SDs of logarithms (natural, also of geometric means) from any.
    Rows of the same kind of time (before, later) are pooled where other trials have them, else all.
    `rows` gets row -> ``SD`` -> what was done; `refused` (study, outcome) -> why not.
    """
    study, outcome = arms.text("study"), arms.text("outcome")
    without = _groups_without_dispersion(study, outcome, cells)
    raw, log = (np.array(side.sd, dtype=float) for side in (cells.raw, cells.log))
    raw_words, log_words = list(cells.raw.spread), list(cells.log.spread)
    pool = _Pool(arms, cells)
    for key, members in without.items():
        for row in members:
            for on_log, values, words in ((False, raw, raw_words), (True, log, log_words)):
                if not _located(cells, row, log=on_log):
                    continue
                value, sentence = pool.find(row, log=on_log)
                if math.isnan(value):
                    refused.setdefault(key, sentence)
                else:
                    values[row], words[row] = value, SPREAD
                    rows.setdefault(row, {})["SD"] = sentence
    raw_side = replace(cells.raw, sd=raw.tolist(), spread=raw_words)
    log_side = replace(cells.log, sd=log.tolist(), spread=log_words)
    return replace(cells, raw=raw_side, log=_converted(raw_side, log_side, rows))


def _groups_without_dispersion(
    study: np.ndarray, outcome: np.ndarray, cells: Cells
) -> dict[tuple[str, str], list[int]]:
    """(study, outcome) -> rows, where no row has an SD of values or of change."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(study.tolist(), outcome.tolist(), strict=True)):
        groups.setdefault(key, []).append(row)
    known = [cells.raw.sd, cells.log.sd, cells.change_sd]
    return {key: rows for key, rows in groups.items() if not any(x[row] >= 0 for x in known for row in rows)}


def _located(cells: Cells, row: int, *, log: bool) -> bool:
    """True if the row prints a mean or a change on that scale."""
    side = cells.log if log else cells.raw
    change = not math.isnan(cells.change[row]) and cells.change_log[row] == log
    return change or not math.isnan(side.mean[row])


def _converted(raw: Side, log: Side, rows: Rows) -> Side:
    """Log means and SDs from the raw ones that now have an SD, where the row prints nothing on the log scale."""
    mean, sd, kind, spread = list(log.mean), list(log.sd), list(log.kind), list(log.spread)
    for row in rows:
        if "SD" in rows[row] and math.isnan(mean[row]) and raw.sd[row] > 0:
            with np.errstate(all="ignore"):
                made_mean, made_sd, _ = raw_to_log(np.array([raw.mean[row]]), np.array([raw.sd[row]]))
            if np.isfinite(made_mean[0]):
                mean[row], sd[row], kind[row] = float(made_mean[0]), float(made_sd[0]), "converted"
                spread[row] = SPREAD
    return Side(mean, sd, kind, spread)


class _Pool:
    """The SDs that the trials print."""

    def __init__(self, arms: Columns, cells: Cells) -> None:
        self.study, self.outcome, self.unit = (arms.text(name) for name in ("study", "outcome", "unit"))
        self.before = arms.text("time") == "pre"
        self.n = np.array(cells.n, dtype=float)
        self.raw = np.where(np.array(cells.raw.kind, dtype=object) == "mean", cells.raw.sd, np.nan)
        self.log = np.where(np.array(cells.log.kind, dtype=object) == "mean", cells.log.sd, np.nan)

    def find(self, row: int, *, log: bool) -> tuple[float, str]:
        """The SD for a row and what was done, or NaN and why not."""
        outcome, unit = self.outcome[row], self.unit[row]
        where = "on the log scale" if log else f"in {unit}"
        if not log and not unit:
            return (
                math.nan,
                f"the row of {outcome} gives no unit, so that no other trial's SD is known to fit.",
            )
        same = (self.outcome == outcome) & (log | (self.unit == unit))
        sd = np.where(same, self.log if log else self.raw, np.nan).astype(float)
        for alike in (self.before == self.before[row], np.ones(len(same), dtype=bool)):
            value, trials = pooled_elsewhere(np.where(alike, sd, np.nan), self.n, self.study, self.study[row])
            if trials:
                words = "1 other trial" if trials == 1 else f"{trials} other trials"
                return value, f"SD {value:.4g} {where} imputed: pooled over {words} of {outcome}"
        return math.nan, f"no other trial prints an SD of {outcome} {where}."
