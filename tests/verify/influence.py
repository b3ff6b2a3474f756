"""Influence, leave-one-out, cumulative analyses, residuals and their plots, of rma() and rma.mv().

rma cases at 1e-6; where R stopped at its default tolerance, at the variances at which R's documented iteration stops
(`_loose_reml.py`). rma.mv cases that re-estimate the variances at 1e-3, the noise of R's optimiser, and ours against
literal refits at 1e-8; those that follow from given variances at 1e-6 with R's variances. Tables that the file left
empty are checked against literal refits and against the deleted tau^2 and Q of the same model in the same file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilience.diagnostics import (
    baujat,
    cumulative,
    hat_matrix,
    influence,
    leave_one_out,
    normal_quantiles,
    radial,
    residuals,
)
from consilience.diagnostics.deletion.cases import cases_of
from consilience.diagnostics.residual_plots.residuals import parts_of
from consilience.models import fit, profile, profile_interval, term_effects
from consilience.records import Fit, Influence, Refitted

from . import Outcome, as_array, compare, rma_mv
from ._loose_reml import loose_reml
from ._r_call import numbers, parse, split
from ._rma_model import Model, read_model
from ._tally import Tally

TOPIC = "influence"
EXACT, NOISE, LITERAL = 1e-6, 1e-3, 1e-8
TABLE = {
    "estimate": "estimate",
    "se": "se",
    "zval": "statistic",
    "tval": "statistic",
    "pval": "p_value",
    "pvals": "p_value",
    "ci.lb": "ci_low",
    "ci.ub": "ci_high",
    "Q": "q",
    "Qp": "q_p",
    "tau2": "tau2",
    "I2": "i2",
    "H2": "h2",
}
INF = {
    "dffits": "dffits",
    "cook.d": "cook",
    "cov.r": "covratio",
    "tau2.del": "tau2",
    "QE.del": "q",
    "hat": "hat",
    "weight": "weight",
}


@dataclass(frozen=True)
class Asked:
    """A diagnostic of a model: its name, its other arguments, the model, R's own answer for that model if it is a name."""

    name: str
    options: dict[str, str]
    model: Model
    fitted: dict[str, Any] | None

    @property
    def reestimated(self) -> bool:
        return self.options.get("reestimate", "TRUE") != "FALSE"

    def fit(self) -> Fit:
        return fit(self.model.effects, self.model.spec, design=self.model.design)

    def given(self) -> Fit:
        """The model at R's variances."""
        spec = self.model.spec if self.fitted is None else self.model.given(self.fitted)
        return fit(self.model.effects, spec, design=self.model.design)


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    """One call."""
    asked = _read(case, datasets, cases)
    if asked is None:
        return Outcome("uncovered", detail=f"no reader for {case['call']}")
    if asked.name in ("rma", "rma.mv"):
        return rma_mv.check(case, datasets, cases)
    out = case["out"]
    tally = Tally(NOISE if asked.fitted is not None and asked.reestimated else EXACT)
    CHECKS[asked.name](asked, out, tally)
    if asked.name in ("leave1out", "cumul"):
        _companion(asked, case, cases, tally)
    found = tally.outcome()
    if found.status == "differ" and asked.name in LOOSE and "control" not in case["call"]:
        return _explained(asked, out, found)
    return found


def _read(case: dict, datasets: dict, cases: dict) -> Asked | None:
    found = re.search(
        r"(?<![\w.])(" + "|".join(map(re.escape, (*CHECKS, "rma.mv", "rma"))) + r")\(", case["call"]
    )
    if found is None:
        return None
    inside = _inside(case["call"][found.end() :])
    if found[1] in ("rma", "rma.mv"):
        return Asked(found[1], {}, read_model(case, datasets), None)
    first, *rest = split(inside, ",")
    options = dict(part.split("=", 1) for part in rest if "=" in part)
    options = {key.strip(): value.strip() for key, value in options.items()}
    fitted = None
    if "(" not in first:  # the name of a model that the file fits in a case of its own
        own = next(c for c in cases.values() if c["data"] == case["data"] and c["call"].startswith("rma"))
        first, fitted = own["call"], own["out"]
    model = read_model({"call": first.strip(), "data": case["data"]}, datasets)
    return Asked(found[1], options, model, fitted)


def _inside(text: str) -> str:
    """Up to the parenthesis that closes."""
    depth = 1
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[:i]
    raise ValueError(f"unbalanced: {text}")


def _by(asked: Asked, out: Any) -> tuple[str, Any]:
    """The column of a cluster variable (by name, else the one with the clusters that the answer has), and its order."""
    if "cluster" not in asked.options:
        return "effect", None
    name, data = asked.options["cluster"].split("$")[-1], asked.model.data
    sizes = out.get("k")
    v = out.get("v", out.get("X2", next(iter(out.values()))))
    n = len(v)
    known = [name] if name in data else list(data)
    for column in known:
        cases = cases_of(asked.model.effects, column)
        if cases.n == n and (sizes is None or sorted(cases.size.tolist()) == sorted(sizes)):
            labels = list(cases.label)
            if isinstance(v, dict) and set(v) != set(labels):
                continue
            wanted = list(v) if isinstance(v, dict) else sorted(labels, key=_as_number)
            return column, [labels.index(label) for label in wanted]
    raise KeyError(name)


def _as_number(label: str) -> tuple[float, str]:
    try:
        return float(label), ""
    except ValueError:
        return np.inf, label


def _diagnosed(asked: Asked, out: dict, tally: Tally) -> tuple[Influence, Any]:
    """Our influence record; re-estimated multilevel ones are held against literal refits."""
    by, order = _by(asked, out)
    if not asked.reestimated:
        return influence(asked.given(), by=by, reestimate=False), order
    ours = asked.fit()
    found = influence(ours, by=by)
    if asked.fitted is not None:
        _literal(ours, found, tally)
    return found, order


def _literal(ours: Fit, found: Influence, tally: Tally) -> None:
    """Estimate, its variance and the deleted residuals from fits of what is left."""
    effects, b, v = ours.effects, ours.coefficients.estimate, ours.coefficients.covariance
    cook, residual, dfbetas = [], np.empty(effects.k), []
    for j in range(found.n):
        keep = found.case != j
        x = ours.design.matrix
        rest = fit(effects.take(keep), ours.spec, design=replace(ours.design, matrix=x[keep]))
        shift = b - rest.coefficients.estimate
        cook.append(shift @ np.linalg.solve(v, shift))
        dfbetas.append(rest.components.total)
        residual[~keep] = effects.y[~keep] - x[~keep] @ rest.coefficients.estimate
    tally.add("literal Cook", found.cook, cook, rtol=LITERAL, atol=1e-12)
    tally.add("literal tau2", found.tau2, dfbetas, rtol=LITERAL)
    tally.add("literal residual", found.residual, residual, rtol=LITERAL, atol=1e-12)


def _influence(asked: Asked, out: dict, tally: Tally) -> None:
    found, _ = _diagnosed(asked, out, tally)
    for name, ours in INF.items():
        tally.add(name, getattr(found, ours), out["inf"].get(name), atol=1e-12)
    tally.add("rstudent", found.studentised, out["inf"].get("rstudent"))
    for j, theirs in enumerate(out["dfbs"].values()):
        tally.add(f"dfbeta {j}", found.dfbetas[:, j], theirs, atol=1e-12)
    if out.get("is_infl") is not None:
        tally.add("flags", found.influential, out["is_infl"])


def _table(ours: Refitted, out: dict, tally: Tally) -> None:
    for name, field in TABLE.items():
        value = out.get(name, out.get(name.replace(".", "_")))
        if value is not None:
            mine = getattr(ours, field)
            tally.add(name, mine[:, 0] if mine.ndim == 2 else mine, value, atol=1e-12)


def _leave1out(asked: Asked, out: dict, tally: Tally) -> None:
    by = asked.options.get("cluster", "effect").split("$")[-1]
    ours = asked.fit()
    found = leave_one_out(ours, by=by)
    _table(found, out, tally)
    _refits(ours, found, cases_of(ours.effects, by).keep, tally)


def _cumul(asked: Asked, out: dict, tally: Tally) -> None:
    ours = asked.fit()
    order = re.sub(r"^order\((.*)\)$", r"\1", asked.options["order"]).split("$")[-1]
    found = cumulative(ours, order=order, by="effect")
    _table(found, out, tally)
    sequence = np.argsort(ours.effects[order].astype(float), kind="stable")
    keep = np.zeros((found.n, found.n), dtype=bool)
    for step, row in enumerate(sequence):
        keep[step:, row] = True
    _refits(ours, found, keep, tally)


def _refits(ours: Fit, found: Refitted, keep: np.ndarray, tally: Tally) -> None:
    """Each line of the table from a fit of its effects."""
    names = ("estimate", "se", "p_value", "ci_low", "ci_high")
    for j, rows in enumerate(keep):
        if found.reason[j]:
            continue
        rest = fit(
            ours.effects.take(rows), ours.spec, design=replace(ours.design, matrix=ours.design.matrix[rows])
        )
        for name in names:
            theirs = getattr(rest.coefficients, name)
            tally.add(f"literal {name}", getattr(found, name)[j], theirs, rtol=LITERAL, atol=1e-12)
        tally.add("literal tau2", found.tau2[j], rest.components.total, rtol=LITERAL, atol=1e-12)
        tally.add("literal Q", found.q[j], rest.heterogeneity.q, rtol=LITERAL, atol=1e-10)


def _companion(asked: Asked, case: dict, cases: dict, tally: Tally) -> None:
    """Deleted tau^2 and Q of the same model's influence() in the file; of a cumulative analysis the last but one step."""
    inner = case["call"].split("(", 1)[1].split(", order =")[0].removesuffix(")").rstrip(")")
    own = [c for c in cases.values() if c["call"].startswith("influence(") and inner in c["call"]]
    if asked.name == "leave1out" and own:
        found = leave_one_out(asked.fit(), by="effect")
        tally.add("tau2 of influence()", found.tau2, own[0]["out"]["inf"]["tau2.del"], atol=1e-12)
        tally.add("Q of influence()", found.q, own[0]["out"]["inf"]["QE.del"])


def _baujat(asked: Asked, out: dict, tally: Tally) -> None:
    found = baujat(asked.fit(), by="effect")
    tally.add("x", found.x, out["x"])
    tally.add("y", found.y, out["y"])


def _rstudent(asked: Asked, out: dict, tally: Tally) -> None:
    found, order = _diagnosed(asked, out, tally)
    tally.add("resid", found.residual, out.get("resid"), atol=1e-9)
    tally.add("se", found.residual_se, out.get("se"))
    tally.add("z", found.studentised, out.get("z"), atol=1e-6 if asked.fitted else 0.0)
    if order is not None:
        tally.add("X2", found.chi2[order], out["X2"])
        tally.add("k", found.size[order], out.get("k"))


def _rstandard(asked: Asked, out: dict, tally: Tally) -> None:
    ours = asked.given()
    found = residuals(ours, reestimate=False)
    conditional = "conditional" in asked.options.get("type", "")
    raw = found.conditional if conditional else found.raw
    se = found.conditional_se if conditional else found.raw_se
    tally.rtol = EXACT
    tally.add("resid", raw, out.get("resid"))
    tally.add("se", se, out.get("se"))
    tally.add("z", raw / se, out.get("z"))
    if "cluster" in asked.options:
        by, order = _by(asked, out)
        parts = parts_of(ours)
        rest = np.eye(ours.effects.k) - ours.design.matrix @ parts.a
        spread = rest @ parts.at.m.part(np.arange(ours.effects.k)) @ rest.T
        groups = cases_of(ours.effects, by).rows()
        x2 = [raw[r] @ np.linalg.pinv(spread[np.ix_(r, r)]) @ raw[r] for r in groups]
        tally.add("X2", np.array(x2)[order], out["X2"])


def _hatvalues(asked: Asked, out: dict, tally: Tally) -> None:
    matrix = hat_matrix(asked.given())
    tally.rtol = EXACT
    tally.add("hat", np.diag(matrix), out.get("v"))
    tally.add("H", matrix, out.get("H"), atol=1e-12)


def _cooks(asked: Asked, out: dict, tally: Tally) -> None:
    found, order = _diagnosed(asked, out, tally)
    tally.add("Cook", found.cook if order is None else found.cook[order], out["v"])


def _dfbetas(asked: Asked, out: dict, tally: Tally) -> None:
    found, order = _diagnosed(asked, out, tally)
    for j, theirs in enumerate(list(out.values())[: found.dfbetas.shape[1]]):
        ours = found.dfbetas[:, j]
        tally.add(f"dfbetas {j}", ours if order is None else ours[order], theirs)


def _weights(asked: Asked, out: dict, tally: Tally) -> None:
    """Percentages: of the diagonal of the weight matrix, or the row sums, which the pooled mean gives the effects."""
    ours = asked.given()
    rows = "rowsum" in asked.options.get("type", "")
    found = 100 * hat_matrix(ours)[0] if rows else influence(ours, by="effect", reestimate=False).weight
    tally.rtol = EXACT
    tally.add("weights", found, out["v"])


def _qqnorm(asked: Asked, out: dict, tally: Tally) -> None:
    found = normal_quantiles(asked.fit())
    x, y = np.full(asked.model.effects.k, np.nan), np.full(asked.model.effects.k, np.nan)
    x[found.row], y[found.row] = found.theoretical, found.sample
    tally.add("x", x, out["x"], atol=1e-12)
    tally.add("y", y, out["y"])


def _radial(asked: Asked, out: dict, tally: Tally) -> None:
    found = radial(asked.fit())
    tally.add("x", found.x, out["x"])
    tally.add("y", found.y, out["y"], atol=1e-12)


def _ranef(asked: Asked, out: dict, tally: Tally) -> None:
    ours = asked.given()
    found = term_effects(ours)
    z = 1.959963984540054
    tally.rtol = EXACT
    for t, theirs in enumerate(out.values()):
        path = ours.spec.terms[t].by
        labels = [
            "/".join(f"{x:g}" if isinstance(x, float) else str(x) for x in level)
            for level in zip(*(ours.effects[name].tolist() for name in path), strict=True)
        ]
        at = [labels.index(name) for name in theirs["names"]]
        value, se = found.contribution[at, t], found.se[at, t]
        tally.add(f"effect of {path}", value, theirs["intrcpt"], atol=1e-9)
        tally.add("se", se, theirs["se"])
        tally.add("lower", value - z * se, theirs["pi_lb"], atol=1e-9)
        tally.add("upper", value + z * se, theirs["pi_ub"], atol=1e-9)


def _confint(asked: Asked, out: Any, tally: Tally) -> None:
    """Limits at 1e-3, the tolerance of R's root search; at ours the profile has fallen by half a chi-squared quantile."""
    ours = asked.fit()
    level = float(asked.options.get("level", 95)) / 100
    for name, theirs in zip(ours.components.names, out if isinstance(out, list) else [out], strict=True):
        found = profile_interval(ours, name, level=level)
        tally.add(name, [found.estimate, found.low, found.high], theirs["values"][0])
        tally.add(f"root {name}", np.sqrt([found.estimate, found.low, found.high]), theirs["values"][1])
        fall = ours.loglik - profile(ours, name, [found.low, found.high]).loglik
        inside = found.low > 0
        tally.add("fall", fall[1] if not inside else fall, [1.920729410347062] * (1 + inside), rtol=1e-7)


def _profile(asked: Asked, out: dict, tally: Tally) -> None:
    ours = asked.fit()
    name, theirs = next((key, value) for key, value in out.items() if key != "ll")
    number = int(numbers(parse(asked.options.get(name, "1")))[0]) - 1
    found = profile(ours, ours.components.names[number], theirs)
    tally.rtol = EXACT
    tally.add("profile", found.loglik, out["ll"])


CHECKS = {
    "influence": _influence,
    "leave1out": _leave1out,
    "cumul": _cumul,
    "baujat": _baujat,
    "rstudent": _rstudent,
    "rstandard": _rstandard,
    "hatvalues": _hatvalues,
    "cooks.distance": _cooks,
    "dfbetas": _dfbetas,
    "weights": _weights,
    "qqnorm": _qqnorm,
    "radial": _radial,
    "ranef": _ranef,
    "confint": _confint,
    "profile": _profile,
}
LOOSE = ("baujat", "qqnorm")


def _explained(asked: Asked, out: dict, found: Outcome) -> Outcome:
    """R's figures from the variances at which its iteration stops by default: the plain formulas, nothing of ours."""
    y, v, x = asked.model.effects.y, asked.model.effects.v, asked.model.design.matrix
    whole = loose_reml(y, v, x)
    if asked.name == "qqnorm":
        ours = {"y": whole.residual / whole.residual_se}
    else:
        moved = []
        for i in range(len(y)):
            keep = np.arange(len(y)) != i
            rest = loose_reml(y[keep], v[keep], x[keep])
            gap = x[i] @ (whole.b - rest.b)
            moved.append(gap**2 / (x[i] @ rest.covariance @ x[i]))
        ours = {"x": whole.residual**2 / (v + whole.tau2), "y": np.array(moved)}
    for name, value in ours.items():
        good, worst = compare(value, as_array(out[name]), rtol=EXACT)
        if not good:
            return Outcome("differ", worst, f"{found.detail}; not R's default tolerance either ({name})")
    return Outcome("explained", found.worst, f"R stopped early: {found.detail}")
