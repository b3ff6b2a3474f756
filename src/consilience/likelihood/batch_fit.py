"""What follows from tau^2 in many univariate analyses at once, each part computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .basis import once
from .moments import MOMENTS
from .prepare import Prepared
from .weighted import At, sandwich_root

LOG_2PI = float(np.log(2 * np.pi))
Parts = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Solution:
    """tau^2 (F,) of a prepared problem, in its units, and how it was found.

    weights : (K, F) of the studies in the coefficients, or None; steps, maxima : (F,).
    """

    prepared: Prepared
    method: str
    weights: np.ndarray | None
    tau2: np.ndarray
    steps: np.ndarray
    maxima: np.ndarray

    @once
    def at(self) -> At:
        """At weights 1/(v + tau2)."""
        return self.prepared.problem.at(self.tau2)

    @once
    def used(self) -> At:
        """At the weights of the coefficients."""
        return self.at if self.weights is None else self.prepared.problem.weighted(self.weights)

    @once
    def plain(self) -> At:
        """At weights 1/v."""
        problem = self.prepared.problem
        return problem.at(np.zeros(problem.n))


class BatchFit:
    """Estimates of F analyses with p coefficients; NaN where `ok` is False.

    ok : (F,) the analysis has at least as many studies as coefficients, and independent columns.
    k, df : (F,) studies present and k - p.
    tau2, tau2_se : (F,) squared scale of the effects; se NaN where the estimator has none.
    coefficients : (F, p); covariance : (F, p, p), model-based, of the estimator that was used; root : (F, p, p) with
        covariance = root root', which keeps twice the digits where moderators are nearly collinear.
    q : (F,) Cochran's Q of the residuals (weights 1/v); q_tau : (F,) y'Py at W = 1/(v + tau2), whatever the weights
        of the coefficients.
    typical_variance, i2, h2 : (F,) Higgins & Thompson (2002), eq. 9; I^2 in percent.
    loglik_ml, loglik_reml : (F,) log-likelihoods at tau2 and these coefficients.
    saturated : (F,) log-likelihood of a coefficient per study and tau2 = 0 (for the deviance).
    score : (F,) log of y'PPy / tr P (ML: / sum w) at tau2: zero at an interior optimum, negative at tau2 = 0.
    slope, curvature : (F,) derivative of the log-likelihood in tau2 in units of its standard deviation, and the negative
        second derivative as a share of its expectation.
    steps, maxima : (F,) Newton steps and local maxima compared.
    """

    ok: np.ndarray
    k: np.ndarray
    df: np.ndarray
    tau2: np.ndarray
    tau2_se: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    root: np.ndarray
    q: np.ndarray
    q_tau: np.ndarray
    typical_variance: np.ndarray
    i2: np.ndarray
    h2: np.ndarray
    loglik_ml: np.ndarray
    loglik_reml: np.ndarray
    saturated: np.ndarray
    score: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    steps: np.ndarray
    maxima: np.ndarray

    def __init__(self, solution: Solution) -> None:
        self._solution = solution
        self.ok = solution.prepared.ok
        self._all = bool(self.ok.all())

    def __getattr__(self, name: str) -> np.ndarray:
        if name not in PARTS:
            raise AttributeError(name)
        for key, value in PARTS[name](self._solution).items():
            self.__dict__[key] = value if self._all else self._spread(value)
        return np.asarray(self.__dict__[name])

    def _spread(self, value: np.ndarray) -> np.ndarray:
        """Rows of the analyses that could be fitted among all; NaN (0 for counts) elsewhere."""
        missing = 0 if value.dtype.kind == "i" else np.nan
        full = np.full((len(self.ok), *value.shape[1:]), missing, dtype=value.dtype)
        full[self.ok] = value
        return full


def _counts(s: Solution) -> Parts:
    problem = s.prepared.problem
    return {"k": problem.k, "df": problem.k - problem.p, "steps": s.steps, "maxima": s.maxima}


def _tau2(s: Solution) -> Parts:
    return {"tau2": np.ldexp(s.tau2, 2 * s.prepared.exponent)}


def _tau2_se(s: Solution) -> Parts:
    problem = s.prepared.problem
    se = np.full(problem.n, np.nan)
    rows = np.flatnonzero(problem.k > problem.p)
    if s.method != "EE" and len(rows):
        if s.method in MOMENTS:
            part = problem if len(rows) == problem.n else problem.take(rows)
            given = s.weights if s.weights is None else s.weights[:, rows]
            se[rows] = MOMENTS[s.method].se(part, given, s.tau2[rows])
        else:
            information = s.at.trace2 if s.method == "REML" else s.at.w2_sum
            se[rows] = np.sqrt(2 / information[rows])
    return {"tau2_se": np.ldexp(se, 2 * s.prepared.exponent)}


def _coefficients(s: Solution) -> Parts:
    problem, root = s.prepared.problem, s.used.root
    if s.weights is not None:
        root = sandwich_root(s.used, np.where(np.isinf(problem.v), 0.0, problem.v + s.tau2))
    root = s.prepared.root(root)
    return {
        "coefficients": s.prepared.coefficients(s.used.coefficients),
        "covariance": root @ np.swapaxes(root, -1, -2),
        "root": root,
        "q_tau": s.at.rss,
    }


def _heterogeneity(s: Solution) -> Parts:
    """I^2 (percent) and H^2: from tau2 and the typical variance, for equal effects from Q and its df."""
    problem, tau2, q = s.prepared.problem, s.tau2, s.plain.rss
    df = problem.k - problem.p
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.where(df > 0, df / s.plain.trace, np.nan)
        if s.method == "EE":
            i2, h2 = np.where(q > df, 100 * (q - df) / q, 0.0 * q), np.where(df > 0, q / df, np.nan)
        else:
            i2, h2 = 100 * tau2 / (tau2 + typical), 1 + tau2 / typical
    return {"q": q, "typical_variance": np.ldexp(typical, 2 * s.prepared.exponent), "i2": i2, "h2": h2}


def _score(s: Solution) -> Parts:
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"score": np.log(s.at.square / (s.at.w_sum if s.method == "ML" else s.at.trace))}


def _surface(s: Solution) -> Parts:
    """With -d2l = y'PPPy - 1/2 tr PP, and 1/2 tr PP expected (ML: sums of w and w^2 in place of the traces)."""
    one, two = (s.at.w_sum, s.at.w2_sum) if s.method == "ML" else (s.at.trace, s.at.trace2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"slope": (s.at.square - one) / np.sqrt(2 * two), "curvature": 2 * s.at.cube / two - 1.0}


def _log_likelihoods(s: Solution) -> Parts:
    """ML, REML and saturated log-likelihoods (F,) with all constants.

    REML counts log |X'X| / 2, so that it does not depend on the coding of the moderators (Harville 1977).
    """
    problem = s.prepared.problem
    present = np.isfinite(problem.v)
    rss = s.at.rss
    if s.weights is not None:
        rss = (s.at.w * problem.residual(s.used.coefficients) ** 2).sum(axis=0)
    unit = LOG_2PI + 2 * s.prepared.exponent * np.log(2.0)  # of one study, in the units given
    whole = bool(present.all())
    logs = np.log(problem.v + s.tau2 if whole else np.where(present, problem.v + s.tau2, 1.0)).sum(axis=0)
    ml = rss + logs + problem.k * unit
    if problem.x is None:
        design = np.log(problem.k)
    elif whole or len(s.prepared.back) > 1:
        design = 0.0  # the basis is orthonormal over the studies present
    else:
        design = problem.weighted(present.astype(float)).logdet
    reml = ml - problem.p * unit + s.at.logdet - design
    saturated = (
        np.log(problem.v if whole else np.where(present, problem.v, 1.0)).sum(axis=0) + problem.k * unit
    )
    return {"loglik_ml": -0.5 * ml, "loglik_reml": -0.5 * reml, "saturated": -0.5 * saturated}


PARTS: dict[str, Callable[[Solution], Parts]] = {
    **dict.fromkeys(("k", "df", "steps", "maxima"), _counts),
    "tau2": _tau2,
    "tau2_se": _tau2_se,
    **dict.fromkeys(("coefficients", "covariance", "root", "q_tau"), _coefficients),
    **dict.fromkeys(("q", "typical_variance", "i2", "h2"), _heterogeneity),
    "score": _score,
    **dict.fromkeys(("slope", "curvature"), _surface),
    **dict.fromkeys(("loglik_ml", "loglik_reml", "saturated"), _log_likelihoods),
}
