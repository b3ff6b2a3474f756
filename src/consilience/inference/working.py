"""The working model of a fit as arrays for inference: a basis in which its coefficients are independent.

With C C' = M and C^-1 X = Q R, the columns of X R^-1 are M^-1-orthonormal: coefficients in that basis have unit
covariance, however large or collinear the moderators are. `root` takes them back: beta = root gamma.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import rows_by_size
from ..likelihood.build import Setup, build, partition
from ..likelihood.gaussian import Evaluation, evaluate
from ..records import Effects, Fit


@dataclass(frozen=True, eq=False)
class Working:
    """One evaluated model. All arrays are in the layout's order and basis and on its scale but `root` and `beta`.

    basis : (k, p) X R^-1; residual : (k,); root : (p, p) with beta = root gamma on the effects' scale;
    blocks : independent blocks of M, [(rows (n, m), M (n, m, m)), ...]; cluster : (k,) codes.
    """

    setup: Setup
    evaluation: Evaluation
    basis: np.ndarray
    residual: np.ndarray
    root: np.ndarray
    beta: np.ndarray
    blocks: list[tuple[np.ndarray, np.ndarray]]
    cluster: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """(p, p) model-based covariance of the coefficients."""
        covariance: np.ndarray = self.root @ self.root.T
        return covariance

    @property
    def n_clusters(self) -> int:
        return int(np.max(self.cluster)) + 1


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of one size m: rows (n, m), working covariance phi (n, m, m), basis x (n, m, p), weighted basis
    wx (n, m, p), residual e (n, m)."""

    rows: np.ndarray
    phi: np.ndarray
    x: np.ndarray
    wx: np.ndarray
    e: np.ndarray


def working_model(
    setup: Setup, at: Evaluation, *, theta: np.ndarray, effects: Effects, cluster: str
) -> Working:
    """Arrays for inference from an evaluated likelihood."""
    problem, layout = setup.problem, setup.problem.layout
    inverse = np.linalg.inv(at.r_basis)
    scale = setup.exponent - setup.column_exponents
    return Working(
        setup=setup,
        evaluation=at,
        basis=problem.x @ inverse,
        residual=problem.y - problem.x @ at.coefficients,
        root=np.ldexp(inverse, scale[:, None]),
        beta=np.ldexp(at.coefficients + setup.offset, scale),
        blocks=layout.covariances(theta),
        cluster=partition(effects, (cluster,))[layout.order],
    )


def working_of(fit: Fit) -> Working:
    """Rebuild the working model of a fit from its records (milliseconds at 5,000 effects)."""
    setup = build(fit.effects, fit.design, fit.spec)
    theta = setup.scale_theta(fit.components.theta, -1)
    at = evaluate(setup.problem, theta, reml=fit.spec.method == "REML", derivatives=False)
    if at is None:
        raise InputError("The covariance of the effects is singular.", code="singular")
    return working_model(setup, at, theta=theta, effects=fit.effects, cluster=fit.spec.cluster)


def clusters_of(working: Working, weights: np.ndarray | None = None) -> list[Clusters]:
    """The rows of each cluster with their working covariance, equal sizes together.

    Parameters
    ----------
    weights : (k,) weights of single rows in the layout's basis; None = the inverse of the working covariance.

    Raises
    ------
    InputError ``clusters-not-independent`` if the model correlates rows of different clusters.
    """
    result = []
    for _, rows, phi in merged_blocks(working.blocks, working.cluster):
        x = working.basis[rows]
        wx = np.linalg.solve(phi, x) if weights is None else weights[rows][:, :, None] * x
        result.append(Clusters(rows, phi, x, wx, working.residual[rows]))
    return result


def merged_blocks(
    blocks: list[tuple[np.ndarray, np.ndarray]], cluster: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Covariances of whole clusters, equal sizes together: (codes (n,), rows (n, m), covariance (n, m, m)).

    The independent blocks are scattered into one flat array, cluster after cluster, and read back by size.

    Raises
    ------
    InputError ``clusters-not-independent`` if a block has rows of several clusters.
    """
    sized = rows_by_size(cluster)
    counts = np.bincount(cluster)
    offset = np.concatenate([[0], np.cumsum(counts**2)])
    place = np.empty(len(cluster), dtype=np.intp)
    for _, rows in sized:
        place[rows] = np.arange(rows.shape[1])
    flat = np.zeros(offset[-1])
    for rows, matrices in blocks:
        codes = cluster[rows[:, 0]]
        if np.any(cluster[rows] != codes[:, None]):
            raise InputError(
                "The model correlates effects of different clusters, so that clusters are not independent.",
                code="clusters-not-independent",
                advice="Cluster at a level that contains every random term and every block of V.",
            )
        row_start = offset[codes][:, None] + place[rows] * counts[codes][:, None]
        flat[row_start[:, :, None] + place[rows][:, None, :]] = matrices
    for codes, rows in sized:
        m = rows.shape[1]
        yield codes, rows, flat[offset[codes][:, None] + np.arange(m * m)].reshape(-1, m, m)
