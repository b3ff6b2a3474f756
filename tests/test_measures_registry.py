"""The registry as data, the options, and what `effect_size` accepts and refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from consilience.base.errors import InputError, OptionError
from consilience.effects.measures import MEASURES, VTYPES, effect_size, families, find_measure, read_back

# the names of metafor 5.1's escalc
ESCALC = [
    "RR",
    "OR",
    "PETO",
    "RD",
    "AS",
    "PHI",
    "ZPHI",
    "YUQ",
    "YUY",
    "RTET",
    "ZTET",
    "PBIT",
    "OR2D",
    "OR2DN",
    "OR2DL",
    "MPRD",
    "MPRR",
    "MPOR",
    "MPORC",
    "MPPETO",
    "MPORM",
    "IRR",
    "IRD",
    "IRSD",
    "MD",
    "SMD",
    "SMDH",
    "SMD1",
    "SMD1H",
    "ROM",
    "RPB",
    "ZPB",
    "RBIS",
    "ZBIS",
    "D2OR",
    "D2ORN",
    "D2ORL",
    "CVR",
    "VR",
    "CLES",
    "AUC",
    "CLESN",
    "AUCN",
    "COR",
    "UCOR",
    "ZCOR",
    "PCOR",
    "ZPCOR",
    "SPCOR",
    "ZSPCOR",
    "R2",
    "ZR2",
    "R2F",
    "ZR2F",
    "PR",
    "PLN",
    "PLO",
    "PRZ",
    "PAS",
    "PFT",
    "IR",
    "IRLN",
    "IRS",
    "IRFT",
    "MN",
    "SMN",
    "MNLN",
    "SDLN",
    "CVLN",
    "MC",
    "SMCC",
    "SMCR",
    "SMCRH",
    "SMCRP",
    "SMCRPH",
    "CLESCN",
    "AUCCN",
    "ROMC",
    "VRC",
    "CVRC",
    "ARAW",
    "AHW",
    "ABT",
    "REH",
    "HR",
    "HD",
    "GEN",
]
MEANS = {
    "m1i": [5.0, 7.0],
    "sd1i": [1.0, 2.0],
    "n1i": [20, 30],
    "m2i": [4.0, 8.0],
    "sd2i": [1.5, 2.0],
    "n2i": [22, 28],
}


OURS = {"PPC", "ROMPPC"}  # two groups before and after, which escalc does not have


def test_the_registry_has_every_measure_of_escalc():
    assert sorted(set(MEASURES) - OURS) == sorted(ESCALC)
    assert sum(len(found) for found in families().values()) == len(MEASURES)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda measure: measure.id)
def test_every_entry_is_complete(measure):
    effects = effect_size(measure.id, measure.example)
    assert np.isfinite(effects.y).all()
    assert (effects.v > 0).all()
    assert effects.notes == ()
    assert measure.formula
    assert measure.when.endswith((".", "?"))
    assert measure.scale
    assert set(measure.vtypes) <= set(VTYPES)
    assert len({column.name for column in measure.columns}) == len(measure.columns)
    for vtype in measure.vtypes:
        assert effect_size(measure.id, measure.example, vtype=vtype).v[0] > 0
    if measure.corrects:
        assert effect_size(measure.id, measure.example, correct=False).y[0] != effects.y[0]


@pytest.mark.parametrize(
    "measure", [m for m in MEASURES.values() if m.mirror], ids=lambda measure: measure.id
)
def test_flip_mirrors_the_estimate(measure):
    straight, flipped = (
        effect_size(measure.id, measure.example),
        effect_size(measure.id, measure.example, flip=True),
    )
    assert flipped.y[0] == pytest.approx(
        -straight.y[0] if measure.mirror == "sign" else 1 - straight.y[0], rel=1e-15
    )
    assert flipped.v[0] == straight.v[0]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(MEANS),
        pd.DataFrame(MEANS).convert_dtypes(),
        pd.DataFrame(MEANS).astype("category"),
        pd.DataFrame(MEANS).astype(str),
        pl.DataFrame(MEANS),
        pl.DataFrame(MEANS).to_arrow(),
    ],
    ids=["pandas", "nullable", "categorical", "text", "polars", "arrow"],
)
def test_any_table_gives_the_same(table):
    expected = effect_size("SMD", MEANS)
    found = effect_size("SMD", table)
    np.testing.assert_array_equal(found.y, expected.y)
    np.testing.assert_array_equal(found.v, expected.v)


def test_missing_marks_of_every_library_are_missing():
    columns = {"r": pd.array([0.1, None, 0.3], dtype="Float64"), "n": pl.Series([30, 40, None])}
    effects = effect_size("ZCOR", columns)
    np.testing.assert_array_equal(np.isnan(effects.y), [False, True, False])
    np.testing.assert_array_equal(np.isnan(effects.v), [False, True, True])
    assert [note.rows for note in effects.notes if note.code == "missing-input"] == [(1,)]


def test_text_that_is_no_number_is_named():
    effects = effect_size("PR", {"events": ["3", "<5", ""], "n": 20})
    note = next(note for note in effects.notes if note.code == "not-a-number")
    assert note.rows == (1,)
    assert note.value == "<5"
    np.testing.assert_array_equal(np.isnan(effects.y), [False, True, True])


def test_impossible_values_are_named_and_not_used():
    effects = effect_size("SMD", {**MEANS, "sd1i": [-1.0, 2.0]})
    assert np.isnan(effects.y[0])
    assert np.isfinite(effects.y[1])
    note = effects.notes[0]
    assert (note.code, note.column, note.value, note.rows) == ("impossible-input", "sd1", "-1", (0,))
    assert note.message == "sd1 must be at least 0 and finite; it is -1 in row 1. Not used."


def test_more_events_than_people_is_no_effect():
    effects = effect_size("RR", {"events1": [30.0], "n1": [20.0], "events2": [3.0], "n2": [20.0]})
    assert np.isnan(effects.y[0])
    assert effects.notes[0].code == "not-defined"


def test_scalars_labels_and_empty_tables():
    effects = effect_size("MD", {**MEANS, "n1i": 20, "trial": ["A", "B"]}, study="trial")
    assert effects.studies == ("A", "B")
    assert effect_size("MD", {name: [] for name in MEANS}).k == 0
    with pytest.raises(InputError, match="2 dimensions"):
        effect_size("MD", {**MEANS, "n1i": np.ones((2, 2))})
    with pytest.raises(InputError, match="different lengths"):
        effect_size("MD", {**MEANS, "n1i": [1, 2, 3]})
    with pytest.raises(InputError, match="A float is not a table"):
        effect_size("MD", 3.0)
    with pytest.raises(InputError, match='no column "trail"'):
        effect_size("MD", MEANS, study="trail")
    with pytest.raises(InputError, match="3 study labels for 2 rows"):
        effect_size("MD", MEANS, study=np.array(["a", "b", "c"]))


def test_refusals_say_what_is_allowed():
    with pytest.raises(OptionError, match='Did you mean "SMDH"'):
        find_measure("SMDHH")
    with pytest.raises(OptionError, match='vtype of COR "UB" is not known; allowed: "LS", "AV", "H0"'):
        effect_size("COR", {"r": 0.1, "n": 20}, vtype="UB")
    with pytest.raises(OptionError, match='to "onlyO"'):
        effect_size("OR", MEASURES["OR"].example, to="onlyO")
    with pytest.raises(OptionError, match="option"):
        effect_size("OR", MEASURES["OR"].example, bias=True)
    with pytest.raises(InputError, match="add must be"):
        effect_size("OR", MEASURES["OR"].example, add=-1.0)
    with pytest.raises(InputError, match=r"needs the column sd2 .* Its columns are: mean1, sd1"):
        effect_size("MD", {name: MEANS[name] for name in MEANS if name != "sd2i"})


def test_inputs_are_not_changed():
    columns = {"events": np.array([0.0, -3.0, 5.0]), "n": np.array([10.0, 10.0, 10.0])}
    before = {name: values.copy() for name, values in columns.items()}
    effect_size("PLO", columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(values, before[name])


def test_reading_back_undoes_the_scale():
    """From the example's effect back to the plain number that it was made of."""
    plain = {
        "OR": (12 / 48) / (24 / 34), "RR": (12 / 60) / (24 / 58), "IRR": (14 / 410) / (27 / 395), "ZCOR": 0.31,
        "ZR2": 0.28, "PLN": 9 / 52, "PLO": 9 / 52, "PRZ": 9 / 52, "PAS": 9 / 52, "IRLN": 14 / 410, "IRS": 14 / 410,
        "AHW": 0.86, "ABT": 0.86, "MNLN": 22.4, "PR": 9 / 52, "MN": 22.4, "COR": 0.31,
    }  # fmt: skip
    for name, value in plain.items():
        assert read_back(name, effect_size(name, MEASURES[name].example).y)[0] == pytest.approx(
            value, rel=1e-12
        )
    double = effect_size("PFT", MEASURES["PFT"].example)
    assert read_back("PFT", double.y, n=52)[0] == pytest.approx(9 / 52, rel=1e-12)
    with pytest.raises(InputError, match="sample sizes"):
        read_back("PFT", double.y)
    for measure in MEASURES.values():
        assert np.isfinite(read_back(measure.id, effect_size(measure.id, measure.example).y, n=52)).all()
