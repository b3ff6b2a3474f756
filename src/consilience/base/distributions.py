"""Tails and quantiles of the normal, t, F and chi-squared distributions.

Upper tails are computed as such, never as one minus a lower tail, so a p-value of 1e-200 is right to its
last digits; `*_logsf` goes on where the tail itself underflows. All functions take arrays and broadcast.
Degrees of freedom may be infinite (t becomes normal, F with infinite denominator becomes chi-squared / df1).

Source: Abramowitz & Stegun (1964) 26.2, 26.4-26.7; continued fractions by Lentz's method.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

LOG_TINY = -690.0  # below exp(LOG_TINY) a tail is near underflow and is computed on the log scale


@cache
def special_functions() -> Any:
    """scipy.special, loaded on first use because it triples the time of `import consilience`."""
    from scipy import special

    return special


def normal_cdf(x: Any) -> Any:
    """P(Z <= x)."""
    return special_functions().ndtr(x)


def normal_sf(x: Any) -> Any:
    """P(Z > x)."""
    return special_functions().ndtr(np.negative(x))


def normal_logsf(x: Any) -> Any:
    """log P(Z > x)."""
    return special_functions().log_ndtr(np.negative(x))


def normal_ppf(p: Any) -> Any:
    """The x with P(Z <= x) = p."""
    return special_functions().ndtri(p)


def normal_isf(p: Any) -> Any:
    """The x with P(Z > x) = p; exact for p down to 1e-300."""
    return -special_functions().ndtri(p)


def log_gamma(x: Any) -> Any:
    """log Gamma(x)."""
    return special_functions().gammaln(x)


def _has_infinite(df: Any) -> bool:
    return bool(np.isinf(df).any())


def t_cdf(x: Any, df: Any) -> Any:
    """P(T <= x) with df degrees of freedom."""
    if not _has_infinite(df):
        return special_functions().stdtr(df, x)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), normal_cdf(x), special_functions().stdtr(finite, x))[()]


def t_sf(x: Any, df: Any) -> Any:
    """P(T > x) with df degrees of freedom."""
    return t_cdf(np.negative(x), df)


def t_two_sided(x: Any, df: Any) -> Any:
    """P(|T| > |x|): the two-sided p-value of a t (df finite) or z (df infinite) statistic."""
    return 2.0 * t_cdf(-np.abs(x), df)


def t_ppf(p: Any, df: Any) -> Any:
    """The x with P(T <= x) = p."""
    if not _has_infinite(df):
        return special_functions().stdtrit(df, p)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), normal_ppf(p), special_functions().stdtrit(finite, p))[()]


def t_isf(p: Any, df: Any) -> Any:
    """The x with P(T > x) = p."""
    return -t_ppf(p, df)


def t_logsf(x: Any, df: Any) -> Any:
    """log P(T > x), also where the tail underflows."""
    x, df = np.broadcast_arrays(np.asarray(x, float), np.asarray(df, float))
    tail = np.asarray(t_sf(x, df))
    far = (tail < np.exp(LOG_TINY)) & (x > 0)
    with np.errstate(divide="ignore"):
        result = np.array(np.log(tail))
    normal = far & np.isinf(df)
    result = np.array(np.where(normal, normal_logsf(np.where(normal, x, 0.0)), result))
    rows = far & np.isfinite(df)
    if rows.any():
        ratio = x[rows] / np.sqrt(df[rows])
        result[rows] = _log_beta_tail(df[rows] / 2, np.full(rows.sum(), 0.5), ratio**2) + np.log(0.5)
    return result[()]


def chi2_cdf(x: Any, df: Any) -> Any:
    """P(chi2 <= x)."""
    return special_functions().gammainc(np.divide(df, 2.0), np.maximum(x, 0.0) / 2.0)


def chi2_sf(x: Any, df: Any) -> Any:
    """P(chi2 > x)."""
    return special_functions().gammaincc(np.divide(df, 2.0), np.maximum(x, 0.0) / 2.0)


def chi2_ppf(p: Any, df: Any) -> Any:
    """The x with P(chi2 <= x) = p."""
    return 2.0 * special_functions().gammaincinv(np.divide(df, 2.0), p)


def chi2_isf(p: Any, df: Any) -> Any:
    """The x with P(chi2 > x) = p."""
    return 2.0 * special_functions().gammainccinv(np.divide(df, 2.0), p)


def chi2_logsf(x: Any, df: Any) -> Any:
    """log P(chi2 > x), also where the tail underflows."""
    x, df = np.broadcast_arrays(np.asarray(x, float), np.asarray(df, float))
    tail = np.asarray(chi2_sf(x, df))
    with np.errstate(divide="ignore"):
        result = np.array(np.log(tail))
    far = (tail < np.exp(LOG_TINY)) & (x > 0)
    if far.any():
        result[far] = _log_gamma_tail(df[far] / 2, x[far] / 2)
    return result[()]


def f_cdf(x: Any, df1: Any, df2: Any) -> Any:
    """P(F <= x) with df1 and df2 degrees of freedom; df2 may be infinite."""
    return _f_either(x, df1, df2, upper=False)


def f_sf(x: Any, df1: Any, df2: Any) -> Any:
    """P(F > x) with df1 and df2 degrees of freedom; df2 may be infinite."""
    return _f_either(x, df1, df2, upper=True)


def _f_either(x: Any, df1: Any, df2: Any, *, upper: bool) -> Any:
    special = special_functions()
    tail, limit = (special.fdtrc, chi2_sf) if upper else (special.fdtr, chi2_cdf)
    if not _has_infinite(df2):
        return tail(df1, df2, x)
    finite = np.where(np.isinf(df2), 1.0, df2)
    return np.where(np.isinf(df2), limit(np.multiply(x, df1), df1), tail(df1, finite, x))[()]


def f_isf(p: Any, df1: Any, df2: Any) -> Any:
    """The x with P(F > x) = p; df2 may be infinite."""
    special = special_functions()
    finite = np.where(np.isinf(df2), 1.0, df2)
    z = special.betaincinv(finite / 2, np.divide(df1, 2.0), p)  # z = df2 / (df2 + df1 x)
    with np.errstate(divide="ignore"):
        found = finite * (1 - z) / (df1 * z)
    if not _has_infinite(df2):
        return found[()]
    return np.where(np.isinf(df2), chi2_isf(p, df1) / df1, found)[()]


def f_ppf(p: Any, df1: Any, df2: Any) -> Any:
    """The x with P(F <= x) = p; df2 may be infinite."""
    special = special_functions()
    finite = np.where(np.isinf(df2), 1.0, df2)
    z = special.betaincinv(np.divide(df1, 2.0), finite / 2, p)  # z = df1 x / (df2 + df1 x)
    with np.errstate(divide="ignore"):
        found = finite * z / (df1 * (1 - z))
    if not _has_infinite(df2):
        return found[()]
    return np.where(np.isinf(df2), chi2_ppf(p, df1) / df1, found)[()]


def beta_ppf(p: Any, a: Any, b: Any) -> Any:
    """The x with P(B <= x) = p for a beta distribution with parameters a and b."""
    return special_functions().betaincinv(a, b, p)


def f_logsf(x: Any, df1: Any, df2: Any) -> Any:
    """log P(F > x), also where the tail underflows."""
    x, df1, df2 = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, df1, df2)))
    tail = np.asarray(f_sf(x, df1, df2))
    with np.errstate(divide="ignore"):
        result = np.array(np.log(tail))
    far = (tail < np.exp(LOG_TINY)) & (x > 0)
    chi = far & np.isinf(df2)
    if chi.any():
        result[chi] = chi2_logsf(x[chi] * df1[chi], df1[chi])
    rows = far & np.isfinite(df2)
    if rows.any():
        a, b = df2[rows] / 2, df1[rows] / 2
        result[rows] = _log_beta_tail(a, b, x[rows] * (df1[rows] / df2[rows]))
    return result[()]


def _log_beta_tail(a: np.ndarray, b: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """log I_z(a, b) with z = 1 / (1 + odds), for z below a / (a + b) where the fraction converges."""
    z = 1.0 / (1.0 + odds)
    front = (
        -a * np.log1p(odds)
        + b * (np.log(odds) - np.log1p(odds))
        - np.log(a)
        - special_functions().betaln(a, b)
    )

    def coefficient(n: int) -> np.ndarray:
        m = n // 2
        if n % 2 == 0:
            even: np.ndarray = m * (b - m) * z / ((a + 2 * m - 1) * (a + 2 * m))
            return even
        odd: np.ndarray = -(a + m) * (a + b + m) * z / ((a + 2 * m) * (a + 2 * m + 1))
        return odd

    fraction = _lentz(np.ones_like(z), coefficient, lambda n: np.ones_like(z))
    tail: np.ndarray = np.asarray(front) - np.log(fraction)
    return tail


def _log_gamma_tail(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """log Q(a, x) for x well above a."""
    fraction = _lentz(x + 1 - a, lambda n: -n * (n - a), lambda n: x + 2 * n + 1 - a)
    tail = a * np.log(x) - x - special_functions().gammaln(a) - np.log(fraction)
    return np.asarray(tail)


def _lentz(start: np.ndarray, above: Any, below: Any, *, most: int = 10_000) -> np.ndarray:
    """start + above(1)/(below(1) + above(2)/(below(2) + ...)), elementwise (modified Lentz)."""
    tiny = 1e-300
    value = start.copy()
    c, d = value.copy(), np.zeros_like(value)
    for n in range(1, most):
        d = 1.0 / _nonzero(below(n) + above(n) * d, tiny)
        c = _nonzero(below(n) + above(n) / c, tiny)
        value = np.asarray(value * c * d)
        if np.all(np.abs(c * d - 1) < 1e-15):
            break
    return np.asarray(value)


def _nonzero(x: np.ndarray, tiny: float) -> np.ndarray:
    safe: np.ndarray = np.where(x == 0, tiny, x)
    return safe
