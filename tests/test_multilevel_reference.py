"""Everything that follows from a multilevel fit against metafor's rma.mv() (tests/published/multilevel_r.json, made by multilevel.R).

Our optimum must be at least as high as R's. What follows from the variances is compared at R's own, given to ours.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilience import hat_matrix, influence, residuals
from consilience.models import (
    fit,
    likelihood_ratio_test,
    predict,
    profile,
    profile_interval,
    row_residuals,
    term_effects,
)
from consilience.records import Fit, Inner, Intercept, Known, Slopes
from verify import as_array
from verify._r_expression import levels_of
from verify._rma_model import Model, read_model

FILE = json.loads((Path(__file__).parent / "published" / "multilevel_r.json").read_text())
CASES = {case["id"]: case for case in FILE["cases"]}
CLUSTER = {"berkey": "trial", "konst": "district", "made": "study"}
EXACT = 1e-7


@cache
def model(name: str) -> Model:
    case = CASES[name]
    return read_model(case, FILE["datasets"], cluster=CLUSTER[case["data"]])


@cache
def estimated(name: str) -> Fit:
    asked = model(name)
    return fit(asked.effects, asked.spec, design=asked.design)


@cache
def at_theirs(name: str) -> Fit:
    """Ours with the variances and correlations that R estimated."""
    asked = model(name)
    return fit(asked.effects, asked.given(_out(name)["parts"]), design=asked.design)


def _out(name: str) -> dict[str, Any]:
    return CASES[name]["out"]


def _statistics(name: str) -> dict[str, dict[str, float]]:
    """R's fit statistics by their names."""
    names = ("ll", "dev", "AIC", "BIC", "AICc")
    return {kind: dict(zip(names, row, strict=True)) for kind, row in _out(name)["fit_stats"].items()}


def same(ours: Any, theirs: Any, *, rtol: float = EXACT, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(np.ravel(as_array(ours)), np.ravel(as_array(theirs)), rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_our_optimum_is_as_high(name: str) -> None:
    ours, out = estimated(name), _out(name)
    if not ours.spec.weights:
        assert ours.loglik >= out["logLik"] - 1e-8
    if name != "SPLIN/ML":  # the maximum is at a corner, where the range is a distance (DIFFERENCES.md)
        assert ours.optimum.score < 1e-6
    kind = _statistics(name)[ours.spec.method]
    mine = ours.statistics[ours.spec.method]
    parameters = (kind["AIC"] + 2 * kind["ll"]) / 2
    assert mine.parameters == pytest.approx(parameters, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_fit_statistics(name: str) -> None:
    ours, out = at_theirs(name), _out(name)
    c = ours.coefficients
    for mine, theirs in (
        (c.estimate, out["beta"]),
        (c.se, out["se"]),
        (c.statistic, out["zval"]),
        (c.p_value, out["pval"]),
        (c.ci_low, out["ci_lb"]),
        (c.ci_high, out["ci_ub"]),
        (c.covariance, out["vb"]),
        (ours.heterogeneity.q, out["QE"]),
        (ours.omnibus.statistic, out["QM"]),
        (ours.omnibus.p_value, out["QMp"]),
    ):
        same(mine, theirs)
    for kind, theirs in _statistics(name).items():
        count = estimated(name).statistics[kind].parameters
        mine = replace(ours.statistics[kind], parameters=count)
        same([mine.loglik, mine.deviance], [theirs["ll"], theirs["dev"]])
        same([mine.aic, mine.bic, mine.aicc], [theirs["AIC"], theirs["BIC"], theirs["AICc"]])


@pytest.mark.parametrize("name", CASES)
def test_fitted_values_and_residuals(name: str) -> None:
    ours, out = at_theirs(name), _out(name)
    found = row_residuals(ours)
    same(found.fitted, out["fitted"])
    same(found.raw, out["resid"])
    same(found.pearson, out["pearson"])
    if out["cholesky"]:
        same(found.cholesky, out["cholesky"])
    same(found.standardised, np.array(out["resid"]) / as_array(out["rstandard"]["se"]))
    same(residuals(ours, reestimate=False).raw_se, out["rstandard"]["se"])
    same(np.diag(hat_matrix(ours)), out["hat"])


def _labels(found: Fit, out: dict[str, Any]) -> list[int]:
    """Where the clusters of R stand in ours."""
    column = found.effects[found.spec.cluster]
    ours = list(dict.fromkeys(str(x) if isinstance(x, str) else f"{x:g}" for x in column.tolist()))
    return [ours.index(str(x)) for x in out["rstandard"]["slab"]]


@pytest.mark.parametrize("name", [n for n in CASES if n != "weights"])
def test_deleted_residuals_and_weights_with_variances_held(name: str) -> None:
    ours, out = at_theirs(name), _out(name)
    rows = influence(ours, by="effect", reestimate=False)
    same(rows.cook, out["cook"])
    # of a pooled mean R's weights(type = "rowsum"), the parts of the mean; with moderators those of the diagonal
    same(rows.weight, out["rowsum"] or out["weights"])
    clusters = influence(ours, by=ours.spec.cluster, reestimate=False)
    same(clusters.residual, out["rstudent"]["resid"])  # R leaves out the whole cluster of a row
    same(clusters.residual_se, out["rstudent"]["se"])
    same(clusters.chi2[_labels(ours, out)], out["rstudent"]["X2"])
    if out["rowsum"]:
        same(100 * hat_matrix(ours)[0], out["rowsum"])


@pytest.mark.parametrize("name", [n for n in CASES if _out(n).get("refitted", {}).get("resid")])
def test_deleted_residuals_with_variances_estimated_anew(name: str) -> None:
    """R's optimiser stops early in the refits; ours agree with literal refits to 1e-8 (test_influence.py)."""
    ours, theirs = estimated(name), _out(name)["refitted"]
    found = influence(ours, by=ours.spec.cluster)
    compared = np.ones(ours.effects.k, dtype=bool)
    if name == "crossed/REML":  # R stops below our likelihood without these two (DIFFERENCES.md)
        compared = ~np.isin(ours.effects.study, ["s04", "s07"])
    same(found.residual[compared], as_array(theirs["resid"])[compared], rtol=2e-4, atol=2e-5)
    same(found.residual_se[compared], as_array(theirs["se"])[compared], rtol=2e-4)


def _rows_of(ours: Fit, number: int, names: list[str]) -> tuple[list[int], list[int]]:
    """(rows of our table, positions in R's) of the levels that R lists for a term; absent levels are left out."""
    term = ours.spec.terms[number]
    if isinstance(term, Inner):
        by: tuple[str, ...] = (term.inner, term.outer)
        mark = " | "
    else:
        by, mark = term.by if isinstance(term, Intercept) else (term.by,), "/"
    columns = [ours.effects[name].tolist() for name in by]
    labels = [
        mark.join(x if isinstance(x, str) else f"{x:g}" for x in level)
        for level in zip(*columns, strict=True)
    ]
    names = [name.strip() for name in names]
    if isinstance(term, Inner) and term.structure.startswith("SP"):  # R numbers the rows
        return [int(name.split()[0]) - 1 for name in names], list(range(len(names)))
    places = [i for i, label in enumerate(names) if label in labels]
    return [labels.index(names[i]) for i in places], places


@pytest.mark.parametrize("name", [n for n in CASES if _out(n)["blups"] and "error" not in _out(n)["blups"]])
def test_predicted_random_effects(name: str) -> None:
    ours, out = at_theirs(name), _out(name)
    found = term_effects(ours)
    assert out["blups"]  # of slopes R has none
    names = [f"~{t.inner} | {t.outer}" if isinstance(t, Inner) else t.name for t in ours.spec.terms]
    for key, theirs in out["blups"].items():
        number = names.index(key)
        rows, places = _rows_of(ours, number, theirs["names"])
        assert len(places) >= 2 or len(theirs["names"]) < 3
        same(found.contribution[rows, number], as_array(theirs["value"])[places])
        same(found.se[rows, number], as_array(theirs["se"])[places], atol=1e-7)


@pytest.mark.parametrize("test", FILE["tests"], ids=lambda t: f"{t['full']}, {t['reduced']}")
def test_likelihood_ratio(test: dict[str, Any]) -> None:
    full, reduced = estimated(test["full"]), estimated(test["reduced"])
    found = likelihood_ratio_test(full, reduced)
    assert found.df1 == test["df"]
    same(found.statistic, test["LRT"], rtol=1e-5, atol=1e-6)
    same(found.p_value, test["pval"], rtol=1e-5, atol=1e-6)


def _varied(ours: Fit, kind: str, number: int, data: dict[str, np.ndarray]) -> str:
    """Our name of R's parameter: component `number` (from 0) of sigma2, tau2, rho, gamma2 or phi."""
    if kind == "sigma2":
        plain = [t for t in ours.spec.terms if isinstance(t, (Intercept, Known))]
        return plain[number].name
    term = [t for t in ours.spec.terms if isinstance(t, (Inner, Slopes))][kind in ("gamma2", "phi")]
    size = kind in ("tau2", "gamma2")
    if isinstance(term, Slopes):
        names = ("intercept", *term.columns)
    elif term.structure.startswith("SP") or term.structure in ("CS", "AR", "CAR", "ID"):
        return term.name if size else f"{term.name}: {'range' if term.structure.startswith('SP') else 'rho'}"
    elif not size and term.structure != "UN":
        return f"{term.name}: rho"
    else:
        names = tuple(str(x) if isinstance(x, str) else f"{x:g}" for x in levels_of(data[term.inner]))
    if size:
        exact = [n for n in ours.components.names if n.startswith(term.name)]
        return next(n for n in exact if n.endswith((f": {names[number]}", f": {names[number]}.0")))
    columns, rows = np.triu_indices(len(names), 1)
    pair = {names[columns[number]], names[rows[number]]}
    start = f"{term.name}: "
    return next(
        n
        for n in ours.components.correlations
        if set(n.removeprefix(start).split(", ")) == pair and n.startswith(start)
    )


LIMITS = [
    (name, kind, i)
    for name in CASES
    for kind, limits in (_out(name).get("confint") or {}).items()
    for i, limit in enumerate(limits)
    if "error" not in limit  # R finds none
]


@pytest.mark.parametrize(("name", "kind", "place"), LIMITS)
def test_profile_intervals(name: str, kind: str, place: int) -> None:
    """R's root search stops at 1e-6 and its refits stop early; our profile falls by half a chi-squared quantile."""
    theirs = _out(name)["confint"][kind][place]
    ours = estimated(name)
    free = [i for i, x in enumerate(_given(ours, kind)) if np.isnan(x)]
    parameter = _varied(ours, kind, free[place] if free else place, model(name).data)
    found = profile_interval(ours, parameter)
    estimate, low, high = theirs["1"]
    same(found.estimate, estimate, rtol=1e-3, atol=1e-5)
    if theirs["lb.sign"] != "<":  # else R says that its limit is below where it searched
        same(found.low, low, rtol=2e-3, atol=1e-4)
    if theirs["ub.sign"] != ">":
        same(found.high, high, rtol=2e-3, atol=1e-4)


def _given(ours: Fit, kind: str) -> tuple[float, ...]:
    if kind == "sigma2":
        plain = [t for t in ours.spec.terms if isinstance(t, (Intercept, Known))]
        return tuple(np.nan if t.variance is None else t.variance for t in plain)
    term = [t for t in ours.spec.terms if isinstance(t, (Inner, Slopes))][kind in ("gamma2", "phi")]
    return (term.variance if kind in ("tau2", "gamma2") else term.correlation) or ()


@pytest.mark.parametrize(
    "case",
    FILE["profiles"],
    ids=lambda c: f"{c['fit']} {[k for k in c if k in ('tau2', 'rho', 'gamma2', 'phi')]}",
)
def test_profiles(case: dict[str, Any]) -> None:
    kind = next(k for k in ("tau2", "rho", "gamma2", "phi") if k in case)
    ours = estimated(case["fit"])
    found = profile(
        ours, _varied(ours, kind, case[kind] - 1, model(case["fit"]).data), as_array(case["at"]).tolist()
    )
    theirs = as_array(case["ll"])
    assert np.all(found.loglik >= theirs - 1e-7)
    arrived = np.ones(len(theirs), dtype=bool)
    if case["fit"] == "UN/REML" and kind == "rho":  # R's refit at 0.8 stops 0.81 below ours (DIFFERENCES.md)
        arrived[3] = False
    same(found.loglik[arrived], theirs[arrived], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("case", FILE["predictions"], ids=lambda p: p["fit"])
def test_predictions(case: dict[str, Any]) -> None:
    ours = at_theirs(case["fit"])
    x = np.atleast_2d(np.array(case["x"], dtype=float))
    constant = np.all(ours.design.matrix[:, 0] == 1)
    found = predict(ours, np.column_stack([np.ones(len(x)), x]) if constant else x)
    for mine, theirs in (
        (found.estimate, "pred"),
        (found.se, "se"),
        (found.ci_low, "ci_lb"),
        (found.ci_high, "ci_ub"),
    ):
        same(mine, case[theirs])
    if not case["args"]:  # a prediction at one level of several variances is not ours yet
        same(found.pi_low, case["pi_lb"])
        same(found.pi_high, case["pi_ub"])
