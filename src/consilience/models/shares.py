"""Shares of variance in models with several effects per study: I^2 of each outcome and of the coefficients, R^2 by level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..likelihood.build import Setup, build
from ..likelihood.gaussian import Evaluation, evaluate
from ..records import Fit
from .levels import NAN, without_heterogeneity


@dataclass(frozen=True, eq=False)
class VarianceShares:
    """Percentages.

    i2_by_level : the named variance of a level of an inner | outer term over itself plus the typical sampling variance of
        the level's effects; i2 : of each coefficient (p,), 1 - (variance without random effects / with them);
    i2_joint : the same for all coefficients, from the volumes of their confidence regions.
    """

    i2_by_level: dict[str, float]
    names: tuple[str, ...]
    i2: np.ndarray
    i2_joint: float


def multivariate_i2(fit: Fit) -> VarianceShares:
    """I^2 of a multivariate model, by outcome and by coefficient.

    By level l of an inner | outer term: tau_l^2 / (tau_l^2 + s_l^2) with the typical sampling variance
    s_l^2 = (k_l - p_l) / sum of P_ii, both over its k_l effects; P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, and p_l the sum of the
    effects' leverages (one for a mean of each outcome).
    By coefficient: R^2 = (|C_random| / |C_fixed|)^(1/p), I^2 = (R^2 - 1) / R^2, with the model-based covariances C.

    Raises
    ------
    InputError ``no-likelihood`` for working models; ``singular`` where V alone is.

    Source: Jackson, White & Riley (2012), Stat Med 31:3805; Higgins & Thompson (2002), Stat Med 21:1539.
    """
    if not fit.statistics:
        raise InputError(f"A fit by {fit.spec.method} has no model-based covariance.", code="no-likelihood")
    with one_blas_thread():
        setup = build(fit.effects, fit.design, fit.spec, dense=True)
        theta = setup.scale_theta(fit.components.theta, -1)
        zero = without_heterogeneity(setup)
        at = evaluate(setup.problem, theta, reml=True, derivatives=False)
        if zero is None or at is None:
            raise InputError("The sampling covariance alone is singular.", code="singular")
        by_level = _by_level(fit, setup, zero)
        ratio = _spread(at) / _spread(zero)
        p = setup.problem.p
        logs = -2 * (_logdet(at) - _logdet(zero))
    joint = 100.0 * (1.0 - float(np.exp(-logs / p))) if p else NAN
    return VarianceShares(by_level, fit.coefficients.names, 100.0 * (1.0 - 1.0 / ratio), joint)


def _spread(at: Evaluation) -> np.ndarray:
    """(p,) variances of the coefficients, (R'R)^-1."""
    inverse = np.linalg.inv(at.r_basis)
    return np.asarray(np.sum(inverse**2, axis=1))


def _logdet(at: Evaluation) -> float:
    """log |det R|: minus half the log-volume of the coefficients' covariance."""
    return float(np.sum(np.log(np.abs(np.diag(at.r_basis)))))


def _by_level(fit: Fit, setup: Setup, zero: Evaluation) -> dict[str, float]:
    """I^2 of each level with a variance of its own."""
    problem = setup.problem
    f = zero.factor.back(zero.q_basis)
    precision = -np.sum(f**2, axis=1)
    leverage = np.sum(problem.x * np.linalg.solve(zero.r_basis, f.T).T, axis=1)
    nothing = np.clip(np.zeros(len(problem.lower)), problem.lower, problem.upper)
    for rows, v in problem.layout.covariances(nothing):
        precision[rows] += np.diagonal(np.linalg.inv(v), axis1=1, axis2=2)
    result: dict[str, float] = {}
    for term in setup.terms:
        if term.slopes is not None or term.parts or len(term.levels) == 1:
            continue
        for i, level in enumerate(term.levels):
            name = f"{term.name}: {level}"
            if name in fit.components.names:
                own = term.inner == i
                left = float(np.sum(own) - np.sum(leverage[own]))
                total = float(np.sum(precision[own]))
                typical = np.ldexp(left / total, 2 * setup.exponent) if total > 0 else NAN
                tau2 = fit.components[name]
                result[name] = float(100.0 * tau2 / (tau2 + typical))
    return result


def explained_variance(full: Fit, reduced: Fit) -> dict[str, float]:
    """R^2 of the added moderators in percent, for each variance component and their sum ("total").

    (sigma^2 of reduced - of full) / sigma^2 of reduced, not below 0; NaN where the reduced model has no variance to explain.

    Raises
    ------
    InputError ``different-data`` unless both analyse the same effects, ``different-terms`` unless their random terms have
    the same components, ``not-nested`` if `full` has not more coefficients.

    Source: Raudenbush (2009) in Cooper, Hedges & Valentine, Handbook of Research Synthesis, 2nd ed.; for three levels
    Cheung (2014), Psychol Methods 19:211.
    """
    a, b = full.effects, reduced.effects
    if a.k != b.k or not (np.array_equal(a.y, b.y) and np.array_equal(a.v, b.v)):
        raise InputError(f"The fits analyse different effects ({a.k} and {b.k} rows).", code="different-data")
    if full.components.names != reduced.components.names or not full.components.names:
        raise InputError(
            "The fits have different variance components: "
            f"{', '.join(full.components.names)} and {', '.join(reduced.components.names)}.",
            code="different-terms",
            advice="Fit both with the same random terms.",
        )
    if full.design.matrix.shape[1] <= reduced.design.matrix.shape[1]:
        raise InputError("The first fit has no more moderators than the second.", code="not-nested")
    pairs = dict(
        zip(
            full.components.names,
            zip(full.components.variance, reduced.components.variance, strict=True),
            strict=True,
        )
    )
    pairs["total"] = (full.components.total, reduced.components.total)
    return {name: _r2(float(new), float(old)) for name, (new, old) in pairs.items()}


def _r2(new: float, old: float) -> float:
    return max(0.0, 100.0 * (old - new) / old) if old > 0 else NAN
