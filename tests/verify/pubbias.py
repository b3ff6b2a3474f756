"""Small-study effects and selection: regtest, ranktest, trimfill, fsn, tes, PET and PEESE, meta's metabias, metasens' limitmeta.

Tests agree to 1e-8. An iterated tau^2 of R stops up to 1e-4 away from the solution (as in rma_uni): it must lie that near to
ours, and all else is compared at R's own tau^2: as printed for trimfill, else the one that gives R's statistic or adjusted effect.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from consilience.diagnostics.small_study import (
    PREDICTORS,
    asymmetry_test,
    excess_significance,
    fail_safe_n,
    limit_meta,
    trim_and_fill,
)
from consilience.diagnostics.small_study.studies import studies_of
from consilience.models import fit
from consilience.records import Design, Effects, Fit, Intercept, Spec
from consilience.records.small_study import Asymmetry
from verify import Outcome, as_array
from verify._r_call import Call, column, design, numbers, parse
from verify._tally import Tally

TOPIC = "pubbias"
EXACT, STOPPING = 1e-8, 1.3e-4
R_TESTS = {"z": "z", "t": "t", "knha": "knapp-hartung", "adhoc": "knapp-hartung-floor"}
R_PREDICTORS = {
    "sei": "se",
    "vi": "variance",
    "ni": "n",
    "ninv": "1/n",
    "sqrtni": "sqrt-n",
    "sqrtninv": "1/sqrt-n",
}
COLUMNS = {"ai": "events1", "n1i": "n1", "ci": "events2", "n2i": "n2", "ni": "n"}
META = {
    "Egger": "egger",
    "Begg": "begg",
    "Thompson": "thompson-sharp",
    "Harbord": "harbord",
    "Peters": "peters",
    "Macaskill": "macaskill",
    "Deeks": "deeks",
    "Schwarzer": "schwarzer",
    "Pustejovsky": "pustejovsky-rodgers",
}
CLOSED = ("EE", "FE", "CE", "DL", "HE", "HS", "HSk", "SJ")
Check = Callable[[Call, dict, dict], Outcome]


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    call = parse(case["call"])
    while isinstance(call, Call) and call.name in ("suppressWarnings", "suppressMessages"):
        call = call.args[0]
    name = call.name.split("::")[-1]
    if name in ("selmodel", "copas"):
        return _selection(case, datasets, cases)
    if name not in CHECKS:
        return Outcome("uncovered", detail=f"no reader for {call.name}")
    if "error" in case:
        return _refused(name, call, datasets, case["error"])
    return CHECKS[name](call, datasets, case["out"])


def _selection(case: dict, datasets: dict, cases: dict) -> Outcome:
    try:
        module = importlib.import_module("verify._selection")
    except ModuleNotFoundError:
        return Outcome("uncovered", detail="no reader for selection models")
    found: Outcome = module.check_selection(case, datasets, cases)
    return found


def _refused(name: str, call: Call, datasets: dict, error: str) -> Outcome:
    try:
        CHECKS[name](call, datasets, {})
    except ValueError as ours:
        return Outcome("agree", detail=f"both refuse: {ours}")
    except KeyError:  # ours went on to the comparison
        if "converge" in error:
            return Outcome("agree", detail=f"R stops ({error}); ours answers")
    return Outcome("differ", float("inf"), f"R refuses: {error}")


def _data(name: Any, datasets: dict) -> dict[str, np.ndarray]:
    return {key: column(values) for key, values in datasets[str(name)].items()}


def _column(data: dict[str, np.ndarray], expression: Any) -> np.ndarray:
    """`vi`, `sqrt(vi)` or `I(vi^2)`."""
    if isinstance(expression, Call) and expression.name == "sqrt":
        return np.sqrt(_column(data, expression.args[0]))
    return np.asarray(data[str(expression)], dtype=float)


def _effects(y: np.ndarray, v: np.ndarray, data: dict[str, np.ndarray]) -> Effects:
    """Complete rows of the data set as effects with its counts."""
    known = np.isfinite(y) & np.isfinite(v)
    columns = {COLUMNS[key]: values for key, values in data.items() if key in COLUMNS}
    labels = np.arange(1, len(y) + 1).astype(str).astype(object)
    effects = Effects(np.where(known, y, 0.0), np.where(known, v, 1.0), labels, columns=columns)
    return effects.take(known)


def _generic(call: Call, datasets: dict) -> Effects:
    """Effects of `f(yi, vi, data = d)`."""
    data = _data(call.kwargs["data"], datasets)
    y, v = (
        _column(data, call.kwargs.get(key, call.args[i] if len(call.args) > i else key))
        for i, key in enumerate(("yi", "vi"))
    )
    named = {key: _column(data, value) for key, value in call.kwargs.items() if key in COLUMNS}
    return _effects(y, v, data | named)


def _method(call: Call) -> str:
    method = str(call.kwargs.get("method", "REML"))
    return "EE" if method in ("FE", "EE", "CE") else method


def _level(call: Call) -> float:
    level = float(call.kwargs.get("level", 95))
    return level / 100 if level > 1 else level


def _rma(call: Call, datasets: dict) -> Fit:
    """A model of rma(): the pooled mean or a regression on functions of the variances."""
    effects, method = _generic(call, datasets), _method(call)
    spec = Spec(
        () if method == "EE" else (Intercept(("row",)),),
        method,  # type: ignore[arg-type]
        R_TESTS[str(call.kwargs.get("test", "z"))],  # type: ignore[arg-type]
        level=_level(call),
    )
    if "mods" not in call.kwargs:
        return fit(effects, spec)
    return fit(effects, spec, design=_moderators(str(call.kwargs["mods"]), effects))


def _moderators(formula: str, effects: Effects) -> Design:
    known = {"sqrt(vi)": np.sqrt(effects.v), "vi": effects.v, "I(vi)": effects.v, **effects.columns}
    text = formula
    for i, key in enumerate(known):
        if key in text:
            text = text.replace(key, f"v{i}") if not key.isidentifier() else text
    data = {f"v{i}": values for i, values in enumerate(known.values())} | {
        key: values for key, values in known.items() if key.isidentifier()
    }
    matrix, names = design(text, data, effects.k)
    return Design(matrix, tuple(names), formula)


def _test_at(effects: Effects, predictor: str, how: tuple[Spec, float]) -> Asymmetry:
    """The regression with a given tau^2."""
    spec, tau2 = how
    model = fit(effects, replace(spec, terms=(Intercept(("row",), tau2),)))
    return asymmetry_test(model, predictor=predictor, reference=spec.test, force=True)


def _their_tau2(effects: Effects, predictor: str, spec: Spec, statistic: float) -> tuple[float, float]:
    """Our tau^2 of the regression and, not further off than R's stopping rule, the one that gives R's statistic."""
    found = asymmetry_test(fit(effects, spec), predictor=predictor, reference=spec.test, force=True)
    x = PREDICTORS[predictor].values(studies_of(effects))[0]
    free = fit(effects, spec, design=Design(np.column_stack([np.ones(effects.k), x]), ("intercept", "x")))
    ours = free.components.total

    def gap(tau2: float) -> float:
        return _test_at(effects, predictor, (spec, tau2)).statistic - statistic

    if abs(found.statistic - statistic) <= EXACT * abs(statistic):
        return ours, ours
    low, high = max(0.0, ours - STOPPING), ours + STOPPING
    return ours, float(brentq(gap, low, high, xtol=1e-15)) if gap(low) * gap(high) < 0 else np.inf


def _regtest(call: Call, datasets: dict, out: dict) -> Outcome:
    predictor = R_PREDICTORS[str(call.kwargs.get("predictor", "sei"))]
    if call.args and isinstance(call.args[0], Call):
        model = _rma(call.args[0], datasets)
        effects, spec = model.effects, model.spec
    else:
        effects, method = _generic(call, datasets), _method(call)
        terms = () if method == "EE" else (Intercept(("row",)),)
        spec = Spec(terms, method, R_TESTS[str(call.kwargs.get("test", "z"))])  # type: ignore[arg-type]
    tally = Tally(EXACT)
    if call.kwargs.get("model", "rma") == "lm":
        found = asymmetry_test(effects, test="egger", predictor=predictor, force=True)
    elif spec.method in CLOSED:
        found = asymmetry_test(fit(effects, spec), predictor=predictor, reference=spec.test, force=True)
    else:
        ours, theirs = _their_tau2(effects, predictor, spec, out["zval"])
        tally.add("tau2 at R's stopping rule", ours, theirs, rtol=0.0, atol=STOPPING)
        found = _test_at(effects, predictor, (spec, theirs if np.isfinite(theirs) else ours))
    tally.add("zval", found.statistic, out.get("zval"))
    tally.add("pval", found.p_value, out.get("pval"), rtol=1e-7)
    tally.add("dfs", found.df, out.get("dfs"))
    if found.limit is None:
        if out.get("est"):
            tally.wrong.append("no limit estimate of ours")
        return tally.outcome()
    width = found.limit.high - found.limit.low
    limits = (found.limit.estimate, found.limit.low, found.limit.high)
    for name, value in zip(("est", "ci_lb", "ci_ub"), limits, strict=True):
        tally.add(name, value, out.get(name), rtol=1e-7, atol=1e-7 * width)
    return tally.outcome()


def _ranktest(call: Call, datasets: dict, out: dict) -> Outcome:
    effects = (
        _rma(call.args[0], datasets).effects if isinstance(call.args[0], Call) else _generic(call, datasets)
    )
    exact = call.kwargs.get("exact", True)
    found = asymmetry_test(effects, test="begg", reference="" if exact else "z", force=True)
    tally = Tally(EXACT)
    tally.add("tau", found.estimate, out.get("tau"))
    tally.add("pval", found.p_value, out.get("pval"))
    return tally.outcome()


def _trimfill(call: Call, datasets: dict, out: dict) -> Outcome:
    model = _rma(call.args[0], datasets)
    side = str(call.kwargs.get("side", "auto"))
    found = trim_and_fill(model, estimator=call.kwargs.get("estimator", "L0"), side=side)  # type: ignore[arg-type]
    tally, iterated = Tally(EXACT), model.spec.method not in CLOSED
    for name, value in (("side", found.side), ("estimator", found.estimator)):
        if out.get(name, value) != value:
            tally.wrong.append(f"{name}: {value} against {out[name]}")
    tally.add("k0", found.k0, out.get("k0"))
    tally.add("se_k0", found.se_k0, out.get("se_k0"))
    tally.add("p_k0", found.p_k0, out.get("p_k0"))
    y, v = (as_array(out.get(name) or []) for name in ("yi_filled", "vi_filled"))
    mine, theirs = np.argsort(found.added_y), np.argsort(y)
    near = 1e-4 * float(found.filled.coefficients.se[0]) if iterated else EXACT
    tally.add("yi_filled", found.added_y[mine], y[theirs], atol=near)
    tally.add("vi_filled", found.added_v[mine], v[theirs])
    if tally.wrong:
        return tally.outcome()
    filled = found.filled
    if iterated:  # at R's tau^2 and R's added studies, which stand a little off, too
        tally.add("tau2 at R's stopping rule", filled.components.total, out["tau2"], rtol=0.0, atol=STOPPING)
        spec = replace(model.spec, terms=(Intercept(("row",), float(out["tau2"])),))
        own = filled.effects.y[: model.effects.k]
        filled = fit(replace(filled.effects, y=np.concatenate([own, y[theirs][np.argsort(mine)]])), spec)
    c = filled.coefficients
    tally.add("k", filled.effects.k, out.get("k"))
    tally.add("tau2", filled.components.total, out.get("tau2"), atol=1e-12)
    tally.add("QE", filled.heterogeneity.q, out.get("QE"))
    for name, values in (("beta", c.estimate), ("se", c.se), ("ci_lb", c.ci_low), ("ci_ub", c.ci_high)):
        tally.add(name, values, out.get(name), atol=1e-9)
    return tally.outcome()


def _fsn(call: Call, datasets: dict, out: dict) -> Outcome:
    kind = str(call.kwargs.get("type", "Rosenthal"))
    if kind not in ("Rosenthal", "Rosenberg", "Orwin"):
        return Outcome("uncovered", detail=f'no fail-safe number "{kind}"')
    target = call.kwargs.get("target")
    found = fail_safe_n(
        _generic(call, datasets),
        alpha=float(call.kwargs.get("alpha", 0.05)),
        target=None if target is None else float(numbers(target)[0]),
        weighted=bool(call.kwargs.get("weighted", False)),
    )[kind]
    tally = Tally(EXACT)
    tally.add("fsnum", found.n, out.get("fsnum"))
    tally.add("pval", found.p_value, out.get("pval"))
    tally.add("est", found.estimate, out.get("est"))
    return tally.outcome()


def _tes(call: Call, datasets: dict, out: dict) -> Outcome:
    if call.args and isinstance(call.args[0], Call):
        found = excess_significance(_rma(call.args[0], datasets))
    else:
        found = excess_significance(_generic(call, datasets), alpha=float(call.kwargs.get("alpha", 0.05)))
    tally = Tally(1e-6)  # R integrates the power over the true effects numerically
    tally.add("O", found.observed, out.get("O"))
    tally.add("E", found.expected, out.get("E"))
    tally.add("theta", found.effect, out.get("theta"))
    p = {"chi2": found.p_chi2, "binom": found.p_binomial, "exact": found.p_exact}
    tally.add("pval", p[str(out.get("test", call.kwargs.get("test", "exact")))], out.get("pval"))
    return tally.outcome()


def _model(call: Call, datasets: dict, out: dict) -> Outcome:
    """PET and PEESE by rma()."""
    found = _rma(call, datasets)
    tally = Tally(EXACT)
    if found.spec.method not in CLOSED:
        tally.add("tau2 at R's stopping rule", found.components.total, out["tau2"], rtol=0.0, atol=STOPPING)
        spec = replace(found.spec, terms=(Intercept(("row",), float(out["tau2"])),))
        found = fit(found.effects, spec, design=found.design)
    c = found.coefficients
    for name, value in (("beta", c.estimate), ("se", c.se), ("zval", c.statistic), ("pval", c.p_value)):
        tally.add(name, value, out.get(name))
    tally.add("ci_lb", c.ci_low, out.get("ci_lb"))
    tally.add("ci_ub", c.ci_high, out.get("ci_ub"))
    return tally.outcome()


def _lm(call: Call, datasets: dict, out: dict) -> Outcome:
    """PET and PEESE by lm(yi ~ sqrt(vi), weights = 1/vi): equal effects times the observed dispersion."""
    response, formula = (part.strip() for part in str(call.args[0]).split("~"))
    data = _data(call.kwargs["data"], datasets)
    if call.kwargs.get("weights") not in ("1/vi", "1 / vi"):
        return Outcome("uncovered", detail=f"weights {call.kwargs.get('weights')}")
    effects = _effects(data[response], data["vi"], data)
    c = fit(
        effects, Spec.equal_effects("knapp-hartung"), design=_moderators(f"~ {formula}", effects)
    ).coefficients
    tally = Tally(EXACT)
    for name, value in (("beta", c.estimate), ("se", c.se), ("t", c.statistic), ("p", c.p_value)):
        tally.add(name, value, out.get(name))
    return tally.outcome()


def _meta(call: Call, datasets: dict) -> Effects:
    """Effects of meta::metagen(yi, sqrt(vi), data = d) or meta::metabin(ai, n1i, ci, n2i, data = d, sm = "OR")."""
    data = _data(call.kwargs["data"], datasets)
    if call.name.split("::")[-1] == "metagen":
        return _effects(_column(data, call.args[0]), _column(data, call.args[1]) ** 2, data)
    a, n1, c, n2 = cells = [_column(data, part) for part in call.args[:4]]
    plus = 0.5 * ((a == 0) | (c == 0) | (a == n1) | (c == n2))
    with np.errstate(all="ignore"):
        y = np.log((a + plus) * (n2 - c + plus) / ((n1 - a + plus) * (c + plus)))
        v = 1 / (a + plus) + 1 / (n1 - a + plus) + 1 / (c + plus) + 1 / (n2 - c + plus)
    empty = ((a == 0) & (c == 0)) | ((a == n1) & (c == n2))
    named = dict(zip(("ai", "n1i", "ci", "n2i"), cells, strict=True))
    return _effects(np.where(empty, np.nan, y), v, data | named)


def _metabias(call: Call, datasets: dict, out: dict) -> Outcome:
    inner, kind = call.args[0], str(call.kwargs.get("method.bias", "Egger"))
    if kind not in META or inner.kwargs.get("sm", "OR") != "OR":
        return Outcome("uncovered", detail=f"no test {kind} for {inner.kwargs.get('sm')}")
    method = str(inner.kwargs.get("method.tau", "REML"))
    rank, effects = kind in ("Begg", "Schwarzer"), _meta(inner, datasets)
    found = asymmetry_test(effects, test=META[kind], method=method, reference="z" if rank else "", force=True)
    tally = Tally(EXACT)
    if kind == "Thompson" and method not in CLOSED:
        spec = Spec.random_effects(method, "t")  # type: ignore[arg-type]
        tally.add("near", found.statistic, out["statistic"], rtol=1e-3)
        ours, theirs = _their_tau2(effects, "se", spec, out["statistic"])
        tally.add("tau2 at R's stopping rule", ours, theirs, rtol=0.0, atol=STOPPING)
        found = _test_at(effects, "se", (spec, theirs if np.isfinite(theirs) else ours))
    tally.add("statistic", found.statistic, out.get("statistic"))
    tally.add("p", found.p_value, out.get("p"), rtol=1e-7)
    tally.add("df", found.df, out.get("df"))
    if not rank:
        tally.add("estimate", [found.estimate, found.se], out.get("estimate"), rtol=1e-7)
    return tally.outcome()


def _limitmeta(call: Call, datasets: dict, out: dict) -> Outcome:
    """At R's own tau, which its adjusted effect betrays: TE_adjust = beta + tau alpha; near to ours besides."""
    effects = _meta(call.args[0], datasets)
    ours = limit_meta(effects, method=str(call.args[0].kwargs.get("method.tau", "")))
    alpha, beta = (float(as_array(out[name])[0]) for name in ("alpha_r", "beta_r"))
    tau = (float(out["TE_adjust"]) - beta) / alpha
    found = limit_meta(effects, tau2=tau**2)
    tally = Tally(EXACT)
    tally.add("tau2 at R's stopping rule", ours.tau2, found.tau2, rtol=0.0, atol=STOPPING)
    values = {
        "TE_adjust": found.estimate,
        "seTE_adjust": found.se,
        "lower": found.ci_low,
        "upper": found.ci_high,
        "alpha_r": found.alpha,
        "beta_r": found.beta,
        "Q_small": found.q_small,
        "Q_resid": found.q_residual,
        "G2": found.g2,
        "TE_limit": found.limit_effects,
    }
    for name, value in values.items():
        tally.add(name, value, out.get(name), rtol=1e-7 if name != "Q_resid" else None, atol=1e-9)
    return tally.outcome()


CHECKS: dict[str, Check] = {
    "regtest": _regtest,
    "ranktest": _ranktest,
    "trimfill": _trimfill,
    "fsn": _fsn,
    "tes": _tes,
    "rma": _model,
    "rma.uni": _model,
    "lm": _lm,
    "metabias": _metabias,
    "limitmeta": _limitmeta,
}
