"""Multilevel fits: invariances, boundaries, global optimum, what is not identified, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.models import fit, predict, study_averages
from consilience.records import Block, Design, Effects, Inner, Intercept, Known, Spec
from engine_reference import che_covariance, dense_loglik, random_effects_data, reordered, scaled

CHE = Spec.che()


def _same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a.coefficients.estimate, b.coefficients.estimate, rtol=rtol)
    np.testing.assert_allclose(a.coefficients.se, b.coefficients.se, rtol=rtol)
    np.testing.assert_allclose(a.coefficients.df, b.coefficients.df, rtol=rtol)


def effects_of(y, v, study, **more) -> Effects:
    return Effects(np.array(y, float), np.array(v, float), np.array(study, object), **more)


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 7.0, 1e150])
def test_units_do_not_matter(factor):
    effects = random_effects_data(1)
    a, b = fit(effects, CHE), fit(scaled(effects, factor), CHE)
    np.testing.assert_allclose(b.components.variance / factor / factor, a.components.variance, rtol=1e-9)
    np.testing.assert_allclose(b.coefficients.se / factor, a.coefficients.se, rtol=1e-9)
    np.testing.assert_allclose(b.coefficients.df, a.coefficients.df, rtol=1e-9)
    assert b.heterogeneity.i2 == pytest.approx(a.heterogeneity.i2, rel=1e-9)
    assert b.loglik + (effects.k - 1) * np.log(factor) == pytest.approx(a.loglik, abs=1e-8)


def test_a_shift_of_1e8_moves_only_the_estimate():
    effects = random_effects_data(2)
    a, b = fit(effects, CHE), fit(replace(effects, y=effects.y + 1e8), CHE)
    # adding 1e8 rounds the data themselves to 1.5e-8
    np.testing.assert_allclose(b.components.variance, a.components.variance, rtol=1e-6)
    np.testing.assert_allclose(b.coefficients.se, a.coefficients.se, rtol=1e-6)
    np.testing.assert_allclose(b.coefficients.estimate - 1e8, a.coefficients.estimate, atol=5e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_row_order_and_labels_do_not_matter(seed, other):
    effects = random_effects_data(seed)
    order = np.random.default_rng(other).permutation(effects.k)
    shuffled = reordered(effects, order)
    renamed = replace(shuffled, study=np.array([f"trial {s}" for s in shuffled.study], object))
    a, b = fit(effects, CHE), fit(renamed, CHE)
    _same(a, b, 1e-6)
    np.testing.assert_allclose(a.components.variance, b.components.variance, rtol=1e-5, atol=1e-9)
    assert b.loglik == pytest.approx(a.loglik, abs=1e-9)


def test_sign_and_moderator_scale():
    effects = random_effects_data(3)
    x = np.column_stack([np.ones(effects.k), effects.columns["x"]])
    a = fit(effects, CHE, design=Design(x, ("intercept", "x")))
    b = fit(replace(effects, y=-effects.y), CHE, design=Design(x * [1, 1e6], ("intercept", "x")))
    np.testing.assert_allclose(b.coefficients.estimate * [1, 1e6], -a.coefficients.estimate, rtol=1e-9)
    np.testing.assert_allclose(b.coefficients.se * [1, 1e6], a.coefficients.se, rtol=1e-9)
    np.testing.assert_allclose(b.coefficients.df, a.coefficients.df, rtol=1e-8)
    mixed = fit(effects, CHE, design=Design(x @ [[1.0, 2.0], [0.5, -1.0]], ("a", "b")))
    assert mixed.loglik - a.loglik == pytest.approx(0.0, abs=1e-9)  # log|X'X| makes REML invariant


def test_same_input_same_bits():
    effects = random_effects_data(4)
    a, b = fit(effects, CHE), fit(effects, CHE)
    assert a.coefficients.covariance.tobytes() == b.coefficients.covariance.tobytes()
    assert a.components.variance.tobytes() == b.components.variance.tobytes()


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_no_better_optimum_on_a_dense_scan(method):
    """Small data sets with very unequal variances: a grid of 60 x 60 variances finds nothing higher."""
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 20.0, 59)])
    for seed in range(12):
        rng = np.random.default_rng(seed)
        study = np.array([f"s{j}" for j in np.repeat(np.arange(3), [2, 1, 2])], object)
        v = np.exp(rng.uniform(np.log(0.01), np.log(1.0), 5))
        effects = Effects(rng.normal(0, 0.7, 5), v, study)
        found = fit(effects, Spec(CHE.terms, method, "z"))
        x = np.ones((5, 1))
        best = max(
            dense_loglik(effects.y, x, che_covariance(effects, a, b), reml=method == "REML")[0]
            for a in grid
            for b in grid
        )
        assert found.loglik >= best - 1e-9
        assert found.optimum.status in ("converged", "boundary")
        assert found.optimum.score < 1e-6


def test_boundary_is_a_solution():
    found = fit(effects_of([0.3, 0.3, 0.3, 0.3, 0.31], [0.1] * 5, list("aabbc")), CHE)
    assert found.optimum.status == "boundary"
    assert found.components.variance.tolist() == [0.0, 0.0]
    assert found.coefficients.estimate[0] == pytest.approx(0.302)
    assert found.heterogeneity.i2 == 0.0


def test_zero_variance_is_equal_effects():
    effects = random_effects_data(6)
    none = Spec((Intercept(("study",), 0.0), Intercept(("study", "row"), 0.0)), "REML", "z")
    a, b = fit(effects, none), fit(effects, Spec((), "EE", "z"))
    assert a.optimum.status == "fixed"
    _same(a, b, 1e-12)


def test_one_effect():
    found = fit(effects_of([0.3], [0.1], ["a"]), CHE)
    assert found.optimum.status == "not-identified"
    assert found.coefficients.estimate[0] == 0.3
    assert found.coefficients.se[0] == pytest.approx(np.sqrt(0.1))
    assert {note.code for note in found.notes} == {"not-identified", "one-cluster"}


def test_one_study_keeps_the_variance_within():
    found = fit(effects_of([0.1, 0.5, 1.9], [0.1, 0.2, 0.1], ["a"] * 3), CHE)
    assert found.optimum.status == "not-identified"
    assert any('"study" cannot be told apart' in note.message for note in found.notes)
    assert found.components["study"] == 0.0
    assert found.components["study/row"] > 0


def test_one_effect_per_study_is_the_univariate_model():
    effects = effects_of([0.3, 0.5, 0.9, 0.1, -0.2], [0.01, 0.02, 0.01, 0.02, 0.03], list("abcde"))
    found = fit(effects, CHE)
    plain = fit(effects, Spec((Intercept(("row",)),), "REML", "z"))
    assert found.optimum.status == "not-identified"
    assert any("only their sum" in note.message for note in found.notes)
    assert found.components.total == pytest.approx(plain.components.total, rel=1e-6)
    assert found.loglik == pytest.approx(plain.loglik, abs=1e-9)


def test_equal_variances_balanced_design_has_closed_form():
    """All v equal, n effects in each study: REML is analysis of variance (mean squares), if no component is negative."""
    rng = np.random.default_rng(8)
    m, n, v = 12, 4, 0.05
    study = np.repeat(np.arange(m), n)
    y = rng.normal(0, 0.6, m)[study] + rng.normal(0, 0.5, m * n)
    found = fit(Effects(y, np.full(m * n, v), study.astype(str).astype(object)), CHE)
    means = y.reshape(m, n).mean(axis=1)
    between = n * np.var(means, ddof=1)
    within = np.sum((y.reshape(m, n) - means[:, None]) ** 2) / (m * (n - 1))
    assert found.components["study"] == pytest.approx((between - within) / n, rel=1e-8)
    assert found.components["study/row"] == pytest.approx(within - v, rel=1e-8)
    assert found.coefficients.estimate[0] == pytest.approx(y.mean())
    assert found.coefficients.df[0] == pytest.approx(m - 1, rel=1e-9)
    assert found.coefficients.se[0] == pytest.approx(np.sqrt(between / (m * n)), rel=1e-9)


def test_few_degrees_of_freedom_are_said():
    found = fit(effects_of([0.1, 0.5, 0.9, 0.2], [0.1] * 4, list("aabc")), CHE)
    assert "df-below-four" in {note.code for note in found.notes}


def test_rank_deficient_design_names_the_columns():
    effects = random_effects_data(1)
    x = effects.columns["x"]
    design = Design(np.column_stack([np.ones(effects.k), x, 2 * x - 1]), ("intercept", "x", "x again"))
    with pytest.raises(InputError, match='"x again"') as caught:
        fit(effects, CHE, design=design)
    assert caught.value.code == "rank-deficient"


@pytest.mark.parametrize(
    "change, code",
    [
        ({"y": np.array([0.1, np.nan])}, "not-finite"),
        ({"v": np.array([0.1, -0.2])}, "variance-not-positive"),
        ({"blocks": (Block(np.arange(2), np.array([[0.1, 0.3], [0.3, 0.1]])),)}, "v-not-positive-definite"),
        ({"blocks": (Block(np.arange(2), np.array([[0.1, 0.05], [0.02, 0.1]])),)}, "v-not-positive-definite"),
        ({"blocks": (Block(np.arange(2), np.array([[0.1, 0.0], [0.0, 0.1]])),) * 2}, "block-overlap"),
    ],
)
def test_bad_data_is_refused(change, code):
    effects = replace(effects_of([0.1, 0.2], [0.1, 0.1], ["a", "a"]), **change)
    with pytest.raises(InputError) as caught:
        fit(effects, CHE)
    assert caught.value.code == code


def test_unknown_column_lists_the_known_ones():
    effects = random_effects_data(1)
    with pytest.raises(InputError, match="study, x, outcome"):
        fit(effects, Spec((Intercept(("lab",)),), "REML", "z"))


def test_warm_start_finds_the_same_optimum():
    effects = random_effects_data(9, studies=20)
    whole = fit(effects, CHE)
    part = effects.take(effects.study != "s3")
    cold, warm = fit(part, CHE), fit(part, CHE, start=whole)
    _same(cold, warm, 1e-7)
    assert warm.optimum.starts == 1


def test_compound_symmetry_is_two_nested_intercepts():
    """CS with correlation rho and variance t is Intercept(study) = rho t plus Intercept(study/outcome) = (1 - rho) t."""
    effects = random_effects_data(12, studies=15)
    a = fit(effects, Spec((Inner("outcome", "study", "CS"),), "REML", "z"))
    b = fit(effects, Spec((Intercept(("study",)), Intercept(("study", "outcome"))), "REML", "z"))
    assert a.loglik == pytest.approx(b.loglik, abs=1e-9)
    rho = next(iter(a.components.correlations.values()))
    assert rho * a.components.variance[0] == pytest.approx(b.components["study"], rel=1e-5)
    np.testing.assert_allclose(a.coefficients.se, b.coefficients.se, rtol=1e-6)


def test_crossed_intercepts_beat_a_dense_scan():
    effects = random_effects_data(21, studies=6, most=3)
    spec = Spec((Intercept(("study",)), Intercept(("outcome",))), "REML", "z")
    found = fit(effects, spec)
    outcome = effects.columns["outcome"]
    grid = np.concatenate([[0.0], np.geomspace(1e-3, 5, 30)])
    best = -np.inf
    for a in grid:
        for b in grid:
            m = che_covariance(effects, a, 0.0) + b * (outcome[:, None] == outcome[None, :])
            best = max(best, dense_loglik(effects.y, np.ones((effects.k, 1)), m, reml=True)[0])
    assert found.loglik >= best - 1e-9
    assert found.loglik <= best + 0.05


def test_predictions_name_their_convention():
    effects = random_effects_data(5, studies=12)
    x = np.column_stack([np.ones(effects.k), effects.columns["x"]])
    found = fit(effects, CHE, design=Design(x, ("intercept", "x")))
    at = predict(found, np.array([[1.0, 0.0], [1.0, 2.0]]))
    assert at.estimate[0] == pytest.approx(found.coefficients.estimate[0])
    assert at.df[0] == pytest.approx(found.coefficients.df[0])
    assert at.ci_low[0] == pytest.approx(found.coefficients.ci_low[0])
    wide = predict(found, np.array([[1.0, 2.0]]), interval="normal")
    half = 1.959963984540054 * np.sqrt(at.se[1] ** 2 + found.components.total)
    assert wide.pi_high[0] - wide.estimate[0] == pytest.approx(half, rel=1e-12)
    assert "normal" in wide.pi_method
    assert "degrees of freedom of the predicted mean" in at.pi_method
    with pytest.raises(InputError, match="intercept, x"):
        predict(found, np.array([[1.0, 0.0, 3.0]]))


def test_heterogeneity_by_level_is_the_definition():
    effects = random_effects_data(15, studies=10)
    found = fit(effects, CHE)
    w = np.linalg.inv(effects.covariance())
    one = np.ones((effects.k, 1))
    p = w - w @ one @ np.linalg.inv(one.T @ w @ one) @ one.T @ w
    typical = (effects.k - 1) / np.trace(p)
    h = found.heterogeneity
    assert h.q == pytest.approx(effects.y @ p @ effects.y, rel=1e-10)
    assert h.typical_variance == pytest.approx(typical, rel=1e-10)
    total = found.components.total + typical
    assert h.i2_by["study"] == pytest.approx(100 * found.components["study"] / total)
    assert sum(h.i2_by.values()) == pytest.approx(h.i2)


def test_study_averages_by_hand():
    effects = random_effects_data(16, studies=6)
    found = fit(effects, CHE)
    averages = study_averages(found)
    full = np.linalg.inv(che_covariance(effects, found.components["study"], found.components["study/row"]))
    total = np.sum(full)
    for j, label in enumerate(averages.study):
        rows = np.flatnonzero(effects.study == label)
        part = effects.covariance()[np.ix_(rows, rows)] + found.components["study/row"] * np.eye(len(rows))
        w = np.linalg.inv(part)
        assert averages.se[j] == pytest.approx(1 / np.sqrt(w.sum()), rel=1e-9)
        assert averages.estimate[j] == pytest.approx(w.sum(axis=0) @ effects.y[rows] / w.sum(), rel=1e-9)
        assert averages.weight[j] == pytest.approx(100 * full[np.ix_(rows, rows)].sum() / total, rel=1e-9)
    assert averages.estimate @ averages.weight / 100 == pytest.approx(
        found.coefficients.estimate[0], rel=1e-9
    )


def test_an_indefinite_relation_is_refused():
    effects = random_effects_data(5, studies=4, most=3)
    relation = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    with pytest.raises(InputError, match="smallest eigenvalue"):
        fit(effects, Spec((Known("outcome", relation, ("o0", "o1", "o2")),), "REML", "z"))


def test_moment_estimators_take_robust_tests():
    """tau^2 by DerSimonian & Laird, coefficients with CR2: the weights are those of the plain fit."""
    effects = replace(random_effects_data(3), blocks=())
    plain = fit(effects, Spec((Intercept(("row",)),), "DL", "z"))
    robust = fit(effects, Spec((Intercept(("row",)),), "DL", "CR2"))
    np.testing.assert_allclose(robust.coefficients.estimate, plain.coefficients.estimate, rtol=1e-10)
    assert robust.components.total == pytest.approx(plain.components.total)
    assert robust.coefficients.method.startswith("CR2")


@pytest.mark.parametrize("structure", ["UN", "HCS", "DIAG", "CS", "ID"])
def test_one_level_of_any_structure_is_a_random_intercept(structure):
    rng = np.random.default_rng(5)
    study, outcome = np.array([f"s{i}" for i in range(12)]), np.full(12, "a")
    effects = Effects(rng.normal(0, 2, 12), np.full(12, 0.1), study, columns={"outcome": outcome})
    plain = fit(effects, Spec((Intercept(("study",)),), "REML", "z"))
    found = fit(effects, Spec((Inner("outcome", "study", structure),), "REML", "z"))
    assert plain.components.variance[0] > 0.1
    assert found.components.variance == pytest.approx(plain.components.variance, rel=1e-8)
    assert found.components.se == pytest.approx(plain.components.se, rel=1e-6)
