"""Step selection models of studies with several effects: do the limits of the cluster bootstrap hold the true mean?

python -m benchmarks.operating_dependent [REPLICATES]      # prints the table in Markdown
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from consilience.base.errors import InputError
from consilience.diagnostics.selection import selection_bootstrap, selection_model
from consilience.records import Effects

from .operating import mean, rate, table

MEAN, BETWEEN, WITHIN, CORRELATION, MOST = 0.2, 0.15, 0.1, 0.6, 5
BOOTSTRAPS, REVIEWS, SEED = 399, 500, 20260711
METHODS = ("cluster bootstrap", "cluster-robust", "as if independent")
# studies, chance of publication of a result that is not significantly positive
SCENES = ((20, 1.0), (20, 0.2), (40, 1.0), (40, 0.2), (80, 0.2))


@dataclass(frozen=True, eq=False)
class _Found:
    """Estimates (n,) of the mean, whether each method's interval holds it (n, 3), reviews without an estimate."""

    estimate: np.ndarray
    held: np.ndarray
    failed: int


def review(rng: np.random.Generator, m: int, chance: float) -> Effects:
    """m studies with 1 to 5 published effects each, sampling errors correlated .6; every effect is published by its own p."""
    y: list[np.ndarray] = []
    v: list[np.ndarray] = []
    while len(y) < m:
        n = int(rng.integers(1, MOST + 1))
        variance = np.full(n, rng.uniform(0.01, 0.1))
        shared = np.sqrt(CORRELATION) * rng.normal() + np.sqrt(1 - CORRELATION) * rng.normal(size=n)
        true = MEAN + BETWEEN * rng.normal() + WITHIN * rng.normal(size=n)
        effect = true + np.sqrt(variance) * shared
        kept = (effect > 1.959964 * np.sqrt(variance)) | (rng.random(n) < chance)
        if kept.any():
            y.append(effect[kept])
            v.append(variance[kept])
    study = np.repeat(np.arange(m), [len(e) for e in y]).astype(str).astype(object)
    return Effects(np.concatenate(y), np.concatenate(v), study)


def scene(m: int, chance: float, replicates: int, seed: int) -> _Found:
    """Simulated reviews, each analysed with the three intervals."""
    rng = np.random.default_rng(seed)
    estimate: list[float] = []
    held: list[tuple[bool, bool, bool]] = []
    failed = 0
    for _ in range(replicates):
        effects = review(rng, m, chance)
        alone = Effects(effects.y, effects.v, np.arange(effects.k).astype(str).astype(object))
        try:
            model, plain = selection_model(effects), selection_model(alone)
        except InputError:  # an interval of p without an effect
            failed += 1
            continue
        resampled = selection_bootstrap(model, rng=rng, replicates=BOOTSTRAPS)
        limits = (
            (resampled.ci_low[0], resampled.ci_high[0]),
            (model.coefficients.ci_low[0], model.coefficients.ci_high[0]),
            (plain.coefficients.ci_low[0], plain.coefficients.ci_high[0]),
        )
        first, second, third = (bool(low <= MEAN <= high) for low, high in limits)
        held.append((first, second, third))
        estimate.append(float(model.coefficients.estimate[0]))
    return _Found(np.array(estimate), np.array(held), failed)


def text(replicates: int = REVIEWS) -> str:
    """The table in Markdown."""
    rows = []
    for i, (m, chance) in enumerate(SCENES):
        found = scene(m, chance, replicates, SEED + i)
        n = len(found.estimate)
        rows.append(
            [
                f"{m} studies, chance {chance:g}",
                mean(float(found.estimate.mean()), float(found.estimate.std(ddof=1)), n),
                *(rate(int(found.held[:, j].sum()), n) for j in range(len(METHODS))),
                str(found.failed),
            ]
        )
    head = [f"true mean {MEAN:g}", "mean estimate (3PSM)", *METHODS, "no estimate"]
    return (
        f"Coverage of 95% intervals of the mean where studies have 1 to {MOST} effects: standard deviation {BETWEEN:g} between studies, "
        f"{WITHIN:g} within, sampling errors correlated {CORRELATION:g}; each effect that is not significantly positive is published "
        f"with the stated chance. {BOOTSTRAPS} bootstrap samples of studies, percentile limits; {replicates} reviews a row:\n\n"
        f"{table(head, rows)}"
    )


def part(share: float) -> str:
    """The part of docs/operating-characteristics.md; share : of the reviews."""
    return text(max(10, round(REVIEWS * share)))


if __name__ == "__main__":
    print(text(int(sys.argv[1]) if len(sys.argv) > 1 else REVIEWS))
