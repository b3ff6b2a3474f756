"""Profiles of the correlations of an unstructured matrix beside correlations that are given."""

from __future__ import annotations

import numpy as np
import pytest

from consilience import (
    Effects,
    Inner,
    Spec,
    design_matrix,
    fit,
    profile,
    profile_interval,
    profile_parameters,
)
from consilience.base.errors import InputError
from consilience.likelihood.angles import angles_of, by_angles, holding_by_angles
from engine_reference import dense_loglik

NAN = float("nan")


def outcomes(levels: str, m: int, seed: int) -> Effects:
    """m studies with one effect on each outcome."""
    rng = np.random.default_rng(seed)
    size = len(levels)
    g = 0.15 * (np.full((size, size), 0.4) + 0.6 * np.eye(size))
    v = rng.uniform(0.02, 0.1, m * size)
    y = rng.multivariate_normal(np.zeros(size), g, m).ravel() + rng.normal(0, np.sqrt(v))
    study = np.repeat([f"s{i}" for i in range(m)], size).astype(object)
    return Effects(y, v, study, columns={"outcome": np.array(list(levels) * m, dtype=object)})


def spec(*correlation: float) -> Spec:
    return Spec((Inner("outcome", "study", "UN", correlation=correlation),), "REML", "z")


@pytest.mark.parametrize(
    ("given", "name", "place"),
    [
        ((0.3, NAN, NAN), "a, c", 1),
        ((0.3, NAN, NAN), "b, c", 2),
        ((NAN, 0.1, NAN), "a, b", 0),
        ((0.3, 0.5, NAN), "b, c", 2),
        ((0.3, NAN, 0.2), "a, c", 1),
    ],
)
def test_a_profile_is_the_fit_with_that_correlation_given_too(given, name, place):
    effects = outcomes("abc", 25, 5)
    design = design_matrix("0 + outcome", effects.columns)
    found = fit(effects, spec(*given), design=design)
    full = f"outcome|study: {name}"
    assert full in profile_parameters(found)
    at = [-0.4, 0.2, 0.6]
    expected = []
    for value in at:
        more = list(given)
        more[place] = value
        expected.append(fit(effects, spec(*more), design=design).loglik)
    np.testing.assert_allclose(profile(found, full, at).loglik, expected, rtol=1e-9)
    interval = profile_interval(found, full)
    assert interval.estimate == pytest.approx(found.components.correlations[full], abs=1e-6)
    drop = found.loglik - profile(found, full, [interval.low, interval.high]).loglik
    np.testing.assert_allclose(drop, 3.841458820694124 / 2, rtol=1e-6)


def test_a_profile_ends_where_no_covariance_matrix_has_that_value():
    effects = outcomes("abc", 6, 8)  # so few that all possible values are within reach
    design = design_matrix("0 + outcome", effects.columns)
    found = fit(effects, spec(0.6, 0.8, NAN), design=design)
    interval = profile_interval(found, "outcome|study: b, c")
    half = np.sqrt((1 - 0.6**2) * (1 - 0.8**2))
    assert interval.low >= 0.6 * 0.8 - half - 1e-12
    assert interval.high <= 0.6 * 0.8 + half + 1e-12
    value = 0.6 * 0.8 + half - 1e-9
    g = np.array([[1, 0.6, 0.8], [0.6, 1, value], [0.8, value, 1]])
    assert np.linalg.eigvalsh(g)[0] > -1e-8


def test_which_correlations_have_a_profile_beside_given_ones():
    effects = outcomes("abcd", 20, 2)
    design = design_matrix("0 + outcome", effects.columns)
    found = fit(effects, spec(0.3, NAN, NAN, NAN, NAN, NAN), design=design)
    names = {n.split(": ")[1] for n in profile_parameters(found)}
    assert names == {"a", "b", "c", "d", "a, c", "a, d", "b, c", "b, d"}
    with pytest.raises(InputError, match="c, d"):
        profile(found, "outcome|study: c, d", [0.1])
    at = profile(found, "outcome|study: b, d", [0.2]).loglik[0]
    c = found.components
    sd = np.sqrt(c.variance)
    assert at < found.loglik
    inner = design.matrix.argmax(axis=1)
    same = effects.study[:, None] == effects.study
    r = np.eye(4)
    for pair, value in c.correlations.items():
        i, j = ("abcd".index(level) for level in pair.split(": ")[1].split(", "))
        r[i, j] = r[j, i] = value
    g = sd[:, None] * sd * r
    whole = dense_loglik(
        effects.y, design.matrix, np.diag(effects.v) + same * g[np.ix_(inner, inner)], reml=True
    )
    assert whole[0] == pytest.approx(found.loglik, abs=1e-8)


def test_angles_there_and_back_and_their_slopes():
    rng = np.random.default_rng(3)
    names = list("abcd")
    free = np.full(6, NAN)
    for root in range(4):
        made = by_angles(names, np.full(4, NAN), free, root=root)
        held = holding_by_angles(names, np.full(4, NAN), free, root=root, place=2)
        r = np.corrcoef(rng.normal(size=(4, 9)))
        angles = angles_of(r, root)
        np.testing.assert_allclose(made.evaluate(np.concatenate([np.ones(4), angles]))[0], r, atol=1e-12)
        theta = np.concatenate([rng.uniform(0.5, 1.0, 4), angles])
        if root in (0, 3):  # pair 2 is that of a and d
            inside = theta.copy()
            inside[6] = np.sin(theta[6])
            g, dg = held.evaluate(inside)
            np.testing.assert_allclose(g, made.evaluate(theta)[0], atol=1e-12)
            assert g[3, 0] == pytest.approx(inside[6] * theta[0] * theta[3])
            step = 1e-6
            for i in range(len(theta)):
                away = np.eye(10)[i] * step
                slope = (held.evaluate(inside + away)[0] - held.evaluate(inside - away)[0]) / (2 * step)
                np.testing.assert_allclose(dg[i], slope, atol=1e-8)
