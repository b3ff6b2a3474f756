"""Many univariate meta-analyses at once: F analyses of up to K studies, studies missing at will.

A single meta-analysis is F = 1 of the same code; leave-one-out, cumulative and subset analyses, permutations and
bootstraps are larger F. tau^2 by any estimator of `ESTIMATORS`; ML and REML by the global search of `search.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from ..base.errors import InputError
from ..base.options import choose
from .batch_fit import BatchFit, Solution
from .compiled import available, wanted
from .moments import MOMENTS
from .prepare import Prepared, Rearranged, prepare_any
from .search import maximise
from .shared import can_share
from .weighted import Problem

LOADED_PAYS, LOADING_PAYS = 500, 200_000  # analyses from which numba is worth calling, and importing
ESTIMATORS = ("EE", *MOMENTS, "ML", "REML")


def fit_batch(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray | Rearranged | None = None,
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
    x : (K, p) design shared by all, (F, K, p) one for each, or None for a common mean; `Rearranged` for one design whose
        rows move between the studies of a single (K,) y and v.
    method : one of `ESTIMATORS`; ``"EE"`` = equal effects, tau2 = 0.
    weights : (F, K) or (K,) weights of the studies in the coefficients (and in GENQ); None = 1/(v + tau2).
    tau2 : given value(s) instead of an estimate.
    engine : ``"numpy"``; ``"numba"`` (compiled search for ML and REML, where it is accurate); ``"auto"`` = numba where
        it is installed and the batch is large enough to pay for loading it.

    Raises InputError as `prepare` does, and OptionError for an unknown `method`.
    """
    method = choose(method, ESTIMATORS, what="Estimator")
    y, v = np.atleast_2d(np.asarray(y, dtype=float)), np.asarray(v, dtype=float)
    v = v if len(y) > 1 else np.atleast_2d(v)
    if v.shape not in (y.shape, y.shape[1:]):
        raise InputError(f"Effects have shape {y.shape} but variances {v.shape}.", code="shape-mismatch")
    prepared = prepare_any(y, v, x)
    shape = (len(prepared.ok), y.shape[1])
    given = None if weights is None else _weights(prepared, np.broadcast_to(weights, shape))
    found, steps, maxima = _tau2(prepared, method, given, tau2=tau2, engine=engine)
    return BatchFit(Solution(prepared, method, given, found, steps, maxima))


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tau2, steps and maxima of the prepared problem, all (F,)."""
    problem = prepared.problem
    n = problem.n
    found, steps, maxima = np.zeros(n), np.zeros(n, dtype=np.intp), np.ones(n, dtype=np.intp)
    if tau2 is not None:
        wanted = np.broadcast_to(np.asarray(tau2, dtype=float), prepared.ok.shape)[prepared.ok]
        return np.ldexp(wanted, -2 * prepared.exponent), steps, maxima
    rows = np.flatnonzero(problem.k > problem.p)  # with no residual df, tau2 = 0 is the only answer
    if method == "EE" or not len(rows):
        return found, steps, maxima
    part = problem if len(rows) == n else problem.take(rows)
    if method in ("ML", "REML"):
        found[rows], steps[rows], maxima[rows] = _search(part, engine)(part, reml=method == "REML")
    else:
        given = weights if weights is None else weights[:, rows]
        found[rows], steps[rows] = MOMENTS[method].estimate(part, given)
    return found, steps, maxima


def _search(problem: Problem, engine: str) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The NumPy or the compiled search; shared variances are scanned faster by NumPy's matrix products."""
    choose(engine, ("auto", "numpy", "numba"), what="Engine")
    pays = problem.n >= (LOADED_PAYS if "numba" in sys.modules else LOADING_PAYS)
    use = wanted() or (pays and available())
    if engine == "numpy" or (engine == "auto" and (can_share(problem) or not use)):
        return maximise
    from .batch_numba import compiles, maximise_compiled

    return maximise_compiled if compiles(problem) else maximise
