"""One model, many data sets: rows left out, other effects, other designs, all in one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from ..inference.knapp_hartung import wald
from ..likelihood.batch import fit_batch
from ..likelihood.batch_fit import BatchFit
from ..records import Design, Effects, Fit, Intercept, Spec
from .fit import fit as fit_one
from .univariate import is_univariate, weights_of_spec


@dataclass(frozen=True, eq=False)
class Refits:
    """F refits of a model with p coefficients and q variance parameters; NaN where `ok` is False.

    ok, k : (F,) could it be fitted; number of effects in it.
    estimate, se, df, statistic, p_value, ci_low, ci_high : (F, p) by the test and level of the original.
    covariance : (F, p, p) that the standard errors come from.
    theta : (F, q) as in `Components.theta`; tau2 : (F,) total variance of a true effect (`Components.total`).
    loglik, q, i2, h2 : (F,) log-likelihood of the method, Cochran's Q of the residuals, I^2 (percent), H^2.
    """

    ok: np.ndarray
    k: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    covariance: np.ndarray
    theta: np.ndarray
    tau2: np.ndarray
    loglik: np.ndarray
    q: np.ndarray
    i2: np.ndarray
    h2: np.ndarray


def refit_many(
    fit: Fit,
    *,
    keep: np.ndarray | None = None,
    y: np.ndarray | None = None,
    x: np.ndarray | None = None,
    safe: bool = True,
) -> Refits:
    """The model of `fit` on F data sets that differ in the rows kept, in the effects or in the design.

    Parameters
    ----------
    keep : (F, k) bool, rows of each data set; None = all.
    y : (F, k) effects instead of the observed ones; None = observed.
    x : (F, k, p) or (k, p) design instead of the fit's; None = the fit's.
    safe : the highest likelihood is searched for each; False = local search from the fit's variances, faster.

    A data set that cannot be fitted (too few rows, columns that became dependent) has ``ok`` False; nothing is raised.
    """
    shapes = [len(a) for a in (keep, y) if a is not None] + (
        [len(x)] if x is not None and x.ndim == 3 else []
    )
    n = max(shapes, default=1)
    k = fit.effects.k
    kept = np.broadcast_to(True if keep is None else np.asarray(keep, dtype=bool), (n, k))
    effects = np.broadcast_to(fit.effects.y if y is None else np.asarray(y, dtype=float), (n, k))
    design = fit.design.matrix if x is None else np.asarray(x, dtype=float)
    if is_univariate(fit.effects, fit.spec) and fit.spec.scale is None:
        return _univariate(fit, kept, effects, design)
    return _one_by_one(fit, kept, effects, np.broadcast_to(design, (n, *design.shape[-2:])), safe=safe)


def univariate_batch(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray) -> BatchFit:
    """A univariate model on F data sets, as `refit_many` says; whatever of them is asked for is computed then."""
    spec = fit.spec
    common = x.ndim == 2 and x.shape[1] == 1 and bool((x == 1).all())
    given = spec.terms[0].variance if spec.terms and isinstance(spec.terms[0], Intercept) else None
    return fit_batch(
        y if keep.all() else np.where(keep, y, np.nan),
        fit.effects.v,
        None if common else x,
        method=spec.method if spec.terms else "EE",
        weights=weights_of_spec(fit.effects, spec),
        tau2=given,
    )


def _univariate(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray) -> Refits:
    spec = fit.spec
    batch = univariate_batch(fit, keep, y, x)
    found = wald(batch, test=spec.test, level=spec.level)
    p = batch.coefficients.shape[1]
    return Refits(
        ok=batch.ok,
        k=keep.sum(axis=1),
        estimate=batch.coefficients,
        se=found.se,
        df=np.repeat(found.df[:, None], p, axis=1),
        statistic=found.statistic,
        p_value=found.p_value,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        covariance=found.covariance,
        theta=batch.tau2[:, None][:, : len(spec.terms)],
        tau2=batch.tau2,
        loglik=batch.loglik_ml if not spec.terms or spec.method in ("ML", "EE") else batch.loglik_reml,
        q=batch.q,
        i2=batch.i2,
        h2=batch.h2,
    )


def _one_by_one(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray, *, safe: bool) -> Refits:
    """Any model, one data set at a time."""
    n, p, q = len(keep), x.shape[2], len(fit.components.theta)
    rows = {name: np.full((n, p), np.nan) for name in ("estimate", "se", "df", "statistic")}
    rows |= {name: np.full((n, p), np.nan) for name in ("p_value", "ci_low", "ci_high")}
    values = {name: np.full(n, np.nan) for name in ("tau2", "loglik", "q", "i2", "h2")}
    covariance, theta, ok = np.full((n, p, p), np.nan), np.full((n, q), np.nan), np.zeros(n, dtype=bool)
    for i in range(n):
        found = _attempt(fit, keep[i], y[i], x[i], safe=safe)
        if found is None:
            continue
        ok[i], theta[i], covariance[i] = True, found.components.theta, found.coefficients.covariance
        for name, column in rows.items():
            column[i] = getattr(found.coefficients, name)
        values["tau2"][i], values["loglik"][i] = found.components.total, found.loglik
        for name in ("q", "i2", "h2"):
            values[name][i] = getattr(found.heterogeneity, name)
    return Refits(ok=ok, k=keep.sum(axis=1), covariance=covariance, theta=theta, **rows, **values)


def _attempt(fit: Fit, keep: np.ndarray, y: np.ndarray, x: np.ndarray, *, safe: bool) -> Fit | None:
    if fit.spec.scale is not None:
        scale = replace(fit.spec.scale, matrix=fit.spec.scale.matrix[keep])
        spec: Spec = replace(fit.spec, scale=scale)
    else:
        spec = fit.spec
    effects: Effects = replace(fit.effects, y=y).take(keep)
    design = replace(fit.design, matrix=x[keep]) if x.shape[1] == len(fit.design.names) else _plain(x[keep])
    try:
        return fit_one(effects, spec, design=design, start=None if safe else fit)
    except InputError:
        return None


def _plain(x: np.ndarray) -> Design:
    return Design(x, tuple(f"x{j + 1}" for j in range(x.shape[1])))
