"""Each kind of bad input has its exact message, place and consequence; every registered code can occur."""

from __future__ import annotations

import re

import numpy as np
import pytest

from consilience.data.check_list import CHECKS
from consilience.data.checks_cells import is_concentration
from review_tables import Review

A, B = ("arms.csv", 4), ("arms.csv", 8)


def spoiled(**cells):
    return lambda review: review.cells("arms", 4, **cells)


def contrast(**cells):
    return lambda review: review.cells("contrasts", 2, **cells)


# what is done to the valid review, then (code, file, row, column, message) of the one note that follows
ONE_NOTE = {
    "negative SD": (
        spoiled(sd="-10.5"),
        (
            "sd-negative",
            "arms.csv",
            4,
            "sd",
            "sd is -10.5, but it cannot be negative; the value is not used.",
        ),
    ),
    "negative SE": (
        spoiled(sd="", se="-2", change_sd=""),
        ("sd-negative", "arms.csv", 4, "se", "se is -2, but it cannot be negative; the value is not used."),
    ),
    "nobody analysed": (
        spoiled(n="0"),
        (
            "n-not-positive",
            "arms.csv",
            4,
            "n",
            "n is 0, but a number of people must be above 0; the value is not used.",
        ),
    ),
    "minus ten people": (
        contrast(n_control="-10"),
        (
            "n-not-positive",
            "contrasts.csv",
            2,
            "n_control",
            "n_control is -10, but a number of people must be above 0; the value is not used.",
        ),
    ),
    "correlation above 1": (
        spoiled(r="1.2"),
        (
            "r-outside",
            "arms.csv",
            4,
            "r",
            "r is 1.2, but a correlation lies between -1 and 1; the value is not used.",
        ),
    ),
    "p above 1": (
        contrast(p="5"),
        (
            "value-outside",
            "contrasts.csv",
            2,
            "p",
            "p is 5, but it must lie between 0 and 1; the value is not used.",
        ),
    ),
    "negative F": (
        contrast(f="-1"),
        (
            "value-outside",
            "contrasts.csv",
            2,
            "f",
            "f is -1, but it must be at least 0; the value is not used.",
        ),
    ),
    "no degrees of freedom": (
        contrast(df="0"),
        (
            "value-outside",
            "contrasts.csv",
            2,
            "df",
            "df is 0, but it must be above 0; the value is not used.",
        ),
    ),
    "lower above upper": (
        spoiled(ci_low="39", ci_high="31"),
        ("limits-reversed", "arms.csv", 4, "ci_low", "ci_low 39 is above ci_high 31; neither is used."),
    ),
    "quartiles reversed": (
        spoiled(q1="40", q3="30"),
        ("limits-reversed", "arms.csv", 4, "q1", "q1 40 is above q3 30; neither is used."),
    ),
    "estimate outside its CI": (
        spoiled(ci_low="36", ci_high="39"),
        (
            "estimate-outside-limits",
            "arms.csv",
            4,
            "mean",
            "mean 35.2 lies outside ci_low 36 to ci_high 39; the limits are not used.",
        ),
    ),
    "difference outside its CI": (
        contrast(difference="-68.5", difference_ci_low="-40", difference_ci_high="94"),
        (
            "estimate-outside-limits",
            "contrasts.csv",
            2,
            "difference",
            "difference -68.5 lies outside difference_ci_low -40 to difference_ci_high 94; the limits are not used.",
        ),
    ),
    "more events than people": (
        spoiled(events="31", total="30"),
        (
            "events-exceed-total",
            "arms.csv",
            4,
            "events",
            "events is 31 of only 30 people; events is not used.",
        ),
    ),
    "SD of change too large": (
        spoiled(change_sd="20.3"),
        (
            "change-sd-impossible",
            "arms.csv",
            4,
            "change_sd",
            "change_sd is 20.3, but with SDs 9.3 before and 10.5 after it must lie between 1.2 and 19.8; "
            "the value is not used.",
        ),
    ),
    "SD of change too small": (
        spoiled(change_sd="0.9"),
        (
            "change-sd-impossible",
            "arms.csv",
            4,
            "change_sd",
            "change_sd is 0.9, but with SDs 9.3 before and 10.5 after it must lie between 1.2 and 19.8; "
            "the value is not used.",
        ),
    ),
    "the same cell twice": (
        lambda review: review.copy("arms", 4, mean="36.2"),
        (
            "duplicate-row",
            "arms.csv",
            10,
            "",
            "Rows 4 and 10 have the same study, arm, outcome, time and weeks (A, CBT, IL-2, post, 8); only row 4 is used.",
        ),
    ),
    "the same trial twice": (
        lambda review: review.copy("trials", 2),
        ("duplicate-row", "trials.csv", 5, "", "Rows 2 and 5 have the same study (A); only row 2 is used."),
    ),
    "more analysed than randomised": (
        lambda review: review.cells("trials", 2, n_randomised="59"),
        (
            "more-analysed-than-randomised",
            "trials.csv",
            2,
            "n_randomised",
            "n_randomised is 59, but 60 people were analysed (CBT 30 and usual 30); n_randomised is not used.",
        ),
    ),
    "negative concentration": (
        spoiled(mean="-35.2"),
        (
            "concentration-negative",
            "arms.csv",
            4,
            "mean",
            "mean is -35.2 ng/mL, but a concentration cannot be negative; the value is not used.",
        ),
    ),
    "logarithm of zero": (
        lambda review: review.cells("arms", 8, mean="0"),
        (
            "concentration-negative",
            "arms.csv",
            8,
            "mean",
            'mean is 0, but the protocol analyses "CRP" as logarithms, which needs values above 0; the value is not used.',
        ),
    ),
    "geometric mean of zero": (
        lambda review: review.cells("arms", 8, geometric_mean="0"),
        (
            "concentration-negative",
            "arms.csv",
            8,
            "geometric_mean",
            "geometric_mean is 0, but it must be above 0; the value is not used.",
        ),
    ),
    "SDs of two arms": (
        lambda review: review.cells("arms", 4, sd="105", change_sd="").cells("arms", 2, sd=""),
        (
            "sd-ratio",
            "arms.csv",
            4,
            "sd",
            "The SD is 105 in row 4 and 8.4 in row 5: 12.5 times as large in one arm as in the other.",
        ),
    ),
    "post at week 0": (
        lambda review: review.cells("contrasts", 2, weeks="0"),
        (
            "time-inconsistent",
            "contrasts.csv",
            2,
            "weeks",
            "Row 2: time is post, but weeks is 0; week 0 is the baseline.",
        ),
    ),
    "baseline at week 2": (
        lambda review: review.cells("arms", 2, weeks="2").cells("arms", 3, weeks="2"),
        (
            "time-inconsistent",
            "arms.csv",
            2,
            "weeks",
            "Rows 2 and 3: time is pre, but weeks is 2; baseline is week 0.",
        ),
    ),
    "post half way": (
        contrast(weeks="4"),
        (
            "time-inconsistent",
            "contrasts.csv",
            2,
            "weeks",
            "Row 2: time is post, but weeks is 4; treatment lasts 8 weeks.",
        ),
    ),
    "post long after": (
        contrast(weeks="34"),
        (
            "time-inconsistent",
            "contrasts.csv",
            2,
            "weeks",
            "Row 2: time is post, but weeks is 34; treatment ends after 8 weeks, which makes it a follow-up.",
        ),
    ),
    "follow-up during treatment": (
        contrast(time="follow-up"),
        (
            "time-inconsistent",
            "contrasts.csv",
            2,
            "weeks",
            "Row 2: time is follow-up, but weeks is 8; treatment lasts 8 weeks, which makes it no follow-up.",
        ),
    ),
    "baseline alone": (
        lambda review: review.copy("arms", 2, outcome="CRP"),
        (
            "baseline-alone",
            "arms.csv",
            10,
            "time",
            'The baseline of "CRP" in the arm "CBT" has no later row.',
        ),
    ),
    "unknown trial": (
        lambda review: review.copy("risk_of_bias", 2, study="AA"),
        (
            "unknown-trial",
            "rob.csv",
            3,
            "study",
            'Row 3: the trial "AA" is not in trials.csv; the row is not used. Did you mean "A"?',
        ),
    ),
    "unknown outcome": (
        contrast(outcome="hsCRP"),
        (
            "unknown-outcome",
            "contrasts.csv",
            2,
            "outcome",
            'Row 2: the outcome "hsCRP" is not declared in review.toml; the row is not used. Did you mean "CRP"?',
        ),
    ),
    "unknown class": (
        lambda review: review.cells("trials", 3, intervention_class="joga"),
        (
            "unknown-class",
            "trials.csv",
            3,
            "intervention_class",
            'intervention_class is "joga", which [classes] interventions in review.toml does not list. Did you mean "yoga"?',
        ),
    ),
    "unknown arm": (
        lambda review: review.copy(
            "contrasts", 2, study="B", arm="Yoga!", weeks="9", n_treatment="", n_control=""
        ),
        (
            "unknown-arm",
            "contrasts.csv",
            3,
            "arm",
            'arm is "Yoga!"; arms.csv has no such arm of "B". Did you mean "yoga"?',
        ),
    ),
    "two roles": (
        lambda review: review.cells("arms", 5, role="treatment"),
        (
            "role-inconsistent",
            "arms.csv",
            5,
            "role",
            'The arm "usual" is treatment here, but control in row 3; none of its rows is used.',
        ),
    ),
    "reversed contrast": (
        lambda review: review.copy("contrasts", 2, study="B", arm="usual", control_arm="yoga"),
        (
            "role-inconsistent",
            "contrasts.csv",
            3,
            "arm",
            '"usual" is control and "yoga" is treatment in arms.csv, here it is the reverse; the row is not used.',
        ),
    ),
    "no control": (
        lambda review: review.drop("arms", 3, 5),
        (
            "role-missing",
            "arms.csv",
            2,
            "role",
            'All arms of "A" are treatment; without the other arm they yield no effect.',
        ),
    ),
    "contrast before treatment": (
        lambda review: review.copy("contrasts", 2, time="pre", weeks="0"),
        (
            "contrast-at-baseline",
            "contrasts.csv",
            3,
            "time",
            "time is pre, but a contrast before treatment is no result; the row is not used.",
        ),
    ),
    "trial without results": (
        lambda review: review.copy("trials", 2, study="D"),
        (
            "trial-without-results",
            "trials.csv",
            5,
            "study",
            'The trial "D" has no row in arms.csv or contrasts.csv.',
        ),
    ),
    "two judgements": (
        lambda review: review.copy("risk_of_bias", 2, result="CRP", overall="high"),
        (
            "risk-of-bias-conflict",
            "trials.csv",
            2,
            "risk_of_bias",
            "risk_of_bias is low, but the worst overall judgement in rob.csv is high; low is used.",
        ),
    ),
    "empty required cell": (
        lambda review: review.cells("contrasts", 2, outcome="").copy("contrasts", 2, outcome="CRP"),
        ("cell-missing", "contrasts.csv", 2, "outcome", "outcome is empty; the row is not used."),
    ),
    "word not allowed": (
        lambda review: review.cells("trials", 2, risk_of_bias="lo"),
        (
            "choice-unknown",
            "trials.csv",
            2,
            "risk_of_bias",
            'risk_of_bias is "lo"; allowed: "low", "some" or "high". Did you mean "low"?',
        ),
    ),
    "bound": (spoiled(mean="<0.2"), ("not-a-number", "arms.csv", 4, "mean", '"<0.2" is not a number.')),
    "decimal comma": (
        spoiled(mean="35,2"),
        ("decimal-mark", "arms.csv", 4, "mean", '"35,2" has a decimal comma.'),
    ),
    "thousands": (
        spoiled(mean="1,035.2"),
        (
            "thousands-separator",
            "arms.csv",
            4,
            "mean",
            '"1,035.2" seems to have a thousands separator; that is not read.',
        ),
    ),
    "required column missing": (
        lambda review: review.cells("risk_of_bias", 1, overall="Overal"),
        (
            "column-missing",
            "rob.csv",
            None,
            "overall",
            'The required column "overall" is missing. Did you mean "Overal"?',
        ),
    ),
    "misspelt column": (
        lambda review: review.cells("arms", 1, events="event"),
        (
            "column-unknown",
            "arms.csv",
            None,
            "event",
            'The column "event" is not known and is kept as an extra column. Did you mean "events"?',
        ),
    ),
    "two columns of a name": (
        lambda review: review.cells("arms", 1, median="mean"),
        ("column-duplicate", "arms.csv", None, "mean", '2 columns are named "mean".'),
    ),
    "two trials of one name, but for a capital": (
        lambda review: review.cells("trials", 4, study="b").cells("contrasts", 2, study="b"),
        (
            "names-alike",
            "trials.csv",
            4,
            "study",
            'study is "b" here, but "B" in row 3: they count as two trials.',
        ),
    ),
    "column without a name": (
        lambda review: review.cells("arms", 1, median="").cells("arms", 3, **{"": "7"}),
        ("column-unnamed", "arms.csv", None, "", "Column 15 has 1 values but no name; it is not used."),
    ),
}


@pytest.mark.parametrize("name", ONE_NOTE)
def test_exact_message(tmp_path, name):
    spoil, expected = ONE_NOTE[name]
    review = Review(tmp_path)
    spoil(review)
    notes = review.notes()
    if name == "required column missing":  # the misspelt column is a finding of its own
        assert [note.code for note in notes] == ["column-missing", "column-unknown"]
        notes = notes[:1]
    assert [(n.code, n.file, n.row, n.column, n.message) for n in notes] == [expected]
    assert notes[0].severity == CHECKS[notes[0].code].severity
    assert notes[0].advice


def test_a_sound_review_has_no_findings(tmp_path):
    assert Review(tmp_path).notes() == ()


def test_sd_that_looks_like_a_standard_error(tmp_path):
    """SEs of 9 / sqrt(30) = 1.6 among three trials with SDs of about 9."""
    review = Review(tmp_path)
    for study in ("B", "C"):
        for line in (2, 3, 4, 5):
            review.copy(
                "arms",
                line,
                study=study,
                n="22",
                mean="30.4" if line < 4 else "33.2",
                change="",
                change_sd="",
            )
    for line in (2, 3, 4, 5):
        review.cells("arms", line, sd="1.7", change="", change_sd="")
    (note,) = [n for n in review.notes() if n.code == "sd-looks-like-se"]
    assert (note.row, note.study, note.severity) == (2, "A", "warning")
    assert note.message == (
        "Rows 2, 3, 4 and 5: an SD of 1.7 is small for IL-2 (usually about 8.85), while 1.7 times the square root of 30 is 9.31."
    )


def test_a_declared_log_sd_says_what_sd_is_usual(tmp_path):
    """Log SD 1 at a mean of 2.2 means an SD of 2.2 sqrt(e - 1) = 2.88; 0.5 times sqrt(25) is 2.5."""
    review = (
        Review(tmp_path).protocol('scale = "log"', 'scale = "log"\nlog_sd = 1.0').cells("arms", 8, sd="0.5")
    )
    assert review.only().message == (
        "Row 8: an SD of 0.5 is small for CRP (usually about 2.88), while 0.5 times the square root of 25 is 2.5."
    )


def test_three_identical_rows(tmp_path):
    review = Review(tmp_path)
    for line in (3, 5):
        review.cells("arms", line, mean="31.5", sd="9.3")
    assert review.only().code == "identical-rows"
    assert review.only().message == "Rows 2, 3 and 5 have the same mean and sd."
    review.cells("arms", 5, sd="9.4")
    assert review.notes() == ()


@pytest.mark.parametrize(
    "factor, scale, tail",
    [
        (0.001, "", "a factor of 1000, as between pg/mL and ng/mL (1000)."),
        (1000, "", "a factor of 1000, as between pg/mL and ng/mL (1000)."),
        (10, "", "a factor of 10, as between mg/L and mg/dL (10)."),
        (1 / 2.302585, "ln", "a factor of 2.3, as between natural and decimal logarithms (2.303)."),
    ],
)
def test_a_factor_that_units_explain(tmp_path, factor, scale, tail):
    """Trial A differs from B and C, whose values are alike, by a telling factor in mean and SD."""
    review = Review(tmp_path)
    for study, shift in (("B", 1.01), ("C", 0.99)):
        for line in (2, 3, 4, 5):
            mean, sd = (30 + line) * shift, (8 + line / 10) * shift
            review.copy(
                "arms",
                line,
                study=study,
                n="22",
                mean=f"{mean:.2f}",
                sd=f"{sd:.3f}",
                scale=scale,
                change="",
                change_sd="",
            )
    for line in (2, 3, 4, 5):
        mean, sd = (30 + line) * factor, (8 + line / 10) * factor
        review.cells("arms", line, mean=f"{mean:.4g}", sd=f"{sd:.4g}", scale=scale, change="", change_sd="")
    (note,) = [n for n in review.notes() if n.code == "unit-suspect"]
    assert (note.study, note.row) == ("A", 2)
    assert note.message.endswith(f"in the 2 other trials with the same unit (ng/mL): {tail}")


def test_unequal_n_does_not_bind_the_sd_of_change(tmp_path):
    """The identity holds for the same people only."""
    assert Review(tmp_path).cells("arms", 2, n="29").cells("arms", 4, change_sd="20.3").notes() == ()


def test_rounding_is_no_contradiction(tmp_path):
    """SDs printed as 9.3 and 10.5 may be 9.349 and 10.549: 19.9 is possible."""
    assert Review(tmp_path).cells("arms", 4, change_sd="19.9").notes() == ()


def test_impossible_values_are_missing_and_impossible_rows_gone(tmp_path):
    review = Review(tmp_path).cells("arms", 4, sd="-1", r="7", ci_low="9", ci_high="3").copy("arms", 5)
    arms = review.load().reported.arms
    row = int(np.flatnonzero(arms.lines == 4)[0])
    assert all(np.isnan(arms[name][row]) for name in ("sd", "r", "ci_low", "ci_high"))
    assert arms["mean"][row] == 35.2
    assert 10 not in arms.lines.tolist()


def test_all_problems_at_once(tmp_path):
    review = (
        Review(tmp_path)
        .cells("arms", 4, sd="-1", n="x", role="treated")
        .cells("trials", 2, n_randomised="1 000")
    )
    review.protocol('better = "lower"', 'beter = "lower"')
    codes = [(n.file, n.row, n.code) for n in review.notes()]
    assert codes == [
        ("review.toml", 23, "protocol-missing-key"),
        ("review.toml", 26, "protocol-unknown-key"),
        ("trials.csv", 2, "thousands-separator"),
        ("arms.csv", 4, "choice-unknown"),
        ("arms.csv", 4, "not-a-number"),
        ("arms.csv", 4, "sd-negative"),
    ]


def test_every_code_of_the_registry_can_occur():
    """Codes are claims: each one stands in a test of this suite with the situation that makes it."""
    import pathlib

    texts = [p.read_text(encoding="utf-8") for p in pathlib.Path(__file__).parent.glob("test_*.py")]
    quoted = set(re.findall(r'"([a-z-]+)"', "\n".join(texts)))
    assert set(CHECKS) - quoted == set()


@pytest.mark.parametrize(
    "unit, expected",
    [
        ("pg/mL", True),
        ("mg/L", True),
        ("10^9/L", True),
        ("cells/ul", True),
        ("x10^3 cells/mm3", True),
        ("IU/mL", True),
        ("log10 copies/ml", False),
        ("ln pg/mL", False),
        ("%", False),
        ("ratio", False),
        ("", False),
        ("kg/m2", False),
    ],
)
def test_what_is_a_concentration(unit, expected):
    assert is_concentration(unit) is expected
