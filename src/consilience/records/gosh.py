"""All or many subsets of the studies of a meta-analysis, and clusters of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .display import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Gosh(Shown):
    """A model fitted to F subsets of m studies.

    studies : m labels; coefficient : whose estimates are kept.
    included : (F, ceil(m / 8)) bytes, bit j % 8 of byte j // 8 is set where study j is in (see `includes`).
    estimate, tau2, i2, q : (F,) of each subset, in single precision if there are more than a million; NaN where the model
        could not be fitted. With no residual degree of freedom tau2, i2 and q are 0.
    whole : (4,) the same of all studies. rule : which subsets these are. every : are they all; seed of the generator.
    highlight : up to two studies by which the figure is split.
    """

    studies: tuple[str, ...]
    coefficient: str
    included: np.ndarray
    estimate: np.ndarray
    tau2: np.ndarray
    i2: np.ndarray
    q: np.ndarray
    whole: np.ndarray
    rule: str
    every: bool
    seed: int | None = None
    highlight: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.estimate)

    def includes(self, study: str) -> np.ndarray:
        """(F,) which subsets hold a study."""
        j = self.studies.index(study)
        return np.asarray((self.included[:, j // 8] >> (j % 8)) & 1, dtype=bool)

    @property
    def failed(self) -> int:
        """Subsets to which the model could not be fitted."""
        return int(np.isnan(self.estimate).sum())


@dataclass(frozen=True, eq=False)
class SubsetCluster:
    """A cluster of subsets: its share of all, mean and SD of estimate and I^2, and studies by what sets it apart.

    studies : labels, most telling first; difference : share of the cluster's subsets that hold the study, less the
        share of all other subsets that do.
    """

    share: float
    estimate: float
    estimate_sd: float
    i2: float
    i2_sd: float
    studies: tuple[str, ...]
    difference: np.ndarray


CLUSTERS_CAVEAT = (
    "Subsets overlap and I² piles up at zero: several clusters are found also where no study is odd."
)


@dataclass(frozen=True, eq=False, repr=False)
class GoshClusters(Shown):
    """Clusters of the subsets in the plane of estimate and I^2, ascending by estimate.

    bic : number of clusters -> Bayesian information criterion of the normal mixture. sampled : subsets it was fitted to.
    """

    coefficient: str
    clusters: tuple[SubsetCluster, ...]
    bic: dict[int, float]
    sampled: int
    seed: int | None = None
