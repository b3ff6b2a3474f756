"""A call of rma() or rma.mv() in a reference file as our Effects, Design and Spec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilience.records import Block, Design, Effects, Inner, Intercept, Known, Slopes, Spec

from ._r_expression import Call, Name, columns_of, levels_of, matrix_of, model_matrix, parse, values, vector

TESTS = {"z": "z", "t": "t", "knha": "knapp-hartung", "adhoc": "knapp-hartung-floor"}
SPATIAL = ("SPEXP", "SPGAU", "SPLIN", "SPRAT", "SPSPH")
RELATIONS: dict[str, Any] = {
    "none": "none",
    "cor": "correlation",
    "cor0": "correlation-from-zero",
    "cov0": "from-zero",
}
Numbers = list[float]


@dataclass(frozen=True)
class Model:
    """What R was asked, in our records; `data` are the columns."""

    effects: Effects
    design: Design
    spec: Spec
    data: dict[str, np.ndarray]

    def given(self, out: dict[str, Any]) -> Spec:
        """The same spec with R's variance components as given values."""
        sigma2, groups = (
            _listed(out.get("sigma2")),
            [
                (_listed(out.get("tau2")), _listed(out.get("rho"))),
                (_listed(out.get("gamma2")), _listed(out.get("phi"))),
            ],
        )
        terms = []
        for term in self.spec.terms:
            if isinstance(term, (Intercept, Known)):
                source = sigma2 if sigma2 and self.spec.terms != (Intercept(("row",)),) else groups[0][0]
                terms.append(replace(term, variance=source.pop(0)))
            elif isinstance(term, Inner):
                variances, correlations = groups.pop(0)
                terms.append(_given_inner(term, variances, correlations, self.data))
            else:
                variances, correlations = groups.pop(0)
                terms.append(
                    replace(
                        term,
                        variance=tuple(variances),
                        correlation=tuple(correlations) if term.correlated else None,
                    )
                )
        return replace(self.spec, terms=tuple(terms))


def _listed(x: Any) -> Numbers:
    if x is None:
        return []
    return [float(v) for v in x] if isinstance(x, list) else [float(x)]


def _given_inner(
    term: Inner, variances: Numbers, correlations: Numbers, data: dict[str, np.ndarray]
) -> Inner:
    """R lists levels in its own order; ours are sorted numbers or plain text."""
    if len(variances) == 1 and term.structure not in ("DIAG", "HCS", "HAR", "UN"):
        return replace(term, variance=tuple(variances), correlation=tuple(correlations[:1]) or None)
    theirs = levels_of(data[term.inner])
    ours = sorted(theirs, key=str) if data[term.inner].dtype == object else theirs
    spots = [theirs.index(level) for level in ours]
    variance = tuple(variances[i] for i in spots)
    if term.structure != "UN":
        return replace(term, variance=variance, correlation=tuple(correlations[:1]) or None)
    size = len(theirs)
    full = np.eye(size)
    columns, rows = np.triu_indices(size, 1)
    full[rows, columns] = full[columns, rows] = correlations
    full = full[np.ix_(spots, spots)]
    return replace(term, variance=variance, correlation=tuple(full[rows, columns].tolist()))


def read_model(case: dict, datasets: dict[str, Any], *, cluster: str = "") -> Model:
    """Records for the R call of a case; its `args` name matrices that stand in data sets of their own."""
    beta = case.get("out", {}).get("beta")
    hint = list(beta) if isinstance(beta, dict) else []
    text, data_name, args = case["call"], case["data"], case.get("args")
    call = parse(text)
    named = dict(call.named)
    for key, value in zip(("yi", "V", "W"), call.args, strict=False):
        named.setdefault(key, value)
    args = args if isinstance(args, dict) else {}
    data = columns_of(datasets[data_name])
    y = vector(named["yi"], data)
    blocks, v = _sampling(named.get("V", named.get("vi")), datasets, data)
    terms = _random(named, datasets, data, args) if call.function == "rma.mv" else (Intercept(("row",)),)
    method = named.get("method", "REML")
    method = "EE" if method in ("FE", "EE", "CE") else method
    test = TESTS[named.get("test", "z")]
    if test == "t" and named.get("dfs") == "contain":
        test = "t-containment"
    group = data[cluster] if cluster else _first_group(terms, data, len(y))
    data = {**data, "every row": np.arange(len(y)).astype(object)}
    effects = Effects(y, v, group.astype(object), blocks=blocks, columns=data)
    design = Design.intercept(len(y))
    if "mods" in named:
        matrix, names = model_matrix(named["mods"], data, hint=hint)
        design = Design(matrix, tuple(names))
    weights = named.get("W", named.get("weights"))
    weights = "" if weights is None else "equal" if weights == 1.0 else _text(weights)
    level = float(named.get("level", 95)) / (100 if float(named.get("level", 95)) > 1 else 1)
    spec = Spec(terms if method != "EE" else (), method, test, level=level, weights=weights)
    return _complete(Model(effects, design, spec, data))


def _complete(model: Model) -> Model:
    """R leaves out rows with a missing effect, variance or moderator."""
    effects, design = model.effects, model.design
    keep = np.isfinite(effects.y) & np.isfinite(effects.v) & np.isfinite(design.matrix).all(axis=1)
    for block in effects.blocks:
        inside = block.rows[keep[block.rows]]
        at = np.isin(block.rows, inside)
        keep[inside] &= np.isfinite(block.matrix[np.ix_(at, at)]).all(axis=1)
    if keep.all():
        return model
    kept = effects.take(keep)
    return Model(
        kept,
        replace(design, matrix=design.matrix[keep]),
        model.spec,
        {n: c[keep] for n, c in model.data.items()},
    )


def _first_group(terms: tuple[Any, ...], data: dict[str, np.ndarray], k: int) -> np.ndarray:
    for term in terms:
        name = term.by[0] if isinstance(term, Intercept) else getattr(term, "outer", getattr(term, "by", ""))
        if name in data:
            return data[name]
    return np.arange(k)


def _sampling(
    expression: Any, datasets: dict[str, Any], data: dict[str, np.ndarray]
) -> tuple[tuple[Block, ...], np.ndarray]:
    """Blocks of a covariance matrix (connected by non-zero entries) and the variances."""
    if isinstance(expression, Name) and expression.text not in data:
        full, _ = matrix_of(datasets[expression.text])
        label = np.arange(len(full))
        for _ in range(len(full)):
            linked = np.where(full != 0, label[None, :], len(full)).min(axis=1)
            if np.array_equal(linked, label):
                break
            label = linked
        rows = [np.flatnonzero(label == n) for n in np.unique(label)]
        return tuple(Block(r, full[np.ix_(r, r)]) for r in rows if len(r) > 1), np.diag(full).copy()
    return (), vector(expression, data).astype(float)


def _random(
    named: dict[str, Any], datasets: dict[str, Any], data: dict[str, np.ndarray], args: dict[str, str]
) -> tuple[Any, ...]:
    """Random terms: ~1 | a/b, ~inner | outer, ~slope | group, with R = list(...) and dist = list(...)."""
    if named.get("random") is None:
        return ()
    formulas = named["random"]
    formulas = formulas.args if isinstance(formulas, Call) and formulas.function == "list" else [formulas]
    structures = named.get("struct", "CS")
    structures = values(structures) if isinstance(structures, Call) else [structures, structures]
    sigma2 = _constants(named.get("sigma2"))
    known = {key: args.get("R", _text(value)) for key, value in _list(named.get("R")).items()}
    terms: list[Any] = []
    pairs = [(("tau2", "rho"), structures[0]), (("gamma2", "phi"), structures[-1])]
    for formula in formulas:
        inner, outer = formula.args[0].args
        path = _path(outer)
        if inner == 1.0:
            for depth in range(1, len(path) + 1):
                fixed = sigma2.pop(0) if sigma2 else None
                by = path[:depth]
                if by[-1] in known:
                    matrix, labels = matrix_of(datasets[known[by[-1]]])
                    scale = RELATIONS[str(named.get("Rscale", "cor"))]
                    terms.append(Known(by[-1], matrix, labels, fixed, scale))
                else:
                    terms.append(Intercept(tuple(by), fixed))
            continue
        (variance, correlation), structure = pairs.pop(0)
        if structure in ("GEN", "GDIAG"):
            between = _optional(named.get(correlation)) if structure == "GEN" else None
            terms.append(
                Slopes(
                    tuple(_path(inner)), path[0], structure == "GEN", _optional(named.get(variance)), between
                )
            )
            continue
        distance, labels = None, ()
        if structure in SPATIAL:
            name = args.get("dist") or _text(named["dist"].args[0])
            distance, labels = matrix_of(datasets[name])
        terms.append(
            Inner(
                _path(inner)[0],
                path[0],
                structure,
                _optional(named.get(variance)),
                _optional(named.get(correlation)),
                distance,
                labels,
            )
        )
    return tuple(terms)


def _text(expression: Any) -> str:
    return expression.text if isinstance(expression, Name) else str(expression)


def _list(expression: Any) -> dict[str, Any]:
    return expression.named if isinstance(expression, Call) else {}


def _constants(expression: Any) -> list[float | None]:
    if expression is None:
        return []
    found = values(expression)
    return [None if np.isnan(x) else x for x in (found if isinstance(found, list) else [found])]


def _optional(expression: Any) -> tuple[float, ...] | None:
    if expression is None:
        return None
    found = values(expression)
    return tuple(found) if isinstance(found, list) else (found,)


def _path(expression: Any) -> list[str]:
    """a/b/c as a list."""
    if isinstance(expression, Call) and expression.function in ("/", "+"):
        return [*_path(expression.args[0]), *_path(expression.args[1])]
    return [_text(expression)]
