"""Cluster bootstrap of a selection model: limits for studies with several effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...base.errors import InputError
from ...base.linalg import group_codes, one_blas_thread
from ...likelihood.climb import climb
from ...likelihood.selection_problem import Selected
from ...records import Note
from ...records.selection import SelectionBootstrap, SelectionModel
from .profile import setup_again
from .search import objective_of, starts_of
from .setup import Setup

BLOCK = 250  # replicates of one batch


def selection_bootstrap(
    model: SelectionModel,
    *,
    rng: np.random.Generator,
    replicates: int = 1999,
    level: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SelectionBootstrap:
    """Studies are drawn with replacement, all effects of a study together; percentile limits.

    The likelihood of the single effects is a composite likelihood: it estimates the model consistently, and the variation
    between resampled studies measures its uncertainty whatever the dependence within studies. Each sample climbs from the
    original estimate and from one start without selection. Samples with an empty interval of p have no estimate and are
    counted as failed.

    Parameters
    ----------
    rng : source of randomness: the same generator state gives the same result.
    progress : called with (samples done, all samples).

    Raises InputError ``too-few-clusters`` for fewer than 3 studies.

    Source: Pustejovsky, Citkowicz & Joshi (2025), Estimation and inference for step-function selection models in
    meta-analysis with dependent effects, MetaArXiv 10.31222/osf.io/qg5x6.
    """
    setup = setup_again(model)
    codes, names = group_codes(setup.effects.study.tolist())
    m = len(names)
    if m < 3:
        raise InputError(f"{m} studies cannot be resampled.", code="too-few-clusters")
    draws = []
    with one_blas_thread():
        for first in range(0, replicates, BLOCK):
            n = min(BLOCK, replicates - first)
            counts = rng.multinomial(m, np.full(m, 1 / m), size=n)[:, codes].astype(float)
            draws.append(_estimates(setup, model, counts))
            if progress is not None:
                progress(first + n, replicates)
    found = np.concatenate(draws)
    ok = np.isfinite(found).all(axis=1)
    chosen = level or model.coefficients.level
    low, high = np.quantile(found[ok], [(1 - chosen) / 2, (1 + chosen) / 2], axis=0)
    estimate = np.concatenate([model.coefficients.estimate, [model.tau2], model.weights.estimate])
    notes = []
    if (~ok).sum() > 0.05 * replicates:
        notes.append(
            Note(
                "failed-replicates",
                "warning",
                f"{int((~ok).sum())} of {replicates} samples had no estimate; the limits describe the others.",
                "Use fewer steps.",
            )
        )
    return SelectionBootstrap(
        model=model,
        names=(*model.design.names, "tau2", *model.weights.names),
        estimate=estimate,
        se=found[ok].std(axis=0, ddof=1),
        ci_low=low,
        ci_high=high,
        draws=found,
        failed=int((~ok).sum()),
        level=chosen,
        notes=tuple(notes),
    )


def _estimates(setup: Setup, model: SelectionModel, counts: np.ndarray) -> np.ndarray:
    """(n, p + 1 + d) estimates of n resampled data sets, NaN where there is none."""
    base, p = setup.problem, setup.problem.p
    origin = model.theta.copy()
    origin[:p] *= setup.sign
    starts = np.stack([origin, starts_of(setup)[0]])
    n, s = len(counts), len(starts)
    problem = replace(base, count=np.repeat(counts, s, axis=0))
    lower, upper = (np.tile(bound, (n * s, 1)) for bound in (setup.lower, setup.upper))
    found = climb(objective_of(problem), np.tile(starts, (n, 1)), lower, upper)
    loglik = np.where(np.isfinite(found.loglik), found.loglik, -np.inf).reshape(n, s)
    best = found.theta.reshape(n, s, -1)[np.arange(n), loglik.argmax(axis=1)]
    delta = np.array([setup.family.to_delta(own)[0] for own in best[:, p + 1 :]])
    result = np.column_stack([setup.sign * best[:, :p], best[:, p], delta])
    result[~_identified(setup, base, counts)] = np.nan
    return np.asarray(result)


def _identified(setup: Setup, problem: Selected, counts: np.ndarray) -> np.ndarray:
    """(n,) does every interval that has an estimated weight hold a study?"""
    if setup.asked.kind not in ("step", "truncated") or not setup.family.q:
        return np.ones(len(counts), dtype=bool)
    place = problem.places[0, 0].astype(np.intp)
    members = np.eye(int(place.max()) + 1)[place]
    return np.asarray(((counts @ members) > 0).all(axis=1))
