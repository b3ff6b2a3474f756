"""Data sets drawn from a fitted model whose results were published by a rule.

A review of published results only: candidates are simulated, published by the rule, until every place of the design is
taken. Given the rule, the distribution of a published study is known, so it is drawn at once instead of by rejection:

by study : the significance of a study rests on its average s = a'y_j alone. s has a normal density cut in two pieces,
    the lower one damped; given s, y_j is normal.
by effect : the effects of a study appear one after another; each is replaced by another of the same study until one is
    published. Given those before it, each has a normal density cut in two pieces.

Source: the density of a published effect: Hedges (1992), Stat Sci 7:246; Vevea & Hedges (1995), Psychometrika 60:419.
"""

from __future__ import annotations

import numpy as np

from ..base.distributions import normal_isf, normal_ppf, normal_sf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread, rows_by_size
from ..likelihood.terms import partition
from ..records import Fit
from ..records.calibration import PublicationRule
from .simulate import Sampler, sampler

MOST_EFFECTS = 6_000  # a dense covariance of all effects is made


def simulate_selected(
    fit: Fit, rule: PublicationRule, *, n: int, rng: np.random.Generator, mean: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """(n, k) data sets of published effects, and the share of candidates that the rule publishes.

    Parameters
    ----------
    mean : (k,) true means of the effects instead of X beta at the estimates.

    Raises
    ------
    InputError as `sampler` does; ``selection-rule`` for a probability outside (0, 1],
    ``clusters-not-independent`` if the model correlates effects of different clusters.
    """
    if not (0 < rule.probability <= 1 and 0 < rule.alpha < 1):
        raise InputError(
            f"The probability of publication is {rule.probability:g} and alpha {rule.alpha:g}; "
            "they must be above 0, and at most 1.",
            code="selection-rule",
        )
    with one_blas_thread():
        source = sampler(fit)
        centre = source.mean if mean is None else np.asarray(mean, dtype=float)
        cluster = partition(fit.effects, (fit.spec.cluster,))
        draw = _by_study if rule.by == "study" else _by_effect
        return draw(fit, source, rule, centre=centre, cluster=cluster, n=n, rng=rng)


def _by_study(
    fit: Fit,
    source: Sampler,
    rule: PublicationRule,
    *,
    centre: np.ndarray,
    cluster: np.ndarray,
    n: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    weights, error = study_averages_weights(fit, cluster)
    spread = source.spread(weights)  # (m, k) M a_j
    _independent(spread, cluster)
    own = np.arange(len(weights))[:, None] == cluster[None, :]
    variance = np.sum(weights * spread, axis=1)
    y = centre + source.errors(rng.standard_normal((n, len(centre))))
    sd, middle = np.sqrt(variance), weights @ centre
    cut = (float(normal_isf(rule.alpha)) * error - middle) / sd
    z, published = _cut_normal(rng.random((n, len(sd))), np.broadcast_to(cut, (n, len(sd))), rule.probability)
    moved = middle + sd * z - y @ weights.T
    return y + moved @ (np.where(own, spread, 0.0) / variance[:, None]), published


def _by_effect(
    fit: Fit,
    source: Sampler,
    rule: PublicationRule,
    *,
    centre: np.ndarray,
    cluster: np.ndarray,
    n: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    k = len(centre)
    if k > MOST_EFFECTS:
        raise InputError(
            f"Selection by effect needs at most {MOST_EFFECTS:,} effects, not {k:,}.",
            code="too-many-effects",
        )
    full = source.spread(np.eye(k))
    _independent(full, cluster, rows=cluster)
    uniform = rng.random((n, k))
    y, shares = np.empty((n, k)), []
    critical = float(normal_isf(rule.alpha)) * np.sqrt(fit.effects.v)
    for _, rows in rows_by_size(cluster):
        root = np.linalg.cholesky(full[rows[:, :, None], rows[:, None, :]])
        z = np.zeros((n, *rows.shape))
        for i in range(rows.shape[1]):
            now = rows[:, i]
            before = centre[now] + np.einsum("gl,ngl->ng", root[:, i, :i], z[:, :, :i])
            cut = (critical[now] - before) / root[:, i, i]
            z[:, :, i], published = _cut_normal(uniform[:, now], cut, rule.probability)
            y[:, now] = before + root[:, i, i] * z[:, :, i]
            shares.append((published, len(now)))
    return y, float(np.average([s for s, _ in shares], weights=[m for _, m in shares]))


def _cut_normal(u: np.ndarray, cut: np.ndarray, probability: float) -> tuple[np.ndarray, float]:
    """Standard normal draws kept if above `cut`, else with `probability`, from uniform `u`; and the mean share kept."""
    above = normal_sf(cut)
    kept = above + probability * (1 - above)
    place = u * kept
    upper = place < above
    z = np.where(
        upper,
        normal_isf(np.where(upper, place, 0.5)),
        normal_ppf(np.where(upper, 0.5, (place - above) / probability)),
    )
    return np.clip(z, -38.0, 38.0), float(np.mean(kept))


def study_averages_weights(fit: Fit, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (m, k) of each study's average given its sampling covariance, a = V^-1 1 / 1'V^-1 1, and its error (m,)."""
    k = fit.effects.k
    weights, error = np.zeros((int(np.max(cluster)) + 1, k)), np.zeros(int(np.max(cluster)) + 1)
    place = {}
    for block in fit.effects.blocks:
        place.update(dict.fromkeys(block.rows.tolist(), block))
    for j in range(len(weights)):
        rows = np.flatnonzero(cluster == j)
        v = np.diag(fit.effects.v[rows])
        for block in {id(place[r]): place[r] for r in rows.tolist() if r in place}.values():
            inside = np.isin(block.rows, rows)
            at = np.searchsorted(rows, block.rows[inside])
            v[np.ix_(at, at)] = block.matrix[np.ix_(inside, inside)]
        solved = np.linalg.pinv(v, hermitian=True).sum(axis=1)
        weights[j, rows] = solved / solved.sum()
        error[j] = 1 / np.sqrt(solved.sum())
    return weights, error


def _independent(spread: np.ndarray, cluster: np.ndarray, rows: np.ndarray | None = None) -> None:
    codes = np.arange(len(spread)) if rows is None else rows
    outside = np.where(codes[:, None] == cluster[None, :], 0.0, spread)
    if np.max(np.abs(outside)) > 1e-12 * np.max(np.abs(spread)):
        raise InputError(
            "The model correlates effects of different clusters, so that they are not published one by one.",
            code="clusters-not-independent",
        )
