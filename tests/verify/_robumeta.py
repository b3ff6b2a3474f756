"""robu() of robumeta: the CORR and HIER working models, user weights, and clubSandwich on top of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from consilience.inference import robust_coefficients
from consilience.inference.robust import robust_covariance
from consilience.inference.working import working_of
from consilience.likelihood.terms import partition
from consilience.models import fit
from consilience.records import Coefficients, Design, Effects, Fit, Spec

from . import Outcome, as_array, compare
from ._r_expression import Call, columns_of, model_matrix, parse, vector

RTOL = 1e-6


def _call(text: str) -> Call:
    """The robu() call, also inside coef_test()."""
    call = parse(text)
    return call if call.function == "robu" else call.args[0]


def _data(case: dict, datasets: dict) -> tuple[Effects, Design, Call]:
    call = _call(case["call"])
    data = columns_of(datasets[case["data"]])
    formula = call.args[0]
    y = vector(formula.args[0], data)
    matrix, names = model_matrix(formula, data)
    effects = Effects(
        y,
        data[call.named["var.eff.size"].text],
        data[call.named["studynum"].text].astype(object),
        columns=data,
    )
    keep = np.isfinite(effects.y) & np.isfinite(effects.v) & np.isfinite(matrix).all(axis=1)
    return effects.take(keep), Design(matrix[keep], tuple(names)), call


def _outcome(pairs: list[tuple[str, Any, Any]]) -> Outcome:
    worst, wrong = 0.0, []
    for name, ours, theirs in pairs:
        if isinstance(theirs, list) and not theirs:
            continue
        agrees, far = compare(ours, theirs, rtol=RTOL, atol=1e-14 if name in ("prob", "p_Satt") else 1e-9)
        worst = max(worst, far)
        if not agrees:
            wrong.append(f"{name} {far:.1e}")
    return Outcome("differ" if wrong else "agree", worst, ", ".join(wrong))


def carried(found: Fit, c: Coefficients) -> np.ndarray:
    """Coefficients whose robust variance we give. For the others, which the design must not determine without some cluster,
    it is zero in theory: R gives none, what rounding leaves, or what its adjustment makes of residuals of zero."""
    missing = np.isnan(c.se)
    x, cluster = found.design.matrix, partition(found.effects, (found.spec.cluster,))
    lost = np.zeros(len(missing), dtype=bool)
    for code in range(cluster.max() + 1):
        _, values, vectors = np.linalg.svd(x[cluster != code] / np.abs(x).max(axis=0))
        full = np.concatenate([values, np.zeros(len(vectors) - len(values))])
        lost |= np.abs(vectors[full <= 1e-10 * full.max()]).max(axis=0, initial=0.0) > 1e-8
    return ~(missing & lost)


def _columns(found: Fit, c: Coefficients, out: dict) -> list[tuple[str, Any, Any]]:
    known = carried(found, c)
    named = {"b.r": c.estimate, "SE": c.se, "t": c.statistic, "dfs": c.df, "prob": c.p_value}
    named |= {"CI.L": c.ci_low, "CI.U": c.ci_high}
    return [(name, ours[known], as_array(out[name])[known]) for name, ours in named.items()]


def check_robu(case: dict, datasets: dict) -> Outcome:
    """robu(): coefficients, components, I^2."""
    effects, design, call = _data(case, datasets)
    if "error" in case:  # R cannot tell two components apart; ours must say so and give the rest
        found = fit(effects, _spec(call), design=design)
        fine = found.optimum.status == "not-identified" and np.isfinite(found.coefficients.estimate).all()
        return Outcome("agree" if fine else "differ", detail="R fails; ours names what is not identified")
    out = case["out"]
    if "userweights" in call.named:
        return _user_weights(effects, design, call, out)
    found = fit(effects, _spec(call), design=design)
    small = call.named.get("small", True)
    if small:
        table = found.coefficients
    else:
        table = robust_coefficients(found, correction="CR1p", reference="naive-tp")
    # robumeta prints the covariance of large-sample fits without the factor m / (m - p) that its SEs have
    covariance = table.covariance if small else robust_coefficients(found, correction="CR0").covariance
    known = carried(found, table)
    both, theirs = np.ix_(known, known), as_array(out["VR_r"]).reshape(len(known), -1)
    pairs = [
        *_columns(found, table, out),
        ("VR", covariance[both], theirs[both]),
        ("tau2", found.components.variance[0], out["tau_sq"]),
    ]
    pairs.append(("N", effects.n_studies, out["N"]))
    if found.spec.method == "HIER":
        pairs.append(("omega2", found.components.variance[1], out["omega_sq"]))
    else:
        pairs.append(("I2", found.heterogeneity.i2, out["I2"]))
    return _outcome(pairs)


def _spec(call: Call) -> Spec:
    if call.named.get("modelweights", "CORR") == "HIER":
        return Spec.hierarchical()
    return Spec.correlated(rho=float(call.named.get("rho", 0.8)))


def _user_weights(effects: Effects, design: Design, call: Call, out: dict) -> Outcome:
    """robumeta takes each study's mean variance for the adjustment matrices but the identity for the degrees of
    freedom; the latter are computed here from our adjustment matrices."""
    study = np.unique(effects.study.astype(str), return_inverse=True)[1]
    mean = (np.bincount(study, effects.v) / np.bincount(study))[study]
    weights = vector(call.named["userweights"], dict(effects.columns))
    working = Effects(
        effects.y, mean, effects.study, columns={"w": np.broadcast_to(weights, effects.y.shape)}
    )
    found = fit(working, Spec((), "EE", "CR2", weights="w"), design=design)
    c = found.coefficients
    known = carried(found, c)
    named = {"b.r": c.estimate, "SE": c.se, "dfs": _identity_df(found)}
    return _outcome([(name, ours[known], as_array(out[name])[known]) for name, ours in named.items()])


def _identity_df(found: Fit) -> np.ndarray:
    working = working_of(found)
    robust = robust_covariance(working)
    k, p = working.basis.shape
    annihilator = np.eye(k) - working.basis @ (working.basis * working.weights[:, None]).T
    result = []
    for i in range(p):
        terms = []
        for group, adjusted in zip(robust.groups, robust.adjusted, strict=True):
            for rows, block in zip(group.rows, adjusted, strict=True):
                h = np.zeros(k)
                h[rows] = block @ working.root[i]
                terms.append(annihilator.T @ h)
        g = np.array(terms) @ np.array(terms).T
        result.append(np.trace(g) ** 2 / np.trace(g @ g))
    return np.array(result)


def check_clubsandwich(case: dict, datasets: dict) -> Outcome:
    """coef_test(robu(...), vcov = "CR2")."""
    effects, design, call = _data(case, datasets)
    found, out = fit(effects, _spec(call), design=design), case["out"]
    c = found.coefficients
    known = carried(found, c)
    named = {"beta": c.estimate, "SE": c.se, "df_Satt": c.df, "p_Satt": c.p_value}
    return _outcome([(name, ours[known], as_array(out[name])[known]) for name, ours in named.items()])


def check_sensitivity(case: dict, datasets: dict) -> Outcome:
    """The printed table of sensitivity(): coefficients, SEs and tau^2 for rho = 0, .2, ... 1, to five decimals."""
    call = re.search(r"sensitivity\((robu\(.*?\))\)\)", case["call"])
    effects, design, _ = _data({**case, "call": call[1]}, datasets)
    lines = case["out"]["text"]
    labelled = [
        re.findall(r"-?\d+\.\d{5}", line)
        for line in lines
        if re.search(r"(Coefficient|Error|Estimate)\s", line)
    ]
    last = [line.strip().strip('"') for line in lines if re.fullmatch(r"\s*-?\d+\.\d{5}\s*", line)]
    printed = np.array([[*row, end] for row, end in zip(labelled, last, strict=True)], dtype=float)
    ours = []
    for rho in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        found = fit(effects, Spec.correlated(rho=rho), design=design)
        c = found.coefficients
        ours.append([*np.column_stack([c.estimate, c.se]).ravel(), found.components.variance[0]])
    gap = np.abs(np.array(ours).T - printed)
    return Outcome(
        "agree" if np.all(gap < 6e-6) else "differ", float(np.max(gap)), "printed to five decimals"
    )
