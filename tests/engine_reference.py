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


def dense_robust(
    x: np.ndarray, m: np.ndarray, cluster: np.ndarray, *, kind: str, weights: np.ndarray | None = None
) -> np.ndarray:
    """(clusters, p, k) matrices h_j whose products with y are summed as squares in the robust covariance, by definition.

    weights : (k,) user weights, None = the inverse of M. CR2: A_j = D'(D G_jj D')^{+1/2} D with D'D = M_jj; CR3: A_j =
    (I - H_jj)^-1, where it is singular the symmetric pseudo-inverse in the metric of the weights.
    """
    k, p = x.shape
    weight = np.linalg.inv(m) if weights is None else np.diag(weights)
    bread = np.linalg.inv(x.T @ weight @ x)
    annihilator = np.eye(k) - x @ bread @ x.T @ weight
    spread = annihilator @ m @ annihilator.T
    labels = list(dict.fromkeys(cluster.tolist()))
    n = len(labels)
    factor = {"CR1": n / (n - 1), "CR1p": n / (n - p), "CR1S": n * (k - 1) / ((n - 1) * (k - p))}.get(
        kind, 1.0
    )
    terms = []
    for label in labels:
        rows = np.flatnonzero(cluster == label)
        own = np.ix_(rows, rows)
        a = np.eye(len(rows))
        if kind == "CR2":
            upper = np.linalg.cholesky(m[own]).T
            a = upper.T @ _inverse_power(upper @ spread[own] @ upper.T, 0.5, upper @ m[own] @ upper.T) @ upper
        elif kind == "CR3":
            root = np.linalg.cholesky(weight[own]).T
            symmetric = root @ annihilator[own] @ np.linalg.inv(root)
            a = np.linalg.inv(root) @ _inverse_power(0.5 * (symmetric + symmetric.T), 1.0, a) @ root
        terms.append(np.sqrt(factor) * bread @ x[rows].T @ weight[own] @ a @ annihilator[rows])
    return np.array(terms)


def _inverse_power(x: np.ndarray, power: float, size: np.ndarray) -> np.ndarray:
    """x^-power without the directions in which nothing is left of a matrix of the `size`."""
    values, vectors = np.linalg.eigh(x)
    keep = values > 1e-9 * np.linalg.eigvalsh(size)[-1]
    return vectors[:, keep] @ np.diag(values[keep] ** -power) @ vectors[:, keep].T


def dense_eta(h: np.ndarray, m: np.ndarray, c: np.ndarray, *, method: str = "HTZ") -> float:
    """Degrees of freedom eta of the standardised robust covariance of C beta, from the covariances of all its elements.

    h : (clusters, p, k) of `dense_robust`. HTZ: q(q+1)/sum of variances; HTA: least squares on all pairs.
    """
    terms = np.einsum("qp,jpk->jqk", c, h)
    expected = np.einsum("jqk,kl,jrl->qr", terms, m, terms)
    values, vectors = np.linalg.eigh(expected)
    terms = np.einsum("qr,jrk->jqk", vectors @ np.diag(values**-0.5) @ vectors.T, terms)
    q = len(c)
    g = np.einsum("isk,kl,jtl->stij", terms, m, terms)  # Cov of h_si'y and h_tj'y
    total = cross = square = 0.0
    for s in range(q):
        for t in range(q):
            total += np.sum(g[s, s] * g[t, t]) + np.sum(g[s, t] * g[t, s])
            for u in range(q):
                for v in range(q):
                    k = np.sum(g[s, u] * g[t, v]) + np.sum(g[s, v] * g[t, u])
                    wishart = float(s == u) * float(t == v) + float(s == v) * float(t == u)
                    cross, square = cross + k * wishart, square + k * k
    return cross / square if method == "HTA" else q * (q + 1) / total
