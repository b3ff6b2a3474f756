"""Any covariance matrix by standard deviations and angles, some of them given: positive semi-definite for all angles.

With the levels in an order that puts one of them (the root) first, R = L L' with
L_ij = sin(a_ij) prod_{m < j} cos(a_im), L_ii = prod_m cos(a_im): sin(a_ij) is the correlation of i and j given the levels
before j, for the root the plain correlation. So variances may be given, and correlations of the root.

Source: Pinheiro & Bates (1996), Stat Comput 6:289; Joe (2006), J Multivariate Anal 97:2177 (partial correlations are free).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.linalg import entries_below, lower_root
from .structures import Pair, Parameter, Structure, of_deviations

SEEDS = (0.3, 0.0, 1.1, -0.4)
NEARLY = 1.0 - 1e-12  # a correlation whose angle still has a slope


def by_angles(names: list[str], variances: np.ndarray, correlations: np.ndarray, *, root: int) -> Structure:
    """Standard deviations, then an angle for each pair; NaN = estimate.

    correlations : below the diagonal, column by column; only those of `root` may be given.
    """
    size = len(names)
    _, back, first, second = _places(size, root)
    rows, columns = entries_below(size)
    deviations = [
        Parameter(n, unit=1, fixed=f) for n, f in zip(names, np.sqrt(variances).tolist(), strict=True)
    ]
    angles = [
        Parameter(f"{names[i]}, {names[j]}", unit=0, lower=-np.inf, fixed=f, seed=SEEDS[0], more=SEEDS[1:])
        for i, j, f in zip(rows.tolist(), columns.tolist(), np.arcsin(correlations).tolist(), strict=True)
    ]

    def evaluate(theta: np.ndarray) -> Pair:
        s, a = theta[..., :size], theta[..., size:]
        r, dr = _correlations(a, second, first, size=size)
        r, dr = r[..., back[:, None], back], dr[..., back[:, None], back]
        pairs = s[..., :, None] * s[..., None, :]
        return r * pairs, np.concatenate([of_deviations(s, r), dr * pairs[..., None, :, :]], axis=-3)

    return Structure((*deviations, *angles), evaluate)


def holding_by_angles(
    names: list[str], variances: np.ndarray, correlations: np.ndarray, *, root: int, place: int
) -> Structure:
    """`by_angles` with one correlation of `root`, the pair `place`, as a parameter of its own in place of its angle."""
    made, index = by_angles(names, variances, correlations, root=root), len(names) + place

    def evaluate(theta: np.ndarray) -> Pair:
        rho = np.clip(theta[..., index], -NEARLY, NEARLY)
        inner = theta.copy()
        inner[..., index] = np.arcsin(theta[..., index])
        g, dg = made.evaluate(inner)
        dg[..., index, :, :] /= np.sqrt(1.0 - rho * rho)[..., None, None]
        return g, dg

    parameters = list(made.parameters)
    parameters[index] = replace(parameters[index], lower=-1.0, upper=1.0, more=(0.0,))
    return Structure(tuple(parameters), evaluate)


def angles_of(r: np.ndarray, root: int) -> np.ndarray:
    """The angles of `by_angles` of a correlation matrix R (l, l)."""
    order, _, first, second = _places(len(r), root)
    lower = lower_root(r[np.ix_(order, order)])
    # of a row's length one, what is left before each column
    left = np.sqrt(np.maximum(1.0 - np.cumsum(lower**2, axis=1) + lower**2, 0.0))
    angle = np.arcsin(np.clip(lower / np.where(left > 0, left, 1.0), -1.0, 1.0))
    return np.asarray(angle[second, first])


def _places(size: int, root: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The levels with the root first, the way back, and for each pair the place of its earlier and its later level."""
    order = np.array([root, *(i for i in range(size) if i != root)])
    back = np.argsort(order)
    rows, columns = entries_below(size)
    return order, back, np.minimum(back[rows], back[columns]), np.maximum(back[rows], back[columns])


def root_of(correlations: np.ndarray, size: int) -> int | None:
    """The level that all given correlations belong to; None if there is no such level."""
    rows, columns = entries_below(size)
    given = np.isfinite(correlations)
    pairs = [set(pair) for pair in zip(rows[given].tolist(), columns[given].tolist(), strict=True)]
    common = set(range(size)).intersection(*pairs)
    return min(common, default=None)


def _correlations(a: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, size: int) -> Pair:
    """R (..., l, l) and dR (..., q, l, l) from the angles (..., q) of the pairs (rows > columns)."""
    sine = np.zeros((*a.shape[:-1], size, size))
    cosine = np.ones_like(sine)
    sine[..., rows, columns], cosine[..., rows, columns] = np.sin(a), np.cos(a)
    each = np.arange(size)
    sine[..., each, each] = 1.0
    before = np.cumprod(np.concatenate([np.ones_like(cosine[..., :1]), cosine[..., :-1]], axis=-1), axis=-1)
    lower = np.tril(sine * before)
    slopes = np.zeros((*a.shape, size, size))
    for n, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        turned, other = sine[..., i, :].copy(), cosine[..., i, :].copy()
        turned[..., j], other[..., j] = cosine[..., i, j], -sine[..., i, j]
        ahead = np.cumprod(np.concatenate([np.ones_like(other[..., :1]), other[..., :-1]], axis=-1), axis=-1)
        slopes[..., n, i, j : i + 1] = (turned * ahead)[..., j : i + 1]
    half = slopes @ lower[..., None, :, :].swapaxes(-1, -2)
    return lower @ lower.swapaxes(-1, -2), half + half.swapaxes(-1, -2)
