"""metafor's escalc and summary.escalc: every measure with its options.

The call is read from its text, so other calls on other data of this form work as well. Where metafor's numbers come
from a loose optimiser or are wrong (tests/reference/DIFFERENCES.md) the case is compared as that file says.
"""

from __future__ import annotations

import re
from math import lgamma
from typing import Any

import numpy as np

from consilience.base.distributions import normal_isf, normal_sf
from consilience.base.errors import ConsilienceError
from consilience.effects.measures import effect_size
from verify import Outcome, as_array, compare

TOPIC = "escalc"
TIGHT = 1e-8
LOGICAL = {"TRUE": True, "FALSE": False}
NOT_COLUMNS = {"measure", "data", "vtype", "correct", "add", "to", "drop00", "flip"}


def arguments(call: str) -> dict[str, str]:
    """Argument name -> text of the innermost escalc(...) of a call."""
    inside = call[call.index("escalc(", call.find("summary(") + 1) + len("escalc(") :]
    depth, end = 1, 0
    while depth:
        depth += {"(": 1, ")": -1}.get(inside[end], 0)
        end += 1
    parts = re.split(r",\s*(?=[A-Za-z0-9_.]+\s*=)", inside[: end - 1])
    return {name.strip(): value.strip() for name, value in (part.split("=", 1) for part in parts)}


def value_of(text: str) -> Any:
    """An R literal: string, logical or number."""
    if text in LOGICAL:
        return LOGICAL[text]
    return text.strip("\"'") if text[0] in "\"'" else float(text)


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    given = arguments(case["call"])
    data = datasets[given.get("data", case["data"])]
    table = {name: as_array(data[text]) for name, text in given.items() if name not in NOT_COLUMNS}
    choices = {name: value_of(given[name]) for name in NOT_COLUMNS - {"measure", "data"} if name in given}
    measure = value_of(given["measure"])
    if "error" in case:
        return _refusal(measure, table, choices, case["error"])
    effects = effect_size(measure, table, **choices)
    if case["call"].startswith("summary("):
        return _summary(effects.y, effects.v, case)
    if measure in ("RTET", "ZTET"):
        return _tetrachoric(effects, case)
    if measure in ("R2F", "ZR2F"):
        return _fixed_predictors(effects, case, table)
    # metafor can keep a variance where it has no estimate; there is nothing to compare then
    theirs = np.where(np.isnan(as_array(case["out"]["yi"])), np.nan, as_array(case["out"]["vi"]))
    y_agrees, y_worst = compare(effects.y, case["out"]["yi"], rtol=TIGHT, atol=1e-12)
    v_agrees, v_worst = compare(effects.v, theirs, rtol=TIGHT)
    agree = y_agrees and v_agrees
    detail = "" if agree else f"yi {y_worst:.1e}, vi {v_worst:.1e}"
    return Outcome("agree" if agree else "differ", max(y_worst, v_worst), detail)


def _fixed_predictors(effects: Any, case: dict, table: dict) -> Outcome:
    """The estimates must agree with metafor's, the variances with the exact ones (DIFFERENCES.md)."""
    agree, worst = compare(effects.y, case["out"]["yi"], rtol=TIGHT)
    if not agree:
        return Outcome("differ", worst, "yi")
    r2 = np.tanh(effects.y) ** 2 if case["call"].startswith('escalc(measure = "ZR2F"') else effects.y
    predictors, n = table["mi"], table["ni"]
    exact = np.array([_exact_variance(*row) for row in zip(r2, n, predictors, strict=True)])
    if case["call"].startswith('escalc(measure = "ZR2F"'):
        exact = exact / (4 * r2 * (1 - r2) ** 2)  # the slope of atanh(sqrt(R^2)), squared
    close, gap = compare(effects.v, exact, rtol=0.12)
    return Outcome(
        "explained" if close else "differ", worst, f"vi: ours within {gap:.0%} of the exact variance"
    )


def _exact_variance(r2: float, n: float, predictors: float) -> float:
    """Var(R^2) with fixed predictors: moments of the noncentral beta distribution as a Poisson mixture."""
    half = n * r2 / (1 - r2) / 2
    j = np.arange(int(half + 15 * np.sqrt(half) + 60))
    log_weight = -half + j * np.log(half) - np.array([lgamma(i + 1.0) for i in j])
    weight, a, b = np.exp(log_weight), predictors / 2 + j, (n - predictors - 1) / 2
    first = np.sum(weight * a / (a + b))
    return float(np.sum(weight * a * (a + 1) / ((a + b) * (a + b + 1))) - first**2)


def _refusal(measure: str, table: dict, choices: dict, theirs: str) -> Outcome:
    try:
        effect_size(measure, table, **choices)
    except ConsilienceError as ours:
        return Outcome("agree", detail=f"both refuse: {ours}")
    return Outcome("differ", float("inf"), f"metafor refuses ({theirs}), we do not")


def _tetrachoric(effects: Any, case: dict) -> Outcome:
    """metafor maximises the likelihood by Nelder-Mead: 1e-3 on yi, 1e-2 on vi, no estimate on the boundary."""
    theirs = as_array(case["out"]["yi"]), as_array(case["out"]["vi"])
    cells = [effects.columns[name] for name in ("events1", "nonevents1", "events2", "nonevents2")]
    inside = np.all(np.stack(cells) > 0, axis=0)
    near, y_worst = compare(effects.y[inside], theirs[0][inside], rtol=1e-3, atol=1e-4)
    spread, v_worst = compare(effects.v[inside], theirs[1][inside], rtol=1e-2)
    return Outcome("agree" if near and spread else "differ", max(y_worst, v_worst))


def _summary(y: np.ndarray, v: np.ndarray, case: dict) -> Outcome:
    """Estimate, standard error, z, p and interval; transf = exp is applied to estimate and limits."""
    level = re.search(r"level\s*=\s*([\d.]+)", case["call"])
    tail = (100 - float(level.group(1) if level else 95)) / 200
    half, se = normal_isf(tail) * np.sqrt(v), np.sqrt(v)
    ours = {"yi": y, "sei": se, "zi": y / se, "pval": 2 * normal_sf(np.abs(y / se))}
    ours |= {"ci_lb": y - half, "ci_ub": y + half}
    if re.search(r"transf\s*=\s*exp", case["call"]):
        ours |= {name: np.exp(ours[name]) for name in ("yi", "ci_lb", "ci_ub")}
    found = [compare(ours[name], theirs, rtol=TIGHT, atol=1e-12) for name, theirs in case["out"].items()]
    return Outcome("agree" if all(ok for ok, _ in found) else "differ", max(worst for _, worst in found))
