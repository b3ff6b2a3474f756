"""The models of reference/robust_grid.json as our records, fitted with R's variance components held."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from consilience.models import fit
from consilience.records import Block, Design, Effects, Fit, Inner, Intercept, Spec

REFERENCE = Path(__file__).parent / "reference" / "robust_grid.json"
WALD = {"chi-sq": "chi2", "Naive-F": "naive-F", "Naive-Fp": "naive-Fp"}


@cache
def grid() -> dict[str, dict[str, Any]]:
    """Name -> model of the reference file."""
    return {model["name"]: model for model in json.loads(REFERENCE.read_text())["models"]}


def names(kind: str) -> list[str]:
    return [name for name, model in grid().items() if model["kind"] == kind]


def records(model: dict[str, Any]) -> tuple[Effects, Design]:
    x = np.array(model["x"], dtype=float)
    columns = {name: np.array(values, dtype=object) for name, values in (model.get("columns") or {}).items()}
    if model.get("weights"):
        columns["w"] = np.array(model["weights"], dtype=float)
    blocks = tuple(
        Block(np.array(b["rows"]), np.array(b["matrix"], dtype=float))
        for b in model.get("blocks") or ()
        if len(b["rows"]) > 1
    )
    cluster = np.array(model["cluster"], dtype=object)
    effects = Effects(np.array(model["y"]), np.array(model["v"]), cluster, blocks=blocks, columns=columns)
    return effects, Design(x, tuple(f"x{i + 1}" for i in range(x.shape[1])))


def held(model: dict[str, Any]) -> Spec:
    terms = []
    for term in model["terms"]:
        if term["kind"] == "un":
            given = {"variance": tuple(term["variance"]), "correlation": tuple(term["correlation"])}
            terms.append(Inner("inner", "study", "UN", **given))
        else:
            terms.append(Intercept(tuple(term["by"]), term["variance"]))
    method = model["method"] if model["method"] in ("ML", "EE") else "REML"
    return Spec(tuple(terms), method, "CR2", weights="w" if model.get("weights") else "")


@cache
def given_fit(name: str) -> Fit:
    effects, design = records(grid()[name])
    return fit(effects, held(grid()[name]), design=design)


@cache
def working_fit(name: str, kind: str) -> Fit:
    """The CORR or HIER fit of a model of robumeta."""
    effects, design = records(grid()[name])
    spec = Spec.correlated(rho=grid()[name]["rho"]) if kind == "CORR" else Spec.hierarchical()
    return fit(effects, replace(spec), design=design)


def symmetric(upper: list[Any], p: int) -> np.ndarray:
    """(p, p) from the upper triangle, column by column."""
    full = np.zeros((p, p))
    columns, rows = np.tril_indices(p)
    full[rows, columns] = full[columns, rows] = np.array(upper, dtype=float)
    return full
