"""The exact small-sample factor J of standardised mean differences."""

from __future__ import annotations

from typing import Any

import numpy as np

SERIES_FROM = 40.0  # from here on the series is exact to the last digit and a difference of lgammas is not
# ln Gamma(x + 1/2) - ln Gamma(x) = ln(x)/2 - 1/(8x) + 1/(192x^3) - ..., x = (m - 1)/2
SERIES = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432, 691 / 180224)


def j_factor(m: Any) -> np.ndarray:
    """J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)), which makes a standardised difference unbiased.

    Parameters
    ----------
    m : (...) degrees of freedom of the standard deviation, e.g. n1 + n2 - 2.

    Returns
    -------
    (...) J, between 0 and 1; NaN where m <= 1 (no unbiased estimate exists) or m is missing; 1 at m = inf.

    Notes
    -----
    Plain gamma overflows at m = 344 and a difference of lgammas loses six digits at m = 1e8; above m = 40 the
    asymptotic series of the ratio is used instead.

    Source: Hedges (1981), eq. 6e; the series: Tricomi & Erdelyi (1951).
    """
    m = np.asarray(m, dtype=float)
    out = np.full(m.shape, np.nan)
    large = m >= SERIES_FROM
    out[large] = _series(m[large])
    small = (m > 1) & ~large
    if small.any():
        from scipy.special import gammaln

        z = m[small] / 2
        out[small] = np.exp(gammaln(z) - np.log(z) / 2 - gammaln(z - 0.5))
    return out


def _series(m: np.ndarray) -> np.ndarray:
    inverse = 2.0 / (m - 1.0)
    total = np.zeros_like(m)
    for coefficient in reversed(SERIES):
        total = total * inverse**2 + coefficient
    result: np.ndarray = np.exp(0.5 * np.log1p(-1.0 / m) + total * inverse)
    return result
