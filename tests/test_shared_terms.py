"""Terms that share their components, and what becomes of a known matrix: figures of R, dense likelihoods."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from consilience.base.errors import ConsilienceError, InputError
from consilience.models import fit, predict, profile, profile_interval, term_effects
from consilience.records import Design, Effects, Inner, Intercept, Known, Shared, Slopes, Spec
from engine_reference import dense_loglik, same
from published_data import FOLDER
from several_effects import labels

R: dict[str, Any] = json.loads((FOLDER / "published" / "several_effects_r.json").read_text(encoding="utf-8"))
NAMES = {"none": "none", "cor": "correlation", "cor0": "correlation-from-zero", "cov0": "from-zero"}


@pytest.mark.parametrize("theirs", list(NAMES))
def test_scalings_of_a_known_matrix_are_those_of_r(theirs: str) -> None:
    rows, expected = R["rscale"]["data"], R["rscale"][theirs]
    v, y = (np.array([row[name] for row in rows]) for name in ("vi", "yi"))
    effects = Effects(
        y, v, labels(row["st"] for row in rows), columns={"sp": labels(row["sp"] for row in rows)}
    )
    species = tuple(f"p{i + 1}" for i in range(8))
    known = Known("sp", np.array(R["rscale"]["R"]), species, scaling=NAMES[theirs])
    found = fit(effects, Spec((Intercept(("study",)), known), "REML", "z"))
    assert found.loglik == pytest.approx(expected["ll"], abs=1e-9)
    np.testing.assert_allclose(found.components.variance, expected["sigma2"], rtol=1e-5)
    np.testing.assert_allclose(found.coefficients.estimate, expected["beta"], rtol=1e-6)
    np.testing.assert_allclose(found.coefficients.se, expected["se"], rtol=1e-6)


def test_an_unknown_scaling_is_refused() -> None:
    effects = comparisons()
    known = Known("first", np.eye(6), tuple("abcdef"), scaling="corr")
    with pytest.raises(ConsilienceError, match='"correlation"'):
        fit(effects, Spec((known,), "REML", "z"))


def comparisons(seed: int = 2) -> Effects:
    """Effects that two of six laboratories share, in fifteen studies."""
    rng = np.random.default_rng(seed)
    k = 45
    first, second = rng.integers(0, 6, k), rng.integers(0, 6, k)
    lab1, lab2 = rng.normal(0, 0.4, 6), rng.normal(0, 0.4, 6)
    v = rng.uniform(0.01, 0.05, k)
    y = 0.3 + lab1[first] + lab2[second] + rng.normal(0, np.sqrt(v + 0.01))
    letters = np.array(list("abcdef"), dtype=object)
    columns = {
        "first": letters[first],
        "second": letters[second],
        "outcome": labels(["x", "y", "z"] * 15),
        "other": labels(["x", "y", "z"] * 15),
        "dose": rng.normal(size=k),
    }
    return Effects(y, v, np.repeat([f"s{i}" for i in range(15)], 3).astype(object), columns=columns)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_one_variance_of_two_groupings_by_brute_force(method: str) -> None:
    effects = comparisons()
    pair = Shared((Intercept(("first",)), Intercept(("second",))))
    found = fit(effects, Spec((pair, Intercept(("row",))), method, "z"))
    z = same(effects["first"]) + same(effects["second"])
    x = np.ones((effects.k, 1))

    def negative(t: np.ndarray) -> float:
        m = np.diag(effects.v) + np.exp(t[0]) * z + np.exp(t[1]) * np.eye(effects.k)
        return -dense_loglik(effects.y, x, m, reml=method == "REML")[0]

    best = minimize(negative, [-2.0, -4.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert found.loglik == pytest.approx(-best.fun, abs=1e-9)
    assert found.components.names == ("first = second", "row")
    np.testing.assert_allclose(found.components.variance, np.exp(best.x), rtol=1e-4)
    assert found.statistics["ML"].parameters == 3
    assert term_effects(found).contribution.shape == (effects.k, 2)
    free = fit(effects, Spec((*pair.terms, Intercept(("row",))), method, "z"))
    assert free.loglik >= found.loglik - 1e-9
    assert predict(found).variance[0] == pytest.approx(
        2 * found.components.variance[0] + found.components.variance[1]
    )
    interval = profile_interval(found, "first = second")
    assert interval.low < found.components.variance[0] < interval.high
    np.testing.assert_allclose(
        profile(found, "first = second", [interval.high]).loglik, found.loglik - 1.9207294, atol=1e-5
    )


@pytest.mark.parametrize("structure", ["UN", "CS", "HCS", "DIAG"])
def test_one_matrix_of_two_groupings_has_the_likelihood_of_its_components(structure: str) -> None:
    effects = comparisons(5)
    parts = (Inner("outcome", "first", structure), Inner("other", "second", structure))
    found = fit(effects, Spec((Shared(parts),), "REML", "z"))
    c = found.components
    sizes = np.sqrt(np.broadcast_to(c.variance, 3))
    values = list(c.correlations.values()) or [0.0]
    r = np.eye(3)
    r[np.triu_indices(3, 1)] = values if len(values) == 3 else values[0]
    r = np.triu(r) + np.triu(r, 1).T
    level = np.array(["xyz".index(o) for o in effects["outcome"]])
    g = (r * np.outer(sizes, sizes))[np.ix_(level, level)]
    m = np.diag(effects.v) + g * same(effects["first"]) + g * same(effects["second"])
    value = dense_loglik(effects.y, np.ones((effects.k, 1)), m, reml=True)[0]
    assert found.loglik == pytest.approx(value, abs=1e-9)
    assert found.optimum.score < 1e-6
    again = fit(effects, Spec((Shared(parts[::-1]),), "REML", "z"))
    assert again.loglik == pytest.approx(found.loglik, abs=1e-9)


def test_sharing_a_known_matrix_and_slopes() -> None:
    effects = comparisons(3)
    relation = 0.5 + 0.5 * np.eye(6)
    labs = tuple("abcdef")
    known = Shared((Known("first", relation, labs), Known("second", relation, labs)))
    one = fit(effects, Spec((known, Intercept(("row",))), "REML", "z"))
    halves = Shared((Intercept(("first",)), Intercept(("second",))))
    other = fit(
        effects, Spec((halves, Intercept(("row",))), "REML", "z")
    )  # the mean takes up the constant part
    assert one.loglik == pytest.approx(other.loglik, abs=1e-8)
    assert one.components.variance[0] == pytest.approx(2 * other.components.variance[0], rel=1e-4)
    slopes = Shared((Slopes(("dose",), "first"), Slopes(("dose",), "second")))
    assert fit(effects, Spec((slopes,), "REML", "z")).optimum.score < 1e-6


def test_terms_that_differ_cannot_share() -> None:
    effects = comparisons()
    mixed = Shared((Intercept(("first",)), Inner("outcome", "second", "UN")))
    with pytest.raises(InputError, match="second") as caught:
        fit(effects, Spec((mixed,), "REML", "z"), design=Design.intercept(effects.k))
    assert caught.value.code == "not-shareable"
