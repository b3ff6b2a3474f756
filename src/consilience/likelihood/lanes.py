"""The likelihood of any random terms at many thetas at once ("lanes"), for searches: few calls, exact curvature.

Each term gives its effects Cov = c(theta) P with c (C,) the entries of its G (or theta itself, where G is linear) and P
constant, so that M, its derivatives and their adjoint are products with one matrix. With C C' = M by blocks of rows
(padded to one size by rows of variance one), T_i = C^-1 dM/dtheta_i C^-T and E = [Q, e] the orthonormal whitened design
and the whitened residual, score, average and observed information are sums of products of T_i and E.

The dense layout gives the same numbers for one theta at any size; for few effects calls cost more than arithmetic, and
a hundred lanes here cost hardly more than one there.

Source: Harville (1977), JASA 72:320 (second derivatives of the restricted likelihood).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from .basis import once
from .compiled import wanted
from .dense import DenseLayout
from .gaussian import LOG_2PI, Problem
from .structures import Structure
from .terms import RandomTerm

MOST_NUMBERS = 1_000_000  # entries of P; beyond it products with P cost more than reading G by index
MOST_WORK = (
    2_000_000  # (sum of padded block sizes cubed) x parameters of one lane; beyond it calls cost little
)
CHUNK = 1_000_000  # numbers in one (lanes, k, k)-like array
UNROLLED = 3  # block size up to which a Cholesky factor is a handful of elementwise passes
UNSEEN = 1e-11  # share of the information on a parameter that is left by the fixed part, below which it is rounding
UNEVEN = 1e3  # ratio of pivots of the whitened design from which it is orthonormalised twice


@dataclass(frozen=True, eq=False)
class Lanes:
    """The likelihood at L thetas: loglik (L,), minus infinity where M is not positive definite; score (L, q);
    matrices (L, 3, q, q) the average information, the curvature and the observed information of `gaussian.Evaluation`."""

    loglik: np.ndarray
    score: np.ndarray
    matrices: np.ndarray
    size: int

    @property
    def information(self) -> np.ndarray:
        return self.matrices[:, 0]

    @property
    def curvature(self) -> np.ndarray:
        return self.matrices[:, 1]

    @property
    def observed(self) -> np.ndarray:
        return self.matrices[:, 2]

    def take(self, lanes: np.ndarray) -> Lanes:
        """The lanes of an index or a mask."""
        return Lanes(self.loglik[lanes], self.score[lanes], self.matrices[lanes], self.size)

    def where(self, mask: np.ndarray, other: Lanes) -> Lanes:
        """Lane by lane this one where `mask` (L,) is true, else the other."""
        return Lanes(
            np.where(mask, self.loglik, other.loglik),
            np.where(mask[:, None], self.score, other.score),
            np.where(mask[:, None, None, None], self.matrices, other.matrices),
            self.size,
        )

    def point(self, lane: int) -> LanePoint:
        information, curvature, observed = self.matrices[lane]
        return LanePoint(
            float(self.loglik[lane]), self.score[lane], information, curvature, observed, self.size
        )


@dataclass(frozen=True, eq=False)
class LanePoint:
    """One lane, as `optimise.Point`."""

    loglik: float
    score: np.ndarray
    information: np.ndarray
    curvature: np.ndarray
    observed: np.ndarray | None
    size: int


@dataclass(frozen=True, eq=False)
class _Part:
    """A term whose G is not linear: its slices of theta and of the coordinates."""

    structure: Structure
    theta: slice
    place: slice


@dataclass(frozen=True, eq=False)
class LaneModel:
    """Arrays of a problem in n blocks of m rows.

    v : (n, m, m); spread : (C, n m m) P; data : (n, m, p + 1) an orthonormal basis of X, then y;
    parts : the terms that are not linear; slopes : (q, C) dc/dtheta of the linear ones, zero elsewhere;
    bend : (q, q, C) second derivatives, None if they depend on theta; constant : of the log-likelihood.
    """

    v: np.ndarray
    spread: np.ndarray
    data: np.ndarray
    parts: tuple[_Part, ...]
    slopes: np.ndarray
    bend: np.ndarray | None
    constant: float
    size: int
    reml: bool

    @once
    def compiled(self) -> bool:
        """Is it to be climbed by the compiled kernel, and can it be: G is quadratic in theta?"""
        return self.bend is not None and wanted()

    @once
    def arrays(self) -> tuple[object, ...]:
        """What the compiled kernel takes for a model."""
        q = len(self.slopes)
        mirror = np.full(q, -1)
        for part in self.parts:
            if part.structure.mirrors is not None:
                diagonal, of = part.structure.mirrors
                mirror[part.theta] = part.theta.start + np.asarray(diagonal)[of]
        bend = np.ascontiguousarray(self.bend)
        return (
            self.v,
            self.spread,
            self.data,
            self.slopes,
            bend,
            mirror,
            self.constant,
            self.size,
            self.reml,
        )

    def loglik(self, thetas: np.ndarray) -> np.ndarray:
        """(L,) log-likelihoods, minus infinity where there is none."""
        if self.compiled:
            from .climb_numba import logliks

            return np.asarray(logliks(self.arrays, thetas))
        per = max(1, CHUNK // self.v.size)
        with np.errstate(all="ignore"):
            chunks = [
                self._value(self.coordinates(thetas[start : start + per]))[0]
                for start in range(0, len(thetas), per)
            ]
        return np.concatenate(chunks) if len(chunks) > 1 else chunks[0]

    def evaluate(self, thetas: np.ndarray) -> Lanes:
        """The likelihood with all derivatives at thetas (L, q). (Lanes without a likelihood make NaN: call it within
        `np.errstate`.)"""
        c, slopes = self._coordinates_and_slopes(thetas)
        loglik, inverse, basis = self._value(c)
        lanes, (n, m, _) = len(thetas), self.v.shape
        q, p = thetas.shape[1], basis.shape[-1] - 1
        turned = np.ascontiguousarray(inverse.swapaxes(2, 3))  # three times faster to multiply with
        seen = basis.reshape(lanes, n, m, p + 1)
        hidden = seen if self.reml else seen[..., p:]
        left = np.eye(m) - hidden @ hidden.swapaxes(2, 3)
        gamma = (turned @ left @ inverse).reshape(lanes, -1) @ self.spread.T
        score = -0.5 * (slopes @ gamma[:, :, None])[..., 0]
        moved = (slopes.reshape(lanes * q, -1) @ self.spread).reshape(lanes, q, n, m, m)
        moved = inverse[:, None] @ moved @ turned[:, None]
        parts = (moved @ seen[:, None]).reshape(lanes, q, n * m, p + 1)
        inner = basis.swapaxes(1, 2)[:, None] @ parts
        own, shared = parts[..., p], inner[..., :p, p]
        information = 0.5 * (_gram(own) - _gram(shared))
        pairs = _gram(moved.reshape(lanes, q, -1))
        whole = pairs.diagonal(0, 1, 2).copy()
        if self.reml:
            pairs += _gram(inner[..., :p, :p].reshape(lanes, q, -1))
            pairs -= 2 * _gram(parts[..., :p].reshape(lanes, q, -1))
        matrices = np.empty((lanes, 3, q, q))
        matrices[:, 0] = information
        matrices[:, 1] = curvature = self._curvature(thetas, gamma)
        matrices[:, 2] = 2 * information - 0.5 * pairs + curvature
        unseen = pairs.diagonal(0, 1, 2) < UNSEEN * whole
        if (
            unseen.any()
        ):  # derivatives by parameters that are hidden behind the fixed part are rounding: zero instead
            i, j = unseen.nonzero()
            score[i, j] = matrices[i, :, j] = matrices[i, :, :, j] = 0.0
        return Lanes(loglik, score, matrices, self.size)

    def canonical(self, thetas: np.ndarray) -> np.ndarray:
        """Of the thetas (L, q) that mean the same, one: columns of Cholesky factors with a positive diagonal."""
        for part in self.parts:
            if part.structure.mirrors is not None:
                diagonal, of = part.structure.mirrors
                own = thetas[:, part.theta]
                if own[:, diagonal].min() < 0:
                    thetas = thetas.copy()
                    thetas[:, part.theta] = np.where(own[:, diagonal] < 0, -1.0, 1.0)[:, of] * own
        return thetas

    def coordinates(self, thetas: np.ndarray) -> np.ndarray:
        """(L, C) c(theta)."""
        c = np.asarray(thetas @ self.slopes)
        for part in self.parts:
            g = part.structure.evaluate(thetas[:, part.theta])[0]
            c[:, part.place] = g.reshape(len(thetas), -1)
        return c

    def _coordinates_and_slopes(self, thetas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """c(theta) (L, C) and its derivatives (L, q, C)."""
        lanes, q = thetas.shape
        if len(self.parts) == 1 and self.parts[0].theta == slice(0, q):  # nothing else: no copies
            g, dg = self.parts[0].structure.evaluate(thetas)
            return g.reshape(lanes, -1), dg.reshape(lanes, q, -1)
        c = np.asarray(thetas @ self.slopes)
        slopes = np.broadcast_to(self.slopes, (lanes, *self.slopes.shape))
        slopes = slopes.copy() if self.parts else slopes
        for part in self.parts:
            g, dg = part.structure.evaluate(thetas[:, part.theta])
            c[:, part.place] = g.reshape(lanes, -1)
            slopes[:, part.theta, part.place] = dg.reshape(*dg.shape[:2], -1)
        return c, slopes

    def _curvature(self, thetas: np.ndarray, gamma: np.ndarray) -> np.ndarray:
        """(L, q, q) 1/2 tr(gamma d2M)."""
        lanes, q = thetas.shape
        if self.bend is not None:
            constant = gamma @ self.bend.reshape(q * q, -1).T
            return np.asarray(0.5 * constant).reshape(lanes, q, q)
        result = np.zeros((lanes, q, q))
        for part in self.parts:
            second = part.structure.second(thetas[:, part.theta])
            second = second.reshape(*second.shape[:-2], -1)
            result[:, part.theta, part.theta] = 0.5 * (second @ gamma[:, None, part.place, None])[..., 0]
        return result

    def _value(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-likelihood (L,), C^-1 (L, n, m, m) and E (L, n m, p + 1) from the coordinates."""
        lanes, p = len(c), self.data.shape[-1] - 1
        m = (c @ self.spread).reshape(lanes, *self.v.shape) + self.v
        inverse = inverse_root(m)
        white = (inverse @ self.data).reshape(lanes, -1, p + 1)
        value = self.constant + np.log(inverse.diagonal(0, 2, 3)).sum(axis=(1, 2))
        if p:
            x, y = white[..., :p], white[..., p:]
            q, half_logdet = _orthonormal(x)
            white = np.concatenate([q, y - q @ (q.swapaxes(1, 2) @ y)], axis=2)
            if self.reml:
                value -= half_logdet
        rest = white[..., p]
        value -= 0.5 * (rest * rest).sum(axis=1)
        return np.where(np.isfinite(value), value, -np.inf), inverse, white


def _gram(x: np.ndarray) -> np.ndarray:
    """(L, q, q) products of the rows of x (L, q, n)."""
    return np.asarray(x @ x.swapaxes(1, 2))


def _orthonormal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of the columns of x (L, k, p), and 1/2 log|x'x| (L,).

    Source: CholeskyQR2 of Yamamoto et al. (2015), ETNA 44:306.
    """
    inverse = inverse_root(x.swapaxes(1, 2) @ x)
    q = x @ inverse.swapaxes(1, 2)
    pivots = inverse.diagonal(0, 1, 2)
    half_logdet = -np.log(pivots).sum(axis=1)
    if x.shape[2] > 1 and not pivots.max() < UNEVEN * pivots.min():
        inverse = inverse_root(q.swapaxes(1, 2) @ q)
        q = q @ inverse.swapaxes(1, 2)
        half_logdet -= np.log(inverse.diagonal(0, 1, 2)).sum(axis=1)
    return q, half_logdet


def inverse_root(a: np.ndarray) -> np.ndarray:
    """L^-1 (..., m, m) with L L' = a; not finite where a is not positive definite."""
    m = a.shape[-1]
    if m > UNROLLED:
        return _inverse_root(a)
    result = np.zeros(a.shape)
    lower: dict[tuple[int, int], np.ndarray] = {}
    for j in range(m):
        pivot = a[..., j, j]
        for n in range(j):
            pivot = pivot - lower[j, n] ** 2
        scale = 1 / np.sqrt(pivot)
        for i in range(j + 1, m):
            entry = a[..., i, j]
            for n in range(j):
                entry = entry - lower[i, n] * lower[j, n]
            lower[i, j] = entry * scale
        result[..., j, j] = scale
        for n in range(j):  # row j of the inverse by substitution
            below = lower[j, n] * result[..., n, n]
            for i in range(n + 1, j):
                below = below + lower[j, i] * result[..., i, n]
            result[..., j, n] = -below * scale
    return result


def _inverse_root(a: np.ndarray) -> np.ndarray:
    """The same by LAPACK; a matrix that is not positive definite costs a look at each."""
    try:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(a)))
    except np.linalg.LinAlgError:
        flat = a.reshape(-1, *a.shape[-2:])
        result = np.full(flat.shape, np.nan)
        for i, one in enumerate(flat):
            with suppress(np.linalg.LinAlgError):
                result[i] = np.linalg.inv(np.linalg.cholesky(one))
        return result.reshape(a.shape)


def has_lanes(problem: Problem) -> bool:
    """Is the problem laid out by blocks, and small enough?"""
    layout = problem.layout
    if not isinstance(layout, DenseLayout):
        return False
    blocks = sum(len(rows) for rows, _ in layout.v)
    most = max(rows.shape[1] for rows, _ in layout.v)
    numbers = blocks * most**2 * sum(_coordinate_count(term) for term in layout.terms)
    return bool(numbers <= MOST_NUMBERS and blocks * most**3 * len(problem.fixed) <= MOST_WORK)


def _coordinate_count(term: RandomTerm) -> int:
    return len(term.parameters) if term.structure.linear else len(term.matrix) ** 2


def lane_model(problem: Problem, layout: DenseLayout, *, reml: bool) -> LaneModel:
    """The arrays of a problem that `has_lanes`."""
    rows, v = _padded(layout, problem.k)
    data = np.zeros((problem.k + 1, problem.p + 1))
    data[:-1, :-1] = problem.basis
    data[:-1, -1] = problem.y
    slopes, bend, parts = _derivatives(layout.terms, len(problem.fixed))
    return LaneModel(
        v=v,
        spread=np.concatenate([_spread(term, rows, problem.k) for term in layout.terms]),
        data=data[rows],
        parts=parts,
        slopes=slopes,
        bend=bend,
        constant=-0.5 * (problem.k - (problem.p if reml else 0)) * LOG_2PI,
        size=problem.k,
        reml=reml,
    )


def _padded(layout: DenseLayout, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of one size: rows (n, m) into the problem's, k = no row, and V (n, m, m), one for no row."""
    most = max(rows.shape[1] for rows, _ in layout.v)
    count = sum(len(rows) for rows, _ in layout.v)
    every, v = np.full((count, most), k), np.zeros((count, most, most))
    v[:, np.arange(most), np.arange(most)] = 1.0
    start = 0
    for rows, matrices in layout.v:
        n, m = rows.shape
        every[start : start + n, :m], v[start : start + n, :m, :m] = rows, matrices
        start += n
    return every, v


def _derivatives(terms: list[RandomTerm], q: int) -> tuple[np.ndarray, np.ndarray | None, tuple[_Part, ...]]:
    """dc/dtheta of the linear terms (q, C), all second derivatives (q, q, C) where constant, and the other terms."""
    places = np.cumsum([0, *(_coordinate_count(term) for term in terms)]).tolist()
    slopes, bend = np.zeros((q, places[-1])), np.zeros((q, q, places[-1]))
    parts, start = [], 0
    for term, place, end in zip(terms, places, places[1:], strict=False):
        structure, own = term.structure, slice(start, start + len(term.parameters))
        start = own.stop
        if structure.linear:
            slopes[own, place:end] = np.eye(end - place)
        else:
            parts.append(_Part(structure, own, slice(place, end)))
            if structure.bend is not None:
                bend[own, own, place:end] = structure.bend.reshape(*structure.bend.shape[:2], -1)
    known = all(part.structure.bend is not None for part in parts)
    return slopes, bend if known else None, tuple(parts)


def _spread(term: RandomTerm, rows: np.ndarray, k: int) -> np.ndarray:
    """(C, n m m) P of a term: the covariances that each entry of G (each parameter, where G is linear) gives the rows."""
    if term.parts:
        return np.asarray(sum(_spread(part, rows, k) for part in term.parts))
    real = rows < k
    index = np.where(real, rows, 0)
    same = real[:, :, None] & real[:, None, :]
    if term.outer is not None:
        outer = term.outer[index]
        same = same & (outer[:, :, None] == outer[:, None, :])
    if term.structure.linear:
        every = term.structure.evaluate(np.ones(len(term.parameters)))[1]
        return np.stack([(term.expand(one, index) * same).ravel() for one in every])
    size = len(term.matrix)
    if term.slopes is not None:
        z = term.slopes[index]
        pairs = np.einsum("nia,njb->abnij", z, z).reshape(size * size, *same.shape)
    else:
        inner = term.inner[index]
        place = inner[:, :, None] * size + inner[:, None, :]
        pairs = (place == np.arange(size * size)[:, None, None, None]).astype(float)
    return np.asarray((pairs * same).reshape(size * size, -1))
