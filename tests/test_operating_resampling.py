"""The page's part on resampling runs, and its numbers are those of its functions."""

from __future__ import annotations

from benchmarks.operating_resampling import (
    PERMUTED,
    TESTS,
    coverage,
    part,
    permutation_coverage,
    permuted,
    type_one,
)


def test_part_is_a_page_in_small():
    text = part(0.0)
    assert text.count("\n| ") >= 10
    assert "\u2014" in text
    assert "cluster, 20 studies, tau\u00b2" in text
    assert "| studies | permutation | Knapp-Hartung | Wald z |" in text
    assert "permutation interval of a slope of 0.2" in text


def test_same_seed_same_rates():
    first, again = (type_one(6, runs=20, seed=1) for _ in range(2))
    assert first == again
    assert set(first) == set(TESTS)
    hits = coverage(8, kind="parametric", runs=10, seed=1)
    assert hits["mean"]["studentised"] >= 6
    assert hits["tau\u00b2"]["studentised"] == 0
    assert set(permuted(6, runs=3, seed=1)) == set(PERMUTED)
    assert permuted(6, runs=10, seed=1) == permuted(6, runs=10, seed=1)
    assert permutation_coverage(6, runs=3, seed=1)["permutation"] >= 1
