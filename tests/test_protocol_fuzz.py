"""Whatever stands in the folder, loading it raises nothing but tells where it is wrong."""

from __future__ import annotations

import csv

from hypothesis import given, settings
from hypothesis import strategies as st

from review_tables import ARMS, CONTRASTS, PROTOCOL, ROB, TRIALS, Review

NASTY = [
    "",
    "NA",
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1,5",
    "<.05",
    "x",
    "pre",
    "control",
    '"',
    "'",
    "\u2212",
    "=1",
    "\u00e9",
    "A",
    "nan",
]
NASTY += ["inf", "1e-320", "yes", "CRP", "2", "9.3", "31.5", "{}", "[x]", "<img src=x>", "a;b"]
TABLES = {"trials.csv": TRIALS, "arms.csv": ARMS, "contrasts.csv": CONTRASTS, "rob.csv": ROB}
# (file, row, column, new cell); rows and columns wrap around
changes = st.tuples(
    st.sampled_from(sorted(TABLES)), st.integers(0, 9), st.integers(0, 21), st.sampled_from(NASTY)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(changes, min_size=1, max_size=12))
def test_any_cells(tmp_path_factory, spoiled):
    folder = tmp_path_factory.mktemp("fuzz")
    review = Review(folder)
    for file, row, column, cell in spoiled:
        path = folder / file
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        line = rows[row % len(rows)]
        line[column % len(line)] = cell
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
    loaded = review.load()
    assert all(note.file and note.message for note in loaded.notes)
    assert set(loaded.reported.arms["study"]) <= set(loaded.reported.studies)


words = PROTOCOL.split("\n")
edits = st.tuples(
    st.integers(0, len(words) - 1), st.sampled_from(["drop", "twice", "swap", "cut", "number", "list"])
)


@settings(max_examples=200, deadline=None)
@given(st.lists(edits, min_size=1, max_size=4))
def test_any_protocol(tmp_path_factory, spoiled):
    lines = list(words)
    for at, how in spoiled:
        at %= len(lines)
        line = lines[at]
        key = line.partition("=")[0]
        lines[at : at + 1] = {
            "drop": [],
            "twice": [line, line],
            "swap": [line[::-1]],
            "cut": [line[: len(line) // 2]],
            "number": [f"{key}= 5"],
            "list": [f"{key}= [1, {{ a = 2 }}]"],
        }[how] or [""]
    folder = tmp_path_factory.mktemp("fuzz")
    review = Review(folder)
    (folder / "review.toml").write_text("\n".join(lines), encoding="utf-8")
    loaded = review.load()
    errors = [note for note in loaded.errors if note.file == "review.toml"]
    assert (loaded.plan is None) == bool(errors)
    assert all(note.row is not None or "is missing" in note.message for note in errors)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    review = Review(folder)
    (folder / "arms.csv").write_bytes(content)
    (folder / "review.toml").write_bytes(content if content[:1] > b"\x7f" else PROTOCOL.encode())
    assert review.load().errors != ()
