"""Distribution of the generalised Q statistic: a weighted sum of chi-squared variables.

Q = y'Py at given weights is distributed as sum_j lambda_j chi^2(1), lambda the eigenvalues of
(V + tau^2)^(1/2) P (V + tau^2)^(1/2). Its Laplace transform prod (1 + 2 lambda_j s)^(-1/2) has all its singularities
on the negative axis, so the distribution function follows by a trapezoid rule on a parabola around them. The parabola
starts at the saddle point, where the integrand is about a normal curve of known width.

Source: Jackson, Turner, Rhodes & Viechtbauer (2014), BMC Med Res Methodol 14:103 (use); Rice (1980), SIAM J Sci
Stat Comput 1:438 (saddle-point contour); Weideman & Trefethen (2007), Math Comp 76:1341 (parabola).
"""

from __future__ import annotations

import numpy as np

from ..base.roots import find_root
from .weighted import Problem

STEP, NODES = 0.16, 100


def weighted_chi2_cdf(q: float, weights: np.ndarray) -> float:
    """P(sum_j weights_j chi^2(1) <= q) for positive weights (m,); absolute error about 1e-14."""
    if q <= 0:
        return 0.0
    lam = np.asarray(weights, dtype=float)
    lam = lam[lam > 0] / q  # now at q = 1
    if not len(lam):
        return 1.0

    def slope(c: float) -> float:
        return float(1 - (lam / (1 + 2 * lam * c)).sum() - 1 / c)

    # where the integrand exp(z) prod(...) / z is smallest on the positive axis: below 1 + m / 2
    c = find_root(slope, 1 / (2 + len(lam) + 2 * lam.sum()), 2 + len(lam), rtol=1e-3)
    width = 1 / np.sqrt(2 * ((lam / (1 + 2 * lam * c)) ** 2).sum() + 1 / c**2)
    theta = (np.arange(NODES) + 0.5) * STEP
    z = c + 1j * width * theta - 0.5 * theta**2
    derivative = 1j * width - theta
    log_transform = -0.5 * np.log1p(2 * lam[:, None] * z).sum(axis=0)
    values = np.exp(z + log_transform) / z * derivative
    return float(min(max(STEP / np.pi * values.imag.sum(), 0.0), 1.0))


def _eigenvalues(v: np.ndarray, weights: np.ndarray, x: np.ndarray, tau2: float) -> np.ndarray:
    """(k - p,) positive eigenvalues of (V + tau^2)^(1/2) P (V + tau^2)^(1/2)."""
    basis, _ = np.linalg.qr(np.sqrt(weights)[:, None] * x)
    root = np.sqrt(weights[:, None] * (v + tau2)[:, None])
    half = root * (np.eye(len(v)) - basis @ basis.T)
    values: np.ndarray = np.linalg.svd(half, compute_uv=False)[: len(v) - x.shape[1]]
    return values**2


def solve_generalised_q(problem: Problem, weights: np.ndarray, probability: float) -> np.ndarray:
    """tau2 (F,) at which P(Q <= observed; tau2) = `probability`, 0 where it is below that already at tau2 = 0.

    weights : (K, F), zero where missing. The probability falls as tau^2 grows.
    """
    found = np.zeros(problem.n)
    observed = problem.weighted(weights).rss
    for f in range(problem.n):
        used = np.isfinite(problem.v[:, f])
        v, w = problem.v[used, f], weights[used, f]
        x = (
            np.ones((len(v), 1))
            if problem.x is None
            else problem.x[f if len(problem.x) > 1 else 0][:, used].T
        )
        q = float(observed[f])

        def excess(
            tau2: float, v: np.ndarray = v, w: np.ndarray = w, x: np.ndarray = x, q: float = q
        ) -> float:
            return weighted_chi2_cdf(q, _eigenvalues(v, w, x, tau2)) - probability

        if len(v) > problem.p and excess(0.0) > 0:
            high = float(v.max()) + q / float(w.sum())
            while excess(high) > 0:
                high *= 4
            found[f] = find_root(excess, 0.0, high, rtol=1e-14, atol=1e-15 * float(v.min()))
    return found
