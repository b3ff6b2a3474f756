"""Estimators of tau^2 other than maximum likelihood: a registry.

No estimate is negative. With P = W - WX(X'WX)^-1X'W at weights W:

==========  ==========================================================================================
DL          (y'Py - (k - p)) / tr P at W = 1/v: DerSimonian & Laird (1986), Raudenbush (2009)
DL2         the same moment once more at W = 1/(v + tau^2_DL): DerSimonian & Kacker (2007)
HE          unweighted moment, W = I: Hedges (1983), Cochran (1954)
HS, HSk     (Q - k) / sum w, and with Q k/(k - p): Hunter & Schmidt (2004), Brannick et al. (2019)
SJ          one step from the variance of y: Sidik & Jonkman (2005)
PM          y'Py = k - p at W = 1/(v + tau^2): Paule & Mandel (1982); the fixed point of EB (Morris 1983), of
            the iterated DL and of the iterated SJ estimator (SJIT) is the same equation
PMM         y'Py = median of chi^2(k - p): Viechtbauer (2021), median-unbiased
GENQ        the moment at any weights: DerSimonian & Kacker (2007), Jackson et al. (2014)
GENQM       median-unbiased version of it, in `quadratic.py`
==========  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.distributions import chi2_ppf
from .quadratic import solve_generalised_q
from .search import refine
from .weighted import At, Problem, trace_pdpd

Weights = np.ndarray | None
Found = tuple[np.ndarray, np.ndarray]  # tau2 (F,), steps (F,)


@dataclass(frozen=True)
class Rule:
    """How an estimator finds tau2 (F,), and its standard error (F,) at any tau2."""

    estimate: Callable[[Problem, Weights], Found]
    se: Callable[[Problem, Weights, np.ndarray], np.ndarray]


def solve_q(problem: Problem, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tau2 (F,) at which y'Py (weights 1/(v + tau2)) falls to `target` (F,), 0 if it is below at once; steps (F,).

    y'Py is decreasing and convex, and below RSS / (v_min + tau^2) with RSS of ordinary least squares.
    """
    present = np.isfinite(problem.v)
    over = problem.at(np.zeros(problem.n)).rss > target
    tau2, steps = np.zeros(problem.n), np.zeros(problem.n, dtype=np.intp)
    rows = np.flatnonzero(over)
    if len(rows):
        part, goal = (problem, target) if len(rows) == problem.n else (problem.take(rows), target[rows])
        limit = part.weighted(present[:, rows].astype(float)).rss / goal * (1 + 1e-9)

        def excess(at: At, lanes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.log(at.rss / goal[lanes]), -at.square / at.rss

        tau2[rows], steps[rows] = refine(part, (np.zeros(len(rows)), limit), excess)
    return tau2, steps


def moment(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """(F,) method-of-moments tau^2 at weights (K, F), not truncated: (y'Py - tr PV) / tr P. Source: as GENQ."""
    at = problem.weighted(weights)
    v = np.where(np.isinf(problem.v), 0.0, problem.v)
    return np.asarray((at.rss - (v * weights * at.complement).sum(axis=0)) / at.trace)


def moment_se(problem: Problem, weights: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """(F,) standard error of `moment`: sqrt(2 tr(P(V + tau^2) P(V + tau^2))) / tr P."""
    at = problem.weighted(weights)
    return np.asarray(np.sqrt(2 * _pdpd(problem, at, tau2)) / at.trace)


def equation_se(problem: Problem, tau2: np.ndarray) -> np.ndarray:
    """(F,) standard error of the empirical-Bayes equation y'Py = k - p: sqrt(2 k^2 / (k - p)) / sum w."""
    k = problem.k
    return np.asarray(np.sqrt(2 * k**2 / (k - problem.p)) / problem.at(tau2).w_sum)


def _pdpd(problem: Problem, at: At, tau2: np.ndarray) -> np.ndarray:
    total = np.where(np.isinf(problem.v), 0.0, problem.v + tau2)
    return trace_pdpd(at, total, total)


def _precision(problem: Problem) -> np.ndarray:
    return np.asarray(1.0 / problem.v)


def _closed(tau2: np.ndarray) -> Found:
    return np.maximum(tau2, 0.0), np.zeros(len(tau2), dtype=np.intp)


def _dl2_weights(problem: Problem) -> np.ndarray:
    return np.asarray(1.0 / (problem.v + np.maximum(moment(problem, _precision(problem)), 0.0)))


def _equal(problem: Problem) -> np.ndarray:
    return np.asarray(np.isfinite(problem.v).astype(float))


def _given(problem: Problem, weights: Weights) -> np.ndarray:
    return _precision(problem) if weights is None else weights


def _hs(problem: Problem, factor: np.ndarray) -> Found:
    at = problem.weighted(_precision(problem))
    return _closed((factor * at.rss - problem.k) / at.w_sum)


def _hs_se(problem: Problem, factor: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    at = problem.weighted(_precision(problem))
    return np.asarray(factor * np.sqrt(2 * _pdpd(problem, at, tau2)) / at.w_sum)


def _small_sample(problem: Problem) -> np.ndarray:
    return np.asarray(problem.k / (problem.k - problem.p))


def _sj_start(problem: Problem) -> np.ndarray:
    """Variance of the effects about their plain mean, with divisor k."""
    mean = problem.y.sum(axis=0) / problem.k
    return np.asarray((np.where(np.isinf(problem.v), 0.0, problem.y - mean) ** 2).sum(axis=0) / problem.k)


def _sj(problem: Problem, weights: Weights) -> Found:
    start = _sj_start(problem)
    return _closed(start * problem.at(start).rss / (problem.k - problem.p))


def _sj_se(problem: Problem, weights: Weights, tau2: np.ndarray) -> np.ndarray:
    start = _sj_start(problem)
    spread = np.sqrt(2 * _pdpd(problem, problem.at(start), tau2))
    return np.asarray(start * spread / (problem.k - problem.p))


def _genqm(problem: Problem, weights: Weights) -> Found:
    return _closed(solve_generalised_q(problem, _given(problem, weights), 0.5))


def _at_weights(of: Callable[[Problem], np.ndarray]) -> Rule:
    """The moment estimator at weights that follow from the problem."""
    return Rule(lambda p, w: _closed(moment(p, of(p))), lambda p, w, t: moment_se(p, of(p), t))


_EQUATION = Rule(
    lambda p, w: solve_q(p, (p.k - p.p).astype(float)),
    lambda p, w, t: equation_se(p, t),
)

MOMENTS: dict[str, Rule] = {
    "DL": _at_weights(_precision),
    "DL2": _at_weights(_dl2_weights),
    "HE": _at_weights(_equal),
    "HS": Rule(lambda p, w: _hs(p, np.ones(p.n)), lambda p, w, t: _hs_se(p, np.ones(p.n), t)),
    "HSk": Rule(lambda p, w: _hs(p, _small_sample(p)), lambda p, w, t: _hs_se(p, _small_sample(p), t)),
    "SJ": Rule(_sj, _sj_se),
    "SJIT": _EQUATION,
    "PM": _EQUATION,
    "EB": _EQUATION,
    "DLIT": _EQUATION,
    "PMM": Rule(lambda p, w: solve_q(p, chi2_ppf(0.5, p.k - p.p)), _EQUATION.se),
    "GENQ": Rule(
        lambda p, w: _closed(moment(p, _given(p, w))), lambda p, w, t: moment_se(p, _given(p, w), t)
    ),
    "GENQM": Rule(_genqm, lambda p, w, t: moment_se(p, _given(p, w), t)),
}
