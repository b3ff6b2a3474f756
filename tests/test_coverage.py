"""Recovery of a planted truth: the 95% intervals of the primary answers cover it 93-97% of the time.

Slow: `make coverage` runs it and writes docs/coverage.md with many more seeds (benchmarks/coverage.py).
"""

from __future__ import annotations

import pytest
from benchmarks.coverage import ALLOWED, QUANTITIES, SCENARIOS, Hit, one_review, page, run, summarise
from scipy import stats

from consilience.datasets import Truth

SEEDS = 300
FIRST = 50_001  # other seeds than those of the page


def hit(estimate: float) -> Hit:
    return Hit("g", 0.3, estimate, 0.1, estimate - 0.2, estimate + 0.2, 20.0)


def test_the_summary_counts_what_is_covered() -> None:
    found = summarise([hit(0.3), hit(0.45), hit(0.55), hit(0.05)])
    assert len(found) == 1
    assert found[0].coverage == 0.5
    assert found[0].n == 4
    assert found[0].monte_carlo_se == pytest.approx(0.25)


def test_one_small_review_gives_an_interval_for_each_answer() -> None:
    found = one_review(Truth(trials=14, people=700), seed=3)
    assert [h.quantity for h in found] == list(QUANTITIES)
    assert all(h.low < h.estimate < h.high and h.se > 0 for h in found)
    text = page([(SCENARIOS[0], summarise(found * 2))])
    assert "| g | 2 |" in text


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.asked], ids=lambda s: s.name)
def test_intervals_cover_the_planted_truth(scenario) -> None:
    """Fails only where the seeds contradict a coverage of 93-97% at the .1% level, either way."""
    for found in summarise(run(scenario, range(FIRST, FIRST + SEEDS))):
        covered = round(found.coverage * found.n)
        too_few = stats.binom.cdf(covered, found.n, ALLOWED[0])
        too_many = stats.binom.sf(covered - 1, found.n, ALLOWED[1])
        assert min(too_few, too_many) > 0.001, f"{found.quantity}: {100 * found.coverage:.1f}% of {found.n}"


@pytest.mark.slow
def test_a_planted_small_study_bias_is_seen_in_the_pooled_effect() -> None:
    """A bias of 0.6 per sqrt(1/nT + 1/nC), about 0.15 in these trials, must move g away from the truth, upwards."""
    found = summarise([h for seed in range(1, 41) for h in one_review(Truth(bias=0.6), seed)])
    assert 0.08 < found[0].estimate - found[0].true < 0.20
    assert found[0].coverage < 0.5
