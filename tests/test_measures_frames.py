"""Any dataframe gives the numbers that a plain mapping gives; gaps of every library are gaps, never other cells."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience import effect_size
from consilience.base.errors import InputError

WHOLE = {
    "study": ["a", "b", "c", "c"],
    "mean1": [1.0, 2.0, 3.0, 4.0],
    "sd1": [1.0, 1.5, 2.0, 2.5],
    "mean2": [0.5, 1.0, 2.0, 2.0],
    "sd2": [1.0, 1.0, 1.0, 2.0],
    "n1": [20, 30, 40, 50],
    "n2": [20, 30, 40, 60],
}
GAPS = {
    **WHOLE,
    "study": ["a", None, "c", "c"],
    "mean1": [1.0, 2.0, None, 4.0],
    "n1": [20, 30, 40, None],
}


def categorical(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("study").cast(pl.Categorical), pl.col("mean2").cast(pl.Decimal(10, 2)))


KINDS = {
    "mapping": dict,
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda t: pd.DataFrame(t).convert_dtypes(),
    "pandas, pyarrow": lambda t: pd.DataFrame(t).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, categorical": lambda t: pd.DataFrame(t).astype("category"),
    "pandas, other index": lambda t: pd.DataFrame(t, index=[9, 9, 7, 1]),
    "polars": pl.DataFrame,
    "polars, categorical and decimal": lambda t: categorical(pl.DataFrame(t)),
    "pyarrow": pa.table,
    "pyarrow, chunked": lambda t: pa.concat_tables([pa.table(t).slice(0, 3), pa.table(t).slice(3)]),
    "pyarrow, dictionary": lambda t: pa.table({k: pa.array(v).dictionary_encode() for k, v in t.items()}),
    "pyarrow, record batch": pa.RecordBatch.from_pydict,
    "narwhals": lambda t: nw.from_native(pl.DataFrame(t)),
    "narwhals over pyarrow": lambda t: nw.from_native(pa.table(t)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_frame_does_not_matter(kind):
    plain, effects = effect_size("SMD", WHOLE), effect_size("SMD", KINDS[kind](WHOLE))
    np.testing.assert_array_equal(effects.y, plain.y)
    np.testing.assert_array_equal(effects.v, plain.v)
    assert effects.study.tolist() == ["a", "b", "c", "c"]
    assert effects.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_are_gaps(kind):
    effects, whole = effect_size("SMD", KINDS[kind](GAPS)), effect_size("SMD", WHOLE)
    np.testing.assert_array_equal(np.isnan(effects.y), [False, False, True, True])
    np.testing.assert_array_equal(effects.y[:2], whole.y[:2])
    assert effects.study.tolist() == ["a", "row 2", "c", "c"]
    codes = {note.code: note.rows for note in effects.notes}
    assert codes.pop("missing-label") == (1,)
    assert {row for rows in codes.values() for row in rows} == {2, 3}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"pandas, other index"}))
def test_empty_tables(kind):
    empty = {name: pd.Series([], dtype=str if name == "study" else float) for name in WHOLE}
    table = KINDS[kind](
        empty if kind.startswith("pandas") else {name: list(cells) for name, cells in empty.items()}
    )
    assert effect_size("SMD", table).k == 0


def test_what_is_no_table():
    for thing in (None, 5, "SMD", pd.Series([1.0]), np.ones((2, 2))):
        with pytest.raises(InputError) as error:
            effect_size("SMD", thing)
        assert error.value.code == "not-a-table"
    with pytest.raises(
        InputError, match=r"A lazy frame holds no rows yet. Give the result of its collect\(\)."
    ):
        effect_size("SMD", pl.LazyFrame(WHOLE))
    twice = pd.concat([pd.DataFrame(WHOLE), pd.DataFrame(WHOLE)[["mean1"]]], axis=1)
    with pytest.raises(InputError, match="mean1 has 2 dimensions"):
        effect_size("SMD", twice)


CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["12", " 3.5 ", "1,5", "NA", "<NA>", "\u22122", "1e400", float("nan"), Decimal("2.5"), 1j]
    ),
    st.dates(),
    st.binary(max_size=2),
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.sampled_from(["SMD", "OR", "ROM", "SMCC", "ZCOR", "PLO", "IRR", "VR", "PCOR", "ARAW"]), st.data())
def test_any_cell_is_a_number_or_a_note(name, data):
    """Strings, dates, huge integers, complex numbers: no crash, and no effect without a value or a reason."""
    from consilience.effects.measures import find_measure

    table = {c.name: data.draw(st.lists(CELL, min_size=3, max_size=3)) for c in find_measure(name).columns}
    table["study"] = data.draw(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=3, max_size=3))
    effects = effect_size(name, table)
    noted = {row for note in effects.notes for row in note.rows}
    assert set(np.flatnonzero(np.isnan(effects.y) | np.isnan(effects.v)).tolist()) <= noted
    assert not (effects.v < 0).any()
    assert all(isinstance(label, str) and label for label in effects.study)
