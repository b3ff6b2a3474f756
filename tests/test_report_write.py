"""The folder: complete, the same bytes every time, all or nothing, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis_example import example_analysis
from consilience.base.errors import UsageError
from consilience.records import Analysis
from consilience.report import report_files, write_report
from consilience.report import write as write_module
from consilience.report.tables import without_prose
from consilience.tables import all_tables
from report_page import HOSTILE

FORMULA = '=HYPERLINK("http://example.org","x")'


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return example_analysis(labels=(HOSTILE, FORMULA, "+1", "@SUM(A1)", "-x"))


@pytest.fixture(scope="module")
def folder(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(analysis, tmp_path_factory.mktemp("out") / "report").parent


def test_all_parts_are_there(analysis: Analysis, folder: Path) -> None:
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"report.html", "results.json", "effects.csv", "reproduce.py"} <= names
    for figure in ("forest", "funnel", "course", "subgroups", "sensitivity"):
        assert {f"figures/{figure}.svg", f"figures/{figure}.png", f"figures/{figure}.txt"} <= names
    assert {f"tables/{key}.csv" for key in all_tables(analysis)} <= names
    assert (folder / "reproduce.py").read_text() == analysis.provenance.script


def test_two_runs_give_the_same_bytes() -> None:
    first, second = report_files(example_analysis(8)), report_files(example_analysis(8))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_no_path_and_no_clock_in_any_file(folder: Path) -> None:
    import datetime

    marks = [
        str(folder.parent),
        str(Path.home()) + "/",
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    ]
    for path in folder.rglob("*"):
        if path.suffix in {".html", ".json", ".csv", ".svg", ".txt", ".py"}:
            text = path.read_text(encoding="utf-8")
            assert not any(mark in text for mark in marks), path.name


def test_effects_csv_holds_every_effect_to_the_last_digit(analysis: Analysis, folder: Path) -> None:
    with (folder / "effects.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["y"]) for row in rows] == analysis.effects.y.tolist()
    assert [float(row["v"]) for row in rows] == analysis.effects.v.tolist()
    assert [int(row["effect_number"]) for row in rows] == list(range(1, analysis.effects.k + 1))
    assert {"study", "outcome", "route", "assumptions"} <= set(rows[0])


def test_no_cell_runs_as_a_formula(folder: Path) -> None:
    cells = []
    for path in [folder / "effects.csv", *sorted((folder / "tables").glob("*.csv"))]:
        with path.open(newline="", encoding="utf-8") as file:
            cells += [cell for row in csv.reader(file) for cell in row]
    risky = [cell for cell in cells if cell[:1] in {"=", "+", "-", "@"}]
    assert all(_is_number(cell) for cell in risky)
    assert "'" + FORMULA in cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_figures_are_wellformed_and_hold_no_markup_of_the_data(folder: Path) -> None:
    for path in (folder / "figures").glob("*.svg"):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert not tags & {"img", "script", "image", "foreignObject", "a"}, path.name
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in (folder / "figures").glob("*.png"))


def test_a_failed_run_leaves_the_older_report_alone(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = example_analysis(6)
    page = write_report(small, tmp_path / "report")
    before = page.read_bytes()

    def fail(_: Analysis) -> dict[str, bytes]:
        raise RuntimeError("killed half way")

    monkeypatch.setattr(write_module, "report_files", fail)
    with pytest.raises(RuntimeError, match="killed half way"):
        write_report(analysis, tmp_path / "report")
    assert page.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_a_new_report_replaces_the_old_one(tmp_path: Path) -> None:
    write_report(example_analysis(6), tmp_path / "report")
    page = write_report(example_analysis(7), tmp_path / "report")
    results = json.loads((page.parent / "results.json").read_text(encoding="utf-8"))
    assert len(results["trials"]["rows"]) == 7


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.docx"):
        write_report(example_analysis(6), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_prose_gets_its_own_table(analysis: Analysis) -> None:
    table = all_tables(analysis)["trials"]
    assert without_prose(table, words="w") == {"trials": table}
    place = [column.key for column in table.columns].index("note")
    story = "word " * 40
    row = (*table.rows[1][:place], story, *table.rows[1][place + 1 :])
    long = type(table)(table.key, table.title, table.columns, (table.rows[0], row, *table.rows[2:]))
    split = without_prose(long, words="In words")
    assert story not in str(split["trials"].rows)
    assert (table.columns[place].title, story) in split["trials-words"].rows
    assert split["trials-words"].groups[-1][1] or split["trials-words"].groups[0][1] == str(table.rows[1][0])
