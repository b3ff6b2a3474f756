"""Unstructured matrices of which some elements are given stay covariance matrices."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.likelihood.angles import by_angles
from consilience.models import fit, profile
from consilience.records import Fit, Inner, Spec
from several_effects import R, three_outcomes, three_outcomes_fit

NAN = float("nan")


def given(variance: tuple[float, ...] | None, correlation: tuple[float, ...] | None) -> Fit:
    whole = three_outcomes_fit()
    term = Inner("outcome", "study", "UN", variance=variance, correlation=correlation)
    return fit(three_outcomes(), Spec((term,), "REML", "z"), design=whole.design)


def correlations(found: Fit) -> np.ndarray:
    r = np.eye(3)
    r[np.triu_indices(3, 1)] = list(found.components.correlations.values())
    return np.triu(r) + np.triu(r, 1).T


@pytest.mark.parametrize(
    ("name", "correlation"),
    [
        ("outcome|study: x, y", (0.4, NAN, NAN)),
        ("outcome|study: x, z", (NAN, -0.2, NAN)),
        ("outcome|study: y, z", (NAN, NAN, 0.3)),
    ],
)
def test_a_given_correlation_is_a_point_of_the_profile(name: str, correlation: tuple[float, ...]) -> None:
    found = given(None, correlation)
    value = next(x for x in correlation if np.isfinite(x))
    assert found.components.correlations[name] == pytest.approx(value, abs=1e-12)
    assert np.linalg.eigvalsh(correlations(found))[0] > -1e-9
    assert found.loglik == pytest.approx(profile(three_outcomes_fit(), name, [value]).loglik[0], abs=1e-8)
    assert found.optimum.score < 1e-6


def test_where_r_leaves_the_covariance_matrices() -> None:
    theirs = R["three"]["profile"]["rho.1"]
    assert given(None, (0.4, NAN, NAN)).loglik < theirs["ll"][theirs["x"].index(0.4)] - 0.01


def test_given_variances_are_points_of_the_profile() -> None:
    theirs = R["three"]["profile"]["tau2.2"]
    for x, loglik in zip(theirs["x"], theirs["ll"], strict=True):
        found = given((NAN, x, NAN), None)
        assert found.components["outcome|study: y"] == pytest.approx(x)
        assert found.loglik == pytest.approx(loglik, abs=1e-7)


def test_two_given_correlations_bound_the_third() -> None:
    found = given(None, (0.9, NAN, -0.5))
    assert np.linalg.eigvalsh(correlations(found))[0] > -1e-9
    assert found.loglik <= given(None, (0.9, NAN, NAN)).loglik + 1e-9


def test_what_is_no_correlation_matrix_is_refused() -> None:
    for values in ((0.9, 0.9, -0.9), (1.2, 0.0, 0.0)):
        with pytest.raises(InputError) as caught:
            given(None, values)
        assert caught.value.code == "not-positive-definite"


def test_slopes_of_the_angles() -> None:
    rng = np.random.default_rng(2)
    for root in range(4):
        made = by_angles(list("abcd"), np.full(4, NAN), np.full(6, NAN), root=root)
        theta = np.concatenate([rng.uniform(0.2, 1.0, 4), rng.uniform(-2.5, 2.5, 6)])
        g, dg = made.evaluate(theta)
        assert np.linalg.eigvalsh(g)[0] >= -1e-12
        for i in range(10):
            step = np.zeros(10)
            step[i] = 1e-6
            differences = (made.evaluate(theta + step)[0] - made.evaluate(theta - step)[0]) / 2e-6
            np.testing.assert_allclose(dg[i], differences, atol=1e-8)
        many, slopes = made.evaluate(np.stack([theta, theta + 0.1]))
        np.testing.assert_allclose(many[0], g)
        np.testing.assert_allclose(slopes[0], dg)
