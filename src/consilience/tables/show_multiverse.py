"""What ``print()`` shows of a multiverse."""

from __future__ import annotations

from ..base.format import interval, number, plural
from ..base.grid import clean, wrap
from ..records import JointTestResult, MultiverseResult
from .build_multiverse import alternatives_table, movement_table
from .show import WIDTH, show
from .text import to_text


@show.register
def _(record: MultiverseResult) -> str:
    s, (low, high) = record.support, record.range
    word = "above" if s.side > 0 else "below"
    head = [
        f"{plural(len(record), 'specification')} of {record.possible:,} possible, {plural(record.n_fits, 'distinct fit')}; "
        f"{plural(s.n, 'estimate')}, {plural(len(record) - s.n, 'specification')} not available.",
        f"{number(100 * s.same_sign, 1)}% of the estimates are {word} zero, {number(100 * s.supporting, 1)}% with their "
        f"{100 * record.level:g}% interval, {number(100 * s.relevant, 1)}% by at least {number(s.relevance)}; the intervals of "
        f"{number(100 * s.opposite, 1)}% lie on the other side.",
        f"Median {number(record.median)}, range {interval(low, high)}; primary "
        f"{number(float(record.estimate[record.primary]))}, number {record.rank:,} from below.",
    ]
    if record.joint is not None:
        head.append(_joint(record.joint))
    tables = [to_text(table, width=WIDTH) for table in (movement_table(record), alternatives_table(record))]
    return "\n".join([_wrapped(*head), *tables, *(_wrapped(str(note)) for note in record.notes)])


def _joint(joint: JointTestResult) -> str:
    median, share = joint.chances
    return (
        f"If no trial had an effect ({joint.compared} patterns of signs of {joint.trials} trials): a median this far from zero {median}, "
        f"this many intervals beyond zero {share}."
    )


def _wrapped(*texts: str) -> str:
    return "\n".join(piece for text in texts for piece in wrap(clean(text), WIDTH)) + "\n"
