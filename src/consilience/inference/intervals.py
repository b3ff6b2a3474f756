"""Confidence intervals of tau^2, and of I^2 and H^2 through the typical variance.

Source: Q-profile: Viechtbauer (2007), Stat Med 26:37; generalised Q: Jackson (2013), Res Synth Methods 4:220;
profile likelihood: Hardy & Thompson (1996), Stat Med 15:619.
"""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_isf, chi2_ppf
from ..base.errors import InputError
from ..base.options import choose, confidence_level
from ..base.roots import find_root
from ..likelihood.moments import solve_q
from ..likelihood.prepare import Prepared, prepare
from ..likelihood.quadratic import solve_generalised_q
from ..likelihood.search import log_likelihood, upper_bound
from ..records import Fit, HeterogeneityIntervals, Interval
from .one_each import refuse_dependence

HETEROGENEITY_METHODS = {
    "q-profile": "Q-profile",
    "generalised-q": "generalised Q with the weights of the fit (inverse variance unless given)",
    "profile-likelihood": "profile likelihood",
}
GRID = 200


def heterogeneity_intervals(
    fit: Fit, *, method: str = "q-profile", level: float | None = None
) -> HeterogeneityIntervals:
    """Intervals of tau^2, tau, I^2 and H^2 of a model with one effect per study.

    An interval may exclude the estimate where estimator and interval rest on different statistics; it is [0, 0] where
    the data are less variable than almost any tau^2 would make them.

    Parameters
    ----------
    method : one of `HETEROGENEITY_METHODS`. The profile likelihood is that of the fit's method (ML, else REML).
    level : of the intervals; None = that of the fit.

    Raises
    ------
    InputError ``one-effect-per-study`` for other models or a given tau^2, ``no-residual-df`` when k <= p, ``level``.
    """
    choose(method, HETEROGENEITY_METHODS, what="Interval")
    level = fit.spec.level if level is None else confidence_level(level)
    prepared = _prepared(fit)
    tail = (1 - level) / 2
    if method == "q-profile":
        low, high = _q_profile(prepared, tail)
    elif method == "generalised-q":
        low, high = _generalised_q(fit, prepared, tail)
    else:
        low, high = _profile(fit, prepared, level)
    unit = 4.0 ** int(prepared.exponent[0])
    return _transformed(fit, low * unit, high * unit, level=level, method=HETEROGENEITY_METHODS[method])


def _prepared(fit: Fit) -> Prepared:
    if len(fit.components.names) != 1 or fit.scale is not None or fit.optimum.status == "fixed":
        raise InputError(
            "The interval needs a model with a single, estimated tau^2.", code="one-effect-per-study"
        )
    refuse_dependence(fit, "The interval")
    x = fit.design.matrix
    if len(x) <= x.shape[1]:
        raise InputError(
            f"{len(x)} effects and {x.shape[1]} coefficients leave nothing to estimate tau^2 from.",
            code="no-residual-df",
        )
    common = x.shape[1] == 1 and bool((x == 1).all())
    return prepare(fit.effects.y[None], fit.effects.v[None], None if common else x)


def _q_profile(prepared: Prepared, tail: float) -> tuple[float, float]:
    problem = prepared.problem
    df = problem.k - problem.p
    low, _ = solve_q(problem, chi2_isf(tail, df))
    high, _ = solve_q(problem, chi2_ppf(tail, df))
    return float(low[0]), float(high[0])


def _generalised_q(fit: Fit, prepared: Prepared, tail: float) -> tuple[float, float]:
    problem = prepared.problem
    weights = 1 / problem.v
    if fit.spec.weights:
        weights = prepared.arranged(weights_of(fit)[None])
        weights = weights / weights.max()
    low = solve_generalised_q(problem, weights, 1 - tail)
    return float(low[0]), float(solve_generalised_q(problem, weights, tail)[0])


def weights_of(fit: Fit) -> np.ndarray:
    """(k,) weights that the spec names: ones for ``"equal"``, else a column of the effects."""
    name = fit.spec.weights
    return np.ones(fit.effects.k) if name == "equal" else np.asarray(fit.effects[name], dtype=float)


def _profile(fit: Fit, prepared: Prepared, level: float) -> tuple[float, float]:
    """Outermost tau^2 whose log-likelihood is within chi2(1)/2 of the highest."""
    problem, reml = prepared.problem, fit.spec.method != "ML"
    best = float(np.ldexp(fit.components.total, -2 * int(prepared.exponent[0])))
    drop = 0.5 * float(chi2_isf(1 - level, 1))
    top = float(log_likelihood(problem, np.array([best]), reml=reml)[0])

    def excess(tau2: float) -> float:
        return float(log_likelihood(problem, np.array([tau2]), reml=reml)[0]) - top + drop

    far = max(float(upper_bound(problem)[0]), best, float(problem.v[0, 0]))
    while excess(far) > 0:
        far *= 4
    scale = float(problem.v[0, 0])
    grid = np.unique(np.append(scale * np.expm1(np.linspace(0, np.log1p(far / scale), GRID)), best))
    inside = np.flatnonzero([excess(t) > 0 for t in grid])
    first, last = int(inside[0]), int(inside[-1])
    low = 0.0 if first == 0 else find_root(excess, grid[first - 1], grid[first], rtol=1e-13)
    return low, find_root(excess, grid[last], grid[last + 1], rtol=1e-13)


def _transformed(fit: Fit, low: float, high: float, *, level: float, method: str) -> HeterogeneityIntervals:
    typical = fit.heterogeneity.typical_variance
    tau2 = fit.components.total

    def interval(of: np.ndarray) -> Interval:
        return Interval(float(of[0]), float(of[1]), float(of[2]))

    values = np.array([tau2, low, high])
    return HeterogeneityIntervals(
        tau2=interval(values),
        tau=interval(np.sqrt(values)),
        i2=interval(100 * values / (values + typical)),
        h2=interval(1 + values / typical),
        level=level,
        method=method,
    )
