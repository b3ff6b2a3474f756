"""Any multilevel model: predicted random effects (BLUPs) of every term, and residuals of each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..inference.working import without_scale, working_effects
from ..likelihood.build import Setup, build
from ..likelihood.gaussian import Evaluation, evaluate
from ..records import Fit
from .rows import study_deviations


@dataclass(frozen=True, eq=False)
class TermEffects:
    """Predicted contribution of each random term to each effect: arrays (k, terms); `total` and its SE are (k,).

    Rows of the same level have the same contribution. The SEs hold the variances at their estimates.
    """

    terms: tuple[str, ...]
    contribution: np.ndarray
    se: np.ndarray
    total: np.ndarray
    total_se: np.ndarray


@dataclass(frozen=True, eq=False)
class RowResiduals:
    """(k,) residuals: raw y - fitted; standardised by their own SE; deleted (the row left out, variances held),
    standardised; and Cholesky, independent if the model holds."""

    fitted: np.ndarray
    raw: np.ndarray
    standardised: np.ndarray
    deleted: np.ndarray
    cholesky: np.ndarray


def _dense(fit: Fit) -> tuple[Setup, np.ndarray, Evaluation]:
    """The fit's likelihood in the layout whose rows are the effects themselves."""
    if fit.spec.weights:
        raise InputError(
            "The coefficients of this fit have other weights than its variances, so they are not best predictions.",
            code="weights-not-used",
            advice="Use residuals(fit), or fit without weights.",
        )
    fit = without_scale(fit)
    setup = build(working_effects(fit), fit.design, fit.spec, dense=True)
    theta = setup.scale_theta(fit.components.theta, -1)
    at = evaluate(setup.problem, theta, reml=fit.spec.method == "REML", derivatives=False)
    if at is None:
        raise InputError("The covariance of the effects is singular.", code="singular")
    return setup, theta, at


def term_effects(fit: Fit) -> TermEffects:
    """Best linear unbiased predictions K_t M^-1 (y - X b) of every term, with Var = K_t - K_t P K_t.

    Raises InputError ``weights-not-used`` for coefficients with weights of their own.

    Source: Henderson (1975), Biometrics 31:423; Robinson (1991), Stat Sci 6:15.
    """
    if fit.variances is not None:
        found = study_deviations(fit)
        return TermEffects(("row",), found.estimate[:, None], found.se[:, None], found.estimate, found.se)
    with one_blas_thread():
        setup, theta, at = _dense(fit)
        u, f = at.factor.back(at.residual), at.factor.back(at.q_basis)
        nothing = np.clip(np.zeros_like(theta), setup.problem.lower, setup.problem.upper)
        parts = []
        start = 0
        for term in setup.terms:
            alone = nothing.copy()
            stop = start + len(term.parameters)
            alone[start:stop] = theta[start:stop]
            parts.append(_predicted(setup, alone, theta, u=u, f=f))
            start = stop
        total = _predicted(setup, theta, theta, u=u, f=f)
    up = setup.exponent
    stack = np.array(parts).reshape(len(parts), 2, fit.effects.k)
    return TermEffects(
        terms=tuple(term.name for term in setup.terms),
        contribution=np.ldexp(stack[:, 0].T, up),
        se=np.ldexp(stack[:, 1].T, up),
        total=np.ldexp(total[0], up),
        total_se=np.ldexp(total[1], up),
    )


def _predicted(
    setup: Setup, part: np.ndarray, theta: np.ndarray, *, u: np.ndarray, f: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and SE (k,) of the random effects that `part` of theta describes."""
    layout = setup.problem.layout
    nothing = np.clip(np.zeros_like(theta), setup.problem.lower, setup.problem.upper)
    value, variance = np.zeros(len(u)), np.zeros(len(u))
    for (rows, with_part), (_, v), (_, m) in zip(
        layout.covariances(part), layout.covariances(nothing), layout.covariances(theta), strict=True
    ):
        k = with_part - v
        value[rows] = np.einsum("nij,nj->ni", k, u[rows])
        explained = np.einsum("nij,nji->ni", k, np.linalg.solve(m, k))
        lost = np.sum((k @ f[rows]) ** 2, axis=2)
        variance[rows] = np.diagonal(k, axis1=1, axis2=2) - explained + lost
    return value, np.sqrt(np.maximum(variance, 0.0))


def row_residuals(fit: Fit) -> RowResiduals:
    """Residuals of all kinds; see the record.

    Source: Viechtbauer & Cheung (2010), Res Synth Methods 1:112; Houseman, Ryan & Coull (2004) for Cholesky ones.
    """
    with one_blas_thread():
        setup, theta, at = _dense(fit)
        problem = setup.problem
        raw = problem.y - problem.x @ at.coefficients
        u, f = at.factor.back(at.residual), at.factor.back(at.q_basis)
        basis = problem.x @ np.linalg.inv(at.r_basis)
        own, precision = np.empty(problem.k), np.empty(problem.k)
        for rows, m in problem.layout.covariances(theta):
            own[rows] = np.diagonal(m, axis1=1, axis2=2)
            precision[rows] = np.diagonal(np.linalg.inv(m), axis1=1, axis2=2)
        spread = own - np.sum(basis**2, axis=1)
        precision = precision - np.sum(f**2, axis=1)
    raw_up = np.ldexp(raw, setup.exponent)
    return RowResiduals(
        fitted=fit.effects.y - raw_up,
        raw=raw_up,
        standardised=_ratio(raw, spread, own),
        deleted=_ratio(u, precision, 1 / own),
        cholesky=at.residual,
    )


def _ratio(x: np.ndarray, variance: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """x / sqrt(variance), NaN where a row determines its own fit so that nothing is left of the variance."""
    kept = variance > 1e-10 * whole
    return np.where(kept, x / np.sqrt(np.where(kept, variance, 1.0)), np.nan)
