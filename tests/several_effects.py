"""Data with several effects per study whose figures R gave: published/several_effects_r.json names calls and versions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from benchmarks.multilevel import berkey

from consilience.data.formula import design_matrix
from consilience.models import fit
from consilience.records import Block, Effects, Fit, Inner, Intercept, Slopes, Spec
from published_data import FOLDER

R: dict[str, Any] = json.loads((FOLDER / "published" / "several_effects_r.json").read_text(encoding="utf-8"))


def labels(values: Any) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)


def blocks_of(matrix: np.ndarray, study: np.ndarray) -> tuple[Block, ...]:
    rows = [np.flatnonzero(study == s) for s in dict.fromkeys(study.tolist())]
    return tuple(Block(r, matrix[np.ix_(r, r)]) for r in rows)


def berkey_fit(method: str = "REML") -> Fit:
    job = berkey()
    return fit(job.effects, Spec((Inner("outcome", "study", "UN"),), method, "z"), design=job.design)


def three_outcomes() -> Effects:
    """25 studies of up to three outcomes each (made up)."""
    rows, v = R["three"]["data"], np.array(R["three"]["V"])
    study = labels(row["study"] for row in rows)
    outcome = labels(row["outcome"] for row in rows)
    y = np.array([row["yi"] for row in rows])
    return Effects(y, np.diag(v).copy(), study, blocks=blocks_of(v, study), columns={"outcome": outcome})


def three_outcomes_fit() -> Fit:
    effects = three_outcomes()
    design = design_matrix("0 + outcome", effects.columns)
    return fit(effects, Spec((Inner("outcome", "study", "UN"),), "REML", "z"), design=design)


def obrien_fit() -> Fit:
    """Correlated random slopes of body mass index (dat.obrien2003)."""
    data = R["obrien"]
    columns = {"bmi": np.array(data["bmicent"])}
    effects = Effects(np.array(data["yi"]), np.array(data["vi"]), labels(data["study"]), columns=columns)
    spec = Spec((Slopes(("bmi",), "study"),), "REML", "z")
    return fit(effects, spec, design=design_matrix("bmi", columns))


def assink(formula: str, *, test: str = "z") -> Fit:
    """Three levels (dat.assink2016) with moderators by a formula."""
    data = R["predictions"]["assink"]
    columns: dict[str, np.ndarray] = {
        name: np.array(data[name], dtype=float) for name in ("year", "pubstatus")
    }
    columns |= {"id": labels(data["id"]), "deltype": labels(data["deltype"])}
    effects = Effects(np.array(data["yi"]), np.array(data["vi"]), labels(data["study"]), columns=columns)
    spec = Spec((Intercept(("study",)), Intercept(("study", "id"))), "REML", test)
    return fit(effects, spec, design=design_matrix(formula, columns))
