"""`consilience calibrate` as a stranger uses it: help, exit codes, no traceback, nothing half-written, no markup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import consilience
from consilience.cli import run_command_line
from consilience.review.calibration import calibrate_review, to_json
from consilience.review.check import check


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Path:
    """The small review that `init` makes."""
    folder = tmp_path_factory.mktemp("calibrate") / "my-review"
    consilience.init(folder)
    return folder


def copied(folder: Path, to: Path, *, old: str = "", new: str = "") -> Path:
    """The review with a text of its tables replaced."""
    to.mkdir()
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        (to / file.name).write_text(text.replace(old, new) if file.suffix == ".csv" else text, "utf-8")
    return to


def calibrated(*arguments: object) -> int:
    return run_command_line(["calibrate", *map(str, arguments), "-q"])


def test_table_sentences_and_numbers_are_those_of_the_record(started, tmp_path, capsys):
    out = tmp_path / "c.json"
    call = (started, "-n", "20", "--effect", "0.3", "--seed", "5", "--out", out)
    assert calibrated(*call) == 0
    text = capsys.readouterr().out
    for words in (
        "What intervals and tests do in reviews like this one",
        "Variances as estimated",
        "If results were published selectively",
        "In 20 simulated reviews like this one",
        "a true g of 0.30 was found",
        f"Numbers: {out}",
    ):
        assert words in text
    record = calibrate_review(check(started).review, replicates=20, effect=0.3, seed=5)
    assert text.startswith(str(record))
    first = out.read_text(encoding="utf-8")
    assert first == to_json(record)
    stored = json.loads(first)["calibration"]
    assert stored["effect"] == 0.3
    assert stored["selected"][0]["rule"]["probability"] == 0.5
    assert [m["test"] for m in stored["scenarios"][0]["methods"]] == ["CR2", "knapp-hartung", "t", "z"]
    assert calibrated(*call) == 0
    assert out.read_text(encoding="utf-8") == first
    assert calibrated(*call[:-4], "--seed", "6", "--out", out) == 0
    assert out.read_text(encoding="utf-8") != first
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]


def test_help_teaches_with_examples(capsys):
    assert run_command_line(["calibrate", "--help"]) == 0
    text = capsys.readouterr().out
    assert "consilience calibrate my-review --replicates 5000" in text
    for option in ("--replicates", "--effect", "--seed", "--out", "--quiet"):
        assert option in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-folder"],
        ["FOLDER", "--replicates", "3"],
        ["FOLDER", "--seed", "-1"],
        ["FOLDER", "--effect", "large"],
        ["FOLDER", "--effect", "nan"],
        ["FOLDER", "--effect", "inf"],
        ["FOLDER", "--outt", "x"],
        ["FOLDER", "--out", "."],
    ],
)
def test_wrong_usage_is_exit_code_2_without_traceback(started, arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert calibrated(*[str(started) if a == "FOLDER" else a for a in arguments]) == 2
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out
    assert output.err.strip()
    assert list(tmp_path.iterdir()) == []


def test_a_review_with_errors_is_listed_and_not_simulated(started, tmp_path, capsys):
    folder = copied(started, tmp_path / "r", old="Example-C,CBT", new="NoSuchTrial,CBT")
    out = tmp_path / "c.json"
    assert calibrated(folder, "--out", out) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "NoSuchTrial" in text
    assert "Nothing was simulated." in text
    assert not out.exists()


def test_one_trial_is_a_sentence(started, tmp_path, capsys):
    folder = copied(started, tmp_path / "r")
    for table in folder.glob("*.csv"):
        head, *rows = table.read_text(encoding="utf-8").splitlines()
        table.write_text("\n".join([head, *[r for r in rows if r.startswith("Example-A,")]]) + "\n", "utf-8")
    protocol = folder / "review.toml"
    text = protocol.read_text(encoding="utf-8")
    protocol.write_text(text[: text.index("[[decisions]]")], encoding="utf-8")
    out = tmp_path / "c.json"
    assert calibrated(folder, "--out", out) == 1
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    assert "There is no pooled effect to calibrate. One trial only (Example-A)" in output.err
    assert not out.exists()


def test_a_number_file_that_cannot_be_written_harms_nothing(started, tmp_path, capsys):
    old = tmp_path / "kept.json"
    old.write_text("mine", encoding="utf-8")
    assert calibrated(started, "-n", "20", "--out", old / "c.json") in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert old.read_text(encoding="utf-8") == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_text_of_the_data_is_not_markup(started, tmp_path, capsys):
    folder = copied(started, tmp_path / "r", old="Example-A", new="[bold]x[/]")
    assert calibrated(folder, "-n", "20") == 0
    (folder / "trials.csv").write_text(
        (folder / "trials.csv").read_text(encoding="utf-8").replace("[bold]x[/]", "[red]y[/]", 1), "utf-8"
    )
    capsys.readouterr()
    assert calibrated(folder, "-n", "20") == 1
    text = capsys.readouterr().out
    assert "[bold]x[/]" in text
    assert "[red]y[/]" in text


def test_an_internal_fault_shows_no_traceback(started, monkeypatch, capsys):
    from importlib import import_module

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.delenv("CONSILIENCE_DEBUG", raising=False)
    monkeypatch.setattr(import_module("consilience.review.calibration"), "calibrate_review", broken)
    assert calibrated(started) == 70
    assert "Traceback" not in capsys.readouterr().err
