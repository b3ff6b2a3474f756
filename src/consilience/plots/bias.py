"""Risk of bias: a traffic-light table of judgements, by shape and letter as well as colour."""

from __future__ import annotations

from collections import Counter

from ..base.format import plural
from ..records import Analysis, Columns, Table, TableColumn
from .layout import Item, Label, Layout, Line
from .measure import shorten, text_width, wrap_text
from .panel_rows import bias_mark
from .plane import MARGIN, footnotes

DOMAINS = {
    "d1": "Randomisation",
    "d2": "Deviations",
    "d3": "Missing data",
    "d4": "Measurement",
    "d5": "Selective report",
    "overall": "Overall",
}
WORDS = {"low": "low", "some": "some concerns", "high": "high"}
SIZE, ROW, CELL = 8.5, 15.5, 74.0
PER_PAGE = 60


def _name(judged: Columns, i: int, repeated: set[str]) -> str:
    """The trial; with the judged result where a trial was judged more than once."""
    study = str(judged.text("study")[i])
    return f"{study}: {judged.text('result')[i]}" if study in repeated else study


def _header(left: float, width: float) -> list[Item]:
    items: list[Item] = [Label(MARGIN, MARGIN + 22, "Trial", SIZE, bold=True)]
    for j, title in enumerate(DOMAINS.values()):
        lines = wrap_text(title, CELL - 3, 7.5, bold=True)
        for i, line in enumerate(lines):
            y = MARGIN + 22 - 9.5 * (len(lines) - 1 - i)
            items.append(Label(left + CELL * (j + 0.5), y, line, 7.5, "middle", True))
    return [*items, Line(((MARGIN, MARGIN + 27), (width - MARGIN, MARGIN + 27)), "ink", 0.9)]


def _page(judged: Columns, names: list[str], rows: range, number: tuple[int, int]) -> Layout:
    room = min(230.0, max(text_width(name, SIZE) for name in names))
    left = MARGIN + max(room, 30.0) + 14
    width = left + CELL * len(DOMAINS) + MARGIN
    items = _header(left, width)
    y = MARGIN + 30
    for i in rows:
        items.append(Label(MARGIN, y + ROW / 2 + 0.36 * SIZE, shorten(names[i], room, SIZE), SIZE))
        for j, domain in enumerate(DOMAINS):
            items += bias_mark(str(judged.text(domain)[i]), left + CELL * (j + 0.5), y + ROW / 2, half=5.2)
        y += ROW
    items.append(Line(((left + CELL * 5, MARGIN + 30), (left + CELL * 5, y)), "rule", 0.7))
    page, pages = number
    notes = ["Circle L: low; square S: some concerns; diamond H: high; dash: not judged."]
    foot, height = footnotes(notes + ([f"Page {page} of {pages}"] if pages > 1 else []), y + 2, width)
    key = "risk-of-bias" if page == 1 else f"risk-of-bias-{page}"
    items.sort(key=lambda item: isinstance(item, Label))  # letters over their shapes, and fewer SVG groups
    return Layout(
        key, "Risk of bias", _alt(judged), width, height, (*items, *foot), _twin(judged, names, rows, key)
    )


def _alt(judged: Columns) -> str:
    overall = Counter(str(x) for x in judged.text("overall"))
    counts = ", ".join(f"{overall[k]} {word}" for k, word in WORDS.items())
    return f"Risk of bias of {plural(len(judged), 'judged result')}, overall: {counts}."


def _twin(judged: Columns, names: list[str], rows: range, key: str) -> Table:
    columns = (TableColumn("study", "Trial"), *(TableColumn(d, title) for d, title in DOMAINS.items()))
    cells = tuple(
        (names[i], *(WORDS.get(str(judged.text(d)[i]), "not judged") for d in DOMAINS)) for i in rows
    )
    return Table(f"{key}-twin", "Risk of bias", columns, cells)


def risk_of_bias(analysis: Analysis) -> tuple[Layout, ...]:
    """One row per judged result, one column per domain; its pages, () when nothing was judged."""
    judged = analysis.reported.risk_of_bias
    if not len(judged):
        return ()
    counts = Counter(str(s) for s in judged.text("study"))
    repeated = {study for study, n in counts.items() if n > 1}
    names = [_name(judged, i, repeated) for i in range(len(judged))]
    pages = [range(a, min(a + PER_PAGE, len(names))) for a in range(0, len(names), PER_PAGE)]
    return tuple(_page(judged, names, rows, (i, len(pages))) for i, rows in enumerate(pages, 1))
