"""What many specifications of one analysis say together: support, alternatives, and the choice that moves the answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..records import AlternativeSummary, Contribution, Dimension, Movement, Support

NOTHING = 1e-24  # variance, relative to the largest squared estimate, that is rounding


def verdicts(ci_low: np.ndarray, ci_high: np.ndarray, primary: int) -> np.ndarray:
    """(n,) how each interval stands to zero, compared with that of specification `primary` (see `VERDICTS`)."""
    with np.errstate(invalid="ignore"):
        side = (ci_low > 0).astype(int) - (ci_high < 0).astype(int)
    first = side[primary]
    changed = np.where(side == 0, "weaker", "stronger")
    found = np.where(side * first < 0, "reversed", np.where(side == first, "same", changed))
    known = np.isfinite(ci_low) & np.isfinite(ci_high)
    return np.asarray(np.where(known & known[primary], found, "unavailable"), dtype=object)


def support_of(
    estimate: np.ndarray, ci_low: np.ndarray, ci_high: np.ndarray, *, primary: float, relevance: float
) -> Support:
    """Shares of the (n,) available specifications that agree with the `primary` estimate."""
    side = -1 if primary < 0 else 1
    toward = np.where(side > 0, ci_low, -ci_high)
    away = np.where(side > 0, ci_high, -ci_low)
    if not len(estimate):
        return Support(0, side, np.nan, np.nan, np.nan, np.nan, relevance)
    return Support(
        n=len(estimate),
        side=side,
        same_sign=float(np.mean(side * estimate > 0)),
        supporting=float(np.mean(toward > 0)),
        opposite=float(np.mean(away < 0)),
        relevant=float(np.mean(side * estimate >= relevance)),
        relevance=relevance,
    )


def summaries(
    dimensions: Sequence[Dimension], choice: np.ndarray, estimate: np.ndarray, supports: np.ndarray
) -> tuple[AlternativeSummary, ...]:
    """One line per alternative. choice : (n, d); estimate, supports : (n,) of the available specifications."""
    nan = float("nan")
    found = []
    for j, dimension in enumerate(dimensions):
        for i, (key, label) in enumerate(zip(dimension.keys, dimension.labels, strict=True)):
            own = choice[:, j] == i
            y = estimate[own]
            numbers = (
                (y.mean(), np.median(y), y.min(), y.max(), supports[own].mean()) if len(y) else (nan,) * 5
            )
            found.append(AlternativeSummary(dimension.name, key, label, len(y), *map(float, numbers)))
    return tuple(found)


def movement(dimensions: Sequence[Dimension], choice: np.ndarray, estimate: np.ndarray) -> Movement:
    """Main effects of the dimensions on the estimate, as shares of its variance over the specifications.

    Parameters
    ----------
    choice : (n, d) index of the alternative; estimate : (n,), all finite.

    Complete cross product: balanced analysis of variance, eta^2_j = sum_a n_a (mean_a - mean)^2 / SS_total, and the rest is
    interactions. With combinations missing: main effects by least squares, eta^2_j = (RSS without j - RSS) / SS_total (type
    III: what no other choice can account for); RSS / SS_total is interactions, and what several choices account for
    together, being confounded by the missing combinations, is `overlap` (it may be negative). Alternatives' means are then
    adjusted for the other choices. The total share of a dimension is the sum of squares between specifications that differ
    in nothing else, over SS_total.

    Source: Searle (1971), Linear Models (unbalanced data); Homma & Saltelli (1996), Reliab Eng Syst Saf 52:1 (total effects).
    """
    n = len(estimate)
    centred = estimate - estimate.mean() if n else estimate
    total = float(centred @ centred)
    levels = [len(np.unique(column)) for column in choice.T]
    complete = n > 0 and n == int(np.prod(levels)) and len(np.unique(choice, axis=0)) == n
    if n < 2 or total <= NOTHING * n * float(np.max(np.abs(estimate), initial=0.0)) ** 2:
        nothing = tuple(Contribution(d.name, d.title, 0.0, 0.0, 0.0) for d in dimensions)
        return Movement(nothing, 0.0, 0.0, 0.0, "balanced")
    columns = [_indicators(column) for column in choice.T]
    full, means = _residual(columns, centred)
    if complete:
        sums = [float(np.sum(np.bincount(c, minlength=1) * _level_means(c, centred) ** 2)) for c in choice.T]
    else:
        sums = [_residual(columns[:j] + columns[j + 1 :], centred)[0] - full for j in range(len(columns))]
    shares = np.maximum(np.array(sums), 0.0) / total
    spreads = [float(np.ptp(m)) if len(m) else 0.0 for m in means]
    found = [
        Contribution(d.name, d.title, float(share), _alone(choice, j, centred) / total, spread)
        for j, (d, share, spread) in enumerate(zip(dimensions, shares, spreads, strict=True))
    ]
    rest = max(full, 0.0) / total
    return Movement(
        contributions=tuple(sorted(found, key=lambda c: -c.share)),
        interactions=rest,
        overlap=0.0 if complete else 1.0 - rest - float(shares.sum()),
        variance=total / n,
        method="balanced" if complete else "type III",
    )


def _alone(choice: np.ndarray, j: int, y: np.ndarray) -> float:
    """Sum of squares of y between rows that agree in all columns but the j-th."""
    others = np.delete(choice, j, axis=1)
    _, group = np.unique(others, axis=0, return_inverse=True)
    group = group.reshape(-1)
    return float(np.sum((y - _level_means(group, y)[group]) ** 2))


def _level_means(column: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean of y at each level, 0 where there is none."""
    counts = np.bincount(column)
    return np.asarray(np.bincount(column, y) / np.maximum(counts, 1))


def _indicators(column: np.ndarray) -> np.ndarray:
    """(n, levels - 1) indicators of the levels that occur, without the first."""
    return np.asarray(column[:, None] == np.unique(column)[None, 1:], dtype=float)


def _residual(columns: list[np.ndarray], y: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """Residual sum of squares of the main-effects model, and each dimension's effects (first level 0)."""
    x = np.column_stack([np.ones(len(y)), *columns])
    b, *_ = np.linalg.lstsq(x, y, rcond=None)
    rest = y - x @ b
    ends = np.cumsum([1, *(c.shape[1] for c in columns)])
    effects = [np.concatenate([[0.0], b[i:j]]) for i, j in pairwise(ends)]
    return float(rest @ rest), effects
