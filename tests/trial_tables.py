"""Small tables for the tests of effects: rows as dicts in, `Reported` and `Plan` out; and simulated trials."""

from __future__ import annotations

import numpy as np

from consilience.data.schema import TABLES
from consilience.records import Columns, Correlation, OutcomeRule, Plan, Reported

NAN = float("nan")


def columns(name: str, rows: list[dict]) -> Columns:
    """A table of the review with the columns that any row has; numbers and texts by the schema."""
    schema = TABLES[name]
    names = dict.fromkeys(key for row in rows for key in row)
    data = {}
    for key in names:
        field = schema.field(key)
        if field is not None and field.kind == "number":
            data[key] = np.array([row.get(key, NAN) for row in rows], dtype=float)
        else:
            data[key] = np.array([row.get(key, "") for row in rows], dtype=object)
    return Columns(f"{name}.csv", np.arange(2, len(rows) + 2), data)


def rule(name: str = "CRP", *, better: str = "higher", scale: str = "raw", r: float = 0.5) -> OutcomeRule:
    family = {"higher": "beneficial", "lower": "harmful", "none": "none"}[better]
    return OutcomeRule(
        name, f"class of {name}", better, family, scale, Correlation(r, r - 0.2, r + 0.2, "Source 2012")
    )


def plan(*rules: OutcomeRule, variance: str = "morris", rho: float = 0.6) -> Plan:
    rules = rules or (rule(),)
    outcomes = {one.name: one for one in rules}
    return Plan("t", "synthetic", "", 1, {}, (), (), outcomes, variance=variance, rho=rho)


def reported(
    arms: list[dict] = (), contrasts: list[dict] = (), trials: list[dict] = (), risk_of_bias: list[dict] = ()
) -> Reported:
    studies = dict.fromkeys(row["study"] for row in (*arms, *contrasts))
    known = {row["study"] for row in trials}
    trials = [
        *trials,
        *({"study": s, "intervention_class": "cbt", "randomised": "yes"} for s in studies if s not in known),
    ]
    return Reported(
        columns("trials", trials),
        columns("arms", list(arms)),
        columns("contrasts", list(contrasts)),
        columns("risk_of_bias", list(risk_of_bias)),
    )


def arm(role: str, time: str, *, study: str = "A", outcome: str = "CRP", name: str = "", **cells) -> dict:
    """One row of the arms table; the arm is named T or C unless `name` says otherwise."""
    weeks = {"pre": 0.0, "post": 8.0, "follow-up": 34.0}[time]
    label = name or ("T" if role == "treatment" else "C")
    return {
        "study": study,
        "arm": label,
        "role": role,
        "outcome": outcome,
        "time": time,
        "weeks": weeks,
        **cells,
    }


def four(t0: dict, t1: dict, c0: dict, c1: dict, **more) -> list[dict]:
    """Treated and control, before and after."""
    return [
        arm("treatment", "pre", **t0, **more),
        arm("treatment", "post", **t1, **more),
        arm("control", "pre", **c0, **more),
        arm("control", "post", **c1, **more),
    ]


def contrast(*, study: str = "A", outcome: str = "CRP", **cells) -> dict:
    """One row of the contrasts table between T and C after treatment."""
    base = {"study": study, "arm": "T", "control_arm": "C", "outcome": outcome, "time": "post", "weeks": 8.0}
    return {**base, **cells}


def people(rng: np.random.Generator, trials: int, n: int, *, means: tuple, sd: float, r: float) -> np.ndarray:
    """(times, trials, n) normal values with those means, one SD and compound-symmetric correlation r."""
    shared = rng.standard_normal((1, trials, n))
    own = rng.standard_normal((len(means), trials, n))
    z = np.sqrt(r) * shared + np.sqrt(1 - r) * own
    return np.asarray(means)[:, None, None] + sd * z
