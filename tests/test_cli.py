"""The command line as a stranger uses it: help, exit codes, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import consilience
from consilience.cli import run_command_line

COMMAND = [sys.executable, "-m", "consilience"]


def call(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240, **options
    )


@pytest.fixture
def started(tmp_path, capsys):
    """A review made by `consilience init`, and what the command printed."""
    folder = tmp_path / "my-review"
    assert run_command_line(["init", str(folder)]) == 0
    return folder, capsys.readouterr().out


def test_help_teaches_with_examples(capsys):
    assert run_command_line(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("example immune ./immune", "run ./immune", "init ./my-review", "check ./my-review"):
        assert f"consilience {command}" in text
    for command in ("init", "check", "run", "example"):
        assert run_command_line([command, "--help"]) == 0
        assert f"consilience {command} " in capsys.readouterr().out


def test_a_stranger_gets_from_init_to_a_report_by_what_is_printed(started, capsys):
    folder, printed = started
    commands = [line.split()[1:] for line in printed.splitlines() if line.strip().startswith("consilience ")]
    assert [c[0] for c in commands] == ["check", "run"]
    assert run_command_line(commands[0]) == 0
    text = capsys.readouterr().out
    assert "0 errors" in text
    assert f"Next: consilience run {folder}" in text
    assert run_command_line(commands[1]) == 0
    text = capsys.readouterr().out
    assert f"Report: {folder / 'report' / 'report.html'}" in text
    assert (folder / "report" / "report.html").stat().st_size > 10_000


def test_example_lists_and_copies(tmp_path, capsys):
    assert run_command_line(["example"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("immune")
    assert "planted" in text
    assert run_command_line(["example", "immune", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "review.toml").exists()
    assert run_command_line(["example", "imune", str(tmp_path / "b")]) == 2
    assert 'Did you mean "immune"?' in capsys.readouterr().err
    assert run_command_line(["example", "immune", str(tmp_path / "a")]) == 2
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["runn", "x"],
        ["run"],
        ["run", "no-such-folder"],
        ["check", "no-such-folder"],
        ["run", "x", "--outt", "y"],
        ["example", "immune"],
    ],
)
def test_wrong_usage_is_exit_code_2_without_traceback(arguments, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_command_line(arguments) == 2
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out
    assert output.err.strip()
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_data_are_exit_code_1_and_all_listed(started, capsys):
    folder, _ = started
    protocol = folder / "review.toml"
    protocol.write_text(
        protocol.read_text(encoding="utf-8").replace("[model]", "[model]\nlevl = 0.9\n", 1), encoding="utf-8"
    )
    arms = folder / "arms.csv"
    lines = arms.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[0], "NoSuchTrial", 1)
    arms.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run_command_line(["check", str(folder)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert 'Did you mean "level"?' in text
    assert "NoSuchTrial" in text
    assert run_command_line(["run", str(folder)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "Nothing was computed." in text
    assert not (folder / "report").exists()


def test_quiet_check_shows_errors_only(started, capsys):
    folder, _ = started
    assert run_command_line(["check", str(folder), "--quiet"]) == 0
    assert "warning " not in capsys.readouterr().out


def test_text_of_the_data_is_not_markup(tmp_path, capsys):
    """A study called [bold]x[/] is printed as it stands."""
    folder = tmp_path / "r"
    consilience.init(folder)
    arms = folder / "arms.csv"
    lines = arms.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[0], "[bold]x[/]", 1)
    arms.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run_command_line(["check", str(folder)]) == 1
    assert "[bold]x[/]" in capsys.readouterr().out


def test_a_report_is_replaced_only_by_a_report(started, capsys):
    folder, _ = started
    foreign = folder.parent / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("mine", encoding="utf-8")
    assert run_command_line(["run", str(folder), "--out", str(foreign)]) in (1, 2)
    assert [p.name for p in foreign.iterdir()] == ["chapter.txt"]
    assert (foreign / "chapter.txt").read_text(encoding="utf-8") == "mine"
    assert "Traceback" not in capsys.readouterr().err


def wait_for_temporary(folder: Path, process: subprocess.Popen[bytes], names: set[str]) -> bool:
    """Wait until something new stands beside the output (the run is writing) or the process has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if {p.name for p in folder.iterdir()} - names:
            return True
        time.sleep(0.002)
    return False


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_a_killed_run_leaves_no_partial_output_and_the_next_run_cleans_up(tmp_path):
    folder = tmp_path / "immune"
    consilience.copy_example("immune", folder)
    out = tmp_path / "out"
    names = {p.name for p in tmp_path.iterdir()}
    process = subprocess.Popen(
        [*COMMAND, "run", str(folder), "--out", str(out), "-q"], stdout=subprocess.DEVNULL
    )
    caught = wait_for_temporary(tmp_path, process, names)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert caught, "the run ended before it could be killed while writing"
    assert not out.exists()
    assert call("run", folder, "--out", out, "-q").returncode == 0
    assert {p.name for p in tmp_path.iterdir()} == names | {"out"}
    before = json.loads((out / "results.json").read_text(encoding="utf-8"))
    process = subprocess.Popen(
        [*COMMAND, "run", str(folder), "--out", str(out), "-q"], stdout=subprocess.DEVNULL
    )
    wait_for_temporary(tmp_path, process, names | {"out"})
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == before
    assert (out / "report.html").exists()


def test_an_internal_fault_shows_no_traceback(monkeypatch, capsys, tmp_path):
    import consilience.review.check

    def broken(_folder: Path) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.delenv("CONSILIENCE_DEBUG", raising=False)
    monkeypatch.setattr(consilience.review.check, "check", broken)
    assert run_command_line(["check", str(tmp_path)]) == 70
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    assert "This is our fault" in output.err
