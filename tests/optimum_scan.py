"""Random small meta-analyses and a dense scan of their likelihoods that shares no code with the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID, REFINED = 2_000, 40
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Reviews:
    """F reviews of k studies: y, v (F, k); x (F, k) one moderator of each, or None."""

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray | None

    @property
    def top(self) -> np.ndarray:
        """(F,) far above every tau^2 at which a likelihood can turn."""
        return np.ptp(self.y, axis=1) ** 2 + self.v.max(axis=1)


def drawn(rng: np.random.Generator, n: int, k: int, *, moderated: bool) -> Reviews:
    """n reviews: variances over up to six orders of magnitude, tau^2 zero in a third, else over eight."""
    orders = rng.uniform(0, 6, (n, 1))
    v = 10 ** (orders * rng.uniform(-0.5, 0.5, (n, k)))
    tau2 = 10 ** rng.uniform(-4, 4, (n, 1)) * (rng.random((n, 1)) > 1 / 3)
    y = rng.normal(0, np.sqrt(v + tau2))
    return Reviews(y, v, rng.normal(size=(n, k)) if moderated else None)


def height(r: Reviews, tau2: np.ndarray, *, reml: bool) -> np.ndarray:
    """(F,) log-likelihood up to a constant at tau2 (F,), by the formulas of a weighted mean and a weighted line."""
    w = 1 / (r.v + tau2[:, None])
    total = w.sum(axis=1)
    rest = r.y - ((w * r.y).sum(axis=1) / total)[:, None]
    logdet = np.log(total)
    if r.x is not None:
        x = r.x - ((w * r.x).sum(axis=1) / total)[:, None]
        square = (w * x * x).sum(axis=1)
        rest = rest - ((w * x * rest).sum(axis=1) / square)[:, None] * x
        logdet = logdet + np.log(square)
    found = np.log(w).sum(axis=1) - (w * rest * rest).sum(axis=1)
    return np.asarray(found - logdet if reml else found) / 2


def highest(r: Reviews, *, reml: bool) -> tuple[np.ndarray, np.ndarray]:
    """(F,) highest log-likelihood over tau^2 >= 0, and the number of its tops: a geometric grid, each top refined."""
    least = r.v.min(axis=1)
    reach = np.log1p(r.top / least)
    nodes = np.linspace(0, 1, GRID)
    grid = np.stack([height(r, least * np.expm1(u * reach), reml=reml) for u in nodes], axis=1)
    padded = np.pad(grid, ((0, 0), (1, 1)), constant_values=-np.inf)
    top = (grid > padded[:, :-2]) & (grid >= padded[:, 2:])
    lane, node = np.nonzero(top)
    low, high = nodes[np.maximum(node - 1, 0)], nodes[np.minimum(node + 1, GRID - 1)]
    part = Reviews(r.y[lane], r.v[lane], None if r.x is None else r.x[lane])

    def at(u: np.ndarray) -> np.ndarray:
        return height(part, least[lane] * np.expm1(u * reach[lane]), reml=reml)

    for _ in range(REFINED):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        rises = at(left) < at(right)
        low, high = np.where(rises, left, low), np.where(rises, high, right)
    best = grid.max(axis=1)
    np.maximum.at(best, lane, at((low + high) / 2))
    return best, top.sum(axis=1)


def fisher_scoring(r: Reviews, tau2: np.ndarray, *, steps: int = 300) -> np.ndarray:
    """(F,) where the usual local search for REML ends from tau2 (F,), the moment estimate; means only."""
    for _ in range(steps):
        w = 1 / (r.v + tau2[:, None])
        s1, s2, s3 = (np.sum(w**power, axis=1) for power in (1, 2, 3))
        mean = (w * r.y).sum(axis=1) / s1
        score = ((w * (r.y - mean[:, None])) ** 2).sum(axis=1) - (s1 - s2 / s1)
        tau2 = np.maximum(0.0, tau2 + score / (s2 - 2 * s3 / s1 + (s2 / s1) ** 2))
    return tau2


def moment(r: Reviews) -> np.ndarray:
    """(F,) estimate of DerSimonian and Laird."""
    w = 1 / r.v
    s1 = w.sum(axis=1)
    mean = (w * r.y).sum(axis=1) / s1
    q = (w * (r.y - mean[:, None]) ** 2).sum(axis=1)
    return np.maximum(0.0, (q - (r.y.shape[1] - 1)) / (s1 - (w**2).sum(axis=1) / s1))
