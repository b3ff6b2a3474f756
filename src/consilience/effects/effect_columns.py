"""Everything else that is known of an effect, as columns beside y and v."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..data.schema import ARMS, CONTRASTS, JUDGEMENTS
from ..records import Columns, OutcomeRule, Reported
from ..records.effects import BETWEEN
from .candidates import NAN, Candidate
from .cells import Cells
from .pairing import Comparison, nan_row
from .ppc import pooled_sd

Row = tuple[Comparison, Candidate, OutcomeRule]


def effect_columns(reported: Reported, rows: Sequence[Row], cells: Cells) -> dict[str, np.ndarray]:
    """(k,) columns: what the comparison is, how it was made, what the trial is, where it was read."""
    comparisons = [row[0] for row in rows]
    candidates = [row[1] for row in rows]
    rules = [row[2] for row in rows]
    n_t, n_c = _floats(c.n_t for c in candidates), _floats(c.n_c for c in candidates)
    columns = {
        "outcome": _texts(c.outcome for c in comparisons),
        "outcome_class": _texts(rule.outcome_class for rule in rules),
        "family": _texts(rule.family for rule in rules),
        "better": _texts(rule.better for rule in rules),
        "treatment": _texts(c.treatment for c in comparisons),
        "control": _texts(c.control for c in comparisons),
        "time": _texts(c.time for c in comparisons),
        "weeks": _floats(c.weeks for c in comparisons),
        "n_treatment": n_t,
        "n_control": n_c,
        "n_people": np.where(np.isnan(n_t + n_c), NAN, n_t + n_c),
        "r": _floats(c.r for c in candidates),
        "r_source": _texts(c.r_source for c in candidates),
        "route": _texts(c.route for c in candidates),
        "route_code": _texts(c.code for c in candidates),
        "route_group": _texts(c.group for c in candidates),
        "assumptions": _texts(BETWEEN.join(c.assumptions) for c in candidates),
        "imputed": _texts("; ".join(dict.fromkeys(kind for kind, _ in c.imputed)) for c in candidates),
        "basis": _texts(c.basis for c in candidates),
        "scale": _texts(c.scale for c in candidates),
        "sd_used": _floats(c.sd if c.scale else NAN for c in candidates),
        "log_sd": _floats(_baseline_log_sd(c, cells) for c in comparisons),
        "pooled": _floats(0.0 if rule.better == "none" else 1.0 for rule in rules),
        "why_not": _texts(
            "no direction of benefit is declared for this outcome" if rule.better == "none" else ""
            for rule in rules
        ),
    }
    columns.update(_places(reported, candidates))
    columns.update(_extra_columns(reported, comparisons))
    _add_trial_columns(reported, comparisons, columns)
    columns["weeks_after_treatment"] = weeks_after(
        columns["time"], columns["weeks"], columns["treatment_weeks"]
    )
    return columns


def weeks_after(time: np.ndarray, weeks: np.ndarray, treatment_weeks: np.ndarray) -> np.ndarray:
    """Weeks since the end of treatment: never below 0; 0 for ``post`` of unknown length; else NaN if unknown."""
    with np.errstate(invalid="ignore"):
        after = np.maximum(weeks - treatment_weeks, 0.0)
    return np.where(np.isnan(after) & (time == "post"), 0.0, after)


def _texts(values: Iterable[object]) -> np.ndarray:
    return np.array(list(values), dtype=object)


def _floats(values: Iterable[float]) -> np.ndarray:
    return np.array(list(values), dtype=float)


def _baseline_log_sd(c: Comparison, cells: Cells) -> float:
    """SD of the logarithm before treatment, pooled over the arms that allow one; NaN if none does."""
    known = []
    for pre, post in ((c.pre_t, c.post_t), (c.pre_c, c.post_c)):
        sd, n = nan_row(cells.log.sd, pre), nan_row(cells.n, pre)
        n = nan_row(cells.n, post) if math.isnan(n) else n
        if sd > 0:
            known.append((sd, n))
    if len(known) == 2 and known[0][1] + known[1][1] > 2:
        return float(pooled_sd(known[0][0], known[0][1], known[1][0], known[1][1]))
    return known[0][0] if known else NAN


def _places(reported: Reported, candidates: Sequence[Candidate]) -> dict[str, np.ndarray]:
    """The files and the rows that each effect rests on; ``line`` is the one to look at first."""
    found = [places(reported, candidate) for candidate in candidates]
    return {
        "file": _texts(place[0] for place in found),
        "lines": _texts(place[1] for place in found),
        "line": _floats(place[2] for place in found),
    }


def places(reported: Reported, candidate: Candidate) -> tuple[str, str, int]:
    """File names, ``"arms.csv rows 2, 4"`` and the first line of the rows behind a candidate."""
    files, texts, first = [], [], 0
    if candidate.contrast_row >= 0:
        first = int(reported.contrasts.lines[candidate.contrast_row])
        files.append(reported.contrasts.file)
        texts.append(_place(reported.contrasts.file, [first]))
    if candidate.arm_rows:
        lines = [int(reported.arms.lines[row]) for row in candidate.arm_rows]
        first = first or lines[-1]
        files.append(reported.arms.file)
        texts.append(_place(reported.arms.file, lines))
    return "; ".join(files), "; ".join(texts), first


def _place(file: str, lines: Sequence[int]) -> str:
    word = "row" if len(lines) == 1 else "rows"
    return f"{file} {word} {', '.join(str(line) for line in sorted(lines))}"


def _extra_columns(reported: Reported, comparisons: Sequence[Comparison]) -> dict[str, np.ndarray]:
    """Columns that the schema does not know: those of the treated arm's later row, else of the contrast."""
    out: dict[str, np.ndarray] = {}
    sources = (
        (reported.arms, ARMS.names, [c.post_t for c in comparisons]),
        (reported.contrasts, CONTRASTS.names, [c.contrasts[0] if c.contrasts else -1 for c in comparisons]),
    )
    for table, known, rows in sources:
        for name in table.names:
            if name not in known and name not in out:
                out[name] = _spread_rows(table, name, rows)
    return out


def _spread_rows(table: Columns, name: str, rows: Sequence[int]) -> np.ndarray:
    """The column's value of each row; blank where the row is -1."""
    column = table[name]
    blank = np.array([""], dtype=object) if column.dtype == object else np.array([np.nan])
    return np.concatenate([column, blank])[np.asarray(rows, dtype=np.intp)]


def _add_trial_columns(
    reported: Reported, comparisons: Sequence[Comparison], columns: dict[str, np.ndarray]
) -> None:
    """Every column of the trials table; one whose name is taken gets the prefix ``trial_``."""
    position = {study: i for i, study in enumerate(reported.studies)}
    rows = [position.get(c.study, -1) for c in comparisons]
    trials = reported.trials
    for name in trials.names:
        if name != "study":
            columns[f"trial_{name}" if name in columns else name] = _spread_rows(trials, name, rows)
    for name in ("intervention_class", "randomised"):
        columns.setdefault(name, _texts("" for _ in rows))
    for name in ("year", "mean_age", "percent_female", "treatment_weeks"):
        columns.setdefault(name, np.full(len(rows), np.nan))
    worst = risk_of_bias(reported)
    columns["risk_of_bias"] = _texts(worst.get(c.study, "") for c in comparisons)


def risk_of_bias(reported: Reported) -> dict[str, str]:
    """Per trial: the judgement in trials, else the worst overall judgement of its results."""
    rank = {judgement: i for i, judgement in enumerate(JUDGEMENTS)}
    table = reported.risk_of_bias
    out: dict[str, str] = {}
    for study, overall in zip(table.text("study"), table.text("overall"), strict=True):
        if overall in rank and rank[overall] > rank.get(out.get(study, ""), -1):
            out[str(study)] = str(overall)
    for study, judged in zip(
        reported.trials.text("study"), reported.trials.text("risk_of_bias"), strict=True
    ):
        if judged:
            out[str(study)] = str(judged)
    return out
