"""What a model predicts of its random effects: true effects of studies, their deviations, contributions of every term.

`shrunken_effects` and `study_deviations` are for one independent effect per study: their errors have the coefficients'
covariance as the fit reports it (Knapp-Hartung, user weights), and intervals. `term_effects` is for every model, with
the model's own covariance.

Source: Raudenbush & Bryk (1985), J Educ Stat 10:75 (empirical Bayes); Robinson (1991), Stat Sci 6:15 (BLUP and its error).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import t_isf
from ..base.linalg import one_blas_thread
from ..inference.one_each import refuse_dependence
from ..likelihood.build import Setup
from ..records import Fit
from .averages import variance_of_rows
from .residuals import row_layout


@dataclass(frozen=True, eq=False)
class RowEstimates:
    """(k,) estimates with standard errors and intervals at the level of the fit."""

    estimate: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class TermEffects:
    """Predicted contribution of each random term to each effect: arrays (k, terms); `total` and its SE are (k,).

    Rows of the same level have the same contribution. The SEs hold the variances at their estimates.
    """

    terms: tuple[str, ...]
    contribution: np.ndarray
    se: np.ndarray
    total: np.ndarray
    total_se: np.ndarray


def shrunken_effects(fit: Fit) -> RowEstimates:
    """True effect of each study: s y + (1 - s) x'b with s = tau^2 / (tau^2 + v); error variance s v + (1 - s)^2 x'Cx."""
    share, fitted, error = _parts(fit)
    estimate = share * fit.effects.y + (1 - share) * fitted
    return _interval(fit, estimate, np.sqrt(share * fit.effects.v + (1 - share) ** 2 * error))


def study_deviations(fit: Fit) -> RowEstimates:
    """Deviation of each true effect from its mean: s (y - x'b); error variance s v + s^2 x'Cx."""
    share, fitted, error = _parts(fit)
    estimate = share * (fit.effects.y - fitted)
    return _interval(fit, estimate, np.sqrt(share * fit.effects.v + share**2 * error))


def term_effects(fit: Fit) -> TermEffects:
    """Best linear unbiased predictions K_t M^-1 (y - X b) of every term, with Var = K_t - K_t P K_t.

    Raises InputError ``weights-not-used`` for coefficients with weights of their own.

    Source: Henderson (1975), Biometrics 31:423; Robinson (1991), Stat Sci 6:15.
    """
    if fit.variances is not None:
        found = study_deviations(fit)
        return TermEffects(("row",), found.estimate[:, None], found.se[:, None], found.estimate, found.se)
    with one_blas_thread():
        setup, theta, at = row_layout(fit)
        u, f = at.factor.back(at.residual), at.factor.back(at.q_basis)
        nothing = np.clip(np.zeros_like(theta), setup.problem.lower, setup.problem.upper)
        parts = []
        start = 0
        for term in setup.terms:
            alone = nothing.copy()
            stop = start + len(term.parameters)
            alone[start:stop] = theta[start:stop]
            parts.append(_predicted(setup, alone, theta, u=u, f=f))
            start = stop
        total = _predicted(setup, theta, theta, u=u, f=f)
    up = setup.exponent
    stack = np.array(parts).reshape(len(parts), 2, fit.effects.k)
    return TermEffects(
        terms=tuple(term.name for term in setup.terms),
        contribution=np.ldexp(stack[:, 0].T, up),
        se=np.ldexp(stack[:, 1].T, up),
        total=np.ldexp(total[0], up),
        total_se=np.ldexp(total[1], up),
    )


def _predicted(
    setup: Setup, part: np.ndarray, theta: np.ndarray, *, u: np.ndarray, f: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and SE (k,) of the random effects that `part` of theta describes."""
    layout = setup.problem.layout
    nothing = np.clip(np.zeros_like(theta), setup.problem.lower, setup.problem.upper)
    value, variance = np.zeros(len(u)), np.zeros(len(u))
    for (rows, with_part), (_, v), (_, m) in zip(
        layout.covariances(part), layout.covariances(nothing), layout.covariances(theta), strict=True
    ):
        k = with_part - v
        value[rows] = np.einsum("nij,nj->ni", k, u[rows])
        explained = np.einsum("nij,nji->ni", k, np.linalg.solve(m, k))
        lost = np.sum((k @ f[rows]) ** 2, axis=2)
        variance[rows] = np.diagonal(k, axis1=1, axis2=2) - explained + lost
    return value, np.sqrt(np.maximum(variance, 0.0))


def _parts(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    refuse_dependence(fit, "Shrinkage by tau^2")
    tau2, x = variance_of_rows(fit), fit.design.matrix
    share = np.asarray(tau2 / (tau2 + fit.effects.v))
    error = np.einsum("kp,pq,kq->k", x, fit.coefficients.covariance, x)
    return share, x @ fit.coefficients.estimate, error


def _interval(fit: Fit, estimate: np.ndarray, se: np.ndarray) -> RowEstimates:
    half = t_isf((1 - fit.spec.level) / 2, float(fit.coefficients.df[0])) * se
    return RowEstimates(estimate, se, estimate - half, estimate + half)
