"""Every error of review.toml names its line, says what is allowed and what is nearest; all of them at once."""

from __future__ import annotations

import pytest

from consilience.review.protocol import parse_protocol
from review_tables import PROTOCOL, Review

END = PROTOCOL.count("\n")


def notes(text: str):
    return parse_protocol(text.encode()).notes


# (text to replace, replacement) and the (code, line, message) of every note that follows
SPOILED = {
    "unknown key": (
        ('sample = "synthetic"', 'sample = "synthetic"\nseeed = 3'),
        [("protocol-unknown-key", 4, '[review] has no key "seeed". Did you mean "seed"?')],
    ),
    "key of another section": (
        ('sample = "synthetic"', 'sample = "synthetic"\nrho = 0.5'),
        [("protocol-unknown-key", 4, '[review] has no key "rho". It belongs under [dependence].')],
    ),
    "unknown section": (
        ("[effect]", "[efect]"),
        [("protocol-unknown-key", 20, 'There is no section [efect]. Did you mean "effect"?')],
    ),
    "unknown key in an array of tables": (
        ('better = "higher"', 'better = "higher"\nscal = "log"'),
        [("protocol-unknown-key", 33, '[[outcomes]] "IL-2" has no key "scal". Did you mean "scale"?')],
    ),
    "unknown key in an inline table": (
        ("high = 0.7", "hgh = 0.7"),
        [
            ("protocol-missing-key", 21, '[effect] default_r needs the key "high".'),
            ("protocol-unknown-key", 21, '[effect] default_r has no key "hgh". Did you mean "high"?'),
        ],
    ),
    "missing key": (
        ('title = "A review"\n', ""),
        [("protocol-missing-key", 1, '[review] needs the key "title".')],
    ),
    "missing section": (
        ('[review]\ntitle = "A review"\nsample = "synthetic"\n', ""),
        [("protocol-missing-key", None, "The section [review] is missing.")],
    ),
    "missing key of an outcome": (
        ('name = "IL-2"\n', ""),
        [("protocol-missing-key", 29, '[[outcomes]] number 2 needs the key "name".')],
    ),
    "choice": (
        ('sample = "synthetic"', 'sample = "systemic"'),
        [
            (
                "protocol-value",
                3,
                '[review] sample is "systemic"; allowed: "systematic", "convenience" or "synthetic". '
                'Did you mean "systematic"?',
            )
        ],
    ),
    "choice of an outcome": (
        ('better = "lower"', 'better = "less"'),
        [
            (
                "protocol-value",
                26,
                '[[outcomes]] "CRP", better is "less"; allowed: "lower", "higher" or "none".',
            )
        ],
    ),
    "text for a number": (
        ("value = 0.5", 'value = "0.5"'),
        [("protocol-value", 21, '[effect] default_r.value is "0.5", but it must be a number.')],
    ),
    "number for text": (
        ('title = "A review"', "title = 5"),
        [("protocol-value", 2, "[review] title is 5, but it must be text in double quotes.")],
    ),
    "text for a list": (
        ('outcomes = ["inflammation"]', 'outcomes = "inflammation"'),
        [
            (
                "protocol-value",
                18,
                '[classes] outcomes is "inflammation", but it must be a list in square brackets.',
            )
        ],
    ),
    "empty list": (
        ('interventions = ["cbt", "yoga"]', "interventions = []"),
        [("protocol-value", 17, "[classes] interventions is an empty list, but it must be not empty.")],
    ),
    "r beyond 1": (
        ("high = 0.7", "high = 1.7"),
        [("protocol-value", 21, "[effect] default_r.high is 1.7, but it must be below 1.")],
    ),
    "r outside its range": (
        ("high = 0.7", "high = 0.4"),
        [("protocol-value", 21, "[effect] default_r: value 0.5 must lie between low 0.3 and high 0.4.")],
    ),
    "section that is a value": (
        ("[effect]\ndefault_r = { value = 0.5, low = 0.3, high = 0.7 }\n", ""),
        [
            ("protocol-missing-key", 21, '[[outcomes]] "CRP" needs r, or [effect] needs default_r.'),
            ("protocol-missing-key", 27, '[[outcomes]] "IL-2" needs r, or [effect] needs default_r.'),
        ],
    ),
    "class that is not declared": (
        ('class = "inflammation"\nbetter = "higher"', 'class = "inflamation"\nbetter = "higher"'),
        [
            (
                "unknown-class",
                31,
                '[[outcomes]] "IL-2": class "inflamation" is not among [classes] outcomes. Did you mean "inflammation"?',
            )
        ],
    ),
    "outcome twice": (
        ('name = "IL-2"', 'name = "CRP"'),
        [("protocol-value", 29, '[[outcomes]]: "CRP" stands twice.')],
    ),
    "no table of results": (
        ('arms = "arms.csv"\ncontrasts = "contrasts.csv"\n', ""),
        [("protocol-missing-key", 11, '[files] needs "arms" or "contrasts": the tables of results.')],
    ),
    "file outside the folder": (
        ('arms = "arms.csv"', 'arms = "../arms.csv"'),
        [
            (
                "protocol-value",
                12,
                '[files] arms is "../arms.csv", but all files must lie in the folder of the review.',
            )
        ],
    ),
    "file with a drive": (
        ('arms = "arms.csv"', "arms = 'C:\\data\\arms.csv'"),
        [
            (
                "protocol-value",
                12,
                '[files] arms is "C:\\data\\arms.csv", but all files must lie in the folder of the review.',
            )
        ],
    ),
}

ADDED = {
    "rho of 1": (
        "[dependence]\nrho = 1\n",
        1,
        "protocol-value",
        "[dependence] rho is 1, but it must be below 1.",
    ),
    "rho in the range": (
        "[dependence]\nrange = [\n0.2,\n1.4]\n",
        3,
        "protocol-value",
        "[dependence] range[2] is 1.4, but it must be below 1.",
    ),
    "half a trial": (
        "[questions]\ntrials_per_moderator = 2.5\n",
        1,
        "protocol-value",
        "[questions] trials_per_moderator is 2.5, but it must be a whole number.",
    ),
    "yes for true": (
        '[model]\nrandomised_only = "yes"\n',
        1,
        "protocol-value",
        '[model] randomised_only is "yes", but it must be true or false.',
    ),
    "unknown sensitivity analysis": (
        '[sensitivity]\nrun = ["correlation", "leave-one"]\n',
        1,
        "protocol-value",
        '[sensitivity] run[2] is "leave-one"; allowed: "correlation", "dependence", "inclusion", "routes", "times", '
        '"model" or "leave-one-out". Did you mean "leave-one-out"?',
    ),
    "set without values": (
        '[[decisions]]\ntable = "arms"\naction = "set"\nwhere = { study = "A" }\nreason = "x"\n',
        0,
        "protocol-missing-key",
        '[[decisions]] number 1: action "set" needs the key "values".',
    ),
    "accept without code": (
        '[[decisions]]\ntable = "arms"\naction = "accept"\nwhere = { study = "A" }\nreason = "x"\n',
        0,
        "protocol-missing-key",
        '[[decisions]] number 1: action "accept" needs the key "code".',
    ),
    "exclude with values": (
        '[[decisions]]\ntable = "arms"\naction = "exclude"\nwhere = { study = "A" }\nvalues = { n = 3 }\nreason = "x"\n',
        4,
        "protocol-value",
        '[[decisions]] number 1: action "exclude" takes no values.',
    ),
    "where true": (
        '[[decisions]]\ntable = "arms"\naction = "exclude"\nwhere = { study = true }\nreason = "x"\n',
        3,
        "protocol-value",
        "[[decisions]] number 1, where.study is true, but it must be text in double quotes.",
    ),
    "no reason": (
        '[[decisions]]\ntable = "arms"\naction = "exclude"\nwhere = { study = "A" }\nreason = ""\n',
        4,
        "protocol-value",
        '[[decisions]] number 1, reason is "", but it must be not empty.',
    ),
    "unknown key like no other": (
        "[credibility]\nfoo = 1\n",
        1,
        "protocol-unknown-key",
        '[credibility] has no key "foo". Allowed: "run" and "replicates".',
    ),
    "moderator twice": (
        '[[moderators]]\ncolumn = "year"\n[[moderators]]\ncolumn = "year"\n',
        2,
        "protocol-value",
        '[[moderators]]: "year" stands twice.',
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_message_and_line(name):
    (old, new), expected = SPOILED[name]
    assert old in PROTOCOL
    found = notes(PROTOCOL.replace(old, new, 1))
    assert sorted((n.code, n.row, n.message) for n in found) == expected
    assert {n.file for n in found} == {"review.toml"}
    assert all(n.advice and n.severity == "error" for n in found)


@pytest.mark.parametrize("name", ADDED)
def test_message_and_line_of_an_addition(name):
    text, offset, code, message = ADDED[name]
    assert [(n.code, n.row, n.message) for n in notes(PROTOCOL + text)] == [(code, END + 1 + offset, message)]


@pytest.mark.parametrize(
    "text, row, message",
    [
        ("a = 1\nb = = 2\n", 2, "The file is not valid TOML: Invalid value, at column 5."),
        ('title = "x\n', 1, "The file is not valid TOML: Illegal character '\\n', at column 11."),
        ("[a]\n[a]\n", 2, "The file is not valid TOML: Cannot declare ('a',) twice, at column 3."),
    ],
)
def test_toml_errors_name_their_line(text, row, message):
    protocol = parse_protocol(text.encode())
    assert [(n.code, n.row, n.message) for n in protocol.notes] == [("protocol-syntax", row, message)]
    assert protocol.plan is None


def test_a_file_that_breaks_off_names_its_last_line():
    (note,) = notes("a = 1\nb = [1,\n")
    assert note.code == "protocol-syntax"
    assert note.row in (2, 3)


def test_all_errors_at_once():
    text = (
        PROTOCOL.replace('title = "A review"', "titel = 1")
        .replace('better = "higher"', "better = 2")
        .replace("0.3", "-3")
    )
    assert [(n.row, n.code) for n in notes(text)] == [
        (1, "protocol-missing-key"),
        (2, "protocol-unknown-key"),
        (21, "protocol-value"),
        (32, "protocol-value"),
    ]


def test_a_broken_protocol_does_not_hide_problems_of_the_tables(tmp_path):
    review = (
        Review(tmp_path)
        .protocol('better = "lower"', 'better = "less"')
        .cells("arms", 8, outcome="CPR", sd="-1")
    )
    assert [(n.file, n.code) for n in review.notes()] == [
        ("review.toml", "protocol-value"),
        ("arms.csv", "baseline-alone"),
        ("arms.csv", "sd-negative"),
        ("arms.csv", "unknown-outcome"),
    ]


def test_a_protocol_that_is_no_toml_does_not_hide_them_either(tmp_path):
    review = Review(tmp_path).protocol("[review]", "[review").cells("arms", 8, sd="-1")
    loaded = review.load()
    assert loaded.plan is None
    assert [(n.file, n.code) for n in loaded.notes] == [
        ("review.toml", "protocol-syntax"),
        ("arms.csv", "sd-negative"),
    ]


def test_defaults_are_those_of_the_plan():
    plan = parse_protocol(PROTOCOL.encode()).plan
    assert plan is not None
    assert plan.outcomes["CRP"].family == "harmful"
    assert plan.outcomes["IL-2"].family == "beneficial"
    assert plan.outcomes["CRP"].r.value == 0.5
    assert (plan.rho, plan.level, plan.variance, plan.only_randomised) == (0.6, 0.95, "morris", True)
    assert plan.subgroups == ("intervention_class", "outcome_class")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing():
    plain = parse_protocol(PROTOCOL.encode())
    windows = parse_protocol(b"\xef\xbb\xbf" + PROTOCOL.replace("\n", "\r\n").encode())
    assert windows.plan == plain.plan
    assert windows.lines == plain.lines


def test_a_value_that_is_not_valid_does_not_hide_what_is_wrong_between_keys():
    spoiled = (
        PROTOCOL
        + '\n[dependence]\nautocorrelation = 1.5\nrho = "high"\n[multiverse]\ntest = ["CR9", "z"]\nrho = [0.2, 0.2]\n'
        + '[[moderators]]\ncolumn = "mean_age"\nlabel = "age"\n[[moderators]]\ncolumn = "mean_age"\nlabel = "age again"\n'
    )
    found = " ".join(note.message for note in notes(spoiled))
    assert "autocorrelation is 1.5" in found
    assert "CR9" in found
    assert "stands twice" in found
    assert "0.2" in found
    alone = {note.message for note in notes(spoiled.replace("autocorrelation = 1.5\n", ""))}
    assert {note.message for note in notes(spoiled)} > alone


def test_no_consequence_of_what_is_left_out_is_told():
    """An outcome that is wrong itself is not called undeclared where others name it."""
    spoiled = PROTOCOL.replace('better = "higher"', 'better = "up"') + "\n[multiverse]\nrho = [0.2, 0.2]\n"
    assert not any("not declared" in note.message for note in notes(spoiled))
