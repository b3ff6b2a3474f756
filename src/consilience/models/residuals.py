"""Residuals of each effect under any model: raw, standardised, deleted, Cholesky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import lower_factors, one_blas_thread
from ..inference.working import without_scale, working_effects, working_model
from ..likelihood.build import Setup, Sized, build
from ..likelihood.gaussian import Evaluation, evaluate
from ..records import Fit


@dataclass(frozen=True, eq=False)
class StandardisedResiduals:
    """(k,) observed minus fitted, its standard error, and their ratio."""

    raw: np.ndarray
    se: np.ndarray
    standardised: np.ndarray


@dataclass(frozen=True, eq=False)
class RowResiduals:
    """(k,) residuals: raw y - fitted; standardised by their own SE; deleted (the row left out, variances held; without weights of
    the effects' own), standardised; pearson, raw over the root of its marginal variance; and Cholesky, U r with U'U = M^-1, U upper
    triangular, which are uncorrelated if the model holds."""

    fitted: np.ndarray
    raw: np.ndarray
    standardised: np.ndarray
    deleted: np.ndarray
    pearson: np.ndarray
    cholesky: np.ndarray


def standardised_residuals(fit: Fit) -> StandardisedResiduals:
    """Residuals of any model with the variance of (I - H) y: M_ii - 2 (H M)_ii + x_i' C x_i, H the hat matrix and C the
    model's covariance of the coefficients.

    With inverse-variance weights that is M_ii - x_i' C x_i.

    Source: Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, chapter 12; Viechtbauer & Cheung (2010), Res
    Synth Methods 1:112.
    """
    with one_blas_thread():
        alone = without_scale(fit)
        setup, theta, at = _evaluated(alone)
        working = working_model(setup, at, theta=theta, effects=alone.effects, spec=alone.spec)
        x, own = working.basis, np.empty(setup.problem.k)
        crossed = np.sum(x * x, axis=1)  # H M = X X' where the basis is orthonormal in M^-1
        for rows, m in working.blocks:
            own[rows] = np.diagonal(m, axis1=1, axis2=2)
            if working.weights is not None:
                weighted = working.weights[rows][:, :, None] * x[rows]
                crossed[rows] = np.einsum("nip,nij,njp->ni", x[rows], m, weighted)
        variance = own - 2 * crossed + np.einsum("kp,pq,kq->k", x, working.spread, x)
    raw = np.ldexp(working.residual, setup.exponent)
    se = np.ldexp(_root(variance, own), setup.exponent)
    return StandardisedResiduals(raw, se, raw / se)


def row_residuals(fit: Fit) -> RowResiduals:
    """Residuals of all kinds; see the record.

    Source: Viechtbauer & Cheung (2010), Res Synth Methods 1:112; Houseman, Ryan & Coull (2004) for Cholesky ones.
    """
    observed = standardised_residuals(fit)
    with one_blas_thread():
        setup, theta, at = _evaluated(without_scale(fit))
        problem = setup.problem
        raw = np.ldexp(observed.raw, -setup.exponent)
        u, f = at.factor.back(at.residual), at.factor.back(at.q_basis)
        own, precision = np.empty(problem.k), np.empty(problem.k)
        for rows, m in problem.layout.covariances(theta):
            own[rows] = np.diagonal(m, axis1=1, axis2=2)
            precision[rows] = np.diagonal(np.linalg.inv(m), axis1=1, axis2=2)
        independent = _independent(problem.layout.covariances(theta), raw)
    return RowResiduals(
        fitted=fit.effects.y - observed.raw,
        raw=observed.raw,
        standardised=observed.standardised,
        deleted=u / _root(precision - np.sum(f**2, axis=1), 1 / own),
        pearson=raw / np.sqrt(own),
        cholesky=independent,
    )


def _independent(covariances: Sized, raw: np.ndarray) -> np.ndarray:
    """(k,) U r with U'U = M^-1, U upper triangular: each residual against those that come after it in its block.

    With M = E L L' E for E that reverses the rows, U = E L^-1 E.
    """
    result = np.empty(len(raw))
    for rows, m in covariances:
        lower = lower_factors(m[:, ::-1, ::-1])
        result[rows] = np.linalg.solve(lower, raw[rows][:, ::-1, None])[:, ::-1, 0]
    return result


def row_layout(fit: Fit) -> tuple[Setup, np.ndarray, Evaluation]:
    """The fit's likelihood in the layout whose rows are the effects themselves, for best predictions.

    Raises InputError ``weights-not-used`` for coefficients with weights of their own.
    """
    if fit.spec.weights:
        raise InputError(
            "The coefficients of this fit have other weights than its variances, so they are not best predictions.",
            code="weights-not-used",
            advice="Use residuals(fit), or fit without weights.",
        )
    return _evaluated(without_scale(fit))


def _evaluated(fit: Fit) -> tuple[Setup, np.ndarray, Evaluation]:
    setup = build(working_effects(fit), fit.design, fit.spec, dense=True)
    theta = setup.scale_theta(fit.components.theta, -1)
    at = evaluate(setup.problem, theta, reml=fit.spec.method == "REML", derivatives=False)
    if at is None:
        raise InputError("The covariance of the effects is singular.", code="singular")
    return setup, theta, at


def _root(variance: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Standard deviation, NaN where a row determines its own fit so that what is left of the variance is rounding."""
    kept = variance > 1e-10 * whole
    return np.sqrt(np.where(kept, variance, np.nan))
