"""Cluster-robust covariance and its tests: against the definition with k x k matrices, invariances, simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError, OptionError
from consilience.inference import robust_coefficients, wald_test
from consilience.inference.robust import robust_covariance, satterthwaite
from consilience.inference.wald import matched_f, normalised
from consilience.inference.working import working_of
from consilience.models import fit
from consilience.records import Design, Effects, Intercept, Spec
from engine_reference import che_covariance, dense_cr2, dense_eta, dense_robust, random_effects_data

CHE = Spec.che()


def _fitted(seed: int, studies: int = 9, moderators: int = 1):
    effects = random_effects_data(seed, studies=studies)
    rng = np.random.default_rng(seed + 1)
    x = np.column_stack([np.ones(effects.k), *(rng.normal(size=effects.k) for _ in range(moderators))])
    return fit(effects, CHE, design=Design(x, tuple(f"x{i}" for i in range(moderators + 1))))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_cr2_is_its_definition(seed):
    found = _fitted(seed)
    m = che_covariance(found.effects, *found.components.variance)
    robust, expected, df = dense_cr2(found.effects.y, found.design.matrix, m, found.effects.study)
    np.testing.assert_allclose(found.coefficients.covariance, robust, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.coefficients.df, df, rtol=1e-6)
    # Bell & McCaffrey: unbiased under the working model
    np.testing.assert_allclose(expected, working_of(found).covariance, rtol=1e-7, atol=1e-12)


def test_cr3_is_the_jackknife_of_clusters():
    """CR3 with inverse-variance weights is the sum of squared changes when each cluster is left out (Bell & McCaffrey)."""
    found = _fitted(3)
    m = che_covariance(found.effects, *found.components.variance)
    x, y = found.design.matrix, found.effects.y
    changes = []
    for label in found.effects.studies:
        keep = found.effects.study != label
        w = np.linalg.inv(m[np.ix_(keep, keep)])
        beta = np.linalg.solve(x[keep].T @ w @ x[keep], x[keep].T @ w @ y[keep])
        changes.append(beta - found.coefficients.estimate)
    jackknife = np.array(changes).T @ np.array(changes)
    ours = robust_covariance(working_of(found), "CR3").covariance
    np.testing.assert_allclose(ours, jackknife, rtol=1e-8)


@pytest.mark.parametrize("method", ["HTZ", "HTA", "HTB", "EDF"])
def test_one_constraint_is_the_t_test(method):
    found = _fitted(5)
    row = np.array([[0.0, 1.0]])
    result = wald_test(found, row, method=method)
    c = found.coefficients
    if method != "EDF" or c.df[1] > 4.1:
        assert result.df2 == pytest.approx(c.df[1], rel=1e-8)
        assert result.statistic == pytest.approx(c.statistic[1] ** 2, rel=1e-8)
        assert result.p_value == pytest.approx(c.p_value[1], rel=1e-7)


@pytest.mark.parametrize("method", ["HTZ", "HTA", "EDF", "EDT", "chi2", "naive-F", "naive-Fp"])
def test_tests_do_not_depend_on_how_the_hypothesis_is_written(method):
    found = _fitted(7, studies=14, moderators=3)
    rows = np.eye(4)[1:]
    mixed = np.array([[2.0, 1.0, 0.0], [0.0, 1e4, 3.0], [1.0, 0.0, -1.0]]) @ rows
    a, b = wald_test(found, rows, method=method), wald_test(found, mixed, method=method)
    assert a.statistic == pytest.approx(b.statistic, rel=1e-7)
    assert a.df2 == pytest.approx(b.df2, rel=1e-7)


def test_hypothesis_value():
    found = _fitted(8)
    at = wald_test(found, np.eye(2), value=found.coefficients.estimate)
    assert at.statistic == pytest.approx(0.0, abs=1e-20)
    assert at.p_value == pytest.approx(1.0)


def test_wald_refuses_nonsense():
    found = _fitted(8)
    with pytest.raises(InputError, match="linearly independent"):
        wald_test(found, np.array([[0.0, 1.0], [0.0, 2.0]]))
    with pytest.raises(OptionError, match='Did you mean "HTZ"'):
        wald_test(found, np.eye(2), method="HTz")  # type: ignore[arg-type]


def test_too_few_clusters_give_a_reason_not_a_number():
    found = _fitted(9, studies=4, moderators=3)
    result = wald_test(found, np.eye(4))
    assert np.isnan(result.p_value)
    assert "too few clusters" in result.note


def test_a_coefficient_of_one_cluster_has_no_robust_error():
    effects = Effects(
        np.array([0.3, 0.5, 0.2, 0.9, 0.1, 0.4]), np.full(6, 0.05), np.array(list("aabbcc"), dtype=object)
    )
    x = np.column_stack([np.ones(6), [0, 0, 1, 1, 1, 1]])
    found = fit(effects, CHE, design=Design(x, ("first", "rest")))
    assert np.isnan(found.coefficients.se[0])
    assert any("only one study" in note.message and '"first"' in note.message for note in found.notes)
    table = robust_coefficients(found, correction="CR0", reference="z")
    assert np.isnan(table.se[0])


def test_balanced_intercept_has_the_textbook_t():
    """Equal clusters and an intercept only: CR2 is the variance of the study means, df = m - 1."""
    rng = np.random.default_rng(1)
    m, n = 7, 3
    y = rng.normal(size=m * n)
    effects = Effects(y, np.full(m * n, 0.1), np.repeat(np.arange(m), n).astype(str).astype(object))
    found = fit(effects, CHE)
    means = y.reshape(m, n).mean(axis=1)
    assert found.coefficients.se[0] == pytest.approx(means.std(ddof=1) / np.sqrt(m), rel=1e-10)
    assert found.coefficients.df[0] == pytest.approx(m - 1, rel=1e-10)


def test_clusters_must_contain_the_random_terms():
    effects = random_effects_data(2)
    crossed = Spec((Intercept(("study",)), Intercept(("outcome",))), "REML", "CR2")
    with pytest.raises(InputError, match="different clusters"):
        fit(effects, crossed)


def test_hill_deviates_have_the_tail_of_t():
    mpmath = pytest.importorskip("mpmath")
    for nu, t in ((6.5, 1.3), (12.0, 2.4), (40.0, 3.1)):
        tail = mpmath.betainc(nu / 2, 0.5, 0, nu / (nu + t * t), regularized=True) / 2
        normal = mpmath.erfc(float(normalised(np.array([t]), np.array([nu]))[0]) / mpmath.sqrt(2)) / 2
        assert float(normal) == pytest.approx(float(tail), rel=2e-4)


def test_matched_f_has_the_moments_of_the_sum_of_squared_t():
    nu = np.array([9.0, 14.0, 30.0])
    factor, df2 = matched_f(nu)
    rng = np.random.default_rng(0)
    q = sum(rng.standard_t(n, 400_000) ** 2 for n in nu) * factor / 3
    assert q.mean() == pytest.approx(df2 / (df2 - 2), rel=0.01)
    variance = 2 * df2**2 * (3 + df2 - 2) / (3 * (df2 - 2) ** 2 * (df2 - 4))
    assert q.var() == pytest.approx(variance, rel=0.1)


def test_cr2_keeps_its_size_with_a_wrong_working_model():
    """Effects of a study correlate at .9 but the working model says independent: 5% tests reject about 5%."""
    rejected, runs = 0, 400
    spec = replace(CHE, terms=(), method="EE")
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        study = np.repeat(np.arange(12), 3)
        y = 0.95 * rng.normal(size=12)[study] + 0.3 * rng.normal(size=36)
        effects = Effects(y, np.full(36, 1.0), study.astype(str).astype(object))
        rejected += fit(effects, spec).coefficients.p_value[0] < 0.05
    assert 0.025 < rejected / runs < 0.085


def test_satterthwaite_of_a_zero_contrast_is_missing():
    found = _fitted(2)
    assert np.isnan(satterthwaite(robust_covariance(working_of(found)), np.zeros((1, 2)))[0])


@pytest.mark.parametrize("spec", [Spec.correlated(rho=0.5), Spec.hierarchical()])
def test_working_models_are_unbiased_for_their_components(spec):
    """Simulation under the working model: tau^2 (and omega^2) come back on average."""
    tau2, omega2 = 0.08, 0.05 if spec.method == "HIER" else 0.0
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        size = rng.integers(1, 5, 30)
        study = np.repeat(np.arange(30), size)
        v = rng.uniform(0.02, 0.1, 30)[study]
        shared = np.sqrt(0.5) if spec.method == "CORR" else 0.0
        noise = np.sqrt(v) * (
            shared * rng.normal(size=30)[study] + np.sqrt(1 - shared**2) * rng.normal(size=len(study))
        )
        y = 0.2 + rng.normal(0, np.sqrt(tau2), 30)[study] + rng.normal(0, np.sqrt(omega2), len(study)) + noise
        found.append(fit(Effects(y, v, study.astype(str).astype(object)), spec).components.variance)
    mean = np.mean(found, axis=0)
    assert mean[0] == pytest.approx(tau2, rel=0.1)
    if spec.method == "HIER":
        assert mean[1] == pytest.approx(omega2, rel=0.1)


def test_working_model_units():
    effects = random_effects_data(4)
    for spec in (Spec.correlated(), Spec.hierarchical()):
        a = fit(effects, spec)
        b = fit(replace(effects, y=effects.y * 1e100, v=effects.v * 1e200, blocks=()), spec)
        np.testing.assert_allclose(b.coefficients.se / 1e100, a.coefficients.se, rtol=1e-9)
        np.testing.assert_allclose(b.components.variance / 1e200, a.components.variance, rtol=1e-9)


KINDS = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")


def _any_fit(seed: int, weights: str, exact: bool):
    """Uneven clusters with singletons; `exact`: one cluster determines a coefficient."""
    effects = random_effects_data(seed, studies=8, most=5)
    rng = np.random.default_rng(seed + 7)
    effects = replace(effects, columns={**effects.columns, "w": rng.uniform(0.2, 5.0, effects.k)})
    x = np.column_stack([np.ones(effects.k), rng.normal(size=(effects.k, 2))])
    if exact:
        x[:, 2] = effects.study == effects.studies[2]
    spec = replace(CHE, weights=weights)
    return fit(effects, spec, design=Design(x, ("a", "b", "c")))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("weights", ["", "w", "equal"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_correction_is_its_definition(kind, weights, exact):
    """Covariance, degrees of freedom, HTZ and HTA against k x k matrices."""
    for seed in (1, 2, 3):
        found = _any_fit(seed, weights, exact)
        effects, x = found.effects, found.design.matrix
        m = che_covariance(effects, *found.components.variance)
        w = None if not weights else effects["w"] if weights == "w" else np.ones(effects.k)
        h = dense_robust(x, m, effects.study, kind=kind, weights=w)
        table = robust_coefficients(found, correction=kind)
        dense = np.einsum("jpk,k->jp", h, effects.y)
        np.testing.assert_allclose(table.covariance, dense.T @ dense, rtol=1e-6, atol=1e-10)
        for i in range(3):
            g = h[:, i] @ m @ h[:, i].T
            assert table.df[i] == pytest.approx(np.trace(g) ** 2 / np.trace(g @ g), rel=1e-6)
        c = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, -2.0]])
        for method in ("HTZ", "HTA"):
            result = wald_test(found, c, method=method, correction=kind)
            assert result.df2 + 1 == pytest.approx(dense_eta(h, m, c, method=method), rel=1e-6)


@pytest.mark.parametrize("weights", ["", "w"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_variance_that_is_too_small_is_named(kind, weights):
    """A cluster that determines a coefficient has residuals of zero, so its share of the variance is missing."""
    found = _any_fit(4, weights, exact=True)
    m = che_covariance(found.effects, *found.components.variance)
    h = dense_robust(
        found.design.matrix,
        m,
        found.effects.study,
        kind="CR2",
        weights=found.effects["w"] if weights else None,
    )
    expected = np.einsum("jpk,kl,jql->pq", h, m, h)
    share = np.diag(expected) / np.diag(working_of(found).covariance)
    assert share[2] < 0.999
    code = "coefficient-lone-cluster"
    (note,) = [n for n in robust_coefficients(found, correction=kind).notes if n.code == code]
    assert '"c"' in note.message
    assert '"a"' not in note.message
    assert '"c"' in wald_test(found, "c", method="HTZ", correction=kind).note
    assert wald_test(found, "a", method="HTZ", correction=kind).note == ""
    assert code not in [
        n.code for n in robust_coefficients(_any_fit(4, weights, False), correction=kind).notes
    ]
    refitted = fit(found.effects, replace(found.spec, test=kind), design=found.design)
    assert code in [n.code for n in refitted.notes]
