"""The models of reference/robust_grid.json as our records, fitted with R's variance components held, and the comparison."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from consilience.inference import robust_coefficients, wald_test
from consilience.models import fit
from consilience.records import Block, Design, Effects, Fit, Inner, Intercept, Spec

REFERENCE = Path(__file__).parent / "reference" / "robust_grid.json"
RTOL = 1e-6
WALD = {"chi-sq": "chi2", "Naive-F": "naive-F", "Naive-Fp": "naive-Fp"}


@cache
def grid() -> dict[str, dict[str, Any]]:
    """Name -> model of the reference file."""
    return {model["id"]: model for model in json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"]}


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


def given_fit(model: dict[str, Any]) -> Fit:
    effects, design = records(model)
    return fit(effects, held(model), design=design)


def working_fit(model: dict[str, Any], kind: str) -> Fit:
    """The CORR or HIER fit of a model of robumeta."""
    effects, design = records(model)
    spec = Spec.correlated(rho=model["rho"]) if kind == "CORR" else Spec.hierarchical()
    return fit(effects, spec, design=design)


def symmetric(upper: list[Any], p: int) -> np.ndarray:
    """(p, p) from the upper triangle, column by column."""
    full = np.zeros((p, p))
    columns, rows = np.tril_indices(p)
    full[rows, columns] = full[columns, rows] = np.array(upper, dtype=float)
    return full


def numbers(values: Any) -> np.ndarray:
    """Null is NaN; a single number is a row of one."""
    return np.atleast_1d(np.array([np.nan if x is None else x for x in np.atleast_1d(values)], dtype=float))


def agree(ours: Any, theirs: Any, *, atol: float = 1e-13) -> bool:
    return np.allclose(numbers(ours), numbers(theirs), rtol=RTOL, atol=atol, equal_nan=True)


def compare_types(found: Fit, model: dict[str, Any], types: dict[str, Any]) -> tuple[int, list[str]]:
    """Covariance, degrees of freedom, p-values and joint tests of every correction: how many agree, and what does not.

    What R cannot do is no number in ours: a note says so. A cluster with full leverage leaves R's CR3 an inverse of a
    singular matrix (an error, or rounding with exactly one degree of freedom); that is not compared.
    """
    p, done, wrong = len(found.coefficients.names), 0, []
    for kind, theirs in types.items():
        ours = robust_coefficients(found, correction=kind)
        lone = any(note.code == "coefficient-lone-cluster" for note in ours.notes)
        if kind == "CR3" and lone:
            continue
        if theirs is None or theirs["df"] is None or None in theirs["df"]:
            explained = np.isnan(ours.se).all() and ours.notes[0].message.startswith("No standard error")
            wrong += [] if explained else [f"{kind}: R has none"]
            continue
        covariance = symmetric(theirs["vcov"], p)
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        pairs = [
            ("covariance", agree(ours.covariance / scale, covariance / scale, atol=1e-9)),
            ("df", agree(ours.df, theirs["df"])),
            ("p", agree(ours.p_value, theirs["p"])),
            *(
                (name, _same_test(found, model, kind=kind, name=name, theirs=numbers(values)))
                for name, values in (theirs["wald"] or {}).items()
            ),
        ]
        done += sum(good for _, good in pairs)
        wrong += [f"{kind} {name}" for name, good in pairs if not good]
    return done, wrong


def _same_test(found: Fit, model: dict[str, Any], *, kind: str, name: str, theirs: np.ndarray) -> bool:
    rows = np.eye(len(found.coefficients.names))[np.array(model["tested"]) - 1]
    ours = wald_test(found, rows, method=WALD.get(name, name), correction=kind)
    if np.isnan(ours.p_value):
        # singular: R has a quotient of rounding, or no positive degrees of freedom
        return bool(ours.note) and (
            theirs[0] > 1e10 or not theirs[1] > 1e-9 or (name == "EDT" and theirs[2] < 1e-20)
        )
    df2 = np.inf if name in ("chi-sq", "EDT") else theirs[1]
    return agree([ours.statistic, ours.df2, ours.p_value], [theirs[0], df2, theirs[2]])


def compare_robu(model: dict[str, Any], kind: str) -> tuple[int, list[str]]:
    """Everything that robu() prints, with and without small-sample corrections, and the tests of clubSandwich on it."""
    found, theirs = working_fit(model, kind), model["models"][kind]
    done, wrong = compare_types(found, model, theirs["types"])
    tables = {
        "small": found.coefficients,
        "large": robust_coefficients(found, correction="CR1p", reference="naive-tp"),
    }
    pairs = []
    for size, table in tables.items():
        r, p = theirs[size], len(table.names)
        df = np.broadcast_to(numbers(r["df"]), p)
        pairs += [
            (f"{size} b", agree(table.estimate, r["b"], atol=1e-12)),
            (f"{size} SE", agree(table.se, r["se"])),
            (f"{size} df", agree(table.df, df)),
            (f"{size} p", agree(table.p_value, r["p"])),
            (f"{size} CI", agree([*table.ci_low, *table.ci_high], [*r["low"], *r["high"]], atol=1e-12)),
            (f"{size} tau2", agree(found.components.variance[0], r["tau2"], atol=1e-12)),
            (f"{size} N", found.effects.n_studies == r["n"]),
        ]
        if kind == "HIER":
            pairs.append((f"{size} omega2", agree(found.components.variance[1], r["omega2"], atol=1e-12)))
        else:
            pairs.append((f"{size} I2", agree(found.heterogeneity.i2, r["i2"])))
    return done + sum(good for _, good in pairs), wrong + [name for name, good in pairs if not good]


def compare_model(model: dict[str, Any]) -> tuple[int, list[str]]:
    if model["kind"] == "fit":
        found = given_fit(model)
        done, wrong = compare_types(found, model, model["types"])
        return done, wrong + ([] if agree(found.coefficients.estimate, model["beta"]) else ["beta"])
    parts = [compare_robu(model, kind) for kind in model["models"]]
    return sum(done for done, _ in parts), [what for _, wrong in parts for what in wrong]
