"""Generalised variance inflation of the moderators, with a reference distribution of shuffled ones."""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..base.linalg import group_codes
from ..inference.knapp_hartung import moderators
from ..inference.rve_weights import WORKING_MODELS
from ..models import refit_many
from ..models.univariate import weights_of_spec
from ..records import Collinearity, Fit
from .deletion.deleted import model_based
from .deletion.pieces import pieces_of


def collinearity(
    fit: Fit,
    *,
    rng: np.random.Generator | None = None,
    draws: int = 1000,
    reestimate: bool = False,
) -> Collinearity:
    """How much correlation with the other moderators inflates the variance of each term.

    GVIF_t = det(R_t) det(R_-t) / det(R), with R the correlations of the coefficients but the intercept; for a term of one
    column the usual VIF. It equals one where the term is unrelated to the others. There is no threshold that fits
    all: `rng` gives the distribution when the terms are shuffled independently of each other.

    Parameters
    ----------
    rng : for the shuffling; None = no reference. Terms that are constant within studies are shuffled between studies, so
        that they stay so; interactions are shuffled as terms of their own.
    reestimate : estimate the variances anew for each shuffled design, or hold them (faster).

    Raises InputError ``no-moderators``.

    Source: Fox & Monette (1992), JASA 87:178.
    """
    terms = _terms(fit)
    base = fit if fit.spec.method in WORKING_MODELS else model_based(fit)
    columns = np.array([len(c) for c in terms.values()])
    gvif = generalised_inflation(base.coefficients.covariance[None], list(terms.values()))[0]
    simulated, how = np.empty((0, len(terms))), ""
    if rng is not None:
        designs, how = _shuffled(fit, terms, rng, draws)
        found = refit_many(base, x=designs).covariance if reestimate else _held_covariances(base, designs)
        simulated = generalised_inflation(found, list(terms.values()))
        simulated = simulated[np.isfinite(simulated).all(axis=1)]
    some = len(simulated) > 0
    return Collinearity(
        term=tuple(terms),
        columns=columns,
        gvif=gvif,
        scaled=gvif ** (0.5 / columns),
        simulated=simulated,
        share=np.mean(simulated < gvif, axis=0) if some else np.empty(0),
        expected=np.median(simulated, axis=0) if some else np.empty(0),
        how=how,
    )


def generalised_inflation(covariance: np.ndarray, terms: list[tuple[int, ...]]) -> np.ndarray:
    """(n, m) GVIF of m terms from n covariances (n, p, p) of the coefficients; columns of no term are left aside."""
    every = [j for term in terms for j in term]
    part = covariance[:, every][:, :, every]
    scale = np.sqrt(np.diagonal(part, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = part / (scale[:, :, None] * scale[:, None, :])
    whole = np.linalg.slogdet(r)[1]
    result, start = np.empty((len(r), len(terms))), 0
    for t, term in enumerate(terms):
        own = np.zeros(len(every), dtype=bool)
        own[start : start + len(term)] = True
        start += len(term)
        sizes = [np.linalg.slogdet(r[:, side][:, :, side])[1] if side.any() else 0.0 for side in (own, ~own)]
        result[:, t] = np.exp(sizes[0] + sizes[1] - whole)
    return result


def _terms(fit: Fit) -> dict[str, tuple[int, ...]]:
    """Term -> its columns, without the intercept."""
    x, names = fit.design.matrix, fit.design.names
    others = set(moderators(x).tolist()) if x.shape[1] > 1 or not (x == 1).all() else set()
    listed = fit.design.terms or {name: (j,) for j, name in enumerate(names)}
    result = {}
    for name, columns in listed.items():
        own = tuple(j for j in columns if j in others)
        if own:
            result[name] = own
    if not result:
        raise InputError("The model has no moderators, so nothing can be collinear.", code="no-moderators")
    return result


def _shuffled(
    fit: Fit, terms: dict[str, tuple[int, ...]], rng: np.random.Generator, draws: int
) -> tuple[np.ndarray, str]:
    """(draws, k, p) designs in which each term was shuffled on its own, and how in words."""
    x = fit.design.matrix
    study, labels = group_codes(fit.effects.study.tolist())
    first = np.array([np.flatnonzero(study == j)[0] for j in range(len(labels))])
    designs = np.tile(x, (draws, 1, 1))
    between = []
    for name, columns in terms.items():
        part = x[:, list(columns)]
        grouped = len(labels) < len(x) and bool((part == part[first[study]]).all())
        n = len(labels) if grouped else len(x)
        order = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
        source = first[order][:, study] if grouped else order
        designs[:, :, list(columns)] = part[source]
        between += [name] if grouped else []
    how = "each term shuffled independently of the others"
    return designs, how + (f"; between studies: {', '.join(between)}" if between else "")


def _held_covariances(fit: Fit, designs: np.ndarray) -> np.ndarray:
    """(n, p, p) covariances of the coefficients of other designs (n, k, p) at the fit's variances; NaN where singular."""
    n, k, p = designs.shape
    at = pieces_of(fit)
    flat = np.ascontiguousarray(np.moveaxis(designs, 0, 1).reshape(k, n * p))
    weights = weights_of_spec(fit.effects, fit.spec)
    weighted = at.inverse.dot(flat) if weights is None else weights[:, None] * flat

    def inner(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.asarray(
            np.einsum("knp,knq->npq", left.reshape(k, n, p), right.reshape(k, n, p), optimize=True)
        )

    information = inner(flat, weighted)
    rank = np.linalg.matrix_rank(information, hermitian=True)
    inverse = np.linalg.inv(np.where((rank == p)[:, None, None], information, np.eye(p)))
    if weights is not None:
        inverse = inverse @ inner(weighted, at.m.dot(weighted)) @ inverse
    return np.where((rank == p)[:, None, None], inverse, np.nan)
