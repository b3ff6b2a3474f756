"""Location-scale models: derivatives, special cases, recovery."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.likelihood.location_scale import _Surface
from consilience.likelihood.prepare import prepare
from consilience.models import fit
from consilience.models.compare import likelihood_ratio_test
from consilience.records import Design, Effects, Fit, Intercept, Scale, Spec
from exact_reml import log_likelihood


def data(seed: int, k: int, *, slope: float = 1.0) -> tuple[Effects, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=k)
    x = np.column_stack([np.ones(k), rng.normal(size=k)])
    v = rng.uniform(0.02, 0.2, k)
    y = x @ [0.4, -0.2] + rng.normal(0, np.sqrt(v + np.exp(-2 + slope * z)))
    return Effects(y, v, np.arange(k).astype(object)), x, np.column_stack([np.ones(k), z])


def fitted(effects: Effects, x: np.ndarray, z: np.ndarray, *, method: str = "REML", link: str = "log") -> Fit:
    names = tuple(f"z{j}" for j in range(z.shape[1]))
    spec = Spec((Intercept(("row",)),), method, "z", scale=Scale(z, names, link))
    return fit(effects, spec, design=Design(x, tuple(f"x{j}" for j in range(x.shape[1]))))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("log_link", [True, False])
@pytest.mark.parametrize("moderated", [True, False])
def test_derivatives_by_differences(reml: bool, log_link: bool, moderated: bool) -> None:
    effects, x, z = data(1, 9)
    prepared = prepare(effects.y[None], effects.v[None], x if moderated else None)
    surface = _Surface(prepared.problem, z[prepared.order[:, 0]], log_link, reml)
    alpha = np.array([0.3, 0.4]) if log_link else np.array([2.0, 0.3])
    gradient, _, observed = surface.derivatives(alpha)
    step = 1e-5
    for i in range(2):
        e = step * np.eye(2)[i]
        slope = (surface.height(alpha + e) - surface.height(alpha - e)) / (2 * step)
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-7)
        bend = (surface.derivatives(alpha + e)[0] - surface.derivatives(alpha - e)[0]) / (2 * step)
        np.testing.assert_allclose(-observed[i], bend, rtol=1e-6, atol=1e-7)


def test_expected_information_by_simulation() -> None:
    """The covariance of the restricted score over data drawn from the model."""
    effects, x, z = data(2, 8)
    alpha, rng = np.array([-1.5, 0.5]), np.random.default_rng(3)
    draws = rng.normal(0, np.sqrt(effects.v + np.exp(z @ alpha)), (4_000, 8))
    scores, expected = [], None
    for y in draws:
        prepared = prepare(y[None], effects.v[None], x)
        order, unit = prepared.order[:, 0], 4.0 ** -prepared.exponent[0]
        surface = _Surface(prepared.problem, z[order], True, True)
        gradient, expected, _ = surface.derivatives(alpha + np.array([np.log(unit), 0.0]))
        scores.append(gradient)
    np.testing.assert_allclose(np.cov(np.array(scores).T), expected, rtol=0.12, atol=0.02)


@pytest.mark.parametrize("link", ["log", "identity"])
@pytest.mark.parametrize("method", ["ML", "REML"])
def test_a_constant_scale_is_the_random_effects_model(link: str, method: str) -> None:
    effects, x, z = data(4, 20)
    found = fitted(effects, x, z[:, :1], method=method, link=link)
    plain = fit(effects, Spec((Intercept(("row",)),), method, "z"), design=Design(x, ("x0", "x1")))
    assert found.components.total == pytest.approx(plain.components.total, rel=1e-5)
    assert found.loglik == pytest.approx(plain.loglik, rel=1e-10)
    np.testing.assert_allclose(found.coefficients.estimate, plain.coefficients.estimate, rtol=1e-5)


def test_groups_of_variance_are_separate_analyses() -> None:
    """With group dummies in both parts, ML splits into one random-effects model for each group."""
    effects, _, _ = data(5, 24)
    group = np.arange(24) % 2
    x = np.column_stack([group == 0, group == 1]).astype(float)
    found = fitted(effects, x, x, method="ML")
    assert found.scale is not None
    for g in (0, 1):
        alone = fit(effects.take(group == g), Spec((Intercept(("row",)),), "ML", "z"))
        assert np.exp(found.scale.estimate[g]) == pytest.approx(alone.components.total, rel=1e-5)
        assert found.coefficients.estimate[g] == pytest.approx(
            float(alone.coefficients.estimate[0]), rel=1e-6
        )


def test_the_likelihood_is_the_normal_one() -> None:
    effects, x, z = data(6, 15)
    for method in ("ML", "REML"):
        found = fitted(effects, x, z, method=method)
        assert found.variances is not None
        exact = log_likelihood(effects.y, effects.v + found.variances, x, 0, reml=method == "REML")
        assert found.loglik == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize("factor", [1e-60, 1e60])
def test_the_unit_of_measurement_does_not_matter(factor: float) -> None:
    effects, x, z = data(7, 15)
    one = fitted(effects, x, z)
    other = fitted(Effects(effects.y * factor, effects.v * factor**2, effects.study), x, z)
    assert one.scale is not None
    assert other.scale is not None
    assert other.scale.estimate[1] == pytest.approx(float(one.scale.estimate[1]), rel=1e-6)
    assert other.scale.estimate[0] - 2 * np.log(factor) == pytest.approx(
        float(one.scale.estimate[0]), abs=1e-6
    )
    np.testing.assert_allclose(other.scale.se, one.scale.se, rtol=1e-5)


def test_the_scale_is_recovered() -> None:
    """400 studies, log tau^2 = -2 + z: both coefficients within three standard errors; the slope is seen."""
    effects, x, z = data(8, 400)
    found = fitted(effects, x, z)
    assert found.scale is not None
    assert (np.abs(found.scale.estimate - [-2.0, 1.0]) < 3 * found.scale.se).all()
    assert found.tests["scale"].p_value < 1e-6
    assert found.optimum.status == "converged"


def test_the_identity_link_stays_positive() -> None:
    effects, x, z = data(9, 40, slope=2.5)
    found = fitted(effects, x, z, link="identity")
    assert found.variances is not None
    assert (found.variances >= 0).all()
    flat = fitted(effects, x, z[:, :1], link="identity")
    assert found.loglik > flat.loglik


def test_what_is_refused() -> None:
    effects, x, z = data(10, 10)
    with pytest.raises(InputError, match="needs ML or REML") as caught:
        fit(effects, Spec((Intercept(("row",)),), "DL", "z", scale=Scale(z, ("a", "b"))))
    assert caught.value.code == "scale-method"
    with pytest.raises(InputError, match="no constant"):
        fitted(effects, x, z[:, 1:])
    with pytest.raises(InputError, match="dependent columns: z1"):
        fitted(effects, x, np.ones((10, 2)))


def test_a_likelihood_ratio_against_equal_variances() -> None:
    """The test of the scale moderator by likelihood counts one parameter more."""
    effects, x, z = data(11, 60, slope=1.5)
    full, flat = fitted(effects, x, z, method="ML"), fitted(effects, x, z[:, :1], method="ML")
    found = likelihood_ratio_test(full, flat)
    assert found.df1 == 1
    assert found.statistic == pytest.approx(2 * (full.loglik - flat.loglik), rel=1e-12)
    assert found.p_value < 0.05
