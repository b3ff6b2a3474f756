"""Clusters of subsets and the studies that drive them.

A normal mixture in the plane of estimate and I^2, each divided by its standard deviation. Where a few studies disagree
with the rest, the subsets fall into clusters, and the study that makes the difference is in most subsets of one cluster
and in few of the others.

Source: Olkin, Dahabreh & Trikalinos (2012), Res Synth Methods 3:214; Dempster, Laird & Rubin (1977), J R Stat Soc B 39:1;
Schwarz (1978), Ann Stat 6:461 (number of clusters).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.format import plural
from ..records import Gosh, GoshClusters, SubsetCluster
from .arrangements import seed_of

SAMPLE, MOST_CLUSTERS, STARTS, STEPS = 20_000, 4, 3, 200
LEAST_SUBSETS = 10  # a cluster
SOFTEST = 1e-4  # least eigenvalue of a cluster's covariance, so that none shrinks to a point
SETTLED = 1e-7  # relative gain of the log-likelihood at which a fit is done


@dataclass(frozen=True, eq=False)
class _Mixture:
    """c normal clusters in the plane: share (c,), mean (c, 2), covariance (c, 2, 2), and the log-likelihood."""

    share: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    loglik: float


def gosh_clusters(record: Gosh, *, clusters: int | None = None, rng: np.random.Generator) -> GoshClusters:
    """Clusters of the subsets, each with the studies that set it apart.

    Parameters
    ----------
    clusters : how many; None = 1 to 4 (no more than a tenth of the subsets), the number with the smallest
        Bayesian information criterion.
    rng : source of randomness (which 20,000 subsets the mixture is fitted to if there are more, and where it starts).

    Raises InputError ``clusters`` for fewer than 1, or too few subsets.
    """
    usable = np.flatnonzero(np.isfinite(record.estimate) & np.isfinite(record.i2))
    most = len(usable) // LEAST_SUBSETS
    wanted = (
        range(1, min(MOST_CLUSTERS, max(most, 1)) + 1) if clusters is None else range(clusters, clusters + 1)
    )
    if not 1 <= wanted[-1] <= most:
        raise InputError(
            f"{len(usable)} subsets cannot be divided into {plural(wanted[-1], 'cluster')}: there must be at least one, "
            f"and {LEAST_SUBSETS} subsets for each.",
            code="clusters",
        )
    seed = seed_of(rng)
    plane = (record.estimate, record.i2)
    centre = np.array([values[usable].mean(dtype=float) for values in plane])
    size = np.array([values[usable].std(dtype=float) for values in plane])
    size = np.where(size > 0, size, 1.0)

    def scaled(rows: np.ndarray) -> np.ndarray:  # never all of millions at once
        points = np.stack([values[rows] for values in plane], axis=1).astype(float)
        return np.asarray((points - centre) / size)

    sample = usable if len(usable) <= SAMPLE else rng.choice(usable, SAMPLE, replace=False)
    points = scaled(sample)
    fits = {c: max((_fitted(points, c, rng) for _ in range(STARTS)), key=lambda m: m.loglik) for c in wanted}
    bic = {c: -2 * m.loglik + (6 * c - 1) * float(np.log(len(points))) for c, m in fits.items()}
    best = fits[min(bic, key=lambda c: bic[c])]
    owner = np.full(len(record), -1)
    for start in range(0, len(usable), SAMPLE):
        rows = usable[start : start + SAMPLE]
        owner[rows] = _densities(scaled(rows), best).argmax(axis=1)
    found = [_described(record, owner, c) for c in range(len(best.share)) if (owner == c).any()]
    return GoshClusters(
        coefficient=record.coefficient,
        clusters=tuple(sorted(found, key=lambda cluster: cluster.estimate)),
        bic=bic,
        sampled=len(points),
        seed=seed,
    )


def _densities(points: np.ndarray, mixture: _Mixture) -> np.ndarray:
    """(n, c) log of share times density."""
    a, b, d = mixture.covariance[:, 0, 0], mixture.covariance[:, 0, 1], mixture.covariance[:, 1, 1]
    determinant = a * d - b * b
    x, y = (points[:, i, None] - mixture.mean[:, i] for i in (0, 1))
    square = (d * x * x - 2 * b * x * y + a * y * y) / determinant
    return np.asarray(np.log(mixture.share / (2 * np.pi * np.sqrt(determinant))) - 0.5 * square)


def _fitted(points: np.ndarray, c: int, rng: np.random.Generator) -> _Mixture:
    """c clusters by expectation and maximisation from centres drawn apart from each other."""
    centres = points[[rng.integers(len(points))]]
    for _ in range(c - 1):  # the next with probability proportional to its squared distance (k-means++)
        far = ((points[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        far = far if far.sum() > 0 else np.ones(len(points))
        centres = np.concatenate([centres, points[[rng.choice(len(points), p=far / far.sum())]]])
    mixture = _Mixture(np.full(c, 1 / c), centres, np.tile(np.eye(2) / c, (c, 1, 1)), -np.inf)
    for _ in range(STEPS):
        logs = _densities(points, mixture)
        top = logs.max(axis=1, keepdims=True)
        weights = np.exp(logs - top)
        total = weights.sum(axis=1, keepdims=True)
        loglik = float((np.log(total) + top).sum())
        if loglik - mixture.loglik <= SETTLED * abs(loglik):
            return _Mixture(mixture.share, mixture.mean, mixture.covariance, loglik)
        mixture = _updated(points, weights / total, loglik)
    return mixture


def _updated(points: np.ndarray, weights: np.ndarray, loglik: float) -> _Mixture:
    """The mixture that belongs to the (n, c) shares of each point in each cluster."""
    mass = np.maximum(weights.sum(axis=0), 1e-9)
    mean = (weights.T @ points) / mass[:, None]
    gap = points[:, None] - mean
    covariance = np.einsum("nc,nci,ncj->cij", weights, gap, gap) / mass[:, None, None]
    return _Mixture(mass / mass.sum(), mean, covariance + SOFTEST * np.eye(2), loglik)


def _described(record: Gosh, owner: np.ndarray, c: int) -> SubsetCluster:
    inside, outside = owner == c, (owner >= 0) & (owner != c)
    difference = np.zeros(len(record.studies))
    if outside.any():
        for j, study in enumerate(record.studies):
            held = record.includes(study)
            difference[j] = held[inside].mean() - held[outside].mean()
    order = np.argsort(-np.abs(difference), kind="stable")
    estimate, i2 = (values[inside].astype(float) for values in (record.estimate, record.i2))
    return SubsetCluster(
        share=float(inside.sum() / (owner >= 0).sum()),
        estimate=float(estimate.mean()),
        estimate_sd=float(estimate.std()),
        i2=float(i2.mean()),
        i2_sd=float(i2.std()),
        studies=tuple(record.studies[j] for j in order),
        difference=difference[order],
    )
