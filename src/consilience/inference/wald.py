"""Tests of several coefficients at once, with the covariance of the fit or a cluster-robust one.

Q = (C b - c)'(C V^R C')^-1(C b - c) is not chi-squared when clusters are few. With Omega = E[C V^R C'] under the working
model and D = Omega^-1/2 C V^R C' Omega^-1/2, the small-sample methods differ in what they take D for:

HTZ : eta D is Wishart; eta from the total variance of D. (eta - q + 1) Q / (eta q) is F(q, eta - q + 1).
HTA : the same with eta by least squares on the covariances of all pairs of elements (Pan & Wall 2002).
HTB : the same with each pair of distinct elements (s <= t) once, and 2 / eta as the variance of every element. That is
    twice the variance which a Wishart gives an element off the diagonal, so eta is larger than that of HTA and, unlike
    those of all other methods, changes with how the hypothesis is written. For comparison with other programs only.
EDF : Q is a sum of q independent squared t; an F that has its mean and variance (Fai & Cornelius 1996).
EDT : each t is made normal first; Q is then chi-squared (Cai & Hayes 2008; the transformation is Hill's 1970).
naive-F, naive-Fp, chi2 : F(q, m - 1), F(q, m - p) and chi-squared / q for comparison.

Source: Tipton & Pustejovsky (2015), J Educ Behav Stat 40:604; Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..base.distributions import f_sf
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..records import Fit, TestResult
from .contrasts import (
    Hypothesis,
    coefficients_of_part,
    constraint_rows,
    correction_of,
    independent_rows,
    is_robust,
)
from .knapp_hartung import gap_value, linear_test
from .robust import (
    NOTHING,
    ZERO,
    Correction,
    Moments,
    Robust,
    lone_rows,
    moments,
    named,
    robust_covariance,
    satterthwaite_inner,
    why_missing,
)
from .working import working_of

WaldMethod = Literal["model", "HTZ", "HTA", "HTB", "EDF", "EDT", "chi2", "naive-F", "naive-Fp"]
WALD_METHODS: tuple[WaldMethod, ...] = (
    "model",
    "HTZ",
    "HTA",
    "HTB",
    "EDF",
    "EDT",
    "chi2",
    "naive-F",
    "naive-Fp",
)
DF_ROUNDING = 1e-9  # degrees of freedom that are zero but for rounding
LEAST_DF = 4.1  # the variance of a squared t does not exist at 4 degrees of freedom and below


def wald_test(
    fit: Fit,
    constraints: Hypothesis,
    *,
    value: np.ndarray | None = None,
    method: WaldMethod | None = None,
    correction: Correction | None = None,
    part: str = "mean",
) -> TestResult:
    """Test C beta = value: several coefficients or combinations of them at once.

    Parameters
    ----------
    constraints : as in `contrasts`: (q, p) linearly independent rows, or names of coefficients and terms, or mappings
        of names to factors.
    value : (q,), zeros if None.
    method : ``"model"``: chi-squared(q) with the fit's own covariance, or F(q, df) where its test has degrees of freedom
        (t, Knapp-Hartung); another of `WALD_METHODS`: cluster-robust; None = HTZ if the fit's test is
        cluster-robust or a correction is given, else ``"model"``.
    correction : of the robust covariance; None = that of the fit, or CR2.
    part : ``"scale"`` tests the coefficients of the variance in a location-scale model.

    Raises
    ------
    InputError ``constraints`` for a wrong shape or dependent rows; OptionError for an unknown method or name.
    """
    if method is None:
        robustly = is_robust(fit) or correction is not None
        method = "HTZ" if part == "mean" and robustly else "model"
    choose(method, WALD_METHODS, what="Wald test")
    table = coefficients_of_part(fit, part)
    c, labels = constraint_rows(fit, constraints, part=part)
    independent_rows(c)
    if method == "model" or part == "scale":
        return linear_test(table, c, value=value, name=f"Wald: {', '.join(labels)}")
    with one_blas_thread():
        robust = robust_covariance(working_of(fit), correction or correction_of(fit))
        gap = c @ robust.working.beta - gap_value(value, len(c))
        found = robust_wald(robust, c, gap, method=method, labels=labels)
        lone = lone_rows(robust, c)
    if lone.any() and not found.note:
        note = f"The variance of {named(labels, lone)} is too small: it cannot be estimated without one of the studies."
        return replace(found, note=note)
    return found


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Constraints in the orthonormal basis, recombined so that the expected robust covariance is the identity.

    inner : (q, p) as given; whitened : (q, p), rows `change` @ inner.
    """

    inner: np.ndarray
    whitened: np.ndarray
    change: np.ndarray


def prepared(robust: Robust, c: np.ndarray, labels: tuple[str, ...] = ()) -> Contrasts | str:
    """The (q, p) constraints ready for a test, or why no robust test of them exists, by `labels`."""
    inner = c @ robust.working.root
    scale = np.linalg.norm(inner, axis=1)
    called = labels or tuple(f"constraint {i + 1}" for i in range(len(c)))
    if not np.isfinite(robust.meat).all():
        return f"no robust covariance: {why_missing(robust)}"
    unit = inner / scale[:, None]
    # first the covariance of the model, so that what is compared with rounding does not depend on the units
    lower = np.linalg.cholesky(unit @ robust.working.spread @ unit.T)
    change = np.linalg.solve(lower, np.diag(1 / scale))
    values, vectors = np.linalg.eigh(expected(moments(robust, change @ inner)))
    if not values[0] > NOTHING:
        weight = np.abs(vectors[:, 0] @ change) * scale
        concerned = [name for name, w in zip(called, weight, strict=True) if w > 1e-4 * np.max(weight)]
        return _without_variance(concerned)
    change = (vectors / np.sqrt(values)).T @ change
    whitened = change @ inner
    observed = np.linalg.eigvalsh(whitened @ robust.meat @ whitened.T)
    if not observed[-1] > ZERO:
        return f"the robust covariance of {', '.join(called)} is zero: all residuals are"
    return (
        Contrasts(inner, whitened, change)
        if observed[0] > 1e-12 * observed[-1]
        else _without_variance(called)
    )


def _without_variance(labels: Sequence[str]) -> str:
    named = ", ".join(labels)
    return f"the robust covariance of {named} is singular: too few clusters carry information on it"


def robust_wald(
    robust: Robust,
    c: np.ndarray,
    gap: np.ndarray,
    *,
    method: WaldMethod = "HTZ",
    labels: tuple[str, ...] = (),
) -> TestResult:
    """Test of the (q, p) constraints `c`, called `labels`, whose estimates differ by `gap` (q,) from the hypothesis."""
    q, rows = len(c), prepared(robust, c, labels)
    if isinstance(rows, str):
        return TestResult(method, np.nan, q, np.nan, np.nan, rows)
    whitened, white_gap = rows.whitened, rows.change @ gap
    mean = float(white_gap @ np.linalg.solve(whitened @ robust.meat @ whitened.T, white_gap)) / q
    if method in ("chi2", "naive-F", "naive-Fp"):
        m, p = robust.working.n_clusters, robust.working.basis.shape[1]
        df2 = {"chi2": np.inf, "naive-F": float(m - 1), "naive-Fp": float(m - p)}[method]
        return _f_result(method, mean, q, df2)
    if method in ("EDF", "EDT"):
        t, nu = _squared_parts(robust, whitened, white_gap)
        if method == "EDT":
            return _f_result(method, float(np.mean(normalised(t, nu) ** 2)), q, np.inf)
        factor, df2 = matched_f(nu)
        return _f_result(method, factor * mean, q, df2)
    if method == "HTB":  # the units of the constraints matter to it: those of the caller
        whitened = _symmetrically_whitened(robust, rows.inner)
    parts = moments(robust, whitened)
    eta = {"HTZ": total_variance_df, "HTA": least_squares_df, "HTB": distinct_least_squares_df}[method](parts)
    return _f_result(method, mean * (eta - q + 1) / eta, q, eta - q + 1)


def _f_result(method: str, f: float, q: int, df2: float) -> TestResult:
    if not df2 > DF_ROUNDING:
        reason = f"too few clusters: the degrees of freedom {df2:.2g} of this test are not positive"
        return TestResult(method, np.nan, q, df2, np.nan, reason)
    return TestResult(method, f, q, df2, float(f_sf(f, q, df2)))


def _symmetrically_whitened(robust: Robust, inner: np.ndarray) -> np.ndarray:
    """Omega^-1/2 C with the symmetric root, for the constraints as they are written."""
    values, vectors = np.linalg.eigh(expected(moments(robust, inner)))
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-300))) @ vectors.T @ inner)


def expected(parts: Moments) -> np.ndarray:
    """(q, q) expectation of the robust covariance under the working model."""
    return np.asarray(
        np.sum(parts.d, axis=2) + np.einsum("smi,ij,tmj->st", parts.u, parts.middle, parts.u, optimize=True)
    )


def _pairs(parts: Moments) -> np.ndarray:
    """(q, q, q, q) sum over clusters i, j of G_su,ij G_tv,ij with G_st,ij = Cov(h_si'y, h_tj'y), as [s, u, t, v]."""
    d, u, middle = parts.d, parts.u, parts.middle
    low = np.einsum("smi,ij,tmj->stm", u, middle, u, optimize=True)
    # sum_ij (u_si S u_uj')(u_ti S u_vj') = tr(S A_uv S A_ts) with A_st = sum_i u_si' u_ti
    a = np.einsum("smj,tmk->stjk", u, u, optimize=True)
    far = np.einsum("ij,uvjk,kl,tsli->sutv", middle, a, middle, a, optimize=True)
    own = (
        np.einsum("sum,tvm->sutv", d, d)
        + np.einsum("sum,tvm->sutv", d, low)
        + np.einsum("sum,tvm->sutv", low, d)
    )
    return np.asarray(own + far)


def element_covariances(parts: Moments) -> np.ndarray:
    """(q, q, q, q) covariances of the elements d_st and d_uv of the robust covariance, as [s, t, u, v]."""
    g = _pairs(parts)
    return np.asarray(np.einsum("sutv->stuv", g) + np.einsum("svtu->stuv", g))


def total_variance_df(parts: Moments) -> float:
    """eta = q(q + 1) / sum of the variances of all elements (Zhang 2012)."""
    q = len(parts.d)
    total = float(np.einsum("stst->", element_covariances(parts)))
    return q * (q + 1) / total if total > 0 else np.nan


def least_squares_df(parts: Moments) -> float:
    """eta that brings eta x (covariances of all elements) nearest to those of a Wishart matrix."""
    q = len(parts.d)
    k = element_covariances(parts)
    eye = np.eye(q)
    target = np.einsum("su,tv->stuv", eye, eye) + np.einsum("sv,tu->stuv", eye, eye)
    return float(np.sum(k * target) / np.sum(k * k))


def distinct_least_squares_df(parts: Moments) -> float:
    """eta that brings eta x (covariances of the distinct elements, each pair once) nearest to 2 on the diagonal and 0
    elsewhere."""
    s, t = np.triu_indices(len(parts.d))
    k = element_covariances(parts)[s[:, None], t[:, None], s, t]
    return float(2 * np.trace(k) / np.sum(np.tril(k) ** 2))


def _squared_parts(robust: Robust, whitened: np.ndarray, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """t statistics (q,) along the principal axes of the robust covariance, and their degrees of freedom."""
    values, vectors = np.linalg.eigh(whitened @ robust.meat @ whitened.T)
    return (vectors.T @ gap) / np.sqrt(values), satterthwaite_inner(robust, vectors.T @ whitened)


def matched_f(nu: np.ndarray) -> tuple[float, float]:
    """(factor, df2) of the F with the mean and variance of the sum of squared t with `nu` (q,) degrees of freedom."""
    q = len(nu)
    n = np.maximum(nu, LEAST_DF)
    mean = float(np.sum(n / (n - 2)))
    ratio = float(np.sum(2 * n**2 * (n - 1) / ((n - 2) ** 2 * (n - 4)))) / mean**2
    df2 = (4 * q * ratio + 2 * q - 4) / (q * ratio - 2)
    return q * df2 / (mean * (df2 - 2)), df2


def normalised(t: np.ndarray, nu: np.ndarray) -> np.ndarray:
    """Normal deviates with nearly the tail probabilities of t (Hill 1970, Comm ACM 13:617, algorithm 395)."""
    a = nu - 0.5
    b = 48 * a**2
    z = np.sqrt(a * np.log1p(t**2 / nu))
    high = (4 * z**7 + 33 * z**5 + 240 * z**3 + 855 * z) / (10 * b * (b + 0.8 * z**4 + 100))
    return np.asarray(z + (z**3 + 3 * z) / b - high)
