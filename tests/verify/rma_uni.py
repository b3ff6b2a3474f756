"""rma.uni: one effect per study. The tight cases at 1e-8; R's default stopping rule at R's own tau^2.

An iterative estimate of R stops up to 1e-4 away from the solution. Such a tau^2 is compared with that tolerance, and
everything else exactly, by giving our code R's tau^2.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from consilience.inference.heterogeneity import heteroscedasticity_test
from consilience.inference.intervals import heterogeneity_intervals
from consilience.inference.knapp_hartung import linear_test, variance_inflation
from consilience.models import (
    fit,
    predict,
    shrunken_effects,
    standardised_residuals,
    study_deviations,
    study_weights,
)
from consilience.models.compare import likelihood_ratio_test
from consilience.records import Design, Effects, Fit, Intercept, Scale, Spec
from verify import Outcome
from verify._r_call import Call, column, design, numbers, parse
from verify._tally import Tally

TOPICS = ("rma_uni_tight", "rma_uni")
TESTS = {"z": "z", "t": "t", "knha": "knapp-hartung", "adhoc": "knapp-hartung-floor"}
INTERVALS = {"simple": "tau-only", "riley": "k-p-1", "t": "k-p"}
ITERATED = ("ML", "REML", "EB", "PM", "PMM", "DLIT", "SJIT", "GENQM")
EXACT, STOPPING, ROOT = 1e-8, 1.3e-4, 1.3e-4


class Case:
    """One case: its data, and the model that the R call describes."""

    def __init__(self, call: Call, datasets: dict, cases: dict, extra: str = "") -> None:
        self.call = call
        data = {name: column(values) for name, values in datasets[call.kwargs["data"]].items()}
        y, v = (data[str(name)] for name in call.args[:2])
        x, names = design(str(call.kwargs.get("mods", "~1")), data, len(y))
        rows = ~(np.isnan(y) | np.isnan(v) | np.isnan(x).any(axis=1))
        self.scale = None
        if extra:
            z, z_names = design(str(call.kwargs[extra]), data, len(y))
            rows &= ~np.isnan(z).any(axis=1)
            self.scale = Scale(z[rows], tuple(z_names), call.kwargs.get("link", "log"))
        columns = {"w": 1 / v[rows]}
        self.effects = Effects(y[rows], v[rows], np.array([str(i) for i in range(rows.sum())], dtype=object))
        self.effects = Effects(y[rows], v[rows], self.effects.study, columns=columns)
        self.design = Design(x[rows], tuple(names))

    @property
    def rtol(self) -> float:
        """R solves the normal equations, which costs the squared condition number of the design."""
        columns = self.design.matrix / np.linalg.norm(self.design.matrix, axis=0)
        return max(EXACT, float(np.finfo(float).eps * np.linalg.cond(columns) ** 2))

    @property
    def centres(self) -> bool:
        """R takes Q and tau^2 of y - mean(y), which is right only if the design holds a constant (DIFFERENCES.md)."""
        found = np.linalg.lstsq(self.design.matrix, np.ones(self.effects.k), rcond=None)[0]
        return not np.allclose(self.design.matrix @ found, 1.0, atol=1e-6)

    def centred(self) -> Case:
        """The same case with the effects less their mean."""
        other = copy.copy(self)
        other.effects = replace(self.effects, y=self.effects.y - self.effects.y.mean())
        return other

    def fit(self, *, tau2: float | None = None, level: float | None = None) -> Fit:
        kwargs = self.call.kwargs
        method = kwargs.get("method", "REML")
        given = tau2 if tau2 is not None else kwargs.get("tau2")
        weighted = "equal" if kwargs.get("weighted") is False else ("w" if "weights" in kwargs else "")
        spec = Spec(
            () if method in ("EE", "FE", "CE") else (Intercept(("row",), given),),
            "EE" if method in ("FE", "CE") else method,
            TESTS[kwargs.get("test", "z")],
            level=(kwargs.get("level", 95.0) if level is None else level) / 100,
            weights=weighted,
            scale=self.scale,
        )
        return fit(self.effects, spec, design=self.design)


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    call = parse(case["call"])
    tight = "control" in (case.get("args") or {})
    if "error" in case:
        return _refused(call, datasets, cases, case["error"])
    if call.name == "rma":
        return _rma(Case(call, datasets, cases), case["out"], tight=tight)
    inner = call.args[0]
    reader = READERS.get(call.name)
    if reader is None or not isinstance(inner, Call) or inner.name != "rma":
        return Outcome("uncovered", detail=f"no reader for {call.name}")
    return reader(call, Case(inner, datasets, cases), case["out"], datasets, cases)


def _refused(call: Call, datasets: dict, cases: dict, error: str) -> Outcome:
    """Ours must refuse too; where R's iterations only failed to converge, an answer of ours is better."""
    inner = [
        argument for argument in (call, *call.args) if isinstance(argument, Call) and argument.name == "rma"
    ]
    try:
        fits = [Case(one, datasets, cases).fit() for one in inner]
        if len(fits) == 2:
            likelihood_ratio_test(*fits)
    except ValueError as ours:
        return Outcome("agree", detail=f"both refuse: {ours}")
    if "converge" in error:
        return Outcome(
            "agree", detail=f"R stops ({error}); ours answers: tau^2 = {fits[0].components.total:g}"
        )
    return Outcome("differ", float("inf"), f"R refuses: {error}")


def _rma(case: Case, out: dict, *, tight: bool) -> Outcome:
    tally, ours = Tally(case.rtol), case.fit()
    iterated = ours.spec.method in ITERATED and "tau2" not in case.call.kwargs
    if iterated and not tight:
        free = case.centred().fit() if case.centres else ours
        tally.add("tau2 at R's stopping rule", free.components.total, out["tau2"], rtol=0.0, atol=STOPPING)
        ours = case.fit(tau2=out["tau2"])
        slack = 100 * STOPPING / max(free.components.total, STOPPING)
        tally.add("R2", free.heterogeneity.r2, out.get("R2"), rtol=0.0, atol=2 * slack)
    else:
        tally.add("R2", ours.heterogeneity.r2, out.get("R2"), atol=1e-7)
    c, h = ours.coefficients, ours.heterogeneity
    q = case.centred().fit().heterogeneity if case.centres else h
    width = EXACT * float(
        np.max(c.ci_high - c.ci_low)
    )  # a limit near zero is compared with the interval's width
    tally.add("k, p", [ours.effects.k, len(c.names)], [out["k"], out["p"]])
    tally.add("tau2", ours.components.total, out["tau2"], atol=1e-12)
    for name, value in (
        ("beta", c.estimate),
        ("se", c.se),
        ("zval", c.statistic),
        ("pval", c.p_value),
        ("ci_lb", c.ci_low),
        ("ci_ub", c.ci_high),
        ("vb", c.covariance),
        ("H2", h.h2),
        ("I2", h.i2),
        ("QE", q.q),
        ("QEp", q.p_value),
    ):
        tally.add(name, value, out[name], atol=width if name.startswith("ci_") else 1e-12)
    if out["ddf"] is not None:
        tally.add("ddf", c.df[0], out["ddf"])
    if len(ours.components.se):
        tally.add("se_tau2", ours.components.se[0], out["se_tau2"])
    _omnibus(tally, ours, out)
    extra = int(iterated and not tight)
    for kind, theirs in (out.get("fit_stats") or {}).items():
        found = ours.statistics[kind]
        found = type(found)(found.loglik, found.deviance, found.parameters + extra, found.observations)
        pairs = {
            "ll": found.loglik,
            "dev": found.deviance,
            "AIC": found.aic,
            "BIC": found.bic,
            "AICc": found.aicc,
        }
        for name, value in pairs.items():
            tally.add(f"{kind} {name}", value, theirs.get(name), atol=1e-10)
    if out.get("predict"):
        _predicted(tally, ours, out["predict"], ours.design.matrix if "mods" in case.call.kwargs else None)
    if out.get("confint_tau2"):
        _intervals(tally, case.fit(), out["confint_tau2"], atol=2 * ROOT, estimate=ours.components.total)
    return tally.outcome()


def _omnibus(tally: Tally, ours: Fit, out: dict) -> None:
    scale = ours.omnibus.df1 if np.isinf(ours.omnibus.df2) else 1.0
    tally.add("QM", ours.omnibus.statistic, out["QM"])
    tally.add("QMp", ours.omnibus.p_value, out["QMp"])
    tally.add("QMdf", [ours.omnibus.df1], out["QMdf"][:1])
    assert scale


def _predicted(
    tally: Tally, ours: Fit, out: dict, x: np.ndarray | None, interval: str = "coefficient"
) -> None:
    found = predict(ours, x, interval=interval)
    atol = 10 * tally.rtol * float(np.max(found.pi_high - found.pi_low))
    pairs = {
        "pred": found.estimate,
        "se": found.se,
        "ci_lb": found.ci_low,
        "ci_ub": found.ci_high,
        "pi_lb": found.pi_low,
        "pi_ub": found.pi_high,
    }
    for name, value in pairs.items():
        tally.add(f"predict {name}", value, out.get(name), atol=atol)


def _intervals(
    tally: Tally, ours: Fit, out: dict, *, atol: float, kind: str | None = None, estimate: float | None = None
) -> None:
    """tau^2 within R's root tolerance; tau, I^2 and H^2 exactly what R's own tau^2 makes them."""
    method = kind or ("generalised-q" if ours.spec.method in ("GENQ", "GENQM") else "q-profile")
    found = heterogeneity_intervals(ours, method=method).tau2
    theirs = np.array(out["values"][0], dtype=float)
    estimate = found.estimate if estimate is None else estimate
    tally.add("confint tau^2", [estimate, found.low, found.high], theirs.tolist(), atol=atol)
    typical = ours.heterogeneity.typical_variance
    rows = (np.sqrt(theirs), 100 * theirs / (theirs + typical), 1 + theirs / typical)
    for name, row, values in zip(out["rows"][1:], rows, out["values"][1:], strict=True):
        tally.add(f"confint {name}", row, values, rtol=tally.rtol)


def _predict(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally = Tally(EXACT)
    ours = case.fit(level=call.kwargs.get("level"))
    x = None
    if "newmods" in call.kwargs:
        values = numbers(call.kwargs["newmods"]).reshape(-1, len(ours.coefficients.names) - 1)
        x = np.column_stack([np.ones(len(values)), values])
    interval = INTERVALS.get(str(call.kwargs.get("predtype")), "coefficient")
    found = predict(ours, x, interval=interval)
    turn = np.exp if call.kwargs.get("transf") == "exp" else (lambda value: value)
    for name, value in (
        ("pred", turn(found.estimate)),
        ("se", found.se),
        ("ci_lb", turn(found.ci_low)),
        ("ci_ub", turn(found.ci_high)),
        ("pi_lb", turn(found.pi_low)),
        ("pi_ub", turn(found.pi_high)),
    ):
        tally.add(name, value, out.get(name), rtol=3e-4, atol=STOPPING)
    return tally.outcome()


def _confint(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally = Tally(EXACT)
    kind = "profile-likelihood" if call.kwargs.get("type") == "PL" else None
    _intervals(tally, case.fit(level=call.kwargs.get("level")), out["random"], atol=2 * ROOT, kind=kind)
    return tally.outcome()


def _rows(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally = Tally(EXACT)
    found = (shrunken_effects if call.name == "blup" else study_deviations)(case.fit())
    for name, value in (
        ("pred", found.estimate),
        ("se", found.se),
        ("pi_lb", found.low),
        ("pi_ub", found.high),
    ):
        tally.add(name, value, out[name], rtol=1e-3, atol=STOPPING)
    return tally.outcome()


def _rstandard(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally, found = Tally(EXACT), standardised_residuals(case.fit())
    for name, value in (("resid", found.raw), ("se", found.se), ("z", found.standardised)):
        tally.add(name, value, out[name], rtol=1e-3, atol=STOPPING)
    return tally.outcome()


def _weights(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally = Tally(EXACT)
    tally.add("weights", study_weights(case.fit()), out["w"], rtol=1e-3)
    return tally.outcome()


def _hettest(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally, found = Tally(EXACT), heteroscedasticity_test(case.fit())
    tally.add("statistic", found.statistic, out["statistic"], rtol=1e-3)
    tally.add("df", found.df1, out["df"])
    tally.add("p", found.p_value, out["pval"], rtol=1e-2)
    return tally.outcome()


def _vif(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally = Tally(EXACT)
    tally.add("vif", variance_inflation(case.fit())[1:], out["vifs"], rtol=1e-3)
    return tally.outcome()


def _anova(call: Call, case: Case, out: dict, datasets: dict, cases: dict) -> Outcome:
    tally, ours = Tally(EXACT), case.fit()
    p = len(ours.coefficients.names)
    if len(call.args) == 2:
        reduced = Case(call.args[1], datasets, cases).fit()
        found = likelihood_ratio_test(ours, reduced)
        tally.add("LRT", found.statistic, out["LRT"], rtol=1e-4, atol=1e-6)
        tally.add("p", found.p_value, out["pval"], rtol=1e-4)
        before, after = reduced.components.total, ours.components.total
        tally.add("R2", max(0.0, 100 * (before - after) / before), out["R2"], rtol=1e-2, atol=1e-3)
        return tally.outcome()
    rows = (
        np.eye(p)[(numbers(call.kwargs["btt"]) - 1).astype(int)]
        if "btt" in call.kwargs
        else numbers(call.kwargs["X"])
    )
    found = linear_test(ours.coefficients, rows)
    tally.add("QM", found.statistic, out["QM"], rtol=1e-3)
    tally.add("QMp", found.p_value, out["QMp"], rtol=1e-2)
    if "Xb" in out:
        point = predict(ours, np.atleast_2d(rows))
        tally.add("Xb", point.estimate, out["Xb"], rtol=1e-3, atol=STOPPING)
        tally.add("se", point.se, out["se"], rtol=1e-3)
    return tally.outcome()


READERS = {
    "predict": _predict,
    "confint": _confint,
    "blup": _rows,
    "ranef": _rows,
    "rstandard": _rstandard,
    "weights": _weights,
    "hettest": _hettest,
    "vif": _vif,
    "anova": _anova,
}


def check_location_scale(case: dict, datasets: dict, cases: dict) -> Outcome:
    """A `rma(..., scale = ...)` case of another topic: R's optimiser stops early, so the likelihood decides."""
    call = parse(case["call"])
    inner = call.args[0] if call.name == "predict" else call
    subject = Case(inner, datasets, cases, extra="scale")
    ours, out, tally = subject.fit(), case["out"], Tally(1e-3)
    if call.name == "predict":
        z = numbers(call.kwargs["newscale"])
        rows = np.column_stack([np.ones(len(z)), z])
        eta, se = (
            rows @ ours.scale.estimate,
            np.sqrt(np.einsum("mi,ij,mj->m", rows, ours.scale.covariance, rows)),
        )
        tally.add("pred", np.exp(eta), out["pred"])
        tally.add("ci_lb", np.exp(eta - 1.959963984540054 * se), out["ci_lb"])
        return tally.outcome()
    if ours.loglik < out["logLik"] - 1e-8:
        tally.wrong.append(f"log-likelihood {ours.loglik} below R's {out['logLik']}")
    tally.add("logLik", ours.loglik, out["logLik"], rtol=1e-6)
    identity = "link" in inner.kwargs
    loose = {"rtol": 5e-3 if identity else 1e-3, "atol": 1e-4 if identity else 1e-6}
    for name, value in (
        ("beta", ours.coefficients.estimate),
        ("se", ours.coefficients.se),
        ("tau2", ours.variances),
        ("QM", ours.omnibus.statistic),
        ("QE", ours.heterogeneity.q),
        ("alpha", ours.scale.estimate),
    ):
        tally.add(name, value, out[name], **loose)
    if out["QS"] is not None:
        tally.add("se_alpha", ours.scale.se, out["se_alpha"], **loose)
        tally.add("QS", ours.tests["scale"].statistic, out["QS"], **loose)
    return tally.outcome()
