"""p-uniform and p-uniform*: the effect at which the conditional p-values are uniform."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

from ...base.distributions import chi2_isf, chi2_sf, normal_cdf, normal_isf
from ...base.errors import InputError
from ...base.roots import find_root
from ...likelihood.batch import fit_batch
from ...likelihood.climb import climb
from ...likelihood.selection import evaluate
from ...likelihood.selection_family import Family, LogWeight, Pieces
from ...likelihood.selection_problem import Selected, log_between, selected
from ...records import Effects, Fit, Interval, Note, Optimum, TestResult
from ...records.fit import OptimumStatus
from ...records.selection import Alternative, PUniform
from .setup import check_effects, dependence_notes, source_of

NOTHING = "No result is significant in this direction, so p-uniform has nothing to work with."
EXACT = 20  # up to so many terms the distribution of a sum of uniforms is computed exactly
REACH = 60.0  # standard errors around the effects in which the estimate is searched


def sum_of_uniforms(x: float, m: int) -> float:
    """P(U1 + ... + Um <= x) (Irwin-Hall); for m > 20 by the normal approximation, whose error is below 0.0005 there."""
    if x <= 0 or x >= m:
        return float(x >= m)
    if m > EXACT:
        return float(normal_cdf((x - m / 2) / np.sqrt(m / 12)))
    if x > m / 2:
        return 1 - sum_of_uniforms(m - x, m)
    terms = [(-1) ** j * (x - j) ** m / (factorial(j) * factorial(m - j)) for j in range(int(x) + 1)]
    return float(np.sum(terms))


def _significant(y: np.ndarray, se: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Significant effects (m,), their standard errors and critical values."""
    critical = se * float(normal_isf(alpha))
    rows = y > critical
    if not rows.any():
        raise InputError(
            NOTHING, code="no-significant-results", advice="Use p-uniform*, which needs all studies."
        )
    return y[rows], se[rows], critical[rows]


def _solution(gap: Callable[[float], float], low: float, high: float) -> float:
    """The zero of an increasing function, NaN where there is none."""
    return find_root(gap, low, high, rtol=1e-12) if gap(low) < 0 < gap(high) else np.nan


def _quantile(p: float, m: int) -> float:
    """x with P(U1 + ... + Um <= x) = p."""
    return find_root(lambda x: sum_of_uniforms(x, m) - p, 0.0, float(m))


def _direction(source: Fit | Effects, alternative: Alternative) -> tuple[Effects, float, float]:
    if alternative not in ("greater", "less"):
        raise InputError('p-uniform needs a direction, "greater" or "less".', code="selection-alternative")
    taken = source_of(source)
    if taken.design.matrix.shape[1] > 1:
        raise InputError("p-uniform is defined for a pooled mean.", code="moderators")
    check_effects(taken.effects, taken.design)
    return taken.effects, 1.0 if alternative == "greater" else -1.0, taken.level


def p_uniform(
    source: Fit | Effects, *, alternative: Alternative = "greater", alpha: float = 0.025
) -> PUniform:
    """p-uniform: the effect common to all studies at which the significant results' conditional p-values are uniform.

    q_i(mu) = P(Y > y_i) / P(Y > critical value_i) with Y ~ N(mu, v_i); the estimate solves sum q_i = m / 2, the limits and
    the test of no effect use the distribution of a sum of m uniforms. Bias: the same sum at the fixed-effect estimate
    of the significant studies.

    Parameters
    ----------
    alpha : one-sided level at which a result counts as significant.

    Raises
    ------
    InputError ``no-significant-results``, ``selection-alternative``, ``moderators``.

    Source: van Assen, van Aert & Wicherts (2015), Psychol Methods 20:293; van Aert, Wicherts & van Assen (2016), Perspect
    Psychol Sci 11:713 (sum of uniforms).
    """
    effects, sign, level = _direction(source, alternative)
    y, se, critical = _significant(sign * effects.y, np.sqrt(effects.v), alpha)
    m = len(y)

    def conditional(mu: float) -> np.ndarray:
        infinite = np.full(m, np.inf)
        return np.asarray(
            np.exp(log_between((y - mu) / se, infinite) - log_between((critical - mu) / se, infinite))
        )

    ends_of_search = float(np.min(y - REACH * se)), float(np.max(y + REACH * se))

    def solve(target: float) -> float:
        return _solution(lambda mu: float(conditional(mu).sum()) - target, *ends_of_search)

    half = (1 - level) / 2
    estimate, ends = solve(m / 2), sorted(sign * solve(_quantile(p, m)) for p in (half, 1 - half))
    at_zero = float(conditional(0.0).sum())
    fixed = float(np.sum(y / se**2) / np.sum(1 / se**2))
    at_fixed = float(conditional(fixed).sum())
    return PUniform(
        method="p-uniform",
        effects=effects,
        alternative=alternative,
        alpha=alpha,
        k_significant=m,
        estimate=Interval(sign * estimate, ends[0], ends[1]) if np.isfinite(estimate) else None,
        tau2=None,
        effect=TestResult(
            "no effect, sum of uniforms", at_zero, float(m), np.inf, sum_of_uniforms(at_zero, m)
        ),
        bias=TestResult(
            "bias, sum of uniforms", at_fixed, float(m), np.inf, 1 - sum_of_uniforms(at_fixed, m)
        ),
        conditional=conditional(estimate) if np.isfinite(estimate) else np.empty(0),
        loglik=np.nan,
        level=level,
        optimum=Optimum("converged" if np.isfinite(estimate) else "stopped"),
        notes=_notes(effects, m),
    )


def conditional_family(critical: np.ndarray, significant: np.ndarray) -> Family:
    """Each study conditional on its side of the critical z: the density over the probability of that side."""
    infinite = np.full(len(critical), np.inf)
    low = np.where(significant, critical, -infinite)[None]
    high = np.where(significant, infinite, critical)[None]

    def log_weight(places: np.ndarray, theta: np.ndarray) -> LogWeight:
        return LogWeight(np.zeros((1, len(theta), 1)), [], {})

    empty = np.empty(0)
    pieces = Pieces(empty, empty, low, high, np.zeros(1, dtype=np.intp))
    none = (np.empty(0), np.empty((0, 0)))
    return Family(
        (), pieces, log_weight, np.zeros_like, empty, empty, empty, np.empty((1, 0)), lambda theta: none
    )


def p_uniform_star(
    source: Fit | Effects, *, alternative: Alternative = "greater", alpha: float = 0.025
) -> PUniform:
    """p-uniform*: maximum likelihood of mean and tau^2 from all studies, each conditional on being significant or not.

    Significant and non-significant studies may be published with any two different chances; within each group chances are
    equal. Profile-likelihood limits; the test of no effect and the test of bias (against the maximum without
    selection, 2 df) are likelihood ratios of this likelihood.

    Raises InputError ``too-few-effects``, ``selection-alternative``, ``moderators``.

    The test of bias is ours: the other maximum is estimated too, so that it is conservative (docs/operating-characteristics.md).

    Source: van Aert & van Assen (2026), Psychon Bull Rev 33, 10.3758/s13423-025-02812-4 (preprint: MetaArXiv zqjr9, 2018).
    """
    effects, sign, level = _direction(source, alternative)
    if effects.k < 2:
        raise InputError("p-uniform* needs at least 2 effects.", code="too-few-effects")
    se, y = np.sqrt(effects.v), sign * effects.y
    z = float(normal_isf(alpha))
    significant = y / se > z
    family = conditional_family(np.full(len(y), z), significant)
    problem = selected(y[None], effects.v[None], np.ones((1, len(y), 1)), family=family)
    plain = fit_batch(y, effects.v, method="ML")
    unadjusted = np.array([plain.coefficients[0, 0], plain.tau2[0]])
    limits = (float(np.min(y - REACH * se)), float(np.max(y + REACH * se)))
    best = _climb(problem, unadjusted, limits)
    theta, loglik = best[0], best[1]
    mean = _limits(problem, best, unadjusted, which=0, limits=limits, level=level)
    tau2 = _limits(problem, best, unadjusted, which=1, limits=limits, level=level)
    ends = sorted(sign * x for x in mean)
    zero = _climb(problem, unadjusted, limits, held=(0, 0.0))[1]
    lr = max(0.0, 2 * (loglik - zero))
    bias = max(0.0, 2 * (loglik - float(evaluate(problem, unadjusted[None]).loglik[0])))
    status: OptimumStatus = "stopped" if best[2] > 1e-5 else "boundary" if theta[1] == 0 else "converged"
    return PUniform(
        method="p-uniform*",
        effects=effects,
        alternative=alternative,
        alpha=alpha,
        k_significant=int(significant.sum()),
        estimate=Interval(sign * theta[0], ends[0], ends[1]),
        tau2=Interval(theta[1], *tau2),
        effect=TestResult("likelihood ratio, no effect", lr, 1.0, np.inf, float(chi2_sf(lr, 1))),
        bias=TestResult("likelihood ratio, no bias", bias, 2.0, np.inf, float(chi2_sf(bias, 2))),
        conditional=_conditional(y, effects.v, z, theta),
        loglik=loglik,
        level=level,
        optimum=Optimum(status, score=best[2], starts=6),
        notes=_notes(effects, int(significant.sum())),
    )


def _conditional(y: np.ndarray, v: np.ndarray, z: float, theta: np.ndarray) -> np.ndarray:
    """(k,) P(Y > y) given the study's side of the critical value, uniform if the model holds."""
    significant, se = y / np.sqrt(v) > z, np.sqrt(v)
    root = np.sqrt(v + theta[1])
    low, high = np.where(significant, z, -np.inf) * se, np.where(significant, np.inf, z) * se
    low, high = (low - theta[0]) / root, (high - theta[0]) / root
    return np.asarray(np.exp(log_between((y - theta[0]) / root, high) - log_between(low, high)))


def _climb(
    problem: Selected,
    plain: np.ndarray,
    limits: tuple[float, float],
    *,
    held: tuple[int, float] | None = None,
) -> tuple[np.ndarray, float, float]:
    """theta (2,), log-likelihood and score of the highest of several maxima."""
    unit = np.sqrt(plain[1] + float(np.median(problem.v)))
    shifts, factors = np.array([0, -1, -2, 0.5, 0, -4]), np.array([1, 0.3, 0, 1, 0, 2.0])
    start = np.column_stack([plain[0] + shifts * unit, factors * max(plain[1], 0.1 * unit**2)])
    lower, upper = np.tile([limits[0], 0.0], (6, 1)), np.tile([limits[1], 1e3 * unit**2], (6, 1))
    if held is not None:
        start[:, held[0]] = lower[:, held[0]] = upper[:, held[0]] = held[1]
    found = climb(lambda lanes, theta: evaluate(problem, theta), start, lower, upper)
    loglik = np.where(np.isfinite(found.loglik), found.loglik, -np.inf)
    i = int(np.argmax(loglik))
    return found.theta[i], float(loglik[i]), float(found.score[i])


def _limits(
    problem: Selected,
    best: tuple[np.ndarray, float, float],
    plain: np.ndarray,
    *,
    which: int,
    limits: tuple[float, float],
    level: float,
) -> tuple[float, float]:
    """Profile-likelihood limits; a limit beyond the range searched is infinite."""
    allowed = 0.5 * float(chi2_isf(1 - level, 1))
    unit = float(np.sqrt(plain[1] + np.median(problem.v)))
    ranges = limits if which == 0 else (0.0, 1e3 * unit**2)

    def above(value: float) -> float:
        return _climb(problem, plain, limits, held=(which, value))[1] - best[1] + allowed

    peak, ends = float(best[0][which]), []
    for side, bound in zip((-1, 1), ranges, strict=True):
        ends.append(_walk(above, peak, side, bound=bound, step=(0.5 * unit if which == 0 else 0.5 * unit**2)))
    low, high = ends
    return (0.0 if which == 1 and np.isinf(low) else low), high


def _walk(above: Callable[[float], float], peak: float, side: int, *, bound: float, step: float) -> float:
    inside = peak
    while inside != bound:
        outside = max(inside - step, bound) if side < 0 else min(inside + step, bound)
        if above(outside) < 0:
            return find_root(above, *sorted((inside, outside)), rtol=1e-7, atol=1e-8 * step)
        inside, step = outside, 2 * step
    return side * np.inf


def _notes(effects: Effects, m: int) -> tuple[Note, ...]:
    notes = []
    if m < 5:
        notes.append(
            Note(
                "few-p-values",
                "warning",
                f"Only {m} results are significant in this direction; the estimate rests on them.",
            )
        )
    notes += dependence_notes(effects)
    return tuple(notes)
