"""The page of operating characteristics and its simulations; the slow tests check levels within Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import operating
from benchmarks.small_study_power import (
    BINARY,
    GENERIC,
    dependent_effects,
    hits,
    mean_studies,
    normal_studies,
    part,
    published,
    table_studies,
)
from scipy import stats

from consilience import asymmetry_test


def test_page_keeps_the_parts_that_are_not_run(monkeypatch):
    monkeypatch.setattr(operating, "PARTS", {"a": ("A", "x:y"), "b": ("B", "x:y")})
    page = operating.assembled({"b": "old b", "a": "old a"})
    assert page.index("## A") < page.index("## B")
    kept = {key: operating.body(text) for key, text in operating.stored(page).items()}
    assert operating.assembled(kept) == page
    assert "new a" in operating.assembled(kept | {"a": "new a"})


def test_rates_carry_their_monte_carlo_error():
    assert operating.rate(50, 1000) == "5.0% (0.7)"
    assert operating.mean(-0.0123, 0.5, 100) == "\u22120.012 (0.050)"


def test_every_part_names_a_function():
    for _, where in operating.PARTS.values():
        module, function = where.split(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_few_simulations_make_the_part():
    text = part(0.0005)
    assert "| known variances |" in text
    assert text.count("| k = ") == 6 + 6 + 3 + 18
    assert "nan" not in text


def test_suppressed_studies_are_the_insignificant_ones():
    rng = np.random.default_rng(1)
    some = published(rng, 400, 15, 0.9, mu=0.2, tau=0.0)
    every = published(rng, 400, 15, 0.0, mu=0.2, tau=0.0)
    assert some.y.shape == (400, 15)
    assert np.mean(some.y / np.sqrt(some.v) > 1.96) > 2 * np.mean(every.y / np.sqrt(every.v) > 1.96)


def contradicted(rejected: int, n: int, level: float = 0.05) -> bool:
    """Do the simulations contradict the level at .1%?"""
    law = stats.binom(n, level)
    return min(law.cdf(rejected), law.sf(rejected - 1)) < 0.001


@pytest.mark.slow
@pytest.mark.parametrize("k", [10, 20, 50])
def test_eggers_test_is_exact_with_normal_effects_of_known_variance(k):
    studies = normal_studies(np.random.default_rng(k), 40_000, k)
    assert not contradicted(hits(studies, "egger"), 40_000)


@pytest.mark.slow
def test_artefact_of_standardised_mean_differences_and_its_cure():
    studies = mean_studies(np.random.default_rng(7), 5_000, 100, delta=0.8, high=20)
    assert hits(studies, "egger") > 0.7 * 5_000
    assert not contradicted(hits(studies, "pustejovsky-rodgers"), 5_000)


@pytest.mark.slow
@pytest.mark.parametrize("test", [t for t in BINARY if t not in ("egger", "begg")])
def test_tests_for_tables_stay_near_their_level(test):
    studies = table_studies(np.random.default_rng(8), 5_000, 20, odds=0.5)
    assert 0.02 < hits(studies, test) / 5_000 < 0.07


@pytest.mark.slow
def test_planted_bias_is_found_by_every_test():
    rng = np.random.default_rng(9)
    biased = published(rng, 2_000, 50, 0.9, mu=0.2, tau=0.1)
    for test in (*GENERIC, "pustejovsky-rodgers"):
        assert hits(biased, test) > 0.4 * 2_000, test


@pytest.mark.slow
def test_cluster_robust_tests_hold_their_level():
    rng = np.random.default_rng(10)
    data = [dependent_effects(rng) for _ in range(600)]
    for test in ("egger-sandwich", "egger-che", "pustejovsky-rodgers-che"):
        rejected = sum(asymmetry_test(e, test=test, force=True).p_value < 0.05 for e in data)
        assert 0.02 < rejected / 600 < 0.09, test
