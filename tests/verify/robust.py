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
from consilience.inference.robust import lone_rows, robust_covariance
from consilience.inference.robust_tests import saddle_weights, saddlepoint_p, tail_at
from consilience.inference.wald import WALD_METHODS
from consilience.inference.working import working_of
from consilience.likelihood.terms import partition
from consilience.models import fit
from consilience.records import Coefficients, Fit
from engine_reference import dense_eta, dense_robust

from . import Outcome, as_array, compare
from ._r_expression import parse
from ._rma_model import read_model
from ._robumeta import carried, check_clubsandwich, check_robu, check_sensitivity

TOPIC = "robust"
RTOL = 1e-6
STOPS = np.finfo(float).eps ** 0.25  # of R's uniroot
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
    named = " ".join(note.message for note in table.notes)
    fine = all(np.isfinite(se) or f'"{n}"' in named for n, se in zip(table.names, table.se, strict=True))
    return Outcome("agree" if fine else "differ", detail=f"R fails, ours: SE {table.se}")


def _vcov(model: Fit, case: dict) -> Outcome:
    found = robust_covariance(working_of(model), case["args"]["type"]).covariance
    if isinstance(np.ravel(case["out"]["vcov"])[0], str):
        return _better(model, case)
    theirs = np.atleast_2d(np.array(case["out"]["vcov"], dtype=float))
    table = robust_coefficients(model, correction=case["args"]["type"])
    known = np.ix_(np.isfinite(table.se), np.isfinite(table.se))
    result = _outcome([("vcov", found[known], theirs[known])], atol=1e-9 * float(np.max(np.abs(theirs))))
    if result.status == "agree":
        return result
    return _defined(model, case["args"]["type"], result, df=table.df, se=table.se)


def _coef_test(model: Fit, case: dict) -> Outcome:
    args, out = case["args"], case["out"]
    reference, df, p = REFERENCES[args["test"]]
    table = robust_coefficients(model, correction=args["type"], reference=reference)
    known = carried(model, table)
    named = {"beta": table.estimate, "SE": table.se, "tstat": table.statistic, df: table.df, p: table.p_value}
    if reference == "saddlepoint":
        del named[df], named[p]
    pairs = [(name, ours[known], as_array(out[name])[known]) for name, ours in named.items()]
    result = _outcome(pairs)
    if reference == "saddlepoint":
        return result if result.status != "agree" else _saddlepoints(model, args["type"], table, out, known)
    if result.status == "agree" or reference != "satterthwaite":
        return result
    return _defined(model, args["type"], result, df=table.df, se=table.se)


def _saddlepoints(model: Fit, kind: str, table: Coefficients, out: dict, known: np.ndarray) -> Outcome:
    """R finds the saddlepoint with uniroot at its default tolerance, .Machine$double.eps^0.25: ours must lie within it, and
    the p-value at R's point must be R's. 1 - pnorm() leaves R no digits of a p-value near 1e-16."""
    robust, points, theirs = (
        robust_covariance(working_of(model), kind),
        as_array(out["saddlepoint"]),
        as_array(out["p_saddle"]),
    )
    tails, far = [], 0.0
    lone = lone_rows(
        robust, np.eye(len(known))
    )  # a cluster determines it: no terms are left, R's point is rounding
    for i in np.flatnonzero(known & ~lone):
        t = float(table.statistic[i])
        far = max(far, abs(saddlepoint_p(robust, i, t)[1] - points[i]))
        tails.append(tail_at(saddle_weights(robust, i, t), points[i]))
    result = _outcome([("p_saddle", np.array(tails), theirs[known & ~lone])], p_floor=1e-14)
    return result if far < STOPS else Outcome("differ", far, f"saddlepoint {far:.1e}")


def _defined(model: Fit, kind: str, result: Outcome, **ours: Any) -> Outcome:
    """Where a cluster determines a coefficient, R inverts a singular matrix. Ours are compared with the definition by
    k x k matrices (se, df of the coefficients, or eta of `rows` by `method`)."""
    working = working_of(model)
    x, order = model.design.matrix, working.setup.problem.layout.order
    m = np.zeros((len(x), len(x)))
    for rows, block in working.blocks:
        for r, b in zip(rows, block, strict=True):
            m[np.ix_(order[r], order[r])] = np.ldexp(b, 2 * working.setup.exponent)
    weights = None
    if working.weights is not None:
        weights = np.empty(len(x))
        weights[order] = working.weights
    lone = lone_rows(robust_covariance(working, kind), np.eye(x.shape[1]))
    if not lone.any():
        return result
    cluster = partition(model.effects, (model.spec.cluster,))
    h = dense_robust(x, m, cluster, kind=kind, weights=weights)
    if "rows" in ours:
        eta = dense_eta(h, m, ours["rows"], method=ours["method"])
        again = _outcome([("eta", ours["eta"], eta)])
    else:
        known = np.isfinite(ours["se"])
        sums = np.einsum("jpk,k->jp", h, model.effects.y)
        g = np.einsum("ipk,kl,jpl->pij", h, m, h)
        df = np.trace(g, axis1=1, axis2=2) ** 2 / np.einsum("pij,pij->p", g, g)
        se = np.sqrt(np.sum(sums * sums, axis=0))
        again = _outcome([("SE", ours["se"][known], se[known]), ("df", ours["df"][known], df[known])])
    if again.status == "agree":
        return Outcome(
            "explained", again.worst, f"a cluster is fitted exactly; ours is the definition ({result.detail})"
        )
    return replace(again, detail=f"not the definition: {again.detail}")


def _conf_int(model: Fit, case: dict) -> Outcome:
    table, out = robust_coefficients(model, level=case["args"]["level"]), case["out"]
    named = {"SE": table.se, "df": table.df, "CI_L": table.ci_low, "CI_U": table.ci_high}
    known = carried(model, table)
    return _outcome([(name, ours[known], as_array(out[name])[known]) for name, ours in named.items()])


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
    pairs = [("Fstat", found.statistic, out["Fstat"]), ("df_denom", found.df2, out["df_denom"])]
    pairs.append(("p_val", found.p_value, out["p_val"]))
    if out["p_val"] is None and np.isnan(found.p_value):  # R prints a statistic without a test; ours says why
        return _outcome([] if "singular" in found.note else pairs[1:])
    result = _outcome(pairs)
    if "singular" in found.note and abs(out["Fstat"] or np.inf) > 1e10:
        return Outcome(
            "explained", detail="the robust covariance is singular; R divides by what rounding leaves"
        )
    if result.status == "agree" or method not in ("HTZ", "HTA", "EDT"):
        return result
    if (
        method == "EDT"
    ):  # it has no eta: its t statistics have the SE and df of contrasts, checked with the coefficients
        exact = lone_rows(robust_covariance(working_of(model), correction), rows).any()
        table = robust_coefficients(model, correction=correction)
        return _defined(model, correction, result, df=table.df, se=table.se) if exact else result
    return _defined(model, correction, result, rows=rows, method=method, eta=found.df2 + len(rows) - 1)


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
    if model.spec.weights:  # R maximises the likelihood of other coefficients than those it reports
        return _outcome([("beta", c.estimate, out["beta"]), ("se", c.se, out["se"])])
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
