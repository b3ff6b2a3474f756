"""The likelihood under selection against integration in mpmath, its derivatives against differences, and every reference case."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from consilience.likelihood.copas import Copas, slope
from consilience.likelihood.selection import evaluate
from consilience.likelihood.selection_problem import log_between, selected
from consilience.likelihood.selection_smooth import FORMULAS, smooth_family
from consilience.likelihood.selection_steps import step_family

sys.path.insert(0, str(Path(__file__).parent))

from selection_data import reference
from verify._selection import check_selection

Y, V = np.array([0.5, -0.1, 1.2, 0.02]), np.array([0.04, 0.09, 0.2, 0.01])
THETA = {
    "beta": [0.6, 1.7],
    "exponential-power": [2.0, 0.6],
    **{name: [0.4, 2.0] for name in FORMULAS if name.endswith("floor")},
}


def problem(family, y=Y, v=V):
    return selected(y[None], v[None], np.ones((1, len(y), 1)), family=family)


def weight(kind: str, z, d, two_sided: bool):
    p = mp.erfc(abs(z) / mp.sqrt(2)) if two_sided else mp.erfc(z / mp.sqrt(2)) / 2
    if kind in ("beta", "power"):
        p = min(max(p, mp.mpf("1e-5")), 1 - mp.mpf("1e-5"))
    plain = {
        "beta": lambda d: p ** (d[0] - 1) * (1 - p) ** (d[1] - 1),
        "half-normal": lambda d: mp.exp(-d[0] * p**2),
        "negative-exponential": lambda d: mp.exp(-d[0] * p),
        "logistic": lambda d: 2 * mp.exp(-d[0] * p) / (1 + mp.exp(-d[0] * p)),
        "power": lambda d: (1 - p) ** d[0],
        "exponential-power": lambda d: mp.exp(-d[0] * p ** (1 / d[1])),
    }
    if kind.endswith("-floor"):
        return d[0] + plain[kind.removesuffix("-floor")](d[1:])
    return plain[kind](d)


def exact(kind: str, mean: float, tau2: float, d: list[float], two_sided: bool = False) -> mp.mpf:
    total = mp.mpf(0)
    corners = [mp.mpf("4.264890793922825"), mp.mpf("4.417173413469022")]
    for y, v in zip(Y[:2], V[:2], strict=True):
        y, v = mp.mpf(float(y)), mp.mpf(float(v))
        t, se = v + tau2, mp.sqrt(v)
        centre, reach = mean / se, 14 * mp.sqrt(t) / se
        inner = [
            *(s * c for c in corners for s in (1, -1)),
            *range(-8, 9, 2),
            mp.mpf("1.2533e-5"),
            -mp.mpf("1.2533e-5"),
        ]
        edges = sorted({centre - reach, centre + reach, *(x for x in inner if abs(x - centre) < reach)})
        area = mp.quad(
            lambda z, se=se, t=t: (
                weight(kind, z, d, two_sided) * mp.exp(-((z * se - mean) ** 2) / (2 * t)) * se
            ),
            edges,
        )
        total += mp.log(weight(kind, y / se, d, two_sided)) - (y - mean) ** 2 / (2 * t) - mp.log(area)
    return total


@pytest.mark.parametrize(
    "kind", ["beta", "half-normal", "logistic", "power", "exponential-power", "power-floor"]
)
def test_integral_is_exact(kind: str) -> None:
    d = THETA.get(kind, [1.3])
    ours = evaluate(problem(smooth_family(kind), Y[:2], V[:2]), np.array([[0.2, 0.05, *d]])).loglik[0]
    assert float(abs(exact(kind, 0.2, 0.05, d) - ours)) < 1e-10


def test_two_sided_integral_is_exact() -> None:
    ours = evaluate(
        problem(smooth_family("half-normal", two_sided=True), Y[:2], V[:2]), np.array([[0.2, 0.05, 1.3]])
    )
    assert float(abs(exact("half-normal", 0.2, 0.05, [1.3], two_sided=True) - ours.loglik[0])) < 1e-10


@pytest.mark.parametrize("tau2", [0.0, 0.07])
@pytest.mark.parametrize("family", [*FORMULAS, "step", "two-sided step", "decreasing", "truncated"])
def test_derivatives(family: str, tau2: float) -> None:
    nan, own = np.nan, [-0.7, 0.4]
    if family in FORMULAS:
        made, own = smooth_family(family), THETA.get(family, [1.3])
    elif family == "truncated":
        made, own = step_family(np.array([0.3, 0.2, -0.1, 2.0])[:, None], np.array([1.0, nan])), [-0.5]
    else:
        options = {"two_sided": family.startswith("two"), "decreasing": family == "decreasing"}
        made = step_family(np.array([0.025, 0.5]), np.array([1.0, nan, nan]), **options)
        own = np.abs(own) if family == "decreasing" else own
    asked, theta = problem(made), np.array([0.2, tau2, *own])
    at = evaluate(asked, theta[None])
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-5
        high, low = evaluate(asked, (theta + step)[None]), evaluate(asked, (theta - step)[None])
        assert (high.loglik[0] - low.loglik[0]) / 2e-5 == pytest.approx(at.gradient[0, j], rel=1e-5, abs=1e-6)
        assert (high.gradient[0] - low.gradient[0]) / 2e-5 == pytest.approx(
            at.hessian[0, j], rel=1e-5, abs=1e-5
        )
    assert at.scores(asked.x)[0].sum(axis=0) == pytest.approx(at.gradient[0])


def test_far_from_selection_nothing_underflows() -> None:
    family = step_family(np.array([0.025]), np.array([1.0, np.nan]))
    at = evaluate(problem(family), np.array([[-60.0, 0.0, -200.0]]))
    assert np.isfinite(at.loglik).all()
    assert np.isfinite(at.gradient).all()
    for low, high in ((40.0, 41.0), (-41.0, -40.0), (-1.0, 2.0)):
        assert log_between(np.array(low), np.array(high)) == pytest.approx(float(mp.log(mp.ncdf(high) - mp.ncdf(low)) if high < 9 and low > -9 else mp.log((mp.erfc(40 / mp.sqrt(2)) - mp.erfc(41 / mp.sqrt(2))) / 2)), rel=1e-12)  # fmt: skip


def test_copas_gradient() -> None:
    s = np.sqrt(V)
    model = Copas(Y, s, np.column_stack([np.ones(4), s]), (-0.5 + 0.1 / s)[None])
    theta = np.array([[0.15, 0.3, 0.03, 0.6]])
    lane = np.array([0])
    _, gradient = slope(model, lane, theta)
    for j in range(4):
        step = np.zeros((1, 4))
        step[0, j] = 1e-6
        numeric = (slope(model, lane, theta + step)[0] - slope(model, lane, theta - step)[0]) / 2e-6
        assert numeric[0] == pytest.approx(gradient[0, j], rel=1e-6)


def test_copas_density_integrates_to_one() -> None:
    """Density of a published effect = joint density of effect and propensity over the chance of publication."""
    y = np.linspace(-6, 6, 4001)
    s = np.full(len(y), 0.4)
    u = np.full((1, len(y)), 0.3)
    values = []
    for rho in (0.0, 0.8):
        each = [
            slope(
                Copas(y[i : i + 1], s[:1], np.ones((1, 1)), u[:, :1]),
                np.array([0]),
                np.array([[0.2, 0.1, rho]]),
            )[0][0]
            for i in range(0, len(y), 10)
        ]
        values.append(float(np.trapezoid(np.exp(each), y[::10])))
    assert values == pytest.approx([1.0, 1.0], abs=1e-6)


def test_every_reference_case_agrees_or_is_explained() -> None:
    content = reference()
    cases = [case for case in content["cases"] if "selmodel" in case["call"]]
    quick = [
        case for case in cases if "stepfun" in case["call"] or "trunc" in case["call"] or "bcg" in case["id"]
    ]
    outcomes = {case["id"]: check_selection(case, content["datasets"], {}) for case in quick}
    assert {name: o.detail for name, o in outcomes.items() if o.status not in ("agree", "explained")} == {}
    assert sum(o.status == "agree" for o in outcomes.values()) > len(outcomes) / 2


STEP_CASES = {
    "one": (np.array([0.025]), [1, np.nan], {}),
    "three": (np.array([0.01, 0.05, 0.5]), [1, np.nan, np.nan, np.nan], {}),
    "two-sided": (np.array([0.05, 0.1]), [1, np.nan, np.nan], {"two_sided": True}),
    "decreasing": (np.array([0.025, 0.5]), [1, np.nan, np.nan], {"decreasing": True}),
    "some given": (np.array([0.025, 0.5]), [1, 0.4, np.nan], {}),
    "all given": (np.array([0.025]), [1, 0.3], {}),
    "never published": (np.array([0.025, 0.99]), [1, np.nan, 0.0], {}),
}


@pytest.mark.parametrize("case", [*STEP_CASES, "truncated"])
@pytest.mark.parametrize("layout", ["shared", "counted", "counted by lane", "each its own"])
def test_steps_are_what_the_general_form_makes_of_them(case: str, layout: str) -> None:
    """The short form for constant weights against the one that also takes smooth ones, in all arrangements of lanes."""
    rng = np.random.default_rng(len(case) * 10 + len(layout))
    f, k, p = 6, 14, 3
    v = rng.uniform(0.01, 0.2, k)
    y = rng.normal(0.3, 1.2 * np.sqrt(v + 0.05))
    x = np.column_stack([np.ones(k), rng.normal(size=(k, p - 1))])
    if case == "truncated":
        family = step_family((0.1 / np.sqrt(v))[:, None], np.array([1, np.nan]))
    else:
        cuts, delta, options = STEP_CASES[case]
        family = step_family(cuts, np.array(delta, dtype=float), **options)
    ys, vs, xs, count = y[None], v[None], x[None], None
    if layout == "counted":
        count = rng.integers(0, 3, (1, k)).astype(float)
    elif layout == "counted by lane":
        count = rng.integers(0, 3, (f, k)).astype(float)
    elif layout == "each its own" and case != "truncated":
        ys, vs = y + rng.normal(0, 0.1, (f, k)), v * rng.uniform(0.5, 2, (f, 1))
        xs = x + 0.1 * np.concatenate([np.zeros((f, k, 1)), rng.normal(size=(f, k, p - 1))], axis=2)
    short = selected(ys, vs, xs, family=family, count=count)
    general = replace(short, family=replace(family, steps=None))
    theta = np.column_stack(
        [rng.normal(0, 0.4, (f, p)), [0, 0.01, 0.1, 0.5, 5, 0], rng.normal(0, 2, (f, family.q))]
    )
    assert family.steps is not None
    one, other = evaluate(short, theta), evaluate(general, theta)
    for name in ("loglik", "gradient", "hessian"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-10, atol=1e-9, err_msg=name
        )
    np.testing.assert_allclose(one.scores(short.x), other.scores(short.x), rtol=1e-10, atol=1e-9)
    part = short.take(np.array([1, 4]))
    np.testing.assert_allclose(
        evaluate(part, theta[[1, 4]]).hessian, one.hessian[[1, 4]], rtol=1e-12, atol=1e-12
    )
