"""What the page's template needs, worked out before it runs: texts and positions, no markup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from ..base.format import count, interval, number, percent, plural
from ..records import Analysis, Estimate, Plan, Table
from ..tables.html import table_id, to_html
from .scale import Bar, Scale, make_scale, peak

LONG_TABLE = 30  # rows from which a table starts folded
UNPRINTED_TABLE = 250  # rows from which it stays out of the printed page (it is in tables/)
WIDE_TABLE = 9  # columns from which a table is wider than the page and scrolls in its box

SAMPLES = {
    "convenience": (
        "A convenience sample, not a systematic review",
        "The trials were at hand; nobody searched for all of them. Their average need not be the average of all trials.",
    ),
    "synthetic": (
        "Synthetic data: no real trials",
        "Every trial on this page was simulated by a computer. Nothing here is evidence about people or treatments.",
    ),
    "systematic": (
        "A systematic review",
        "The trials come from the systematic search that the protocol describes.",
    ),
}


@dataclass(frozen=True)
class KeyNumber:
    """One cell of the strip of key numbers. key : of the number in results.json; anchor : id of its table or ""."""

    label: str
    text: str
    detail: str
    key: str = ""
    value: float = math.nan
    anchor: str = ""


@dataclass(frozen=True)
class TableView:
    """A rendered table with how it is to be shown. html : from tables.html, every cell escaped there."""

    key: str
    anchor: str
    title: str
    html: Markup
    rows: int
    wide: bool

    @property
    def folded(self) -> bool:
        return self.rows > LONG_TABLE

    @property
    def printed(self) -> bool:
        return self.rows <= UNPRINTED_TABLE


@dataclass(frozen=True)
class Line:
    """The overall answer drawn on one axis."""

    scale: Scale
    interval: Bar
    peak: float
    prediction: Bar | None
    zero: float
    relevant: float
    relevance_text: str
    caption: str


@dataclass(frozen=True)
class Tables:
    """Rendered tables by key; `take` hands out each of them once."""

    views: Mapping[str, TableView]
    taken: set[str] = field(default_factory=set)

    def take(self, *keys: str) -> list[TableView]:
        found = [self.views[key] for key in keys if key in self.views and key not in self.taken]
        self.taken.update(view.key for view in found)
        return found


def view_tables(tables: Mapping[str, Table]) -> Tables:
    """Render every table that has rows or a note to show."""
    views = {key: _view_table(key, table) for key, table in tables.items() if table.rows or table.notes}
    return Tables(views)


def _view_table(key: str, table: Table) -> TableView:
    wide = len(table.columns) >= WIDE_TABLE
    markup = Markup(to_html(table))  # every cell was escaped there
    return TableView(key, table_id(table.key), table.title, markup, len(table.rows), wide)


def sample_words(plan: Plan) -> tuple[str, str]:
    """Heading and text of the box that says what kind of evidence this is."""
    heading, text = SAMPLES[plan.sample]
    return heading, f"{text} {plan.sample_note}".strip()


def page_title(plan: Plan) -> str:
    return f"Synthetic data: {plan.title}" if plan.sample == "synthetic" else plan.title


def key_numbers(analysis: Analysis, anchors: set[str]) -> list[KeyNumber]:
    """The strip: overall g, percent changes, prediction interval, trials and people, share in favour."""
    e = analysis.overall
    anchor = "table-overall" if "table-overall" in anchors else ""
    level = f"{100 * analysis.plan.level:g}%"
    found = [_pooled_number("Average benefit (g)", e, level, anchor)]
    for percents in _percents(analysis):
        found.append(_pooled_number(percents.label, percents, level, anchor))
    if e.available:
        if math.isfinite(e.pi_low):
            text = f"{number(e.pi_low)} to {number(e.pi_high)}"
            detail = (
                f"{level} prediction interval: where the true effect on one outcome of a new, similar trial would "
                "probably lie"
            )
            found.append(
                KeyNumber("Range across settings (g)", text, detail, f"{e.key}.pi_low", e.pi_low, anchor)
            )
        if math.isfinite(e.share_in_favour):
            text = f"{100 * e.share_in_favour:.0f}%"
            detail = "of trials lean towards benefit, however slightly"
            found.append(
                KeyNumber(
                    "Trials in favour", text, detail, f"{e.key}.share_in_favour", e.share_in_favour, anchor
                )
            )
    detail = f"{plural(e.n_effects, 'effect')} in {count(e.n_people)} people, nobody counted twice"
    if e.n_unsized:
        detail += f"; {plural(e.n_unsized, 'trial')} of unknown size not counted"
    found.append(
        KeyNumber("Evidence", plural(e.n_trials, "trial"), detail, f"{e.key}.n_trials", e.n_trials, anchor)
    )
    return found


def _percents(analysis: Analysis) -> list[Estimate]:
    """The first percent change that is available of each family question (else the first, with its reason)."""
    chosen = []
    for question in analysis.questions:
        rows = [e for e in question.estimates if e.scale == "percent"] if question.kind == "family" else []
        families: dict[str, list[Estimate]] = {}
        for e in rows:
            families.setdefault("/".join(e.key.split("/")[:2]), []).append(e)
        chosen += [next((e for e in members if e.available), members[0]) for members in families.values()]
    return chosen


def _pooled_number(label: str, e: Estimate, level: str, anchor: str) -> KeyNumber:
    label = label[:1].upper() + label[1:]
    if not e.available:
        return KeyNumber(label, "not available", e.reason)
    if e.scale == "percent":
        text, limits = percent(e.estimate), f"{percent(e.ci_low)} to {percent(e.ci_high)}"
    else:
        text, limits = number(e.estimate), f"{number(e.ci_low)} to {number(e.ci_high)}"
    detail = f"{level} CI {limits}; {plural(e.n_trials, 'trial')}"
    detail += "; too few to trust the interval" if e.trust else ""
    return KeyNumber(label, text, detail, f"{e.key}.estimate", e.estimate, anchor)


def answer_line(analysis: Analysis) -> Line | None:
    """The overall estimate on one axis, or None when there is none."""
    e, relevance = analysis.overall, analysis.plan.relevance
    if not e.available:
        return None
    # everything is shown whole; twice the relevance keeps the zero line and the threshold in sight and labels apart
    shown = (e.pi_low, e.ci_low, e.estimate, e.ci_high, e.pi_high, -2 * relevance, 3 * relevance)
    scale = make_scale((x, x, x) for x in shown if math.isfinite(x))
    has_pi = math.isfinite(e.pi_low) and math.isfinite(e.pi_high)
    caption = (
        f"The answer on one line. Diamond: average benefit, {number(e.estimate)}; its width is the "
        f"{100 * analysis.plan.level:g}% confidence interval {interval(e.ci_low, e.ci_high)}."
    )
    if has_pi:
        caption += (
            f" Dashed line: prediction interval {interval(e.pi_low, e.pi_high)}, where the true effect of a new, "
            "similar trial would probably lie."
        )
    caption += f" Shaded: effects below {relevance:g}, which the protocol calls too small to matter."
    bar = scale.bar(e.ci_low, e.estimate, e.ci_high)
    return Line(
        scale,
        bar,
        peak(bar),
        scale.bar(e.pi_low, e.estimate, e.pi_high) if has_pi else None,
        scale.at(0.0),
        scale.at(relevance),
        f"matters from {relevance:g}",
        caption,
    )
