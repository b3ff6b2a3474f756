"""Simulated effects with the columns that the questions of a review read."""

from __future__ import annotations

import numpy as np

from consilience.records import Block, Correlation, Effects, OutcomeRule, Plan

CLASSES = ("cbt", "mindfulness", "support")


def make_effects(
    n_trials: int = 14, per_trial: int = 3, *, seed: int = 1, g: float = 0.3, tau: float = 0.15
) -> Effects:
    """Trials of different sizes, `per_trial` effects each at 0, 13 and 40 weeks after treatment."""
    rng = np.random.default_rng(seed)
    study = np.repeat([f"Trial {i:02d}" for i in range(n_trials)], per_trial).astype(object)
    k = len(study)
    n = np.repeat(rng.integers(20, 90, n_trials), per_trial).astype(float)
    v = 2 / n + 0.01
    y = g + np.repeat(rng.normal(0, tau, n_trials), per_trial) + rng.normal(0, np.sqrt(v))
    blocks = []
    for start in range(0, k, per_trial):
        rows = np.arange(start, start + per_trial)
        s = np.sqrt(v[rows])
        blocks.append(Block(rows, 0.6 * np.outer(s, s) + 0.4 * np.diag(v[rows])))
    text = lambda values: np.array(values, dtype=object)  # noqa: E731 - one short conversion used five times
    columns = {
        "outcome": text(["CRP" if i % 2 else "NK" for i in range(k)]),
        "outcome_class": text(["inflammation" if i % 2 else "cells" for i in range(k)]),
        "family": text(["harmful" if i % 2 else "beneficial" for i in range(k)]),
        "better": text(["lower" if i % 2 else "higher" for i in range(k)]),
        "intervention_class": np.repeat(text([CLASSES[i % 3] for i in range(n_trials)]), per_trial),
        "treatment": text(["T"] * k),
        "control": text(["C"] * k),
        "time": text([("post", "follow-up", "follow-up")[i % per_trial % 3] for i in range(k)]),
        "weeks_after_treatment": np.array([(0.0, 13.0, 40.0)[i % per_trial % 3] for i in range(k)]),
        "n_treatment": n,
        "n_control": n,
        "n_people": 2 * n,
        "randomised": text(["yes"] * k),
        "risk_of_bias": np.repeat(text([("low", "some", "high")[i % 3] for i in range(n_trials)]), per_trial),
        "route_code": text(["means" if i % 4 else "statistic" for i in range(k)]),
        "route_group": text(["before and after" if i % 4 else "statistic" for i in range(k)]),
        "route": text(["pre and post means" if i % 4 else "from t" for i in range(k)]),
        "assumptions": text([""] * k),
        "mean_age": np.repeat(rng.uniform(20, 70, n_trials), per_trial),
        "year": np.repeat(rng.integers(1995, 2020, n_trials).astype(float), per_trial),
        "log_sd": np.full(k, 0.7),
    }
    return Effects(y, v, study, "ppc-g", tuple(blocks), columns)


def make_plan(**changes: object) -> Plan:
    """A plan for `make_effects`."""
    r = Correlation(0.5, 0.3, 0.7)
    outcomes = {
        "CRP": OutcomeRule("CRP", "inflammation", "lower", "harmful", "log", r),
        "NK": OutcomeRule("NK", "cells", "higher", "beneficial", "raw", r),
    }
    question = {
        "population": "adults",
        "intervention": "therapy",
        "comparator": "usual care",
        "outcome": "markers",
    }
    base = {
        "title": "A test",
        "sample": "synthetic",
        "sample_note": "",
        "seed": 1,
        "question": question,
        "intervention_classes": CLASSES,
        "outcome_classes": ("inflammation", "cells"),
        "outcomes": outcomes,
    }
    return Plan(**{**base, **changes})  # type: ignore[arg-type]
