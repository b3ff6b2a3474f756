"""Tables as text, Markdown, HTML, LaTeX, CSV rows and data frames: nothing lost, nothing escapes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.base.grid import clean, display_width, grid, pad, wrap
from consilience.records import Table, TableColumn
from consilience.tables import csv_rows, table_id, to_dataframe, to_html, to_latex, to_markdown, to_text
from consilience.tables.shown import footnote_letter, shown

HOSTILE = "<img src=x onerror=alert(1)> | `x` $\\frac{1}{2}$ & 100% _a_ [l](u)\x1b[31m\nnext"

COLUMNS = (
    TableColumn("study", "Trial"),
    TableColumn("n", "People", "right", kind="count"),
    TableColumn("g", "g", "right", 2),
    TableColumn("low", "95% CI", "right", 2, pair="high"),
    TableColumn("high", "upper", "right", 2),
    TableColumn("p", "p", "right", 3, "p"),
    TableColumn("remark", "Remark", "center", kind="footnote"),
)
TABLE = Table(
    "demo",
    "A table",
    COLUMNS,
    (
        ("Shen 2018", 1200, 0.25, -0.004, 0.5, 0.0312, "few trials"),
        ("Oh 2010", None, float("nan"), float("nan"), None, 0.0000001, None),
        ("Vos 2011", 69, -0.001, -1.0, 1.0, 1.0, "few trials"),
    ),
    ((0, "First"), (2, "Second")),
    ("A note.",),
)


class Reader(HTMLParser):
    """Collects tags and the text of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self._inside = tag in {"td", "th"}
        if self._inside:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


def test_people_see_joined_intervals_minus_signs_and_footnote_letters() -> None:
    view = shown(TABLE)
    assert view.titles == ("Trial", "People", "g", "95% CI", "p")
    assert view.rows[0] == ("Shen 2018", "1,200", "0.25", "[0.00, 0.50]", ".031")
    assert view.rows[1] == ("Oh 2010", "—", "—", "—", "< .001")
    assert view.rows[2] == ("Vos 2011", "69", "0.00", "[−1.00, 1.00]", "1.000")
    assert view.notes == ("(a) few trials", "A note.")
    assert view.marks == ("a", "", "a")  # beside the label, where a narrow screen shows them


def test_footnote_letters_go_on_after_z() -> None:
    assert [footnote_letter(i) for i in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        "a",
        "z",
        "aa",
        "ab",
        "az",
        "ba",
        "zz",
        "aaa",
    ]


def test_text_is_aligned_and_complete() -> None:
    lines = to_text(TABLE, width=80).splitlines()
    assert lines[0] == "A table"
    assert lines[1].split() == ["Trial", "People", "g", "95%", "CI", "p"]
    row = next(line for line in lines if line.startswith("Shen"))
    other = next(line for line in lines if line.startswith("Vos"))
    assert row.index("]") == other.index("]")  # right-aligned numbers end in one column
    assert lines.index("First") < lines.index(row) < lines.index("Second") < lines.index(other)
    assert lines[-2:] == ["(a) few trials", "A note."]


def test_text_stacks_when_columns_cannot_fit() -> None:
    text = to_text(TABLE, width=24)
    assert "95% CI" in text
    assert "[−1.00, 1.00]" in text
    assert all(display_width(line) <= 24 for line in text.splitlines())


def test_html_is_semantic_and_escaped() -> None:
    table = Table("a b/<c>", HOSTILE, COLUMNS[:2], ((HOSTILE, 3),), ((0, HOSTILE),), (HOSTILE,))
    html = to_html(table)
    reader = Reader()
    reader.feed(html)
    assert set(reader.tags) == {"table", "caption", "thead", "tr", "th", "tbody", "td", "tfoot", "p"}
    assert clean(HOSTILE) in reader.cells
    assert html.startswith(f'<table id="{table_id(table.key)}">')
    assert re.fullmatch(r"table-[A-Za-z0-9_.-]+", table_id(table.key))
    assert 'scope="col"' in html
    assert 'scope="row"' in html
    assert "style=" not in html
    assert "\x1b" not in html


def test_markdown_keeps_its_columns_whatever_the_cells_hold() -> None:
    text = to_markdown(Table("k", HOSTILE, COLUMNS[:2], ((HOSTILE, 3), ("b|c", 4))))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [4] * 4
    assert "<img" not in text
    assert r"\`x\`" in text


def test_latex_has_no_live_command_from_data() -> None:
    text = to_latex(Table("k", "T", COLUMNS[:2], ((HOSTILE, 3), (r"\input{/etc/passwd}", 4))))
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert r"\frac{" not in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert len(re.findall(r"(?<!\\)&", body)) == 2  # one separator in each of two rows
    assert "100\\%" in body


def test_csv_rows_are_unrounded_and_carry_groups() -> None:
    rows = csv_rows(TABLE)
    assert rows[0] == ["group", "study", "n", "g", "low", "high", "p", "remark"]
    assert rows[1] == ["First", "Shen 2018", 1200, 0.25, -0.004, 0.5, 0.0312, "few trials"]
    assert rows[2] == ["First", "Oh 2010", None, None, None, None, 1e-7, None]
    assert rows[3][0] == "Second"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dataframes_hold_the_numbers(library: str) -> None:
    frame = to_dataframe(TABLE, library=library)
    assert list(frame.columns) == csv_rows(TABLE)[0]
    assert frame["low"][0] == -0.004
    assert frame["study"].to_list() == ["Shen 2018", "Oh 2010", "Vos 2011"]


def test_unknown_or_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r'data frame library "panda" is not known.*Did you mean "pandas"'):
        to_dataframe(TABLE, library="panda")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(InputError, match="polars is not installed"):
        to_dataframe(TABLE, library="polars")


@given(st.text(max_size=60), st.integers(1, 30))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    lines = wrap(clean(text), width)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())
    assert all(display_width(line) <= max(width, 2) for line in lines)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=5))
def test_grid_columns_start_in_one_place(rows: list[tuple[str, str]]) -> None:
    cells = [(clean(a), clean(b) or "x") for a, b in rows]
    width = max(display_width(a) for a, _ in cells)
    for line, (a, b) in zip(grid(cells, ["left", "left"]), cells, strict=True):
        assert line == pad(a, width) + "  " + b


@given(st.text())
def test_clean_text_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.text(max_size=40), st.one_of(st.none(), st.floats()), st.text(max_size=20)),
        min_size=0,
        max_size=6,
    ),
    st.integers(12, 120),
)
def test_every_renderer_takes_every_table(rows: list, width: int) -> None:
    columns = (
        TableColumn("a", "A"),
        TableColumn("b", "B", "right", 2),
        TableColumn("c", "C", kind="footnote"),
    )
    table = Table("k", "T", columns, tuple(rows), ((0, "G"),) if rows else ())
    reader = Reader()
    reader.feed(to_html(table))
    for name, *_ in rows:
        assert clean(name) in [clean(cell) for cell in reader.cells]
    assert to_markdown(table).count("\n|") >= len(rows) + 2
    assert to_latex(table).count(r" \\") >= len(rows) + 1
    assert len(csv_rows(table)) == len(rows) + 1
    assert to_text(table, width=width).endswith("\n")
