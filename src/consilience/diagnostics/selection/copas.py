"""The Copas selection model: the adjusted effect over a grid of selection, and the asymmetry that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...base.distributions import chi2_sf, normal_cdf, normal_isf, normal_ppf
from ...base.errors import InputError
from ...base.linalg import one_blas_thread
from ...likelihood.batch import fit_batch
from ...likelihood.climb import climb
from ...likelihood.copas import Copas, evaluate_copas
from ...records import Effects, Fit, Interval, Note
from ...records.selection import CopasFit, CopasPath
from .setup import check_effects, source_of

GAMMA0 = tuple(float(x) for x in np.linspace(-2, 2, 13))
POINTS = 13
SURE = 0.99  # chance of publication of the most precise study along the path
PUBLISHED = (0.999, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
RHO = 0.9999


@dataclass(frozen=True, eq=False)
class _Lanes:
    """Maxima at F points: mean, its standard error, tau2, rho, loglik, p of residual asymmetry, all (F,)."""

    mean: np.ndarray
    se: np.ndarray
    tau2: np.ndarray
    rho: np.ndarray
    loglik: np.ndarray
    p_residual: np.ndarray


def copas(
    source: Fit | Effects,
    *,
    gamma0: Sequence[float] = GAMMA0,
    gamma1: Sequence[float] | None = None,
    alternative: Literal["auto", "greater", "less"] = "auto",
    alpha: float = 0.1,
) -> CopasFit:
    """Sensitivity of the pooled effect to selection by standard error and result.

    A study is published if gamma0 + gamma1 / s + delta > 0 with corr(delta, sampling error) = rho; for each (gamma0, gamma1) the
    mean, tau^2 and rho >= 0 (large results are favoured) are estimated by maximum likelihood. Residual asymmetry: likelihood-ratio test of a slope on s in
    the mean, given the same selection. The path keeps the most precise study's chance of publication at .99 and lowers
    that of the least precise; the adjusted result is its first point without residual asymmetry at `alpha`.

    Parameters
    ----------
    alternative : results that are favoured; ``auto`` = in the direction of the unadjusted estimate.
    gamma1 : on the scale of the standard errors; None = 0 to the largest standard error.

    Raises InputError ``too-few-effects`` (k < 3), ``no-spread`` (equal standard errors), ``moderators``.

    Source: Copas & Shi (2000), Biostatistics 1:247; Copas & Shi (2001), Stat Methods Med Res 10:251.
    """
    taken = source_of(source)
    effects = taken.effects
    if taken.design.matrix.shape[1] > 1:
        raise InputError("The Copas model is defined for a pooled mean.", code="moderators")
    check_effects(effects, taken.design)
    s = np.sqrt(effects.v)
    if effects.k < 3:
        raise InputError("The Copas model needs at least 3 effects.", code="too-few-effects")
    if s.max() < 1.05 * s.min():
        raise InputError(
            "All studies are equally precise, so selection by precision is not visible.", code="no-spread"
        )
    g0 = np.asarray(gamma0, dtype=float)
    g1 = np.linspace(0, s.max(), POINTS) if gamma1 is None else np.asarray(gamma1, dtype=float)
    inner, outer = (grid.ravel() for grid in np.meshgrid(g0, g1))
    plain = fit_batch(effects.y, effects.v, method="ML")
    mean, se = float(plain.coefficients[0, 0]), float(np.sqrt(plain.covariance[0, 0, 0]))
    sign = {"greater": 1.0, "less": -1.0, "auto": 1.0 if mean >= 0 else -1.0}[alternative]
    turned = sign * effects.y
    with one_blas_thread():
        grid = _fit(turned, s, inner[:, None] + outer[:, None] / s)
        published = np.array(PUBLISHED)
        path0, path1 = _line(s, published)
        along = _fit(turned, s, path0[:, None] + path1[:, None] / s)
    reach = float(normal_isf((1 - taken.level) / 2))
    path = CopasPath(
        published=published,
        estimate=sign * along.mean,
        low=sign * along.mean - reach * along.se,
        high=sign * along.mean + reach * along.se,
        unpublished=np.array(
            [np.sum(1 / normal_cdf(a + b / s) - 1) for a, b in zip(path0, path1, strict=True)]
        ),
        p_residual=along.p_residual,
    )
    shape = (len(g1), len(g0))
    good = np.flatnonzero(path.p_residual > alpha)
    first = int(good[0]) if len(good) else -1
    return CopasFit(
        effects=effects,
        gamma0=g0,
        gamma1=g1,
        estimate=sign * grid.mean.reshape(shape),
        se=grid.se.reshape(shape),
        tau2=grid.tau2.reshape(shape),
        rho=grid.rho.reshape(shape),
        loglik=grid.loglik.reshape(shape),
        published=np.asarray(normal_cdf(inner + outer / s.max())).reshape(shape),
        p_residual=grid.p_residual.reshape(shape),
        path=path,
        unadjusted=Interval(mean, mean - reach * se, mean + reach * se),
        adjusted=Interval(*(float(x[first]) for x in (path.estimate, path.low, path.high)))
        if first >= 0
        else None,
        level=taken.level,
        notes=_notes(effects, along),
    )


def _line(s: np.ndarray, published: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """gamma0, gamma1 with the chance SURE for the smallest s and `published` for the largest."""
    top, low = float(normal_ppf(SURE)), np.asarray(normal_ppf(published))
    top = np.maximum(top, low)
    gamma1 = (top - low) / (1 / s.min() - 1 / s.max())
    return low - gamma1 / s.max(), gamma1


def _fit(y: np.ndarray, s: np.ndarray, u: np.ndarray) -> _Lanes:
    """Maxima for every row of u (F, K), with and without a slope on s."""
    constant = np.ones((len(y), 1))
    mean = _maxima(Copas(y, s, constant, u))
    slope = _maxima(Copas(y, s, np.column_stack([constant, s]), u))
    lr = np.maximum(0.0, 2 * (slope[1] - mean[1]))
    theta = mean[0]
    return _Lanes(theta[:, 0], mean[2], theta[:, 1], theta[:, 2], mean[1], np.asarray(chi2_sf(lr, 1)))


def _maxima(model: Copas) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """theta (F, P), log-likelihood (F,) and standard error (F,) of the first coefficient, the best of three starts."""
    f, p = len(model.u), model.x.shape[1]
    plain = fit_batch(model.y, model.s**2, None if p == 1 else model.x, method="ML")
    base = np.concatenate(
        [plain.coefficients[0], [max(float(plain.tau2[0]), 0.1 * float(np.median(model.s**2))), 0.0]]
    )
    best = np.full(f, -np.inf)
    theta, se = np.tile(base, (f, 1)), np.full(f, np.nan)
    lower = np.tile([*([-np.inf] * p), 0.0, 0.0], (f, 1))
    upper = np.tile([*([np.inf] * p), np.inf, RHO], (f, 1))
    for rho in (0.5, 0.1, 0.9):
        start = np.tile(base, (f, 1))
        start[:, p + 1] = rho
        found = climb(lambda lanes, t: evaluate_copas(model, lanes, t), start, lower, upper)
        better = np.where(np.isfinite(found.loglik), found.loglik, -np.inf) > best
        best[better], theta[better] = found.loglik[better], found.theta[better]
        se[better] = _errors(found.hessian, found.free)[better]
    return theta, best, se


def _errors(hessian: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(F,) of the first parameter, those at a bound held; NaN where the curvature is not that of a maximum."""
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, -hessian, np.eye(hessian.shape[1]))
    values, vectors = np.linalg.eigh(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (vectors[:, 0, :] ** 2 / values).sum(axis=1)
        return np.asarray(np.where((values > 0).all(axis=1), np.sqrt(np.maximum(variance, 0)), np.nan))


def _notes(effects: Effects, along: _Lanes) -> tuple[Note, ...]:
    notes = []
    if np.any(np.abs(along.rho) >= RHO):
        notes.append(
            Note(
                "rho-at-limit",
                "info",
                "At some points of the path rho lies at its limit; limits there hold it fixed.",
            )
        )
    if effects.n_studies < effects.k:
        notes.append(
            Note("dependent-effects", "warning", "Several effects of a study are counted as independent.")
        )
    if effects.k < 10:
        notes.append(Note("few-effects", "warning", f"{effects.k} effects say little about selection."))
    return tuple(notes)
