"""A slow, obvious marginal likelihood and robust covariance, written from the textbook formulas with k x k matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consilience.records import Block, Effects


def dense_loglik(
    y: np.ndarray, x: np.ndarray, m: np.ndarray, *, reml: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """(log-likelihood, coefficients, their covariance) of y ~ N(X b, M)."""
    k, p = x.shape
    inverse = np.linalg.inv(m)
    covariance = np.linalg.inv(x.T @ inverse @ x)
    beta = covariance @ x.T @ inverse @ y
    rest = y - x @ beta
    value = -0.5 * (k * np.log(2 * np.pi) + np.linalg.slogdet(m)[1] + rest @ inverse @ rest)
    if reml:
        value += 0.5 * (
            p * np.log(2 * np.pi) - np.linalg.slogdet(x.T @ inverse @ x)[1] + np.linalg.slogdet(x.T @ x)[1]
        )
    return float(value), beta, covariance


def same(labels: np.ndarray) -> np.ndarray:
    """(k, k) one where two rows have the same label."""
    return (labels[:, None] == labels[None, :]).astype(float)


def che_covariance(effects: Effects, study: float, row: float) -> np.ndarray:
    """M of the correlated and hierarchical effects model."""
    return effects.covariance() + study * same(effects.study) + row * np.eye(effects.k)


def dense_cr2(
    y: np.ndarray, x: np.ndarray, m: np.ndarray, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CR2 by its definition: (robust covariance, its expectation under the model, Satterthwaite df of each coefficient)."""
    k, p = x.shape
    weight = np.linalg.inv(m)
    bread = np.linalg.inv(x.T @ weight @ x)
    annihilator = np.eye(k) - x @ bread @ x.T @ weight
    rest = annihilator @ y
    spread = annihilator @ m @ annihilator.T
    robust, expected = np.zeros((p, p)), np.zeros((p, p))
    terms = []
    for label in dict.fromkeys(cluster.tolist()):
        rows = np.flatnonzero(cluster == label)
        upper = np.linalg.cholesky(m[np.ix_(rows, rows)]).T
        values, vectors = np.linalg.eigh(upper @ spread[np.ix_(rows, rows)] @ upper.T)
        keep = values > 1e-9 * values.max()
        root = vectors[:, keep] @ np.diag(values[keep] ** -0.5) @ vectors[:, keep].T
        a = upper.T @ root @ upper
        h = bread @ x[rows].T @ weight[np.ix_(rows, rows)] @ a @ annihilator[rows]
        robust += np.outer(h @ y, h @ y)
        expected += h @ m @ h.T
        terms.append(h)
    del rest
    stacked = np.array(terms)  # (m, p, k)
    df = []
    for i in range(p):
        g = stacked[:, i] @ m @ stacked[:, i].T
        df.append(np.trace(g) ** 2 / np.trace(g @ g))
    return robust, expected, np.array(df)


def random_effects_data(
    seed: int,
    *,
    studies: int = 8,
    most: int = 4,
    rho: float = 0.5,
    study_sd: float = 0.3,
    row_sd: float = 0.2,
) -> Effects:
    """Dependent effects with blocks of V (constant correlation), unequal study sizes and variances, one moderator."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, most + 1, studies)
    study = np.repeat(np.arange(studies), size)
    k = len(study)
    v = rng.uniform(0.02, 0.4, k)
    mean = 0.4 + rng.normal(0, study_sd, studies)[study] + rng.normal(0, row_sd, k)
    y, blocks = np.empty(k), []
    for j in range(studies):
        rows = np.flatnonzero(study == j)
        matrix = np.where(np.eye(len(rows)) > 0, 1.0, rho) * np.sqrt(np.outer(v[rows], v[rows]))
        y[rows] = rng.multivariate_normal(mean[rows], matrix)
        if len(rows) > 1:
            blocks.append(Block(rows, matrix))
    labels = np.array([f"s{j}" for j in study], dtype=object)
    inner = np.concatenate([np.arange(n) for n in size])
    columns = {"x": rng.normal(size=k), "outcome": np.array([f"o{i}" for i in inner], dtype=object)}
    return Effects(y, v, labels, blocks=tuple(blocks), columns=columns)


def reordered(effects: Effects, order: np.ndarray) -> Effects:
    """The same effects with rows in another order."""
    place = np.argsort(order)
    blocks = []
    for block in effects.blocks:
        rows = place[block.rows]
        by = np.argsort(rows)
        blocks.append(Block(rows[by], block.matrix[np.ix_(by, by)]))
    return replace(
        effects,
        y=effects.y[order],
        v=effects.v[order],
        study=effects.study[order],
        blocks=tuple(blocks),
        columns={name: column[order] for name, column in effects.columns.items()},
    )


def scaled(effects: Effects, factor: float) -> Effects:
    """Effects measured in other units."""
    blocks = tuple(Block(b.rows, b.matrix * factor * factor) for b in effects.blocks)
    return replace(effects, y=effects.y * factor, v=effects.v * factor * factor, blocks=blocks)
