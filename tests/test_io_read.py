"""Tables as people's programs write them; the line of every row stays the one a person sees."""

from __future__ import annotations

import datetime

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.io import csv_text, read_table
from consilience.io.csv_read import read_csv


def read(tmp_path, content: bytes | str, name: str = "t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


@pytest.mark.parametrize(
    "content",
    [
        b"study,mean\nA,1\nB,2\n",
        b"\xef\xbb\xbfstudy,mean\r\nA,1\r\nB,2\r\n",
        b"study;mean\nA;1\nB;2",
        b"study\tmean\nA\t1\nB\t2\n",
        b" study , mean \n A , 1 \n B , 2 \n",
        "study,mean\nA,1\nB,2\n".encode("utf-16"),
        b"study,mean,,\nA,1,,\nB,2,,\n",
        b"study,mean\rA,1\rB,2\r",
        b'"study","mean"\n"A","1"\n"B","2"\n',
    ],
    ids=[
        "plain",
        "BOM and CRLF",
        "semicolon",
        "tab",
        "spaces",
        "utf-16",
        "empty columns",
        "old mac",
        "quoted",
    ],
)
def test_dialects(tmp_path, content):
    raw = read(tmp_path, content)
    assert raw.header == ("study", "mean")
    assert raw.rows == (("A", "1"), ("B", "2"))
    assert raw.lines == (2, 3)
    assert raw.notes == ()


def test_a_comma_inside_quotes_is_no_delimiter(tmp_path):
    assert read(tmp_path, '"a, b, c";x\n1;2\n').header == ("a, b, c", "x")


def test_quoted_line_breaks_and_blank_lines_keep_the_lines_right(tmp_path):
    raw = read(tmp_path, '\nstudy,note\nA,"two\nlines"\n\nB,"three\r\nmore\nlines"\n,\nC,x\n')
    assert raw.lines == (3, 6, 10)
    assert raw.rows[0] == ("A", "two\nlines")


def test_old_encodings_are_read_and_told(tmp_path):
    raw = read(tmp_path, "study,note\nA,x\nJos\u00e9,5 \u20ac\n".encode("cp1252"))
    assert raw.rows[1] == ("José", "5 €")
    (note,) = raw.notes
    assert (note.code, note.severity, note.file, note.row) == ("file-encoding", "warning", "t.csv", 3)
    assert note.message == "The file is not UTF-8 (first seen in row 3); it was read as Windows-1252."


def test_bytes_that_windows_1252_lacks_are_latin_1(tmp_path):
    assert read(tmp_path, b"study\n\x81\xe9\n").rows == (("\x81é",),)


def test_row_lengths(tmp_path):
    raw = read(tmp_path, "study,mean\nA\nB,2,3\nC,3,,\n")
    assert raw.rows == (("A", ""), ("C", "3"))
    assert raw.lines == (2, 4)
    (note,) = raw.notes
    assert (note.code, note.row, note.value) == ("row-length", 3, "3")
    assert note.message == "The row has 3 cells, but the header has 2; the row is not used."


UNREADABLE = {
    "empty": (b"", '"t.csv" is empty. It needs at least a header row.'),
    "blank": (b"\n,,\n", '"t.csv" is empty. It needs at least a header row.'),
    "binary": (b"a,b\n\x00\x01", '"t.csv" is not a text file. Save it as CSV (UTF-8).'),
    "open quote": (
        b'study,note\nA,x\nB,"never closed\nC,y\n',
        '"t.csv" cannot be read from row 3 on: unexpected end of data. '
        "Look for a quotation mark that is not closed, or not doubled inside a quoted cell.",
    ),
    "stray quote": (
        b'study,note\nA,"the "best" one"\n',
        "\"t.csv\" cannot be read from row 2 on: ',' expected after '\"'. "
        "Look for a quotation mark that is not closed, or not doubled inside a quoted cell.",
    ),
}


@pytest.mark.parametrize("content, message", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(tmp_path, content, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value) == message
    assert caught.value.code == "file-unreadable"


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "arms.csv").write_text("study\n")
    with pytest.raises(InputError, match=r'There is no file "arm\.csv"\. Did you mean "arms\.csv"') as caught:
        read_table(tmp_path / "arm.csv")
    assert caught.value.code == "file-missing"


def test_a_format_that_is_not_read(tmp_path):
    with pytest.raises(InputError, match=r'"t.xls" is not a table that can be read; allowed: .csv, .tsv'):
        read(tmp_path, "x", "t.xls")


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0\ufeff"), max_size=8).map(
    str.strip
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=6))
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    """All text but what spreadsheets would run, which gets an apostrophe on purpose."""
    rows = [
        row for row in rows if any(row) and not any(cell[:1] in ("=", "+", "-", "@", "\t") for cell in row)
    ]
    path = tmp_path_factory.mktemp("io") / "t.csv"
    path.write_text(csv_text(rows, header=["one", "two", "three"]), encoding="utf-8")
    raw = read_csv(path)
    assert raw.rows == tuple(rows)
    assert raw.lines == tuple(range(2, len(rows) + 2))


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_workbook_cells(tmp_path):
    rows = [
        [],
        ["study", "mean", "randomised", "note"],
        [2014, 1.5, True, None],
        [],
        ["B", 3, False, datetime.date(2020, 4, 3)],
    ]
    raw = read_table(workbook(tmp_path / "b.xlsx", Sheet1=rows))
    assert raw.header == ("study", "mean", "randomised", "note")
    assert raw.rows == ((2014.0, 1.5, "yes", ""), ("B", 3.0, "no", "2020-04-03"))
    assert raw.lines == (3, 5)


def test_sheets_of_a_workbook(tmp_path):
    path = workbook(tmp_path / "b.xlsx", readme=[["about"]], arms=[["study"], ["A"]])
    assert read_table(path, sheet="arms").rows == (("A",),)
    preferred = read_table(path, prefer="arms")
    assert preferred.rows == (("A",),)
    (note,) = preferred.notes
    assert (note.code, note.severity) == ("sheet-chosen", "info")
    assert note.message == '"b.xlsx" has 2 sheets; "arms" was read.'
    assert read_table(path, prefer="trials").header == ("about",)
    with pytest.raises(InputError, match=r'no sheet "arm"; it has: readme, arms\. Did you mean "arms"'):
        read_table(path, sheet="arm")


def test_a_file_that_only_looks_like_a_workbook(tmp_path):
    with pytest.raises(InputError, match=r'"b\.xlsx" cannot be read as an Excel workbook'):
        read(tmp_path, b"study,mean\n", "b.xlsx")


def test_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"study": ["A", None], "mean": [1.5, None], "n": [3, 4]}), path)
    raw = read_table(path)
    assert raw.header == ("study", "mean", "n")
    assert raw.rows == (("A", 1.5, 3.0), ("", "", 4.0))
    assert raw.lines == (1, 2)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r'"t\.parquet" cannot be read as a Parquet file'):
        read_table(path)
