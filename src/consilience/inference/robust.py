"""Cluster-robust covariance with small-sample corrections, and its Satterthwaite degrees of freedom.

V^R = B [sum_j X_j'W_j A_j e_j e_j' A_j' W_j X_j] B. CR2 chooses A_j so that V^R is unbiased if the working model holds:
A_j = D_j' (D_j G_jj D_j')^{+1/2} D_j with D_j'D_j = Phi_j and G = (I - H) Phi (I - H)'. The degrees of freedom of a
contrast are (tr G_h)^2 / tr(G_h^2), G_h the covariance of the m terms whose squares are summed. No m x m matrix is
formed: it is a diagonal plus a matrix of rank 2p, so the cost is O(m p^2).

Source: Bell & McCaffrey (2002); Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672, eqs 4-11; Tipton (2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.linalg import binary_exponent
from ..base.options import choose
from ..records import Note
from .working import Clusters, Working

Correction = Literal["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"]
CORRECTIONS: tuple[Correction, ...] = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
FULL_LEVERAGE = 1e-9
FAR = 200  # binary exponent beyond which squares leave the numbers
FEW_DF = 4.0
ZERO = 1e-20  # observed robust variance, as a share of the model's, of residuals that are all zero
NOTHING = 1e-8  # expected robust variance, as a share of the model's, that is rounding


@dataclass(frozen=True, eq=False)
class Robust:
    """Robust covariance in the orthonormal basis of a Working, and what its degrees of freedom need.

    meat : (p, p), so that the covariance of beta is root meat root'.
    adjusted : per cluster size (n, m, p) A_j'W_j X_j; a : (n, m, p) Phi_j W_j X_j.
    """

    working: Working
    kind: Correction
    groups: list[Clusters]
    adjusted: list[np.ndarray]
    a: list[np.ndarray]
    meat: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """(p, p) of the coefficients on the effects' scale."""
        root = self.working.root
        covariance: np.ndarray = root @ self.meat @ root.T
        return np.asarray(0.5 * (covariance + covariance.T))


def robust_covariance(working: Working, kind: Correction = "CR2") -> Robust:
    """Cluster-robust covariance of the coefficients of a working model with small-sample correction `kind`.

    Raises
    ------
    InputError ``clusters-not-independent``; OptionError for an unknown correction.
    """
    choose(kind, CORRECTIONS, what="small-sample correction")
    groups = working.clusters
    p = working.basis.shape[1]
    meat = np.zeros((p, p))
    adjusted, a_parts = [], []
    factor = scalar_factor(kind, working.n_clusters, working.basis.shape)
    for group in groups:
        # with inverse-variance weights Phi W X is X itself
        a = group.x if working.weights is None else group.phi @ group.wx
        e = factor * adjusted_scores(kind, group, a, working.spread)
        adjusted.append(e)
        a_parts.append(a)
        g = np.einsum("nmp,nm->np", e, group.e)
        meat += g.T @ g
    return Robust(working, kind, groups, adjusted, a_parts, meat)


def scalar_factor(kind: Correction, m: int, shape: tuple[int, ...]) -> float:
    """Square root of the scalar corrections of CR1, CR1p and CR1S."""
    k, p = shape
    if kind == "CR1":
        return float(np.sqrt(m / (m - 1))) if m > 1 else np.nan
    if kind == "CR1p":
        return float(np.sqrt(m / (m - p))) if m > p else np.nan
    if kind == "CR1S":
        return float(np.sqrt(m * (k - 1) / ((m - 1) * (k - p)))) if m > 1 and k > p else np.nan
    return 1.0


def adjusted_scores(kind: Correction, group: Clusters, a: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """A_j'W_j X_j, (n, m, p)."""
    if kind == "CR2":
        return _bias_reduced(group, a, spread)
    if kind == "CR3":
        # (I - H_jj)'^-1 W X = W X (I - X'W X)^-1 by the push-through identity
        inside = np.swapaxes(group.x, 1, 2) @ group.wx
        result: np.ndarray = group.wx @ pseudo_inverse(np.eye(inside.shape[1]) - inside)
        return result
    return group.wx


def pseudo_inverse(x: np.ndarray) -> np.ndarray:
    """Inverse of symmetric matrices (..., p, p) without the directions that full leverage empties."""
    values, vectors = np.linalg.eigh(x)
    inverse = np.where(values > FULL_LEVERAGE, 1.0 / np.where(values > FULL_LEVERAGE, values, 1.0), 0.0)
    result: np.ndarray = (vectors * inverse[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return result


def _bias_reduced(group: Clusters, a: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """CR2: L (L' G_jj L)^{+1/2} L' W_j X_j with L L' = Phi_j; null directions are counted, not guessed from size."""
    lower = np.linalg.cholesky(group.phi)
    upper = np.swapaxes(lower, 1, 2)
    ax = a @ np.swapaxes(group.x, 1, 2)
    g = group.phi - ax - np.swapaxes(ax, 1, 2) + group.x @ spread @ np.swapaxes(group.x, 1, 2)
    exponent = binary_exponent(float(np.abs(group.phi).max())) // 2
    if abs(exponent) > FAR:  # Phi squared is beyond the numbers; the unit cancels
        lower, upper, g = (
            np.ldexp(a, -e) for a, e in ((lower, exponent), (upper, exponent), (g, 2 * exponent))
        )
    values, vectors = np.linalg.eigh(upper @ g @ lower)
    leverage = np.linalg.eigvalsh(np.swapaxes(group.x, 1, 2) @ group.wx)
    null = np.sum(leverage > 1 - FULL_LEVERAGE, axis=1)
    keep = (np.arange(values.shape[1]) >= null[:, None]) & (values > 0)
    power = np.where(keep, 1.0 / np.sqrt(np.where(keep, values, 1.0)), 0.0)
    root = (vectors * power[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    result: np.ndarray = lower @ (root @ (upper @ group.wx))
    return result


@dataclass(frozen=True, eq=False)
class Moments:
    """Covariances of the terms h_sj'y of r contrasts, in the form delta_ij d_st,i + u_si S u_tj'.

    d : (r, r, m) d_st,i; u : (r, m, 2p); middle : (2p, 2p) S.
    """

    d: np.ndarray
    u: np.ndarray
    middle: np.ndarray


def moments(robust: Robust, contrasts: np.ndarray) -> Moments:
    """What the degrees of freedom of the (r, p) `contrasts`, given in the orthonormal basis, are made of."""
    d_parts, t_parts, a_parts = [], [], []
    for group, e, a in zip(robust.groups, robust.adjusted, robust.a, strict=True):
        p_terms = contrasts @ np.swapaxes(e, 1, 2)  # (n, r, m)
        d = (p_terms @ group.phi) @ np.swapaxes(p_terms, 1, 2)
        d_parts.append(np.moveaxis(d, 0, 2))
        t_parts.append(np.swapaxes(p_terms @ group.x, 0, 1))
        a_parts.append(np.swapaxes(p_terms @ a, 0, 1))
    identity = np.eye(contrasts.shape[1])
    zero = np.zeros_like(identity)
    middle = np.block([[robust.working.spread, -identity], [-identity, zero]])
    u = np.concatenate([np.concatenate(t_parts, axis=1), np.concatenate(a_parts, axis=1)], axis=2)
    return Moments(np.concatenate(d_parts, axis=2), u, middle)


def satterthwaite(robust: Robust, contrasts: np.ndarray) -> np.ndarray:
    """Degrees of freedom (r,) of each row of the (r, p) `contrasts` of beta; NaN where the variance is zero."""
    return satterthwaite_inner(robust, contrasts @ robust.working.root)


def satterthwaite_inner(robust: Robust, contrasts: np.ndarray) -> np.ndarray:
    """`satterthwaite` for contrasts in the orthonormal basis."""
    lengths = np.linalg.norm(contrasts, axis=1)
    result = np.full(len(contrasts), np.nan)
    for row in np.flatnonzero(lengths > 0):
        parts = moments(robust, contrasts[row : row + 1] / lengths[row])
        d, u = parts.d[0, 0], parts.u[0]
        low = np.sum((u @ parts.middle) * u, axis=1)
        trace = float(np.sum(d + low))
        inside = parts.middle @ (u.T @ u)
        square = float(np.sum(d * d) + 2 * np.sum(d * low) + np.sum(inside * inside.T))
        unit = contrasts[row] / lengths[row]
        if square > 0 and trace > NOTHING * float(unit @ robust.working.spread @ unit):
            result[row] = trace * trace / square
    return result


def lone_rows(robust: Robust, rows: np.ndarray) -> np.ndarray:
    """(r,) whether a row of combinations (r, p) of coefficients cannot be estimated without one of the clusters.

    In the orthonormal basis X_j'W_j X_j of such a cluster has an eigenvalue of one, and its eigenvector the directions
    that all other clusters leave open.
    """
    root = rows @ robust.working.root
    found = np.zeros(len(root), dtype=bool)
    length = np.linalg.norm(root, axis=1)
    for group in robust.groups:
        full = np.einsum("nmp,nmp->n", group.x, group.wx) > 1 - FULL_LEVERAGE
        if full.any():
            values, vectors = np.linalg.eigh(np.swapaxes(group.x[full], 1, 2) @ group.wx[full])
            open_ = np.abs(np.einsum("ip,npj->nij", root, vectors)) > 1e-6 * length[:, None]
            found |= np.any(open_ & (values > 1 - FULL_LEVERAGE)[:, None, :], axis=(0, 2))
    return found


def why_missing(robust: Robust) -> str:
    """Why there is no robust variance: the correction does not exist, or nothing is left to estimate it from."""
    (k, p), m = robust.working.basis.shape, robust.working.n_clusters
    if np.isfinite(scalar_factor(robust.kind, m, (k, p))):
        return "only one study carries information on it, or as few studies as there are coefficients"
    needed = {"CR1": "two clusters", "CR1p": "more clusters than coefficients"}
    least = needed.get(robust.kind, "two clusters and more effects than coefficients")
    return f"{robust.kind} needs {least} (here {m} clusters, {k} effects, {p} coefficients)"


def robust_notes(
    robust: Robust, names: tuple[str, ...], df: np.ndarray, *, rows: np.ndarray | None = None
) -> tuple[Note, ...]:
    """What a reader must know of robust standard errors with degrees of freedom df, by name of the coefficient, or of
    the combinations `rows` (r, p) of them."""
    notes = []
    rows = np.eye(len(robust.working.beta)) if rows is None else rows
    unknown = ~np.isfinite(df)
    if unknown.any():
        message = f"No standard error for {named(names, unknown)}: {why_missing(robust)}."
        notes.append(Note("coefficient-one-cluster", "warning", message))
    inner = rows @ robust.working.root
    model = np.einsum("rp,pq,rq->r", inner, robust.working.spread, inner)
    zero = (np.einsum("rp,pq,rq->r", inner, robust.meat, inner) <= ZERO * model) & ~unknown
    if zero.any():
        message = f"The standard error of {named(names, zero)} is zero because all residuals are: the effects fit exactly."
        notes.append(
            Note("se-zero", "warning", message, "Check that the effects are not copies of one another.")
        )
    lone = lone_rows(robust, rows) & ~unknown
    if lone.any():
        notes.append(
            Note(
                "coefficient-lone-cluster",
                "warning",
                f"The standard error of {named(names, lone)} is too small: without one of the studies it cannot be "
                "estimated, and that study has no residual that would show its own error.",
                'Report the model\'s own standard error (test = "t"), or leave out the study or the moderator.',
            )
        )
    few = df < FEW_DF
    if few.any():
        notes.append(
            Note(
                "df-below-four",
                "warning",
                f"Fewer than {FEW_DF:g} degrees of freedom for {named(names, few)} "
                f"({', '.join(f'{x:.1f}' for x in df[few])}): the p-value and the interval are not trustworthy.",
                "Use a cluster wild bootstrap, or report the estimate without a test.",
            )
        )
    return tuple(notes)


def named(names: tuple[str, ...], which: np.ndarray) -> str:
    return ", ".join(f'"{name}"' for name, chosen in zip(names, which, strict=True) if chosen)
