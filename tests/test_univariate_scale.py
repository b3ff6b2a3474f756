"""Location-scale models: derivatives, special cases, recovery."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.inference import contrasts, robust_coefficients, wald_test
from consilience.likelihood.location_scale import _Surface
from consilience.likelihood.prepare import prepare
from consilience.models import fit, predict, row_residuals, study_averages, study_weights, term_effects
from consilience.models.compare import likelihood_ratio_test
from consilience.records import Design, Effects, Fit, Intercept, Scale, Spec
from exact_reml import log_likelihood
from published_data import dataset, plain


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


def test_predictions_have_the_variance_of_their_own_study() -> None:
    """Bangert-Drowns et al. (2004); figures of metafor 3.8.1: rma(mods = ~x, scale = ~x), predict at x = 0.5 and 2."""
    t = dataset("convert_misc", "bd")
    x = np.column_stack([np.ones(len(t["yi"])), t["x"]])
    spec = Spec((Intercept(("row",)),), "REML", "z", scale=Scale(x, ("intercept", "x")))
    found = fit(plain(t["yi"], t["vi"]), spec, design=Design(x, ("intercept", "x")))
    at = [[1.0, 0.5], [1.0, 2.0]]
    p = predict(found, at, z=at)
    expected = [
        [0.2631814180, 0.06017127597, 0.1452478842, 0.3811149518, -0.3683982974, 0.8947611334],
        [0.1846331854, 0.04043111466, 0.1053896568, 0.2638767140, -0.1279676057, 0.4972339765],
    ]
    ours = np.column_stack([p.estimate, p.se, p.ci_low, p.ci_high, p.pi_low, p.pi_high])
    np.testing.assert_allclose(ours, expected, rtol=2e-6)
    logs = contrasts(found, np.array(at), part="scale")
    expected = [
        [-2.300404093, 0.4902323373, -3.261241818, -1.339566368],
        [-3.737927542, 0.6585792048, -5.028719064, -2.447136019],
    ]
    ours = np.column_stack([logs.estimate, logs.se, logs.ci_low, logs.ci_high])
    np.testing.assert_allclose(ours, expected, rtol=2e-6)
    assert wald_test(found, "x", part="scale").statistic == pytest.approx(3.468553118, rel=1e-4)
    assert "averaged" not in p.pi_method
    assert "averaged" in predict(found, at).pi_method
    own = predict(found)
    assert len(own.estimate) == len(np.unique(x, axis=0))
    np.testing.assert_allclose(np.unique(own.pi_high - own.pi_low).size, len(own.estimate))
    with pytest.raises(InputError, match="Scale moderators have shape"):
        predict(found, at, z=[1.0])
    with pytest.raises(InputError, match="Only a location-scale"):
        predict(fit(plain(t["yi"], t["vi"]), Spec.random_effects()), z=[1.0])


def test_what_is_said_of_each_study_uses_its_own_variance() -> None:
    """Robust coefficients, residuals, predictions and study weights of a location-scale fit, by their definitions."""
    effects, x, z = data(13, 25)
    found = fitted(effects, x, z)
    assert found.variances is not None
    m = effects.v + found.variances
    bread = np.linalg.inv(x.T @ (x / m[:, None]))
    rest = effects.y - x @ found.coefficients.estimate
    leverage = np.einsum("kp,pq,kq->k", x, bread, x)
    np.testing.assert_allclose(robust_coefficients(found).estimate, found.coefficients.estimate, rtol=1e-9)
    meat = (x / m[:, None] * rest[:, None]) @ bread
    np.testing.assert_allclose(
        robust_coefficients(found, correction="CR0").se, np.sqrt(np.diag(meat.T @ meat)), rtol=1e-9
    )
    residuals, random = row_residuals(found), term_effects(found)
    np.testing.assert_allclose(residuals.raw, rest, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(residuals.standardised, rest / np.sqrt(m - leverage), rtol=1e-8)
    share = found.variances / m
    np.testing.assert_allclose(random.total, share * rest, rtol=1e-9)
    np.testing.assert_allclose(
        random.total_se**2, share * effects.v + share**2 * leverage, rtol=1e-8
    )  # K - K P K
    np.testing.assert_allclose(study_averages(found).weight, study_weights(found), rtol=1e-9)


def test_as_many_coefficients_as_effects_leave_nothing_for_the_scale() -> None:
    x = np.column_stack([np.ones(2), [0.0, 1.0]])
    for method in ("REML", "ML"):
        spec = Spec((Intercept(("row",)),), method, "z", scale=Scale(np.ones((2, 1)), ("intercept",)))
        with pytest.raises(InputError) as caught:
            fit(plain([0.1, 0.4], [0.1, 0.2]), spec, design=Design(x, ("intercept", "x")))
        assert caught.value.code == "too-few-effects"


def test_a_variance_at_its_limit_is_named() -> None:
    y, v = np.array([0.1, 0.12, 0.09, 0.11, 0.1]), np.full(5, 0.2)
    univariate = fit(plain(y, v), Spec.random_effects(test="z"))
    assert univariate.optimum.status == "boundary"
    assert univariate.optimum.limits == ('the variance "row" is 0',)
    z = np.column_stack([np.ones(5), np.arange(5.0)])
    scale = Scale(z, ("intercept", "z"), "identity")
    found = fit(plain(y, v), Spec((Intercept(("row",)),), "REML", "z", scale=scale))
    assert found.optimum.status == "boundary"
    assert "variance of some studies" in found.optimum.limits[0]


def test_no_test_is_said_by_name() -> None:
    """As many coefficients as effects: a multilevel fit says whose test is missing, whatever the reference."""
    x = np.column_stack([np.ones(3), [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    effects = Effects(np.array([0.1, 0.4, 0.2]), np.full(3, 0.1), np.array(["a", "a", "b"]))
    for test in ("t", "knapp-hartung", "knapp-hartung-floor"):
        spec = Spec((Intercept(("study",)), Intercept(("row",))), "REML", test)
        found = fit(effects, spec, design=Design(x, ("intercept", "b", "c")))
        said = [str(note) for note in found.notes if note.code == "df-none"]
        assert len(said) == 1
        assert '"intercept", "b", "c"' in said[0]
