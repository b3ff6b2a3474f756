"""The shipped review in every combination of its choices: specifications per second.

    python -m benchmarks.multiverse            # exit 1 if an answer differs or the bar is missed

There is nothing to compare with: no other program reads the same protocol. The answers are compared with single fits. The
second protocol has no two specifications that share a fit but for their test: its speed is that of the fits.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import consilience
from consilience.models import fit
from consilience.records import Multiverse, MultiverseResult, Spec
from consilience.review.choices import CHOICES, alternatives
from consilience.review.combinations import Combinations, analysed_sets
from consilience.review.load import Loaded, load
from consilience.review.multiverse import multiverse

BAR = 30.0 / 5_000  # seconds per specification, two cores
DISTINCT = Multiverse(
    r=("assumed", "low", "high", 0.3, 0.35, 0.4, 0.45, 0.55, 0.65, 0.7, 0.75, 0.8),
    rho=(0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8),
    variance=("morris", "large-sample"),
    trials=("randomised", "all"),
    risk_of_bias=("any", "not high"),
    routes=("best", "without statistics"),
    times=("all", "post"),
    outliers=("keep",),
    model=("che-reml",),
    test=("CR2", "knapp-hartung"),
)


def seconds() -> tuple[float, float]:
    """CPU seconds of this process and its ended children, and wall-clock seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system, time.perf_counter()


def timed(review: Loaded, workers: int) -> tuple[MultiverseResult, float, float]:
    """The multiverse with its CPU and wall-clock seconds."""
    cpu, wall = seconds()
    result = multiverse(review, workers=workers)
    cpu_after, wall_after = seconds()
    return result, cpu_after - cpu, wall_after - wall


def largest_difference(review: Loaded, result: MultiverseResult, *, times: int = 40) -> float:
    """Of the estimates of CHE with CR2 from single fits, over a sample of specifications."""
    assert review.plan is not None
    values = tuple(alternatives(choice, review.plan) for choice in CHOICES)
    wide = np.zeros((len(result), len(CHOICES)), dtype=int)
    names = [choice.name for choice in CHOICES]
    for j, dimension in enumerate(result.dimensions):
        wide[:, names.index(dimension.name)] = result.choice[:, j]
    plain = np.flatnonzero(
        ~wide[:, names.index("model")].astype(bool) & ~wide[:, names.index("test")].astype(bool)
    )
    rows = np.random.default_rng(1).choice(plain, times, replace=False)
    sets = analysed_sets(
        review.reported, Combinations(review.plan, values, wide[rows]), progress=lambda *_: None
    )
    worst = 0.0
    for row, which in zip(rows, sets.of, strict=True):
        c = fit(sets.sets[which], Spec.che(level=review.plan.level)).coefficients
        found = (result.estimate[row], result.ci_low[row], result.p_value[row])
        worst = max(
            worst, *(abs(a - b[0]) for a, b in zip(found, (c.estimate, c.ci_low, c.p_value), strict=True))
        )
    return worst


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        consilience.copy_example("immune", Path(folder, "immune"))
        review = load(Path(folder, "immune"))
    assert review.plan is not None
    multiverse(review, workers=1)  # warm
    print(
        f"{'protocol':<12}{'workers':>8}{'specifications':>16}{'fits':>8}{'CPU, s':>9}{'wall, s':>9}{'per s wall':>12}  answers"
    )
    for name, plan in (("default", review.plan), ("all distinct", replace(review.plan, multiverse=DISTINCT))):
        asked = replace(review, plan=plan)
        for workers in (1, 2):
            result, cpu, wall = timed(asked, workers)
            worst = largest_difference(asked, result)
            agree = worst < 1e-7
            wrong += not agree or wall / len(result) > BAR
            print(
                f"{name:<12}{workers:>8}{len(result):>16,}{result.n_fits:>8,}{cpu:>9.2f}{wall:>9.2f}{len(result) / wall:>12,.0f}  "
                f"{'agree' if agree else f'differ by {worst:.2g}'}"
            )
    print("bar: 5,000 specifications in 30 s on two cores")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
