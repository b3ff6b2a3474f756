"""A sampling covariance matrix from variances and a declared pattern of correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..records import Block


@dataclass(frozen=True, eq=False)
class Pattern:
    """What makes effects of one cluster correlate; the parts multiply. All arrays (k,), None = not used.

    obs : which measurement; different ones correlate by `rho` (None with a rho = each effect is its own). kind : which construct; different ones correlate by
        `rho_between`, different measurements of one construct by `rho`.
    time : when; correlation phi^|difference| (continuous autoregression).
    group1, group2 : who is compared; comparisons that share a group correlate by the shared part of their
        variances. size1, size2 : the groups' sizes (equal sizes if None).
    """

    rho: float = 0.0
    rho_between: float = 0.0
    phi: float = 1.0
    obs: np.ndarray | None = None
    kind: np.ndarray | None = None
    time: np.ndarray | None = None
    group1: np.ndarray | None = None
    group2: np.ndarray | None = None
    size1: np.ndarray | None = None
    size2: np.ndarray | None = None


def working_covariance(v: Any, cluster: Any, pattern: Pattern) -> tuple[Block, ...]:
    """Blocks of V: V_ij = R_ij sqrt(v_i v_j) within a cluster, 0 between clusters.

    R_ij is the product of the parts of `Pattern`. For groups, with s the share of a group in the variance of its
    comparison (group 1: n2/(n1 + n2)), a group shared on the same side gives sqrt(s_i s_j), on opposite sides
    minus that; both shared adds up.

    Returns
    -------
    One block per cluster of at least two effects; it need not be positive definite if the pattern is
    contradictory (the same comparison twice with nothing to tell the two apart).

    Raises
    ------
    InputError ``correlation-out-of-range`` : a correlation outside [-1, 1].

    Source: Gleser & Olkin (2009), Handbook of Research Synthesis, ch. 19; Higgins & Green (2011), ch. 16.5.
    """
    for name in ("rho", "rho_between", "phi"):
        value = getattr(pattern, name)
        if not -1 <= value <= 1:
            raise InputError(
                f"{name} is {value:g}; it must be from -1 to 1.", code="correlation-out-of-range"
            )
    v = np.asarray(v, dtype=float)
    _, codes = np.unique(np.asarray(cluster).astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    blocks = []
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(rows) > 1:
            root = np.sqrt(v[rows])
            correlation = pattern_correlation(pattern, rows)
            matrix = correlation * np.outer(root, root)
            matrix[np.diag_indices_from(matrix)] = v[rows]
            blocks.append(Block(rows, matrix))
    return tuple(sorted(blocks, key=lambda block: int(block.rows[0])))


def pattern_correlation(pattern: Pattern, rows: np.ndarray) -> np.ndarray:
    """(m, m) correlation of the effects in `rows` of one cluster."""
    m = len(rows)
    correlation = np.ones((m, m))
    obs = pattern.obs[rows] if pattern.obs is not None else rows if pattern.rho else np.zeros(m)
    within = np.where(_same(obs), 1.0, pattern.rho)
    if pattern.kind is not None:
        correlation = np.where(_same(pattern.kind[rows]), within, pattern.rho_between)
    elif pattern.obs is not None or pattern.rho:
        correlation = within
    if pattern.time is not None:
        time = np.asarray(pattern.time, dtype=float)[rows]
        correlation = correlation * pattern.phi ** np.abs(time[:, None] - time[None, :])
    if pattern.group1 is not None and pattern.group2 is not None:
        correlation = correlation * _shared(pattern, rows)
    return np.asarray(correlation, dtype=float)


def _same(labels: Any, others: Any = None) -> np.ndarray:
    first = np.asarray(labels).astype(str)
    second = first if others is None else np.asarray(others).astype(str)
    return np.asarray(first[:, None] == second[None, :])


def _shared(pattern: Pattern, rows: np.ndarray) -> np.ndarray:
    assert pattern.group1 is not None
    assert pattern.group2 is not None
    group1, group2 = np.asarray(pattern.group1)[rows], np.asarray(pattern.group2)[rows]
    n1 = np.ones(len(rows)) if pattern.size1 is None else np.asarray(pattern.size1, dtype=float)[rows]
    n2 = np.ones(len(rows)) if pattern.size2 is None else np.asarray(pattern.size2, dtype=float)[rows]
    part1, part2 = np.sqrt(n2 / (n1 + n2)), np.sqrt(n1 / (n1 + n2))
    shared = np.outer(part1, part1) * _same(group1) + np.outer(part2, part2) * _same(group2)
    crossed = np.outer(part1, part2) * _same(group1, group2)
    return np.asarray(shared - crossed - crossed.T)
