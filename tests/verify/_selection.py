"""selmodel() of pubbias files: the likelihood at R's own estimates, then the maximum.

R maximises numerically (optim) and integrates at a relative tolerance of 1e-4, so its estimates are compared where its
search arrived; elsewhere our likelihood must agree with R's at R's estimates and be higher at ours. Where R's integral is
inexact (families with censored p-values), an adaptive quadrature of our own decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from consilience.diagnostics.selection import selection_model
from consilience.diagnostics.selection.profile import setup_again
from consilience.likelihood.selection import evaluate
from consilience.models import fit
from consilience.records.selection import SelectionModel
from verify import Outcome, as_array
from verify._r_expression import Call, parse, values
from verify._rma_model import read_model
from verify._tally import Tally

KINDS = {
    "stepfun": "step",
    "beta": "beta",
    "halfnorm": "half-normal",
    "negexp": "negative-exponential",
    "logistic": "logistic",
    "power": "power",
    "negexppow": "exponential-power",
    "halfnorm2": "half-normal-floor",
    "negexp2": "negative-exponential-floor",
    "logistic2": "logistic-floor",
    "power2": "power-floor",
    "trunc": "truncated",
    "truncest": "truncated-estimated",
}
PRECISION = {"sei": "se", "vi": "v", "ninv": "1/n", "sqrtninv": "1/sqrt(n)"}
ARRIVED = 1e-7  # log-likelihood that R may miss before its estimates are those of a search that stopped early
TOLERANCE = 1e-3
CORNERS = (-8.0, -4.264890793922825, -2.0, 0.0, 1.959963984540054, 4.264890793922825, 8.0)


@dataclass(frozen=True)
class Asked:
    """What R was asked: options of ours, and the case of the model inside the call."""

    options: dict[str, Any]
    inner: dict[str, Any]
    data: dict[str, np.ndarray]


def read_call(case: dict) -> Asked:
    """selmodel(rma(...), type = ..., ...) as our options."""
    call = parse(case["call"])
    text = case["call"].split("selmodel(", 1)[1]
    depth = np.cumsum([(c == "(") - (c == ")") for c in text])
    end = next(i for i, c in enumerate(text) if c == ")" and depth[i] == 0)
    named = call.named
    options: dict[str, Any] = {"kind": KINDS[named["type"]]}
    options["alternative"] = str(named.get("alternative", "greater")).replace(".", "-")
    if "steps" in named:
        steps = np.ravel(values(named["steps"]) if isinstance(named["steps"], Call) else [named["steps"]])
        options["steps"] = tuple(float(s) for s in steps if s < 1 or options["kind"] == "beta")
    if "delta" in named:
        given = np.ravel(values(named["delta"]) if isinstance(named["delta"], Call) else [named["delta"]])
        options["weights"] = [None if np.isnan(float(x)) else float(x) for x in given]
    if "prec" in named:
        options["precision"] = PRECISION[named["prec"]]
    if named.get("decreasing") is True:
        options["decreasing"] = True
    return Asked(options, {"call": text[: end + 1], "data": case["data"], "out": {}}, {})


def check_selection(case: dict, datasets: dict, cases: dict) -> Outcome:
    """One case of selmodel()."""
    asked = read_call(case)
    model = read_model(asked.inner, datasets)
    labels = np.array([str(i) for i in range(model.effects.k)], dtype=object)
    plain = fit(replace(model.effects, study=labels), model.spec, design=model.design)
    try:
        ours = selection_model(plain, **asked.options)
    except ValueError as refusal:
        status = "agree" if "error" in case else "differ"
        return Outcome(status, 0.0 if status == "agree" else float("inf"), f"we refuse: {refusal}")
    if "error" in case:
        good = ours.optimum.status in ("converged", "boundary")
        return Outcome(
            "explained" if good else "differ",
            0.0,
            f"R's search failed; ours {ours.optimum.status}, score {ours.optimum.score:.0e}",
        )
    return _compare(ours, case["out"])


def _compare(ours: SelectionModel, out: dict[str, Any]) -> Outcome:
    tally, reasons = Tally(TOLERANCE), []
    at = _at_r(ours, out)
    theirs = float(out["logLik"])
    if abs(at.loglik - theirs) > 1e-6:
        exact = quadrature(ours, at.turned)
        tally.add("logLik at R, by quadrature", at.loglik, exact, rtol=0.0, atol=1e-8)
        reasons.append(f"R's integral is off by {theirs - exact:+.1e}")
    if ours.loglik < at.loglik - 1e-9:
        tally.wrong.append(f"logLik {ours.loglik} below {at.loglik}")
    inexact = abs(at.loglik - theirs) > 1e-6
    if inexact and _errors_differ(ours, out, at):
        own = curvature_errors(ours, at.turned, at.se)
        tally.add("standard errors, by quadrature", at.se, own, rtol=1e-3)
        reasons.append("R's standard errors are differences of that integral")
    elif not inexact:
        _errors_at_r(tally, ours, out, at)
    gain = ours.loglik - at.loglik
    if gain > ARRIVED:
        reasons.append(f"R stopped {gain:.1e} below the highest likelihood")
    else:
        for name, value in (
            ("beta", ours.coefficients.estimate),
            ("tau2", ours.tau2),
            ("delta", _delta(ours)),
        ):
            tally.add(name, value, as_array(out[name]), atol=1e-5)
        for name, value in (("se", ours.coefficients.se), ("se_tau2", ours.tau2_se)):
            if not inexact:
                _errors(tally, name, value, out.get(name))
    _tests(tally, ours, out, reasons)
    outcome = tally.outcome()
    if outcome.status == "agree" and reasons:
        return Outcome("explained", outcome.worst, "; ".join(reasons))
    return outcome


@dataclass(frozen=True)
class _At:
    """Our likelihood at R's estimates: turned parameters, value, standard errors (p + 1 + d)."""

    turned: np.ndarray
    loglik: float
    se: np.ndarray


def _delta(ours: SelectionModel) -> np.ndarray:
    return ours.weights.estimate[1:] if ours.kind.startswith("truncated") else ours.weights.estimate


def _at_r(ours: SelectionModel, out: dict[str, Any]) -> _At:
    setup = setup_again(ours)
    p, family = setup.problem.p, setup.family
    delta = as_array(out["delta"])
    if ours.kind == "step" or ours.kind.startswith("truncated"):
        full = delta if ours.kind == "step" else np.concatenate([[1.0], delta])
        free = ~ours.weights.given
        own = np.log(full[free])
        if ours.decreasing:
            own = -np.diff(np.concatenate([[0.0], own]))
    else:
        own = delta[~ours.weights.given]
    turned = np.concatenate([setup.sign * as_array(out["beta"]), [float(out["tau2"])], own])
    found = evaluate(setup.problem, turned[None])
    keep = (setup.lower < setup.upper) & ((np.arange(len(turned)) != p) | (turned[p] > 1e-4))
    covariance = np.full((len(turned), len(turned)), np.nan)
    covariance[np.ix_(keep, keep)] = np.linalg.pinv(-found.hessian[0][np.ix_(keep, keep)])
    _, jacobian = family.to_delta(turned[p + 1 :])
    variances = np.diagonal(covariance)
    delta_se = np.sqrt(
        np.maximum(np.diagonal(jacobian @ np.nan_to_num(covariance[p + 1 :, p + 1 :]) @ jacobian.T), 0.0)
    )
    with np.errstate(invalid="ignore"):
        se = np.concatenate([np.sqrt(variances[: p + 1]), delta_se])
    return _At(turned, float(found.loglik[0]), se)


def _errors_at_r(tally: Tally, ours: SelectionModel, out: dict[str, Any], at: _At) -> None:
    """R's standard errors against our curvature at its estimates; its gradient there must be small enough to compare."""
    setup = setup_again(ours)
    found = evaluate(setup.problem, at.turned[None])
    free = (setup.lower < setup.upper) & np.isfinite(found.gradient[0])
    curvature = np.abs(np.diagonal(found.hessian[0]))
    score = np.abs(found.gradient[0][free]) / np.sqrt(curvature[free])
    if score.max(initial=0.0) > 1e-3:
        return  # away from a maximum, curvature in delta and in log delta differ
    p = len(ours.coefficients.estimate)
    for name, value in (("se", at.se[:p]), ("se_tau2", at.se[p])):
        _errors(tally, f"{name} at R", value, out.get(name))


def _errors_differ(ours: SelectionModel, out: dict[str, Any], at: _At) -> bool:
    trial = Tally(TOLERANCE)
    _errors_at_r(trial, ours, out, at)
    return bool(trial.wrong)


def _errors(tally: Tally, name: str, ours: Any, theirs: Any) -> None:
    """Standard errors; R's are missing where its Hessian could not be inverted."""
    a, b = np.ravel(ours), as_array(theirs) if theirs is not None else np.full(np.size(ours), np.nan)
    both = np.isfinite(a) & np.isfinite(b)
    if both.any():
        tally.add(name, a[both], b[both], rtol=5e-3)


def _tests(tally: Tally, ours: SelectionModel, out: dict[str, Any], reasons: list[str]) -> None:
    """R tests from its own maxima: its statistic cannot exceed ours by more than the model without selection misses."""
    plain = ours.unadjusted.loglik
    if out.get("LRTdf"):
        tally.add(
            "LRT of R's maximum",
            2 * (float(out["logLik"]) - plain),
            out["LRT_selmodel"],
            rtol=1e-3,
            atol=2e-5,
        )
        if ours.test is not None:
            tally.add("LRTdf", ours.test.df1, out["LRTdf"])
    theirs = out.get("LRT_tau2")
    if theirs is None or ours.tau2_test is None:
        return
    restricted = ours.loglik - 0.5 * ours.tau2_test.statistic
    r_restricted = float(out["logLik"]) - 0.5 * float(theirs)
    if r_restricted > restricted + 1e-4:
        tally.wrong.append(f"log-likelihood at tau2 = 0: {restricted} below R's {r_restricted}")
    elif r_restricted < restricted - 1e-4 * max(1.0, abs(restricted)):
        reasons.append("R stopped early at tau2 = 0")


def quadrature(ours: SelectionModel, turned: np.ndarray) -> float:
    """The log-likelihood by Simpson's rule on a dense grid of z, from the printed formula of the selection function."""
    setup = setup_again(ours)
    problem, p = setup.problem, setup.problem.p
    mean, total = problem.x[0] @ turned[:p], problem.v[0] + turned[p]
    se, root = problem.se[0], np.sqrt(total)
    ends = [float(np.min((mean - 12 * root) / se)), float(np.max((mean + 12 * root) / se))]
    edges = sorted({*ends, *(x for x in CORNERS if ends[0] < x < ends[1])})
    own, area = turned[p + 1 :], np.zeros(len(mean))
    for low, high in pairwise(edges):
        n = 2 * int(np.ceil((high - low) / 0.01)) + 2
        z = np.linspace(low, high, n + 1)[:, None]
        rule = np.full(n + 1, 2.0)
        rule[1::2], rule[[0, -1]] = 4.0, 1.0
        inside = weight_of(ours, z, own) * np.exp(-0.5 * (z * se - mean) ** 2 / total)
        area += (high - low) / (3 * n) * (rule @ inside)
    area *= se / np.sqrt(2 * np.pi * total)
    seen = np.log(weight_of(ours, (problem.y[0] / se)[None], own)[0])
    return float(
        np.sum(seen - 0.5 * (np.log(2 * np.pi * total) + (problem.y[0] - mean) ** 2 / total) - np.log(area))
    )


def curvature_errors(ours: SelectionModel, turned: np.ndarray, se: np.ndarray) -> np.ndarray:
    """(P,) standard errors from second differences of `quadrature`, with steps of a hundredth of `se`."""
    n, steps = len(turned), 0.01 * se
    hessian = np.empty((n, n))
    unit = np.diag(steps)
    for i in range(n):
        for j in range(i + 1):
            terms = [
                s * t * quadrature(ours, turned + s * unit[i] + t * unit[j]) for s in (1, -1) for t in (1, -1)
            ]
            hessian[i, j] = hessian[j, i] = sum(terms) / (4 * steps[i] * steps[j])
    return np.asarray(np.sqrt(np.diagonal(np.linalg.inv(-hessian))))


def weight_of(ours: SelectionModel, z: np.ndarray, own: np.ndarray) -> np.ndarray:
    """w (n, k or 1) of a one-sided model at z from its printed formula."""
    ratio = np.sqrt(ours.effects.v / ours.effects.v.max()) if ours.precision == "se" else 1.0
    p = special.ndtr(-z)
    if ours.kind in ("beta", "power"):
        p = np.clip(p, ours.steps[0] if ours.kind == "beta" and ours.steps else 1e-5, 1 - 1e-5)
    formulas: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "half-normal": lambda d: np.exp(-d[0] * ratio * p * p),
        "negative-exponential": lambda d: np.exp(-d[0] * ratio * p),
        "logistic": lambda d: 2 * np.exp(-d[0] * ratio * p) / (1 + np.exp(-d[0] * ratio * p)),
        "power": lambda d: (
            special.ndtr(z) ** (d[0] * ratio) if "floor" in ours.kind else (1 - p) ** (d[0] * ratio)
        ),
        "exponential-power": lambda d: np.exp(-d[0] * ratio * p ** (1 / d[1])),
        "beta": lambda d: p ** (d[0] - 1) * (1 - p) ** (d[1] - 1),
    }
    if ours.kind.endswith("-floor"):
        return np.asarray(own[0] + formulas[ours.kind.removesuffix("-floor")](own[1:]))
    return np.asarray(formulas[ours.kind](own))
