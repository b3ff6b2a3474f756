"""Profiles of the entries of an unstructured covariance: of two outcomes, of three, of random slopes."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.multilevel import berkey
from scipy.optimize import minimize

from consilience.base.errors import InputError
from consilience.models import fit, profile, profile_interval, profile_parameters
from consilience.records import Design, Effects, Inner, Intercept, Slopes, Spec
from engine_reference import dense_loglik


def test_limits_of_each_parameter_are_where_the_likelihood_has_fallen_by_half_a_quantile() -> None:
    job = berkey()
    ours = fit(job.effects, job.spec, design=job.design)
    expected = [*ours.components.variance, *ours.components.correlations.values()]
    for name, value in zip(("AL", "PD", "AL, PD"), expected, strict=True):
        found = profile_interval(ours, f"outcome|study: {name}")
        np.testing.assert_allclose(found.estimate, value, rtol=1e-6)
        ends = [x for x in (found.low, found.high) if abs(x) not in (0.0, 1.0)]
        drop = ours.loglik - profile(ours, f"outcome|study: {name}", ends).loglik
        np.testing.assert_allclose(drop, 3.841458820694124 / 2, rtol=1e-5)


def test_limits_are_those_of_r() -> None:
    """R 4.2.2, metafor 3.8.1: confint() of that model with nlminb, tolerance 1e-8."""
    job = berkey()
    ours = fit(job.effects, job.spec, design=job.design)
    expected = {
        "AL": (9.49644588907e-03, 0.206776600914),
        "PD": (5.46766490377e-05, 0.111439625263),
        "AL, PD": (-5.99618181086e-01, 1.0),
    }
    for name, limits in expected.items():
        found = profile_interval(ours, f"outcome|study: {name}")
        assert (found.low, found.high) == pytest.approx(limits, rel=2e-6)


@pytest.mark.parametrize("rho", [-1.0, -0.9, -0.8, -0.7, -0.6, 0.0, 0.5, 1.0])
def test_a_given_correlation_keeps_its_sign(rho: float) -> None:
    job = berkey()
    ours = fit(job.effects, job.spec, design=job.design)
    inner = (job.effects["outcome"] == "PD").astype(int)
    same = job.effects.study[:, None] == job.effects.study
    v = job.effects.covariance()

    def minus(sd: np.ndarray) -> float:
        g = np.outer(np.abs(sd), np.abs(sd)) * np.array([[1, rho], [rho, 1]])
        return -dense_loglik(job.effects.y, job.design.matrix, v + same * g[np.ix_(inner, inner)], reml=True)[
            0
        ]

    starts = [(a, b) for a in (0.0, 0.05, 0.3) for b in (0.0, 0.05, 0.3)]
    ends = [
        minimize(minus, s, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4_000})
        for s in starts
    ]
    found = profile(ours, "outcome|study: AL, PD", [rho]).loglik[0]
    assert found == pytest.approx(-min(end.fun for end in ends), abs=1e-8)


@pytest.fixture(scope="module")
def three():
    """Three outcomes of twelve studies, a random intercept of the group besides."""
    rng = np.random.default_rng(4)
    study = np.repeat(np.array([f"s{i}" for i in range(12)], dtype=object), 3)
    group = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 9)
    outcome = np.tile(np.array(["x", "y", "z"], dtype=object), 12)
    true = rng.multivariate_normal(
        np.zeros(3), 0.3 * np.array([[1, 0.6, 0.2], [0.6, 1, 0.4], [0.2, 0.4, 1]]), 12
    )
    y = true.ravel() + np.repeat(rng.normal(0, 0.2, 4), 9) + rng.normal(0, 0.2, 36)
    effects = Effects(y, np.full(36, 0.04), study, columns={"outcome": outcome, "group": group})
    return fit(effects, Spec((Inner("outcome", "study", "UN"), Intercept(("group",))), "REML", "z"))


def dense_profile(ours, name: str, value: float) -> float:
    """The log-likelihood with one entry of G given, by a simplex search over the rest in other coordinates (logs of standard
    deviations, partial correlations), from several starts."""
    effects = ours.effects
    inner = np.unique(effects["outcome"].astype(str), return_inverse=True)[1]
    same = effects.study[:, None] == effects.study
    group = (effects["group"][:, None] == effects["group"]).astype(float)
    pair = [("x", "y", "z").index(level) for level in name.split(": ")[1].split(", ")]
    order = [*pair, *(i for i in range(3) if i not in pair)]

    def minus(free: np.ndarray) -> float:
        given = list(free)
        if len(pair) == 1:
            sd = np.array([np.sqrt(value), np.exp(given.pop()), np.exp(given.pop())])
            a, b, c = np.tanh(given[:3])
        else:
            sd = np.exp([given.pop() for _ in range(3)])
            a, (b, c) = value, np.tanh(given[:2])
        r = np.array([[1, a, b], [a, 1, a * b + c * np.sqrt((1 - a * a) * (1 - b * b))], [b, 0, 1]])
        r[2, 1] = r[1, 2]
        g = np.empty((3, 3))
        g[np.ix_(order, order)] = r * np.outer(sd, sd)
        m = np.diag(effects.v) + same * g[np.ix_(inner, inner)] + np.exp(given[-1]) * group
        return -dense_loglik(effects.y, np.ones((36, 1)), m, reml=True)[0]

    starts = np.random.default_rng(0).normal(0, 0.7, (6, 6)) - [0, 0, 0.5, 0.5, 0.5, 0.5]
    options = {"maxiter": 6_000, "maxfev": 6_000, "xatol": 1e-9, "fatol": 1e-11}
    ends = [minimize(minus, start, method="Nelder-Mead", options=options) for start in starts]
    best = min(ends, key=lambda end: end.fun)
    return -minimize(minus, best.x, method="Nelder-Mead", options=options).fun


def test_all_entries_of_three_levels_have_a_profile(three):
    names = [f"outcome|study: {n}" for n in ("x", "y", "z", "x, y", "x, z", "y, z")]
    assert profile_parameters(three) == (*names, "group")
    values = dict(
        zip(names, [*three.components.variance[:3], *three.components.correlations.values()], strict=True)
    )
    for name, value in values.items():
        assert profile(three, name, [value]).loglik[0] == pytest.approx(three.loglik, abs=1e-9)
        found = profile_interval(three, name)
        assert found.estimate == pytest.approx(value, rel=1e-6)
        assert found.low < value < found.high
        ends = [x for x in (found.low, found.high) if abs(x) not in (0.0, 1.0)]
        drop = three.loglik - profile(three, name, ends).loglik
        assert drop == pytest.approx(np.full(len(ends), 3.841458820694124 / 2), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value"), [("y", 0.1), ("z", 0.9), ("x, z", -0.4), ("x, y", 0.9), ("y, z", 0.0)]
)
def test_the_profile_is_the_highest_with_that_entry(three, name: str, value: float):
    name = f"outcome|study: {name}"
    found = profile(three, name, [value]).loglik[0]
    brute = dense_profile(three, name, value)
    assert found == pytest.approx(brute, abs=2e-5)
    assert found > brute - 1e-7


def test_other_variances_beside_it(three):
    value = float(three.components.variance[-1])
    np.testing.assert_allclose(profile(three, "group", [value]).loglik, three.loglik, rtol=1e-9)
    with pytest.raises(InputError, match="x, y") as refused:
        profile_interval(three, "outcome|study: w")
    assert refused.value.code == "unknown-name"


def test_correlated_slopes_have_profiles_too():
    rng = np.random.default_rng(2)
    study = np.repeat(np.arange(20), 4)
    w = np.tile([0.0, 1.0, 2.0, 3.0], 20)
    u = rng.normal(0, [0.3, 0.4], (20, 2))[study]
    effects = Effects(
        u[:, 0] + (0.2 + u[:, 1]) * w + rng.normal(0, 0.2, 80),
        np.full(80, 0.04),
        study.astype(str),
        columns={"w": w},
    )
    design = Design(np.column_stack([np.ones(80), w]), ("intercept", "w"))
    ours = fit(effects, Spec((Slopes(("w",), "study"),), "REML", "z"), design=design)
    for name in profile_parameters(ours):
        found = profile_interval(ours, name)
        assert found.low < found.estimate < found.high
        ends = [x for x in (found.low, found.high) if abs(x) not in (0.0, 1.0)]
        drop = ours.loglik - profile(ours, name, ends).loglik
        assert drop == pytest.approx(np.full(len(ends), 3.841458820694124 / 2), rel=1e-5)
