"""What is said about small studies as tables: one row a test, an estimate, a number."""

from __future__ import annotations

import math

from ..base.format import equals, number, p_value, plural
from ..records import Fit, Interval, Table, TableColumn
from ..records.small_study import (
    AdjustedLine,
    Asymmetry,
    ExcessSignificance,
    FailSafe,
    Funnel,
    LimitMeta,
    PetPeese,
    PreciseAverage,
    StudyPower,
    TrimAndFill,
)
from ..records.table import Cell
from .build_estimates import interval_title

NAN = float("nan")


def _estimates(level: float, first: str, *, tested: bool = True) -> tuple[TableColumn, ...]:
    columns = (
        TableColumn("label", first),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("se", "SE", "right", 4),
        TableColumn("ci_low", interval_title(level), "right", 4, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 4),
    )
    return (*columns, TableColumn("p_value", "p", "right", 3, "p")) if tested else columns


def _interval_row(label: str, interval: Interval) -> tuple[Cell, ...]:
    return (label, interval.estimate, None, interval.low, interval.high, None)


def asymmetry_table(record: Asymmetry) -> Table:
    """The test, what it estimates, and the effect that an infinitely large study would show."""
    columns = (
        TableColumn("test", "Test"),
        TableColumn("statistic", "Statistic", "right", 3),
        TableColumn("df", "df", "right", 1),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("se", "SE", "right", 4),
        TableColumn("ci_low", interval_title(record.level), "right", 4, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 4),
    )
    r = record
    row = (r.title, r.statistic, r.df, r.p_value, r.estimate, r.se, r.ci_low, r.ci_high)
    notes = [
        f"Estimate: {r.quantity}. Model: {r.model}.",
        f"{plural(r.k, 'effect')} in {plural(r.n_studies, 'study', 'studies')}.",
    ]
    if r.limit is not None:
        low, high = number(r.limit.low, 4), number(r.limit.high, 4)
        notes.append(
            f"Effect expected of an infinitely large study: {number(r.limit.estimate, 4)} [{low}, {high}]."
        )
    return Table(
        "asymmetry",
        "Do small studies show other effects?",
        columns,
        (row,),
        notes=(*notes, *map(str, r.notes)),
    )


def _line_row(line: AdjustedLine) -> tuple[Cell, ...]:
    return (
        line.name,
        line.estimate,
        line.se,
        line.ci_low,
        line.ci_high,
        line.p_one_sided,
        line.slope,
        line.slope_p,
    )


def pet_peese_table(record: PetPeese) -> Table:
    """PET, PEESE and the pooled effect without a predictor."""
    one_sided = TableColumn("p_one_sided", "p, one-sided", "right", 3, "p")
    slope = (TableColumn("slope", "Slope", "right", 4), TableColumn("slope_p", "p of slope", "right", 3, "p"))
    columns = (*_estimates(record.level, "Effect", tested=False), one_sided, *slope)
    rows = (
        (*_interval_row("unadjusted", record.unadjusted), None, None),
        _line_row(record.pet),
        _line_row(record.peese),
    )
    first = "differs" if record.chosen == "PEESE" else "does not differ"
    rule = (
        f"{record.chosen} is taken: the effect by PET {first} from zero in the {record.direction} direction "
        f"(one-sided p {equals(p_value(record.pet.p_one_sided))}, limit {p_value(record.alpha)})."
    )
    what = {"se": "standard error", "arms": "sqrt(1/n1 + 1/n2)"}[record.predictor]
    notes = (
        rule,
        f"Predictor: {what} (PET) or its square (PEESE). Model: {record.model}.",
        *map(str, record.notes),
    )
    return Table("pet-peese", "The effect without sampling error", columns, rows, notes=notes)


def _fit_row(label: str, fit: Fit) -> tuple[Cell, ...]:
    c = fit.coefficients
    return (
        label,
        float(c.estimate[0]),
        float(c.se[0]),
        float(c.ci_low[0]),
        float(c.ci_high[0]),
        float(c.p_value[0]),
        fit.effects.k,
        fit.components.total,
    )


def trim_and_fill_table(record: TrimAndFill) -> Table:
    """The pooled effect as observed and with the added studies."""
    columns = (
        *_estimates(record.original.coefficients.level, "Studies"),
        TableColumn("k", "k", "right", kind="count"),
        TableColumn("tau2", "τ²", "right", 4),
    )
    rows = (_fit_row("observed", record.original), _fit_row("filled", record.filled))
    missing = f"{record.estimator}: {plural(record.k0, 'study', 'studies')} missing on the {record.side} (SE {number(record.se_k0)})"
    p = "" if math.isnan(record.p_k0) else f"; p of none missing {equals(p_value(record.p_k0))}"
    how = "side as given" if record.side_given else "side chosen by the slope of the effects on their SE"
    caution = "It assumes that the most extreme effects are missing; other causes of asymmetry look the same."
    return Table(
        "trim-and-fill",
        "Trim and fill",
        columns,
        rows,
        notes=(f"{missing}{p}; {how}.", caution, *map(str, record.notes)),
    )


def limit_meta_table(record: LimitMeta) -> Table:
    """Random-effects mean and its limit."""
    adjusted = ("adjusted (limit)", record.estimate, record.se, record.ci_low, record.ci_high, record.p_value)
    rows = (_interval_row("random effects", record.unadjusted), adjusted)
    df = len(record.limit_effects)
    notes = (
        f"τ² = {number(record.tau2, 4)}; small-study effect α = {number(record.alpha, 3)}, β = {number(record.beta, 3)}.",
        f"Q = {number(record.q)} (df {df - 1}), of which small-study effects {number(record.q_small)} "
        f"(df 1, p {equals(p_value(record.q_small_p))}) and the rest {number(record.q_residual)} "
        f"(df {df - 2}, p {equals(p_value(record.q_residual_p))}).",
        f"G² = {number(100 * record.g2, 1)}% of the variance between limit effects is left after the small-study effect.",
    )
    return Table("limit-meta", "Limit meta-analysis", _estimates(record.level, "Effect"), rows, notes=notes)


def precise_average_table(record: PreciseAverage) -> Table:
    """UWLS or WAAP-WLS."""
    r = record
    row = (r.method, r.estimate, r.se, r.ci_low, r.ci_high, r.p_value)
    used = f"{len(r.rows)} of {plural(r.k, 'study', 'studies')} used; {r.n_adequate} adequately powered (SE up to {number(r.threshold, 3)})."
    spread = (
        f"Standard error times the observed dispersion {number(r.dispersion)}; t with {number(r.df, 0)} df."
    )
    return Table(
        "precise-average",
        "Average of the precise studies",
        _estimates(r.level, "Method"),
        (row,),
        notes=(used, spread, *map(str, r.notes)),
    )


def fail_safe_table(record: FailSafe) -> Table:
    """One row a method."""
    columns = (
        TableColumn("method", "Method"),
        TableColumn("n", "Studies", "right", kind="count"),
        TableColumn("p_value", "Observed p", "right", 3, "p"),
        TableColumn("estimate", "Average", "right", 4),
        TableColumn("target", "Target", "right", 4),
        TableColumn("meaning", "Meaning"),
    )
    rows = tuple((c.method, c.n, c.p_value, c.estimate, c.target, c.meaning) for c in record.counts)
    note = (
        f"{plural(record.k, 'study', 'studies')}; Rosenthal called a number above {record.tolerance} (5k + 10) large. "
        "None of these numbers considers heterogeneity, or unseen studies with effects of the other sign."
    )
    return Table("fail-safe", "How many unseen studies?", columns, rows, notes=(note,))


def excess_table(record: ExcessSignificance) -> Table:
    """One row a test of excess significance."""
    columns = (
        TableColumn("test", "Test"),
        TableColumn("statistic", "Statistic", "right", 3),
        TableColumn("p_value", "p, one-sided", "right", 3, "p"),
    )
    r = record
    rows = (
        ("exact (sum of independent events)", NAN, r.p_exact),
        ("binomial, average power", NAN, r.p_binomial),
        ("chi-squared", r.chi2, r.p_chi2),
        ("PSST (share significant)", r.psst_z, r.psst_p),
        ("TESS (excess above α)", r.tess_z, r.tess_p),
    )
    note = (
        f"{r.observed} of {plural(r.k, 'study', 'studies')} are significant at {p_value(r.alpha)}; "
        f"{number(r.expected)} are expected if the true effect is {number(r.effect, 3)} (τ² = {number(r.tau2, 3)})."
    )
    return Table("excess-significance", "Excess of significant studies", columns, rows, notes=(note,))


def power_table(record: StudyPower) -> Table:
    """Studies by power."""
    columns = (
        TableColumn("study", "Study"),
        TableColumn("effect", "Effect", "right", 3),
        TableColumn("se", "SE", "right", 3),
        TableColumn("power", "Power, %", "right", 1),
        TableColumn("significant", "Significant"),
    )
    r, effects = record, record.effects
    order = sorted(range(effects.k), key=lambda i: -float(r.power[i]))
    rows = tuple(
        (
            str(effects.study[i]),
            float(effects.y[i]),
            float(effects.v[i]) ** 0.5,
            100 * float(r.power[i]),
            "yes" if r.significant[i] else "no",
        )
        for i in order
    )
    notes = (
        f"Power to detect {number(r.effect, 3)} (two-sided, α {p_value(r.alpha)}); median {number(100 * r.median, 1)}%.",
        f"{r.observed} of {r.effects.k} significant, {number(r.expected, 1)} expected (p {equals(p_value(r.excess_p))}); "
        f"R-index {number(100 * r.r_index, 1)}%.",
        f"A median power of 33% needs a true effect of {number(r.effect_33, 3)}, of 66% {number(r.effect_66, 3)}.",
    )
    return Table("study-power", "Power of the studies", columns, rows, notes=notes)


def funnel_table(record: Funnel) -> Table:
    """Effects and standard errors, the added studies last."""
    columns = (
        TableColumn("study", "Study"),
        TableColumn("effect", "Effect", "right", 3),
        TableColumn("se", "SE", "right", 3),
    )
    r = record
    rows = [(str(s), float(y), float(se)) for s, y, se in zip(r.study, r.y, r.se, strict=True)]
    groups = ((len(rows), "Added by trim and fill"),) if len(r.added_y) else ()
    rows += [
        (f"filled {i + 1}", float(y), float(se))
        for i, (y, se) in enumerate(zip(r.added_y, r.added_se, strict=True))
    ]
    notes = [f"Pooled effect {number(r.estimate, 3)}."]
    if len(r.added_y):
        notes.append(f"With the added studies {number(r.filled_estimate, 3)}.")
    notes += [
        f"{line.name}: {number(line.at(0.0), 3)} for a study without sampling error." for line in r.lines
    ]
    return Table("funnel", "Funnel plot", columns, tuple(rows), groups, (*notes, *map(str, r.notes)))
