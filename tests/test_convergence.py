"""How the search for variance components ended: every status, limits and unknown components by name, the figures of the
search, and data that break fits."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

import consilience
import exact_reml
from consilience.base.errors import InputError
from consilience.likelihood import climb_lanes
from consilience.likelihood.batch import fit_batch
from consilience.models import fit
from consilience.records import Design, Effects, Fit, Inner, Intercept, Known, Scale, Slopes, Spec, Term
from consilience.records.fit import OPTIMUM_STATUS
from engine_reference import dense_loglik, same
from pathological_data import KINDS, case

CHE = Spec.che().terms
UN = (Inner("outcome", "study", "UN"),)


def outcomes(seed: int, studies: int = 6, spread: float = 0.5) -> Effects:
    """Two outcomes, x and y, in each study."""
    rng = np.random.default_rng(seed)
    study = np.repeat([f"s{i}" for i in range(studies)], 2).astype(object)
    outcome = np.array(["x", "y"] * studies, object)
    own = rng.normal(0, spread, studies)
    y = np.repeat(own, 2) + rng.normal(0, spread, 2 * studies)
    v = rng.uniform(0.02, 0.1, 2 * studies)
    columns = {
        "outcome": outcome,
        "row name": np.array([f"r{i}" for i in range(2 * studies)], object),
        "one": np.full(2 * studies, 3.0),
        "time": np.array([0.0, 1.0] * studies),
        "once": np.repeat(np.arange(studies) % 3.0, 2),
    }
    return Effects(y, v, study, columns=columns)


def uneven(seed: int) -> Effects:
    """Two outcomes of four studies, variances over three orders: the likelihood may have several maxima."""
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(np.log(0.001), np.log(1), 8))
    study = np.repeat([f"s{i}" for i in range(4)], 2).astype(object)
    return Effects(rng.normal(0, 0.7, 8), v, study, columns={"outcome": np.array(["x", "y"] * 4, object)})


def fitted(
    effects: Effects, terms: tuple[Term, ...], design: Design | None = None, method: str = "REML"
) -> Fit:
    return fit(effects, Spec(terms, method, "z"), design=design)


def messages(found: Fit, code: str = "not-identified") -> str:
    return " ".join(note.message for note in found.notes if note.code == code)


# --- every status


def test_every_status_is_reached_and_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    effects = outcomes(1)
    given = (Intercept(("study",), 0.1),)
    equal = replace(effects, y=np.full(effects.k, 0.3))
    seen = {
        "converged": fitted(effects, UN),
        "boundary": fitted(equal, UN),
        "closed-form": fit(effects, Spec((Intercept(("row",)),), "DL", "z")),
        "fixed": fitted(effects, given),
        "not-identified": fitted(effects, (*CHE, Intercept(("row",)))),
    }
    monkeypatch.setattr(climb_lanes, "MOST_STEPS", 1)
    seen["stopped"] = fitted(effects, UN)
    assert set(seen) == set(OPTIMUM_STATUS)
    for status, found in seen.items():
        assert found.optimum.status == status
        assert found.optimum.help.startswith(OPTIMUM_STATUS[status])
        assert " ".join(OPTIMUM_STATUS[status].split()[:4]) in " ".join(str(found).split())
    assert "Scaled score" in messages(seen["stopped"], "search-stopped")
    assert not seen["stopped"].optimum.score < 1e-6


# --- what is at its limit


def test_a_variance_of_zero_is_named() -> None:
    found = fitted(replace(outcomes(1), y=np.full(12, 0.3)), CHE)
    assert found.optimum.limits == ('the variance "study" is 0', 'the variance "study/row" is 0')
    assert 'At its limit: the variance "study" is 0; the variance "study/row" is 0.' in found.optimum.help


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("structure", ["UN", "HCS", "CS"])
def test_a_correlation_at_its_limit_is_named(structure: str, sign: int) -> None:
    """Outcomes that differ only by their sampling error (or by it and the sign) between studies that differ much."""
    own = np.array([-1.0, -0.4, 0.1, 0.6, 1.1, 2.0])
    y = np.stack([own, sign * own], axis=1).ravel()
    effects = replace(outcomes(1), y=y)
    design = Design((effects["outcome"][:, None] == np.array(["x", "y"])) * 1.0, ("x", "y"))
    found = fitted(effects, (Inner("outcome", "study", structure),), design)
    name = 'the correlation "outcome|study: x, y"' if structure == "UN" else 'the "outcome|study: rho"'
    assert found.optimum.status == "boundary"
    assert found.optimum.limits == (f"{name} is {sign}",)


# --- the figures of the search


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(
    "terms", [CHE, UN, (Inner("outcome", "study", "CS"),), (*CHE, Intercept(("outcome",)))]
)
def test_curvature_and_slope_are_those_of_differences(terms: tuple[Term, ...], method: str) -> None:
    effects = outcomes(8, studies=14, spread=0.7)
    found = fitted(effects, terms, method=method)
    theta = found.components.theta
    inside = np.flatnonzero(theta != 0)
    assert len(inside) >= 1
    step = 2e-3 * np.abs(theta)

    def loglik(change: np.ndarray) -> float:
        moved = theta.copy()
        moved[inside] += change * step[inside]
        m = effects.covariance() + _covariance(effects, terms, moved)
        return dense_loglik(effects.y, np.ones((effects.k, 1)), m, reml=method == "REML")[0]

    unit = np.eye(len(inside))
    slope = np.array([loglik(e) - loglik(-e) for e in unit]) / 2
    hessian = np.array(
        [[(loglik(a + b) - loglik(a - b) - loglik(b - a) + loglik(-a - b)) / 4 for a in unit] for b in unit]
    )
    size = np.sqrt(np.diag(-hessian))
    assert np.all(np.abs(slope) / size < 1e-4)
    least = np.linalg.eigvalsh(-hessian / np.outer(size, size))[0]
    assert found.optimum.curvature == pytest.approx(least, rel=2e-3)
    assert "a strict maximum" in found.optimum.search
    assert f"{found.optimum.curvature:.2g}" in " ".join(str(found).split())


def _covariance(effects: Effects, terms: tuple[Term, ...], theta: np.ndarray) -> np.ndarray:
    """The covariance of the true effects, written out: intercepts by theta; UN by its Cholesky factor; CS by variance and
    correlation."""
    within = same(effects.study)
    other = effects["outcome"] == "y"
    if isinstance(terms[0], Inner):
        a, b, c = theta if len(theta) == 3 else (np.sqrt(theta[0]), *_second(theta))
        root = np.array([[a, 0.0], [b, c]])
        g = root @ root.T
        return np.asarray(g[np.ix_(other.astype(int), other.astype(int))] * within)
    parts = [within, np.eye(effects.k), same(effects["outcome"])]
    return sum((t * part for t, part in zip(theta, parts, strict=False)), np.zeros((effects.k,) * 2))


def _second(theta: np.ndarray) -> tuple[float, float]:
    return float(theta[1] * np.sqrt(theta[0])), float(np.sqrt(theta[0] * (1 - theta[1] ** 2)))


def test_several_maxima_are_told_with_what_is_between_them() -> None:
    """UN and HCS are one model for two outcomes, in other coordinates: they must tell the same maxima."""
    for seed in (19, 47, 153):
        a, b = fitted(uneven(seed), UN), fitted(uneven(seed), (Inner("outcome", "study", "HCS"),))
        assert a.optimum.maxima == b.optimum.maxima == 2
        assert a.optimum.lead == pytest.approx(b.optimum.lead, abs=1e-7)
        assert 0 < a.optimum.reached < a.optimum.starts
        assert "2 local maxima" in messages(a, "several-maxima")
        assert f"{a.optimum.reached} of {a.optimum.starts} climbs ended at this solution" in a.optimum.search


def test_the_lower_maximum_of_two_variances_is_one() -> None:
    """The lead is the difference between the tops that a plain search climbs to from all over the plane."""
    effects = uneven(318)
    found = fitted(effects, CHE)
    assert (found.optimum.maxima, found.optimum.limits) == (2, ('the variance "study/row" is 0',))

    def height(theta: np.ndarray) -> float:
        m = effects.covariance() + theta[0] * same(effects.study) + theta[1] * np.eye(effects.k)
        return -dense_loglik(effects.y, np.ones((effects.k, 1)), m, reml=True)[0]

    starts = [(a, b) for a in (0.0, 0.01, 0.1, 1.0) for b in (0.0, 0.01, 0.1, 1.0)]
    ends = [
        minimize(height, s, bounds=[(0, None)] * 2, options={"ftol": 1e-15, "gtol": 1e-9}) for s in starts
    ]
    tops = sorted({round(-float(end.fun), 5) for end in ends})
    assert -found.loglik == pytest.approx(min(end.fun for end in ends), abs=1e-7)
    assert len(tops) == 2
    assert tops[1] - tops[0] == pytest.approx(found.optimum.lead, abs=2e-5)


def test_all_climbs_are_counted() -> None:
    found = fitted(outcomes(1, studies=20), UN)
    assert (found.optimum.maxima, found.optimum.reached) == (1, found.optimum.starts)
    assert found.optimum.starts > 1
    assert np.isnan(found.optimum.lead)


# --- what the data cannot tell


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("structure", ["UN", "HCS", "DIAG", "HAR"])
@pytest.mark.parametrize("level", ["a", "z"])
def test_a_level_with_one_effect_and_its_own_mean_is_named(structure: str, level: str, method: str) -> None:
    effects = outcomes(2)
    more = Effects(
        np.append(effects.y, 0.7),
        np.append(effects.v, 0.05),
        np.append(effects.study, "s0"),
        columns={"outcome": np.append(effects["outcome"], level)},
    )
    levels = sorted({"x", "y", level})
    design = Design((more["outcome"][:, None] == np.array(levels)) * 1.0, tuple(levels))
    found = fitted(more, (Inner("outcome", "study", structure),), design, method)
    assert found.optimum.status == "not-identified"
    assert messages(found).count(f'"outcome|study: {level}"') == 1
    assert '"outcome|study: x"' not in messages(found)
    assert found.components[f"outcome|study: {level}"] == 0.0
    without = fitted(
        effects,
        (Inner("outcome", "study", structure),),
        Design(design.matrix[:-1][:, [levels.index("x"), levels.index("y")]], ("x", "y")),
        method,
    )
    for name in ("outcome|study: x", "outcome|study: y"):
        assert found.components[name] == pytest.approx(without.components[name], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    "terms, named",
    [
        (
            (Intercept(("row",)), Known("row name", np.eye(12), tuple(f"r{i}" for i in range(12)))),
            '"row name"',
        ),
        ((Intercept(("study",)), Inner("outcome", "study", "ID")), None),
        ((Intercept(("row",)), Inner("outcome", "study", "ID")), '"outcome|study"'),
        (
            (Intercept(("study",)), Inner("outcome", "study", "CS")),
            '"study" cannot be told apart from "outcome|study", "outcome|study: rho"',
        ),
        ((Intercept(("study",)), Intercept(("one",))), '"one"'),
        ((Intercept(("study",)), Intercept(("study",))), '"study"'),
        (
            (Slopes(("one",), "study"),),
            '"one|study: one" cannot be told apart from "one|study: intercept"',
        ),
        ((Slopes(("one",), "study", False),), '"one|study: one"'),
        ((Inner("once", "study", "AR"),), '"once|study: rho"'),
        ((Inner("once", "study", "HAR"),), '"once|study: rho"'),
        ((Inner("time", "study", "AR"),), None),
        ((Inner("outcome", "one", "UN"),), '"outcome|one: y" cannot be told apart from "outcome|one: x"'),
        ((Known("outcome", np.ones((2, 2)), ("x", "y")),), '"outcome"'),
    ],
)
def test_what_is_not_identified_is_named(terms: tuple[Term, ...], named: str | None) -> None:
    found = fitted(outcomes(3, studies=6), terms)
    if named is None:
        assert found.optimum.status in ("converged", "boundary")
    else:
        assert found.optimum.status == "not-identified"
        assert named in messages(found)


def test_one_contrast_tells_one_variance() -> None:
    effects = Effects(np.array([0.1, 0.9, 0.3]), np.full(3, 0.1), np.array(["a", "a", "b"], object))
    design = Design(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 3.0]]), ("intercept", "dose"))
    for method in ("REML", "ML"):
        found = fitted(effects, CHE, design, method)
        assert found.optimum.status == "not-identified"
        assert '"study/row" cannot be told apart from "study"' in messages(found)


@pytest.mark.parametrize("kind", [*KINDS, "Slopes", "Slopes-", "Known", "crossed", "CHE"])
@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_no_false_alarm(kind: str, spread: float) -> None:
    """Nothing is called unknown with 24 studies of three effects, be the variances zero (all at their limits) or not."""
    rng = np.random.default_rng(5)
    study = np.repeat([f"s{i}" for i in range(24)], 3).astype(object)
    place = np.array([0.0, 1.0, 2.5])
    columns = {
        "outcome": np.tile(np.array(["x", "y", "z"], object), 24),
        "time": np.tile(place, 24),
        "dose": rng.normal(0, 1, 72),
        "lab": np.array([f"l{i}" for i in rng.integers(0, 5, 72)], object),
    }
    y = spread * (np.repeat(rng.normal(0, 1, 24), 3) + rng.normal(0, 1, 72)) + rng.normal(0, 0.02, 72)
    effects = Effects(y, rng.uniform(0.02, 0.1, 72), study, columns=columns)
    relation = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.2, 0.4, 1.0]])
    terms: dict[str, tuple[Term, ...]] = {
        "Slopes": (Slopes(("dose",), "study"),),
        "Slopes-": (Slopes(("dose",), "study", False),),
        "Known": (Known("outcome", relation, ("x", "y", "z")), Intercept(("study",))),
        "crossed": (Intercept(("study",)), Intercept(("lab",)), Intercept(("row",))),
        "CHE": CHE,
    }
    if kind.startswith("SP"):
        distance = np.abs(place[:, None] - place)
        terms[kind] = (Inner("outcome", "study", kind, None, None, distance, ("x", "y", "z")),)
    inner = "time" if kind in ("AR", "HAR", "CAR") else "outcome"
    for method in ("REML", "ML"):
        found = fitted(effects, terms.get(kind) or (Inner(inner, "study", kind),), method=method)
        assert found.optimum.status in ("converged", "boundary"), messages(found)


# --- data that break fits

SAID = {"df-none", "se-zero", "coefficient-one-cluster", "one-cluster"}  # why a coefficient has no test


@pytest.mark.parametrize("start", range(0, 160, 20))
def test_pathological_data_give_a_fit_or_a_plain_error(start: int) -> None:
    for seed in range(start, start + 20):
        effects, spec, design = case(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = consilience.fit(effects, spec, design=design)
            except InputError:
                continue
        codes = {note.code for note in found.notes}
        table, optimum = found.coefficients, found.optimum
        assert np.isfinite(table.estimate).all(), seed
        assert codes & SAID or np.isfinite([table.se, table.statistic, table.p_value]).all(), seed
        assert np.isfinite(found.components.variance).all(), seed
        assert (found.components.variance >= 0).all(), seed
        assert np.isfinite(found.loglik), seed
        assert optimum.score < 1e-6 or (optimum.status == "stopped" and "search-stopped" in codes), seed
        assert optimum.status != "not-identified" or codes & {
            "not-identified",
            "correlation-not-identified",
        }, seed
        assert str(found)


@pytest.mark.parametrize("seed", [1084, 2483, 2922, 2935, 3545])
def test_data_that_stopped_a_fit_with_an_error_of_linear_algebra(seed: int) -> None:
    effects, spec, design = case(seed)
    try:
        found = consilience.fit(effects, spec, design=design)
    except InputError:
        return
    assert np.isfinite(found.coefficients.estimate).all()


def test_a_relation_of_zeros_is_refused() -> None:
    with pytest.raises(InputError, match="is zero"):
        fitted(outcomes(1), (Known("outcome", np.zeros((2, 2)), ("x", "y")),))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("p", [1, 2])
def test_slope_and_curvature_of_one_variance_are_those_of_exact_arithmetic(reml: bool, p: int) -> None:
    rng = np.random.default_rng(p)
    y, v = rng.normal(0, 0.6, 12), rng.uniform(0.02, 0.3, 12)
    x = np.column_stack([np.ones(12), rng.normal(size=12)])[:, :p]
    at = 0.13
    batch = fit_batch(y, v, x, method="REML" if reml else "ML", tau2=at)
    h = 1e-8
    up, down, here = (exact_reml.score(y, v, x, at + d, reml=reml) for d in (h, -h, 0))
    w = 1 / (v + at)
    inside = (w[:, None] * x) @ np.linalg.inv(x.T @ (w[:, None] * x)) @ (w[:, None] * x).T
    projection = np.diag(w) - (inside if reml else 0.0)
    information = 0.5 * np.trace(projection @ projection)
    assert batch.slope[0] == pytest.approx(float(here) / np.sqrt(information), rel=1e-9)
    assert batch.curvature[0] == pytest.approx(-float((up - down) / (2 * h)) / information, rel=1e-7)
    found = fit(
        Effects(y, v, np.arange(12).astype(str).astype(object)),
        Spec.random_effects("REML" if reml else "ML", "z"),
        design=Design(x, ("a", "b")[:p]),
    )
    assert found.optimum.curvature == 1.0
    assert found.optimum.score < 1e-9


def test_location_scale_fits_and_selection_models_tell_of_their_search() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=40)
    v = rng.uniform(0.02, 0.2, 40)
    effects = Effects(
        rng.normal(0.2, np.sqrt(v + 0.05 * np.exp(z))), v, np.arange(40).astype(str).astype(object)
    )
    scale = Scale(np.column_stack([np.ones(40), z]), ("intercept", "z"))
    spread = fit(effects, Spec((Intercept(("row",)),), "REML", "z", scale=scale)).optimum
    selected = consilience.selection_model(effects).optimum
    for optimum in (spread, selected):
        assert 1 < optimum.reached <= optimum.starts
        assert 0 < optimum.curvature <= 1
        assert "a strict maximum" in optimum.search
