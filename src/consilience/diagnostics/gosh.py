"""Graphical display of study heterogeneity: the model in every subset of the studies, or in many random ones.

Source: Olkin, Dahabreh & Trikalinos (2012), Res Synth Methods 3:214.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import comb

import numpy as np

from ..base.errors import InputError
from ..base.options import choose
from ..models.refit import refit_many, univariate_batch
from ..models.univariate import is_univariate
from ..records import Fit, Gosh
from .arrangements import seed_of
from .permutation import Progress

CHUNK = 8_192  # subsets fitted at once
MOST = 2**24  # subsets in all
DOUBLE = (
    2**20
)  # subsets that are kept in double precision, and the number at which random ones are the default
FEW = 1_000  # subsets by default where each is a fit of its own


def gosh(
    fit: Fit,
    *,
    subsets: int | None = None,
    coefficient: str = "",
    rng: np.random.Generator | None = None,
    progress: Progress | None = None,
) -> Gosh:
    """The model of `fit` in subsets of its studies (in models of dependent effects: of its clusters).

    A subset counts if it holds at least as many studies as the model has coefficients. All of them are fitted if there
    are no more than `subsets`; else that many random ones, each study in or out with probability one half (the same
    subset may come twice).

    Parameters
    ----------
    subsets : how many at most, up to 2^24; None = 2^20, or 1,000 for models of dependent effects.
    coefficient : whose estimate is kept; "" = the last moderator, or the mean.
    rng : source of randomness, needed for random subsets.
    progress : called with (stage, done, total).

    Raises
    ------
    InputError ``rng-needed``, ``subsets``; OptionError for an unknown coefficient.

    Source: Olkin, Dahabreh & Trikalinos (2012), Res Synth Methods 3:214.
    """
    names = fit.coefficients.names
    j = names.index(choose(coefficient, names, what="Coefficient") if coefficient else names[-1])
    alone = is_univariate(fit.effects, fit.spec) and fit.spec.scale is None
    labels = fit.effects.study.astype(str) if alone else fit.effects[fit.spec.cluster].astype(str)
    studies, unit = _studies(labels, alone)
    m, p = len(studies), len(names)
    total = sum(comb(m, size) for size in range(p, m + 1))
    n, every = _number(total, subsets, alone, rng)
    seed, kind = seed_of(rng), np.float64 if n <= DOUBLE else np.float32
    found = np.empty((4, n), dtype=kind)
    included = np.empty((n, (m + 7) // 8), dtype=np.uint8)
    done = 0
    for chosen in _every(m, p) if every or rng is None else _some(m, p, n, rng):
        part = slice(done, done + len(chosen))
        included[part] = np.packbits(chosen, axis=1, bitorder="little")
        found[:, part] = _fitted(fit, chosen[:, unit], j, alone)
        done += len(chosen)
        if progress is not None:
            progress("Subsets", done, n)
    how = f"all {n:,}" if every else f"{n:,} random"
    whole = _fitted(fit, np.ones((1, fit.effects.k), dtype=bool), j, alone)[:, 0]
    rule = f"{how} subsets of at least {p} of {m} {'studies' if alone else f'{fit.spec.cluster} clusters'}"
    estimate, tau2, i2, q = found
    seed = None if every else seed
    return Gosh(studies, names[j], included, estimate, tau2, i2, q, whole, rule, every, seed)


def _number(
    total: int, subsets: int | None, alone: bool, rng: np.random.Generator | None
) -> tuple[int, bool]:
    """How many subsets are fitted, and whether that is all of them."""
    most = subsets if subsets is not None else (DOUBLE if alone else FEW)
    if not 1 <= most <= MOST:
        raise InputError(f"{most} subsets; allowed are 1 to {MOST:,}.", code="subsets")
    if total > most and rng is None:
        raise InputError(
            f"There are {total:.3g} subsets, more than {most:,}: a random part of them needs a generator.",
            code="rng-needed",
            advice="Pass rng=numpy.random.default_rng(seed), or a larger `subsets`.",
        )
    return min(total, most), total <= most


def highlight(record: Gosh, *studies: str) -> Gosh:
    """The same subsets, with a figure that is split by whether they hold one or two studies.

    Raises OptionError for an unknown study, InputError ``highlight`` for more than two.
    """
    for study in studies:
        choose(study, record.studies, what="Study")
    if len(studies) > 2:
        raise InputError("The figure can be split by at most two studies.", code="highlight")
    return replace(record, highlight=studies)


def _studies(labels: np.ndarray, alone: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the units, told apart by a number where they repeat, and the unit of each effect."""
    if not alone:
        names, unit = np.unique(labels, return_inverse=True)
        return tuple(names.tolist()), unit.ravel()
    seen: dict[str, int] = {}
    unique = []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        unique.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(unique), np.arange(len(labels))


def _every(m: int, least: int) -> Iterator[np.ndarray]:
    """(C, m) chunks of all subsets of at least `least` of m."""
    for start in range(0, 2**m, CHUNK):
        index = np.arange(start, min(start + CHUNK, 2**m))
        chosen = (index[:, None] >> np.arange(m)) & 1 == 1
        yield chosen[chosen.sum(axis=1) >= least]


def _some(m: int, least: int, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """(C, m) chunks of n random subsets of at least `least` of m."""
    done = 0
    while done < n:
        chosen = rng.integers(0, 2, (min(CHUNK, 2 * (n - done) + 8), m), dtype=np.uint8) == 1
        chosen = chosen[chosen.sum(axis=1) >= least][: n - done]
        done += len(chosen)
        yield chosen


def _fitted(fit: Fit, keep: np.ndarray, j: int, alone: bool) -> np.ndarray:
    """(4, F) estimate, tau2, I^2 and Q with the effects `keep` (F, k)."""
    if alone:
        batch = univariate_batch(fit, keep, np.broadcast_to(fit.effects.y, keep.shape), fit.design.matrix)
        estimate, tau2, i2, q = batch.coefficients[:, j], batch.tau2, batch.i2, batch.q
        tight = batch.ok & (batch.df <= 0)
    else:
        found = refit_many(fit, keep=keep)
        estimate, tau2, i2, q = found.estimate[:, j], found.tau2, found.i2, found.q
        tight = found.ok & (found.k <= len(fit.coefficients.names))
    return np.stack([estimate, *(np.where(tight, 0.0, value) for value in (tau2, i2, q))])
