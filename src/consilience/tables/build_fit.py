"""A fitted model as tables: coefficients and variance components."""

from __future__ import annotations

from ..records import Coefficients, Fit, Table, TableColumn
from ..records.table import Cell
from .build_estimates import interval_title


def coefficients_table(fit: Fit) -> Table:
    """One row per fixed effect; the reference distribution is named in the title."""
    return estimates_table(fit.coefficients, "Coefficients")


def estimates_table(c: Coefficients, title: str) -> Table:
    """Any coefficients, or combinations of them, one a row."""
    columns = (
        TableColumn("name", "Coefficient"),
        TableColumn("estimate", "Estimate", "right", 4),
        TableColumn("se", "SE", "right", 4),
        TableColumn("statistic", "t", "right", 3),
        TableColumn("df", "df", "right", 1),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("ci_low", interval_title(c.level), "right", 4, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 4),
    )
    numbers = (c.estimate, c.se, c.statistic, c.df, c.p_value, c.ci_low, c.ci_high)
    rows: list[tuple[Cell, ...]] = [(name, *(float(x[j]) for x in numbers)) for j, name in enumerate(c.names)]
    return Table("coefficients", f"{title} ({c.method})", columns, tuple(rows))


def components_table(fit: Fit) -> Table:
    """One row per variance component: variance, standard deviation, share of the total variance."""
    names, variance = fit.components.names, fit.components.variance
    columns = (
        TableColumn("name", "Component"),
        TableColumn("variance", "Variance", "right", 4),
        TableColumn("sd", "SD", "right", 4),
        TableColumn("i2", "I², %", "right", 1),
    )
    i2 = fit.heterogeneity.i2_by
    rows = tuple((n, float(v), float(v) ** 0.5, i2.get(n)) for n, v in zip(names, variance, strict=True))
    return Table("components", "Variance between effects", columns, rows)
