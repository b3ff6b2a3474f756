"""The cluster wild bootstrap: fast path against the definition, exact enumeration, interval by inversion."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError
from consilience.inference.robust import robust_covariance
from consilience.inference.working import working_of
from consilience.models import fit, wild_bootstrap, wild_bootstrap_interval
from consilience.models.wild_bootstrap import AUXILIARIES, _draw, _multipliers, _statistics, _terms
from consilience.records import Effects, Intercept, Spec
from resampling_data import dependent

BOTH = np.eye(2)


def refitted_statistic(found, constraints, signs, *, impose):
    """The Wald statistic of one data set by refitting it with the variances held."""
    effects, x = found.effects, found.design.matrix
    codes = np.array([effects.studies.index(s) for s in effects.study])
    m = effects.covariance()
    same = codes[:, None] == codes[None]
    m += found.components.variance[0] * same + found.components.variance[1] * np.eye(effects.k)
    inverse = np.linalg.inv(m)
    bread = np.linalg.inv(x.T @ inverse @ x)
    beta = found.coefficients.estimate
    c = np.atleast_2d(constraints)
    null = beta - bread @ c.T @ np.linalg.solve(c @ bread @ c.T, c @ beta) if impose else beta
    made = x @ null + signs[codes] * (effects.y - x @ null)
    held = tuple(Intercept(t.by, v) for t, v in zip(found.spec.terms, found.components.variance, strict=True))
    again = fit(
        Effects(made, effects.v, effects.study, blocks=effects.blocks), Spec(held), design=found.design
    )
    gap = c @ (again.coefficients.estimate - (0 if impose else beta))
    return float(gap @ np.linalg.solve(c @ again.coefficients.covariance @ c.T, gap))


@pytest.mark.parametrize("impose", [True, False])
@pytest.mark.parametrize("constraints", [[[0.0, 1.0]], [[1.0, 2.0]], BOTH])
def test_each_replicate_is_a_refit(constraints, impose):
    effects, design = dependent(8, seed=4)
    found = fit(effects, Spec.che(), design=design)
    c = np.atleast_2d(constraints)
    robust = robust_covariance(working_of(found))
    inner, gap = c @ robust.working.root, c @ robust.working.beta
    terms = _terms(robust, inner, gap if impose else 0 * gap)
    order = np.concatenate([group.rows[:, 0] for group in robust.groups])
    rng = np.random.default_rng(1)
    for _ in range(3):
        w = rng.normal(size=8)
        ours = _statistics(terms, w[robust.working.cluster[order]][None], inner)[0]
        assert ours == pytest.approx(refitted_statistic(found, c, w, impose=impose), rel=1e-8)


def test_few_clusters_are_enumerated():
    effects, design = dependent(7, seed=5)
    found = fit(effects, Spec.che(), design=design)
    result = wild_bootstrap(found, [0, 1], rng=np.random.default_rng(1))
    assert result.exact
    assert result.replicates == 128
    assert result.p_low == result.p_value == result.p_high
    observed = refitted_statistic(found, [0, 1], np.ones(7), impose=True)
    patterns = [2.0 * np.array([(i >> j) & 1 for j in range(7)]) - 1 for i in range(128)]
    beyond = [refitted_statistic(found, [0, 1], p, impose=True) >= observed * (1 - 1e-9) for p in patterns]
    assert result.p_value == np.mean(beyond)
    assert result.statistic == pytest.approx(observed)
    # random signs agree with all signs
    random = wild_bootstrap(found, [0, 1], rng=np.random.default_rng(1), replicates=127)
    assert not random.exact
    assert random.p_low - 0.1 < result.p_value < random.p_high + 0.1


def test_monte_carlo_interval_and_show():
    effects, design = dependent(20, seed=6)
    found = fit(effects, Spec.che(), design=design)
    long = wild_bootstrap(found, [0, 1], rng=np.random.default_rng(1), replicates=99_999)
    assert long.p_low < long.p_value < long.p_high < long.p_low + 0.01
    short = [wild_bootstrap(found, [0, 1], rng=np.random.default_rng(s), replicates=499) for s in range(40)]
    assert sum(r.p_low <= long.p_value <= r.p_high for r in short) >= 35
    assert "cluster wild bootstrap" in str(long)
    assert "99,999 draws, 20 clusters" in str(long).replace("\n", " ")
    assert "unrestricted" in str(wild_bootstrap(found, [0, 1], rng=np.random.default_rng(1), impose=False))
    assert consilience.wild_bootstrap is wild_bootstrap


@pytest.mark.parametrize("auxiliary", AUXILIARIES)
def test_multipliers_have_mean_zero_variance_one_and_do_not_depend_on_parts(auxiliary, monkeypatch):
    w = _draw(np.random.default_rng(1), auxiliary, (4000, 50))
    assert abs(w.mean()) < 5 / np.sqrt(w.size)
    assert w.var() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(w[:, :5].T) - np.eye(5)).max() < 0.1
    whole = np.concatenate(list(_multipliers(np.random.default_rng(2), auxiliary, m=50, replicates=101)))
    monkeypatch.setattr(import_module("consilience.models.wild_bootstrap"), "CHUNK", 350)
    parts = np.concatenate(list(_multipliers(np.random.default_rng(2), auxiliary, m=50, replicates=101)))
    np.testing.assert_array_equal(parts, whole)


def test_interval_holds_what_the_test_does_not_reject():
    effects, design = dependent(15, seed=7, slope=0.3)
    found = fit(effects, Spec.che(), design=design)
    rng = np.random.default_rng
    made = wild_bootstrap_interval(found, [0, 1], rng=rng(3), replicates=999)
    assert made.low < made.estimate < made.high
    assert made.low_error > 0
    x = design.matrix[:, 1]
    for value, inside in (
        (made.low - 1e-4, False),
        (made.low + 1e-4, True),
        (made.high - 1e-4, True),
        (made.high + 1e-4, False),
    ):
        moved = fit(
            Effects(effects.y - value * x, effects.v, effects.study, blocks=effects.blocks),
            Spec.che(),
            design=design,
        )
        p = wild_bootstrap(moved, [0, 1], rng=rng(3), replicates=999).p_value
        assert (p > 0.05) == inside
    assert "interval by inverting" in str(made).replace("\n", " ")
    wide = wild_bootstrap_interval(found, [0, 1], rng=rng(3), replicates=999, level=0.99)
    assert wide.low < made.low < made.high < wide.high


def test_interval_is_infinite_where_nothing_can_be_rejected():
    effects, _ = dependent(4, seed=8)
    found = fit(effects, Spec.che())
    made = wild_bootstrap_interval(found, [1], rng=np.random.default_rng(1))
    assert made.exact
    assert made.low == -np.inf
    assert made.high == np.inf  # 16 patterns: no p-value is below 2/16


def test_wrong_calls_are_refused():
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    rng = np.random.default_rng(1)
    with pytest.raises(InputError) as caught:
        wild_bootstrap_interval(found, BOTH, rng=rng)
    assert caught.value.code == "constraints"
    with pytest.raises(InputError) as caught:
        wild_bootstrap(found, [0, 1], rng=rng, replicates=0)
    assert caught.value.code == "replicates"


@pytest.mark.slow
@pytest.mark.parametrize("m", [6, 10, 20])
def test_type_one_error_with_few_clusters(m):
    from benchmarks.operating_resampling import type_one

    rates = type_one(m, runs=2000, seed=m)
    for name in ("wild bootstrap, Webb", "CR2, Satterthwaite"):
        assert rates[name].low <= 0.06, (m, name, rates[name])
    assert rates["CR0, normal"].low > 0.06  # what the others are for
