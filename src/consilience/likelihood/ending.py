"""How a search ended: its status, what is at a limit, how many climbs met at the best maximum, the curvature there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..records.fit import STRICT, OptimumStatus
from .build import Setup
from .optimise import BESIDE, SCORE_TOLERANCE
from .structures import Parameter
from .terms import RandomTerm

SINGULAR = 1e-9  # smallest eigenvalue of G as a share of its largest that is zero but for rounding
PERFECT = 1e-8  # distance of a correlation from one that is none
LEVEL = 1e-7  # difference of log-likelihoods that is none


@dataclass(frozen=True, eq=False)
class End:
    """Where climbs ended: theta (q,), the likelihood, deviations of the scores (q,), the smallest scaled curvature, the largest
    scaled score, the number of climbs; passed : there was a higher point beside it."""

    theta: np.ndarray
    loglik: float
    spread: np.ndarray
    curvature: float
    score: float
    climbs: int = 1
    passed: bool = False


def status_of(*, score: float, unknown: bool, at_limit: bool) -> OptimumStatus:
    """How a search ended. score : scaled, at its end; unknown : do the data say nothing on a component?"""
    if not score <= SCORE_TOLERANCE:
        return "stopped"
    if unknown:
        return "not-identified"
    return "boundary" if at_limit else "converged"


def least_curvature(information: np.ndarray) -> float:
    """Smallest eigenvalue of the information (q, q) scaled to a diagonal of one, over what moved (NaN = did not)."""
    moving = np.isfinite(information.diagonal())
    if not moving.any():
        return math.nan
    part = information if moving.all() else information[np.ix_(moving, moving)]
    size = np.abs(part.diagonal())
    if len(size) == 1:
        return float(np.sign(part[0, 0]))
    root = np.sqrt(np.where(size > 0, size, 1.0))
    scaled = part / (root[:, None] * root)
    return float(np.linalg.eigvalsh(scaled)[0]) if np.isfinite(scaled).all() else math.nan


def tally(ends: list[End], best: int) -> tuple[int, int, int, float]:
    """Climbs, how many of them ended at the best, distinct maxima, and the log-likelihood between the best and the next."""
    top = ends[best]
    climbs = sum(one.climbs for one in ends)
    if len(ends) == 1:
        return climbs, top.climbs, 1, math.nan
    maxima, reached = [top], 0
    for number, one in enumerate(ends):
        if number == best or _same(one, top):
            reached += one.climbs
        elif (
            not one.passed and one.score <= SCORE_TOLERANCE and not any(_same(one, other) for other in maxima)
        ):
            maxima.append(one)
    others = [top.loglik - one.loglik for one in maxima[1:]]
    return climbs, reached, len(maxima), max(min(others), 0.0) if others else math.nan


def _same(one: End, other: End) -> bool:
    """Are they one maximum: beside each other, or just as high where the likelihood is level in some direction?"""
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.abs(one.theta - other.theta) * np.maximum(one.spread, other.spread)
    if bool((gap < BESIDE).all()):
        return True
    level = abs(one.loglik - other.loglik) <= LEVEL + 1e-10 * abs(other.loglik)
    return level and not (one.curvature > STRICT and other.curvature > STRICT)


def limits(setup: Setup, theta: np.ndarray, free: np.ndarray) -> tuple[str, ...]:
    """What of the free parameters is at its limit, in words, from theta (q,) on the working scale."""
    result: list[str] = []
    start = 0
    for term in setup.terms:
        stop = start + len(term.parameters)
        if free[start:stop].any():
            named = _of_matrix if term.structure.mirrors is not None else _of_parameters
            result += named(term, theta[start:stop], free[start:stop])
        start = stop
    return tuple(result)


def _of_parameters(term: RandomTerm, theta: np.ndarray, free: np.ndarray) -> list[str]:
    pairs = [(p, float(x)) for p, x, f in zip(term.parameters, theta, free, strict=True) if f]
    zeros = [p.name for p, x in pairs if p.unit and x <= p.lower]
    sizes = [x for p, x in zip(term.parameters, theta, strict=True) if p.unit]
    result = [f'the variance "{name}" is 0' for name in zeros]
    if sum(x > 0 for x in sizes) > (0 if len(sizes) == 1 else 1):  # else a correlation says nothing
        result += [_shape_at(term, p, x) for p, x in pairs if p.unit == 0 and not p.lower < x < p.upper]
    return result


def _shape_at(term: RandomTerm, parameter: Parameter, x: float) -> str:
    kind = "the" if term.structure.shaped else "the correlation"
    return f'{kind} "{parameter.name}" is {x:.4g}'


def _of_matrix(term: RandomTerm, theta: np.ndarray, free: np.ndarray) -> list[str]:
    """Of an unstructured matrix: variances of zero, correlations of one, or that it is singular."""
    g = term.structure.evaluate(theta)[0]
    assert term.structure.mirrors is not None
    kept = np.flatnonzero(free[term.structure.mirrors[0]]).tolist()
    size = g.diagonal()
    scale = max(float(size.max()), 1e-300)
    zeros = [a for a in kept if size[a] <= SINGULAR * scale]
    result = [f'the variance "{term.variances[a]}" is 0' for a in zeros]
    kept = [a for a in kept if a not in zeros]
    part = g if len(kept) == len(g) else g[np.ix_(kept, kept)]
    if len(kept) < 2 or np.linalg.eigvalsh(part)[0] > SINGULAR * scale:
        return result
    root = np.sqrt(part.diagonal())
    correlation = part / (root[:, None] * root)
    perfect = [
        f'the correlation "{term.name}: {term.levels[kept[j]]}, {term.levels[kept[i]]}" is '
        f"{'1' if correlation[i, j] > 0 else '-1'}"
        for i in range(len(kept))
        for j in range(i)
        if abs(correlation[i, j]) >= 1 - PERFECT
    ]
    return result + (perfect or [f'the covariance matrix of "{term.name}" is singular'])
