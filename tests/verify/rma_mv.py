"""Multilevel and multivariate models.

Two comparisons for each case. With R's variance components given to us, everything that follows from them must agree
to 1e-6 (default optimiser's and tight values alike). With the components estimated, our log-likelihood must be at least R's
tight one, our scaled score below 1e-6, and the components within 1e-4 unless ours is the better optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.base.errors import ConsilienceError
from consilience.models import fit
from consilience.records import Fit, Slopes

from . import Outcome, compare
from ._rma_model import read_model

TOPIC = "rma_mv"
EXACT = 1e-6
COMPONENTS = 1e-4


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    """One rma.mv() call."""
    del cases
    if "error" in case:
        return _refused(case, datasets)
    model = read_model(case, datasets)
    found = fit(model.effects, model.spec, design=model.design)
    worst, wrong = _estimated(found, case["out"])
    if not any(isinstance(term, Slopes) for term in model.spec.terms):
        given = fit(model.effects, model.given(case["out"]), design=model.design)
        far, differing = _derived(given, case["out"], parameters=found.statistics["ML"].parameters)
        worst, wrong = max(worst, far), wrong + differing
        if "tight" in case["out"]:
            tight = fit(model.effects, model.given(case["out"]["tight"]), design=model.design)
            far, differing = _coefficients(tight, case["out"]["tight"])
            worst, wrong = max(worst, far), wrong + differing
    return Outcome("differ" if wrong else "agree", worst, ", ".join(wrong))


def _refused(case: dict, datasets: dict) -> Outcome:
    """R stopped with an error: so must we."""
    try:
        model = read_model(case, datasets)
        fit(model.effects, model.spec, design=model.design)
    except (ConsilienceError, KeyError) as error:
        return Outcome("agree", detail=f"refused: {error}")
    return Outcome("differ", float("inf"), "R refuses, we do not")


class _Tally:
    """Collects the largest difference and the names of what differs."""

    def __init__(self) -> None:
        self.worst, self.wrong = 0.0, []

    def add(self, name: str, ours: Any, theirs: Any, *, rtol: float = EXACT, atol: float = 1e-12) -> None:
        agrees, far = compare(ours, theirs, rtol=rtol, atol=atol)
        self.worst = max(self.worst, far)
        if not agrees:
            self.wrong.append(f"{name} {far:.1e}")


def _estimated(found: Fit, out: dict) -> tuple[float, list[str]]:
    """Our optimum against R's tight one."""
    tally, tight = _Tally(), out.get("tight", out)
    gain = found.loglik - tight["logLik"]
    if gain < -1e-8 and not found.spec.weights:  # with weights R reports the likelihood at other coefficients
        tally.wrong.append(f"log-likelihood lower by {-gain:.1e}")
    if found.optimum.score > 1e-6:
        tally.wrong.append(f"score {found.optimum.score:.1e}")
    if gain < 1e-6:
        ours = [*found.components.variance, *found.components.correlations.values()]
        theirs = [
            *_sized(tight.get("sigma2")),
            *_sized(tight.get("tau2")),
            *_sized(tight.get("gamma2")),
            *_sized(tight.get("rho")),
            *_sized(tight.get("phi")),
        ]
        scale = float(np.median(found.effects.v))
        theirs = theirs[: len(theirs)]
        compared = _matched(np.sort(ours), np.sort([x for x in theirs if x != 0]), scale)
        tally.add("components", *compared, rtol=COMPONENTS, atol=1e-6 * scale)
    return tally.worst, tally.wrong


def _matched(ours: np.ndarray, theirs: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """R writes 0 where a part of the model is absent: compare what is not zero, in order of size."""
    tiny = 1e-6 * scale
    return ours[np.abs(ours) > tiny], theirs[np.abs(theirs) > tiny]


def _sized(x: Any) -> list[float]:
    return [] if x is None else list(x) if isinstance(x, list) else [x]


def _coefficients(found: Fit, theirs: dict) -> tuple[float, list[str]]:
    tally = _Tally()
    tally.add("beta", found.coefficients.estimate, theirs["beta"])
    tally.add("se", found.coefficients.se, theirs["se"])
    tally.add("logLik", found.loglik, theirs["logLik"])
    return tally.worst, tally.wrong


def _derived(found: Fit, out: dict, *, parameters: int) -> tuple[float, list[str]]:
    """All that follows from given variance components."""
    tally, c = _Tally(), found.coefficients
    for name, ours in (
        ("beta", c.estimate),
        ("se", c.se),
        ("zval", c.statistic),
        ("pval", c.p_value),
        ("ci_lb", c.ci_low),
        ("ci_ub", c.ci_high),
        ("vb", c.covariance),
        ("QE", found.heterogeneity.q),
        ("QEp", found.heterogeneity.p_value),
        ("logLik", found.loglik),
    ):
        tally.add(name, ours, out[name], atol=1e-300 if name in ("pval", "QEp") else 1e-12)
    if out["ddf"] is not None and not np.all([x is None for x in _sized(out["ddf"])]):
        tally.add("ddf", c.df[0] if not isinstance(out["ddf"], list) else c.df, out["ddf"])
    if found.omnibus is not None:
        tally.add("QM", found.omnibus.statistic, out["QM"])
        tally.add("QMp", found.omnibus.p_value, out["QMp"], atol=1e-300)
    for kind, theirs in out["fit_stats"].items():
        ours = found.statistics[kind]
        tally.add(f"{kind} ll", ours.loglik, theirs["ll"])
        tally.add(f"{kind} deviance", ours.deviance, theirs["dev"], atol=1e-9)
        ours = type(ours)(ours.loglik, ours.deviance, parameters, ours.observations)
        for name, value in (("AIC", ours.aic), ("BIC", ours.bic), ("AICc", ours.aicc)):
            tally.add(f"{kind} {name}", value, theirs[name], atol=1e-9)
    return tally.worst, tally.wrong
