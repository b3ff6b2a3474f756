"""Variance components by name, heterogeneity by level, and fit statistics of a multilevel model."""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_sf
from ..likelihood.build import Setup
from ..likelihood.gaussian import LOG_2PI, evaluate
from ..records import Components, FitStatistics, Heterogeneity

NAN = float("nan")


def named_components(setup: Setup, theta: np.ndarray) -> Components:
    """Variances and correlations of all terms from theta (q,) on the effects' scale."""
    variances: dict[str, float] = {}
    correlations: dict[str, float] = {}
    average: dict[str, float] = {}
    start = 0
    for term in setup.terms:
        part = theta[start : start + len(term.parameters)]
        start += len(term.parameters)
        own, between = term.describe(part)
        variances |= own
        correlations |= between
        average[term.name] = float(np.mean(term.marginal(part)))
    return Components(
        tuple(variances), np.array(list(variances.values())), correlations, theta, average=average
    )


def standard_errors(setup: Setup, theta: np.ndarray, information: np.ndarray) -> np.ndarray:
    """(m,) standard errors of the named variances by the delta method; NaN where one is given, at a bound or unknown.

    theta, information : (q,), (q, q) on the working scale, NaN where a parameter did not move.
    """
    moving = np.isfinite(np.diag(information))
    part = information[np.ix_(moving, moving)]
    covariance = np.zeros(information.shape)
    if moving.any():
        if np.linalg.eigvalsh(part)[0] <= 0:
            return np.full(_variances(setup), NAN)
        covariance[np.ix_(moving, moving)] = np.linalg.inv(part)
    slopes = np.zeros((_variances(setup), len(theta)))
    row = start = 0
    for term in setup.terms:
        stop = start + len(term.parameters)
        own = term.describe(theta[start:stop])[0]
        if len(own) == 1:
            slopes[row, start] = 1.0
        else:
            dg = term.structure.evaluate(theta[start:stop])[1]
            slopes[row : row + len(own), start:stop] = np.diagonal(dg, axis1=1, axis2=2).T
        row, start = row + len(own), stop
    known = np.all(moving | (slopes == 0), axis=1)
    variance = np.einsum("ij,jk,ik->i", slopes, covariance, slopes)
    return np.asarray(np.where(known, np.ldexp(np.sqrt(variance), 2 * setup.exponent), NAN))


def _variances(setup: Setup) -> int:
    return sum(len(term.describe(np.ones(len(term.parameters)))[0]) for term in setup.terms)


def heterogeneity_by_level(setup: Setup, components: Components) -> Heterogeneity:
    """Q and I^2 with weights W = V^-1.

    The typical sampling variance is (k - p) / tr(P), P = W - W X (X'WX)^-1 X'W; a term's share is its variance, averaged
    over the effects where it differs between them, over the sum of all and the typical one.

    Source: Higgins & Thompson (2002), eq. 9; Jackson, White & Riley (2012), Stat Med 31:3805; Cheung (2014).
    """
    problem = setup.problem
    df = problem.k - problem.p
    at = evaluate(problem, np.clip(0.0, problem.lower, problem.upper), reml=True, derivatives=False)
    if at is None or df == 0:
        return Heterogeneity(0.0 if df == 0 else NAN, df, NAN, NAN, NAN)
    f = at.factor.back(at.q_basis)
    typical = float(np.ldexp(df / (at.factor.trace_inverse() - np.sum(f * f)), 2 * setup.exponent))
    total = components.total
    return Heterogeneity(
        q=at.rss,
        df=df,
        p_value=float(chi2_sf(at.rss, df)),
        i2=100.0 * total / (total + typical),
        h2=(total + typical) / typical,
        i2_by={name: 100.0 * value / (total + typical) for name, value in components.average.items()},
        typical_variance=typical,
    )


def fit_statistics(setup: Setup, theta: np.ndarray, *, rss: float) -> dict[str, FitStatistics]:
    """Both likelihoods at these estimates with information criteria, on the effects' scale.

    Parameters
    ----------
    theta : (q,) working scale; rss : weighted residual sum of squares at the reported coefficients.
    """
    problem = setup.problem
    k, p = problem.k, problem.p
    free = int(np.sum(np.isnan(problem.fixed)))
    log_unit = setup.exponent * float(np.log(2.0))
    saturated = problem.layout.factor(np.clip(0.0, problem.lower, problem.upper), False)
    result = {}
    for name, size in (("ML", k), ("REML", k - p)):
        at = evaluate(problem, theta, reml=name == "REML", derivatives=False)
        if at is None:
            continue
        loglik = at.loglik + 0.5 * (at.rss - rss) - size * log_unit
        deviance = -2 * loglik
        if name == "ML":
            base = NAN if saturated is None else -0.5 * (k * LOG_2PI + saturated.logdet) - k * log_unit
            deviance += 2 * base
        result[name] = FitStatistics(loglik, deviance, p + free, size)
    return result
