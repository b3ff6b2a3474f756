"""What the journals of a planted review print: persons -> summary rows in the forms that real reports use."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from .design import DrawnTrial
from .truth import Marker, Truth

Row = dict[str, str | float]


def arm_rows(truth: Truth, trial: DrawnTrial, arms: dict[str, np.ndarray]) -> Iterator[Row]:
    """Rows of the arms table.

    arms : ``treatment`` and ``control`` -> (n, markers, 1 + times) natural logs of everybody's values.
    """
    names = {"treatment": trial.intervention_class, "control": "control"}
    for i, number in enumerate(trial.markers):
        if trial.forms[i] == "t":
            continue
        marker = truth.markers[number]
        times = np.flatnonzero(trial.measured[i])
        for role, values in arms.items():
            identity: Row = {"study": trial.study, "arm": names[role], "role": role, "outcome": marker.name}
            for t in (-1, *times.tolist()):
                when: Row = _when(trial, t)
                cells = _cells(trial.forms[i], values[:, i, t + 1], values[:, i, 0], first=t < 0)
                unit = "" if trial.forms[i] == "change" else marker.unit
                yield {
                    **identity,
                    **when,
                    "n": float(len(values)),
                    **cells,
                    "unit": unit,
                    "source": "simulated",
                }


def contrast_rows(truth: Truth, trial: DrawnTrial, arms: dict[str, np.ndarray]) -> Iterator[Row]:
    """Rows of the contrasts table: the t statistic of the difference in change of the logarithm."""
    for i, number in enumerate(trial.markers):
        if trial.forms[i] != "t":
            continue
        for t in np.flatnonzero(trial.measured[i]).tolist():
            change = {role: values[:, i, t + 1] - values[:, i, 0] for role, values in arms.items()}
            yield {
                "study": trial.study,
                "arm": trial.intervention_class,
                "control_arm": "control",
                "outcome": truth.markers[number].name,
                **_when(trial, t),
                "compares": "change",
                "n_treatment": float(trial.n_treatment),
                "n_control": float(trial.n_control),
                "t": _round(_two_sample_t(change["treatment"], change["control"])),
                "df": float(trial.n_treatment + trial.n_control - 2),
                "scale": "ln",
                "source": "simulated",
            }


def _when(trial: DrawnTrial, t: int) -> Row:
    if t < 0:
        return {"time": "pre", "weeks": 0.0}
    return {
        "time": "post" if trial.after[t] == 0 else "follow-up",
        "weeks": float(trial.weeks + trial.after[t]),
    }


def _cells(form: str, logs: np.ndarray, before: np.ndarray, *, first: bool) -> Row:
    """The printed cells of one arm at one time. logs, before : (n,) natural logs now and at baseline."""
    if form == "mean":
        raw = np.exp(logs)
        return {"mean": _round(np.mean(raw)), "sd": _round(np.std(raw, ddof=1))}
    if form == "geometric":
        return _geometric(logs)
    if form == "median":
        q1, median, q3 = np.exp(np.quantile(logs, (0.25, 0.5, 0.75)))
        return {"median": _round(median), "q1": _round(q1), "q3": _round(q3)}
    if first:
        return {"mean": _round(np.mean(logs)), "sd": _round(np.std(logs, ddof=1)), "scale": "ln"}
    change = logs - before
    return {"change": _round(np.mean(change)), "change_sd": _round(np.std(change, ddof=1)), "scale": "ln"}


def _geometric(logs: np.ndarray) -> Row:
    from scipy.special import stdtrit

    centre = np.mean(logs)
    half = stdtrit(len(logs) - 1, 0.975) * np.std(logs, ddof=1) / sqrt(len(logs))
    low, middle, high = np.exp((centre - half, centre, centre + half))
    return {
        "geometric_mean": _round(middle),
        "geometric_ci_low": _round(low),
        "geometric_ci_high": _round(high),
    }


def _two_sample_t(x: np.ndarray, y: np.ndarray) -> float:
    """Student's t with a pooled variance, positive where x is larger."""
    df = len(x) + len(y) - 2
    pooled = (np.sum((x - np.mean(x)) ** 2) + np.sum((y - np.mean(y)) ** 2)) / df
    return float((np.mean(x) - np.mean(y)) / np.sqrt(pooled * (1 / len(x) + 1 / len(y))))


def _round(value: float) -> float:
    """Four significant digits, as journals print."""
    return float(f"{value:.4g}")


def marker_note(marker: Marker) -> str:
    """One sentence for the protocol."""
    return f"Simulated; natural-log SD {marker.log_sd:g}, correlation of any two times {marker.r:g}."
