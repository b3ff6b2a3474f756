"""Correlation matrices of variables: covariance of their entries, and regressions from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import f_sf, t_isf, t_two_sided
from ..base.errors import InputError


def correlation_covariance(
    r: np.ndarray, first: np.ndarray, second: np.ndarray, n: float, *, fisher_z: bool = False
) -> np.ndarray:
    """Sampling covariance of the correlations of one sample.

    Cov(r_st, r_uv) = [r_st r_uv (r_su^2 + r_sv^2 + r_tu^2 + r_tv^2)/2 + r_su r_tv + r_sv r_tu
    - (r_st r_su r_sv + r_ts r_tu r_tv + r_us r_ut r_uv + r_vs r_vt r_vu)]/(n - 1).

    Parameters
    ----------
    r : (m,) correlations; first, second : (m,) labels of the two variables of each; n : sample size.
    fisher_z : covariance of atanh(r): over (1 - r^2)(1 - r'^2), with n - 3 instead of n - 1.

    Returns
    -------
    (m, m) covariance; NaN where a correlation that it needs is missing.

    Source: Olkin & Siotani (1976); Steiger (1980), Psychol Bull 87:245, eq. 2.
    """
    names = list(dict.fromkeys([*first.tolist(), *second.tolist()]))
    place = {name: i for i, name in enumerate(names)}
    s = np.array([place[name] for name in first.tolist()])
    t = np.array([place[name] for name in second.tolist()])
    full = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(full, 1.0)
    full[s, t] = full[t, s] = r
    a, b = np.ix_(s, s), np.ix_(s, t)
    su, sv, tu, tv = full[a], full[b], full[np.ix_(t, s)], full[np.ix_(t, t)]
    st, uv = r[:, None], r[None, :]
    squares = st * uv * (su**2 + sv**2 + tu**2 + tv**2) / 2
    products = st * (su * sv + tu * tv) + uv * (su * tu + sv * tv)
    covariance = squares + su * tv + sv * tu - products
    if fisher_z:
        rest = 1 - r**2
        return np.asarray(covariance / (np.outer(rest, rest) * (n - 3)))
    return np.asarray(covariance / (n - 1))


@dataclass(frozen=True, eq=False)
class MatrixRegression:
    """A linear regression from a correlation or covariance matrix. Arrays (p,); intercept first if there is one."""

    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    t: np.ndarray
    df: float
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    r_squared: float
    f: float
    f_df: tuple[float, float]
    f_p_value: float


def regression_from_matrix(
    matrix: np.ndarray,
    names: tuple[str, ...],
    *,
    outcome: str,
    predictors: tuple[str, ...],
    n: float,
    means: np.ndarray | None = None,
    level: float = 95.0,
) -> MatrixRegression:
    """Regress `outcome` on `predictors` from the matrix alone.

    A correlation matrix gives standardised coefficients with df = n - p, as no intercept is estimated; a covariance
    matrix gives raw coefficients with df = n - p - 1, and with `means` also the intercept.

    Parameters
    ----------
    matrix : (q, q) correlations, or covariances if their diagonal is not 1; names : its q variables.
    n : sample size. means : (q,) means, for the intercept.

    Raises
    ------
    InputError ``not-positive-definite`` : the predictors' matrix cannot be inverted; ``too-few`` : no residual df.

    Source: Becker & Wu (2007), Stat Sci 22:414.
    """
    place = [names.index(name) for name in predictors]
    y = names.index(outcome)
    inner, cross, total = matrix[np.ix_(place, place)], matrix[place, y], float(matrix[y, y])
    correlations = bool(np.allclose(np.diag(matrix), 1.0))
    df = n - len(place) - 1 if means is not None or not correlations else n - len(place)
    if df <= 0:
        raise InputError(
            f"{len(place)} predictors leave no degrees of freedom with n = {n:g}.", code="too-few"
        )
    try:
        np.linalg.cholesky(inner)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "The predictors' matrix is not positive definite.", code="not-positive-definite"
        ) from error
    inverse = np.linalg.inv(inner)
    slope = inverse @ cross
    r_squared = float(cross @ slope) / total
    scale = total * (1 - r_squared) / df
    estimate, variance = slope, scale * np.diag(inverse)
    labels = predictors
    if means is not None:
        centre = means[place]
        estimate = np.append(means[y] - centre @ slope, slope)
        variance = np.append(scale * ((n - 1) / n + centre @ inverse @ centre), variance)
        labels = ("intercept", *predictors)
    return _tests(labels, estimate, np.sqrt(variance), (df, r_squared, float(len(place)), level))


def _tests(
    names: tuple[str, ...], estimate: np.ndarray, se: np.ndarray, rest: tuple[float, float, float, float]
) -> MatrixRegression:
    df, r_squared, p, level = rest
    t = estimate / se
    half = float(t_isf((100 - level) / 200, df)) * se
    f = r_squared / p / ((1 - r_squared) / df)
    return MatrixRegression(
        names, estimate, se, t, df, np.asarray(t_two_sided(t, df)), estimate - half, estimate + half,
        r_squared, f, (p, df), float(f_sf(f, p, df)),
    )  # fmt: skip
