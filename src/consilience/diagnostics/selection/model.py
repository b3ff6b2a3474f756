"""Selection models by maximum likelihood: Fit or Effects -> SelectionModel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...base.distributions import chi2_sf, normal_isf, normal_sf
from ...base.errors import InputError
from ...base.linalg import group_codes, one_blas_thread
from ...likelihood.ending import least_curvature
from ...records import Coefficients, Effects, Fit, Note, Optimum, TestResult
from ...records.fit import OptimumStatus
from ...records.selection import (
    Alternative,
    Precision,
    SelectionKind,
    SelectionModel,
    SelectionWeights,
)
from .curve import curve_of
from .search import Found, search
from .setup import Asked, Setup, Source, ask, build, source_of

CONVERGED = 1e-5


def selection_model(
    source: Fit | Effects,
    *,
    kind: SelectionKind = "step",
    steps: Sequence[float] | None = None,
    alternative: Alternative = "greater",
    weights: Sequence[float | None] | None = None,
    precision: Precision = "",
    decreasing: bool = False,
) -> SelectionModel:
    """A random-effects model (or meta-regression) with a model of which results were published, by maximum likelihood.

    Without further arguments: the three-parameter model, one step at one-sided p = .025. Moderators, the level, and
    whether there is heterogeneity (equal effects, or a given tau^2) are those of the fit; its estimator is not used.
    Where studies have several effects the model is one of the single effects (a composite likelihood) with
    cluster-robust standard errors by study; see `selection_bootstrap`.

    Parameters
    ----------
    kind : ``step`` (weights constant between `steps`), ``beta`` p^(d1-1) (1-p)^(d2-1), ``half-normal`` exp(-d p^2),
        ``negative-exponential`` exp(-d p), ``logistic`` 2 / (1 + exp(d p)), ``power`` (1-p)^d, ``exponential-power``
        exp(-d1 p^(1/d2)); the same with ``-floor``: (d1 + w(p; d2)) / (1 + d1); ``truncated`` (effects short of a cut
        are published with chance d relative to those beyond it), ``truncated-estimated`` (the cut is estimated too).
    steps : p-values between the intervals; for a smooth kind the p below which all studies are published alike; for
        ``beta`` the p below and above which its weight is constant; for ``truncated`` the cut on the effects' scale.
    alternative : which results are favoured: ``greater`` or ``less`` (one-sided p) or ``two-sided``.
    weights : given parameters of the selection function, None = estimated; for steps one for each interval, first 1.
    precision : what makes a study imprecise, so that it needs a smaller p (relative to the least precise study).
    decreasing : weights of steps may not increase with p.

    Raises
    ------
    InputError ``empty-interval``, ``too-few-effects``, ``selection-steps``, ``selection-weights``,
    ``selection-precision``, ``selection-alternative``, ``variance-not-positive``, ``effect-not-finite``,
    ``dependent-columns``; OptionError for an unknown choice.

    Source: Vevea & Hedges (1995), Psychometrika 60:419; Vevea & Woods (2005), Psychol Methods 10:428; Preston et al. (2004),
    J Eval Clin Pract 10:313; Citkowicz & Vevea (2017), Psychol Methods 22:28; Self & Liang (1987), JASA 82:605 (tests of
    a parameter at its bound).
    """
    asked = ask(kind, steps, alternative, weights=weights, precision=precision, decreasing=decreasing)
    with one_blas_thread():
        if kind == "truncated-estimated":
            return _estimated_cut(source_of(source), asked)
        setup = build(source_of(source), asked)
        return describe(setup, search(setup))


def _estimated_cut(source: Source, asked: Asked) -> SelectionModel:
    """The likelihood rises or falls between neighbouring effects, so its maximum has the cut at one of them."""
    y, best = source.effects.y, None
    for cut in np.unique(y):
        for side in (-np.inf, np.inf):
            at = float(np.nextafter(cut, side))
            if (y > at).all() or not (y > at).any():
                continue
            setup = build(source, replace(asked, steps=(at,)))
            found = search(setup)
            if best is None or found.loglik > best.loglik + 1e-9:
                best = describe(setup, found)
    if best is None:
        raise InputError("All effects are equal; there is no cut between them.", code="empty-interval")
    note = Note(
        "estimated-cut",
        "info",
        f"The cut is estimated ({best.steps[0]:.4g}); the likelihood jumps there, so the cut has no standard error, the "
        "other standard errors hold it fixed, and the test of no selection is approximate.",
    )
    test = best.test
    if test is not None:
        test = replace(test, df1=test.df1 + 1, p_value=float(chi2_sf(test.statistic, test.df1 + 1)))
    return replace(best, kind="truncated-estimated", test=test, notes=(*best.notes, note))


def describe(setup: Setup, found: Found) -> SelectionModel:
    """Everything that is reported of a maximum."""
    p = setup.problem.p
    covariance = _covariance(setup, found)
    delta, jacobian = setup.family.to_delta(found.theta[p + 1 :])
    reported = _reported(setup, covariance, jacobian)
    se = np.sqrt(np.diagonal(reported))
    tau2 = float(found.theta[p])
    return SelectionModel(
        kind=setup.asked.kind,
        alternative=setup.asked.alternative,
        steps=setup.asked.steps,
        precision=setup.asked.precision,
        decreasing=setup.asked.decreasing,
        effects=setup.effects,
        design=setup.design,
        coefficients=_coefficients(setup, found.theta[:p], reported[:p, :p]),
        tau2=tau2,
        tau2_se=float(se[p]),
        tau2_given=setup.tau2 is not None,
        weights=_weights(setup, delta, se[p + 1 :]),
        theta=_unturned(setup, found.theta),
        covariance=reported,
        covariance_kind="cluster-robust" if setup.dependent else "information",
        unadjusted=setup.unadjusted,
        loglik=found.loglik,
        test=_selection_test(setup, found),
        tau2_test=_tau2_test(setup, found),
        p_values=setup.p_values,
        counts=setup.counts,
        curve=curve_of(setup, found.theta[p + 1 :], covariance[p + 1 :, p + 1 :]),
        optimum=_optimum(setup, found),
        notes=(*setup.notes, *_notes(setup, found)),
    )


def _unturned(setup: Setup, theta: np.ndarray) -> np.ndarray:
    p = setup.problem.p
    return np.concatenate([setup.sign * theta[:p], theta[p:]])


def _covariance(setup: Setup, found: Found) -> np.ndarray:
    """(P, P) of the working parameters: inverse observed information, or the sandwich by study; NaN where held."""
    free = found.free
    full = np.full((len(free), len(free)), np.nan)
    information = -found.hessian[free][:, free]
    try:
        inverse = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return full
    if np.any(np.diagonal(inverse) <= 0):
        return full
    if found.scores is not None:
        codes, names = group_codes(setup.effects.study.tolist())
        sums = np.zeros((len(names), int(free.sum())))
        np.add.at(sums, codes, found.scores[:, free])
        m = len(names)
        inverse = inverse @ (sums.T @ sums) @ inverse * (m / (m - 1) if m > 1 else np.nan)
    full[np.ix_(free, free)] = inverse
    return full


def _reported(setup: Setup, covariance: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """Covariance of (coefficients, tau2, delta) on the scales that are reported; NaN for what is not estimated."""
    p = setup.problem.p
    estimated = np.isfinite(np.diagonal(covariance))
    clean = np.where(estimated[:, None] & estimated[None, :], covariance, 0.0)
    change = np.zeros((p + 1 + len(jacobian), len(covariance)))
    change[:p, :p] = setup.sign * np.eye(p)
    change[p, p] = 1.0
    change[p + 1 :, p + 1 :] = jacobian
    result = change @ clean @ change.T
    moved = (change != 0) & ~estimated[None, :]
    known = (np.diagonal(result) > 0) & ~moved.any(axis=1)
    return np.asarray(np.where(known[:, None] & known[None, :], result, np.nan))


def _coefficients(setup: Setup, turned: np.ndarray, covariance: np.ndarray) -> Coefficients:
    estimate, se = setup.sign * turned, np.sqrt(np.diagonal(covariance))
    half = float(normal_isf((1 - setup.level) / 2)) * se
    z = estimate / se
    return Coefficients(
        names=setup.design.names,
        estimate=estimate,
        se=se,
        statistic=z,
        df=np.full(len(estimate), np.inf),
        p_value=np.asarray(2 * normal_sf(np.abs(z))),
        ci_low=estimate - half,
        ci_high=estimate + half,
        covariance=covariance,
        level=setup.level,
        method="z, cluster-robust" if setup.dependent else "z",
    )


def _weights(setup: Setup, delta: np.ndarray, se: np.ndarray) -> SelectionWeights:
    """Wald limits, cut at zero."""
    half = float(normal_isf((1 - setup.level) / 2)) * se
    _, jacobian = setup.family.to_delta(setup.family.null)
    given = np.asarray(~np.any(jacobian != 0, axis=1))
    return SelectionWeights(setup.family.names, delta, se, np.maximum(delta - half, 0.0), delta + half, given)


def _selection_test(setup: Setup, found: Found) -> TestResult | None:
    """2 (l - l without selection); a single parameter with its null at a bound has half the p-value."""
    q = setup.family.q
    if not q or setup.dependent:
        return None
    null = setup.family.log_weight(setup.family.pieces.place[:, None, None], setup.family.null[None]).value
    if np.ptp(null) > 1e-12:  # given weights: the model without selection is not among those compared
        return None
    statistic = max(0.0, 2 * (found.loglik - setup.unadjusted.loglik))
    at_bound = q == 1 and bool(setup.family.null[0] == setup.family.lower[0])
    p_value = float(chi2_sf(statistic, q)) * (0.5 if at_bound and statistic > 0 else 1.0)
    name = "likelihood ratio, no selection"
    return TestResult(
        name, statistic, float(q), np.inf, p_value, "half chi-squared, bound" if at_bound else ""
    )


def _tau2_test(setup: Setup, found: Found) -> TestResult | None:
    if setup.tau2 is not None or setup.dependent:
        return None
    statistic = max(0.0, 2 * (found.loglik - found.loglik_without_tau2))
    p_value = 0.5 * float(chi2_sf(statistic, 1)) if statistic > 0 else 1.0
    return TestResult(
        "likelihood ratio, tau2 = 0", statistic, 1.0, np.inf, p_value, "half chi-squared, bound"
    )


def _optimum(setup: Setup, found: Found) -> Optimum:
    status: OptimumStatus = "converged"
    estimated = setup.lower < setup.upper
    if found.score > CONVERGED:
        status = "stopped"
    elif not found.free[estimated].all():
        status = "boundary"
    moving = found.free & estimated
    curvature = least_curvature(-found.hessian[np.ix_(moving, moving)])
    return Optimum(
        status, found.steps, found.score, found.starts, found.reached, found.maxima, curvature=curvature
    )


def _notes(setup: Setup, found: Found) -> list[Note]:
    p = setup.problem.p
    notes = []
    if setup.dependent:
        notes.append(
            Note(
                "dependent-effects",
                "info",
                f"{setup.effects.k} effects of {setup.effects.n_studies} studies: the likelihood treats effects as independent, "
                "the standard errors are cluster-robust; likelihood-ratio tests are not defined.",
                "Use the cluster bootstrap for intervals.",
            )
        )
    if found.maxima > 1:
        notes.append(
            Note(
                "several-maxima",
                "info",
                f"The likelihood has {found.maxima} local maxima; the highest was taken.",
            )
        )
    own = found.theta[p + 1 :]
    if np.any(own >= setup.family.upper) or np.any(np.abs(own) > 30):
        notes.append(
            Note(
                "weight-at-limit",
                "warning",
                "A parameter of the selection function lies at the end of the range searched: the likelihood hardly changes there.",
                "Read the adjusted estimate as one of a family; try a simpler selection function.",
            )
        )
    free = found.free & (setup.lower < setup.upper)
    if free.any() and np.linalg.eigvalsh(-found.hessian[free][:, free])[0] <= 0:
        notes.append(
            Note(
                "flat-likelihood",
                "warning",
                "The likelihood is flat at its maximum; there are no standard errors.",
            )
        )
    return notes
