"""Output is complete or absent, replaces only what we wrote, and runs nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import UsageError
from consilience.io import csv_text, new_folder, output_folder, write_atomic, write_csv


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def failing_run(target: Path) -> None:
    with output_folder(target) as folder:
        (folder / "a").write_text("new")
        raise OSError("disk full")


@pytest.mark.parametrize(
    "cell, written",
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-cmd", "'-cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-3.5", "-3.5"),
        ("+2e-3", "+2e-3"),
        ("a=1", "a=1"),
        (-3.5, "-3.5"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_cells(cell, written):
    rows = list(csv.reader(io.StringIO(csv_text([[cell, "x"]], header=["a", "b"]))))
    assert rows == [["a", "b"], [written, "x"]]


def test_a_carriage_return_makes_no_new_row():
    text = csv_text([["\r=1", "a\r\nb"]], header=["a", "b"])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], ["'\n=1", "a\nb"]]


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_exact(x):
    assert float(csv_text([[x]], header=["x"]).splitlines()[1]) == x


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "sub" / "t.csv"
    write_csv(path, [["A", 1.5]], header=["study", "mean"])
    assert path.read_text() == "study,mean\nA,1.5\n"
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_text() == "study,mean\nA,1.5\n"
    assert names(path.parent) == {"t.csv"}


def test_files_are_as_readable_as_any_other(tmp_path):
    mask = os.umask(0o022)
    try:
        write_atomic(tmp_path / "a", b"x")
        with output_folder(tmp_path / "out"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_an_output_folder_replaces_the_one_of_an_earlier_run(tmp_path):
    target = tmp_path / "out"
    with output_folder(target) as folder:
        (folder / "old.txt").write_text("old")
        (folder / "figures").mkdir()
        (folder / "figures" / "a.svg").write_text("a")
        assert not target.exists()
    with output_folder(target) as folder:
        (folder / "new.txt").write_text("new")
    assert names(target) == {"new.txt", ".consilience-output"}
    assert names(tmp_path) == {"out"}


def test_the_same_run_leaves_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        with output_folder(tmp_path / name) as folder:
            for file in ("b", "a") if name == "one" else ("a", "b"):
                (folder / file).write_text(file)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two


def test_a_failed_run_leaves_the_old_output(tmp_path):
    with output_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        failing_run(tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert names(tmp_path) == {"out"}


@pytest.mark.parametrize("make", ["file", "foreign folder", "foreign file beside ours"])
def test_files_of_another_origin_are_never_replaced(tmp_path, make):
    target = tmp_path / "out"
    if make == "file":
        target.write_text("mine")
    elif make == "foreign folder":
        target.mkdir()
        (target / "thesis.docx").write_text("mine")
    else:
        with output_folder(target) as folder:
            (folder / "a").write_text("ours")
        (target / "thesis.docx").write_text("mine")
    with pytest.raises(UsageError) as caught, output_folder(target):
        raise AssertionError("the block must not begin")
    assert caught.value.code == "output-exists"
    assert (target if make == "file" else target / "thesis.docx").read_text() == "mine"
    assert names(tmp_path) == {"out"}


KILLED = """
import os, signal, sys
from consilience.io import atomic
target = sys.argv[1]
if sys.argv[2] == "between":
    rename = atomic.Path.rename
    def stop(self, other):
        rename(self, other)
        os.kill(os.getpid(), signal.SIGKILL)
    atomic.Path.rename = stop
with atomic.output_folder(target) as folder:
    (folder / "a").write_text("half")
    if sys.argv[2] == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["inside", "between"])
def test_a_killed_run(tmp_path, moment):
    """No partial output; the next run starts clean, and the old output is never lost."""
    target = tmp_path / "a [b]" / "out"
    with output_folder(target) as folder:
        (folder / "a").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    if moment == "inside":
        assert (target / "a").read_text() == "old"
    with pytest.raises(OSError, match="disk full"):
        failing_run(target)
    assert (target / "a").read_text() == "old"
    assert names(target.parent) == {"out"}


def test_a_run_that_is_alive_is_left_alone(tmp_path):
    with output_folder(tmp_path / "out") as first:
        (first / "a").write_text("first")
        with output_folder(tmp_path / "out") as second:
            (second / "a").write_text("second")
        assert (first / "a").read_text() == "first"
    assert (tmp_path / "out" / "a").read_text() == "first"


def test_a_new_folder(tmp_path):
    empty = tmp_path / "new"
    empty.mkdir()
    with new_folder(empty) as folder:
        (folder / "a").write_text("x")
    assert names(empty) == {"a"}
    with pytest.raises(UsageError, match="exists and is not an empty folder") as caught, new_folder(empty):
        raise AssertionError("the block must not begin")
    assert caught.value.code == "folder-not-empty"
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "other"):
        _ = 1 / 0
    assert names(tmp_path) == {"new"}
