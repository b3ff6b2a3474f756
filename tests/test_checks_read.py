"""Cells to typed columns: numbers, missing marks, choices, extra columns; dataframes take the same path."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.data.dataframe import columns_from, reported_from
from consilience.data.numbers import NotNumber, parse_number
from consilience.data.raw import RawTable, cell_text
from consilience.data.read import read_columns
from consilience.data.schema import TABLES
from consilience.io.csv_read import read_csv
from review_tables import ARMS, CONTRASTS, TRIALS, Review


@settings(deadline=None)
@given(st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) >= 1e-100))
def test_every_number_is_read_back_exactly(x):
    assert parse_number(repr(x)) == x


@settings(deadline=None)
@given(st.floats(min_value=-1e15, max_value=1e15).filter(lambda x: x == 0 or abs(x) > 1e-4))
def test_a_declared_decimal_comma_is_the_same_number(x):
    assert parse_number(f"{x:f}".replace(".", ","), decimal=",") == float(f"{x:f}")


@pytest.mark.parametrize("text", ["", "NA", "n/a", " NaN ", "None"])
def test_missing_marks(text):
    value = parse_number(text)
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    "text, number", [("-3", -3), ("\u22123.5", -3.5), (".5", 0.5), ("5.", 5), ("1e-3", 0.001), (" 7 ", 7)]
)
def test_ways_to_write_a_number(text, number):
    assert parse_number(text) == number


REFUSED = {
    "1,5": ("decimal-mark", '"1,5" has a decimal comma.', ""),
    "1,234": ("thousands-separator", '"1,234" seems to have a thousands separator; that is not read.', ""),
    "1 234.5": (
        "thousands-separator",
        '"1 234.5" seems to have a thousands separator; that is not read.',
        "",
    ),
    "1'234": ("thousands-separator", '"1\'234" seems to have a thousands separator; that is not read.', ""),
    "<0.05": (
        "not-a-number",
        '"<0.05" is not a number.',
        "A bound is not a value: leave the cell empty and put what is printed in note.",
    ),
    "31.5 (9.3)": (
        "not-a-number",
        '"31.5 (9.3)" is not a number.',
        "One cell holds one number: put the dispersion in its own column (sd, se, ci_low and ci_high).",
    ),
    "31.5\u00b19.3": (
        "not-a-number",
        '"31.5\u00b19.3" is not a number.',
        "One cell holds one number: put the dispersion in its own column (sd, se, ci_low and ci_high).",
    ),
    "12%": ("not-a-number", '"12%" is not a number.', "Write the number without the percent sign."),
    "\u20135": ("not-a-number", '"\u20135" is not a number.', "That is a dash, not a minus sign."),
    "inf": ("not-a-number", '"inf" is not a number.', ""),
    "1e999": ("not-a-number", "inf is too large to be a measured value.", ""),
    "-1e308": ("not-a-number", "-1e+308 is too large to be a measured value.", ""),
    "1e-320": ("not-a-number", "9.99989e-321 is too small to be a measured value.", ""),
    "1_000": ("not-a-number", '"1_000" is not a number.', ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_plainly_a_number_is_refused(text):
    code, message, advice = REFUSED[text]
    assert parse_number(text) == NotNumber(code, message, advice)


def test_a_decimal_point_where_a_comma_is_declared():
    assert parse_number("1.5", decimal=",") == NotNumber(
        "decimal-mark",
        '"1.5" has a decimal point, but the protocol declares a decimal comma.',
        "Write 1,5; or remove decimal from [files].",
    )
    refused = parse_number("1.234,5", decimal=",")
    assert isinstance(refused, NotNumber)
    assert refused.code == "thousands-separator"


def test_a_european_review(tmp_path):
    """Semicolons and decimal commas throughout, declared once."""
    review = Review(tmp_path).protocol("[files]\n", '[files]\ndecimal = ","\n')
    for name in ("trials.csv", "arms.csv", "contrasts.csv", "rob.csv"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(",", ";").replace(".", ","), encoding="utf-8")
    loaded = review.load()
    assert loaded.notes == ()
    assert loaded.reported.arms["mean"].tolist() == [31.5, 29.5, 35.2, 30.1, 3.1, 2.9, 2.2, 2.8]


def test_extra_columns_are_numbers_only_if_all_are(tmp_path):
    review = Review(tmp_path).cells("trials", 2, dose="3", team="x").cells("trials", 3, dose="4.5", team="7")
    trials = review.load().reported.trials
    assert trials["dose"].dtype == float
    assert trials["dose"][:2].tolist() == [3, 4.5]
    assert trials["team"].tolist() == ["x", "7", ""]


def test_columns_of_the_schema_are_always_there(tmp_path):
    (tmp_path / "x.csv").write_text("study,result,overall\nA,CRP,HIGH\n", encoding="utf-8")
    columns, notes = read_columns(read_csv(tmp_path / "x.csv"), TABLES["risk_of_bias"])
    assert columns.names == TABLES["risk_of_bias"].names
    assert notes == ()
    assert columns["overall"].tolist() == ["high"]
    assert columns["d1"].tolist() == [""]


def as_dict(text: str) -> dict[str, list[object]]:
    lines = [line.split(",") for line in text.strip().splitlines()]
    return {name: [line[i] or None for line in lines[1:]] for i, name in enumerate(lines[0])}


FRAMES = {
    "mapping": as_dict,
    "pandas": lambda text: pd.DataFrame(as_dict(text)),
    "polars": lambda text: pl.DataFrame(as_dict(text)),
    "pyarrow": lambda text: pa.table(as_dict(text)),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_a_dataframe_gives_what_the_file_gives(tmp_path, make):
    loaded = Review(tmp_path).load()
    found = reported_from(loaded.plan, trials=make(TRIALS), arms=make(ARMS), contrasts=make(CONTRASTS))
    assert found.notes == ()
    assert found.arms.lines.tolist() == list(range(1, 9))
    for name in ("trials", "arms", "contrasts"):
        ours, theirs = getattr(found, name), getattr(loaded.reported, name)
        for column in theirs.names:
            np.testing.assert_array_equal(ours[column], theirs[column])


def test_numbers_and_missing_values_of_dataframes():
    frame = pd.DataFrame(
        {
            "study": ["A", "B", "C"],
            "intervention_class": pd.Categorical(["cbt"] * 3),
            "randomised": [True, False, True],
            "year": pd.array([2001, None, 2003], dtype="Int64"),
            "mean_age": [31.5, np.nan, np.float32(40)],
            "ward": [1, 2, 3],
        }
    )
    trials, notes = columns_from(frame, "trials")
    assert notes == ()
    assert trials["randomised"].tolist() == ["yes", "no", "yes"]
    np.testing.assert_array_equal(trials["year"], [2001, np.nan, 2003])
    np.testing.assert_array_equal(trials["mean_age"], [31.5, np.nan, 40])
    assert trials["ward"].tolist() == [1, 2, 3]


def test_a_dataframe_is_checked_as_a_file_is():
    frame = {**as_dict(ARMS), "sd": [-1.0] * 8}
    found = reported_from(arms=frame, trials=as_dict(TRIALS))
    assert {(n.code, n.file, n.row) for n in found.notes if n.severity == "error"} == {
        ("sd-negative", "arms", i) for i in range(1, 9)
    }


def test_what_is_no_table():
    with pytest.raises(InputError, match="The columns of arms have different lengths: study 2, arm 1"):
        columns_from({"study": ["A", "B"], "arm": ["x"]}, "arms")
    with pytest.raises(InputError, match="A list is not a table"):
        columns_from([1, 2], "arms")
    with pytest.raises(OptionError, match='Did you mean "arms"'):
        columns_from({}, "arm")


@settings(deadline=None)
@given(st.integers(-(10**14), 10**14))
def test_a_whole_number_as_text_has_no_decimals(n):
    assert cell_text(float(n)) == str(n)


def test_numbers_of_a_workbook_have_the_same_limits():
    raw = RawTable("b.xlsx", ("study", "result", "overall", "weight"), (("A", "CRP", "low", 1e300),), (2,))
    arms = RawTable("b.xlsx", ("study", "mean"), (("A", 1e300),), (2,))
    assert read_columns(raw, TABLES["risk_of_bias"])[0]["weight"].tolist() == [1e300]
    messages = [n.message for n in read_columns(arms, TABLES["arms"])[1] if n.column == "mean"]
    assert messages == ["1e+300 is too large to be a measured value."]


def test_an_absent_table_has_no_rows():
    columns, notes = read_columns(RawTable.empty("contrasts", TABLES["contrasts"].names), TABLES["contrasts"])
    assert len(columns) == 0
    assert notes == ()
