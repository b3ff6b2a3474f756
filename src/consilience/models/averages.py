"""The average effect of each study under the fitted working model, for forest plots, and the weights of studies."""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..inference.intervals import weights_of
from ..inference.one_each import refuse_dependence
from ..inference.working import merged_blocks, without_scale, working_effects
from ..likelihood.build import build
from ..likelihood.terms import partition
from ..records import Fit, Intercept, StudyAverages, Term


def study_weights(fit: Fit) -> np.ndarray:
    """(k,) weight of each study in the coefficients, in percent of their sum."""
    refuse_dependence(fit, "The weight of a study")
    a = weights_of(fit) if fit.spec.weights else 1 / (fit.effects.v + variance_of_rows(fit))
    return np.asarray(100 * a / a.sum())


def variance_of_rows(fit: Fit) -> np.ndarray | float:
    """tau^2 of a fit with one effect per study: one value, or (k,) in a location-scale model."""
    return fit.components.total if fit.variances is None else fit.variances


def study_averages(fit: Fit) -> StudyAverages:
    """Weighted mean of each study's own effects, given the fitted variances.

    With N_j = V_j + all random effects that differ within a study: estimate 1'N_j^-1 y / 1'N_j^-1 1, variance
    1 / 1'N_j^-1 1 (conditional on the study), weight 1'M_j^-1 1 with M_j the full covariance, as a share of their sum
    (of the weights that a spec names, where it names some).

    Raises
    ------
    InputError ``clusters-not-independent`` if the model correlates effects of different studies.
    """
    fit = without_scale(fit)
    with one_blas_thread():
        precision, total = _sums(fit, within=True)
        weight, _ = _sums(fit, within=False)
    if fit.spec.weights:
        weight = np.bincount(partition(fit.effects, ("study",)), weights_of(fit))
    return StudyAverages(
        study=fit.effects.studies,
        estimate=total / precision,
        se=1.0 / np.sqrt(precision),
        weight=100.0 * weight / np.sum(weight),
    )


def _sums(fit: Fit, *, within: bool) -> tuple[np.ndarray, np.ndarray]:
    """(m,) 1'N_j^-1 1 and 1'N_j^-1 y by study; `within` leaves out what all effects of a study share."""
    setup = build(working_effects(fit, within=within), fit.design, fit.spec)
    layout = setup.problem.layout
    theta = setup.scale_theta(fit.components.theta, -1)
    if within and len(theta):
        between = [_is_between(fit, term) for term in fit.spec.terms]
        theta = np.where([between[p.term] for p in setup.parameters], 0.0, theta)
    study = partition(fit.effects, ("study",))[layout.order]
    y = layout.to_working(np.ldexp(fit.effects.y, -setup.exponent))
    one = layout.to_working(np.ones(fit.effects.k))
    precision, total = np.empty(fit.effects.n_studies), np.empty(fit.effects.n_studies)
    for codes, rows, blocks in merged_blocks(layout.covariances(theta), study):
        solved = _solve(blocks, one[rows])
        precision[codes] = np.sum(solved * one[rows], axis=1)
        total[codes] = np.sum(solved * y[rows], axis=1)
    return np.ldexp(precision, -2 * setup.exponent), np.ldexp(total, -setup.exponent)


def _solve(blocks: np.ndarray, one: np.ndarray) -> np.ndarray:
    try:
        solved: np.ndarray = np.linalg.solve(blocks, one[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        raise InputError(
            "The sampling covariance of a study is singular, so its own average has no weights.",
            code="v-not-positive-definite",
            advice="Lower the assumed correlation below one.",
        ) from None
    return solved


def _is_between(fit: Fit, term: Term) -> bool:
    """Is this a random intercept shared by all effects of each study?"""
    if not isinstance(term, Intercept):
        return False
    level = partition(fit.effects, term.by)
    study = partition(fit.effects, ("study",))
    first = np.full(int(np.max(study)) + 1, -1)
    first[study[::-1]] = level[::-1]
    return bool(np.all(first[study] == level)) and "row" not in term.by
