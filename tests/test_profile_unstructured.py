"""Profiles of unstructured covariance matrices and correlated slopes: R's figures, and brute force where R leaves the
positive semi-definite matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from consilience.base.errors import InputError
from consilience.models import fit, profile, profile_interval, profile_parameters
from consilience.records import Effects, Fit, Inner, Intercept, Spec
from engine_reference import dense_loglik, same
from several_effects import R, berkey_fit, obrien_fit, three_outcomes_fit

HALF = 3.841458820694124 / 2
CORRELATION = {"two": "outcome|study: AL, PD", "slopes": "bmi|study: intercept, bmi"}


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_intervals_of_two_outcomes_are_those_of_r(method: str) -> None:
    ours, theirs = berkey_fit(method), R["berkey"][method]
    names = ("outcome|study: AL", "outcome|study: PD", CORRELATION["two"])
    assert profile_parameters(ours) == names
    for name, key in zip(names, ("tau2.1", "tau2.2", "rho"), strict=True):
        found = profile_interval(ours, name)
        assert found.estimate == pytest.approx(theirs[key][0], rel=2e-4)  # R's optimiser stops before
        np.testing.assert_allclose((found.low, found.high), theirs[key][1:], rtol=1e-6, atol=1e-12)


def test_likelihoods_of_two_outcomes_are_those_of_r() -> None:
    ours, theirs = berkey_fit(), R["berkey"]["REML"]["prof"]
    for name, key in (
        ("outcome|study: AL", "tau2.1"),
        ("outcome|study: PD", "tau2.2"),
        ("outcome|study: PD, AL", "rho"),
    ):
        found = profile(ours, name, theirs[key]["x"])
        np.testing.assert_allclose(found.loglik, theirs[key]["ll"], rtol=0, atol=1e-7)
        assert (found.loglik >= np.array(theirs[key]["ll"]) - 1e-9).all()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("three", ("outcome|study: x", "outcome|study: y", "outcome|study: z")),
        ("obrien", ("bmi|study: intercept", "bmi|study: bmi", CORRELATION["slopes"])),
    ],
)
def test_three_outcomes_and_correlated_slopes_are_those_of_r(model: str, names: tuple[str, ...]) -> None:
    ours = three_outcomes_fit() if model == "three" else obrien_fit()
    theirs = R[model]
    curves, limits = list(theirs["profile"].values()), theirs["limits"]
    limits = list(limits.values()) if isinstance(limits, dict) else limits
    for name, curve, ends in zip(names, curves, limits, strict=False):
        found = profile(ours, name, curve["x"])
        np.testing.assert_allclose(found.loglik, curve["ll"], rtol=0, atol=2e-6)
        interval = profile_interval(ours, name)
        np.testing.assert_allclose((interval.low, interval.high), ends[1:], rtol=2e-6)


def _brute(ours: Fit, pair: tuple[int, int], rho: float) -> float:
    """The highest restricted likelihood with one correlation of three given: the other correlations are bounded so that
    the matrix stays positive semi-definite."""
    a, b = pair
    c = 3 - a - b
    effects, x = ours.effects, ours.design.matrix
    level, study, v = x.argmax(axis=1), same(ours.effects.study), ours.effects.covariance()

    def negative(t: np.ndarray) -> float:
        s, first, share = np.exp(t[:3]), np.tanh(t[3]), np.tanh(t[4])
        r = np.eye(3)
        r[a, b] = r[b, a] = rho
        r[a, c] = r[c, a] = first
        r[b, c] = r[c, b] = rho * first + np.sqrt((1 - rho**2) * (1 - first**2)) * share
        g = r * np.outer(s, s)
        return -dense_loglik(effects.y, x, v + g[np.ix_(level, level)] * study, reml=True)[0]

    starts = ([-1.3, -1.5, -1.5, 0.3, 0.2], [-1.3, -1.5, -1.5, -0.5, -2.0])
    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000}
    return max(-minimize(negative, start, method="Nelder-Mead", options=options).fun for start in starts)


@pytest.mark.parametrize(("pair", "rho"), [((0, 1), 0.4), ((1, 2), 0.3), ((0, 2), -0.2)])
def test_a_correlation_of_three_outcomes_by_brute_force(pair: tuple[int, int], rho: float) -> None:
    """R's matrix at the first two has a negative eigenvalue (-0.003), so that its likelihood is higher than any
    covariance has."""
    ours = three_outcomes_fit()
    levels = "xyz"
    found = profile(ours, f"outcome|study: {levels[pair[0]]}, {levels[pair[1]]}", [rho]).loglik[0]
    assert found == pytest.approx(_brute(ours, pair, rho), abs=1e-6)
    if pair != (0, 2):
        key, values = ("rho.1", 0.4) if pair == (0, 1) else ("rho.3", 0.3)
        theirs = R["three"]["profile"][key]
        assert found < theirs["ll"][theirs["x"].index(values)] - 0.01


@pytest.mark.parametrize("model", [berkey_fit, three_outcomes_fit, obrien_fit])
def test_limits_are_where_the_likelihood_has_fallen_by_half_a_quantile(model) -> None:
    ours = model()
    expected = [*ours.components.variance, *ours.components.correlations.values()]
    for name, value in zip(profile_parameters(ours), expected, strict=True):
        found = profile_interval(ours, name)
        np.testing.assert_allclose(found.estimate, value, rtol=1e-6)
        ends = [x for x in (found.low, found.high) if abs(x) not in (0.0, 1.0)]
        drop = ours.loglik - profile(ours, name, ends).loglik
        np.testing.assert_allclose(drop, HALF, rtol=1e-5)


def test_bounds_of_the_profile() -> None:
    ours = three_outcomes_fit()
    at = profile(ours, "outcome|study: x, z", [-1.0, 1.0]).loglik
    assert np.isfinite(at).all()
    assert (at <= ours.loglik).all()
    none = profile(ours, "outcome|study: y", [0.0]).loglik[0]
    without = fit(
        ours.effects,
        Spec((Inner("outcome", "study", "UN", variance=(np.nan, 0.0, np.nan)),), "REML", "z"),
        design=ours.design,
    )
    assert none == pytest.approx(without.loglik, abs=1e-8)


def test_other_terms_keep_their_place() -> None:
    rng = np.random.default_rng(4)
    study = np.repeat(np.array([f"s{i}" for i in range(12)], dtype=object), 3)
    group = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 9)
    outcome = np.tile(np.array(["x", "y", "z"], dtype=object), 12)
    effects = Effects(
        rng.normal(0, 0.5, 36), np.full(36, 0.05), study, columns={"outcome": outcome, "group": group}
    )
    ours = fit(effects, Spec((Inner("outcome", "study", "UN"), Intercept(("group",))), "REML", "z"))
    for name in ("group", "outcome|study: y"):
        value = float(ours.components[name])
        np.testing.assert_allclose(profile(ours, name, [value]).loglik, ours.loglik, rtol=1e-9)
    with pytest.raises(InputError, match="There is no parameter"):
        profile_interval(ours, "outcome|study: x, w")
