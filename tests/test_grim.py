"""GRIM and GRIMMER: published verdicts, every possible small sample, exact messages."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from consilience.data.checks_grim import possible_sd, possible_totals
from review_tables import Review


@pytest.mark.parametrize("mean, possible", [(5.18, True), (5.19, False), (5.20, True), (5.21, True)])
def test_the_example_of_brown_and_heathers(mean, possible):
    """Brown & Heathers (2017): 28 people and a mean of 5.19 cannot be; 145/28 is 5.18, 146/28 is 5.21.

    5.20 stands as 5.2 in a table of numbers and is then tested with one decimal, as the docstring says.
    """
    assert bool(possible_totals(mean, 28)) is possible


def rounded(value: Fraction, decimals: int) -> set[float]:
    """Half up and half to even."""
    scaled = value * 10**decimals
    floor = scaled.numerator // scaled.denominator
    rest = scaled - floor
    ends = {floor} if rest < Fraction(1, 2) else {floor + 1} if rest > Fraction(1, 2) else {floor, floor + 1}
    return {end / 10**decimals for end in ends}


@pytest.mark.parametrize("n, items, decimals", [(7, 1, 2), (13, 1, 1), (28, 1, 2), (9, 3, 2), (33, 2, 3)])
def test_grim_against_every_mean_that_can_be(n, items, decimals):
    """All totals of n people, rounded exactly: the test passes these means and no other."""
    means = set().union(*(rounded(Fraction(k, n * items), decimals) for k in range(4 * n * items + 1)))
    step = 10**decimals
    for printed in range(4 * step - 1):
        mean = printed / step
        shown = len(f"{mean:.12g}".partition(".")[2])
        if shown == decimals:  # a mean that ends in 0 is shown, and tested, with fewer decimals
            assert bool(possible_totals(mean, n, items)) is (mean in means), mean


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_no_sample_that_can_be_is_refused(n, items):
    """Every sample of n scores from 0 to 6 in steps of 1/items passes, with SDs over n - 1 and over n."""
    scores = np.arange(0, 6 * items + 1) / items
    if items == 2:
        scores = scores[:9]
    for sample in itertools.combinations_with_replacement(scores, n):
        for decimals in (1, 2, 3):
            mean = float(f"{np.mean(sample):.{decimals}f}")
            assert possible_totals(mean, n, items)
            for ddof in (0, 1):
                sd = float(f"{np.std(sample, ddof=ddof):.{decimals}f}")
                assert possible_sd(mean, sd, n, items=items), (sample, sd)


def test_grimmer_refuses_most_sds_that_no_sample_has():
    """Means of 4 whole numbers from 0 to 9 with two decimals: of the SDs that none of the samples has, most are refused."""
    have: dict[float, set[float]] = {}
    for sample in itertools.combinations_with_replacement(range(10), 4):
        sds = {round(float(np.std(sample, ddof=ddof)), 2) for ddof in (0, 1)}
        have.setdefault(round(float(np.mean(sample)), 2), set()).update(sds)
    impossible = [
        (mean, k / 100) for mean, sds in have.items() for k in range(1, 200) if k / 100 not in sds and k % 10
    ]
    refused = sum(not possible_sd(mean, sd, 4) for mean, sd in impossible)
    assert len(impossible) > 1000
    assert refused / len(impossible) > 0.8


def test_large_samples_and_signs_are_no_problem():
    assert len(possible_totals(3.14, 10**7)) > 10**4
    assert possible_sd(3.14, 1.59, 10**7)
    assert not possible_totals(-5.19, 28)
    assert possible_totals(-5.18, 28)


def whole(folder, items: int = 1) -> Review:
    """The valid review with IL-2 declared a whole-number scale of 28 people an arm, its means possible ones."""
    review = Review(folder).protocol(
        'name = "IL-2"\nclass = "inflammation"\nbetter = "higher"',
        f'name = "IL-2"\nclass = "inflammation"\nbetter = "higher"\ninteger_items = {items}',
    )
    for line in (2, 3, 4, 5):
        review.cells("arms", line, n="28", mean=f"{5 + line}.18", sd="", se="0.4", change="", change_sd="")
    return review


def test_a_mean_that_cannot_be(tmp_path):
    review = whole(tmp_path)
    assert review.notes() == ()
    note = review.cells("arms", 4, mean="5.19").only()
    assert (note.code, note.severity, note.row, note.column) == ("grim-inconsistent", "warning", 4, "mean")
    assert (
        note.message
        == "mean is 5.19, which 28 whole-number scores cannot have; the nearest are 5.18 and 5.21."
    )
    assert review.load().reported.arms["mean"].tolist()[2] == 5.19  # a warning: the value is used


def test_a_mean_of_items_moves_in_smaller_steps(tmp_path):
    """5.19 is 436/(28 x 3) = 5.1905; with two items 5.19 lies between 290/56 = 5.179 and 291/56 = 5.196."""
    assert whole(tmp_path, items=3).cells("arms", 4, mean="5.19").notes() == ()
    folder = tmp_path / "two"
    folder.mkdir()
    note = whole(folder, items=2).cells("arms", 4, mean="5.19").only()
    assert note.message == (
        "mean is 5.19, which 28 scores from 2 whole-number items each cannot have; the nearest are 5.18 and 5.20."
    )


def test_a_mean_change_that_cannot_be(tmp_path):
    note = whole(tmp_path).cells("arms", 4, change="-0.19", change_sd="2").only()
    assert (note.code, note.column) == ("grim-inconsistent", "change")


def test_an_sd_that_cannot_be(tmp_path):
    """Two people with a mean of 4.5: (4, 5), (3, 6) ... have SDs of 0.71, 2.12 ...; 1.25 is none of theirs."""
    review = whole(tmp_path).cells("arms", 4, n="2", mean="4.5", sd="0.71", se="")
    assert [n.code for n in review.notes() if n.code.startswith("grim")] == []
    review.cells("arms", 4, sd="1.25")
    (note,) = [n for n in review.notes() if n.code.startswith("grim")]
    assert (note.code, note.severity, note.row, note.column) == ("grimmer-inconsistent", "warning", 4, "sd")
    assert note.message == "sd is 1.25, which 2 whole-number scores with the mean 4.5 cannot have."


@pytest.mark.parametrize("cells", [{"scale": "ln"}, {"n": ""}, {"n": "27.5"}])
def test_what_is_not_tested(tmp_path, cells):
    assert [
        n for n in whole(tmp_path).cells("arms", 4, mean="5.19", **cells).notes() if "grim" in n.code
    ] == []


def test_items_are_whole_numbers(tmp_path):
    note = whole(tmp_path).protocol("integer_items = 1", "integer_items = -1").only()
    assert (note.file, note.code) == ("review.toml", "protocol-value")
