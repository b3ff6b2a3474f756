"""Data sets for the tests of resampling: dependent effects with a sampling covariance, and independent ones."""

from __future__ import annotations

import numpy as np

from consilience.records import Block, Design, Effects


def dependent(studies: int, *, seed: int = 1, most: int = 5, slope: float = 0.1) -> tuple[Effects, Design]:
    """1 to `most` effects a study, correlated .6 by sampling; a moderator of the study; a crossed column ``lab``."""
    rng = np.random.default_rng(seed)
    study = np.repeat(np.arange(studies), rng.integers(1, most + 1, studies))
    k = len(study)
    v = rng.uniform(0.02, 0.1, k)
    x = rng.normal(size=studies)[study]
    blocks = []
    for j in range(studies):
        rows = np.flatnonzero(study == j)
        if len(rows) > 1:
            sd = np.sqrt(v[rows])
            matrix = 0.6 * np.outer(sd, sd)
            np.fill_diagonal(matrix, v[rows])
            blocks.append(Block(rows, matrix))
    y = (
        0.2
        + slope * x
        + rng.normal(0, 0.3, studies)[study]
        + rng.normal(0, 0.2, k)
        + rng.normal(0, np.sqrt(v))
    )
    columns = {
        "lab": np.array([f"lab {i}" for i in rng.integers(0, 4, k)], dtype=object),
        "outcome": np.array([f"o{i % 3}" for i in range(k)], dtype=object),
    }
    effects = Effects(y, v, study.astype(str).astype(object), blocks=tuple(blocks), columns=columns)
    return effects, Design(np.column_stack([np.ones(k), x]), ("intercept", "x"))


def independent(k: int, *, seed: int = 1, tau: float = 0.3, v: float | None = None) -> Effects:
    """One effect a study; all variances `v` if one is given."""
    rng = np.random.default_rng(seed)
    variances = np.full(k, v) if v is not None else rng.uniform(0.02, 0.2, k)
    y = rng.normal(0.3, np.sqrt(variances + tau**2))
    return Effects(y, variances, np.array([f"s{i}" for i in range(k)], dtype=object))
