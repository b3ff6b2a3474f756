"""Declared decisions: what they change, what they leave, how they are told; the ones that lead nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.records import Note
from review_tables import Review

EXCLUDE = """
[[decisions]]
table = "arms"
action = "exclude"
where = { study = "A", time = "post" }
reason = "Printed twice."
"""


def decision(table: str = "arms", action: str = "exclude", where: str = 'study = "A"', more: str = "") -> str:
    return f'\n[[decisions]]\ntable = "{table}"\naction = "{action}"\nwhere = {{ {where} }}\nreason = "Because."\n{more}'


def test_excluded_rows_are_told_and_not_checked(tmp_path):
    review = Review(tmp_path).cells("arms", 4, sd="-1").cells("arms", 5, n="many").add(EXCLUDE)
    loaded = review.load()
    assert set(loaded.reported.arms.lines) == {2, 3, 6, 7, 8, 9}
    found = {note.code: note for note in loaded.notes}
    assert set(found) == {"decision-exclude", "baseline-alone"}
    assert found["decision-exclude"].message == "Rows 4 and 5 are excluded. Reason: Printed twice."
    assert (found["decision-exclude"].file, found["decision-exclude"].row) == ("arms.csv", 4)
    assert found["decision-exclude"].severity == "info"


def test_an_excluded_trial_takes_its_results_along(tmp_path):
    loaded = Review(tmp_path).add(decision("trials")).load()
    assert loaded.reported.studies == ("B", "C")
    assert set(loaded.reported.arms["study"]) == {"B"}
    assert [(n.file, n.row, n.message) for n in loaded.notes] == [
        ("trials.csv", 2, "Row 2 is excluded. Reason: Because."),
        ("arms.csv", 2, "Rows 2, 3, 4 and 5 are excluded with the trial. Reason: Because."),
        ("rob.csv", 2, "Row 2 is excluded with the trial. Reason: Because."),
    ]


def test_set_replaces_cells_before_anything_is_checked(tmp_path):
    more = 'values = { n = 28, sd = "10.1" }\n'
    review = Review(tmp_path).cells("arms", 4, n="c. 28", sd="-10.1")
    review.add(decision(action="set", where='study = "A", time = "post", arm = "CBT"', more=more))
    loaded = review.load()
    row = int(np.flatnonzero(loaded.reported.arms.lines == 4)[0])
    assert (loaded.reported.arms["n"][row], loaded.reported.arms["sd"][row]) == (28, 10.1)
    (note,) = loaded.notes
    assert note.code == "decision-set"
    assert note.message == 'Set: n was "c. 28", now "28"; sd was "-10.1", now "10.1". Reason: Because.'


def test_set_can_empty_a_cell_and_add_a_known_column(tmp_path):
    more = 'values = { change_sd = "", confidence = "90" }\n'
    loaded = Review(tmp_path).add(decision(action="set", where='study = "A", change = 3.7', more=more)).load()
    assert np.isnan(loaded.reported.arms["change_sd"][2])
    assert loaded.reported.arms["confidence"][2] == 90
    assert loaded.notes[0].message.startswith(
        'Set: change_sd was "8", now empty; confidence was empty, now "90".'
    )


def test_accepting_keeps_the_consequence_and_carries_the_reason(tmp_path):
    review = Review(tmp_path).cells("arms", 4, ci_low="36", ci_high="39")
    review.add(
        decision(
            action="accept", where='study = "A", weeks = "8.0"', more='code = "estimate-outside-limits"\n'
        )
    )
    loaded = review.load()
    (note,) = loaded.notes
    assert (note.severity, note.code, note.row) == ("info", "estimate-outside-limits", 4)
    assert note.message.endswith("the limits are not used. Accepted: Because.")
    assert np.isnan(loaded.reported.arms["ci_low"][2])
    assert loaded.errors == ()
    assert loaded.plan is not None


def test_accepting_holds_only_for_the_rows_it_names(tmp_path):
    review = Review(tmp_path).cells("arms", 4, r="2").cells("arms", 8, r="2")
    review.add(decision(action="accept", more='code = "r-outside"\n'))
    assert [(n.row, n.severity) for n in review.notes()] == [(4, "info"), (8, "error")]


def test_accepting_what_was_not_found(tmp_path):
    note = Review(tmp_path).add(decision(action="accept", more='code = "sd-ratio"\n')).only()
    assert (note.severity, note.code, note.file, note.row) == (
        "warning",
        "decision-without-finding",
        "review.toml",
        34,
    )
    assert note.message == 'No finding "sd-ratio" was made in the rows that `where` selects.'


def test_findings_about_effects_are_accepted_when_they_are_made(tmp_path):
    """Their codes are not those of the data checks, so they are settled later."""
    accept = decision(action="accept", more='code = "baseline-gap"\n')
    loaded = Review(tmp_path).add(accept).load()
    assert loaded.notes == ()
    made = Note("baseline-gap", "warning", "A gap.", file="arms.csv", row=3)
    other = Note("baseline-gap", "warning", "A gap.", file="arms.csv", row=7)
    assert [(n.severity, n.message) for n in loaded.settled([made, other])] == [
        ("info", "A gap. Accepted: Because."),
        ("warning", "A gap."),
    ]
    assert [n.code for n in loaded.settled([other])] == ["baseline-gap", "decision-without-finding"]


UNMATCHED = {
    "value": ('study = "AA"', 'No row of arms.csv has study "AA". The nearest is "A".'),
    "far value": ('study = "Zgierska"', 'No row of arms.csv has study "Zgierska".'),
    "column": ('stdy = "A"', 'arms.csv has no column "stdy". Did you mean "study"?'),
    "combination": (
        'study = "A", outcome = "CRP"',
        'No row of arms.csv has study "A" and outcome "CRP" at once.',
    ),
}


@pytest.mark.parametrize("where, message", UNMATCHED.values(), ids=UNMATCHED)
def test_a_decision_that_matches_no_row(tmp_path, where, message):
    note = Review(tmp_path).add(decision(where=where)).only()
    assert (note.code, note.severity, note.file, note.row) == (
        "decision-unmatched",
        "error",
        "review.toml",
        34,
    )
    assert note.message == message


def test_a_decision_about_an_unknown_column_to_set(tmp_path):
    note = Review(tmp_path).add(decision(action="set", more='values = { nn = "3" }\n')).only()
    assert note.message == 'arms.csv has no column "nn" to be set. Did you mean "n"?'


def test_a_decision_about_a_table_that_is_not_there(tmp_path):
    review = Review(tmp_path).protocol('risk_of_bias = "rob.csv"\n', "").add(decision("risk_of_bias"))
    assert (
        review.only().message
        == 'The decision is about the table "risk_of_bias", which this review does not have.'
    )
