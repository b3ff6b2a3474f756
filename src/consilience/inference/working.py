"""The working model of a fit as arrays for inference: a basis in which its coefficients are independent.

With C C' = M and C^-1 X = Q R, the columns of X R^-1 are M^-1-orthonormal: coefficients in that basis have unit
covariance, however large or collinear the moderators are. `root` takes them back: beta = root gamma.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from ..base.linalg import numbers, rows_by_size
from ..likelihood.basis import once
from ..likelihood.build import Setup, build
from ..likelihood.columns import column
from ..likelihood.gaussian import Evaluation, evaluate
from ..likelihood.terms import partition
from ..records import Components, Design, Effects, Fit, Spec
from .rve_weights import WORKING_MODELS, row_variances


@dataclass(frozen=True, eq=False)
class Working:
    """One evaluated model. All arrays are in the layout's order and basis and on its scale but `root` and `beta`.

    basis : (k, p) X R^-1; residual : (k,); root : (p, p) with beta = root gamma on the effects' scale;
    spread : (p, p) model-based covariance of gamma (the identity for inverse-variance weights);
    rss : residual' M^-1 residual; theta : (q,) working scale; cluster : (k,) codes; weights : (k,) of single rows, None = the inverse of M.
    """

    setup: Setup
    basis: np.ndarray
    residual: np.ndarray
    root: np.ndarray
    spread: np.ndarray
    beta: np.ndarray
    rss: float
    theta: np.ndarray
    cluster: np.ndarray
    weights: np.ndarray | None = None

    @property
    def covariance(self) -> np.ndarray:
        """(p, p) model-based covariance of the coefficients."""
        return np.asarray(self.root @ self.spread @ self.root.T)

    @property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of M, [(rows (n, m), M (n, m, m)), ...]."""
        return self.setup.problem.layout.covariances(self.theta)

    @property
    def n_clusters(self) -> int:
        return int(np.max(self.cluster)) + 1

    @once
    def clusters(self) -> list[Clusters]:
        """The rows of each cluster with their working covariance, equal sizes together.

        Raises
        ------
        InputError ``clusters-not-independent`` if the model correlates rows of different clusters.
        """
        result = []
        for _, rows, phi in merged_blocks(self.blocks, self.cluster):
            x = self.basis[rows]
            wx = _solved(phi, x) if self.weights is None else self.weights[rows][:, :, None] * x
            result.append(Clusters(rows, phi, x, wx, self.residual[rows]))
        return result


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
    setup: Setup, at: Evaluation, *, theta: np.ndarray, effects: Effects, spec: Spec
) -> Working:
    """Arrays for inference from an evaluated likelihood."""
    problem, layout = setup.problem, setup.problem.layout
    cluster = partition(effects, (spec.cluster,))[layout.order]
    scale = setup.exponent - setup.column_exponents
    if spec.weights:
        return _user_weighted(
            setup, at, theta=theta, weights=user_weights(effects, spec.weights), cluster=cluster
        )
    inverse = np.linalg.inv(at.r_basis)
    coefficients = inverse @ at.along
    return Working(
        setup=setup,
        basis=problem.x @ inverse,
        residual=problem.y - problem.x @ coefficients,
        root=np.ldexp(inverse, scale[:, None]),
        spread=np.eye(problem.p),
        beta=np.ldexp(coefficients + setup.offset, scale),
        rss=at.rss,
        theta=theta,
        cluster=cluster,
    )


def user_weights(effects: Effects, name: str) -> np.ndarray:
    """(k,) positive weights: all one, or a column."""
    if name == "equal":
        return np.ones(effects.k)
    weights = numbers(column(effects, name), f'weights "{name}"')
    if not np.all(np.isfinite(weights) & (weights > 0)):
        raise InputError(f'The weights "{name}" must be positive numbers.', code="weights")
    return np.asarray(weights / np.max(weights))


def _user_weighted(
    setup: Setup,
    at: Evaluation,
    *,
    theta: np.ndarray,
    weights: np.ndarray,
    cluster: np.ndarray,
) -> Working:
    """Coefficients (X'WX)^-1 X'W y; their model-based covariance is (X'WX)^-1 X'W M W X (X'WX)^-1."""
    problem = setup.problem
    w = weights[problem.layout.order]
    q, r = np.linalg.qr(problem.x * np.sqrt(w)[:, None])
    inverse = np.linalg.inv(r)
    coefficients = inverse @ (q.T @ (problem.y * np.sqrt(w)))
    basis = problem.x @ inverse
    residual = problem.y - problem.x @ coefficients
    spread = np.zeros((problem.p, problem.p))
    for rows, m in problem.layout.covariances(theta):
        wx = w[rows][:, :, None] * basis[rows]
        spread += np.einsum("nmp,nml,nlq->pq", wx, m, wx, optimize=True)
    scale = setup.exponent - setup.column_exponents
    white = at.factor.whiten(residual)
    return Working(
        setup=setup,
        basis=basis,
        residual=residual,
        root=np.ldexp(inverse, scale[:, None]),
        spread=spread,
        beta=np.ldexp(coefficients + setup.offset, scale),
        rss=float(white @ white),
        theta=theta,
        cluster=cluster,
        weights=w,
    )


def working_effects(fit: Fit, *, within: bool = False) -> Effects:
    """The effects with the covariance that a fit's weights come from: their own, or the working variances of RVE
    (`within` a study: without the variance between studies)."""
    if fit.spec.method not in WORKING_MODELS:
        return fit.effects
    tau2, omega2 = (*fit.components.variance.tolist(), 0.0)[:2]
    if within:
        tau2 = 0.0
    return replace(fit.effects, v=row_variances(fit.effects, fit.spec, tau2=tau2, omega2=omega2), blocks=())


def without_scale(fit: Fit) -> Fit:
    """A location-scale fit as one whose sampling variances hold the fitted tau^2 of each effect; others as they are."""
    if fit.variances is None:
        return fit
    return replace(
        fit,
        effects=replace(fit.effects, v=fit.effects.v + fit.variances),
        spec=replace(fit.spec, scale=None, terms=(), method="EE"),
        components=Components((), np.empty(0)),
    )


def working_of(fit: Fit) -> Working:
    """Rebuild the working model of a fit from its records (milliseconds at 5,000 effects)."""
    fit = without_scale(fit)
    return working_at(working_effects(fit), fit.design, fit.spec, fit.components.theta, clusters=fit.effects)


def working_at(
    effects: Effects, design: Design, spec: Spec, theta: np.ndarray, *, clusters: Effects | None = None
) -> Working:
    """The working model at variances theta (q,) on the effects' scale. clusters : where the columns of clusters and weights stand."""
    setup = build(effects, design, spec)
    theta = setup.scale_theta(theta, -1)
    at = evaluate(setup.problem, theta, reml=spec.method == "REML", derivatives=False)
    if at is None:
        raise InputError("The covariance of the effects is singular.", code="singular")
    return working_model(setup, at, theta=theta, effects=effects if clusters is None else clusters, spec=spec)


def _solved(phi: np.ndarray, x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(phi, x)
    except np.linalg.LinAlgError:
        raise InputError(
            "The covariance matrix of the effects of a cluster is singular.",
            code="singular",
            advice="Look for sampling variances of zero and correlations of one.",
        ) from None


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
