"""Layout of nested intercepts: each study's covariance is diagonal plus rank one after one rotation.

V_j = U D U' is rotated once, so that M_j = D + a I + b z z' with z = U'1 for every (a, b) = (variance between the
effects of a study, variance between studies). All work is then elementwise plus sums over studies: O(k p).

Source: Sherman & Morrison (1950); Pustejovsky & Tipton (2022) for the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.linalg import rows_by_size


@dataclass(frozen=True, eq=False)
class NestedFactor:
    """C with C C' = M at one theta. weight = 1/(d + a); zw = z sqrt(weight); t = sum zw^2 by study."""

    layout: NestedLayout
    root: np.ndarray
    zw: np.ndarray | None
    t: np.ndarray
    b: float
    kappa: np.ndarray
    logdet: float

    def _project(self, x: np.ndarray) -> np.ndarray:
        if self.zw is None:
            return x
        rows = np.ascontiguousarray(x.T)  # sums along the last axis are four times faster
        sums = np.add.reduceat(self.zw * rows, self.layout.starts, axis=-1)
        return np.asarray((rows - self.zw * (self.kappa * sums).take(self.layout.index, axis=-1)).T)

    def whiten(self, x: np.ndarray) -> np.ndarray:
        """C^-1 x for x (k,) or (k, c)."""
        return self._project(x * (self.root if x.ndim == 1 else self.root[:, None]))

    def back(self, x: np.ndarray) -> np.ndarray:
        """C^-T x, so that back(whiten(x)) = M^-1 x."""
        return np.asarray(self._project(x) * (self.root if x.ndim == 1 else self.root[:, None]))

    def traces(self) -> np.ndarray:
        """tr(M^-1 dM/dtheta_i), (q,)."""
        between = float(np.sum(self.t / (1 + self.b * self.t)))
        return np.array(
            [between if name == "study" else self.trace_inverse() for name in self.layout.parameters]
        )

    def curvature(self, u: np.ndarray, f: np.ndarray) -> np.ndarray | None:
        """None: M is linear in theta."""
        return None

    def trace_inverse(self) -> float:
        """tr(M^-1)."""
        weight = self.root**2
        total = float(np.sum(weight))
        if self.zw is not None:
            shrink = self.b / (1 + self.b * self.t)
            total -= float(np.sum(shrink * np.add.reduceat(weight * self.zw**2, self.layout.starts)))
        return total

    def pair_traces(self) -> np.ndarray:
        """tr(M^-1 dM/dtheta_i M^-1 dM/dtheta_j), (q, q)."""
        starts, weight = self.layout.starts, self.root**2
        z2 = (self.layout.z * self.root) ** 2
        damp = 1 + self.b * self.t
        first = np.add.reduceat(weight * z2, starts)
        own = float(np.sum(weight * weight))
        if self.b:
            shrink = self.b / damp
            own -= float(np.sum(2 * shrink * np.add.reduceat(weight * weight * z2, starts)))
            own += float(np.sum((shrink * first) ** 2))
        values = {
            ("row", "row"): own,
            ("study", "study"): float(np.sum((self.t / damp) ** 2)),
            ("row", "study"): float(np.sum(first / damp**2)),
        }
        names = self.layout.parameters
        return np.array([[values[min(a, b), max(a, b)] for b in names] for a in names])

    def apply(self, i: int, x: np.ndarray) -> np.ndarray:
        """(dM/dtheta_i) x."""
        if self.layout.parameters[i] == "row":
            return x
        z = self.layout.z
        sums = np.add.reduceat(z * np.ascontiguousarray(x.T), self.layout.starts, axis=-1)
        return np.asarray((z * sums.take(self.layout.index, axis=-1)).T)


@dataclass(frozen=True, eq=False)
class NestedLayout:
    """Rows sorted by study and rotated within V blocks.

    parameters : subset of ("study", "row") in the order of theta.
    order : (k,) original row of each working row; d : (k,) eigenvalues of V; z : (k,) rotated ones;
    starts : (m,) first working row of each study; index : (k,) study of each working row;
    rotations : [(working rows (n, m), U (n, m, m)), ...].
    """

    parameters: tuple[str, ...]
    order: np.ndarray
    d: np.ndarray
    z: np.ndarray
    starts: np.ndarray
    index: np.ndarray
    rotations: tuple[tuple[np.ndarray, np.ndarray], ...]

    def to_working(self, x: np.ndarray) -> np.ndarray:
        """Rows of x (k,) or (k, c) in the working order and basis."""
        return rotate(x[self.order], self.rotations)

    def from_working(self, x: np.ndarray) -> np.ndarray:
        """The inverse of `to_working`."""
        rotated = rotate(x, tuple((rows, np.swapaxes(u, 1, 2)) for rows, u in self.rotations))
        result = np.empty_like(rotated)
        result[self.order] = rotated
        return result

    def _split(self, theta: np.ndarray) -> tuple[float, float]:
        pairs = list(zip(self.parameters, theta.tolist(), strict=True))
        return sum(x for name, x in pairs if name == "row"), sum(x for name, x in pairs if name == "study")

    def factor(self, theta: np.ndarray, derivatives: bool = True) -> NestedFactor | None:
        """The factor of M(theta), or None if M is not positive definite."""
        a, b = self._split(theta)
        spread = self.d + a
        if b < 0 or not np.all(spread > 0):
            return None
        root = 1.0 / np.sqrt(spread)
        logdet = float(np.sum(np.log(spread)))
        zw = self.z * root
        t = np.add.reduceat(zw * zw, self.starts)
        if b == 0.0:
            return NestedFactor(self, root, None, t, 0.0, t, logdet)
        q = np.sqrt(1 + b * t)
        logdet += 2.0 * float(np.sum(np.log(q)))
        return NestedFactor(self, root, zw, t, b, b / (q * (1 + q)), logdet)

    def sampling_variances(self) -> np.ndarray:
        """(k,) variances of V in the working basis."""
        return self.d

    def covariances(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of M in the working basis: [(working rows (n, m), M (n, m, m)), ...]."""
        a, b = self._split(theta)
        result = []
        for _, rows in rows_by_size(self.index):
            block = b * self.z[rows][:, :, None] * self.z[rows][:, None, :]
            diagonal = np.arange(rows.shape[1])
            block[:, diagonal, diagonal] += self.d[rows] + a
            result.append((rows, block))
        return result


def rotate(x: np.ndarray, rotations: tuple[tuple[np.ndarray, np.ndarray], ...]) -> np.ndarray:
    """U'x in each rotated block; other rows as they are."""
    result = np.array(x, dtype=float)
    for rows, u in rotations:
        if x.ndim == 1:
            result[rows] = np.einsum("nij,ni->nj", u, x[rows])
        else:
            result[rows] = np.einsum("nij,nic->njc", u, x[rows])
    return result


def nested_layout(
    v: np.ndarray,
    study: np.ndarray,
    *,
    blocks: list[tuple[np.ndarray, np.ndarray]],
    parameters: tuple[str, ...],
) -> NestedLayout:
    """Sort by study and rotate the blocks of V.

    Parameters
    ----------
    v : (k,) sampling variances; study : (k,) codes from 0 without gaps.
    blocks : [(rows (n, m), V (n, m, m)), ...] dependent effects, each block within one study.
    parameters : which of "study" and "row" are random, in the order of theta.
    """
    order = np.argsort(study, kind="stable")
    position = np.empty(len(v), dtype=np.intp)
    position[order] = np.arange(len(v))
    d = v[order].copy()
    rotations = []
    for rows, matrices in blocks:
        values, vectors = np.linalg.eigh(matrices)
        working = position[rows]
        # an exact zero may come out slightly negative; anything worse is refused when the problem is built
        d[working] = np.maximum(values, 0.0)
        rotations.append((working, vectors))
    index = study[order]
    starts = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1]]))
    z = rotate(np.ones(len(v)), tuple(rotations))
    return NestedLayout(parameters, order, d, z, starts, index, tuple(rotations))
