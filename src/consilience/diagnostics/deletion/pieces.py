"""The covariance of a fit in pieces: its inverse within any group of effects, and what the coefficients project out.

With M the covariance of the effects, K = M^-1 and P = K - K X (X'K X)^-1 X'K. Only blocks of K are formed, so that a
model of many studies never needs a k x k matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...base.errors import InputError
from ...base.linalg import one_blas_thread
from ...inference.working import working_effects
from ...likelihood.build import Setup, build
from ...likelihood.gaussian import evaluate
from ...likelihood.terms import RandomTerm, random_terms
from ...models.univariate import weights_of_spec
from ...records import Effects, Fit

Blocks = list[tuple[np.ndarray, np.ndarray]]


class BlockMatrix:
    """A symmetric (k, k) matrix of independent blocks [(rows (n, m), values (n, m, m)), ...] that cover all rows."""

    def __init__(self, k: int, blocks: Blocks) -> None:
        self._owner = np.empty((k, 2), dtype=np.intp)
        self._place = np.empty(k, dtype=np.intp)
        self.blocks = blocks
        for number, (rows, _) in enumerate(blocks):
            self._owner[rows, 0], self._owner[rows, 1] = number, np.arange(len(rows))[:, None]
            self._place[rows] = np.arange(rows.shape[1])

    def part(self, rows: np.ndarray) -> np.ndarray:
        """(m, m) entries of some rows."""
        owner, place = self._owner[rows], self._place[rows]
        same = (owner[:, None, :] == owner[None, :, :]).all(axis=2)
        result = np.zeros((len(rows), len(rows)))
        for number, slot in dict.fromkeys(map(tuple, owner.tolist())):
            mine = np.flatnonzero((owner[:, 0] == number) & (owner[:, 1] == slot))
            at = place[mine]
            result[np.ix_(mine, mine)] = self.blocks[number][1][slot][np.ix_(at, at)]
        return np.where(same, result, 0.0)

    def parts(self, rows: np.ndarray) -> np.ndarray:
        """(c, m, m) entries of c groups of rows (c, m)."""
        if rows.shape[1] == 1:
            return np.asarray(self.diagonal[rows][:, :, None])
        return np.array([self.part(group) for group in rows])

    @property
    def diagonal(self) -> np.ndarray:
        """(k,)."""
        result = np.empty(len(self._place))
        for rows, values in self.blocks:
            result[rows] = np.diagonal(values, axis1=1, axis2=2)
        return result

    def inverse(self) -> BlockMatrix:
        """The inverse, block by block."""
        return BlockMatrix(len(self._place), [(rows, np.linalg.inv(m)) for rows, m in self.blocks])

    def dot(self, x: np.ndarray) -> np.ndarray:
        """The matrix times x (k, c)."""
        result = np.empty_like(x)
        for rows, values in self.blocks:
            result[rows] = values @ x[rows]
        return result


@dataclass(frozen=True, eq=False)
class Pieces:
    """A fit's covariance on the scale of the effects.

    m, inverse : M and K; root : (p, p) with (X'KX)^-1 = root root'; f : (k, p) K X root, so that P = K - f f';
    u : (k,) P y; rss : y'P y.
    """

    m: BlockMatrix
    inverse: BlockMatrix
    root: np.ndarray
    f: np.ndarray
    u: np.ndarray
    rss: float

    @property
    def hat(self) -> np.ndarray:
        """(k,) leverage: diagonal of X (X'KX)^-1 X'K."""
        return np.asarray(np.sum(self.m.dot(self.f) * self.f, axis=1))


def pieces_of(fit: Fit, *, sampling_only: bool = False) -> Pieces:
    """M, K and P of a fit; with `sampling_only` of its sampling covariance V alone, as Cochran's Q has it.

    Raises InputError ``singular`` where that covariance is.
    """
    with one_blas_thread():
        setup, inside = _setup_of(fit, sampling_only=sampling_only)
        at = evaluate(setup.problem, inside, reml=True, derivatives=False)
        if at is None:
            raise InputError("The covariance of the effects is singular.", code="singular")
        up, m = setup.exponent, _covariance(setup, inside)
        return Pieces(
            m=m,
            inverse=m.inverse(),
            root=np.ldexp(np.linalg.inv(at.r_basis), (up - setup.column_exponents)[:, None]),
            f=np.ldexp(at.factor.back(at.q_basis), -up),
            u=np.ldexp(at.factor.back(at.residual), -up),
            rss=at.rss,
        )


def plain_covariance(fit: Fit) -> BlockMatrix:
    """V of a fit as `pieces_of` has it with `sampling_only`; it may be singular."""
    return _covariance(*_setup_of(fit, sampling_only=True))


def _covariance(setup: Setup, theta: np.ndarray) -> BlockMatrix:
    """The covariance at theta (q,) of the working scale, on the scale of the effects."""
    blocks = setup.problem.layout.covariances(theta)
    return BlockMatrix(setup.problem.k, [(rows, np.ldexp(m, 2 * setup.exponent)) for rows, m in blocks])


def _setup_of(fit: Fit, *, sampling_only: bool) -> tuple[Setup, np.ndarray]:
    """Rows in their own order, and the variances of the working scale at which M (or V) is meant."""
    if fit.spec.scale is not None and fit.variances is not None:
        extra = np.zeros(fit.effects.k) if sampling_only else fit.variances
        effects, spec = (
            replace(fit.effects, v=fit.effects.v + extra),
            replace(fit.spec, scale=None, terms=(), method="EE"),
        )
        theta = np.empty(0)
    else:
        effects, spec, theta = working_effects(fit), replace(fit.spec, weights=""), fit.components.theta
    setup = build(effects, fit.design, spec, dense=True)
    inside = setup.scale_theta(theta, -1)
    if sampling_only:
        inside = np.clip(np.zeros_like(inside), setup.problem.lower, setup.problem.upper)
    return setup, inside


def sampling_covariance(effects: Effects) -> BlockMatrix:
    """V as blocks."""
    blocks: Blocks = [
        (block.rows[None, :], block.matrix[None]) for block in effects.blocks if len(block.rows)
    ]
    alone = np.ones(effects.k, dtype=bool)
    for block in effects.blocks:
        alone[block.rows] = False
    rest = np.flatnonzero(alone)
    if len(rest):
        blocks.append((rest[:, None], effects.v[rest][:, None, None]))
    return BlockMatrix(effects.k, blocks)


class Marginal:
    """Covariance that a model gives some of its effects, at any values of its variance parameters."""

    def __init__(self, fit: Fit) -> None:
        self._sampling = sampling_covariance(fit.effects)
        self._terms: list[RandomTerm] = random_terms(fit.effects, fit.spec.terms)

    def at(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(m, m) of `rows` (m,) at theta (q,), on the scale of the effects."""
        result, start = self._sampling.part(rows), 0
        for term in self._terms:
            stop = start + len(term.parameters)
            g, _ = term.structure.evaluate(theta[start:stop])
            result = result + term.expand(g, rows[None, :])[0]
            start = stop
        return np.asarray(result)


def estimator(fit: Fit, at: Pieces) -> np.ndarray:
    """(p, k) the A with b = A y: (X'KX)^-1 X'K, or with the weights of the spec instead of K."""
    weights = weights_of_spec(fit.effects, fit.spec)
    if weights is None:
        return np.asarray(at.root @ at.f.T)
    root = np.sqrt(weights / weights.max())
    basis, outer = np.linalg.qr(root[:, None] * fit.design.matrix)
    return np.asarray(np.linalg.solve(outer, basis.T * root))


def hat_matrix(fit: Fit) -> np.ndarray:
    """(k, k) matrix that turns the effects into fitted values; its diagonal holds the hat values, its trace is p."""
    return np.asarray(fit.design.matrix @ estimator(fit, pieces_of(fit)))
