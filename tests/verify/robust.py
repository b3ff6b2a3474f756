"""Cluster-robust inference: covariances, coefficient tests, Wald tests of clubSandwich, metafor's robust(), robumeta.

The fits are repeated with R's variance components as given values, so that only the robust step is compared.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from consilience.base.errors import ConsilienceError
from consilience.inference import robust_coefficients, wald_test
from consilience.inference.robust import robust_covariance
from consilience.inference.robust_tests import saddlepoint_p
from consilience.inference.wald import WALD_METHODS
from consilience.inference.working import working_of
from consilience.models import fit
from consilience.records import Fit

from . import Outcome, compare
from ._r_expression import parse
from ._rma_model import read_model
from ._robumeta import check_clubsandwich, check_robu, check_sensitivity

TOPIC = "robust"
RTOL = 1e-6
REFERENCES = {
    "Satterthwaite": ("satterthwaite", "df_Satt", "p_Satt"),
    "naive-t": ("naive-t", "df_t", "p_t"),
    "naive-tp": ("naive-tp", "df_tp", "p_tp"),
    "z": ("z", "df_z", "p_z"),
    "saddlepoint": ("saddlepoint", "saddlepoint", "p_saddle"),
}
WALD = {"chi-sq": "chi2", "Naive-F": "naive-F", "Naive-Fp": "naive-Fp"}


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    """One case, by the first part of its id."""
    kind = case["id"].split("/")[0]
    if kind == "robumeta":
        return check_robu(case, datasets)
    if kind == "robumeta_coef_test_CR2":
        return check_clubsandwich(case, datasets)
    if kind == "robumeta_sensitivity":
        return check_sensitivity(case, datasets)
    if kind not in CHECKS:
        return Outcome("uncovered", detail=f"no reader for {kind}")
    model = _given_fit(case, datasets, cases)
    if model is None:
        return Outcome("uncovered", detail="the fit behind this case is not in the file")
    if "error" in case:
        return _better(model, case)
    return CHECKS[kind](model, case)


def _given_fit(case: dict, datasets: dict, cases: dict) -> Fit | None:
    """The fit that a case builds on, with R's variance components, and the case's clusters."""
    name = case["id"].split("/")[1]
    source = cases.get(f"fit/{name}")
    if source is None:
        return None
    cluster = _cluster(name, cases)
    model = read_model(source, datasets, cluster=cluster)
    return fit(model.effects, model.given(source["out"]), design=model.design)


def _cluster(name: str, cases: dict) -> str:
    """The clustering column, from any case of the same fit that states it."""
    for other in cases.values():
        if other["id"].split("/")[1:2] == [name]:
            args = other.get("args")
            if isinstance(args, dict) and "cluster" in args:
                return str(args["cluster"])
            found = re.search(r"cluster\s*=\s*(\w+)\)", other["call"])
            if found and found[1] != "cluster":
                return found[1]
    raise KeyError(f"no case names the clusters of {name}")


def _outcome(
    pairs: list[tuple[str, Any, Any]], *, atol: float = 1e-12, rtol: float = RTOL, p_floor: float = 1e-300
) -> Outcome:
    worst, wrong = 0.0, []
    for name, ours, theirs in pairs:
        agrees, far = compare(ours, theirs, rtol=rtol, atol=p_floor if name.startswith("p") else atol)
        worst = max(worst, far)
        if not agrees:
            wrong.append(f"{name} {far:.1e}")
    return Outcome("differ" if wrong else "agree", worst, ", ".join(wrong))


def _better(model: Fit, case: dict) -> Outcome:
    """R failed on a singular matrix: ours must refuse with a reason or give finite numbers."""
    try:
        kind = (case.get("args") or {}).get("type") or case["id"].split("/")[2]
        table = robust_coefficients(model, correction=kind)
    except ConsilienceError as error:
        return Outcome("agree", detail=f"refused: {error}")
    fine = np.isfinite(table.se).all()
    return Outcome("agree" if fine else "differ", detail=f"R fails, ours: SE {table.se}")


def _vcov(model: Fit, case: dict) -> Outcome:
    found = robust_covariance(working_of(model), case["args"]["type"]).covariance
    if isinstance(np.ravel(case["out"]["vcov"])[0], str):
        return _better(model, case)
    theirs = np.atleast_2d(np.array(case["out"]["vcov"], dtype=float))
    return _outcome([("vcov", found, theirs)], atol=1e-9 * float(np.max(np.abs(theirs))))


def _coef_test(model: Fit, case: dict) -> Outcome:
    args, out = case["args"], case["out"]
    reference, df, p = REFERENCES[args["test"]]
    table = robust_coefficients(model, correction=args["type"], reference=reference)
    pairs = [
        ("beta", table.estimate, out["beta"]),
        ("SE", table.se, out["SE"]),
        ("tstat", table.statistic, out["tstat"]),
    ]
    if reference == "saddlepoint":
        robust = robust_covariance(working_of(model), args["type"])
        points = [saddlepoint_p(robust, i, float(t))[1] for i, t in enumerate(table.statistic)]
        pairs.append((df, points, out[df]))
    else:
        pairs.append((df, table.df, out[df]))
    pairs.append((p, table.p_value, out[p]))
    if reference != "saddlepoint":
        return _outcome(pairs)
    # R finds the saddlepoint with uniroot at its default tolerance, .Machine$double.eps^0.25, and 1 - pnorm() leaves
    # it no digits of a p-value near 1e-16
    return _outcome(pairs, rtol=2e-3, p_floor=1e-14)


def _conf_int(model: Fit, case: dict) -> Outcome:
    table, out = robust_coefficients(model, level=case["args"]["level"]), case["out"]
    return _outcome(
        [
            ("SE", table.se, out["SE"]),
            ("df", table.df, out["df"]),
            ("CI_L", table.ci_low, out["CI_L"]),
            ("CI_U", table.ci_high, out["CI_U"]),
        ]
    )


def _constraints(args: dict, p: int) -> np.ndarray:
    """constrain_zero(i) or constrain_equal(i) as rows (indices from 1)."""
    zero = args.get("constrain_zero")
    index = np.atleast_1d(zero if zero is not None else args["constrain_equal"]).astype(int) - 1
    rows = np.eye(p)[index]
    return rows if zero is not None else rows[1:] - rows[:1]


def _wald(model: Fit, case: dict) -> Outcome:
    args, out = case["args"], case["out"]
    parts = case["id"].split("/")
    correction = parts[2] if len(parts) > 2 else "CR2"
    method = WALD.get(args.get("test", "HTZ"), args.get("test", "HTZ"))
    if method not in WALD_METHODS:
        return Outcome("uncovered", detail=f"{method} is not offered")
    rows = _constraints(args, len(model.coefficients.names))
    found = wald_test(model, rows, method=method, correction=correction)
    return _outcome(
        [
            ("Fstat", found.statistic, out["Fstat"]),
            ("df_denom", found.df2, out["df_denom"]),
            ("p_val", found.p_value, out["p_val"]),
        ]
    )


def _contrast(model: Fit, case: dict) -> Outcome:
    out, table = case["out"], robust_coefficients(model)
    rows = _constraints(case["args"], len(model.coefficients.names))
    test = wald_test(model, rows, method="HTZ")
    se = float(np.sqrt(rows[0] @ table.covariance @ rows[0]))
    return _outcome(
        [("Est", rows @ table.estimate, out["Est"]), ("SE", se, out["SE"]), ("df", test.df2, out["df"])]
    )


def _metafor(model: Fit, case: dict) -> Outcome:
    out, named = case["out"], parse(case["call"].replace("<", "").replace(">", "")).named
    p = len(model.coefficients.names)
    club = named.get("clubSandwich") is True
    correction = "CR2" if club else "CR0" if named.get("adjust") is False else "CR1p"
    table = robust_coefficients(
        model, correction=correction, reference="satterthwaite" if club else "naive-tp"
    )
    constant = np.all(model.design.matrix == model.design.matrix[:1], axis=0)
    rows = np.eye(p) if constant.all() or not constant.any() else np.eye(p)[~constant]
    test = wald_test(model, rows, method="HTZ" if club else "naive-Fp", correction=correction)
    df = table.df if isinstance(out["dfs"], list) else table.df[0]
    pairs = [("beta", table.estimate, out["beta"]), ("se", table.se, out["se"]), ("dfs", df, out["dfs"])]
    pairs += [("zval", table.statistic, out["zval"]), ("pval", table.p_value, out["pval"])]
    pairs += [("ci_lb", table.ci_low, out["ci_lb"]), ("ci_ub", table.ci_high, out["ci_ub"])]
    if out["QMp"] is None:  # R could not; ours must say so too
        return _outcome([*pairs, ("QMp", test.p_value, np.nan)])
    return _outcome([*pairs, ("QM", test.statistic, out["QM"]), ("QMdf", [test.df1, test.df2], out["QMdf"])])


def _fit(model: Fit, case: dict) -> Outcome:
    """The fit itself with R's components; the search for them is the business of rma_mv."""
    c, out = model.coefficients, case["out"]
    free = replace(model.spec, terms=tuple(replace(t, variance=None) for t in model.spec.terms))
    found = fit(model.effects, free, design=model.design)
    ahead = found.loglik - (out["logLik"] if "logLik" in out else out["fit_stats"]["REML"]["ll"])
    result = _outcome([("beta", c.estimate, out["beta"]), ("se", c.se, out["se"])])
    return result if ahead > -1e-8 else Outcome("differ", ahead, f"log-likelihood lower by {-ahead:.1e}")


CHECKS = {
    "fit": _fit,
    "clubSandwich": _vcov,
    "coef_test": _coef_test,
    "conf_int": _conf_int,
    "Wald_test": _wald,
    "Wald_test_equal": _wald,
    "linear_contrast": _contrast,
    "metafor_robust": _metafor,
}
