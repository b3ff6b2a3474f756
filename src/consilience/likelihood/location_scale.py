"""Location-scale model: y ~ N(Xb, V + diag(tau_i^2)) with tau_i^2 = exp(z_i'a) or z_i'a.

Score: dl/d tau_i^2 = ((Py)_i^2 - P_ii) / 2 (ML: w_i for P_ii), chained through the link. Expected information:
(P o P) / 2 (ML: W^2 / 2); observed: (Py)_i P_ij (Py)_j less that. The surface is not concave, so several starts are
climbed with expected-information steps and the highest end is returned. All sums are O(k (p^2 + q)).

Source: Viechtbauer & Lopez-Lopez (2022), Res Synth Methods 13:697; derivatives: Harville (1977), JASA 72:320.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from .ending import LEVEL, least_curvature
from .search import maximise
from .weighted import At, Problem

SHIFTS, SLOPES = (0.0, -2.0, 2.0), (0.0, -1.5, 1.5)
MOST_STEPS, MOST_HALVINGS, MOST_STARTS = 300, 40, 60
NOTHING = 1e-7  # tau^2 as a share of the sampling variance below which it is zero
FLAT = 1e-10  # of the expected gain of a full step, in log-likelihood units
FLAT = 1e-9  # smallest over largest curvature, of orthogonal columns, that is more than rounding
LOG_LIMIT = 60.0  # exp of it is zero or infinite for every purpose


@dataclass(frozen=True, eq=False)
class ScaleFit:
    """Coefficients (q,) of the variance, tau2 (k,), inverse observed information (q, q) or NaN, and the search.

    score : gain in log-likelihood that a full step would still bring; bound : a fitted variance is zero, or goes to zero (or infinity) with the log link;
    flat : the likelihood does not change along some direction of alpha; curvature : smallest eigenvalue of the observed
    information scaled to a diagonal of one.
    """

    alpha: np.ndarray
    tau2: np.ndarray
    covariance: np.ndarray
    loglik: float
    steps: int
    starts: int
    reached: int
    score: float
    bound: bool
    flat: bool
    curvature: float


@dataclass(frozen=True, eq=False)
class _Surface:
    """The likelihood as a function of alpha."""

    problem: Problem
    z: np.ndarray
    log_link: bool
    reml: bool

    def tau2(self, alpha: np.ndarray) -> np.ndarray:
        eta = self.z @ alpha
        return np.asarray(np.exp(np.clip(eta, -LOG_LIMIT * 10, LOG_LIMIT * 10)) if self.log_link else eta)

    def at(self, alpha: np.ndarray) -> At:
        return self.problem.weighted(1 / (self.problem.v + self.tau2(alpha)[:, None]))

    def height(self, alpha: np.ndarray) -> float:
        """Log-likelihood up to a constant; -inf outside the identity link's domain."""
        tau2 = self.tau2(alpha)
        if not self.log_link and (tau2 < 0).any():
            return -np.inf
        at = self.at(alpha)
        total = float(np.log(self.problem.v[:, 0] + tau2).sum() + at.rss[0])
        return -0.5 * (total + float(at.logdet[0]) if self.reml else total)

    def slope(self, alpha: np.ndarray) -> np.ndarray:
        """(k,) d tau2 / d eta."""
        return self.tau2(alpha) if self.log_link else np.ones(len(self.z))

    def derivatives(self, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient (q,), expected and observed information (q, q)."""
        at, slope = self.at(alpha), self.slope(alpha)
        w, u = at.w[:, 0], at.weighted_residual[:, 0]
        basis = at.outer[0].T  # (k, p): P = W - B B'
        diagonal = w - (basis * basis).sum(axis=1) if self.reml else w
        score = 0.5 * (u * u - diagonal)
        dz = slope[:, None] * self.z
        quadratic = _bilinear(u[:, None] * dz, w, basis)
        half_square = 0.5 * (_hadamard_square(dz, w, basis) if self.reml else dz.T @ (w[:, None] ** 2 * dz))
        observed = quadratic - half_square
        if self.log_link:
            observed = observed - (self.z * (score * slope)[:, None]).T @ self.z
        return dz.T @ score, half_square, observed


def _bilinear(d: np.ndarray, w: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """d' P d."""
    inside = basis.T @ d
    return np.asarray(d.T @ (w[:, None] * d) - inside.T @ inside)


def _hadamard_square(d: np.ndarray, w: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """d' (P o P) d without the k x k matrix: P o P = W^2 - 2 W diag(BB') + (BB' o BB')."""
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(len(w), -1)
    single = w * w - 2 * w * (basis * basis).sum(axis=1)
    inside = pairs.T @ d
    return np.asarray(d.T @ (single[:, None] * d) + inside.T @ inside)


def fit_scale(problem: Problem, z: np.ndarray, *, link: str, reml: bool) -> ScaleFit:
    """Maximise over alpha for one analysis; `z` (k, q) has independent columns in the problem's row order."""
    basis, r = np.linalg.qr(z)
    spread = np.sqrt(len(z))
    surface = _Surface(problem, basis * spread, link == "log", reml)
    common = float(maximise(problem, reml=reml)[0][0])
    starts = _starts(surface, max(common, 1e-3 * float(np.median(problem.v))))
    ends = [_climb(surface, start) for start in starts]
    heights = np.array([surface.height(end[0]) for end in ends])
    alpha, steps, gain = ends[int(heights.argmax())]
    _, _, observed = surface.derivatives(alpha)
    tau2 = surface.tau2(alpha)
    if link == "identity":
        bound = bool((tau2 <= 1e-7 * (tau2.max() + problem.v[0, 0])).any())
    else:
        nothing = (tau2 <= NOTHING * problem.v[:, 0]).all()  # its logarithm goes to minus infinity
        bound = bool(nothing or np.abs(surface.z @ alpha).max() > LOG_LIMIT)
    back = np.linalg.inv(r) * spread
    values = np.linalg.eigvalsh(observed)
    flat = not bound and abs(values[0]) <= FLAT * abs(values[-1])
    covariance = np.full(observed.shape, np.nan)
    if not bound and not flat and values[0] > 0:
        covariance = back @ np.linalg.inv(observed) @ back.T
    return ScaleFit(
        back @ alpha,
        tau2,
        covariance,
        surface.height(alpha),
        steps,
        len(starts),
        reached=int((heights > heights.max() - LEVEL).sum()),
        score=gain,
        bound=bound,
        flat=flat,
        curvature=least_curvature(observed),
    )


def _starts(surface: _Surface, common: float) -> list[np.ndarray]:
    """Equal variances at several levels, and variances that rise or fall along each column."""
    q = surface.z.shape[1]
    ones = np.linalg.lstsq(surface.z, np.ones(len(surface.z)), rcond=None)[0]
    found = []
    if not surface.log_link:
        return [scale * common * ones for scale in (1.0, 0.2, 5.0)]
    every = ((tilt, shift) for tilt in product(SLOPES, repeat=q - 1) for shift in SHIFTS)
    for tilt, shift in islice(every, MOST_STARTS):
        found.append((np.log(common) + shift) * ones + np.array([0.0, *tilt]))
    return found


def _climb(surface: _Surface, alpha: np.ndarray) -> tuple[np.ndarray, int, float]:
    """Newton steps (expected information where the observed is not definite) with halving; barrier for the identity."""
    barrier = 0.0 if surface.log_link else 0.01
    here, gain = _lifted(surface, alpha, barrier), np.inf
    for step in range(MOST_STEPS):
        gradient, expected, observed = surface.derivatives(alpha)
        if barrier:
            inverse = surface.z / surface.tau2(alpha)[:, None]
            gradient = gradient + barrier * inverse.sum(axis=0)
            expected, observed = (m + barrier * inverse.T @ inverse for m in (expected, observed))
        direction = _direction(gradient, expected, observed)
        gain = 0.5 * float(gradient @ direction)
        length = _length(surface, alpha, direction, barrier=barrier, here=here)
        if gain < FLAT or length == 0.0:
            if barrier < 1e-11:
                return alpha, step + 1, gain
            barrier, length = barrier / 10, 0.0
        alpha = alpha + length * direction
        if surface.log_link and np.abs(surface.z @ alpha).max() > LOG_LIMIT:
            return alpha, step + 1, gain
        here = _lifted(surface, alpha, barrier)
    return alpha, MOST_STEPS, gain


def _direction(gradient: np.ndarray, expected: np.ndarray, observed: np.ndarray) -> np.ndarray:
    for matrix in (observed, expected, expected + 1e-8 * np.trace(expected) * np.eye(len(expected))):
        try:
            lower = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            continue
        return np.asarray(np.linalg.solve(lower.T, np.linalg.solve(lower, gradient)))
    return gradient / max(float(np.linalg.norm(gradient)), np.finfo(float).tiny)


def _lifted(surface: _Surface, alpha: np.ndarray, barrier: float) -> float:
    height = surface.height(alpha)
    if not barrier or height == -np.inf:
        return height
    tau2 = surface.tau2(alpha)
    return height + barrier * float(np.log(tau2).sum()) if (tau2 > 0).all() else -np.inf


def _length(
    surface: _Surface, alpha: np.ndarray, direction: np.ndarray, *, barrier: float, here: float
) -> float:
    """Largest of 1, 1/2, 1/4, ... (at most 5 units of the linear predictor) that goes up; 0 if none does."""
    reach = float(np.abs(surface.z @ direction).max())
    length = min(1.0, 5.0 / reach) if surface.log_link and reach > 0 else 1.0
    for _ in range(MOST_HALVINGS):
        if _lifted(surface, alpha + length * direction, barrier) > here:
            return length
        length /= 2
    return 0.0
