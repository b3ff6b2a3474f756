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
    j, level = record.focus, f"{100 * record.level:g}% CI"
    added = isinstance(record, Cumulative)
    first = "Added" if added else "Left out"
    columns = (
        TableColumn("label", first),
        *(
            (TableColumn("value", record.order),)
            if isinstance(record, Cumulative) and record.order != "precision"
            else ()
        ),
        TableColumn("k", "k", "right", kind="count"),
        TableColumn("estimate", record.names[j] if len(record.names) > 1 else "Estimate", "right", 3),
        TableColumn("ci_low", level, "right", 3, pair="ci_high"),
        TableColumn("ci_high", "upper limit", "right", 3),
        TableColumn("p_value", "p", "right", 3, "p"),
        TableColumn("tau2", "\u03c4\u00b2", "right", 3),
        TableColumn("i2", "I\u00b2 %", "right", 1),
        TableColumn("q", "Q", "right", 1),
        TableColumn("reason", "Remark"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            record.label[i],
            *((record.value[i],) if isinstance(record, Cumulative) and record.order != "precision" else ()),
            int(record.k[i]),
            float(record.estimate[i, j]),
            float(record.ci_low[i, j]),
            float(record.ci_high[i, j]),
            float(record.p_value[i, j]),
            float(record.tau2[i]),
            float(record.i2[i]),
            float(record.q[i]),
            record.reason[i],
        )
        for i in range(record.n)
    )
    whole = f"{number(record.whole[j], 3)} {interval(record.whole_low[j], record.whole_high[j], 3)}"
    notes = [f"All effects: {whole}; intervals: {record.method}."]
    if isinstance(record, Cumulative):
        return Table("cumulative", "Cumulative analysis", columns, rows, notes=(*notes, record.rule))
    return Table("leave-one-out", "Leaving out each in turn", columns, rows, notes=tuple(notes))


def influence_sentence(record: Influence) -> str:
    """What the flags say, in a sentence or two."""
    flagged = [record.label[i] for i in range(record.n) if record.outlier[i] or record.influential[i]]
    what = "case" if record.by not in CASES else record.by
    many = "studies" if what == "study" else None
    how = "variances re-estimated" if record.reestimated else "variances held"
    named = f": {', '.join(flagged[:12])}" if flagged else ""
    more = f" and {len(flagged) - 12} more" if len(flagged) > 12 else ""
    return f"{plural(record.n, what, many)} left out in turn, {how}; {len(flagged) or 'none'} flagged{named}{more}."
