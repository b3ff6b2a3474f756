"""Selection models and their relatives as tables and text; registers what `print` shows of them."""

from __future__ import annotations

from itertools import pairwise

from ..base.format import equals, interval, number, p_value, percent, plural
from ..base.grid import clean, wrap
from ..records import Interval, Note, Table, TableColumn, TestResult
from ..records.selection import (
    CopasFit,
    PCurve,
    PUniform,
    SelectionBootstrap,
    SelectionModel,
    WorstCase,
    ZCurve,
)
from ..records.table import Cell
from .build_estimates import interval_title
from .show import show
from .text import to_text

WIDTH = 100
SIDES = {
    "greater": "one-sided p, large effects favoured",
    "less": "one-sided p, small effects favoured",
    "two-sided": "two-sided p",
}


def _columns(level: float, digits: int = 4) -> tuple[TableColumn, ...]:
    return (
        TableColumn("name", "Parameter"),
        TableColumn("estimate", "Estimate", "right", digits),
        TableColumn("se", "SE", "right", digits),
        TableColumn("ci_low", interval_title(level), "right", digits, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", digits),
    )


def selection_table(model: SelectionModel) -> Table:
    """Adjusted coefficients, tau^2 and the weights, with what they would be without selection."""
    c, w, plain = model.coefficients, model.weights, model.unadjusted
    columns = (*_columns(c.level), TableColumn("unadjusted", "Unadjusted", "right", 4))
    rows: list[tuple[Cell, ...]] = [
        (n, float(e), float(s), float(lo), float(hi), float(u))
        for n, e, s, lo, hi, u in zip(
            c.names, c.estimate, c.se, c.ci_low, c.ci_high, plain.estimate, strict=True
        )
    ]
    rows.append(("tau²", model.tau2, model.tau2_se, None, None, plain.tau2))
    labels = weight_labels(model)
    rows += [
        (label, float(e), float(s), None if given else float(lo), None if given else float(hi), None)
        for label, e, s, lo, hi, given in zip(
            labels, w.estimate, w.se, w.ci_low, w.ci_high, w.given, strict=True
        )
    ]
    return Table("selection", f"Selection model ({model.kind})", columns, tuple(rows))


def weight_labels(model: SelectionModel) -> list[str]:
    """What each parameter of the selection function is."""
    if model.kind == "step":
        ends = (0.0, *model.steps, 1.0)
        names = [f"weight, {a:g} < p ≤ {b:g}" for a, b in pairwise(ends)]
        return [f"{name} (n = {n})" for name, n in zip(names, model.counts, strict=True)]
    if model.kind.startswith("truncated"):
        return ["weight beyond the cut", "weight short of the cut"]
    return [f"δ{i + 1}" if len(model.weights.names) > 1 else "δ" for i in range(len(model.weights.names))]


def _test(test: TestResult | None, name: str) -> str:
    if test is None:
        return f"{name}: not defined here."
    return f"{name}: χ²({test.df1:g}) = {number(test.statistic, 3)}, p {equals(p_value(test.p_value))}."


def _plain(test: TestResult | None) -> str:
    return (
        "not available" if test is None else f"{number(test.statistic, 3)}, p {equals(p_value(test.p_value))}"
    )


def _lines(*lines: str) -> str:
    return "\n".join(piece for line in lines if line for piece in wrap(clean(line), WIDTH)) + "\n"


def _notes(notes: tuple[Note, ...]) -> str:
    return _lines(*map(str, notes)) if notes else ""


def _range(x: Interval | None, digits: int = 3) -> str:
    return "not available" if x is None else f"{number(x.estimate, digits)} {interval(x.low, x.high, digits)}"


def _join(*parts: str) -> str:
    return "\n".join(part for part in parts if part.strip())


@show.register
def _(record: SelectionModel) -> str:
    model = record
    head = _lines(
        f"{plural(model.effects.k, 'effect')} of {plural(model.effects.n_studies, 'study', 'studies')}; {SIDES[model.alternative]}; "
        f"{model.optimum.status}: {model.optimum.help}",
        f"Log-likelihood {number(model.loglik, 3)} (without selection {number(model.unadjusted.loglik, 3)}).",
        _test(model.test, "No selection"),
        _test(model.tau2_test, "No heterogeneity"),
    )
    return _join(head, to_text(selection_table(model), width=WIDTH), _notes(model.notes))


def bootstrap_table(boot: SelectionBootstrap) -> Table:
    """Bootstrap standard errors and percentile limits."""
    rows = tuple(
        (n, float(e), float(s), float(lo), float(hi))
        for n, e, s, lo, hi in zip(boot.names, boot.estimate, boot.se, boot.ci_low, boot.ci_high, strict=True)
    )
    return Table(
        "selection-bootstrap", "Cluster bootstrap of the selection model", _columns(boot.level), rows
    )


@show.register
def _(record: SelectionBootstrap) -> str:
    head = f"{plural(len(record.draws), 'sample')} of studies, {record.failed} without an estimate."
    return _join(to_text(bootstrap_table(record), width=WIDTH), _lines(head), _notes(record.notes))


def worst_case_table(record: WorstCase) -> Table:
    """Corrected estimates by eta; the last row is that of the non-affirmative studies alone."""
    columns = (
        TableColumn("eta", "η", "right", 2),
        *(c for c in _columns(record.level, 3)[1:] if c.key != "se"),
    )
    keep = [i for i in range(len(record.etas)) if i % 4 == 0 or i == len(record.etas) - 1]
    rows: list[tuple[Cell, ...]] = [
        (float(record.etas[i]), float(record.estimate[i]), float(record.low[i]), float(record.high[i]))
        for i in keep
    ]
    if record.worst is not None:
        rows.append((float("inf"), record.worst.estimate, record.worst.low, record.worst.high))
    return Table(
        "worst-case", "If affirmative results were η times as likely to be published", columns, tuple(rows)
    )


@show.register
def _(record: WorstCase) -> str:
    n = int(record.affirmative.sum())

    def said(x: float) -> str:
        return "no ratio does" if x == float("inf") else number(x, 2)

    head = _lines(
        f"{n} of {record.effects.k} results are affirmative (p < {record.alpha:g} in the favoured direction); {record.model} model.",
        f"Ratio that moves the estimate to {record.null:g}: {said(record.s_value)}; the confidence limit: {said(record.s_value_limit)}.",
    )
    return _join(head, to_text(worst_case_table(record), width=WIDTH), _notes(record.notes))


@show.register
def _(record: PCurve) -> str:
    lines = _lines(
        f"{plural(len(record.p), 'significant result')} of {record.k}; "
        f"{'right-skewed: evidential value' if record.evidential_value else 'no sign of evidential value by right skew'}.",
        f"Right skew: Z = {_plain(record.right_skew)}; p < .025: Z = {_plain(record.right_skew_half)}.",
        f"Flatter than 33% power: Z = {_plain(record.flatness)}; p < .025: Z = {_plain(record.flatness_half)}.",
        f"Fisher: χ² = {_plain(record.fisher)}.",
        f"Power of the significant studies: {_range(record.power, 2)} ({100 * record.level:g}% CI).",
    )
    return _join(lines, _notes(record.notes))


@show.register
def _(record: PUniform) -> str:
    lines = _lines(
        f"{record.method}: {record.k_significant} of {plural(record.effects.k, 'result')} significant in the favoured direction.",
        f"Estimate {_range(record.estimate)} ({100 * record.level:g}% CI)"
        + (f"; tau² {_range(record.tau2)}." if record.tau2 is not None else "."),
        f"No effect: {_plain(record.effect)}. No bias: {_plain(record.bias)}.",
    )
    return _join(lines, _notes(record.notes))


@show.register
def _(record: ZCurve) -> str:
    def rate(x: Interval) -> str:
        low, high = percent(100 * x.low, 0).lstrip("+"), percent(100 * x.high, 0).lstrip("+")
        return f"{percent(100 * x.estimate, 0).lstrip('+')} [{low}, {high}]"

    lines = _lines(
        f"z-curve of {plural(record.effects.k, 'result')}; {record.optimum.status}.",
        f"Expected replication rate {rate(record.err)}; expected discovery rate {rate(record.edr)}; observed {rate(record.odr)}.",
        f"At most {rate(record.soric)} of the discoveries are false; for each of them {_range(record.missing, 1)} results are missing.",
    )
    return _join(lines, _notes(record.notes))


def copas_table(record: CopasFit) -> Table:
    """The path from no to severe selection."""
    path = record.path
    columns = (
        TableColumn("published", "P(publication), least precise", "right", 2),
        *(c for c in _columns(record.level, 3)[1:] if c.key != "se"),
        TableColumn("unpublished", "Unpublished", "right", 1),
        TableColumn("p_residual", "p, asymmetry left", "right", 3, "p"),
    )
    arrays = (path.published, path.estimate, path.low, path.high, path.unpublished, path.p_residual)
    rows = tuple(tuple(float(x[i]) for x in arrays) for i in range(len(path.published)))
    return Table("copas", "Copas selection model", columns, rows)


@show.register
def _(record: CopasFit) -> str:
    lines = _lines(
        f"Unadjusted {_range(record.unadjusted)}; adjusted {_range(record.adjusted)}"
        " (least selection that leaves no asymmetry)."
    )
    return _join(lines, to_text(copas_table(record), width=WIDTH), _notes(record.notes))
