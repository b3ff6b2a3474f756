"""Data sets drawn from a fit have the model's own mean and covariance, and published ones those of rejection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.likelihood.terms import partition, random_terms
from consilience.models import fit, simulate, simulate_selected
from consilience.models.simulate import sampler
from consilience.models.simulate_selected import study_averages_weights
from consilience.records import Inner, Intercept, Known, PublicationRule, Scale, Slopes, Spec
from resampling_data import dependent, independent

RELATION = 0.5 * np.eye(4) + 0.5
SPECS = {
    "nested": Spec.che(),
    "crossed": Spec((Intercept(("study",)), Intercept(("lab",)), Intercept(("row",))), test="z"),
    "inner": Spec((Inner("outcome", "study", "UN"),)),
    "autoregressive": Spec((Inner("outcome", "study", "AR"),)),
    "known": Spec(
        (Known("lab", RELATION, tuple(f"lab {i}" for i in range(4))), Intercept(("row",))), test="z"
    ),
    "slopes": Spec((Slopes(("w",), "study"),)),
    "none": Spec((), "EE", "z"),
}


@pytest.mark.parametrize("name", SPECS)
def test_covariance_is_that_of_the_model(name: str):
    effects, design = dependent(9, seed=3)
    effects = replace(effects, columns={**effects.columns, "w": np.linspace(-1, 1, effects.k)})
    found = fit(effects, SPECS[name], design=design)
    source = sampler(found)
    root = source.errors(np.eye(effects.k)).T
    expected = effects.covariance()
    start = 0
    for term in random_terms(effects, found.spec.terms):
        stop = start + len(term.parameters)
        g, _ = term.structure.evaluate(found.components.theta[start:stop])
        expected += term.expand(g, np.arange(effects.k)[None])[0]
        start = stop
    np.testing.assert_allclose(root @ root.T, expected, atol=1e-12)
    np.testing.assert_allclose(source.spread(np.eye(effects.k)), expected, atol=1e-12)
    np.testing.assert_allclose(source.mean, design.matrix @ found.coefficients.estimate)


def test_moment_estimators_and_location_scale_models():
    effects = independent(12)
    for method in ("DL", "PM"):
        found = fit(effects, Spec.random_effects(method))
        root = sampler(found).errors(np.eye(12))
        np.testing.assert_allclose(root @ root.T, np.diag(effects.v + found.components.total), atol=1e-12)
    z = np.column_stack([np.ones(12), np.arange(12.0)])
    spec = Spec((Intercept(("row",)),), "ML", "z", scale=Scale(z, ("intercept", "t")))
    found = fit(effects, spec)
    root = sampler(found).errors(np.eye(12))
    np.testing.assert_allclose(root @ root.T, np.diag(effects.v + found.variances))


def test_draws_are_reproducible_nested_and_follow_the_moments():
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    many = simulate(found, n=40_000, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(simulate(found, n=7, rng=np.random.default_rng(5)), many[:7])
    expected = sampler(found).spread(np.eye(effects.k))
    np.testing.assert_allclose(np.cov(many.T), expected, atol=6 * np.max(expected) * np.sqrt(2 / 40_000))
    zero = simulate(found, n=20_000, rng=np.random.default_rng(5), theta=np.zeros(2))
    np.testing.assert_allclose(zero.var(axis=0), effects.v, rtol=0.07)


def test_units_do_not_matter():
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    c = 1e5
    blocks = tuple(replace(b, matrix=b.matrix * c**2) for b in effects.blocks)
    big = fit(replace(effects, y=effects.y * c, v=effects.v * c**2, blocks=blocks), Spec.che(), design=design)
    a = simulate(found, n=3, rng=np.random.default_rng(2))
    b = simulate(big, n=3, rng=np.random.default_rng(2))
    np.testing.assert_allclose(b, a * c, rtol=1e-5)


def test_what_cannot_be_simulated_is_refused():
    effects, design = dependent(8)
    working = fit(effects, Spec.correlated(), design=design)
    with pytest.raises(InputError, match="not a distribution") as caught:
        simulate(working, n=2, rng=np.random.default_rng(1))
    assert caught.value.code == "no-model-to-simulate"
    found = fit(effects, Spec.che(), design=design)
    with pytest.raises(InputError, match="at least 1"):
        simulate(found, n=0, rng=np.random.default_rng(1))
    for rule in (PublicationRule(0.0), PublicationRule(1.5), PublicationRule(0.5, alpha=0.0)):
        with pytest.raises(InputError) as caught:
            simulate_selected(found, rule, n=2, rng=np.random.default_rng(1))
        assert caught.value.code == "selection-rule"
    crossed = fit(effects, Spec((Intercept(("study",)), Intercept(("lab",), 0.05)), test="z"), design=design)
    for by in ("study", "effect"):
        with pytest.raises(InputError) as caught:
            simulate_selected(crossed, PublicationRule(0.5, by), n=2, rng=np.random.default_rng(1))
        assert caught.value.code == "clusters-not-independent"


def test_published_studies_are_those_that_rejection_leaves():
    effects, _ = dependent(6, seed=3)
    found = fit(effects, Spec.che())
    n, rule = 60_000, PublicationRule(0.2)
    ours, published = simulate_selected(found, rule, n=n, rng=np.random.default_rng(3))
    rng = np.random.default_rng(4)
    candidates = simulate(found, n=n, rng=rng)
    cluster = partition(effects, ("study",))
    weights, error = study_averages_weights(found, cluster)
    average = candidates @ weights.T
    kept = (average / error > 1.959964) | (rng.random(average.shape) < 0.2)
    assert published == pytest.approx(kept.mean(), abs=0.004)
    for j in range(6):
        rows = np.flatnonzero(cluster == j)
        a, b = candidates[kept[:, j]][:, rows], ours[:, rows]
        error_of_mean = 5 * np.sqrt(a.var(axis=0) * (1 / len(a) + 1 / n))
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < error_of_mean)
        np.testing.assert_allclose(np.atleast_2d(np.cov(b.T)), np.atleast_2d(np.cov(a.T)), atol=0.012)


def test_published_effects_one_by_one():
    effects = independent(5, v=0.04)
    found = fit(effects, Spec.equal_effects())
    rule = PublicationRule(0.25, "effect")
    ours, published = simulate_selected(found, rule, n=60_000, rng=np.random.default_rng(3), mean=np.zeros(5))
    # with independent effects both rules are the same; the density of a published one is two pieces of a normal
    from math import exp, pi, sqrt

    above, cut = 0.025, 1.959964
    kept = above + 0.25 * (1 - above)
    expected = 0.2 * (1 - 0.25) * exp(-cut * cut / 2) / sqrt(2 * pi) / kept
    assert published == pytest.approx(kept, abs=1e-6)
    np.testing.assert_allclose(ours.mean(axis=0), expected, atol=5 * 0.2 / sqrt(60_000))
    np.testing.assert_allclose((ours > cut * 0.2).mean(axis=0), above / kept, atol=0.004)
    other, _ = simulate_selected(
        found, PublicationRule(0.25), n=60_000, rng=np.random.default_rng(4), mean=np.zeros(5)
    )
    np.testing.assert_allclose(other.mean(axis=0), expected, atol=5 * 0.2 / sqrt(60_000))
    everything, published = simulate_selected(
        found, PublicationRule(1.0), n=20_000, rng=np.random.default_rng(4), mean=np.zeros(5)
    )
    assert published == 1
    np.testing.assert_allclose(everything.std(axis=0), 0.2, rtol=0.03)


def test_dependent_effects_published_one_by_one_keep_their_correlation():
    effects, _ = dependent(6, seed=3)
    found = fit(effects, Spec.che())
    n = 40_000
    ours, _ = simulate_selected(found, PublicationRule(1.0, "effect"), n=n, rng=np.random.default_rng(3))
    expected = sampler(found).spread(np.eye(effects.k))
    np.testing.assert_allclose(np.cov(ours.T), expected, atol=6 * np.max(expected) * np.sqrt(2 / n))
