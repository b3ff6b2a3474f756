"""Tests of several coefficients at once with a cluster-robust covariance.

Q = (C b - c)'(C V^R C')^-1(C b - c). HTZ takes C V^R C' for a Wishart matrix with eta degrees of freedom, so that
(eta - q + 1)/(eta q) Q is F(q, eta - q + 1).

Source: Tipton & Pustejovsky (2015), J Educ Behav Stat 40:604; Zhang (2012); Pustejovsky & Tipton (2018), eqs 12-15.
"""

from __future__ import annotations

import numpy as np

from ..base.distributions import f_sf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..records import Fit, TestResult
from .robust import Correction, Moments, Robust, moments, robust_covariance
from .working import working_of

WALD_METHODS = ("HTZ",)


def wald_test(
    fit: Fit,
    constraints: np.ndarray,
    *,
    value: np.ndarray | None = None,
    method: str = "HTZ",
    correction: Correction = "CR2",
) -> TestResult:
    """Test C beta = value with the clusters of the fit's spec.

    Parameters
    ----------
    constraints : (q, p) linearly independent rows; value : (q,), zeros if None.
    method : small-sample approximation; correction : of the robust covariance.

    Raises
    ------
    InputError ``constraints`` for a wrong shape or dependent rows; OptionError for an unknown method.
    """
    choose(method, WALD_METHODS, what="Wald test")
    c = np.atleast_2d(np.asarray(constraints, dtype=float))
    p = len(fit.coefficients.names)
    if c.shape[1] != p or np.linalg.matrix_rank(c) < len(c):
        raise InputError(
            f"The constraints have shape {c.shape}; rows must be linearly independent, one column for each of "
            f"the {p} coefficients.",
            code="constraints",
        )
    with one_blas_thread():
        robust = robust_covariance(working_of(fit), correction)
        gap = c @ robust.working.beta - (0.0 if value is None else np.asarray(value, dtype=float))
        return hotelling(robust, c, gap)


def hotelling(robust: Robust, c: np.ndarray, gap: np.ndarray) -> TestResult:
    """HTZ test of the (q, p) constraints `c` whose estimates differ by `gap` (q,) from the hypothesis."""
    q = len(c)
    inner = c @ robust.working.root
    scale = np.linalg.norm(inner, axis=1)
    inner, gap = inner / scale[:, None], gap / scale
    covariance = inner @ robust.meat @ inner.T
    null = np.linalg.matrix_rank(covariance, tol=1e-10 * np.trace(covariance), hermitian=True) < q
    if null:
        reason = "the robust covariance of these coefficients is singular: too few clusters carry them"
        return TestResult("HTZ", np.nan, q, np.nan, np.nan, reason)
    statistic = float(gap @ np.linalg.solve(covariance, gap))
    eta = wishart_df(moments(robust, _whitened(inner, robust.working.spread)))
    df2 = eta - q + 1
    if df2 <= 0:
        reason = f"too few clusters: the degrees of freedom {df2:.2g} of this test are not positive"
        return TestResult("HTZ", np.nan, q, df2, np.nan, reason)
    f = statistic * df2 / (eta * q)
    return TestResult("HTZ", f, q, df2, float(f_sf(f, q, df2)))


def _whitened(inner: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Contrasts (q, p) recombined so that their estimates are independent with unit variance under the model."""
    values, vectors = np.linalg.eigh(inner @ spread @ inner.T)
    root = (vectors / np.sqrt(values)) @ vectors.T
    result: np.ndarray = root @ inner
    return result


def wishart_df(parts: Moments) -> float:
    """eta = q(q + 1) / sum of the variances of the q^2 elements of the robust covariance."""
    total = float(np.sum(element_variances(parts)))
    q = len(parts.d)
    return q * (q + 1) / total if total > 0 else np.nan


def element_variances(parts: Moments) -> np.ndarray:
    """(q, q) variances of the elements of sum_i h_i h_i' under the working model."""
    d, u, middle = parts.d, parts.u, parts.middle
    q = len(d)
    cross = np.einsum("smi,ij,tmj->stm", u, middle, u, optimize=True)
    inside = np.einsum("ij,smj,tmk->stik", middle, u, u, optimize=True)
    result = np.empty((q, q))
    for s in range(q):
        for t in range(q):
            a, b = inside[s, t], inside[t, s]
            result[s, t] = (
                np.sum(d[s, s] * d[t, t] + d[s, s] * cross[t, t] + d[t, t] * cross[s, s])
                + np.sum(a * b.T)
                + np.sum(d[s, t] ** 2 + 2 * d[s, t] * cross[s, t])
                + np.sum(b * b.T)
            )
    return result
