"""Many univariate meta-analyses at once: F analyses of up to K studies, studies missing at will.

A single meta-analysis is F = 1 of the same code; leave-one-out, cumulative and subset analyses, permutations and
bootstraps are larger F. tau^2 by any estimator of `ESTIMATORS`; ML and REML by the global search of `search.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ..base.errors import InputError
from ..base.options import choose
from .moments import MOMENTS
from .prepare import Prepared, prepare
from .search import maximise
from .weighted import Problem, sandwich_root

LOG_2PI = float(np.log(2 * np.pi))
LOADED_PAYS, LOADING_PAYS = 500, 200_000  # analyses from which numba is worth calling, and importing
ESTIMATORS = ("EE", *MOMENTS, "ML", "REML")


@dataclass(frozen=True, eq=False)
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
    steps: np.ndarray
    maxima: np.ndarray


def fit_batch(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray | None = None,
    *,
    method: str = "REML",
    weights: np.ndarray | None = None,
    tau2: np.ndarray | float | None = None,
    engine: str = "auto",
) -> BatchFit:
    """Fit F univariate meta-analyses or meta-regressions.

    Parameters
    ----------
    y, v : (F, K) effects and sampling variances (one analysis may be (K,)); a study is missing where v is inf or
        either is NaN. v of (K,) is shared by all analyses: with y NaN where a study is left out, the faster way.
    x : (K, p) design shared by all, (F, K, p) one for each, or None for a common mean.
    method : one of `ESTIMATORS`; ``"EE"`` = equal effects, tau2 = 0.
    weights : (F, K) or (K,) weights of the studies in the coefficients (and in GENQ); None = 1/(v + tau2).
    tau2 : given value(s) instead of an estimate.
    engine : ``"numpy"``; ``"numba"`` (compiled search for ML and REML without moderators); ``"auto"`` = numba where
        it is installed and the batch is large enough to pay for loading it.

    Raises InputError as `prepare` does, and OptionError for an unknown `method`.
    """
    method = choose(method, ESTIMATORS, what="Estimator")
    y, v = np.atleast_2d(np.asarray(y, dtype=float)), np.asarray(v, dtype=float)
    v = v if len(y) > 1 else np.atleast_2d(v)
    if v.shape not in (y.shape, y.shape[1:]):
        raise InputError(f"Effects have shape {y.shape} but variances {v.shape}.", code="shape-mismatch")
    prepared = prepare(y, v, x)
    given = None if weights is None else _weights(prepared, np.broadcast_to(weights, y.shape))
    found, se, steps, maxima = _tau2(prepared, method, given, tau2=tau2, engine=engine)
    return _describe(prepared, found, se, (method, given, steps, maxima))


def _weights(prepared: Prepared, weights: np.ndarray) -> np.ndarray:
    given = np.where(np.isinf(prepared.problem.v), 0.0, prepared.arranged(np.asarray(weights, dtype=float)))
    if not (np.isfinite(given).all() and (given >= 0).all() and (given.sum(axis=0) > 0).all()):
        raise InputError("Weights must be finite, not negative and not all zero.", code="weights-not-valid")
    return np.asarray(given / given.max(axis=0))


def _tau2(
    prepared: Prepared,
    method: str,
    weights: np.ndarray | None,
    *,
    tau2: np.ndarray | float | None,
    engine: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """tau2, its standard error, steps and maxima of the prepared problem, all (F,)."""
    problem = prepared.problem
    n = problem.n
    found, se = np.zeros(n), np.full(n, np.nan)
    steps, maxima = np.zeros(n, dtype=np.intp), np.ones(n, dtype=np.intp)
    rows = np.flatnonzero(problem.k > problem.p)  # with no residual df, tau2 = 0 is the only answer
    if tau2 is not None:
        wanted = np.broadcast_to(np.asarray(tau2, dtype=float), prepared.ok.shape)[prepared.ok]
        found = np.ldexp(wanted, -2 * prepared.exponent)
    if method == "EE" or not len(rows):
        return found, se, steps, maxima
    part = problem if len(rows) == n else problem.take(rows)
    if method in ("ML", "REML"):
        if tau2 is None:
            search = _search(part, engine)
            found[rows], steps[rows], maxima[rows] = search(part, reml=method == "REML")
        at = part.at(found[rows])
        se[rows] = np.sqrt(2 / (at.trace2 if method == "REML" else at.w2_sum))
    else:
        rule, given = MOMENTS[method], weights if weights is None else weights[:, rows]
        if tau2 is None:
            found[rows], steps[rows] = rule.estimate(part, given)
        se[rows] = rule.se(part, given, found[rows])
    return found, se, steps, maxima


def _search(problem: Problem, engine: str) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The NumPy or the compiled search."""
    choose(engine, ("auto", "numpy", "numba"), what="Engine")
    if engine == "numpy" or problem.x is not None or problem.shared is not None:
        return maximise
    pays = problem.n >= (LOADED_PAYS if "numba" in sys.modules else LOADING_PAYS)
    if engine == "auto" and not (pays and find_spec("numba")):
        return maximise
    from .batch_numba import maximise_compiled

    return maximise_compiled


def _describe(
    prepared: Prepared,
    tau2: np.ndarray,
    se: np.ndarray,
    how: tuple[str, np.ndarray | None, np.ndarray, np.ndarray],
) -> BatchFit:
    """Everything that follows from tau2, in the units given."""
    method, weights, steps, maxima = how
    problem, ok, e = prepared.problem, prepared.ok, prepared.exponent
    at, plain = problem.at(tau2), problem.at(np.zeros(problem.n))
    used, root, rss = at, at.root, at.rss
    if weights is not None:
        used = problem.weighted(weights)
        root = sandwich_root(used, np.where(np.isinf(problem.v), 0.0, problem.v + tau2))
        rss = (at.w * problem.residual(used.coefficients) ** 2).sum(axis=0)
    root = prepared.root(root)
    df = problem.k - problem.p
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.where(df > 0, df / plain.trace, np.nan)
        score = np.log(at.square / (at.w_sum if method == "ML" else at.trace))
    i2, h2 = _shares(tau2, typical, plain.rss, df=df, equal=method == "EE")
    ml, reml, saturated = _log_likelihoods(prepared, tau2, rss, at.logdet)
    values = {
        "k": problem.k,
        "df": df,
        "tau2": np.ldexp(tau2, 2 * e),
        "tau2_se": np.ldexp(se, 2 * e),
        "coefficients": prepared.coefficients(used.coefficients),
        "covariance": root @ np.swapaxes(root, -1, -2),
        "root": root,
        "q": plain.rss,
        "q_tau": at.rss,
        "typical_variance": np.ldexp(typical, 2 * e),
        "i2": i2,
        "h2": h2,
        "loglik_ml": ml,
        "loglik_reml": reml,
        "saturated": saturated,
        "score": score,
        "steps": steps,
        "maxima": maxima,
    }
    if not ok.all():
        values = {name: _spread(ok, value) for name, value in values.items()}
    return BatchFit(ok=ok, **values)


def _spread(ok: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Rows of the analyses that could be fitted among all; NaN (0 for counts) elsewhere."""
    missing = 0 if value.dtype.kind == "i" else np.nan
    full = np.full((len(ok), *value.shape[1:]), missing, dtype=value.dtype)
    full[ok] = value
    return full


def _shares(
    tau2: np.ndarray, typical: np.ndarray, q: np.ndarray, *, df: np.ndarray, equal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """I^2 (percent) and H^2: from tau2 and the typical variance, for equal effects from Q and its df."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if equal:
            return np.where(q > df, 100 * (q - df) / q, 0.0 * q), np.where(df > 0, q / df, np.nan)
        return 100 * tau2 / (tau2 + typical), 1 + tau2 / typical


def _log_likelihoods(
    prepared: Prepared, tau2: np.ndarray, rss: np.ndarray, logdet: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ML, REML and saturated log-likelihoods (F,) with all constants.

    REML counts log |X'X| / 2, so that it does not depend on the coding of the moderators (Harville 1977).
    """
    problem = prepared.problem
    present = np.isfinite(problem.v)
    unit = LOG_2PI + 2 * prepared.exponent * np.log(2.0)  # of one study, in the units given
    logs = np.log(np.where(present, problem.v + tau2, 1.0)).sum(axis=0)
    ml = rss + logs + problem.k * unit
    design = np.log(problem.k) if problem.x is None else problem.weighted(present.astype(float)).logdet
    reml = ml - problem.p * unit + logdet - design
    saturated = np.log(np.where(present, problem.v, 1.0)).sum(axis=0) + problem.k * unit
    return -0.5 * ml, -0.5 * reml, -0.5 * saturated
