"""Cluster-robust inference against clubSandwich and robumeta over a grid; what cannot be had is named, never silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError
from consilience.inference import robust_coefficients, wald_test
from consilience.models import fit, jackknife, wild_bootstrap, wild_bootstrap_interval
from consilience.records import Design, Effects, Spec
from robust_grid_data import compare_model, given_fit, grid

CHE = Spec.che()


@pytest.mark.parametrize("name", grid())
def test_models_by_corrections_by_tests(name):
    done, wrong = compare_model(grid()[name])
    assert not wrong
    assert done >= 30


def lone(*, deep: bool = False):
    """A coefficient that study "a" alone determines: its only moderator value, or with `deep` beside another."""
    rng = np.random.default_rng(3)
    study = np.repeat(list("abcdefgh"), 3).astype(object)
    y, within = rng.normal(0.3, 0.4, 24), np.tile([0.0, 1.0, 2.0], 8)
    alone = (study == "a").astype(float)
    columns = [np.ones(24), alone, within] if deep else [1 - alone, alone, within * (1 - alone)]
    names = ("intercept", "only a", "dose") if deep else ("others", "only a", "dose of others")
    return fit(Effects(y, np.full(24, 0.05), study), CHE, design=Design(np.column_stack(columns), names))


@pytest.mark.parametrize("reference", ["satterthwaite", "naive-t", "naive-tp", "z", "saddlepoint"])
@pytest.mark.parametrize("correction", ["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"])
def test_no_standard_error_comes_with_the_name(correction, reference):
    table = robust_coefficients(lone(), correction=correction, reference=reference)
    assert np.array_equal(np.isnan(table.se), [False, True, False])
    assert np.array_equal(np.isnan(table.p_value), [False, True, False])
    assert table.notes[0].code == "coefficient-one-cluster"
    assert '"only a"' in table.notes[0].message
    assert '"others"' not in table.notes[0].message


def test_a_standard_error_that_lacks_the_only_study_is_marked():
    """The SE of a difference from study "a" holds the error of the others only: it hardly depends on v of "a"."""
    found = lone(deep=True)
    note = next(n for n in found.notes if n.code == "coefficient-lone-cluster")
    assert '"only a"' in note.message
    assert '"dose"' not in note.message
    own = found.effects.v * np.where(found.effects.study == "a", 100.0, 1.0)
    held = replace(found.spec, terms=tuple(replace(t, variance=0.1) for t in found.spec.terms))
    noisy = fit(replace(found.effects, v=own), held, design=found.design)
    model = fit(replace(found.effects, v=own), replace(held, test="z"), design=found.design)
    assert noisy.coefficients.se[1] < 0.2 * model.coefficients.se[1]


def test_ordinary_data_have_no_such_note():
    for name in ("konst, interaction", "tannersmith, CHE", "berkey, UN, REML"):
        assert not [n for n in given_fit(grid()[name]).notes if "cluster" in n.code]


@pytest.mark.parametrize("method", ["HTZ", "HTA", "HTB", "EDF", "EDT", "chi2", "naive-F", "naive-Fp"])
def test_a_joint_test_says_which_coefficient_stops_it(method):
    found = lone()
    both = wald_test(found, ["only a", "dose of others"], method=method)
    assert np.isnan(both.p_value)
    assert "only a" in both.note
    assert "dose" not in both.note
    assert np.isnan(wald_test(found, "only a", method=method).p_value)
    assert wald_test(found, "dose of others", method=method).p_value > 0
    # a combination that no other study determines
    deep = lone(deep=True)
    combined = wald_test(deep, {"intercept": 1, "only a": 1, "dose": 1}, method=method)
    assert np.isnan(combined.p_value)
    assert "only a" in combined.note


@pytest.mark.parametrize("spec", [CHE, Spec.correlated(), Spec.hierarchical()])
def test_effects_without_residuals_are_marked(spec):
    equal = Effects(np.full(8, 0.3), np.full(8, 0.1), np.repeat(list("abcd"), 2).astype(object))
    found = fit(equal, spec)
    assert found.coefficients.se[0] < 1e-15
    assert any(n.code == "se-zero" and '"intercept"' in n.message for n in found.notes)
    assert "all residuals are" in wald_test(found, "intercept").note
    with pytest.raises(InputError, match="all residuals are"):
        wild_bootstrap(found, [1.0], rng=np.random.default_rng(1))


def test_combinations_without_an_error_are_named():
    made = consilience.contrasts(lone(deep=True), {"intercept": 1, "only a": 1, "dose": 1})
    assert np.isnan(made.se[0])
    assert "intercept + only a + dose" in made.notes[0].message


def test_corrections_that_need_more_clusters_say_so():
    found = given_fit(grid()["bcg, three clusters"])
    table = robust_coefficients(found, correction="CR1p")
    assert np.isnan(table.se).all()
    assert "CR1p needs more clusters than coefficients (here 3 clusters" in table.notes[0].message
    again = fit(found.effects, replace(found.spec, test="CR1p"), design=found.design)
    assert any("CR1p needs" in note.message for note in again.notes)
    assert "CR1p needs" in wald_test(found, "x2", correction="CR1p").note


def test_wild_bootstrap_refuses_what_has_no_robust_variance():
    found, rng = lone(), np.random.default_rng(1)
    for call in (
        lambda: wild_bootstrap(found, np.eye(3)[1], rng=rng),
        lambda: wild_bootstrap(found, np.eye(3)[1:], rng=rng),
        lambda: wild_bootstrap_interval(found, np.eye(3)[1], rng=rng),
    ):
        with pytest.raises(InputError, match="only a") as caught:
            call()
        assert caught.value.code == "no-robust-variance"
    assert 0 < wild_bootstrap(found, np.eye(3)[2], rng=rng).p_value <= 1


@pytest.mark.parametrize("auxiliary", ["rademacher", "mammen", "webb", "normal"])
@pytest.mark.parametrize(
    "name", ["konst, four clusters", "berkey, UN, REML", "bcg, user weights", "assink, CHE"]
)
def test_wild_bootstrap_of_every_kind_of_fit_is_seeded(name, auxiliary):
    found = given_fit(grid()[name])
    p = len(found.coefficients.names)
    for rows in (np.eye(p)[p - 1], np.eye(p)[max(p - 2, 0) :]):
        a, b = (
            wild_bootstrap(found, rows, rng=np.random.default_rng(5), replicates=399, auxiliary=auxiliary)
            for _ in range(2)
        )
        assert a.p_value == b.p_value
        assert 0 < a.p_value <= 1
        assert a.df1 == len(np.atleast_2d(rows))


def test_jackknife_names_what_it_cannot_judge():
    made = jackknife(lone(deep=True))
    assert made.failed == 1
    assert np.isnan(made.se[1])
    assert np.isfinite(made.se[[0, 2]]).all()
    assert '"only a"' in made.notes[0].message
    assert "only a" in str(made)
    assert not jackknife(given_fit(grid()["konst, interaction"])).notes


def test_residuals_of_dependent_effects_with_weights_are_their_definition():
    """(I - H) y over the root of its variance (I - H) M (I - H)', H of the user's weights, with k x k matrices."""
    found = given_fit(grid()["assink, CHE with user weights"])
    effects, x, w = found.effects, found.design.matrix, np.array(found.effects.columns["w"])
    same = effects.study[:, None] == effects.study[None]
    m = effects.covariance() + found.components.variance[0] * same
    m += found.components.variance[1] * np.eye(effects.k)
    rest = np.eye(effects.k) - x @ np.linalg.solve(x.T @ (w[:, None] * x), x.T * w)
    made = consilience.models.standardised_residuals(found)
    np.testing.assert_allclose(made.raw, rest @ effects.y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made.se**2, np.diag(rest @ m @ rest.T), rtol=1e-8, atol=1e-12)
