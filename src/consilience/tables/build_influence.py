"""Influence, leave-one-out and cumulative analyses as tables."""

from __future__ import annotations

from ..base.format import interval, number, plural
from ..records import Cumulative, Influence, Refitted, Table, TableColumn
from ..records.table import Cell

CASES = {"effect": "Effect", "study": "Study"}


def case_title(by: str) -> str:
    """What a case is called at the head of a column."""
    return CASES.get(by, by)


def flag_words(record: Influence, i: int) -> str:
    """``outlier, influential``, or why the case cannot be left out."""
    words = [
        w
        for w, flagged in (("outlier", record.outlier[i]), ("influential", record.influential[i]))
        if flagged
    ]
    return record.reason[i] or ", ".join(words)


def influence_table(record: Influence) -> Table:
    """One row for each case."""
    extreme = record.extreme
    numbers = (
        ("z", "Deleted z", extreme, 2),
        ("p_value", "p", record.p_value, 3),
        ("dffits", "DFFITS", record.dffits, 2),
        ("cook", "Cook's D", record.cook, 2),
        ("covratio", "Cov. ratio", record.covratio, 2),
        ("tau2", "\u03c4\u00b2 without", record.tau2, 3),
        ("q", "Q without", record.q, 1),
        ("hat", "Hat", record.hat, 3),
        ("weight", "Weight %", record.weight, 1),
    )
    columns = (
        TableColumn("label", case_title(record.by)),
        TableColumn("size", "k", "right", kind="count"),
        *(
            TableColumn(key, title, "right", digits, "p" if key == "p_value" else "number")
            for key, title, _, digits in numbers
        ),
        TableColumn("flag", "Flag"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            record.label[i],
            int(record.size[i]),
            *(float(values[i]) for _, _, values, _ in numbers),
            flag_words(record, i),
        )
        for i in range(record.n)
    )
    title = f"Influence of each {record.by}"
    return Table("influence", title, columns, rows, notes=record.rules)


def dfbetas_table(record: Influence) -> Table:
    """Change of each coefficient in standard errors when a case is left out."""
    columns = (
        TableColumn("label", case_title(record.by)),
        *(TableColumn(f"dfbetas_{j}", name, "right", 2) for j, name in enumerate(record.names)),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (record.label[i], *map(float, record.dfbetas[i])) for i in range(record.n)
    )
    return Table("dfbetas", "DFBETAS", columns, rows)


def refitted_table(record: Refitted) -> Table:
    """One row for each selection of the effects: the coefficient in focus and the heterogeneity."""
    j = record.focus
    ordered = isinstance(record, Cumulative) and record.order != "precision"
    rows: list[tuple[Cell, ...]] = []
    for i in range(record.n):
        value = (record.value[i],) if isinstance(record, Cumulative) and ordered else ()
        arrays = (record.estimate, record.ci_low, record.ci_high, record.p_value)
        heterogeneity = (float(a[i]) for a in (record.tau2, record.i2, record.q))
        answer = (float(a[i, j]) for a in arrays)
        rows.append((record.label[i], *value, int(record.k[i]), *answer, *heterogeneity, record.reason[i]))
    whole = f"{number(record.whole[j], 3)} {interval(record.whole_low[j], record.whole_high[j], 3)}"
    notes = (f"All effects: {whole}; intervals: {record.method}.",)
    columns = _refitted_columns(record)
    if isinstance(record, Cumulative):
        return Table("cumulative", "Cumulative analysis", columns, tuple(rows), notes=(*notes, record.rule))
    return Table("leave-one-out", "Leaving out each in turn", columns, tuple(rows), notes=notes)


def _refitted_columns(record: Refitted) -> tuple[TableColumn, ...]:
    added = isinstance(record, Cumulative)
    ordered = isinstance(record, Cumulative) and record.order != "precision"
    value = (TableColumn("value", record.order),) if isinstance(record, Cumulative) and ordered else ()
    return (
        TableColumn("label", "Added" if added else "Left out"),
        *value,
        TableColumn("k", "k", "right", kind="count"),
        TableColumn(
            "estimate", record.names[record.focus] if len(record.names) > 1 else "Estimate", "right", 3
        ),
        TableColumn("ci_low", f"{100 * record.level:g}% CI", "right", 3, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 3),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("tau2", "\u03c4\u00b2", "right", 3),
        TableColumn("i2", "I\u00b2 %", "right", 1),
        TableColumn("q", "Q", "right", 1),
        TableColumn("reason", "Remark"),
    )


def influence_sentence(record: Influence) -> str:
    """What the flags say, in a sentence or two."""
    flagged = [record.label[i] for i in range(record.n) if record.outlier[i] or record.influential[i]]
    what = "case" if record.by not in CASES else record.by
    many = "studies" if what == "study" else None
    how = "variances re-estimated" if record.reestimated else "variances held"
    named = f": {', '.join(flagged[:12])}" if flagged else ""
    more = f" and {len(flagged) - 12} more" if len(flagged) > 12 else ""
    return f"{plural(record.n, what, many)} left out in turn, {how}; {len(flagged) or 'none'} flagged{named}{more}."
