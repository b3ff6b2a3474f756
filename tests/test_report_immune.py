"""The report of the shipped review of real trials: every sentence's number can be followed to results.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consilience.base.format import number
from consilience.datasets import copy_example
from consilience.records import Analysis, Bound
from consilience.report import report_files
from consilience.report.results import lookup
from consilience.report.tables import report_tables
from consilience.review.run import run
from consilience.tables import to_html
from report_page import read_page


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    folder = tmp_path_factory.mktemp("review") / "immune"
    copy_example("immune", folder)
    return run(folder)


@pytest.fixture(scope="module")
def files(analysis: Analysis) -> dict[str, bytes]:
    return report_files(analysis)


def test_every_number_of_the_answer_resolves_to_its_value(
    analysis: Analysis, files: dict[str, bytes]
) -> None:
    results = json.loads(files["results.json"])
    bounds = [p for paragraph in analysis.answer for p in paragraph.phrases if isinstance(p, Bound)]
    assert len(bounds) > 20
    assert [b for b in bounds if lookup(results, b.key) != b.value] == []


def test_page_is_sound_and_every_number_is_linked(analysis: Analysis, files: dict[str, bytes]) -> None:
    page = read_page(files["report.html"].decode())
    bounds = [p for paragraph in analysis.answer for p in paragraph.phrases if isinstance(p, Bound)]
    linked = {attrs["data-key"] for attrs in page.tags("a") if "data-key" in attrs}
    assert {b.key for b in bounds} <= linked
    assert [a["href"] for a in page.tags("a") if a["href"][1:] not in page.ids] == []


def test_every_number_of_the_answer_stands_in_the_table_it_links_to(analysis: Analysis) -> None:
    tables = {f"table-{key}": to_html(table) for key, table in report_tables(analysis).items()}
    bounds = [p for paragraph in analysis.answer for p in paragraph.phrases if isinstance(p, Bound)]
    for b in bounds:  # a sentence may show one digit more than the table does
        shown = {b.text.removesuffix(" trials").removesuffix("%"), number(b.value)}
        assert any(text in tables[b.anchor] for text in shown), b


def test_page_says_what_it_is_and_what_was_found(analysis: Analysis, files: dict[str, bytes]) -> None:
    text = read_page(files["report.html"].decode()).text
    assert text.index("A convenience sample, not a systematic review") < text.index("The answer")
    told = [*(n.message for n in analysis.notes), *(d.reason for d in analysis.effects.dropped)]
    told += [d.reason for d in analysis.plan.decisions]
    assert [words for words in told if " ".join(words.split()) not in text] == []


def test_no_path_of_this_machine_is_written(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = str(Path(tmp_path_factory.getbasetemp())).encode()
    assert [name for name, content in files.items() if base in content] == []
