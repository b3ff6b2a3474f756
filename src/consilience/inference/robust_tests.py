"""Coefficients with a chosen cluster-robust covariance and reference distribution, from any fit."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..base.distributions import normal_sf, t_isf, t_two_sided
from ..base.linalg import one_blas_thread
from ..base.options import choose, confidence_level
from ..base.roots import find_root
from ..records import Coefficients, Fit
from .robust import Correction, Robust, moments, robust_covariance, robust_notes, satterthwaite
from .working import working_of

Distribution = Literal["satterthwaite", "naive-t", "naive-tp", "z", "saddlepoint"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("satterthwaite", "naive-t", "naive-tp", "z", "saddlepoint")


def robust_coefficients(
    fit: Fit,
    *,
    correction: Correction = "CR2",
    reference: Distribution = "satterthwaite",
    level: float = 0.95,
) -> Coefficients:
    """All coefficients of a fit with the covariance of its spec's clusters.

    Parameters
    ----------
    correction : small-sample correction of the covariance.
    reference : t with Satterthwaite, m - 1 (naive-t) or m - p (naive-tp) degrees of freedom for m clusters and p
        coefficients, normal, or a saddlepoint approximation (p-values only, no interval).

    Raises OptionError for an unknown correction or reference, InputError ``level``.

    Source: Bell & McCaffrey (2002); McCaffrey & Bell (2006), Stat Med 25:4081 (saddlepoint).
    """
    choose(reference, DISTRIBUTIONS, what="reference distribution")
    confidence_level(level)
    with one_blas_thread():
        robust = robust_covariance(working_of(fit), correction)
        beta, p = robust.working.beta, len(robust.working.beta)
        m = robust.working.n_clusters
        own_df = satterthwaite(robust, np.eye(p))
        # a coefficient that one cluster alone carries has residuals of zero there, hence no robust variance
        se = np.where(np.isfinite(own_df), np.sqrt(np.maximum(np.diag(robust.covariance), 0.0)), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = beta / se
        if reference == "saddlepoint":
            df = np.full(p, np.nan)
            known = np.isfinite(t)
            p_value = np.array(
                [saddlepoint_p(robust, i, float(t[i]))[0] if known[i] else np.nan for i in range(p)]
            )
        else:
            given = {"naive-t": m - 1, "naive-tp": m - p, "z": np.inf}
            df = own_df if reference == "satterthwaite" else np.full(p, float(given[reference]))
            p_value = t_two_sided(t, df)
        half = t_isf((1 - level) / 2, df) * se
    return Coefficients(
        names=fit.coefficients.names,
        estimate=beta,
        se=se,
        statistic=t,
        df=df,
        p_value=p_value,
        ci_low=beta - half,
        ci_high=beta + half,
        covariance=robust.covariance,
        level=level,
        method=f"{correction}, {reference}",
        notes=robust_notes(robust, fit.coefficients.names, own_df),
    )


def saddlepoint_p(robust: Robust, coefficient: int, t: float) -> tuple[float, float]:
    """(two-sided p, saddlepoint) of one coefficient.

    P(|T| > |t|) = P(Z^2 - t^2 sum lambda_i Z_i^2 > 0) with lambda the eigenvalues of the covariance of the terms whose
    squares the robust variance sums, over the variance of the estimate (Lugannani & Rice 1980, Adv Appl Probab 12:475).
    """
    weights = saddle_weights(robust, coefficient, t)

    def slope(s: float) -> float:
        return float(np.sum(weights / (1 - 2 * weights * s)))

    low, high = 1 / (2 * float(np.min(weights))), 1 / (2 * float(np.max(weights)))
    s = find_root(slope, low * (1 - 1e-12), high * (1 - 1e-12))
    return tail_at(weights, s), s


def saddle_weights(robust: Robust, coefficient: int, t: float) -> np.ndarray:
    """(m + 1,) weights of the squares in Z^2 - t^2 sum lambda_i Z_i^2."""
    row = robust.working.root[coefficient]
    parts = moments(robust, row[None, :])
    covariance = np.diag(parts.d[0, 0]) + parts.u[0] @ parts.middle @ parts.u[0].T
    values = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    return np.concatenate([[1.0], -(t * t) * values / np.sum(values)])


def tail_at(weights: np.ndarray, s: float) -> float:
    """P(sum weights_i Z_i^2 > 0) approximated at the saddlepoint s."""
    shrink = 1 - 2 * weights * s
    if abs(s) < 1e-8:
        cubed = float(np.sum(8 * weights**3)) / float(np.sum(2 * weights**2)) ** 1.5
        return float(0.5 - cubed / (6 * np.sqrt(2 * np.pi)))
    r = np.sign(s) * np.sqrt(np.sum(np.log(shrink)))
    q = s * np.sqrt(2 * np.sum((weights / shrink) ** 2))
    density = float(np.exp(-r * r / 2)) / np.sqrt(2 * np.pi)
    return float(normal_sf(r) + density * (1 / q - 1 / r))
