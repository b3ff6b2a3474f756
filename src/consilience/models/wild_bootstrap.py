"""Cluster wild bootstrap test of linear hypotheses, for few clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..inference.robust import Correction, Robust, robust_covariance
from ..inference.working import working_of
from ..records import Fit, TestResult

Auxiliary = Literal["rademacher", "mammen", "webb", "normal"]
AUXILIARIES: tuple[Auxiliary, ...] = ("rademacher", "mammen", "webb", "normal")
CHUNK = 4_000_000  # numbers held at once


@dataclass(frozen=True, eq=False)
class _Terms:
    """Per cluster: b (m, p) X'We0, a (m, q) C A'-adjusted scores of e0, t (m, q, p) the same of X."""

    b: np.ndarray
    a: np.ndarray
    t: np.ndarray


def wild_bootstrap(
    fit: Fit,
    constraints: np.ndarray,
    *,
    rng: np.random.Generator,
    replicates: int = 1999,
    auxiliary: Auxiliary = "rademacher",
    correction: Correction = "CR2",
) -> TestResult:
    """p-value of C beta = 0 from data made under the hypothesis.

    Residuals of the model fitted under the hypothesis are multiplied, cluster by cluster, with random numbers of mean
    zero and variance one; the robust Wald statistic of each such data set is compared with the observed one. The
    weights of the working model are held, so a replicate costs O(m), not a refit.

    Parameters
    ----------
    constraints : (q, p); rng : source of randomness; auxiliary : ``rademacher`` (signs), ``mammen`` (two points),
        ``webb`` (six points, for fewer than about 10 clusters), ``normal``.

    Raises
    ------
    InputError ``constraints``; OptionError for an unknown auxiliary.

    Source: Joshi, Pustejovsky & Beretvas (2022), Res Synth Methods 13:457; Webb (2023), Can J Econ 56:839.
    """
    choose(auxiliary, AUXILIARIES, what="auxiliary distribution")
    c = np.atleast_2d(np.asarray(constraints, dtype=float))
    if c.shape[1] != len(fit.coefficients.names) or np.linalg.matrix_rank(c) < len(c):
        raise InputError(
            f"The constraints have shape {c.shape}; needed are independent rows of {len(fit.coefficients.names)}.",
            code="constraints",
        )
    with one_blas_thread():
        robust = robust_covariance(working_of(fit), correction)
        terms = _terms(robust, c @ robust.working.root, c @ robust.working.beta)
        observed = _observed(robust, c)
        m, q = terms.a.shape
        beyond = 0
        per = max(1, CHUNK // (m * q))
        for start in range(0, replicates, per):
            w = _draw(rng, auxiliary, (min(per, replicates - start), m))
            beyond += int(np.sum(_statistics(terms, w, c @ robust.working.root) >= observed * (1 - 1e-12)))
    p_value = (beyond + 1) / (replicates + 1)
    return TestResult(
        f"cluster wild bootstrap ({auxiliary})", observed / q, q, np.nan, p_value, f"{replicates} replicates"
    )


def _terms(robust: Robust, inner: np.ndarray, gap: np.ndarray) -> _Terms:
    """Pieces of the statistic that do not change between replicates."""
    # restricted fit: gamma moves by spread C'(C spread C')^-1 gap; with M-orthonormal X the spread is the identity
    moved = inner.T @ np.linalg.solve(inner @ inner.T, gap)
    b, a, t = [], [], []
    for group, e in zip(robust.groups, robust.adjusted, strict=True):
        rest = group.e + group.x @ moved
        b.append(np.einsum("nmp,nm->np", group.wx, rest))
        a.append(np.einsum("nmp,nm,qp->nq", e, rest, inner, optimize=True))
        t.append(np.einsum("nmp,nmr,qp->nqr", e, group.x, inner, optimize=True))
    return _Terms(np.concatenate(b), np.concatenate(a), np.concatenate(t))


def _observed(robust: Robust, c: np.ndarray) -> float:
    gap = c @ robust.working.beta
    return float(gap @ np.linalg.solve(c @ robust.covariance @ c.T, gap))


def _statistics(terms: _Terms, w: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """(R,) Wald statistics of the data sets with multipliers w (R, m)."""
    moved = w @ terms.b
    gap = moved @ inner.T
    scores = w[:, :, None] * terms.a[None] - np.einsum("mqp,rp->rmq", terms.t, moved, optimize=True)
    spread = np.swapaxes(scores, 1, 2) @ scores
    solved = np.linalg.solve(spread + 1e-300 * np.eye(spread.shape[1]), gap[:, :, None])[:, :, 0]
    return np.asarray(np.sum(gap * solved, axis=1))


def _draw(rng: np.random.Generator, auxiliary: Auxiliary, shape: tuple[int, int]) -> np.ndarray:
    if auxiliary == "normal":
        return np.asarray(rng.standard_normal(shape))
    if auxiliary == "mammen":
        root = np.sqrt(5.0)
        low = rng.random(shape) < (root + 1) / (2 * root)
        return np.asarray(np.where(low, (1 - root) / 2, (1 + root) / 2))
    if auxiliary == "webb":
        points = np.sqrt(np.array([0.5, 1.0, 1.5]))
        return np.asarray(np.concatenate([-points, points])[rng.integers(0, 6, shape)])
    return np.asarray(2.0 * rng.integers(0, 2, shape) - 1.0)
