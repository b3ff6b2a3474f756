"""metafor's conversions, transformations, working covariances, aggregation and regressions from matrices.

Each kind of call has a reader that takes data and arguments from the file. Location-scale models (``rma.ls``) are
checked by the reader of univariate models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from consilience.effects import back_absolute, back_sizes
from consilience.effects.aggregate import aggregate, combine, correlation_structure
from consilience.effects.back_average import average_of_transformed, mode_of_transformed
from consilience.effects.back_scales import delta_method, transform
from consilience.effects.convert_lognormal import (
    skewness_statistic,
    summary_to_log_moments,
    summary_to_raw_moments,
)
from consilience.effects.convert_summaries import FiveNumbers, summary_to_moments
from consilience.effects.convert_tables import (
    table_from_chi2,
    table_from_odds_ratio,
    table_from_phi,
    wald_to_effect,
)
from consilience.effects.correlation_matrices import correlation_covariance, regression_from_matrix
from consilience.effects.working_covariance import Pattern, working_covariance
from consilience.records import Effects
from verify import Outcome, as_array, compare
from verify.rma_uni import check_location_scale

TOPIC = "convert_misc"
Data = dict[str, list]
Numbers = dict[str, Any]

# metafor's name -> ours
NAMES = {
    "rtoz": "fisher-z", "ztor": "tanh", "r2toz": "root-fisher-z", "ztor2": "squared-tanh", "logit": "logit",
    "ilogit": "expit", "arcsin": "arcsine", "iarcsin": "squared-sine", "probit": "probit",
    "iprobit": "normal-probability", "isqrt": "square", "ahw": "cube-root", "iahw": "inverse-cube",
    "abt": "log-complement", "iabt": "complement-exp", "dtou1": "cohen-u1", "dtou2": "cohen-u2", "dtou3": "cohen-u3",
    "dtoovl": "overlap", "dtocles": "superiority", "clestod": "superiority-to-d", "dtocliffd": "cliff-delta",
    "dtobesd": "success-rate", "lnortod.norm": "log-or-to-d-normal", "lnortod.logis": "log-or-to-d",
    "dtolnor.norm": "d-to-log-or-normal", "dtolnor.logis": "d-to-log-or", "exp": "exp",
    "lnortortet.pearson": "log-or-to-tetrachoric-pearson", "lnortortet.digby": "log-or-to-tetrachoric-digby",
}  # fmt: skip
PLAIN = {"log": "log", "exp": "exp", "qnorm": "probit", "pnorm": "normal-probability", "tanh": "tanh"}


def arguments(call: str) -> list[tuple[str, str]]:
    """(name or "", text) of the arguments of the outermost call, split at its own commas."""
    inside = call[call.index("(") + 1 : call.rindex(")")]
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(inside):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(inside[start:i])
            start = i + 1
    pairs = []
    for part in [*parts, inside[start:]]:
        name = re.match(r"\s*([A-Za-z0-9_.]+)\s*=(?!=)", part)
        pairs.append((name.group(1) if name else "", part[name.end() if name else 0 :].strip()))
    return pairs


def named(call: str) -> dict[str, str]:
    return {name: text for name, text in arguments(call) if name}


def number(arguments: dict[str, str], name: str, default: float) -> float:
    return float(arguments.get(name, default))


def text(arguments: dict[str, str], name: str, default: str = "") -> str:
    return arguments.get(name, default).strip("\"'")


def evaluate(expression: str, data: Data) -> np.ndarray:
    """The small R expressions of the calls: columns, arithmetic, rep()."""
    code = re.sub(r"\b[A-Za-z_]\w*\[\[\"(\w+)\"\]\]", r"col('\1')", expression)
    code = re.sub(r"\b[A-Za-z_]\w*\$(\w+)", r"col('\1')", code)
    places = {
        "__builtins__": {},
        "col": lambda name: as_array(data[name]),
        "rep": lambda x, k: np.repeat(float(x), int(k)),
    }
    columns = {
        name: as_array(values)
        for name, values in data.items()
        if re.search(rf"\b{name}\b", code) and _numeric(values)
    }
    return np.asarray(eval(code, places, columns), dtype=float)  # expressions of the reference files only


def _numeric(values: list) -> bool:
    return all(v is None or isinstance(v, (int, float)) for v in values)


def two_by_two(case: dict, data: Data) -> Numbers:
    given = named(case["call"])
    column = {
        name: as_array(data[given[name]])
        for name in ("ori", "ri", "x2i", "ni", "n1i", "n2i")
        if name in given
    }
    margins = column["ni"], column["n1i"], column["n2i"]
    yates = text(given, "correct", "TRUE") == "TRUE"
    ways = [
        table_from_odds_ratio(column["ori"], *margins),
        table_from_phi(column["ri"], *margins),
        table_from_chi2(column["x2i"], *margins, yates=yates),
    ]
    cells = ways[0]
    for way in ways[1:]:
        cells = tuple(np.where(np.isnan(a), b, a) for a, b in zip(cells, way, strict=True))
    return dict(zip(("ai", "bi", "ci", "di"), cells, strict=True))


def wald(case: dict, data: Data) -> Numbers:
    given = named(case["call"])
    column = {
        name: as_array(data[given[name]])
        for name in ("out", "ci.lb", "ci.ub", "zval", "pval")
        if name in given
    }
    if "transf" in given:
        column |= {
            name: transform(column[name], PLAIN[given["transf"]])
            for name in ("out", "ci.lb", "ci.ub")
            if name in column
        }
    missing = np.full(len(column["out"]), np.nan)
    y, v = wald_to_effect(
        column["out"], column.get("ci.lb", missing), column.get("ci.ub", missing),
        statistic=column.get("zval", missing), p=column.get("pval", missing), level=number(given, "level", 95),
    )  # fmt: skip
    return {"yi": y, "vi": v}


FIVENUM = {
    "default": ("luo", "wan-shi"), "luo/wan/shi": ("luo", "wan-shi"), "hozo2005": ("hozo", "hozo"),
    "wan2014": ("wan", "wan"), "bland2015": ("bland", "bland"), "walter2007": ("walter", "walter"),
}  # fmt: skip


def fivenum(case: dict, data: Data) -> Numbers:
    given = named(case["call"])
    column = {
        name: as_array(data[given[name]])
        for name in ("min", "q1", "median", "q3", "max", "n")
        if name in given
    }
    five = FiveNumbers.of(
        column["median"], column["n"], minimum=column.get("min", np.nan), maximum=column.get("max", np.nan),
        q1=column.get("q1", np.nan), q3=column.get("q3", np.nan),
    )  # fmt: skip
    method = text(given, "method", "default")
    if text(given, "dist", "norm") == "lnorm":
        mean, sd = (
            summary_to_raw_moments(five)
            if text(given, "transf", "TRUE") == "TRUE"
            else summary_to_log_moments(five)
        )
    else:
        methods = (
            tuple(re.findall(r"[a-z]+(?=\d{4})", method)) if method.startswith("c(") else FIVENUM[method]
        )
        mean, sd = summary_to_moments(five, mean_method=methods[0], sd_method=methods[1])
        if text(given, "test", "TRUE") == "TRUE":
            statistic, critical = skewness_statistic(five)
            mean, sd = (np.where(statistic > critical, np.nan, x) for x in (mean, sd))
    return {"mean": mean, "sd": sd}


def delta(case: dict, data: Data) -> Numbers:
    pairs = arguments(case["call"])
    (_, y), (_, v) = pairs[:2]
    given = dict(pairs)
    name = given["transf"]
    ours = PLAIN[name] if name in PLAIN else NAMES[name.removeprefix("transf.")]
    names = re.findall(r"\"(\w+)\"", given.get("var.names", '"yi" "vi"'))
    return dict(zip(names, delta_method(as_array(data[y]), as_array(data[v]), ours), strict=True))


def _back_with_sizes(name: str, first: np.ndarray, rest: dict[str, np.ndarray]) -> np.ndarray:
    """Transformations that need more than the effect."""
    n = rest.get("") if "" in rest else rest.get("ni")
    functions: dict[str, Callable[[], np.ndarray]] = {
        "pft": lambda: back_sizes.freeman_tukey(first, n),
        "ipft": lambda: back_sizes.inverse_freeman_tukey(first, n),
        "ipft.hm": lambda: back_sizes.inverse_freeman_tukey(first, back_sizes.harmonic_mean(n)),
        "irft": lambda: back_sizes.freeman_tukey_rate(first, n),
        "dtorpb": lambda: back_sizes.d_to_point_biserial(first, rest["n1i"], rest["n2i"]),
        "dtorbis": lambda: back_sizes.d_to_biserial(first, rest["n1i"], rest["n2i"]),
        "rpbtorbis": lambda: back_sizes.point_biserial_to_biserial(first, rest["pi"]),
        "rpbtod": lambda: back_sizes.point_biserial_to_d(first, rest["n1i"], rest["n2i"]),
        "lnortord": lambda: back_absolute.risk_difference_at(first, rest["pc"]),
        "lnortorr": lambda: back_absolute.risk_ratio_at(first, rest["pc"]),
    }
    return functions[name]()


def transformation(call: str, data: Data) -> np.ndarray:
    """transf.NAME(x, ...), possibly nested."""
    name = re.match(r"transf\.([\w.]+)\(", call.strip()).group(1)
    first, rest = None, {}
    for key, expression in arguments(call.strip()):
        if key == "targs":
            rest |= {k: evaluate(e, data) for k, e in arguments(expression)}
            continue
        value = (
            transformation(expression, data)
            if expression.startswith("transf.")
            else evaluate(expression, data)
        )
        if first is None:
            first = value
        else:
            rest[key] = value
    return transform(first, NAMES[name]) if not rest else _back_with_sizes(name, first, rest)


def transformed(case: dict, data: Data) -> Numbers:
    call = case["call"]
    if not call.startswith("sapply("):
        return {"v": transformation(call, data)}
    pairs = arguments(call)
    mean = evaluate(pairs[0][1], data)
    name, how = re.match(r"transf\.([\w.]+)\.(int|mode)$", pairs[1][1]).groups()
    tau2 = float(re.search(r"tau2\s*=\s*([\d.e+-]+)", call).group(1))
    function = average_of_transformed if how == "int" else mode_of_transformed
    return {"v": function(mean, tau2, NAMES[name])}


def _labels(values: list) -> np.ndarray:
    return np.array(["" if v is None else str(v) for v in values], dtype=object)


def _dense(k: int, v: np.ndarray, blocks: tuple) -> np.ndarray:
    return Effects(np.zeros(k), v, np.array([""] * k, dtype=object), blocks=blocks).covariance()


def vcalc(case: dict, data: Data) -> Numbers:
    pairs = arguments(case["call"])
    given = {name: value for name, value in pairs if name}
    cluster = _labels(data[given["cluster"]])
    k = len(cluster)
    if "rvars" in given:  # the rows of each cluster's covariance matrix are columns of the data
        columns = np.column_stack([as_array(data[name]) for name in re.findall(r"\w+", given["rvars"])[1:]])
        scale = float(given["vi"])
        full = np.zeros((k, k))
        for label in dict.fromkeys(cluster.tolist()):
            rows = np.flatnonzero(cluster == label)
            full[np.ix_(rows, rows)] = scale * columns[rows][:, : len(rows)]
        return {"V": full}
    first = given.get("vi", pairs[0][1])
    numbers = {"time1": "time", "w1": "size1", "w2": "size2"}
    names = {"obs": "obs", "type": "kind", "grp1": "group1", "grp2": "group2"}
    parts: dict[str, Any] = {
        ours: as_array(data[given[theirs]]) for theirs, ours in numbers.items() if theirs in given
    }
    parts |= {ours: _labels(data[given[theirs]]) for theirs, ours in names.items() if theirs in given}
    rho = [float(x) for x in re.findall(r"[-\d.]+", given.get("rho", "0"))]
    pattern = Pattern(rho=rho[0], rho_between=rho[-1], phi=number(given, "phi", 1.0), **parts)
    v = as_array(data[first])
    return {"V": _dense(k, v, working_covariance(v, cluster, pattern))}


def aggregated(case: dict, data: Data) -> Numbers:
    given = named(case["call"])
    cluster, y, v = _labels(data[given["cluster"]]), as_array(data["yi"]), as_array(data["vi"])
    structure = {"CS": "constant", "ID": "independent"}.get(text(given, "struct", "CS"), "autoregressive")
    value = number(given, "rho" if structure == "constant" else "phi", 0.0)
    weighted = text(given, "weighted", "TRUE") == "TRUE"
    within = "seq_along" in given.get("time", "")
    results = []
    for label in dict.fromkeys(cluster.tolist()):
        rows = np.flatnonzero(cluster == label)
        time = np.arange(len(rows)) if within or "time" not in given else as_array(data[given["time"]])[rows]
        root = np.sqrt(v[rows])
        matrix = correlation_structure(len(rows), structure, value, time) * np.outer(root, root)
        results.append(combine(y[rows], matrix, weighted=weighted))
    if structure == "constant":  # the same through the public function
        blocks = working_covariance(v, cluster, Pattern(rho=value, obs=np.arange(len(y))))
        public = aggregate(Effects(y, v, cluster, blocks=blocks), weighted=weighted)
        return {"yi": public.y, "vi": public.v}
    return {"yi": np.array([r[0] for r in results]), "vi": np.array([r[1] for r in results])}


def rcalc(case: dict, data: Data) -> Numbers:
    call = case["call"]
    r_name, first, second, study = re.search(r"(\w+)\s*~\s*(\w+)\s*\+\s*(\w+)\s*\|\s*(\w+)", call).groups()
    given = named(call)
    fisher = text(given, "rtoz", "FALSE") == "TRUE"
    r, n = as_array(data[r_name]), as_array(data[given["ni"]])
    labels, one, two = _labels(data[study]), _labels(data[first]), _labels(data[second])
    full = np.zeros((len(r), len(r)))
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        full[np.ix_(rows, rows)] = correlation_covariance(
            r[rows], one[rows], two[rows], n[rows][0], fisher_z=fisher
        )
    return {"yi": transform(r, "fisher-z") if fisher else r, "V": full}


def matreg(case: dict, data: Data) -> Numbers:
    given = named(case["call"])
    names = tuple(data)
    columns = np.column_stack([as_array(values) for values in data.values()])
    covariances = text(given, "cov", "FALSE") == "TRUE"
    fit = regression_from_matrix(
        np.cov(columns.T) if covariances else np.corrcoef(columns.T), names, outcome=text(given, "y"),
        predictors=tuple(re.findall(r"\"(\w+)\"", given["x"])), n=float(len(columns)),
        means=columns.mean(axis=0) if "means" in given else None,
    )  # fmt: skip
    df = np.full(len(fit.estimate), fit.df)
    return {
        "beta": fit.estimate, "se": fit.se, "tval": fit.t, "df": df, "pval": fit.p_value, "ci_lb": fit.ci_low,
        "ci_ub": fit.ci_high, "R2": fit.r_squared, "F": {"value": fit.f, "df1": fit.f_df[0], "df2": fit.f_df[1]},
        "Fp": fit.f_p_value,
    }  # fmt: skip


READERS: dict[str, Callable[[dict, Data], Numbers]] = {
    "conv.2x2": two_by_two, "conv.wald": wald, "conv.fivenum": fivenum, "conv.delta": delta, "transf": transformed,
    "vcalc": vcalc, "aggregate": aggregated, "rcalc": rcalc, "matreg": matreg,
}  # fmt: skip


def tolerance(case: dict) -> float:
    """1e-8; 1e-6 for integrals; the accuracy of R's optimiser (1e-4 of the argument) for modes."""
    if "mode" in case["call"]:
        return 3e-4
    return 1e-6 if ".int" in case["call"] or "conv.delta" in case["call"] else 1e-8


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    if re.search(r"\bscale\s*=\s*~", case["call"]):
        return check_location_scale(case, datasets, cases)
    kind = next(
        (name for name in READERS if case["id"].startswith(name) or case["call"].startswith(name)), None
    )
    if kind is None:
        return Outcome("uncovered", detail="no reader for this call")
    ours = READERS[kind](case, datasets[case["data"]])
    found = [
        compare(ours[name], theirs, rtol=tolerance(case), atol=1e-12) for name, theirs in case["out"].items()
    ]
    agree = all(ok for ok, _ in found)
    return Outcome(
        "agree" if agree else "differ", max(worst for _, worst in found), "" if agree else str(found)
    )
