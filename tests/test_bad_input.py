"""Reviews that are broken as a whole: every one ends in sentences and an exit code, and leaves its folder alone."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from consilience.cli import run_command_line
from consilience.review.check import check
from consilience.review.init import init
from review_tables import Review


def replaced(name: str, old: str, new: str, count: int = -1):
    """A change of text in one file of a review."""

    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, count), encoding="utf-8")

    return change


def headers_only(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")


def folder_for_file(folder: Path) -> None:
    (folder / "arms.csv").unlink()
    (folder / "arms.csv").mkdir()


def no_table_at_all(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        path.unlink()


def recoded(name: str, encoding: str):
    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))

    return change


def written(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def empty_sheet(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "arms"
    book.save(folder / "arms.xlsx")
    replaced("review.toml", '"arms.csv"', '"arms.xlsx#arms"')(folder)


REFUSED = {
    "empty protocol": (written("review.toml", b""), "The section [review] is missing."),
    "protocol that is no text": (written("review.toml", b"\0\1\2"), "The file is not valid TOML"),
    "protocol in UTF-16": (recoded("review.toml", "utf-16"), "The file is not valid TOML"),
    "folder in place of a file": (folder_for_file, '"arms.csv" is a folder, not a file. Name the file itself.'),
    "no tables": (no_table_at_all, 'There is no file "trials.csv".'),
    "empty table": (written("arms.csv", b""), '"arms.csv" is empty. It needs at least a header row.'),
    "headers only": (headers_only, 'No row of arms.csv has study "Example-C".'),
    "empty sheet": (empty_sheet, '"arms.xlsx" is empty.'),
    "bytes": (written("arms.csv", bytes(range(256)) * 9), '"arms.csv" is not a text file.'),
    "no Parquet": (
        lambda f: (written("a.parquet", b"x")(f), replaced("review.toml", '"arms.csv"', '"a.parquet"')(f)),
        '"a.parquet" cannot be read as a Parquet file. Write it again, or use CSV.',
    ),
    "spreadsheet formula": (replaced("arms.csv", ",3.1,2.6,", ",=3+1,2.6,"), '"=3+1" is not a number.'),
    "beyond all numbers": (replaced("arms.csv", ",3.1,2.6,", ",1e400,2.6,"), "too large to be a measured value"),
    "infinity": (replaced("arms.csv", ",3.1,2.6,", ",3.1,inf,"), '"inf" is not a number.'),
    "raised decimal point": (
        replaced("arms.csv", ",3.1,2.6,", ",3·1,2.6,"),
        '"3·1" has a raised decimal point. Write 1.5.',
    ),
    "outside the folder": (
        replaced("review.toml", '"arms.csv"', '"../arms.csv"'),
        "but all files must lie in the folder of the review.",
    ),
    "one file for two tables": (
        replaced("review.toml", '"contrasts.csv"', '"arms.csv"'),
        '[files] contrasts and arms are both "arms.csv", but each table has its own file or sheet.',
    ),
    "capitals of a trial": (
        replaced("arms.csv", "Example-A,wait", "example-a,wait"),
        'the trial "example-a" is not in trials.csv; the rows are not used. Did you mean "Example-A"?',
    ),
    "capitals of an arm": (
        replaced("arms.csv", "Example-A,CBT,treatment,CRP,post", "Example-A,cbt,treatment,CRP,post"),
        'arm is "cbt" here, but "CBT" in row 2: they count as two arms.',
    ),
}  # fmt: skip


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_review_is_refused_in_words_and_left_alone(tmp_path, capsys, name):
    folder = tmp_path / "review"
    init(folder)
    change, words = REFUSED[name]
    change(folder)
    before = everything(folder)
    for command in (["check", str(folder), "--quiet"], ["check", str(folder)], ["run", str(folder)]):
        assert run_command_line(command) == 1
        printed = capsys.readouterr()
        text = " ".join((printed.out + printed.err).split())
        assert "Traceback" not in text
        assert "internal error" not in text
        assert (
            words in text or command[0] == "run" or "--quiet" in command
        )  # a warning is shown by check only
    assert everything(folder) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["review"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_change_nothing(tmp_path, encoding, end):
    review = Review(tmp_path)
    plain = check(review.folder)
    for name in ("trials.csv", "arms.csv"):
        path = tmp_path / name
        path.write_bytes(path.read_text(encoding="utf-8").replace("\n", end).encode(encoding))
    other = check(tmp_path)
    assert other.effects.y.tolist() == plain.effects.y.tolist()
    assert other.n_errors == 0


def test_what_cannot_be_read_is_not_reported_twice(tmp_path):
    """A decision about a table that could not be read, and a file outside the folder, are one error each."""
    review = Review(tmp_path).add(
        '\n[[decisions]]\ntable = "arms"\naction = "exclude"\nwhere = { study = "A" }\nreason = "x"\n'
    )
    (tmp_path / "arms.csv").write_bytes(b"")
    assert [n.code for n in review.notes() if n.severity == "error"] == ["file-unreadable"]
    review.protocol('arms = "arms.csv"', 'arms = "../arms.csv"')
    notes = [n for n in review.notes() if n.severity != "info"]
    assert [n.code for n in notes] == ["protocol-value"]
    assert notes[0].where.startswith("review.toml, line ")


def test_check_says_why_a_result_yields_no_effect(tmp_path, capsys):
    review = Review(tmp_path).cells("contrasts", 2, direction="")
    assert run_command_line(["check", str(review.folder)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "contrasts.csv info row 2 [no-direction] C, CRP: no effect can be computed. Neither" in text
    assert "1 reported result cannot." in text


NAMES = {
    "markup": "<img src=x onerror=alert(1)>",
    "spreadsheet command": "=cmd()",
    "path": "../x",
    "very long": "L" * 300,
    "Chinese": "試験研究の長い名前",
    "right to left": "דוגמה \u202e abc",
    "emoji": "👩\u200d🔬 trial",
    "LaTeX": "$\\frac{a}",
    "format": "%s {0} {{x}} \\n",
    "terminal codes": "a\x07b\x1b[31m",
    "invisible": "a\u200bb",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_can_be_checked(tmp_path, capsys, name):
    review = Review(tmp_path)
    for table, rows in (("trials", [2]), ("arms", [2, 3, 4, 5]), ("risk_of_bias", [2])):
        for row in rows:
            review.cells(table, row, study=name)
    review.cells("arms", 4, sd="-1")
    assert run_command_line(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "1 error, 0 warnings." in printed


def small(tmp_path: Path, studies: str) -> Path:
    """The review with the trials whose letters are given."""
    review = Review(tmp_path)
    for table, lines in (("trials", "ABC"), ("arms", "AAAABBBB"), ("contrasts", "C"), ("risk_of_bias", "A")):
        review.drop(table, *(i for i, study in enumerate(lines, 2) if study not in studies))
    return review.folder


@pytest.mark.parametrize(
    "studies, words",
    [
        ("A", "No pooled answer is possible. One trial only (A): nothing to pool."),
        (
            "C",
            "No pooled answer is possible. 1 effect could be computed, but none may enter the primary analysis: "
            "the trial is not described as randomised (1).",
        ),
        ("", "No pooled answer is possible. No effect could be computed."),
    ],
)
def test_a_review_too_small_to_pool_gets_a_report_that_says_so(tmp_path, capsys, studies, words):
    folder = small(tmp_path, studies)
    assert run_command_line(["run", str(folder)]) == 0
    assert words in " ".join(capsys.readouterr().out.split())
    assert (folder / "report" / "report.html").is_file()
    assert not list((folder / "report" / "figures").glob("funnel*"))  # there is nothing to be around
