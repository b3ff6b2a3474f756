"""The joint test of a specification curve: how often it rejects with and without an effect, beside one specification named
beforehand and the one chosen because it looks best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consilience.base.distributions import t_two_sided
from consilience.diagnostics.joint_test import FlipParts, flip_parts, flipped, joint_test
from consilience.effects.aggregate import aggregate
from consilience.models import fit_many
from consilience.records import Block, Effects
from consilience.records.spec import Test
from consilience.review.choices import MODELS

from .operating import rate, table

MODELS_TAKEN = ("che-reml", "average-dl", "equal-effects")
TESTS: tuple[Test, ...] = ("CR2", "knapp-hartung")
REVIEWS, DRAWS, SEED, BETWEEN, CORRELATION = 1_000, 499, 20261128, 0.2, 0.6
# trials, true mean, are the trials' deviations skewed?
SCENES = (
    (10, 0.0, False),
    (20, 0.0, False),
    (40, 0.0, False),
    (20, 0.0, True),
    (10, 0.2, False),
    (20, 0.2, False),
    (40, 0.2, False),
)


def review(rng: np.random.Generator, m: int, mean: float, *, skewed: bool) -> Effects:
    """m trials with 1 to 4 effects each, sampling errors correlated .6; true means have SD .2 between trials."""
    study = np.repeat(np.arange(m), rng.integers(1, 5, m))
    v = rng.uniform(0.02, 0.1, m)[study]
    away = rng.standard_exponential(m) - 1.0 if skewed else rng.normal(size=m)
    own, shared = rng.normal(size=len(study)), rng.normal(size=m)[study]
    error = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    y = mean + BETWEEN * away[study] + np.sqrt(v) * error
    blocks = []
    for trial in range(m):
        rows = np.flatnonzero(study == trial)
        if len(rows) > 1:
            one = np.full((len(rows), len(rows)), CORRELATION) + (1 - CORRELATION) * np.eye(len(rows))
            blocks.append(Block(rows, v[rows[0]] * one))
    return Effects(y, v, study.astype(str).astype(object), blocks=tuple(blocks))


def specified(effects: Effects, name: str) -> FlipParts | None:
    """One model's mean, for any signs."""
    model = MODELS[name]
    data = replace(aggregate(effects), columns={}) if model.averaged else effects
    spec = replace(model.spec, test=TESTS[0])
    return flip_parts(data, spec, fit_many([data], spec).theta[0], TESTS)


def p_value(parts: FlipParts, test: str) -> float:
    """Two-sided, of the mean as it was observed."""
    mean, se, df = flipped(parts, np.ones((1, len(parts.trial))), test)
    return float(t_two_sided(mean[0] / se[0], df))


def scene(m: int, mean: float, *, skewed: bool, reviews: int, seed: int) -> tuple[int, ...]:
    """Of `reviews`: those that the median, the share of intervals beyond zero, the first specification and the smallest p of all
    reject at 5%."""
    rng = np.random.default_rng(seed)
    hits = np.zeros(4, dtype=int)
    item = np.repeat(np.arange(2 * len(MODELS_TAKEN)), len(TESTS))
    for _ in range(reviews):
        effects = review(rng, m, mean, skewed=skewed)
        precise = effects.take(effects.v < np.quantile(effects.v, 0.8))
        parts = [specified(data, name) for data in (effects, precise) for name in MODELS_TAKEN]
        found = joint_test(
            parts,
            TESTS,
            item=item,
            test=np.tile(np.arange(len(TESTS)), len(parts)),
            level=0.95,
            rng=rng,
            draws=DRAWS,
        )
        p = [float(p_value(part, test)) for part in parts if part is not None for test in TESTS]
        assert found is not None
        hits += np.array([found.median.p_value, found.share.p_value, p[0], min(p)]) <= 0.05
    return tuple(hits.tolist())


def part(share: float) -> str:
    """The part of docs/operating-characteristics.md; share : of the reviews."""
    reviews = max(10, round(REVIEWS * share))
    rows = []
    for i, (m, mean, skewed) in enumerate(SCENES):
        found = scene(m, mean, skewed=skewed, reviews=reviews, seed=SEED + i)
        label = f"{m} trials, mean {mean:g}{', skewed' if skewed else ''}"
        rows.append([label, *(rate(count, reviews) for count in found)])
    return (
        f"Rejections at 5%. {len(MODELS_TAKEN) * len(TESTS) * 2} specifications: all effects or the most precise four fifths, {len(MODELS_TAKEN)} models "
        f"(CHE by REML, averages by DerSimonian and Laird, equal effects), {' or '.join(TESTS)}; {DRAWS} patterns of random signs. Trials have 1 to 4 "
        f"effects, errors correlated {CORRELATION:g}, standard deviation {BETWEEN:g} between trials (skewed: exponential, which breaks the assumption that "
        f"either sign was as likely). {reviews} reviews a row:\n\n"
        + table(
            ["", "median", "share beyond zero", "CHE with CR2, named beforehand", "the smallest p of all"],
            rows,
        )
    )


if __name__ == "__main__":
    print(part(1.0))
