"""The tables of an analysis and what print() shows of each record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis_example import example_analysis
from consilience import records
from consilience.base.errors import InputError
from consilience.base.grid import display_width
from consilience.records import (
    Analysis,
    Coefficients,
    Columns,
    Components,
    Design,
    Estimate,
    Fit,
    Heterogeneity,
    Note,
    Optimum,
    Spec,
    Table,
)
from consilience.tables import all_tables, csv_rows, show, to_html
from consilience.tables.build_estimates import difference_line

ANALYSIS = example_analysis(14)
TABLES = all_tables(ANALYSIS)


def column(table: Table, key: str) -> list:
    j = [c.key for c in table.columns].index(key)
    return [row[j] for row in table.rows]


def test_every_bound_number_of_the_answer_has_its_table() -> None:
    anchors = {f"table-{key}" for key in TABLES}
    bounds = [p for paragraph in ANALYSIS.answer for p in paragraph.phrases if not isinstance(p, str)]
    assert bounds
    assert {b.anchor for b in bounds} <= anchors


def test_tables_hold_as_many_rows_as_the_analysis() -> None:
    assert len(TABLES["trials"].rows) == len(ANALYSIS.reported.trials)
    assert len(TABLES["effects"].rows) == ANALYSIS.effects.k
    assert len(TABLES["dropped"].rows) == len(ANALYSIS.effects.dropped)
    assert len(TABLES["sensitivity"].rows) == len(ANALYSIS.scenarios) + 1
    assert len(TABLES["notes"].rows) == len(ANALYSIS.notes)
    assert len(TABLES["risk-of-bias"].rows) == 6 * len(ANALYSIS.reported.risk_of_bias)
    assert set(column(TABLES["provenance"], "value")) >= set(ANALYSIS.provenance.inputs.values())


def test_numbers_are_those_of_the_records() -> None:
    subgroups = [e for q in ANALYSIS.questions if q.kind == "subgroup" for e in q.estimates]
    np.testing.assert_array_equal(column(TABLES["subgroups"], "estimate"), [e.estimate for e in subgroups])
    np.testing.assert_array_equal(column(TABLES["effects"], "y"), ANALYSIS.effects.y)
    # 1.959964 is the 97.5% point of the normal distribution
    half = 1.959963984540054 * np.sqrt(ANALYSIS.effects.v)
    np.testing.assert_allclose(column(TABLES["effects"], "ci_high"), ANALYSIS.effects.y + half, rtol=1e-12)
    change = column(TABLES["sensitivity"], "change")
    assert change[0] == 0
    first = ANALYSIS.scenarios[0].estimate
    assert change[1] == first.estimate - ANALYSIS.overall.estimate


def test_effects_that_are_not_pooled_say_why() -> None:
    pooled = column(TABLES["effects"], "pooled")
    assert {x for x in pooled if x != "yes"} == {"no: not randomised"}


def test_an_unavailable_estimate_shows_its_reason_and_no_number() -> None:
    table = TABLES["moderators"]
    row = next(row for row in csv_rows(table)[1:] if "% female (per 10 points)" in row)
    assert row[-1] == "Too few trials (8 of 10 needed)."
    assert column(table, "estimate")[1] != column(table, "estimate")[1]  # NaN


def test_columns_nobody_filled_are_left_out() -> None:
    bare = replace(ANALYSIS.overall, share_in_favour=float("nan"), trust="")
    questions = (replace(ANALYSIS.questions[0], estimates=(bare,)),)
    keys = [c.key for c in all_tables(replace(ANALYSIS, questions=questions))["summary"].columns]
    assert "share_in_favour" not in keys
    assert "caveat" not in keys
    assert "label" in keys
    assert "families" not in all_tables(replace(ANALYSIS, questions=questions))


def test_reviewers_own_trial_columns_come_after_the_known_ones() -> None:
    trials = ANALYSIS.reported.trials
    own = Columns(
        trials.file, trials.lines, {"zeta": np.arange(14.0), **trials.data, "empty": np.full(14, np.nan)}
    )
    table = all_tables(replace(ANALYSIS, reported=replace(ANALYSIS.reported, trials=own)))["trials"]
    keys = [c.key for c in table.columns]
    assert keys[0] == "study"
    assert keys[-1] == "zeta"
    assert "empty" not in keys


@pytest.mark.parametrize(
    "test, line",
    [
        (None, ""),
        (records.TestResult("HTZ", 2.311, 3, 6.42, 0.1634), "Test (HTZ): F(3, 6.4) = 2.31, p = .163."),
        (
            records.TestResult("HTZ", 22.0, 1, 9.0, 0.0002, "Exploratory."),
            "Test (HTZ): F(1, 9.0) = 22.00, p < .001. Exploratory.",
        ),
        (
            records.TestResult("HTZ", float("nan"), 1, 0.5, float("nan"), "Too few."),
            "Test (HTZ): not available. Too few.",
        ),
    ],
)
def test_the_line_of_a_test(test: records.TestResult | None, line: str) -> None:
    assert difference_line(test) == line


def a_fit() -> Fit:
    effects = ANALYSIS.effects
    one = np.ones(1)
    coefficients = Coefficients(
        ("intercept",),
        0.34 * one,
        0.09 * one,
        3.8 * one,
        8.1 * one,
        0.005 * one,
        0.14 * one,
        0.54 * one,
        np.eye(1),
        0.95,
        "CR2",
    )
    return Fit(
        Spec.che(),
        effects,
        Design.intercept(effects.k),
        coefficients,
        Components(("study", "study/row"), np.array([0.04, 0.0])),
        Heterogeneity(61.2, 24, 0.0001, 55.3, 2.2, {"study": 55.3, "study/row": 0.0}),
        -3.456,
        Optimum("boundary"),
        (Note("df-below-four", "info", "Few degrees of freedom."),),
    )


@pytest.mark.parametrize(
    "record, words",
    [
        (
            a_fit(),
            ["boundary", "0.3400", "[0.1400, 0.5400]", "study/row", "−3.456", "Few degrees of freedom."],
        ),
        (
            ANALYSIS,
            ["Do psychosocial", "Across 13 trials", "All pooled effects", "Percent change", "sensitivity"],
        ),
        (ANALYSIS.effects, ["25 effects", "14 trials", "... and 13 more.", "Arm sizes unknown."]),
        (ANALYSIS.reported, ["trials.csv", "arms.csv", "ci-excludes-estimate"]),
        (ANALYSIS.plan, ["[0.49, 0.75]", "ρ = 0.6", "usual care"]),
        (ANALYSIS.overall, ["prediction interval", "Trials in favour"]),
        (TABLES["tipping"], ["below .12"]),
    ],
)
def test_print_shows_something_worth_reading(record: object, words: list[str]) -> None:
    text = show(record)
    for word in words:
        assert word in text
    assert all(display_width(line) <= 100 for line in text.splitlines())


def test_show_refuses_what_it_does_not_know() -> None:
    with pytest.raises(InputError, match="no summary of a dict"):
        show({})


def test_a_review_with_nothing_still_has_tables() -> None:
    empty = np.arange(0)
    reported = replace(
        ANALYSIS.reported,
        trials=Columns("trials.csv", empty, {"study": np.empty(0, dtype=object)}),
        risk_of_bias=Columns("risk_of_bias.csv", empty, {}),
    )
    nothing: Analysis = replace(
        ANALYSIS,
        reported=reported,
        effects=ANALYSIS.effects.take(empty),
        overall=Estimate("overall", "All outcomes", available=False, reason="No trial could be used."),
        questions=(),
        scenarios=(),
        tipping=(),
        studies=(),
    )
    tables = all_tables(nothing)
    assert "No trial could be used." in to_html(tables["overall"])
    assert "sensitivity" not in tables
    assert show(nothing).startswith("Do psychosocial")
