"""Layout of any random terms: the independent blocks of M as dense matrices, equal sizes in one batch.

Blocks are the connected components of "shares a random effect or a sampling covariance". Cost: sum of block size cubed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.linalg import rows_by_size
from .terms import RandomTerm

Sized = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class DenseFactor:
    """Inverse Cholesky factors of all blocks, and the derivatives of their covariances.

    inverse_roots : per size (n, m, m) L^-1; derivatives : per parameter, per size (n, m, m) dM/dtheta_i.
    """

    layout: DenseLayout
    inverse_roots: list[np.ndarray]
    derivatives: list[list[np.ndarray]]
    logdet: float
    theta: np.ndarray

    def whiten(self, x: np.ndarray) -> np.ndarray:
        """C^-1 x for x (k,) or (k, c)."""
        return self._blockwise(self.inverse_roots, x)

    def back(self, x: np.ndarray) -> np.ndarray:
        """C^-T x, so that back(whiten(x)) = M^-1 x."""
        return self._blockwise([np.swapaxes(r, 1, 2) for r in self.inverse_roots], x)

    def _blockwise(self, matrices: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        wide = x if x.ndim == 2 else x[:, None]
        result = np.empty(wide.shape)
        for (rows, _), matrix in zip(self.layout.v, matrices, strict=True):
            result[rows] = matrix @ wide[rows]
        return result if x.ndim == 2 else result[:, 0]

    def traces(self) -> np.ndarray:
        """tr(M^-1 dM/dtheta_i), (q,)."""
        inverses = [np.swapaxes(r, 1, 2) @ r for r in self.inverse_roots]
        return np.array(
            [
                sum(float(np.sum(w * d)) for w, d in zip(inverses, parts, strict=True))
                for parts in self.derivatives
            ]
        )

    def curvature(self, u: np.ndarray, f: np.ndarray) -> np.ndarray | None:
        """(q, q) 1/2 [tr(P d2M) - u'd2M u] with P = M^-1 - f f'; None if M is linear in theta."""
        if all(term.structure.linear for term in self.layout.terms):
            return None
        result = np.zeros((len(self.theta), len(self.theta)))
        start = 0
        for term in self.layout.terms:
            stop = start + len(term.parameters)
            if not term.structure.linear:
                gamma = sum(
                    term.gather(
                        np.swapaxes(r, 1, 2) @ r
                        - f[rows] @ np.swapaxes(f[rows], 1, 2)
                        - u[rows][:, :, None] * u[rows][:, None, :],
                        rows,
                    )
                    for (rows, _), r in zip(self.layout.v, self.inverse_roots, strict=True)
                )
                second = term.structure.second(self.theta[start:stop])
                result[start:stop, start:stop] = 0.5 * np.einsum("abij,ij->ab", second, gamma)
            start = stop
        return result

    def pair_traces(self) -> None:
        """None: as dear as the derivatives themselves."""
        return

    def trace_inverse(self) -> float:
        """tr(M^-1)."""
        return sum(float(np.sum(r * r)) for r in self.inverse_roots)

    def apply(self, i: int, x: np.ndarray) -> np.ndarray:
        """(dM/dtheta_i) x."""
        return self._blockwise(self.derivatives[i], x)


@dataclass(frozen=True, eq=False)
class DenseLayout:
    """Rows in their own order. v : [(rows (n, m), V (n, m, m)), ...] by block size; terms : in the order of theta."""

    order: np.ndarray
    v: Sized
    terms: list[RandomTerm]

    def to_working(self, x: np.ndarray) -> np.ndarray:
        """Rows stay as they are."""
        return np.array(x, dtype=float)

    def from_working(self, x: np.ndarray) -> np.ndarray:
        """Rows stay as they are."""
        return np.array(x, dtype=float)

    def sampling_variances(self) -> np.ndarray:
        """(k,) diagonal of V."""
        result = np.empty(len(self.order))
        for rows, v in self.v:
            result[rows] = np.diagonal(v, axis1=1, axis2=2)
        return result

    def _parts(self, theta: np.ndarray) -> list[tuple[RandomTerm, np.ndarray, np.ndarray]]:
        """Each term with its G and dG."""
        result, start = [], 0
        for term in self.terms:
            stop = start + len(term.parameters)
            g, dg = term.structure.evaluate(theta[start:stop])
            result.append((term, g, dg))
            start = stop
        return result

    def covariances(self, theta: np.ndarray) -> Sized:
        """Independent blocks of M: [(rows (n, m), M (n, m, m)), ...]."""
        parts = self._parts(theta)
        result = []
        for rows, v in self.v:
            m = v.copy()
            for term, g, _ in parts:
                m += term.expand(g, rows)
            result.append((rows, m))
        return result

    def factor(self, theta: np.ndarray, derivatives: bool = True) -> DenseFactor | None:
        """The factor of M(theta), or None if M is not positive definite."""
        roots, logdet = [], 0.0
        for _, m in self.covariances(theta):
            try:
                lower = np.linalg.cholesky(m)
            except np.linalg.LinAlgError:
                return None
            logdet += 2 * float(np.sum(np.log(np.diagonal(lower, axis1=1, axis2=2))))
            roots.append(np.linalg.inv(lower))
        slopes = [
            [term.expand(d, rows) for rows, _ in self.v]
            for term, _, dg in (self._parts(theta) if derivatives else [])
            for d in dg
        ]
        return DenseFactor(self, roots, slopes, logdet, theta)


def dense_layout(v: np.ndarray, blocks: Sized, terms: list[RandomTerm]) -> DenseLayout:
    """Split the rows into independent blocks and lay out V by block size."""
    component = components(len(v), blocks, [part.outer for t in terms for part in t.parts or (t,)])
    place = np.empty(len(v), dtype=np.intp)
    sized = rows_by_size(component)
    size_of = np.empty(len(v), dtype=np.intp)
    slot = np.empty(len(v), dtype=np.intp)
    parts: Sized = []
    for number, (_, rows) in enumerate(sized):
        n, m = rows.shape
        place[rows], size_of[rows], slot[rows] = np.arange(m), number, np.arange(n)[:, None]
        full = np.zeros((n, m, m))
        full[:, np.arange(m), np.arange(m)] = v[rows]
        parts.append((rows, full))
    for rows, matrices in blocks:
        for number in np.unique(size_of[rows[:, 0]]):
            mine = rows[size_of[rows[:, 0]] == number]
            where = place[mine]
            parts[number][1][slot[mine[:, :1]][:, :, None], where[:, :, None], where[:, None, :]] = matrices[
                size_of[rows[:, 0]] == number
            ]
    return DenseLayout(np.arange(len(v)), parts, terms)


def components(k: int, blocks: Sized, outers: list[np.ndarray | None]) -> np.ndarray:
    """(k,) codes of the connected components of rows that share a block of V or a level of any term."""
    if any(outer is None for outer in outers):
        return np.zeros(k, dtype=np.intp)
    groupings = [outer for outer in outers if outer is not None]
    for rows, _ in blocks:
        codes = np.arange(k)
        codes[rows] = rows[:, :1]
        groupings.append(codes)
    label = np.arange(k)
    while True:
        before = label
        for codes in groupings:
            lowest = np.full(int(np.max(codes)) + 1, k)
            np.minimum.at(lowest, codes, label)
            label = lowest[codes]
        if np.array_equal(before, label):
            return (np.cumsum(label == np.arange(k)) - 1)[label]  # a label is the first row that has it
