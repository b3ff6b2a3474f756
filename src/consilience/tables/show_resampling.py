"""What ``print()`` shows of resampling and calibration."""

from __future__ import annotations

from ..base.format import count, equals, interval, number, p_value, plural
from ..base.grid import wrap
from ..records.calibration import Calibration
from ..records.resampling import Bootstrap, Jackknife, WildBootstrap, WildInterval
from .build_calibration import calibration_table, selected_table
from .build_resampling import bootstrap_intervals_table, bootstrap_table, jackknife_table
from .show import WIDTH, show
from .text import to_text


@show.register
def _(record: Calibration) -> str:
    tables = [calibration_table(record)]
    if record.selected:
        tables.append(selected_table(record))
    return "\n".join(to_text(table, width=WIDTH) for table in tables)


@show.register
def _(record: Bootstrap) -> str:
    tables = (bootstrap_table(record), bootstrap_intervals_table(record))
    return "\n".join(to_text(table, width=WIDTH) for table in tables)


@show.register
def _(record: Jackknife) -> str:
    return to_text(jackknife_table(record), width=WIDTH)


def _how(record: WildBootstrap | WildInterval) -> str:
    made = (
        f"all {count(record.replicates)} sign patterns" if record.exact else plural(record.replicates, "draw")
    )
    return f"{made}, {plural(record.clusters, 'cluster')}, {record.correction}"


@show.register
def _(record: WildBootstrap) -> str:
    shown = p_value(record.p_value)
    error = "" if record.exact else f" (95% Monte-Carlo interval {interval(record.p_low, record.p_high, 4)})"
    kind = "hypothesis imposed" if record.imposed else "unrestricted"
    text = (
        f"{record.name}: Wald F with {record.df1} numerator df = {number(record.statistic, 3)}, "
        f"p {equals(shown)}{error}; {kind}, {_how(record)}."
    )
    return "\n".join(wrap(text, WIDTH)) + "\n"


@show.register
def _(record: WildInterval) -> str:
    error = (
        ""
        if record.exact
        else f" (Monte-Carlo error \u00b1{number(record.low_error, 4)}, \u00b1{number(record.high_error, 4)})"
    )
    text = (
        f"{record.name}: {number(record.estimate, 4)}, {100 * record.level:g}% interval by inverting the cluster wild "
        f"bootstrap test {interval(record.low, record.high, 4)}{error}; {record.auxiliary}, {_how(record)}."
    )
    return "\n".join(wrap(text, WIDTH)) + "\n"
