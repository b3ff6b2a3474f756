"""p-uniform, p-uniform* and z-curve against direct maximisation, identities between methods and published figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from consilience.diagnostics.selection import copas, p_uniform, p_uniform_star, selection_model, z_curve
from consilience.diagnostics.selection.z_curve import rates_of
from consilience.records.selection import SelectionKind
from selection_data import effects_of, published, reference_effects


@pytest.mark.parametrize("seed", range(4))
def test_p_uniform_star_is_the_step_model_where_all_variances_are_equal(seed: int) -> None:
    """Pustejovsky (2026), jepusto.com/posts/p-uniform-star: the maxima of p-uniform* and of the 3PSM (which is compared with
    R in reference/pubbias.json) are then the same."""
    rng = np.random.default_rng(seed)
    y: list[float] = []
    while len(y) < 60:
        effect = rng.normal(0.2, np.sqrt(0.04 + 0.02))
        if effect > 1.96 * 0.2 or rng.random() < 0.4:
            y.append(effect)
    effects = effects_of(np.array(y), np.full(60, 0.04))
    star, step = p_uniform_star(effects), selection_model(effects)
    assert star.estimate is not None
    assert star.tau2 is not None
    assert star.estimate.estimate == pytest.approx(step.coefficients.estimate[0], abs=2e-5)
    assert star.tau2.estimate == pytest.approx(step.tau2, abs=2e-5)


def test_p_uniform_star_by_direct_maximisation() -> None:
    effects = published(np.random.default_rng(8), 50, mean=0.25, tau=0.2, chance=0.3)
    sd = np.sqrt(effects.v)
    cut = stats.norm.isf(0.025) * sd

    def minus(theta: np.ndarray) -> float:
        root = np.sqrt(effects.v + theta[1] ** 2)
        upper, lower = stats.norm.logsf(cut, theta[0], root), stats.norm.logcdf(cut, theta[0], root)
        return -float(np.sum(stats.norm.logpdf(effects.y, theta[0], root) - np.where(effects.y > cut, upper, lower)))  # fmt: skip

    best = optimize.minimize(minus, [0.2, 0.2], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
    star = p_uniform_star(effects)
    assert star.estimate is not None
    assert star.tau2 is not None
    assert star.loglik == pytest.approx(-best.fun, abs=1e-8)
    assert star.estimate.estimate == pytest.approx(best.x[0], abs=1e-5)
    assert star.tau2.estimate == pytest.approx(best.x[1] ** 2, abs=1e-5)
    profile = [
        optimize.minimize_scalar(lambda t, m=m: minus(np.array([m, t])), bounds=(0, 2), method="bounded").fun
        for m in (star.estimate.low, star.estimate.high)
    ]
    assert np.array(profile) - best.fun == pytest.approx(np.full(2, 1.920729), abs=1e-4)


def test_p_uniform_by_root_finding_and_simulated_sums() -> None:
    effects = reference_effects("hackshaw1998")
    sd = np.sqrt(effects.v)
    rows = effects.y / sd > stats.norm.isf(0.025)
    y, s = effects.y[rows], sd[rows]
    m = len(y)

    def total(mu: float) -> float:
        return float(np.sum(stats.norm.sf(y, mu, s) / stats.norm.sf(stats.norm.isf(0.025) * s, mu, s)))

    found = p_uniform(effects)
    assert found.estimate is not None
    assert found.k_significant == m
    solved = optimize.brentq(lambda mu: total(mu) - m / 2, -2, 2, xtol=1e-12)
    assert found.estimate.estimate == pytest.approx(solved, abs=1e-9)
    sums = np.sort(np.random.default_rng(2).random((400_000, m)).sum(axis=1))
    reached = [np.mean(sums <= total(limit)) for limit in (found.estimate.low, found.estimate.high)]
    assert reached == pytest.approx([0.025, 0.975], abs=1.2e-3)
    assert found.effect is not None
    assert found.effect.p_value == pytest.approx(np.mean(sums <= total(0.0)), abs=3e-3)


def folded(x: float | np.ndarray, mean: float) -> np.ndarray:
    return np.asarray(stats.norm.pdf(x, mean) + stats.norm.pdf(x, -mean))


@pytest.mark.parametrize(
    ("seed", "means"), [(4, [0.5, 2.2, 3.5]), (5, [0.2, 0.4, 1.0]), (6, [2.5, 3.0, 4.5])]
)
def test_z_curve_by_direct_maximisation(seed: int, means: list[float]) -> None:
    """The likelihood of the truncated mixture by numerical integration, maximised over the simplex by another method."""
    rng = np.random.default_rng(seed)
    z = np.abs(rng.normal(np.repeat(means, 200), 1.0))
    found = z_curve(effects_of(z, np.ones(len(z))), rng=rng, replicates=10)
    cut = float(stats.norm.isf(0.025))
    inside, beyond, m = z[(z > cut) & (z <= 5)], int(np.sum(z > 5)), int(np.sum(z > cut))
    density = np.column_stack(
        [folded(inside, mean) / integrate.quad(folded, cut, 5, args=(mean,))[0] for mean in range(7)]
    )
    w = np.full(7, 1 / 7)
    for _ in range(20_000):  # EM: slow but sure
        w = w * ((1 / (density @ w)) @ density) / len(inside)
    assert found.loglik == pytest.approx(float(np.sum(np.log(density @ w))), abs=2e-6)
    slopes = (1 / (density @ found.weights)) @ density / len(inside)
    assert slopes.max() <= 1 + 1e-7  # no component would raise the likelihood
    w = w * (1 - beyond / m)
    power = [stats.norm.sf(cut - mean) + stats.norm.cdf(-cut - mean) for mean in range(7)]
    same_sign = [stats.norm.sf(cut - mean) for mean in range(7)]
    assert found.err.estimate == pytest.approx(w @ same_sign + beyond / m, abs=2e-4)
    assert found.edr.estimate == pytest.approx(1 / (w @ (1 / np.array(power)) + beyond / m), abs=2e-3)


def test_published_rates_follow_from_published_weights() -> None:
    """Bartos & Schimmack: R package zcurve 1.0.9, README, 90 original results of the Open Science Collaboration (2015).

    Weights .056, .005, .734, .205, 0, 0, 0; 73 of 85 significant |z| up to 5; ERR .615, EDR .388, Soric .083, file drawer 1.574.
    They count the 12 |z| above 5 as a share of all 90 results: with 12/90 the printed rates follow, with 12/85 (ours: the share
    among the significant results, which the weights are shares of) ERR is .618 and EDR .391.
    """
    weights = np.array([[0.056, 0.005, 0.734, 0.205, 0.0, 0.0, 0.0]])
    cut = float(stats.norm.isf(0.025))
    err, edr = (float(x[0]) for x in rates_of(weights, np.array([12]), np.array([90]), cut))
    assert err == pytest.approx(0.615, abs=1.1e-3)
    assert edr == pytest.approx(0.388, abs=2.1e-3)
    assert (1 / edr - 1) * 0.05 / 0.95 == pytest.approx(0.083, abs=1.1e-3)
    assert 1 / edr - 1 == pytest.approx(1.574, abs=0.012)
    assert float(rates_of(weights, np.array([12]), np.array([85]), cut)[0][0]) == pytest.approx(
        0.618, abs=1.1e-3
    )


def test_copas_path_is_no_lower_than_from_many_random_starts() -> None:
    """Where selection is severe the likelihood has several maxima; the standard starts alone missed this one by 0.47."""
    rng = np.random.default_rng(1)
    v = rng.uniform(0.01, 0.3, 10)
    y = rng.normal(0.25 + 0.5 * np.sqrt(v), np.sqrt(v + 0.03))
    found = copas(effects_of(y, v), gamma0=(0.0,), gamma1=(0.0,)).path
    s, cut = np.sqrt(v), stats.norm.ppf(found.published)
    top = np.maximum(stats.norm.ppf(0.99), cut)
    slope = (top - cut) / (1 / s.min() - 1 / s.max())
    u = (cut - slope / s.max())[:, None] + slope[:, None] / s
    for row in (4, 7, 9):

        def minus(theta: np.ndarray, row: int = row) -> float:
            mean, tau2, rho = theta[0], theta[1] ** 2, 0.9999 * np.tanh(theta[2] ** 2)
            ratio = np.exp(stats.norm.logpdf(u[row]) - stats.norm.logcdf(u[row]))
            sigma2 = v / (1 - ratio * (u[row] + ratio) * rho**2)
            total = tau2 + sigma2
            held = rho * np.sqrt(sigma2 / total)
            inside = (u[row] + held * (y - mean) / np.sqrt(total)) / np.sqrt(1 - held**2)
            each = stats.norm.logpdf(y, mean, np.sqrt(total)) - stats.norm.logcdf(u[row])
            return -float(np.sum(each + stats.norm.logcdf(inside)))

        best = min(
            (
                optimize.minimize(minus, rng.normal([0.3, 0.1, 1.0], [0.4, 0.1, 0.7]), method="Nelder-Mead")
                for _ in range(25)
            ),
            key=lambda r: r.fun,
        )
        assert found.estimate[row] == pytest.approx(best.x[0], abs=3e-3)


CUT_Y = np.array(
    [0.6888, 0.4032, 0.2322, -0.001, 0.0283, 0.0822, -0.173, 0.1644, -0.2875, 0.2535, 0.1826, 0.5813]
)
CUT_V = np.array(
    [0.0699, 0.0201, 0.1119, 0.0225, 0.0316, 0.1919, 0.0356, 0.0722, 0.1785, 0.0422, 0.0515, 0.0993]
)
# R 4.2.2, metafor 3.8.1: selmodel(rma(y, v, method = "ML"), type, steps = cut, delta = 1.5, optimizer = "nlminb"), mean, tau^2,
# log-likelihood; its integrals are good to four digits here
CUT_IN_R = (
    ("half-normal", 0.025, 0.0849702584, 0.0289870911, -1.27940564),
    ("half-normal", 0.3, 0.100923915, 0.0291677434, -1.19850887),
    ("negative-exponential", 0.025, 0.0686909229, 0.0233260737, -1.51459899),
    ("negative-exponential", 0.3, 0.110994046, 0.0254027166, -1.26054438),
    ("logistic", 0.025, 0.11024006, 0.0210673005, -1.34779382),
    ("logistic", 0.3, 0.133551824, 0.0220136534, -1.2111416),
    ("power", 0.025, -0.51895501, 0.152733943, -1.16963549),
    ("power", 0.3, -0.356242712, 0.14751151, -1.08325897),
)
FORMULA: dict[str, Callable[[float], float]] = {
    "half-normal": lambda p: float(np.exp(-1.5 * p * p)),
    "negative-exponential": lambda p: float(np.exp(-1.5 * p)),
    "logistic": lambda p: float(2 / (1 + np.exp(1.5 * p))),
    "power": lambda p: (1 - p) ** 1.5,
}


@pytest.mark.parametrize(("kind", "cut", "mean", "tau2", "loglik"), CUT_IN_R)
def test_a_smooth_weight_does_not_jump_at_its_cut(
    kind: SelectionKind, cut: float, mean: float, tau2: float, loglik: float
) -> None:
    found = selection_model(effects_of(CUT_Y, CUT_V), kind=kind, steps=[cut], weights=[1.5])
    assert found.coefficients.estimate[0] == pytest.approx(mean, rel=2e-4)
    assert found.tau2 == pytest.approx(tau2, rel=2e-4)
    assert found.loglik == pytest.approx(loglik, abs=3e-4)

    def weight(p: float) -> float:
        last = 1 - 1e-5 if kind == "power" else 1.0  # where its weight would be zero
        return 1.0 if p <= cut else FORMULA[kind](min(p, last)) / FORMULA[kind](cut)

    total = 0.0
    for y, v in zip(CUT_Y, CUT_V, strict=True):
        se, sd, center = np.sqrt(v), np.sqrt(v + found.tau2), found.coefficients.estimate[0]
        corner = stats.norm.isf(cut) * se

        def density(x: float, se: float = se, sd: float = sd, center: float = center) -> float:
            return weight(float(stats.norm.sf(x / se))) * float(stats.norm.pdf(x, center, sd))

        mass = sum(
            integrate.quad(density, a, b, epsabs=1e-13, limit=400)[0]
            for a, b in ((center - 10 * sd, corner), (corner, center + 10 * sd))
        )
        total += stats.norm.logpdf(y, center, sd) + np.log(weight(float(stats.norm.sf(y / se))) / mass)
    assert found.loglik == pytest.approx(total, abs=2e-7)
