"""Tests of heterogeneity and the variance that moderators account for.

Source: Cochran (1954), Biometrics 10:101 (Q); Raudenbush (2009), in The Handbook of Research Synthesis (R^2).
"""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_sf
from ..base.errors import InputError
from ..likelihood.batch_fit import BatchFit
from ..records import Fit, Heterogeneity, TestResult
from .one_each import refuse_dependence


def heterogeneity_of(batch: BatchFit, *, null: BatchFit | None = None, row: int = 0) -> Heterogeneity:
    """Q, I^2, H^2 of one analysis; R^2 if `null` is the same analysis without moderators."""
    df = int(batch.df[row])
    q = float(batch.q[row]) if df > 0 else 0.0
    i2 = float(batch.i2[row])
    return Heterogeneity(
        q=q,
        df=df,
        p_value=float(chi2_sf(q, df)) if df > 0 else float("nan"),
        i2=i2,
        h2=float(batch.h2[row]),
        i2_by={"row": i2},
        typical_variance=float(batch.typical_variance[row]),
        r2=float("nan") if null is None else _r_squared(batch, null, row),
    )


def _r_squared(batch: BatchFit, null: BatchFit, row: int) -> float:
    """100 (tau0^2 - tau^2) / tau0^2, not below 0 (0 / 0 = 0); for equal effects the same of Q / df.

    NaN where there are as many coefficients as effects: nothing is left to be explained or not.
    """
    if batch.df[row] <= 0:
        return float("nan")
    full, base = float(batch.tau2[row]), float(null.tau2[row])
    if np.isnan(batch.tau2_se[row]) and full == base == 0:
        full, base = float(batch.q[row] / batch.df[row]), float(null.q[row] / null.df[row])
    return max(0.0, 100.0 * (base - full) / base) if base > 0 else 0.0


def heteroscedasticity_test(fit: Fit) -> TestResult:
    """Score test that tau^2 is the same in all studies, against one tau^2 for each: chi2(k - p).

    With score u_i = ((Py)_i^2 - P_ii) / 2 and information P_ij^2 / 2 (ML: 1/(v_i + tau^2) for P_ii and its square on
    the diagonal) the statistic is u' I^-1 u.

    Raises InputError ``one-effect-per-study`` for a fit with other random terms than one tau^2, ``no-residual-df``
    where the residuals have fewer distinct squares and products than there are effects.

    Source: score statistic of Harville's (1977) restricted likelihood; Viechtbauer & Lopez-Lopez (2022), Res Synth
    Methods 13:697 (testing a location-scale model).
    """
    v, x = fit.effects.v, fit.design.matrix
    refuse_dependence(fit, "The test")
    if fit.scale is not None:
        raise InputError("The test needs a model with a single tau^2.", code="one-effect-per-study")
    df_left = len(v) - x.shape[1]
    if len(v) < 2 or (fit.spec.method != "ML" and df_left * (df_left + 1) < 2 * len(v)):
        raise InputError(
            f"{len(v)} effects and {x.shape[1]} coefficients leave too little to compare variances.",
            code="no-residual-df",
        )
    # every row is in units of its own standard deviation, in which w_i and w_j cancel from u' I^-1 u
    root = 1 / np.sqrt(v + fit.components.total)
    square = (root * (fit.effects.y - x @ fit.coefficients.estimate)) ** 2
    if fit.spec.method == "ML":
        score, information = (square - 1) / 2, np.eye(len(v)) / 2
    else:
        basis, _ = np.linalg.qr(root[:, None] * x)
        left = np.eye(len(v)) - basis @ basis.T
        score, information = (square - np.diagonal(left)) / 2, left**2 / 2
    statistic = float(score @ np.linalg.solve(information, score))
    df = len(v) - 1
    return TestResult("same tau^2 in all studies", statistic, df, float("inf"), float(chi2_sf(statistic, df)))
