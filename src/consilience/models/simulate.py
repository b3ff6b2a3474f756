"""Data sets drawn from a fitted model: y ~ N(X beta, V + Z G Z') on the fit's own design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..inference.rve_weights import WORKING_MODELS
from ..likelihood.build import build
from ..likelihood.gaussian import Layout
from ..records import Fit

Sized = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Sampler:
    """The covariance of a model at given variances, ready to draw from.

    mean : (k,) X beta; layout : order and basis of the rows; blocks : independent blocks of M in that basis,
    [(rows (n, m), M (n, m, m)), ...], scaled by 4^-exponent; roots : the same with C, C C' = M.
    """

    mean: np.ndarray
    layout: Layout | None
    blocks: Sized
    roots: Sized
    exponent: int

    def errors(self, z: np.ndarray) -> np.ndarray:
        """(n, k) draws with covariance M from standard normal `z` (n, k)."""
        return self._through(self.roots, z)

    def spread(self, x: np.ndarray) -> np.ndarray:
        """(n, k) M x of each row of `x` (n, k)."""
        if self.layout is None:
            return np.asarray(x * self.roots[0][1][:, 0, 0] ** 2)
        inside = self._through(self.blocks, self.layout.to_working(x.T).T)
        return np.asarray(np.ldexp(inside, self.exponent))

    def _through(self, matrices: Sized, z: np.ndarray) -> np.ndarray:
        if self.layout is None:
            return np.asarray(z * matrices[0][1][:, 0, 0])
        result = np.empty(z.shape)
        for rows, matrix in matrices:
            result[:, rows] = np.einsum("gij,ngj->ngi", matrix, z[:, rows], optimize=True)
        return np.asarray(np.ldexp(self.layout.from_working(result.T).T, self.exponent))


def sampler(fit: Fit, *, theta: np.ndarray | None = None) -> Sampler:
    """The distribution of the effects under a fit.

    Parameters
    ----------
    theta : (q,) variance parameters instead of the estimated ones (`Components.theta`).

    Raises
    ------
    InputError ``no-model-to-simulate`` for the working models of robust variance estimation, which give weights
    and no distribution; ``shape`` for theta of another length; ``singular`` if the covariance at `theta` is not positive semi-definite.
    """
    if fit.spec.method in WORKING_MODELS:
        raise InputError(
            f"The working model {fit.spec.method} gives weights, not a distribution to draw from.",
            code="no-model-to-simulate",
            advice="Fit Spec.che() to the same effects and simulate from that.",
        )
    mean = fit.design.matrix @ fit.coefficients.estimate
    if fit.variances is not None:
        total = np.sqrt(fit.effects.v + fit.variances)
        rows = np.arange(fit.effects.k)[:, None]
        return Sampler(mean, None, [], [(rows, total[:, None, None])], 0)
    setup = build(fit.effects, fit.design, fit.spec)
    layout = setup.problem.layout
    given = fit.components.theta if theta is None else np.asarray(theta, dtype=float)
    if given.shape != fit.components.theta.shape:
        raise InputError(
            f"theta has shape {given.shape}; needed are the {len(fit.components.theta)} values of Components.theta.",
            code="shape",
        )
    blocks = layout.covariances(setup.scale_theta(given, -1))
    return Sampler(mean, layout, blocks, [(rows, _roots(m)) for rows, m in blocks], setup.exponent)


def _roots(matrices: np.ndarray) -> np.ndarray:
    """(n, m, m) C with C C' = M; by eigenvalues where a matrix is singular."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
        if np.any(values[:, 0] < -1e-9 * np.maximum(values[:, -1], 0.0)):
            raise InputError(
                "The covariance of the effects is not positive semi-definite.", code="singular"
            ) from None
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def simulate(fit: Fit, *, n: int, rng: np.random.Generator, theta: np.ndarray | None = None) -> np.ndarray:
    """(n, k) data sets of effects drawn from the fitted model, on the scale of the effects.

    y = X b + C z with C C' = V + Z G Z' at the fit's estimates: the same studies, sampling covariances, moderators
    and random effects. Rows are drawn one after another, so the first n of a longer run are those of a shorter one.

    Parameters
    ----------
    n : data sets; theta : (q,) variance parameters instead of the estimated ones.

    Raises
    ------
    InputError as `sampler` does; ``replicates`` for n < 1.
    """
    if n < 1 or n != int(n):
        raise InputError(
            f"The number of data sets is {n}; it must be a whole number, at least 1.", code="replicates"
        )
    with one_blas_thread():
        source = sampler(fit, theta=theta)
        return np.asarray(source.mean + source.errors(rng.standard_normal((int(n), fit.effects.k))))
