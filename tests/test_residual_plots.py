"""Baujat, radial, quantile and residual plots, hat matrix and collinearity against their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consilience.base.errors import InputError, OptionError
from consilience.diagnostics import (
    baujat,
    collinearity,
    hat_matrix,
    influence,
    normal_quantiles,
    radial,
    residuals,
)
from consilience.inference import variance_inflation
from consilience.models import fit, row_residuals, shrunken_effects, standardised_residuals, term_effects
from consilience.records import Design, Effects, Fit, Intercept, Spec
from influence_brute import NESTED, least_squares, marginal, several, single

RANDOM = Spec((Intercept(("row",)),), "REML", "z")


def whole(ours: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """M, hat matrix and Var(y - Xb) with whole matrices."""
    m = marginal(ours, ours.components.theta)
    w = ours.spec.weights
    a, _ = least_squares(ours.design.matrix, m, ours.effects[w] if w else None)
    h = ours.design.matrix @ a
    rest = np.eye(len(m)) - h
    return m, h, rest @ m @ rest.T


@pytest.mark.parametrize("weights", ["", "w"])
def test_residuals_univariate(weights: str):
    effects, design = single(3)
    ours = fit(effects, replace(RANDOM, weights=weights), design=design)
    m, h, spread = whole(ours)
    found = residuals(ours, against="x")
    np.testing.assert_allclose(hat_matrix(ours), h, atol=1e-12)
    np.testing.assert_allclose(found.raw_se, np.sqrt(np.diag(spread)))
    np.testing.assert_allclose(found.standardised, standardised_residuals(ours).standardised)
    np.testing.assert_allclose(found.conditional, effects.y - shrunken_effects(ours).estimate)
    v = effects.covariance() @ np.linalg.inv(m)
    np.testing.assert_allclose(found.conditional_se, np.sqrt(np.diag(v @ spread @ v.T)))
    np.testing.assert_allclose(found.deleted, influence(ours).studentised)
    np.testing.assert_array_equal(found.x, effects["x"])


def test_residuals_of_dependent_effects():
    effects, design = several()
    ours = fit(effects, NESTED, design=design)
    m, h, spread = whole(ours)
    found, rows = residuals(ours), row_residuals(ours)
    np.testing.assert_allclose(hat_matrix(ours), h, atol=1e-10)
    np.testing.assert_allclose(found.fitted, rows.fitted)
    np.testing.assert_allclose(found.standardised, rows.standardised)
    np.testing.assert_allclose(found.raw_se, np.sqrt(np.diag(spread)))
    np.testing.assert_allclose(
        found.conditional, effects.y - rows.fitted - term_effects(ours).total, atol=1e-10
    )
    v = effects.covariance() @ np.linalg.inv(m)
    np.testing.assert_allclose(found.conditional_se, np.sqrt(np.diag(v @ spread @ v.T)))


def test_residuals_against_a_column():
    effects, _ = single(3)
    ours = fit(effects, RANDOM)
    np.testing.assert_array_equal(residuals(ours, against="year").x, effects["year"])
    with pytest.raises(InputError) as text:
        residuals(ours, against="kind")
    assert text.value.code == "not-numeric"


@pytest.mark.parametrize("by", ["study", "effect"])
def test_baujat_against_refits(by: str):
    effects, design = several()
    ours = fit(effects, NESTED, design=design)
    found = baujat(ours, by=by)
    m, x = marginal(ours, ours.components.theta), design.matrix
    e = effects.y - x @ ours.coefficients.estimate
    for j, label in enumerate(found.label):
        rows = effects.study == label if by == "study" else np.arange(effects.k) == j
        rest = fit(effects.take(~rows), NESTED, design=replace(design, matrix=x[~rows]))
        c = rest.coefficients
        gap = x[rows] @ (ours.coefficients.estimate - c.estimate)
        spread = np.einsum("kp,pq,kq->k", x[rows], c.covariance, x[rows])
        assert found.x[j] == pytest.approx(e[rows] @ np.linalg.solve(m[np.ix_(rows, rows)], e[rows]))
        assert found.y[j] == pytest.approx(np.mean(gap**2 / spread), rel=1e-6, abs=1e-9)


def test_baujat_of_equal_effects_adds_up_to_q():
    effects, _ = single()
    ours = fit(effects, Spec.equal_effects())
    assert baujat(ours).x.sum() == pytest.approx(ours.heterogeneity.q)


def test_radial_slope_is_the_pooled_effect():
    effects, design = single()
    ours = fit(effects, RANDOM)
    found = radial(ours)
    slope = np.sum(found.x * found.y) / np.sum(found.x**2)
    assert slope == pytest.approx(found.slope)
    with pytest.raises(InputError) as error:
        radial(fit(effects, RANDOM, design=design))
    assert error.value.code == "pooled-mean"


def test_quantiles_are_those_of_r():
    """qqnorm's plotting positions: ppoints(5) = (i - 3/8) / (n + 1/4), ppoints(12) = (i - 1/2) / n."""
    from statistics import NormalDist

    effects, _ = single(1, 5)
    five = normal_quantiles(fit(effects, RANDOM))
    expected = [NormalDist().inv_cdf((i - 0.375) / 5.25) for i in range(1, 6)]
    np.testing.assert_allclose(five.theoretical, expected, atol=1e-12)
    effects, _ = single(1, 12)
    twelve = normal_quantiles(fit(effects, RANDOM))
    assert twelve.theoretical[0] == pytest.approx(NormalDist().inv_cdf(0.5 / 12))
    np.testing.assert_allclose(
        twelve.sample, np.sort(standardised_residuals(fit(effects, RANDOM)).standardised)
    )
    assert twelve.label[0] == f"Study {twelve.row[0]}"
    assert twelve.draws == 0


def test_cholesky_residuals_are_uncorrelated():
    effects, design = several(5, 12)
    ours = fit(effects, NESTED, design=design)
    m, _, spread = whole(ours)
    root = np.linalg.inv(np.linalg.cholesky(m))
    white = root @ (effects.y - design.matrix @ ours.coefficients.estimate)
    variance = np.diag(root @ spread @ root.T)
    found = normal_quantiles(ours, kind="cholesky")
    np.testing.assert_allclose(found.sample, np.sort(white / np.sqrt(variance)), rtol=1e-8)


@pytest.mark.parametrize("kind", ["standardised", "cholesky"])
def test_envelope_holds_what_it_says(kind: str):
    """Residuals of data drawn from the fitted model itself lie within 95% limits 95% of the time."""
    effects, design = several(5, 12)
    ours = fit(effects, NESTED, design=design)
    m, h, _ = whole(ours)
    rng = np.random.default_rng(5)
    found = normal_quantiles(ours, rng=rng, kind=kind, draws=2000)
    lower, inside = np.linalg.cholesky(m), []
    for _ in range(60):
        e = (np.eye(len(m)) - h) @ lower @ rng.standard_normal(len(m))
        # the same fit with other effects: fitted values do not matter for residuals
        y = design.matrix @ ours.coefficients.estimate + e
        other = normal_quantiles(replace(ours, effects=replace(effects, y=y)), kind=kind)
        inside.append(np.mean((other.sample >= found.low) & (other.sample <= found.high)))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


def test_envelope_repeats_with_its_seed_and_asks_for_three_residuals():
    effects, _ = single()
    ours = fit(effects, RANDOM)
    a, b = (normal_quantiles(ours, rng=np.random.default_rng(1), draws=50) for _ in range(2))
    np.testing.assert_array_equal(a.low, b.low)
    two, _ = single(1, 2)
    with pytest.raises(InputError) as few:
        normal_quantiles(fit(two, RANDOM))
    assert few.value.code == "too-few-residuals"
    with pytest.raises(OptionError):
        normal_quantiles(ours, kind="raw")


def moderated(seed: int = 1, k: int = 60) -> tuple[Effects, Design]:
    """Two correlated moderators and a factor of three levels."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=k)
    b = 0.8 * a + 0.6 * rng.normal(size=k)
    g = rng.integers(0, 3, k)
    matrix = np.column_stack([np.ones(k), a, b, g == 1, g == 2]).astype(float)
    terms = {"intercept": (0,), "a": (1,), "b": (2,), "g": (3, 4)}
    effects = Effects(
        rng.normal(0, 0.4, k), rng.uniform(0.02, 0.2, k), np.array([f"S{i}" for i in range(k)], dtype=object)
    )
    return effects, Design(matrix, ("intercept", "a", "b", "g1", "g2"), "a + b + g", terms)


def test_single_columns_have_the_usual_vif():
    effects, design = moderated()
    ours = fit(effects, RANDOM, design=replace(design, terms={}))
    found = collinearity(ours)
    np.testing.assert_allclose(found.gvif, variance_inflation(ours)[1:])
    assert found.share.shape == (0,)
    # weighted regression of a moderator on the others: VIF = 1 / (1 - R^2)
    w = 1 / (effects.v + ours.components.total)
    x = design.matrix
    own, others = x[:, 1], np.delete(x, 1, axis=1)
    rest = own - others @ np.linalg.lstsq(np.sqrt(w)[:, None] * others, np.sqrt(w) * own, rcond=None)[0]
    middle = own - np.average(own, weights=w)
    assert found.gvif[0] == pytest.approx((w @ middle**2) / (w @ rest**2))


def test_gvif_does_not_depend_on_the_coding_of_a_factor():
    """Fox & Monette's requirement: another basis of the factor's columns, another unit of a covariate."""
    effects, design = moderated()
    base = collinearity(fit(effects, RANDOM, design=design))
    x = design.matrix.copy()
    x[:, 3:] = x[:, 3:] @ np.array([[1.0, 0.3], [-2.0, 5.0]])
    x[:, 1] *= 1000
    again = collinearity(fit(effects, RANDOM, design=replace(design, matrix=x)))
    np.testing.assert_allclose(again.gvif, base.gvif, rtol=1e-8)
    assert base.term == ("a", "b", "g")
    np.testing.assert_allclose(base.scaled, base.gvif ** (0.5 / np.array([1, 1, 2])))


def test_shuffled_reference_held_and_reestimated():
    effects, design = moderated()
    ours = fit(effects, RANDOM, design=design)
    held = collinearity(ours, rng=np.random.default_rng(2), draws=80)
    again = collinearity(ours, rng=np.random.default_rng(2), draws=80, reestimate=True)
    assert held.share[0] == 1  # a and b are correlated by construction
    assert (held.simulated >= 1 - 1e-12).all()
    np.testing.assert_allclose(held.expected, again.expected, rtol=0.02)
    same = fit(effects, replace(RANDOM, terms=(Intercept(("row",), ours.components.total),)), design=design)
    exact = collinearity(same, rng=np.random.default_rng(2), draws=80, reestimate=True)
    np.testing.assert_allclose(held.simulated, exact.simulated, rtol=1e-8)
    weighted = fit(
        replace(effects, columns={"w": effects.v + 1}), replace(same.spec, weights="w"), design=design
    )
    a, b = (
        collinearity(weighted, rng=np.random.default_rng(3), draws=20, reestimate=r) for r in (False, True)
    )
    np.testing.assert_allclose(a.simulated, b.simulated, rtol=1e-8)


def test_moderators_of_studies_are_shuffled_between_studies():
    effects, _ = several(5, 12)
    rng = np.random.default_rng(1)
    of_study = {s: rng.normal() for s in effects.studies}
    z = np.array([of_study[s] for s in effects.study])
    matrix = np.column_stack([np.ones(effects.k), z, effects["x"]])
    ours = fit(effects, NESTED, design=Design(matrix, ("intercept", "z", "x")))
    found = collinearity(ours, rng=rng, draws=50)
    assert found.how.endswith("between studies: z")
    assert np.isfinite(found.simulated).all()


def test_no_moderators_no_collinearity():
    effects, _ = single()
    with pytest.raises(InputError) as none:
        collinearity(fit(effects, RANDOM))
    assert none.value.code == "no-moderators"
