"""Predicted mean effects with confidence and prediction intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..base.distributions import t_isf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..data.formula_rows import design_rows, table_columns
from ..inference.robust import CORRECTIONS, robust_covariance, satterthwaite
from ..inference.working import working_of
from ..records import Fit, Prediction
from .new_variance import new_variance

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
Target = Literal["effect", "study"]
TARGETS: dict[str, str] = {"effect": "new effect in a new study", "study": "mean of a new study"}


def predict(
    fit: Fit,
    x: Any = None,
    *,
    interval: Convention = "coefficient",
    new: Target = "effect",
    levels: Mapping[str, Any] | None = None,
    scale: np.ndarray | None = None,
) -> Prediction:
    """Mean effect at moderator values x, with CI, and PI for what is `new`: se^2 + the variance between such effects.

    Parameters
    ----------
    x : the moderators by name (a dataframe, or name -> value or m values), which go through the formula of the design with
        the knots, centres and levels of the fit; or (m, p) rows in the order of the fit's coefficients; None = the
        distinct rows of the fit's own design.
    interval : which degrees of freedom the prediction interval has; the result's `pi_method` says it in words.
    new : ``"effect"`` = a single true effect in a new study; ``"study"`` = the true mean of a new study, without the variance
        between the effects within a study.
    levels : inner factor of a term such as ``Inner("outcome", "study", "UN")`` -> level, or m levels, whose own variance
        the interval has; taken from x where it holds that column. Without it the variance is averaged.
    scale : (m, q) rows, or (q,) for all, of the design of the scale of a location-scale model; None = an average tau^2 with
        given x, else that of each distinct row.

    Raises
    ------
    InputError ``shape``, ``unknown-level``, ``no-scale``, and those of `data.formula_rows.design_rows`; OptionError for an unknown choice.

    Source: Higgins, Thompson & Spiegelhalter (2009), J R Stat Soc A 172:137; Riley, Higgins & Deeks (2011).
    """
    choose(interval, CONVENTIONS, what="prediction interval")
    choose(new, TARGETS, what="target of a prediction")
    if x is None and scale is None and fit.spec.scale is not None:
        both = np.unique(np.column_stack([fit.design.matrix, fit.spec.scale.matrix]), axis=0)
        x, scale = np.hsplit(both, [fit.design.matrix.shape[1]])
    rows, table = _rows(fit, x)
    coefficients = fit.coefficients
    estimate = rows @ coefficients.estimate
    if coefficients.root is not None:
        se = np.linalg.norm(rows @ coefficients.root, axis=1)
    else:
        variance = np.einsum("mi,ij,mj->m", rows, coefficients.covariance, rows)
        se = np.sqrt(np.maximum(variance, 0.0))
    df = _degrees(fit, rows)
    between, averaged = new_variance(fit, rows, table | dict(levels or {}), new=new, scale=scale)
    tail = (1 - coefficients.level) / 2
    with np.errstate(invalid="ignore"):
        half = t_isf(tail, df) * se
        df_pi = _prediction_df(fit, interval, df)
        known = interval == "tau-only"
        wide = t_isf(tail, df_pi) * np.hypot(0.0 if known else se, np.sqrt(between))
    words = TARGETS[new] + (" (variance averaged over the effects)" if averaged else "")
    return Prediction(
        estimate=estimate,
        se=se,
        df=df,
        ci_low=estimate - half,
        ci_high=estimate + half,
        pi_low=estimate - wide,
        pi_high=estimate + wide,
        level=coefficients.level,
        pi_method=f"{words}, {CONVENTIONS[interval]}",
    )


def _rows(fit: Fit, x: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Rows (m, p) of the design, and the columns of x where it is a table."""
    if x is None:
        return np.unique(fit.design.matrix, axis=0), {}
    if not isinstance(x, (np.ndarray, list, tuple)):
        table = table_columns(x)
        return design_rows(fit.design, table), dict(table)
    rows = np.atleast_2d(np.asarray(x, dtype=float))
    p = len(fit.coefficients.names)
    if rows.ndim != 2 or rows.shape[1] != p or not np.isfinite(rows).all():
        raise InputError(
            f"Moderator values have shape {np.shape(x)}; needed are finite rows of {p}: "
            f"{', '.join(fit.coefficients.names)}.",
            code="shape",
        )
    return rows, {}


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
