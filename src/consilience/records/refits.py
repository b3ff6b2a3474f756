"""Many fits of one model as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
