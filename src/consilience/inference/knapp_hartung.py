"""Tests and intervals of the coefficients of univariate models: Wald z, t and Knapp-Hartung.

Source: Hartung & Knapp (2001), Stat Med 20:3875; Sidik & Jonkman (2002), Stat Med 21:3153; Knapp & Hartung (2003),
Stat Med 22:2693 (moderators); the floor at one: Knapp & Hartung (2003), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import chi2_sf, f_sf, normal_isf, t_isf, t_two_sided
from ..base.errors import InputError
from ..base.linalg import row_norms
from ..base.options import choose
from ..likelihood.batch_fit import BatchFit
from ..records import Coefficients, Fit, TestResult

UNIVARIATE_TESTS = {
    "z": "normal",
    "t": "t with k - p degrees of freedom",
    "knapp-hartung": "Knapp-Hartung",
    "knapp-hartung-floor": "Knapp-Hartung, never narrower than without it",
}


@dataclass(frozen=True, eq=False)
class Wald:
    """Inference on F analyses x p coefficients: all (F, p) but `covariance` and `root` (F, p, p) and `df` (F,)."""

    covariance: np.ndarray
    root: np.ndarray
    df: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray


def wald(batch: BatchFit, *, test: str = "z", level: float = 0.95) -> Wald:
    """Standard errors, tests and intervals of every coefficient of every analysis.

    Knapp-Hartung multiplies the covariance by y'Py / (k - p), W = 1/(v + tau2), also where the coefficients have
    other weights, and takes t with k - p degrees of freedom; NaN where k = p.
    """
    choose(test, UNIVARIATE_TESTS, what="Test")
    covariance, factor, df = tested_covariance(batch, test=test)
    root = batch.root if factor is None else batch.root * np.sqrt(factor)[:, None, None]
    se = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    tail = (1 - level) / 2
    quantile = np.full((1, 1), normal_isf(tail)) if test == "z" else t_isf(tail, df)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = batch.coefficients / se
    half = quantile * se
    return Wald(
        covariance=covariance,
        root=root,
        df=df,
        se=se,
        statistic=statistic,
        p_value=t_two_sided(statistic, df[:, None]),
        ci_low=batch.coefficients - half,
        ci_high=batch.coefficients + half,
    )


def tested_covariance(batch: BatchFit, *, test: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Covariance (F, p, p) by a test, what it was multiplied with (F,) (None: nothing), degrees of freedom (F,)."""
    if test == "z":
        return batch.covariance, None, np.full(len(batch.ok), np.inf)
    df = np.where(batch.df > 0, batch.df.astype(float), np.nan)
    if not test.startswith("knapp-hartung"):
        return batch.covariance, None, df
    factor = batch.q_tau / df
    if test.endswith("floor"):
        factor = np.maximum(factor, 1.0)
    return batch.covariance * factor[:, None, None], factor, df


def coefficients_of(
    batch: BatchFit, names: tuple[str, ...], *, test: str, level: float, row: int = 0
) -> Coefficients:
    """One analysis of a batch as the record of its coefficients."""
    found = wald(batch, test=test, level=level)
    return Coefficients(
        names=names,
        estimate=batch.coefficients[row],
        se=found.se[row],
        statistic=found.statistic[row],
        df=np.full(len(names), found.df[row]),
        p_value=found.p_value[row],
        ci_low=found.ci_low[row],
        ci_high=found.ci_high[row],
        covariance=found.covariance[row],
        level=level,
        method=UNIVARIATE_TESTS[test],
        root=found.root[row],
    )


def linear_test(
    coefficients: Coefficients, constraints: np.ndarray, *, value: np.ndarray | None = None, name: str = ""
) -> TestResult:
    """Test C b = value with the covariance that the coefficients carry: chi2(q), or F(q, df) where df is finite.

    Parameters
    ----------
    constraints : (q, p) independent rows; value : (q,), zeros if None.

    Raises InputError ``constraints`` for a wrong shape or dependent rows.
    """
    c = np.atleast_2d(np.asarray(constraints, dtype=float))
    p = len(coefficients.names)
    if c.shape[1] != p or np.linalg.matrix_rank(c) < len(c):
        raise InputError(
            f"The constraints have shape {c.shape}; rows must be independent, one column for each of the "
            f"{p} coefficients.",
            code="constraints",
        )
    gap = c @ coefficients.estimate - gap_value(value, len(c))
    df = float(np.min(coefficients.df[(c != 0).any(axis=0)]))
    if coefficients.root is None:
        return _quadratic_test(gap, c @ coefficients.covariance @ c.T, df, name)
    half = c @ coefficients.root
    size = row_norms(half)
    if not (np.isfinite(size).all() and size.all()):
        return _quadratic_test(gap, np.outer(size, size), df, name)
    half = half / size[:, None]  # in units of the standard errors, whose squares need not be representable
    return _quadratic_test(gap / size, half @ half.T, df, name)


def gap_value(value: np.ndarray | None, q: int) -> np.ndarray | float:
    """The q values of a hypothesis; 0 if None."""
    if value is None:
        return 0.0
    given = np.atleast_1d(np.asarray(value, dtype=float))
    if given.shape not in ((q,), (1,)) or not np.isfinite(given).all():
        raise InputError(f"{q} finite values are needed, one for each constraint.", code="constraints")
    return given


def omnibus_test(coefficients: Coefficients, tested: np.ndarray) -> TestResult:
    """All coefficients `tested` (indices) are zero."""
    names = ", ".join(coefficients.names[i] for i in tested)
    if len(tested) == 1:  # F(1, df) is the square of t(df)
        i, df = int(tested[0]), float(coefficients.df[0])
        statistic, p_value = float(coefficients.statistic[i]) ** 2, float(coefficients.p_value[i])
        return TestResult(f"omnibus: {names}", statistic, 1, df, p_value)
    gap = coefficients.estimate[tested]
    return _quadratic_test(
        gap, coefficients.covariance[np.ix_(tested, tested)], float(coefficients.df[0]), f"omnibus: {names}"
    )


def _quadratic_test(gap: np.ndarray, covariance: np.ndarray, df: float, name: str) -> TestResult:
    q = len(gap)
    if not np.isfinite(covariance).all():
        return TestResult(name, float("nan"), q, df, float("nan"), "no standard errors")
    scale = np.sqrt(np.diagonal(covariance))
    if not scale.all():
        return TestResult(name, float("nan"), q, df, float("nan"), "standard errors of zero")
    unit = gap / scale
    chi2 = (
        float(unit @ np.linalg.solve(covariance / np.outer(scale, scale), unit))
        if q > 1
        else float(unit[0] ** 2)
    )
    if np.isinf(df):
        return TestResult(name, chi2, q, df, float(chi2_sf(chi2, q)))
    return TestResult(name, chi2 / q, q, df, float(f_sf(chi2 / q, q, df)))


def variance_inflation(fit: Fit) -> np.ndarray:
    """(p,) factor by which correlation with the other moderators inflates each variance; NaN for the intercept.

    Source: Fox & Monette (1992), JASA 87:178, for single coefficients.
    """
    others = moderators(fit.design.matrix)
    result = np.full(fit.design.matrix.shape[1], np.nan)
    covariance = fit.coefficients.covariance[np.ix_(others, others)]
    scale = np.sqrt(np.diagonal(covariance))
    result[others] = np.diagonal(np.linalg.inv(covariance / np.outer(scale, scale)))
    return result


def moderators(matrix: np.ndarray) -> np.ndarray:
    """Indices of the columns that are not constant one; all columns if there is nothing else."""
    varying = np.flatnonzero(~(matrix == 1).all(axis=0))
    return varying if len(varying) else np.arange(matrix.shape[1])
