"""PRISMA 2020: each box must be what the boxes above it leave; an error names the box."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.review.prisma import Prisma, prisma_problems
from consilience.review.protocol import parse_protocol
from review_tables import PROTOCOL

# A flow that adds up, worked by hand
FLOW = {
    "identified": 4621,
    "duplicates": 600,
    "automation": 20,
    "other": 1,
    "screened": 4000,
    "excluded": 3400,
    "sought": 600,
    "not_retrieved": 35,
    "assessed": 565,
    "reasons": {"not randomised": 300, "no immune outcome": 215},
    "new_reports": 50,
    "previous": 6,
    "total": 56,
}

OFF_BY_ONE = {
    "screened": "screened is 4001, but identified 4621 - duplicates 600 - automation 20 - other 1 = 4000.",
    "sought": "sought is 601, but screened 4000 - excluded 3400 = 600.",
    "assessed": "assessed is 566, but sought 600 - not_retrieved 35 = 565.",
    "new_reports": "new_reports is 51, but assessed 565 - all reasons 515 = 50.",
    "total": "total is 57, but new_reports 50 + previous 6 = 56.",
}


def test_a_flow_that_adds_up():
    assert list(prisma_problems(Prisma(**FLOW))) == []


@pytest.mark.parametrize("box", OFF_BY_ONE)
def test_the_box_that_is_off_is_named(box):
    """A box that is off also disturbs the next one; the box itself comes first."""
    found = list(prisma_problems(Prisma(**{**FLOW, box: FLOW[box] + 1})))
    assert found[0] == (box, OFF_BY_ONE[box])


def test_errors_have_the_line_of_their_box():
    text = PROTOCOL + "[prisma]\n" + "".join(f"{k} = {v}\n" for k, v in FLOW.items() if k != "reasons")
    text += 'reasons = { "not randomised" = 515 }\n'
    assert parse_protocol(text.encode()).notes == ()
    (note,) = parse_protocol(text.replace("total = 56", "total = 55").encode()).notes
    assert (note.code, note.message) == (
        "prisma-arithmetic",
        "total is 55, but new_reports 50 + previous 6 = 56.",
    )
    assert text.splitlines()[note.row - 1] == "total = 56"


def test_negative_counts():
    text = PROTOCOL + "[prisma]\nidentified = -1\n"
    first = next(n for n in parse_protocol(text.encode()).notes if n.code == "protocol-value")
    assert first.message == "[prisma] identified is -1, but it must be at least 0."
    bad = Prisma(**{**FLOW, "reasons": {"a": 600, "b": -85}})
    assert list(prisma_problems(bad)) == [("reasons", 'reasons: "b" is -85, but a count cannot be negative.')]


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), min_size=8, max_size=8))
def test_any_flow_that_is_built_downwards_adds_up(counts):
    duplicates, automation, other, excluded, lost, reason, new, previous = counts
    assessed = new + reason
    sought = assessed + lost
    screened = sought + excluded
    flow = Prisma(
        identified=screened + duplicates + automation + other,
        duplicates=duplicates,
        automation=automation,
        other=other,
        screened=screened,
        excluded=excluded,
        sought=sought,
        not_retrieved=lost,
        assessed=assessed,
        reasons={"reason": reason},
        new_reports=new,
        previous=previous,
        total=new + previous,
    )
    assert list(prisma_problems(flow)) == []
