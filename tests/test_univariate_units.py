"""Everything that follows from a fit, in units of 10^-150 and 10^150 and far from zero; decided by mpmath."""

from __future__ import annotations

from collections.abc import Mapping

import mpmath as mp
import numpy as np
import pytest

import consilience
from consilience import Design, Effects, Fit, Intercept, Scale, Spec
from consilience.inference import variance_inflation
from consilience.models import standardised_residuals
from exact_reml import coefficients, q_statistic, score

K = 12


def data(seed: int = 5) -> tuple[np.ndarray, np.ndarray, Design]:
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.01, 0.3, K)
    y = rng.normal(0.2, np.sqrt(v + 0.2))
    return y, v, Design(np.column_stack([np.ones(K), rng.normal(size=K)]), ("intercept", "x"))


def effects(y: np.ndarray, v: np.ndarray) -> Effects:
    return Effects(y, v, np.array([f"s{i}" for i in range(len(y))], dtype=object))


def of_effects(m: Fit) -> Mapping[str, np.ndarray]:
    """Numbers in the unit of the effects."""
    p = consilience.predict(m, np.array([[1.0, 0.5]]))
    at = consilience.contrasts(m, {"intercept": 1, "x": 2})
    blup, shrunken = consilience.term_effects(m), consilience.shrunken_effects(m)
    return {
        "coefficients": m.coefficients.estimate,
        "predictions": np.array([p.estimate[0], p.ci_low[0], p.pi_low[0], p.pi_high[0]]),
        "contrast": np.array([at.estimate[0], at.se[0], at.ci_low[0]]),
        "shrunken": np.array([shrunken.estimate, shrunken.se]),
        "BLUP": np.array([blup.total, blup.total_se]),
        "robust": consilience.robust_coefficients(m).se,
        "left out": consilience.leave_one_out(m).estimate,
    }


def of_squares(m: Fit, scale: Fit) -> Mapping[str, np.ndarray]:
    """Numbers in the unit of the variances."""
    profile = consilience.profile_interval(m, "row")
    found = {"profile": np.array([profile.low, profile.high]), "se": m.components.se}
    for method in ("q-profile", "generalised-q", "profile-likelihood"):
        h = consilience.heterogeneity_intervals(m, method=method)
        found[method] = np.array([h.tau2.low, h.tau2.high])
    assert scale.scale is not None
    return {**found, "scale": scale.scale.estimate, "scale se": scale.scale.se}


def without_unit(m: Fit, scale: Fit) -> Mapping[str, np.ndarray]:
    h = consilience.heterogeneity_intervals(m)
    residuals, influence = consilience.row_residuals(m), consilience.influence(m)
    tests = [
        consilience.wald_test(m, "x").statistic,
        consilience.wald_test(m, ["intercept", "x"]).statistic,
        consilience.wald_test(m, ["intercept", "x"], method="HTZ").statistic,
        consilience.heteroscedasticity_test(m).statistic,
        scale.tests["scale"].statistic,
        m.heterogeneity.r2,
    ]
    return {
        "tests": np.array(tests),
        "I2": np.array([h.i2.low, h.i2.high, h.h2.low, h.h2.high]),
        "residuals": np.array([residuals.standardised, residuals.deleted, residuals.cholesky]),
        "standardised": standardised_residuals(m).standardised,
        "weights": consilience.study_weights(m),
        "inflation": variance_inflation(m),
        "influence": np.array([influence.cook, influence.dffits]),
    }


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 1e150])
@pytest.mark.parametrize("link", ["log", "identity"])
def test_everything_that_follows_is_free_of_the_unit(factor: float, link) -> None:
    y, v, design = data(6)
    results = []
    for f in (1.0, factor):
        scaled = effects(y * f, v * f * f)
        m = consilience.fit(scaled, Spec.random_effects(), design=design)
        spec = Spec((Intercept(("row",)),), "ML", "z", scale=Scale(design.matrix, ("a", "b"), link))
        scale = consilience.fit(scaled, spec)
        assert scale.scale is not None
        squares = dict(of_squares(m, scale))
        if link == "log":
            shift = np.array([2 * np.log(f), 0.0])
            squares |= {"scale": (scale.scale.estimate - shift) * f * f, "scale se": scale.scale.se * f * f}
        results.append((of_effects(m), squares, without_unit(m, scale)))
    for part, unit in enumerate((factor, factor * factor, 1.0)):
        for name, expected in results[0][part].items():
            np.testing.assert_allclose(
                results[1][part][name] / unit, expected, rtol=1e-6, atol=1e-9, err_msg=name
            )


@pytest.mark.parametrize(
    ("factor", "shift", "spread"),
    [
        (1.0, 1e8, 0.0),
        (1e-150, 0.0, 0.0),
        (1e150, 0.0, 0.0),
        (1.0, 0.0, 12.0),
        (1e-150, 1e-142, 0.0),
        (1.0, 0.0, -12.0),
    ],
)
@pytest.mark.parametrize("moderated", [False, True])
def test_the_public_fit_at_sixty_digits(factor: float, shift: float, spread: float, moderated: bool) -> None:
    """tau^2 is where the score vanishes; coefficients, Knapp-Hartung errors and Q are those of exact arithmetic."""
    y, v, design = data(6)
    v = v * 10 ** (spread * np.linspace(-0.5, 0.5, K))
    y = y + np.sqrt(v) * np.random.default_rng(7).normal(size=K) * (spread != 0)
    y, v = y * factor + shift, v * factor * factor
    x = design.matrix if moderated else np.ones((K, 1))
    found = consilience.fit(
        effects(y, v), Spec.random_effects(), design=Design(x, ("intercept", "x")[: x.shape[1]])
    )
    tau2 = found.components.total
    step = 1e-8 * (tau2 + float(v.min()))
    assert score(y, v, x, tau2 + step, reml=True) <= 0
    assert tau2 == 0 or score(y, v, x, max(tau2 - step, 0.0), reml=True) >= 0
    exact, se = coefficients(y, v, x, tau2)
    ratio = mp.sqrt(q_statistic(y, v, x, tau2) / (K - x.shape[1]))
    for j in range(x.shape[1]):
        ours = found.coefficients
        assert abs(ours.estimate[j] - exact[j]) < 1e-9 * se[j] + abs(exact[j]) * 3e-16
        assert float(ours.se[j]) == pytest.approx(float(se[j] * ratio), rel=1e-9)
    assert found.heterogeneity.q == pytest.approx(float(q_statistic(y, v, x, 0)), rel=1e-8)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_a_scale_whose_likelihood_has_no_end_is_at_a_boundary(method) -> None:
    """All heterogeneity is in one study: the variances of the others go to zero, and no slope is large enough."""
    y, v, design = data(5)
    spec = Spec((Intercept(("row",)),), method, "z", scale=Scale(design.matrix, ("a", "b")))
    found = consilience.fit(effects(y, v), spec)
    assert found.optimum.status == "boundary"
    assert [note.code for note in found.notes] == ["scale-without-se"]
    assert np.isnan(found.scale.se).all()
    assert np.min(found.variances) < 1e-4
