"""Several effects of one cluster to one, with their covariance."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..records import Effects


def aggregate(effects: Effects, *, weighted: bool = True) -> Effects:
    """One effect per study: the (precision-weighted) mean of its effects under the sampling covariance.

    y = 1'V^-1 y / 1'V^-1 1, v = 1/(1'V^-1 1); unweighted: y = mean, v = 1'V 1/m^2.

    Parameters
    ----------
    effects : rows in no block are independent; fill the blocks first.
    weighted : weight by the inverse covariance; with strong, uneven correlations weights can be negative.

    Returns
    -------
    Effects, one per study in order of first appearance, with column ``n_effects``.

    Source: Borenstein et al. (2009), Introduction to Meta-Analysis, ch. 24; generalised least squares.
    """
    labels = np.asarray(effects.study).astype(str)
    known = np.isfinite(effects.y) & np.isfinite(effects.v)
    y, v, study, count = [], [], [], []
    blocks = {int(row): block for block in effects.blocks for row in block.rows}
    for name in dict.fromkeys(labels[known].tolist()):
        rows = np.flatnonzero(known & (labels == name))
        matrix = np.diag(effects.v[rows])
        for i, row in enumerate(rows):
            block = blocks.get(int(row))
            if block is not None:
                place = {int(r): p for p, r in enumerate(block.rows)}
                for j, other in enumerate(rows):
                    if int(other) in place:
                        matrix[i, j] = block.matrix[place[int(row)], place[int(other)]]
        estimate, variance = combine(effects.y[rows], matrix, weighted=weighted)
        y.append(estimate)
        v.append(variance)
        study.append(effects.study[rows[0]])
        count.append(float(len(rows)))
    return Effects(
        np.array(y),
        np.array(v),
        np.array(study, dtype=object),
        effects.measure,
        columns={"n_effects": np.array(count)},
        notes=effects.notes,
    )


def combine(y: np.ndarray, matrix: np.ndarray, *, weighted: bool = True) -> tuple[float, float]:
    """(estimate, variance) of the mean of (m,) effects with (m, m) covariance."""
    if not weighted:
        return float(np.mean(y)), float(np.sum(matrix)) / len(y) ** 2
    weights = np.linalg.solve(matrix, np.ones(len(y)))
    total = float(np.sum(weights))
    return float(weights @ y) / total, 1.0 / total


def correlation_structure(
    m: int, structure: Literal["independent", "constant", "autoregressive"], value: float, time: np.ndarray
) -> np.ndarray:
    """(m, m) correlation: constant `value`, or value^|time difference|, or the identity."""
    if structure == "independent":
        return np.eye(m)
    if structure == "constant":
        return np.where(np.eye(m, dtype=bool), 1.0, value)
    gaps = np.abs(np.asarray(time, dtype=float)[:, None] - np.asarray(time, dtype=float)[None, :])
    return np.asarray(value**gaps)
