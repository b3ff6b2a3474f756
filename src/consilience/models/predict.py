"""Predicted mean effects with confidence and prediction intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..base.distributions import t_isf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..data.formula import new_rows
from ..inference.robust import CORRECTIONS, robust_covariance, satterthwaite
from ..inference.working import working_of
from ..records import Fit, Intercept, Known, Prediction

Convention = Literal["coefficient", "normal", "k-p", "k-p-1", "m-1", "m-2", "tau-only"]
CONVENTIONS: dict[str, str] = {
    "coefficient": "t with the degrees of freedom of the predicted mean",
    "normal": "normal",
    "k-p": "t with k - p degrees of freedom (k effects, p coefficients)",
    "k-p-1": "t with k - p - 1 degrees of freedom (k effects, p coefficients; Riley, Higgins & Deeks 2011)",
    "m-1": "t with m - 1 degrees of freedom (m clusters)",
    "m-2": "t with m - 2 degrees of freedom (m clusters)",
    "tau-only": "normal, as if the mean were known without error",
}


def predict(
    fit: Fit,
    x: np.ndarray | Mapping[str, Any] | None = None,
    *,
    z: np.ndarray | None = None,
    interval: Convention = "coefficient",
) -> Prediction:
    """Mean effect at moderator values x, with CI, and PI for a new effect in a new study: se^2 + total tau^2.

    Parameters
    ----------
    x : (m, p) rows in the order of the fit's coefficients; or, where the design came from a formula, new values of its
        columns, such as ``{"weeks": [4, 12, 26], "class": "cbt"}``: knots, means and levels stay those of the fit; None = the distinct rows of the fit's own design.
    z : (m, q) or (q,) values of the scale moderators of a location-scale model, which give each prediction interval its
        own tau^2; None = an average tau^2 with given x, else that of each distinct row.
    interval : which degrees of freedom the prediction interval has; the result's `pi_method` says it in words.

    Raises
    ------
    InputError ``shape`` and those of `data.formula.new_rows`; OptionError for an unknown convention.

    Source: Higgins, Thompson & Spiegelhalter (2009), J R Stat Soc A 172:137; Riley, Higgins & Deeks (2011).
    """
    choose(interval, CONVENTIONS, what="prediction interval")
    rows, tau2 = _rows_and_variance(fit, x, z)
    coefficients = fit.coefficients
    estimate = rows @ coefficients.estimate
    if coefficients.root is not None:
        se = np.linalg.norm(rows @ coefficients.root, axis=1)
    else:
        variance = np.einsum("mi,ij,mj->m", rows, coefficients.covariance, rows)
        se = np.sqrt(np.maximum(variance, 0.0))
    df = _degrees(fit, rows)
    tail = (1 - coefficients.level) / 2
    with np.errstate(invalid="ignore"):
        half = t_isf(tail, df) * se
        df_pi = _prediction_df(fit, interval, df)
        known = interval == "tau-only"
        wide = t_isf(tail, df_pi) * np.hypot(0.0 if known else se, np.sqrt(tau2))
    return Prediction(
        estimate=estimate,
        se=se,
        df=df,
        ci_low=estimate - half,
        ci_high=estimate + half,
        pi_low=estimate - wide,
        pi_high=estimate + wide,
        level=coefficients.level,
        pi_method=f"{_new_effect(fit, own=np.ndim(tau2) > 0)}, {CONVENTIONS[interval]}",
    )


def _rows_and_variance(
    fit: Fit, x: np.ndarray | Mapping[str, Any] | None, z: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | float]:
    """Moderator values (m, p) and the variance of a true effect at each, (m,) or one for all."""
    scale, found = fit.spec.scale, fit.scale
    if scale is None or found is None:
        if z is not None:
            raise InputError("Only a location-scale model has scale moderators.", code="no-scale")
        return _rows(fit, x), fit.components.total
    if x is None and z is None:
        both = np.unique(np.column_stack([fit.design.matrix, scale.matrix]), axis=0)
        p = fit.design.matrix.shape[1]
        x, z = both[:, :p], both[:, p:]
    rows = _rows(fit, x)
    if z is None:
        return rows, fit.components.total
    values = np.atleast_2d(np.asarray(z, dtype=float))
    if values.ndim != 2 or values.shape[1] != len(found.names) or len(values) not in (1, len(rows)):
        raise InputError(
            f"Scale moderators have shape {np.shape(z)}; needed are {len(rows)} rows (or one for all) of "
            f"{len(found.names)}: {', '.join(found.names)}.",
            code="shape",
        )
    eta = np.broadcast_to(values @ found.estimate, (len(rows),))
    return rows, np.exp(eta) if scale.link == "log" else np.maximum(eta, 0.0)


def _new_effect(fit: Fit, *, own: bool) -> str:
    """What the prediction interval is about; with unequal variances the total one is an average."""
    same = own or (
        all(isinstance(term, (Intercept, Known)) for term in fit.spec.terms) and fit.spec.scale is None
    )
    return (
        "new effect in a new study"
        if same
        else "new effect in a new study (variance averaged over the effects)"
    )


def _rows(fit: Fit, x: np.ndarray | Mapping[str, Any] | None) -> np.ndarray:
    if x is None:
        return np.unique(fit.design.matrix, axis=0)
    if isinstance(x, Mapping):
        return new_rows(fit.design, x)
    rows = np.atleast_2d(np.asarray(x, dtype=float))
    p = len(fit.coefficients.names)
    if rows.ndim != 2 or rows.shape[1] != p or not np.isfinite(rows).all():
        raise InputError(
            f"Moderator values have shape {np.shape(x)}; needed are finite rows of {p}: "
            f"{', '.join(fit.coefficients.names)}.",
            code="shape",
        )
    return rows


def _degrees(fit: Fit, rows: np.ndarray) -> np.ndarray:
    """(m,) degrees of freedom of each predicted mean."""
    df = fit.coefficients.df
    if fit.spec.test not in CORRECTIONS or np.all(np.isinf(df)):
        return np.full(len(rows), df[0])
    single = np.count_nonzero(rows, axis=1) == 1
    result = np.where(single, df[np.argmax(rows != 0, axis=1)], np.nan)
    if not single.all():
        with one_blas_thread():
            robust = robust_covariance(working_of(fit), fit.spec.test)
            result[~single] = satterthwaite(robust, rows[~single])
    return result


def _prediction_df(fit: Fit, interval: Convention, df: np.ndarray) -> np.ndarray:
    k, p = fit.design.matrix.shape
    m = len(set(fit.effects[fit.spec.cluster].tolist()))
    given = {
        "normal": np.inf,
        "tau-only": np.inf,
        "k-p": k - p,
        "k-p-1": k - p - 1,
        "m-1": m - 1,
        "m-2": m - 2,
    }
    if interval == "coefficient":
        return df
    return np.full(len(df), given[interval] if given[interval] > 0 else np.nan)
