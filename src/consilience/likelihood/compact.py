"""The likelihood of few effects with any random terms, for searches: one matrix, few calls, exact curvature.

With C C' = M, W_i = C^-1 dM/dtheta_i C^-T and A the projection off the whitened X, score, average and observed
information are traces of small products. The dense layout gives the same numbers at any size; below some hundred
effects the calls cost more than the arithmetic, and this form makes a tenth of them.

Source: Harville (1977), JASA 72:320 (second derivatives of the restricted likelihood).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .dense import DenseLayout
from .gaussian import LOG_2PI, Problem
from .terms import RandomTerm

MOST_WORK = 400_000  # effects cubed times parameters; beyond it separate blocks are cheaper


@dataclass(frozen=True, eq=False)
class CompactPoint:
    """The likelihood at one theta; see `gaussian.Evaluation` for the fields. observed : (q, q) negative Hessian."""

    loglik: float
    score: np.ndarray
    information: np.ndarray
    curvature: np.ndarray
    observed: np.ndarray | None
    size: int


@dataclass(frozen=True, eq=False)
class _Part:
    """A term as (k, k) arrays. place : (k * k,) index of each pair in G; same : (k * k,) 1 within an outer level;
    constant : (q, k, k) derivatives of M where G is linear."""

    term: RandomTerm
    start: int
    stop: int
    place: np.ndarray
    same: np.ndarray
    constant: np.ndarray | None

    def spread(self, g: np.ndarray) -> np.ndarray:
        """(n, k, k) covariances that the (n, l, l) matrices give the effects."""
        k = len(self.term.inner)
        if self.term.slopes is not None:
            return np.concatenate([self.term.expand(one, np.arange(k)[None]) for one in g])
        flat = g.reshape(len(g), -1)[:, self.place]
        return np.asarray((flat * self.same).reshape(len(g), k, k))


def is_compact(problem: Problem) -> bool:
    """Is the problem small enough, and laid out without closed forms?"""
    return isinstance(problem.layout, DenseLayout) and problem.k**3 * len(problem.fixed) <= MOST_WORK


def compact_objective(
    problem: Problem, layout: DenseLayout, *, reml: bool
) -> Callable[[np.ndarray, bool], CompactPoint | None]:
    """theta (q,), derivatives -> the likelihood there, None where M is not positive definite."""
    base = _sampling_covariance(layout, problem.k)
    parts = _parts(layout.terms, problem.k)
    data = np.column_stack([problem.x, problem.y])
    constant = -0.5 * problem.k * LOG_2PI
    if reml:
        constant += 0.5 * (problem.p * LOG_2PI + problem.logdet_xx)

    def objective(theta: np.ndarray, derivatives: bool) -> CompactPoint | None:
        pieces = [_piece(part, theta) for part in parts]
        m = base + sum(piece[0] for piece in pieces)
        try:
            lower = np.linalg.cholesky(m)
        except np.linalg.LinAlgError:
            return None
        inverse = np.linalg.inv(lower)
        white = inverse @ data
        q, r = np.linalg.qr(white[:, :-1])
        pivots = np.abs(r.diagonal())
        rest = white[:, -1] - q @ (q.T @ white[:, -1])
        rest = rest - q @ (q.T @ rest)
        loglik = constant - float(np.log(lower.diagonal()).sum()) - 0.5 * float(rest @ rest)
        if not pivots.all():
            return None
        if reml:
            loglik -= float(np.log(pivots).sum())
        if not np.isfinite(loglik):
            return None
        empty = np.empty(0)
        if not derivatives:
            return CompactPoint(loglik, empty, empty, empty, None, problem.k)
        slopes = np.concatenate([piece[1] for piece in pieces])
        found = _derivatives(inverse, q, rest, slopes=slopes, reml=reml)
        bend = _curvature(parts, theta, found[3])
        return CompactPoint(loglik, found[0], found[1], bend, found[2] + bend, problem.k)

    return objective


def _sampling_covariance(layout: DenseLayout, k: int) -> np.ndarray:
    """V as one (k, k) matrix."""
    result = np.zeros((k, k))
    for rows, v in layout.v:
        result[rows[:, :, None], rows[:, None, :]] = v
    return result


def _parts(terms: list[RandomTerm], k: int) -> list[_Part]:
    result, start = [], 0
    for term in terms:
        stop = start + len(term.parameters)
        size = len(term.matrix)
        place = (term.inner[:, None] * size + term.inner).ravel()
        same = np.ones(k * k)
        if term.outer is not None:
            same = (term.outer[:, None] == term.outer).astype(float).ravel()
        part = _Part(term, start, stop, place, same, None)
        if term.structure.linear:
            part = _Part(
                term,
                start,
                stop,
                place,
                same,
                part.spread(term.structure.evaluate(np.ones(stop - start))[1]),
            )
        result.append(part)
        start = stop
    return result


def _piece(part: _Part, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, k) covariance of a term and its (q, k, k) derivatives."""
    own = theta[part.start : part.stop]
    if part.constant is not None:
        return np.tensordot(own, part.constant, 1), part.constant
    g, dg = part.term.structure.evaluate(own)
    all_of_them = part.spread(np.concatenate([g[None], dg]))
    return all_of_them[0], all_of_them[1:]


def _derivatives(
    inverse: np.ndarray, q: np.ndarray, rest: np.ndarray, *, slopes: np.ndarray, reml: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Score, average information, observed information without the curvature of M, and P - Py y'P (ML: M^-1 for P)."""
    turned = inverse @ slopes @ inverse.T
    moved = turned @ rest
    seen = np.eye(len(rest)) - q @ q.T
    hidden = seen if reml else np.eye(len(rest))
    projected = hidden @ turned
    score = 0.5 * (moved @ rest - np.trace(projected, axis1=1, axis2=2))
    average = 0.5 * (moved @ seen @ moved.T)
    n = len(slopes)
    expected = 0.5 * (projected.reshape(n, -1) @ np.swapaxes(projected, 1, 2).reshape(n, -1).T)
    gamma = inverse.T @ (hidden - rest[:, None] * rest) @ inverse
    return score, average, 2 * average - expected, gamma


def _curvature(parts: list[_Part], theta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """(q, q) 1/2 tr(gamma d2M)."""
    result = np.zeros((len(theta), len(theta)))
    for part in parts:
        if part.constant is None:
            own = slice(part.start, part.stop)
            second = part.term.structure.second(theta[own])
            if part.term.slopes is not None:
                inner = part.term.gather(gamma[None], np.arange(len(gamma))[None])
            else:
                inner = np.bincount(
                    part.place, gamma.ravel() * part.same, minlength=second.shape[-1] ** 2
                ).reshape(second.shape[2:])
            result[own, own] = 0.5 * np.tensordot(second, inner, 2)
    return result
