"""rma.mh and rma.peto at 1e-9; generalised linear mixed models have no reader yet."""

from __future__ import annotations

import numpy as np

from consilience.models.stratified import mantel_haenszel, peto_odds_ratio
from consilience.records import Fit
from verify import Outcome
from verify._r_call import Call, column, parse
from verify._tally import Tally

TOPIC = "glmm_mh_peto"
EXACT = 1e-9
TESTS = {"MH": "MH", "BD": "Breslow-Day", "TA": "Tarone"}


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    call = parse(case["call"])
    if call.name not in ("rma.mh", "rma.peto"):
        return Outcome("uncovered", detail=f"no reader for {call.name}")
    if "error" in case:
        return _refused(call, datasets, case["error"])
    ours, out, tally = _fit(call, datasets), case["out"], Tally(EXACT)
    c, h = ours.coefficients, ours.heterogeneity
    values = {
        "k_yi": ours.effects.k,
        "beta": c.estimate,
        "se": c.se,
        "zval": c.statistic,
        "pval": c.p_value,
        "ci_lb": c.ci_low,
        "ci_ub": c.ci_high,
        "QE": h.q,
        "QEp": h.p_value,
        "I2": h.i2,
        "H2": h.h2,
        "logLik": _log_likelihood_of_r(call, datasets, ours) if call.name == "rma.peto" else ours.loglik,
    }
    for name, value in values.items():
        tally.add(name, value, out.get(name), atol=1e-12)
    for name, key in TESTS.items():
        if out.get(name) is not None:
            tally.add(name, ours.tests[key].statistic, out[name], rtol=1e-8)
            tally.add(f"{name}p", ours.tests[key].p_value, out[f"{name}p"], rtol=1e-7)
    return tally.outcome()


def _counts(call: Call, datasets: dict) -> list[np.ndarray]:
    data = {name: column(values) for name, values in datasets[call.kwargs["data"]].items()}
    keys = ("x1i", "t1i", "x2i", "t2i") if "x1i" in call.kwargs else ("ai", "bi", "ci", "di")
    return [data[str(call.kwargs[key])] for key in keys]


def _fit(call: Call, datasets: dict) -> Fit:
    counts = _counts(call, datasets)
    level = call.kwargs.get("level", 95.0) / 100
    if call.name == "rma.peto":
        return peto_odds_ratio(counts, level=level)
    correct = call.kwargs.get("correct", True)
    return mantel_haenszel(counts, measure=call.kwargs.get("measure", "OR"), correct=correct, level=level)


def _log_likelihood_of_r(call: Call, datasets: dict, ours: Fit) -> float:
    """R adds one half to tables with an empty cell for Peto's log-likelihood, but not for its Q (DIFFERENCES.md)."""
    tables = np.array(_counts(call, datasets))
    tables = tables[:, ~np.isnan(tables).any(axis=0)]
    tables = tables[:, tables[0] + tables[2] > 0]
    own = peto_odds_ratio(list(tables + 0.5 * (tables == 0).any(axis=0))).effects
    gap = own.y - ours.coefficients.estimate[0]
    return float(-0.5 * (np.log(2 * np.pi * own.v) + gap**2 / own.v).sum())


def _refused(call: Call, datasets: dict, error: str) -> Outcome:
    try:
        _fit(call, datasets)
    except ValueError as ours:
        return Outcome("agree", detail=f"both refuse: {ours}")
    return Outcome("differ", float("inf"), f"R refuses: {error}")
