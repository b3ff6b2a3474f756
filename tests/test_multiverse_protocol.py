"""The section [multiverse]: its defaults, the template that teaches it, and all of its errors with their lines."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import consilience
from consilience.records import Multiverse
from consilience.records.plan import AdjustmentChoice, ModelChoice, RouteChoice, TestChoice, TimeChoice
from consilience.review.adjustments import ADJUSTMENTS
from consilience.review.choices import CHOICES, MODELS, ROUTE_WORDS, TESTS, TIME_WORDS, alternatives
from consilience.review.protocol import parse_protocol
from consilience.review.protocol_models import Multiverse as Section
from review_tables import PROTOCOL

TEMPLATE = Path(consilience.__file__).parent / "review" / "templates" / "init" / "review.toml"
LINES = PROTOCOL.count("\n")


def parsed(text: str):
    return parse_protocol((PROTOCOL + "\n[multiverse]\n" + text).encode())


def found(text: str):
    """(code, line below [multiverse], message) of every note."""
    return [(n.code, n.row - LINES - 2, n.message) for n in parsed(text).notes]


def test_without_the_section_the_default_set_is_not_declared():
    plan = parse_protocol(PROTOCOL.encode()).plan
    assert plan.multiverse == Multiverse()
    assert not plan.multiverse.declared
    assert parsed("").plan.multiverse == Multiverse(declared=True)


def test_declared_lists_replace_their_defaults_and_no_others():
    mv = parsed(
        'r = ["low", 0.9]\nmost = 50\noutcomes = ["class: inflammation", "one per trial"]\n'
    ).plan.multiverse
    expected = replace(
        Multiverse(),
        r=("low", 0.9),
        most=50,
        outcomes=("class: inflammation", "one per trial"),
        declared=True,
    )
    assert mv == expected


def test_the_primary_choice_always_takes_part_and_comes_first():
    text = (
        PROTOCOL
        + '\n[model]\ntimes = "post"\n\n[multiverse]\ntimes = ["all", "post"]\ntest = ["z"]\nrho = [0.1]\n'
    )
    plan = parse_protocol(text.encode()).plan
    made = {c.name: alternatives(c, plan) for c in CHOICES}
    assert made["times"] == ("post", "all")
    assert made["test"] == ("CR2", "z")
    assert made["rho"] == (0.6, 0.1)
    assert made["imputed"] == ("keep",)  # nothing is imputed, so there is nothing to choose
    assert made["variance"] == ("morris",)


def test_every_dimension_has_a_key_and_every_word_a_meaning():
    names = {c.name for c in CHOICES}
    assert names == {f for f in Section.model_fields if f != "most"}
    assert set(MODELS) == set(get_args(ModelChoice))
    assert set(ADJUSTMENTS) == set(get_args(AdjustmentChoice))
    assert set(TESTS) == set(get_args(TestChoice))
    assert set(ROUTE_WORDS) == set(get_args(RouteChoice))
    assert set(TIME_WORDS) == set(get_args(TimeChoice))


def test_the_template_shows_the_defaults():
    text = TEMPLATE.read_text(encoding="utf-8")
    section = text[text.index("# [multiverse]") : text.index("# Moderators, one at a time")]
    keys = dict(re.findall(r"^# (\w+) = (.*?)[ ]*(?:#.*)?$", section, re.MULTILINE))
    assert set(keys) == set(Section.model_fields)
    body = "".join(f"{key} = {value}\n" for key, value in keys.items())
    mv = parsed(body).plan.multiverse
    assert mv == replace(Multiverse(), rho=(0.2, 0.8), variance=("morris",), declared=True)


WRONG = {
    "unknown word": (
        'test = ["CR2", "CR9"]',
        [
            (
                "protocol-value",
                1,
                '[multiverse] test[2] is "CR9"; allowed: "CR2", "CR1", "knapp-hartung", "knapp-hartung-floor", "t" or "z". Did you mean "CR2"?',
            )
        ],
    ),
    "unknown key": (
        'tests = ["z"]',
        [("protocol-unknown-key", 1, '[multiverse] has no key "tests". Did you mean "test"?')],
    ),
    "no list": (
        'test = "z"',
        [("protocol-value", 1, '[multiverse] test is "z", but it must be a list in square brackets.')],
    ),
    "empty": (
        "rho = []",
        [("protocol-value", 1, "[multiverse] rho is an empty list, but it must be not empty.")],
    ),
    "rho": (
        "rho = [0.2, 1.0]",
        [("protocol-value", 1, "[multiverse] rho[2] is 1.0, but it must be below 1.")],
    ),
    "r": (
        'r = ["low", "medium", 1]',
        [
            (
                "protocol-value",
                1,
                '[multiverse] r[2] is "medium": it must be "low", "assumed", "high" or a number above -1 and below 1.',
            ),
            (
                "protocol-value",
                1,
                '[multiverse] r[3] is 1: it must be "low", "assumed", "high" or a number above -1 and below 1.',
            ),
        ],
    ),
    "twice": (
        'times = ["all", "post", "all"]',
        [("protocol-value", 1, '[multiverse] times: "all" stands twice.')],
    ),
    "outcome": (
        'outcomes = ["outcome: CPR", "class: inflamation", "family: bad", "some"]',
        [
            (
                "unknown-outcome",
                1,
                '[multiverse] outcomes[1]: there is no outcome "CPR". Did you mean "CRP"?',
            ),
            (
                "unknown-class",
                1,
                '[multiverse] outcomes[2]: there is no class "inflamation". Did you mean "inflammation"?',
            ),
            ("protocol-value", 1, '[multiverse] outcomes[3]: there is no family "bad".'),
            (
                "protocol-value",
                1,
                '[multiverse] outcomes[4]: "some" is not known; allowed: "all", "one per trial", "family: NAME", "class: NAME" or "outcome: NAME".',
            ),
        ],
    ),
    "several at once": (
        'most = 1\ntrials = ["randomized"]\nmodel = [\n  "che-reml",\n  "che-rml",\n]',
        [
            ("protocol-value", 1, "[multiverse] most is 1, but it must be at least 2."),
            (
                "protocol-value",
                2,
                '[multiverse] trials[1] is "randomized"; allowed: "randomised" or "all". Did you mean "randomised"?',
            ),
            ("protocol-value", 5, '[multiverse] model[2] is "che-rml"; allowed: '),
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_where_what_and_what_is_allowed(name):
    text, expected = WRONG[name]
    notes = found(text)
    assert len(notes) == len(expected), notes
    for (code, line, message), (want_code, want_line, start) in zip(notes, expected, strict=True):
        assert (code, line) == (want_code, want_line), message
        assert message.startswith(start), message
    assert parsed(text).plan is None
