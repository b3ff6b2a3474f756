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
from .setup import Source, check_effects, dependence_notes, source_of

GAMMA0 = tuple(float(x) for x in np.linspace(-2, 2, 13))
POINTS = 13
SURE = 0.99  # chance of publication of the most precise study along the path
PUBLISHED = (0.999, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
RHO = 0.9999
# starts of a search: rho, standard errors by which the coefficients are moved, heterogeneity added in median variances
STARTS = (
    (0.5, 0.0, 0.1),
    (0.1, 0.0, 0.0),
    (0.9, 0.0, 0.1),
    (0.99, -2.0, 0.0),
    (0.99, 2.0, 0.0),
    (0.9, -4.0, 1.0),
    (0.999, -0.5, 0.0),
    (0.5, -2.0, 0.3),
)
SWEEPS, GAIN = 12, 1e-9


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
    s = _spread(taken)
    g0 = np.asarray(gamma0, dtype=float)
    g1 = np.linspace(0, s.max(), POINTS) if gamma1 is None else np.asarray(gamma1, dtype=float)
    inner, outer = (grid.ravel() for grid in np.meshgrid(g0, g1))
    plain = fit_batch(effects.y, effects.v, method="ML")
    mean, se = float(plain.coefficients[0, 0]), float(np.sqrt(plain.covariance[0, 0, 0]))
    sign = {"greater": 1.0, "less": -1.0, "auto": 1.0 if mean >= 0 else -1.0}[alternative]
    reach = float(normal_isf((1 - taken.level) / 2))
    with one_blas_thread():
        grid = _fit(sign * effects.y, s, inner[:, None] + outer[:, None] / s)
        path, at_limit = _path(sign, effects.y, s, reach)
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
        notes=_notes(effects, at_limit),
    )


def _spread(taken: Source) -> np.ndarray:
    """(k,) standard errors, or the reason why selection by precision cannot be seen."""
    if taken.design.matrix.shape[1] > 1:
        raise InputError("The Copas model is defined for a pooled mean.", code="moderators")
    check_effects(taken.effects, taken.design)
    s = np.asarray(np.sqrt(taken.effects.v))
    if len(s) < 3:
        raise InputError("The Copas model needs at least 3 effects.", code="too-few-effects")
    if s.max() < 1.05 * s.min():
        raise InputError(
            "All studies are equally precise, so selection by precision is not visible.", code="no-spread"
        )
    return s


def _path(sign: float, y: np.ndarray, s: np.ndarray, reach: float) -> tuple[CopasPath, bool]:
    """Results from no to severe selection, and whether rho lies at its limit somewhere."""
    published = np.array(PUBLISHED)
    gamma0, gamma1 = _line(s, published)
    u = gamma0[:, None] + gamma1[:, None] / s
    along = _fit(sign * y, s, u)
    path = CopasPath(
        published=published,
        estimate=sign * along.mean,
        low=sign * along.mean - reach * along.se,
        high=sign * along.mean + reach * along.se,
        unpublished=np.sum(1 / normal_cdf(u) - 1, axis=1),
        p_residual=along.p_residual,
    )
    return path, bool(np.any(along.rho >= RHO))


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
    """theta (F, P), log-likelihood (F,) and standard error (F,) of the first coefficient.

    The likelihood has several maxima where selection is severe: climbs from `STARTS`, then from what the neighbouring
    points have found, until no point gains.
    """
    f, p = len(model.u), model.x.shape[1]
    plain = fit_batch(model.y, model.s**2, None if p == 1 else model.x, method="ML")
    unit, errors = float(np.median(model.s)), np.sqrt(np.diagonal(plain.covariance[0]))
    best = _Best(np.zeros((f, p + 2)), np.full(f, -np.inf), np.full(f, np.nan))
    every = np.arange(f)
    for rho, shift, spread in STARTS:
        start = np.concatenate(
            [plain.coefficients[0] + shift * errors, [float(plain.tau2[0]) + spread * unit**2, rho]]
        )
        best.climb(model, every, np.tile(start, (f, 1)))
    gained = every
    for _ in range(SWEEPS):
        # each point tries what its neighbours have, where these have changed
        tried = [(gained + step, gained) for step in (1, -1)]
        found = [
            best.climb(model, to[ok], best.theta[of[ok]])
            for to, of in tried
            if (ok := (to >= 0) & (to < f)).any()
        ]
        gained = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.intp)
        if not len(gained):
            break
    return best.theta, best.loglik, best.se


@dataclass(frozen=True, eq=False)
class _Best:
    """The best maximum so far at each of F points: theta (F, P), loglik (F,), se (F,); filled in place."""

    theta: np.ndarray
    loglik: np.ndarray
    se: np.ndarray

    def climb(self, model: Copas, lanes: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Climb at the points `lanes` (n,) from `start` (n, P); returns the points that gained."""
        p = model.x.shape[1]
        lower = np.tile([*([-np.inf] * p), 0.0, 0.0], (len(lanes), 1))
        upper = np.tile([*([np.inf] * p), np.inf, RHO], (len(lanes), 1))
        found = climb(lambda i, t: evaluate_copas(model, lanes[i], t), start, lower, upper)
        reached = np.where(np.isfinite(found.loglik), found.loglik, -np.inf)
        better = reached > self.loglik[lanes] + GAIN
        rows = lanes[better]
        self.loglik[rows], self.theta[rows] = reached[better], found.theta[better]
        self.se[rows] = _errors(found.hessian, found.free)[better]
        return np.asarray(rows)


def _errors(hessian: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(F,) of the first parameter, those at a bound held; NaN where the curvature is not that of a maximum."""
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, -hessian, np.eye(hessian.shape[1]))
    values, vectors = np.linalg.eigh(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (vectors[:, 0, :] ** 2 / values).sum(axis=1)
        return np.asarray(np.where((values > 0).all(axis=1), np.sqrt(np.maximum(variance, 0)), np.nan))


def _notes(effects: Effects, at_limit: bool) -> tuple[Note, ...]:
    notes = []
    if at_limit:
        notes.append(
            Note(
                "rho-at-limit",
                "info",
                "At some points of the path rho lies at its limit; limits there hold it fixed.",
            )
        )
    notes += dependence_notes(effects)
    if effects.k < 10:
        notes.append(Note("few-effects", "warning", f"{effects.k} effects say little about selection."))
    return tuple(notes)
