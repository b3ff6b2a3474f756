"""Effect sizes with their sampling covariance and the way each was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from .display import Shown
from .note import Note

BETWEEN = " \u00b7 "  # between the assumptions of one effect, which may themselves hold semicolons


@dataclass(frozen=True, eq=False)
class Block:
    """Sampling covariance of a group of dependent effects.

    rows : (m,) indices into the effects, ascending.
    matrix : (m, m) symmetric; its diagonal equals the sampling variances of those rows.
    """

    rows: np.ndarray
    matrix: np.ndarray


@dataclass(frozen=True)
class Dropped:
    """A reported row that yields no effect size, and why. Not an error."""

    study: str
    outcome: str
    file: str
    rows: tuple[int, ...]
    code: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Shown):
    """k effect sizes.

    Parameters
    ----------
    y : (k,) effect sizes on the scale of `measure`.
    v : (k,) sampling variances.
    study : (k,) study labels (object array of str): the clusters.
    measure : id of the measure, e.g. ``"ppc-g"``, ``"lnrr"``, ``"SMD"``.
    blocks : sampling covariance of dependent effects; rows in no block are independent of all others.
    columns : name -> (k,) array of everything else known of each row (outcome, weeks, route ...).
    dropped : reported rows without an effect.
    notes : what a reader must know.
    """

    y: np.ndarray
    v: np.ndarray
    study: np.ndarray
    measure: str = "generic"
    blocks: tuple[Block, ...] = ()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    @property
    def k(self) -> int:
        """Number of effects."""
        return len(self.y)

    @property
    def studies(self) -> tuple[str, ...]:
        """Distinct study labels in order of first appearance."""
        return tuple(dict.fromkeys(self.study.tolist()))

    @property
    def n_studies(self) -> int:
        return len(set(self.study.tolist()))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column by name; ``"study"`` included."""
        return self.study if name == "study" else self.columns[name]

    def take(self, rows: np.ndarray) -> Effects:
        """The selected rows (boolean mask or ascending indices) with their part of the covariance."""
        index = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=np.intp)
        position = np.full(self.k, -1, dtype=np.intp)
        position[index] = np.arange(len(index))
        return replace(
            self,
            y=self.y[index],
            v=self.v[index],
            study=self.study[index],
            blocks=_blocks_inside(self.blocks, position),
            columns={name: column[index] for name, column in self.columns.items()},
        )

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Each effect's own normal-theory interval, y -/+ z sqrt(v): two (k,) arrays."""
        half = NormalDist().inv_cdf(0.5 + level / 2) * np.sqrt(self.v)
        return self.y - half, self.y + half

    def covariance(self) -> np.ndarray:
        """(k, k) sampling covariance matrix. For small k: memory grows with k^2."""
        full = np.diag(self.v)
        for block in self.blocks:
            full[np.ix_(block.rows, block.rows)] = block.matrix
        return full


def _blocks_inside(blocks: tuple[Block, ...], position: np.ndarray) -> tuple[Block, ...]:
    """The part of each block whose rows have a new `position` (k,), -1 = left out; a whole block keeps its matrix."""
    if not blocks:
        return ()
    rows = position[np.concatenate([block.rows for block in blocks])]
    sizes = [len(block.rows) for block in blocks]
    kept = np.bincount(np.repeat(np.arange(len(blocks)), sizes)[rows >= 0], minlength=len(blocks))
    ends = np.cumsum(sizes)
    starts = ends - sizes
    result = []
    for i in np.flatnonzero(kept > 1).tolist():
        new, block = rows[starts[i] : ends[i]], blocks[i]
        if kept[i] == len(new):
            result.append(Block(new, block.matrix))
        else:
            inside = np.flatnonzero(new >= 0)
            result.append(Block(new[inside], block.matrix[np.ix_(inside, inside)]))
    return tuple(result)
