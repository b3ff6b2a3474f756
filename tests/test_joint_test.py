"""Joint inference over specifications: the parts of a mean against refits, exact p-values by brute force, level and power."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from consilience.diagnostics.joint_test import FlipParts, flip_parts, flipped, joint_test
from consilience.models import fit, fit_many
from consilience.records import Effects
from consilience.review.choices import MODELS, TESTS, impossible
from resampling_data import dependent

E = dependent(14, seed=3)[0]


def averages(effects: Effects) -> Effects:
    from consilience.effects.aggregate import aggregate

    return replace(aggregate(effects), columns={})


def of_model(name: str, effects: Effects) -> Effects:
    model = MODELS[name]
    return averages(effects) if model.averaged else effects if model.blocks else replace(effects, blocks=())


def parts_of(name: str, effects: Effects, tests: tuple[str, ...]) -> FlipParts:
    data = of_model(name, effects)
    spec = replace(MODELS[name].spec, test=tests[0])
    found = flip_parts(data, spec, fit_many([data], spec).theta[0], tests)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "test"), [(n, t) for n in MODELS for t in TESTS if not impossible(n, t)])
def test_without_a_flip_it_is_the_fit(name: str, test: str) -> None:
    c = fit(of_model(name, E), replace(MODELS[name].spec, test=test)).coefficients
    parts = parts_of(name, E, (test,))
    mean, se, df = flipped(parts, np.ones((1, len(parts.trial))), test)
    assert mean[0] == pytest.approx(c.estimate[0], rel=1e-9)
    assert se[0] == pytest.approx(c.se[0], rel=1e-8)
    assert df == pytest.approx(c.df[0], rel=1e-8)


@pytest.mark.parametrize("test", ["CR2", "knapp-hartung", "z"])
def test_flipped_parts_are_a_fit_of_flipped_effects_with_the_same_weights(test: str) -> None:
    parts = parts_of("che-reml", E, (test,))
    signs = np.where(np.arange(len(parts.trial)) % 3 == 0, -1.0, 1.0)
    sign_of = dict(zip(parts.trial.tolist(), signs.tolist(), strict=True))
    turned = replace(E, y=E.y * np.array([sign_of[s] for s in E.study.tolist()]))
    theta = fit(E, MODELS["che-reml"].spec).components.theta
    terms = tuple(
        replace(term, variance=float(v)) for term, v in zip(MODELS["che-reml"].spec.terms, theta, strict=True)
    )
    c = fit(turned, replace(MODELS["che-reml"].spec, terms=terms, test=test)).coefficients
    mean, se, df = flipped(parts, signs[None], test)
    assert mean[0] == pytest.approx(c.estimate[0], rel=1e-8)
    assert se[0] == pytest.approx(c.se[0], rel=1e-7)
    assert df == pytest.approx(c.df[0], rel=1e-7)


def test_all_patterns_by_brute_force() -> None:
    few = E.take(np.isin(E.study, np.unique(E.study)[:6]))
    parts = [parts_of("average-reml", few, ("z",)), parts_of("equal-effects", few, ("z",))]
    found = joint_test(
        parts,
        ("z",),
        item=np.array([0, 1, 1]),
        test=np.zeros(3, int),
        level=0.95,
        rng=np.random.default_rng(1),
    )
    assert found is not None
    assert found.exact
    assert found.patterns == 2**6
    trials = sorted(set(parts[0].trial.tolist()))
    medians, shares = [], []
    for pattern in itertools.product((1, -1), repeat=6):
        sign = dict(zip(trials, pattern, strict=True))
        z, mean = [], []
        for p in (parts[0], parts[1], parts[1]):
            m = sum(t * sign[s] for t, s in zip(p.term.tolist(), p.trial.tolist(), strict=True))
            mean.append(m)
            z.append(m / np.sqrt(p.model))
        medians.append(abs(np.median(mean)))
        shares.append(max(np.mean(np.array(z) > 1.959964), np.mean(np.array(z) < -1.959964)))
    assert found.median.p_value == pytest.approx(np.mean(np.array(medians) >= medians[0] - 1e-12))
    assert found.share.p_value == pytest.approx(np.mean(np.array(shares) >= shares[0] - 1e-12))


@pytest.mark.slow
def test_joint_tests_hold_their_level_and_find_an_effect() -> None:
    from benchmarks.operating_joint import scene

    level = np.array(scene(16, 0.0, skewed=False, reviews=400, seed=1)[:2]) / 400
    assert level.max() < 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 400)
    assert level[0] > 0.05 - 3.1 * np.sqrt(0.05 * 0.95 / 400)
    assert min(scene(40, 0.25, skewed=False, reviews=100, seed=2)[:2]) > 80
