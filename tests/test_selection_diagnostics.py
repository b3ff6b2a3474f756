"""What selection models and their relatives promise: limits, invariances, refusals, recovery, figures."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError
from consilience.diagnostics.selection import (
    copas,
    p_curve,
    p_uniform,
    p_uniform_star,
    selection_bootstrap,
    selection_interval,
    selection_model,
    selection_profile,
    worst_case,
    z_curve,
)
from consilience.diagnostics.selection.p_uniform import sum_of_uniforms
from consilience.models import fit
from consilience.records import Design, Effects, Intercept, Spec

sys.path.insert(0, str(Path(__file__).parent))

from plots_checks import assert_sound
from selection_data import effects_of, published, reference_effects

E = reference_effects("hackshaw1998")
ML = Spec.random_effects("ML", "z")


def test_equal_weights_are_the_plain_model() -> None:
    plain = fit(E, ML)
    ours = selection_model(plain, steps=(0.025, 0.5), weights=(1, 1, 1))
    assert ours.coefficients.estimate == pytest.approx(plain.coefficients.estimate, rel=1e-7)
    assert ours.tau2 == pytest.approx(plain.components.total, rel=1e-6)
    assert ours.loglik == pytest.approx(plain.loglik, abs=1e-9)
    assert ours.test is None


def test_sign_scale_and_order() -> None:
    base = selection_model(E)
    turned = selection_model(replace(E, y=-E.y), alternative="less")
    assert turned.coefficients.estimate == pytest.approx(-base.coefficients.estimate, rel=1e-6)
    assert turned.coefficients.ci_low == pytest.approx(-base.coefficients.ci_high, rel=1e-6)
    large = selection_model(replace(E, y=1e3 * E.y, v=1e6 * E.v))
    assert large.tau2 == pytest.approx(1e6 * base.tau2, rel=1e-5)
    order = np.random.default_rng(1).permutation(E.k)
    mixed = selection_model(effects_of(E.y[order], E.v[order]))
    assert mixed.loglik == pytest.approx(base.loglik, abs=1e-10)
    assert mixed.weights.estimate == pytest.approx(base.weights.estimate, rel=1e-6)


def test_moderators_and_given_heterogeneity() -> None:
    x = np.column_stack([np.ones(E.k), np.arange(E.k) / E.k])
    spec = Spec((Intercept(("row",), 0.02),), "ML", "z")
    model = selection_model(fit(E, spec, design=Design(x, ("intercept", "x"))))
    assert model.tau2 == 0.02
    assert np.isnan(model.tau2_se)
    assert model.tau2_test is None
    assert model.coefficients.names == ("intercept", "x")
    assert model.loglik >= model.unadjusted.loglik


def test_profile_interval_is_where_the_likelihood_drops() -> None:
    model = selection_model(E)
    for name in ("intercept", "delta2", "tau2"):
        limits = selection_interval(model, name)
        ends = [x for x in (limits.low, limits.high) if (np.isfinite(x) and x > 0) or name == "intercept"]
        drops = model.loglik - selection_profile(model, name, ends)
        assert drops == pytest.approx(np.full(len(ends), 1.920729), abs=1e-4)
        assert limits.low <= limits.estimate <= limits.high


def test_refusals_say_why() -> None:
    with pytest.raises(InputError, match="holds no study") as error:
        selection_model(E, steps=(0.025, 0.0250001))
    assert error.value.code == "empty-interval"
    with pytest.raises(InputError) as error:
        selection_model(E, steps=(0.5, 0.025))
    assert error.value.code == "selection-steps"
    with pytest.raises(InputError) as error:
        selection_model(effects_of(np.array([0.5, 0.0]), np.array([0.01, 0.01])))
    assert error.value.code == "too-few-effects"
    assert any(n.code == "few-effects" for n in selection_model(E.take(np.arange(8)), steps=(0.5,)).notes)


def test_estimated_cut_is_no_worse_than_any_cut() -> None:
    best = selection_model(E, kind="truncated-estimated")
    for cut in (-0.1, 0.0, 0.1, 0.3):
        assert best.loglik >= selection_model(E, kind="truncated", steps=(cut,)).loglik - 1e-6


def test_dependent_effects_are_clustered_and_resampled() -> None:
    rng = np.random.default_rng(3)
    base = published(rng, 30, mean=0.2, tau=0.2, chance=0.4)
    study = np.array([f"s{i // 2}" for i in range(30)], dtype=object)
    model = selection_model(replace(base, study=study))
    assert model.covariance_kind == "cluster-robust"
    assert model.test is None
    first, again = (selection_bootstrap(model, rng=np.random.default_rng(9), replicates=60) for _ in range(2))
    assert np.array_equal(first.draws, again.draws, equal_nan=True)
    assert first.ci_low[0] < model.coefficients.estimate[0] < first.ci_high[0]


def test_worst_case_by_hand() -> None:
    found = worst_case(E, model="fixed", etas=(1, 3))
    w = np.where(found.affirmative, 1, 3) / E.v
    assert found.estimate[1] == pytest.approx(np.sum(w * E.y) / np.sum(w))
    assert found.uncorrected.estimate == pytest.approx(np.sum(E.y / E.v) / np.sum(1 / E.v))
    y = np.where(found.affirmative, E.y, E.y - 0.25)
    moved = worst_case(replace(E, y=y), model="fixed")
    a = moved.affirmative
    s_value = np.sum((y / E.v)[a]) / -np.sum((y / E.v)[~a])
    assert moved.s_value == pytest.approx(max(1.0, s_value), rel=1e-9)
    mirrored = worst_case(replace(E, y=-y), model="fixed")
    assert mirrored.s_value_limit == pytest.approx(moved.s_value_limit)


def test_worst_case_at_one_is_the_robust_fit() -> None:
    study = np.array([f"s{i // 2}" for i in range(E.k)], dtype=object)
    effects = replace(E, study=study)
    found = worst_case(effects)
    spec = Spec((Intercept(("row",), found.tau2),), "REML", "CR2")
    robust = fit(effects, spec).coefficients
    assert found.uncorrected.low == pytest.approx(robust.ci_low[0], rel=1e-8)
    assert found.uncorrected.high == pytest.approx(robust.ci_high[0], rel=1e-8)


def test_p_curve_of_known_p_values() -> None:
    from scipy import stats

    p = np.array([0.001, 0.01, 0.02, 0.04])
    z = stats.norm.isf(p / 2)
    found = p_curve(effects_of(z, np.ones(4)))
    assert found.right_skew is not None
    assert found.right_skew.statistic == pytest.approx(stats.norm.ppf(p / 0.05).sum() / 2)
    assert found.fisher is not None
    assert found.fisher.p_value == pytest.approx(stats.chi2.sf(-2 * np.log(p / 0.05).sum(), 8))
    assert found.expected33.sum() == pytest.approx(100)


def test_sum_of_uniforms() -> None:
    draws = np.random.default_rng(1).random((200_000, 5)).sum(axis=1)
    for x in (0.7, 2.0, 3.3):
        assert sum_of_uniforms(x, 5) == pytest.approx(np.mean(draws <= x), abs=4e-3)
    assert sum_of_uniforms(10.5, 21) == pytest.approx(0.5)


def test_p_uniform_solves_its_equation() -> None:
    found = p_uniform(E)
    assert found.estimate is not None
    assert found.conditional.sum() == pytest.approx(found.k_significant / 2, rel=1e-8)
    star = p_uniform_star(E)
    assert star.estimate is not None
    assert star.estimate.low < star.estimate.estimate < star.estimate.high
    both = p_uniform_star(replace(E, y=-E.y), alternative="less")
    assert both.estimate is not None
    assert both.estimate.estimate == pytest.approx(-star.estimate.estimate, rel=1e-5)


def test_p_uniform_star_is_the_conditional_likelihood() -> None:
    from scipy import stats

    star = p_uniform_star(E)
    assert star.estimate is not None
    assert star.tau2 is not None
    sd, root = np.sqrt(E.v), np.sqrt(E.v + star.tau2.estimate)
    cut = stats.norm.isf(0.025) * sd
    side = np.where(E.y > cut, stats.norm.logsf(cut, star.estimate.estimate, root), stats.norm.logcdf(cut, star.estimate.estimate, root))  # fmt: skip
    assert (stats.norm.logpdf(E.y, star.estimate.estimate, root) - side).sum() == pytest.approx(star.loglik)


@pytest.mark.parametrize(("n", "words"), [(1, "there is 1."), (3, "there are 3.")])
def test_a_z_curve_of_few_significant_results_is_refused(n: int, words: str) -> None:
    z = np.where(np.arange(20) < n, 3.0, 1.0)
    with pytest.raises(InputError, match="at least 10 significant results") as error:
        z_curve(effects_of(z, np.ones(20)), rng=np.random.default_rng(1))
    assert words in str(error.value)


def test_z_curve_recovers_known_power() -> None:
    rng = np.random.default_rng(5)
    z = np.abs(rng.normal(np.repeat([1.0, 3.0], [1500, 1500])))
    found = z_curve(effects_of(z, np.ones(len(z))), rng=rng, replicates=50)
    assert found.edr.low < np.mean(z > 1.96) < found.edr.high
    assert found.err.low < 0.77 < found.err.high
    assert found.weights.sum() == pytest.approx(1)
    inside = z[(z > 1.959964) & (z < 5)]
    density = (np.exp(-((inside[:, None] - found.means) ** 2) / 2) + np.exp(-((inside[:, None] + found.means) ** 2) / 2)) / np.sqrt(2 * np.pi)  # fmt: skip
    grid = np.linspace(1.959964, 5, 20001)
    each = np.exp(-((grid[:, None] - found.means) ** 2) / 2) + np.exp(
        -((grid[:, None] + found.means) ** 2) / 2
    )
    density /= np.trapezoid(each / np.sqrt(2 * np.pi), grid, axis=0)
    assert np.log(density @ found.weights).sum() == pytest.approx(found.loglik, abs=1e-3)
    gradient = (density / (density @ found.weights)[:, None]).mean(
        axis=0
    )  # at most 1 at a maximum of the mixture
    assert gradient.max() < 1.01


def test_copas_without_selection_is_the_plain_model() -> None:
    found = copas(E, gamma0=(8.0,), gamma1=(0.0,))
    assert found.estimate[0, 0] == pytest.approx(found.unadjusted.estimate, abs=1e-5)
    assert found.path.estimate[0] > found.path.estimate[-1]
    assert found.path.p_residual[-1] > found.path.p_residual[0]


@pytest.mark.parametrize("k", [4, 40, 500])
def test_figures_are_sound_and_records_print(k: int) -> None:
    rng = np.random.default_rng(k)
    effects = published(rng, k - 2, mean=0.2, tau=0.1, chance=0.5)
    y, v = np.append(effects.y, [0.9, -0.1]), np.append(effects.v, [0.02, 0.05])
    effects = effects_of(y, v)
    records = [
        selection_model(effects),
        selection_model(effects, kind="truncated"),
        worst_case(effects),
        p_curve(effects),
        p_uniform_star(effects),
    ]
    if k <= 40:
        records.append(selection_model(effects, kind="half-normal"))
        records.append(copas(effects, gamma0=(-1.0, 1.0)))
    if k > 40:
        records.append(z_curve(effects, rng=rng, replicates=20))
    for record in records:
        assert max(map(len, str(record).splitlines())) <= 100
        if type(record).__name__ != "PUniform":
            assert_sound(consilience.picture(record))


@pytest.mark.slow
def test_three_parameter_model_recovers_planted_bias() -> None:
    rng = np.random.default_rng(11)
    plain, adjusted, covered = [], [], []
    for _ in range(300):
        model = selection_model(published(rng, 60, mean=0.2, tau=0.15, chance=0.2))
        plain.append(model.unadjusted.estimate[0])
        adjusted.append(model.coefficients.estimate[0])
        covered.append(model.coefficients.ci_low[0] < 0.2 < model.coefficients.ci_high[0])
    assert np.mean(plain) > 0.28
    assert abs(np.mean(adjusted) - 0.2) < 0.02
    assert 0.87 < np.mean(covered) < 0.99


def test_an_interval_with_a_given_weight_may_be_empty() -> None:
    """Only estimated weights need studies: with all p below .5, a given weight above it changes the likelihood alone."""
    rng = np.random.default_rng(11)
    v = rng.uniform(0.01, 0.05, 12)
    y = np.sqrt(v) * np.r_[rng.uniform(2.1, 4, 7), rng.uniform(0.2, 1.8, 5)]
    data = Effects(y, v, np.array([str(i) for i in range(12)], dtype=object))
    found = selection_model(data, steps=(0.025, 0.5), weights=[1.0, None, 0.3])
    profile = [
        selection_model(data, steps=(0.025, 0.5), weights=[1.0, w, 0.3]).loglik
        for w in found.weights.estimate[1] * np.array([0.9, 1.0, 1.1])
    ]
    assert found.counts == (7, 5, 0)
    assert max(profile) == pytest.approx(profile[1]) == pytest.approx(found.loglik, abs=1e-9)
    with pytest.raises(InputError) as error:
        selection_model(data, steps=(0.025, 0.5), weights=[1.0, 0.5, None])
    assert error.value.code == "empty-interval"
