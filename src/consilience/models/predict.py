"""Predicted mean effects with confidence and prediction intervals."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..base.distributions import t_isf
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..inference.robust import CORRECTIONS, robust_covariance, satterthwaite
from ..inference.working import working_of
from ..records import Fit, Prediction
from .new_rows import design_rows, new_variance

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
New = Literal["effect", "study"]
NEW: dict[str, str] = {
    "effect": "new effect in a new study",
    "study": "mean of the effects of a new study",
}


def predict(
    fit: Fit,
    x: Any = None,
    *,
    z: np.ndarray | None = None,
    interval: Convention = "coefficient",
    of: New = "effect",
) -> Prediction:
    """Mean effect at moderator values x with its CI, and a prediction interval from se^2 + the variance of what is new.

    ``of="effect"``: the true effect of one new row in a new study, with the variances of all random terms.
    ``of="study"``: the mean of the true effects of a new study, without the terms that differ between the rows of a study.
    A term with a variance for each level (outcome, time) counts with that of the row's level, random slopes with the
    row's values z: z'Gz. Where the level is not known, the variance is averaged over the effects, and `pi_method` says so.

    Parameters
    ----------
    x : new values of the moderators as a dict of columns or a data frame, put through the formula of the fit's design
        (knots, centres and levels stay as they were), with columns for the levels of inner | outer terms and for random
        slopes where there are any; or (m, p) rows in the order of the fit's coefficients; None = the distinct rows of
        the fit's own design.
    z : (m, q) or (q,) values of the scale moderators of a location-scale model, which give each prediction interval its
        own tau^2; None = from the columns x through the formula of the scale (see `Scale.of`), an average tau^2 where x
        has not all of them, that of each distinct row without x.
    interval : which degrees of freedom the prediction interval has; the result's `pi_method` says it in words.

    Raises
    ------
    InputError ``shape``, ``no-scale``, ``unknown-column``, ``unknown-level`` and those of `data.formula.new_rows`;
    OptionError for an unknown convention.

    Source: Higgins, Thompson & Spiegelhalter (2009), J R Stat Soc A 172:137; Riley, Higgins & Deeks (2011).
    """
    choose(interval, CONVENTIONS, what="prediction interval")
    choose(of, NEW, what="prediction of a new")
    new = design_rows(fit, x, z)
    variance, averaged = new_variance(fit, new, within=of == "effect")
    rows, coefficients = new.rows, fit.coefficients
    estimate = rows @ coefficients.estimate
    se = _errors(fit, rows)
    df = _degrees(fit, rows)
    tail = (1 - coefficients.level) / 2
    with np.errstate(invalid="ignore"):
        half = t_isf(tail, df) * se
        df_pi = _prediction_df(fit, interval, df)
        known = interval == "tau-only"
        wide = t_isf(tail, df_pi) * np.hypot(0.0 if known else se, np.sqrt(variance))
    return Prediction(
        estimate=estimate,
        se=se,
        df=df,
        ci_low=estimate - half,
        ci_high=estimate + half,
        pi_low=estimate - wide,
        pi_high=estimate + wide,
        level=coefficients.level,
        pi_method=f"{NEW[of]}{' (variance averaged over the effects)' if averaged else ''}, {CONVENTIONS[interval]}",
        variance=variance,
    )


def _errors(fit: Fit, rows: np.ndarray) -> np.ndarray:
    """(m,) standard errors of the predicted means."""
    coefficients = fit.coefficients
    if coefficients.root is not None:
        return np.asarray(np.linalg.norm(rows @ coefficients.root, axis=1))
    variance = np.einsum("mi,ij,mj->m", rows, coefficients.covariance, rows)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


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
