"""What a univariate model says about each study: shrunken effects, residuals, weights.

Source: Raudenbush & Bryk (1985), J Educ Stat 10:75 (empirical Bayes); Robinson (1991), Stat Sci 6:15 (BLUP and its error).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import t_isf
from ..inference.intervals import weights_of
from ..inference.one_each import refuse_dependence
from ..records import Fit


@dataclass(frozen=True, eq=False)
class RowEstimates:
    """(k,) estimates with standard errors and intervals at the level of the fit."""

    estimate: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class StandardisedResiduals:
    """(k,) observed minus fitted, its standard error, and their ratio."""

    raw: np.ndarray
    se: np.ndarray
    standardised: np.ndarray


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


def standardised_residuals(fit: Fit) -> StandardisedResiduals:
    """Residuals with the variance of (I - H)y: m_i (1 - 2 h_i) + x_i' C x_i, m = v + tau^2.

    Source: Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, chapter 12.
    """
    refuse_dependence(fit, "This")
    total = fit.effects.v + _tau2(fit)
    a = weights_of(fit) if fit.spec.weights else 1 / total
    x = fit.design.matrix
    basis, _ = np.linalg.qr(np.sqrt(a)[:, None] * x)
    leverage = (basis * basis).sum(axis=1)
    spread = np.einsum("kp,pq,kq->k", basis, basis.T @ ((a * total)[:, None] * basis), basis)
    variance = total * (1 - 2 * leverage) + spread / a
    raw = fit.effects.y - x @ fit.coefficients.estimate
    # a study that determines a coefficient alone has no residual: its variance is rounding
    se = np.sqrt(np.where(variance > 1e-12 * total, variance, np.nan))
    return StandardisedResiduals(raw, se, raw / se)


def study_weights(fit: Fit) -> np.ndarray:
    """(k,) weight of each study in the coefficients, in percent of their sum."""
    refuse_dependence(fit, "This")
    a = weights_of(fit) if fit.spec.weights else 1 / (fit.effects.v + _tau2(fit))
    return np.asarray(100 * a / a.sum())


def _tau2(fit: Fit) -> np.ndarray | float:
    return fit.components.total if fit.variances is None else fit.variances


def _parts(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    refuse_dependence(fit, "This")
    tau2, x = _tau2(fit), fit.design.matrix
    share = np.asarray(tau2 / (tau2 + fit.effects.v))
    error = np.einsum("kp,pq,kq->k", x, fit.coefficients.covariance, x)
    return share, x @ fit.coefficients.estimate, error


def _interval(fit: Fit, estimate: np.ndarray, se: np.ndarray) -> RowEstimates:
    half = t_isf((1 - fit.spec.level) / 2, float(fit.coefficients.df[0])) * se
    return RowEstimates(estimate, se, estimate - half, estimate + half)
