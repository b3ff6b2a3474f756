"""Correlations, partial and semi-partial correlations, and coefficients of determination."""

from __future__ import annotations

import numpy as np

from ..arrays import only
from .cells import pooled
from .measure import Inputs, Options, Pair
from .standardised import signed_t

SERIES_FROM = 12.0  # from this third parameter on 200 terms of the hypergeometric series are exact


def _correlation(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """r as given, or from t, or from a signed p value; with n."""
    r, n = inputs["r"], inputs["n"]
    df = n - 2
    t = np.where(np.isnan(inputs["t"]), signed_t(inputs["p"], df), inputs["t"])
    from_t = only(df > 0, t / np.sqrt(t**2 + df))
    return np.where(np.isnan(r), from_t, r), n


def _hypergeometric(a: float, c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """2F1(a, a; c; x) for 0 <= x <= 1 and c > 2a, by the series where it is short.

    scipy's function returns NaN for some arguments with large c (c = 162, x = .9975).
    """
    from scipy.special import hyp2f1

    long = c < SERIES_FROM
    out = np.empty(np.broadcast(c, x).shape)
    out[long] = hyp2f1(a, a, c[long], x[long])
    size, value = c[~long], x[~long]
    term = total = np.ones(size.shape)
    for k in range(200):
        term = term * ((a + k) ** 2 / ((size + k) * (k + 1))) * value
        total = total + term
        if np.all(term <= 1e-17):
            break
    out[~long] = total
    return out


def unbiased_r(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Olkin & Pratt's unbiased correlation: r 2F1(1/2, 1/2; (n - 2)/2; 1 - r^2); NaN for n <= 4.

    Source: Olkin & Pratt (1958), Ann Math Stat 29:201, eq. 2.3.
    """
    valid = (n > 4) & (np.abs(r) <= 1)
    size, value = np.where(valid, n, 10.0), np.where(valid, r, 0.0)
    return only(valid, value * _hypergeometric(0.5, (size - 2) / 2, 1 - value**2))


def correlation(inputs: Inputs, options: Options) -> Pair:
    r, n = _correlation(inputs)
    return r, _correlation_variance(r, r, n, options.vtype)


def unbiased_correlation(inputs: Inputs, options: Options) -> Pair:
    r, n = _correlation(inputs)
    y = unbiased_r(r, n)
    return y, _correlation_variance(y, r, n, options.vtype)


def _correlation_variance(y: np.ndarray, r: np.ndarray, n: np.ndarray, vtype: str) -> np.ndarray:
    if vtype == "UB":
        return _unbiased_variance(y, r, n)
    if vtype == "H0":
        return only(n > 2, (1 - r**2) / (n - 2))
    plugged = pooled(n * y, n) if vtype == "AV" else y
    return only(n > 1, (1 - plugged**2) ** 2 / (n - 1))


def _unbiased_variance(y: np.ndarray, r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """y^2 minus the unbiased estimate of rho^2 (Olkin & Pratt 1958): can come out negative, which is no variance."""
    valid = (n > 4) & ~np.isnan(y)
    size, value = np.where(valid, n, 10.0), np.where(valid, r, 0.0)
    rest = 1 - value**2
    v = y**2 - 1 + (size - 3) / (size - 2) * rest * _hypergeometric(1.0, size / 2, rest)
    return only(valid & (v >= 0), v)


def fisher_correlation(inputs: Inputs, options: Options) -> Pair:
    r, n = _correlation(inputs)
    return np.arctanh(r), only((n > 3) & (np.abs(r) < 1), 1 / (n - 3))


def _coefficient(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """t of the coefficient (or from a signed p value) and its degrees of freedom."""
    df = inputs["n"] - inputs["predictors"] - 1
    t = np.where(np.isnan(inputs["t"]), signed_t(inputs["p"], df), inputs["t"])
    return only(df > 0, t), only(df > 0, df)


def partial_correlation(inputs: Inputs, options: Options) -> Pair:
    t, df = _coefficient(inputs)
    r = np.where(np.isnan(inputs["r"]), t / np.sqrt(t**2 + df), inputs["r"])
    plugged = pooled(inputs["n"] * r, inputs["n"]) if options.vtype == "AV" else r
    return only(df > 0, r), only(df > 0, (1 - plugged**2) ** 2 / (df + 1))


def fisher_partial(inputs: Inputs, options: Options) -> Pair:
    r, _ = partial_correlation(inputs, options)
    _, df = _coefficient(inputs)
    return np.arctanh(r), only((df > 1) & (np.abs(r) < 1), 1 / (df - 1))


def semipartial_correlation(inputs: Inputs, options: Options) -> Pair:
    t, df = _coefficient(inputs)
    r2, n = inputs["r2"], inputs["n"]
    from_t = t * np.sqrt((1 - r2) / df)
    r = np.where(np.isnan(inputs["r"]), from_t, inputs["r"])
    # its square is the part of R^2 that the predictor adds
    r = only((df > 0) & (r**2 <= r2 * (1 + 1e-12)), r)
    plugged = pooled(n * r, n) if options.vtype == "AV" else r
    without = r2 - plugged**2
    v = (r2**2 - 2 * r2 + without + 1 - without**2) / n
    return r, only(v >= 0, v)


def determination(inputs: Inputs, options: Options) -> Pair:
    """R^2 with random predictors: 4 R^2 (1 - R^2)^2 / n."""
    y, n = _r_squared(inputs)
    plugged = pooled(n * y, n) if options.vtype == "AV" else y
    return y, 4 * plugged * (1 - plugged) ** 2 / n


def _r_squared(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """R^2 as given or from F = (R^2/k)/[(1 - R^2)/df]; with n."""
    n, k, f = inputs["n"], inputs["predictors"], inputs["f"]
    df = n - k - 1
    y = np.where(np.isnan(inputs["r2"]), k * f / (k * f + df), inputs["r2"])
    return only(df > 0, y), n


def fisher_determination(inputs: Inputs, options: Options) -> Pair:
    """atanh(R) with R the root of R^2; 1/n."""
    y, n = _r_squared(inputs)
    return np.arctanh(np.sqrt(y)), only(~np.isnan(y), 1 / n)


FIXED_FORMULA = "R^2; v = (1 - R^2)^2 (4 R^2 - 2 R^4)/n"
FIXED_SOURCE = "noncentral F distribution (Johnson, Kotz & Balakrishnan 1995, ch. 30), delta method"


def determination_fixed(inputs: Inputs, options: Options) -> Pair:
    """R^2 with predictors fixed by the design: large-sample variance of a noncentral F by the delta method."""
    y, n = _r_squared(inputs)
    return y, (1 - y) ** 2 * (4 * y - 2 * y**2) / n


def fisher_determination_fixed(inputs: Inputs, options: Options) -> Pair:
    """atanh(R), whose slope in R^2 is 1/{2R(1 - R^2)}."""
    y, v = determination_fixed(inputs, options)
    return np.arctanh(np.sqrt(y)), v / (4 * y * (1 - y) ** 2)
