"""Variance components by name, heterogeneity by level, and fit statistics of a multilevel model."""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_sf
from ..likelihood.build import Setup, Unknown
from ..likelihood.gaussian import LOG_2PI, Evaluation, evaluate
from ..likelihood.multistart import Solution
from ..records import Components, FitStatistics, Heterogeneity

NAN = float("nan")
MODES_NOTE = "The likelihood has {n} local maxima; the highest was taken. Estimates of other programs may sit at another."


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
    moving = np.isfinite(information.diagonal())
    covariance = np.zeros(information.shape)
    if moving.any():
        part = information if moving.all() else information[np.ix_(moving, moving)]
        try:
            root = np.linalg.inv(np.linalg.cholesky(part))
        except np.linalg.LinAlgError:  # no maximum
            return np.full(_variances(setup), NAN)
        if moving.all():
            covariance = root.T @ root
        else:
            covariance[np.ix_(moving, moving)] = root.T @ root
    if all(len(term.parameters) == 1 and term.is_variance for term in setup.terms):
        known, variance = moving, covariance.diagonal()
    else:
        slopes = _slopes_of_variances(setup, theta)
        known = np.all(moving | (slopes == 0), axis=1)
        variance = np.einsum("ij,jk,ik->i", slopes, covariance, slopes)
    known = known & (variance >= 0)
    return np.asarray(
        np.where(known, np.ldexp(np.sqrt(np.where(known, variance, 0.0)), 2 * setup.exponent), NAN)
    )


def _slopes_of_variances(setup: Setup, theta: np.ndarray) -> np.ndarray:
    """(m, q) derivatives of the named variances."""
    slopes = np.zeros((_variances(setup), len(theta)))
    row = start = 0
    for term in setup.terms:
        stop = start + len(term.parameters)
        own = term.variances
        if term.is_variance:
            slopes[row, start] = 1.0
        else:
            dg = term.structure.evaluate(theta[start:stop])[1]
            slopes[row : row + len(own), start:stop] = np.diagonal(dg, axis1=1, axis2=2).T
        row, start = row + len(own), stop
    return slopes


def _variances(setup: Setup) -> int:
    return sum(len(term.variances) for term in setup.terms)


def without_variance(setup: Setup, solution: Solution) -> list[tuple[str, str]]:
    """Terms whose estimated correlation (or range) means nothing, because no two of its levels vary: (term, parameter)."""
    hidden, start, result = {i for i, _ in solution.unknown.hidden}, 0, []
    for term in setup.terms:
        stop = start + len(term.parameters)
        last = stop - 1
        shape = term.structure.shaped and len(term.parameters) > 1
        if shape and np.isnan(setup.problem.fixed[last]) and last not in hidden:
            varying = np.count_nonzero(solution.theta[start:last])
            if varying < min(2, last - start):
                result.append((term.name, term.parameters[-1].name))
        start = stop
    return result


def without_heterogeneity(setup: Setup) -> Evaluation | None:
    """The restricted likelihood with all variances at zero; None where V alone is singular."""
    problem = setup.problem
    nothing = np.minimum(np.maximum(0.0, problem.lower), problem.upper)
    return evaluate(problem, nothing, reml=True, derivatives=False)


def heterogeneity_by_level(setup: Setup, components: Components, zero: Evaluation | None) -> Heterogeneity:
    """Q and I^2 with weights W = V^-1; zero : the fit `without_heterogeneity`.

    The typical sampling variance is (k - p) / tr(P), P = W - W X (X'WX)^-1 X'W; a term's share is its variance, averaged
    over the effects where it differs between them, over the sum of all and the typical one.

    Source: Higgins & Thompson (2002), eq. 9; Jackson, White & Riley (2012), Stat Med 31:3805; Cheung (2014).
    """
    df = setup.problem.k - setup.problem.p
    if zero is None or df == 0:
        return Heterogeneity(0.0 if df == 0 else NAN, df, NAN, NAN, NAN)
    f = zero.factor.back(zero.q_basis)
    whole = zero.factor.trace_inverse()
    left = whole - float(np.sum(f * f))
    if not left > 1e-15 * whole:  # one effect outweighs all others beyond the digits of a number
        return Heterogeneity(zero.rss, df, float(chi2_sf(zero.rss, df)), NAN, NAN)
    typical = float(np.ldexp(df / left, 2 * setup.exponent))
    total = components.total
    return Heterogeneity(
        q=zero.rss,
        df=df,
        p_value=float(chi2_sf(zero.rss, df)),
        i2=100.0 * total / (total + typical),
        h2=(total + typical) / typical,
        i2_by={name: 100.0 * value / (total + typical) for name, value in components.average.items()},
        typical_variance=typical,
    )


def fit_statistics(
    setup: Setup, at: Evaluation, *, reml: bool, rss: float, zero: Evaluation | None, unknown: Unknown
) -> dict[str, FitStatistics]:
    """Both likelihoods at these estimates with information criteria, on the effects' scale.

    Parameters
    ----------
    at : the likelihood at the estimates, restricted if `reml`; rss : weighted residual sum of squares at the reported
        coefficients; zero : the fit `without_heterogeneity`; unknown : what the data cannot decide: correlations that the
        likelihood does not depend on are no parameters of it.
    """
    problem = setup.problem
    k, p = problem.k, problem.p
    free = int(np.isnan(problem.fixed).sum()) - len(unknown.unseen)
    free -= sum(setup.parameters[index].unit == 0 for index, _ in unknown.hidden)
    log_unit = setup.exponent * float(np.log(2.0))
    restriction = 0.5 * (
        p * LOG_2PI - 2.0 * float(np.log(np.abs(at.r_basis.diagonal())).sum()) + problem.logdet_xx
    )
    full = at.loglik + 0.5 * (at.rss - rss) - (restriction if reml else 0.0)
    ml, restricted = full - k * log_unit, full + restriction - (k - p) * log_unit
    saturated = NAN if zero is None else -0.5 * (k * LOG_2PI + zero.factor.logdet) - k * log_unit
    return {
        "ML": FitStatistics(ml, -2 * (ml - saturated), p + free, k),
        "REML": FitStatistics(restricted, -2 * restricted, p + free, k - p),
    }
