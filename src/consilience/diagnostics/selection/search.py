"""The highest likelihood of a selection model: all starts, and the model without heterogeneity, climb side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.errors import InputError
from ...likelihood.climb import Climbed, Objective, climb
from ...likelihood.selection import evaluate
from ...likelihood.selection_problem import Evaluated, Selected
from ...likelihood.selection_smooth import FORMULAS
from .setup import Setup

# lanes start from the unadjusted mean moved down by so many typical standard deviations, and from multiples of its tau^2
SHIFTS = (0.0, 0.5, 1.0, 0.75, -0.5)
TAU2_FACTORS = (1.0, 0.5, 1.0, 0.5, 1.5)
WIDER = (
    0.0,
    1.0,
    3.0,
    -1.0,
)  # for smooth selection functions, each of whose starts is combined with each shift
BESIDE = 0.02  # log-likelihood below a maximum at which a climb beside it was left, a tenth of a standard error away
WITHOUT = 3  # starts of the model without heterogeneity, whose likelihood is easier


@dataclass(frozen=True, eq=False)
class Found:
    """The best maximum: theta (P,), its likelihood, Hessian, scores (k, P) (None where effects are independent: nothing needs
    them), free (P,); climbs, and how many ended at it or beside it; the log-likelihood with tau^2 = 0 (NaN where not asked for)."""

    theta: np.ndarray
    loglik: float
    hessian: np.ndarray
    scores: np.ndarray | None
    free: np.ndarray
    score: float
    steps: int
    starts: int
    reached: int
    maxima: int
    loglik_without_tau2: float


def objective_of(problem: Selected) -> Objective:
    """lanes, theta -> Evaluated; a problem of one analysis serves every lane."""

    def objective(lanes: np.ndarray, theta: np.ndarray) -> Evaluated:
        return evaluate(problem.take(lanes), theta)

    return objective


def starts_of(setup: Setup) -> np.ndarray:
    """(n, P) starting values."""
    p, q, own, plain = setup.problem.p, setup.family.q, setup.family.start, setup.unadjusted
    shifts, factors = np.array(SHIFTS), np.array(TAU2_FACTORS)
    if q and setup.asked.kind in FORMULAS:
        own = np.repeat(own, len(WIDER), axis=0)
        shifts = np.array(WIDER)
    n = max(len(own), 3)
    typical = _median(setup.effects.v)
    level = _level(setup.design.matrix)
    down = np.resize(shifts, n)[:, None] * np.sqrt(typical + plain.tau2) * level
    start = np.zeros((n, p + 1 + q))
    start[:, :p] = setup.sign * plain.estimate - down
    start[:, p] = np.resize(factors, n) * max(plain.tau2, 0.1 * typical)
    if q:
        start[:, p + 1 :] = own[np.arange(n) % len(own)]
    return start


def _median(values: np.ndarray) -> float:
    """As `np.median`, whose care for missing values takes longer than the sorting of some studies."""
    ordered, k = np.sort(values), len(values)
    return float(0.5 * (ordered[(k - 1) // 2] + ordered[k // 2]))


def _level(design: np.ndarray) -> np.ndarray:
    """(p,) coefficients of a constant of one."""
    ones = (design == 1).all(axis=0)
    if ones.any():
        return np.asarray(np.arange(len(ones)) == ones.argmax(), dtype=float)
    return np.asarray(np.linalg.lstsq(design, np.ones(len(design)), rcond=None)[0])


def search(setup: Setup, *, extra: np.ndarray | None = None) -> Found:
    """Climb from every start (and from `extra` (m, P)).

    Raises InputError ``no-maximum`` if no climb found a point with a finite likelihood.
    """
    start = starts_of(setup)
    if extra is not None:
        start = np.vstack([start, extra])
    n, p = len(start), setup.problem.p
    compare = setup.tau2 is None
    lower, upper = np.tile(setup.lower, (n, 1)), np.tile(setup.upper, (n, 1))
    if compare:  # the same starts without heterogeneity
        start, lower, upper = (np.vstack([a, a[:WITHOUT]]) for a in (start, lower, upper))
        start[n:, p] = upper[n:, p] = 0.0
    group = (np.arange(len(start)) >= n).astype(np.intp)
    climbed = climb(objective_of(setup.problem), start, lower, upper, group=group)
    loglik = np.where(np.isfinite(climbed.loglik), climbed.loglik, -np.inf)
    best = int(np.argmax(loglik))  # a model without heterogeneity is a point of the larger one
    if not np.isfinite(loglik[best]):
        raise InputError(
            "The likelihood is not finite at any start.", code="no-maximum", advice="Look at the data."
        )
    if compare and best >= n:
        climbed, loglik, best = _again(setup, climbed, loglik, best)
    scores = None
    if setup.dependent:
        scores = evaluate(setup.problem, climbed.theta[best : best + 1]).scores(setup.problem.x)[0]
    ended = loglik[:n][climbed.score[:n] < 1e-5]
    return Found(
        theta=climbed.theta[best],
        loglik=float(loglik[best]),
        hessian=climbed.hessian[best],
        scores=scores,
        free=climbed.free[best] & (setup.lower < setup.upper),
        score=float(climbed.score[best]),
        steps=int(climbed.steps[best]),
        starts=n,
        reached=int((loglik[:n] > loglik[best] - BESIDE).sum()),
        maxima=len(set(np.round(ended, 4).tolist())),
        loglik_without_tau2=float(loglik[n:].max()) if compare else np.nan,
    )


def _again(setup: Setup, climbed: Climbed, loglik: np.ndarray, best: int) -> tuple[Climbed, np.ndarray, int]:
    """Climb on from the best model without heterogeneity, in which tau^2 could not move."""
    more = climb(
        objective_of(setup.problem), climbed.theta[best : best + 1], setup.lower[None], setup.upper[None]
    )
    replaced = Climbed(
        *(
            np.concatenate([new, old[1:]])
            for new, old in (
                (more.theta, climbed.theta),
                (more.loglik, climbed.loglik),
                (more.hessian, climbed.hessian),
                (more.score, climbed.score),
                (more.steps, climbed.steps),
                (more.free, climbed.free),
            )
        )
    )
    return replaced, np.concatenate([more.loglik, loglik[1:]]), 0
