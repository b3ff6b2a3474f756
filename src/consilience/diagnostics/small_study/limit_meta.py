"""Limit meta-analysis: studies made infinitely precise while their share of heterogeneity and of small-study effect stays."""

from __future__ import annotations

import numpy as np

from ...base.distributions import chi2_sf, normal_isf, normal_sf
from ...base.errors import InputError
from ...likelihood.batch import fit_batch
from ...records import Effects, Fit, Interval
from ...records.small_study import LimitMeta
from .studies import question_of


def limit_meta(
    data: Fit | Effects, *, method: str = "", tau2: float | None = None, level: float = 0.95
) -> LimitMeta:
    """Rücker's limit meta-analysis.

    y_i = beta + sqrt(v_i + tau^2)(alpha + e_i): regress y_i / s_i on 1 / s_i, s_i^2 = v_i + tau^2, by least squares with
    residual variance 1. A study with v -> 0 expects beta + tau alpha, the adjusted effect; its variance follows from the
    covariance of (alpha, beta), tau^2 as known. Limit effects are beta + tau (y_i - beta) / s_i.
    Q = Q_small + Q_residual, the latter of the equal-effects regression on the standard error (Egger's).
    G^2 = 1 - R^2 of the limit effects in a radial plot with weights 1/v.

    Parameters
    ----------
    method : estimator of tau^2; "" = the fit's, or REML. tau2 : given instead.

    Raises
    ------
    InputError ``dependent-effects``, ``too-few-studies`` (fewer than three), ``no-spread-in-precision``.

    Source: Rücker, Schwarzer, Carpenter, Binder & Schumacher (2011), Biostatistics 12:122.
    """
    question = question_of(data)
    question.independent("Limit meta-analysis")
    y, v = question.effects.y, question.effects.v
    if len(y) < 3:
        raise InputError("Limit meta-analysis needs three studies.", code="too-few-studies")
    if np.ptp(v) <= 1e-12 * v.max():
        raise InputError("All studies are equally precise.", code="no-spread-in-precision")
    spec = question.spec
    chosen = method or (spec.method if spec is not None and spec.terms else "REML" if spec is None else "EE")
    pooled = fit_batch(y, v, method=chosen, tau2=tau2)
    between = float(pooled.tau2[0])
    line, covariance, limits = _radial(y, v, between)
    alpha, beta = line
    tau = float(np.sqrt(between))
    g = np.array([tau, 1.0])
    estimate, se = beta + tau * alpha, float(np.sqrt(g @ covariance @ g))
    q, q_residual = _cochran(y, v)
    half = float(normal_isf((1 - level) / 2))
    mean, mean_se = float(pooled.coefficients[0, 0]), float(np.sqrt(pooled.covariance[0, 0, 0]))
    return LimitMeta(
        estimate=estimate,
        se=se,
        ci_low=estimate - half * se,
        ci_high=estimate + half * se,
        p_value=2 * float(normal_sf(abs(estimate / se))),
        unadjusted=Interval(mean, mean - half * mean_se, mean + half * mean_se),
        alpha=alpha,
        beta=beta,
        tau2=between,
        q=q,
        q_small=q - q_residual,
        q_small_p=float(chi2_sf(q - q_residual, 1)),
        q_residual=q_residual,
        q_residual_p=float(chi2_sf(q_residual, len(y) - 2)),
        g2=_unexplained(limits, v),
        limit_effects=limits,
        effects=question.effects,
        level=level,
    )


def _radial(y: np.ndarray, v: np.ndarray, tau2: float) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """(alpha, beta) of the generalised radial plot, their covariance at residual variance 1, the limit effects."""
    s = np.sqrt(v + tau2)
    x = np.column_stack([np.ones(len(y)), 1 / s])
    if np.ptp(1 / s) <= 1e-12 / s.min():
        raise InputError(
            "All studies are equally precise beside their heterogeneity.", code="no-spread-in-precision"
        )
    q, r = np.linalg.qr(x)
    coefficients = np.linalg.solve(r, q.T @ (y / s))
    inverse = np.linalg.inv(r)
    alpha, beta = (float(c) for c in coefficients)
    return (alpha, beta), inverse @ inverse.T, beta + np.sqrt(tau2) * (y - beta) / s


def _cochran(y: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Q of the mean and of the regression on the standard error, weights 1/v."""
    design = np.column_stack([np.ones(len(y)), np.sqrt(v)])
    mean = fit_batch(y, v, method="EE")
    line = fit_batch(y, v, design, method="EE")
    return float(mean.q[0]), float(line.q[0])


def _unexplained(limits: np.ndarray, v: np.ndarray) -> float:
    """1 - R^2 of limits / sqrt(v) on 1 / sqrt(v), with an intercept."""
    z, x = limits / np.sqrt(v), 1 / np.sqrt(v)
    z, x = z - z.mean(), x - x.mean()
    total = float(z @ z)
    return max(0.0, 1 - float(x @ z) ** 2 / (float(x @ x) * total)) if total > 0 else 0.0
