"""Correlation of the same people's values, and of the contrasts over time that effects are made of.

Throughout c is the correlation of two outcomes at one time, k that of one outcome at one time with the other at another time, and T that of
one outcome at two times. Not declared: k = c T (separable). NaN = not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..records import Dependence


@dataclass(frozen=True, eq=False)
class Values:
    """What the m effects of one study measure.

    outcome : (m,) labels. weeks : (m,) NaN unknown. time : (m,) labels that tell times apart where weeks are unknown.
    change : (m,) True where the value before treatment is subtracted and gives the SD. r : (m,) pre-post correlation of those.
    """

    outcome: np.ndarray
    weeks: np.ndarray
    time: np.ndarray
    change: np.ndarray
    r: np.ndarray


@dataclass(frozen=True, eq=False)
class Linked:
    """(m, m) correlations. level : of the people's contrasts; spread : of the squared deviations behind the SDs; NaN = not known.

    impossible : True where the declared correlations imply one beyond -1 or 1; it is set to that bound.
    """

    level: np.ndarray
    spread: np.ndarray
    impossible: np.ndarray


def same_times(values: Values) -> np.ndarray:
    """(m, m) True where two effects are of one time: equal weeks where both are known, else equal labels."""
    gap = np.abs(values.weeks[:, None] - values.weeks[None, :])
    equal = values.time[:, None] == values.time[None, :]
    return np.asarray(np.where(np.isnan(gap), equal, gap < 1e-9))


def outcome_correlation(known: Dependence, outcome: np.ndarray) -> np.ndarray:
    """(m, m) c: 1 of an outcome with itself, as declared of two, NaN where nothing is."""
    names = list(dict.fromkeys(outcome.tolist()))
    code = np.array([names.index(name) for name in outcome.tolist()], dtype=np.intp)
    table = np.array([[known.outcomes(a, b) for b in names] for a in names], dtype=float)
    return np.asarray(table[np.ix_(code, code)])


def lag_correlation(known: Dependence, gap: np.ndarray) -> np.ndarray:
    """T at a distance of `gap` weeks: phi^(gap/weeks), else the one of any two times; 1 at 0; NaN where not declared."""
    if known.autocorrelation is not None:
        apart = np.asarray(known.autocorrelation ** (gap / known.weeks), dtype=float)
        if known.across_times is not None:  # for times whose weeks are unknown
            apart = np.where(np.isnan(gap), known.across_times, apart)
    else:
        across = np.nan if known.across_times is None else known.across_times
        apart = np.full(gap.shape, across, dtype=float)
    return np.where(gap == 0, 1.0, apart)


def linked(known: Dependence, values: Values) -> Linked:
    """Correlations of the contrasts of m effects in the people that they share.

    - final with final: c at one time; T for one outcome; k (or c T) across both;
    - change with change, both from the baseline: [c + x - b_i - b_j] / (2 sqrt((1 - r_i)(1 - r_j))) with x the correlation of the two
      later values and b that of a baseline with the other's later value: r for one outcome, k (or c r) for two;
    - change with final: [x - b] / sqrt(2(1 - r)).

    Where k is not declared, two changes at one time correlate by c, whatever r is.

    Source: covariance of linear combinations; Gleser & Olkin (2009); Wei & Higgins (2013).
    """
    c = outcome_correlation(known, values.outcome)
    same_outcome = values.outcome[:, None] == values.outcome[None, :]
    now = same_times(values)
    gap = np.where(now, 0.0, np.abs(values.weeks[:, None] - values.weeks[None, :]))
    later = c * lag_correlation(known, gap)
    if known.cross_time is not None:
        later = np.where(now | same_outcome, later, known.cross_time)
    from_base = _base_with_later(known, values, c, same_outcome)
    first, second = values.change[:, None], values.change[None, :]
    total = later - np.where(first, from_base, 0.0) - np.where(second, from_base.T, 0.0)
    total = total + np.where(first & second, c, 0.0)
    scale = np.sqrt(np.where(values.change, 2 * (1 - values.r), 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        level = total / np.outer(scale, scale)
    separable = known.cross_time is None or same_outcome
    level = np.where(now & separable & (first == second), c, level)
    base = np.where(first & second, c, np.where(first, from_base, np.where(second, from_base.T, later)))
    impossible = np.abs(level) > 1 + 1e-9
    return Linked(np.clip(level, -1.0, 1.0), np.clip(base, -1.0, 1.0) ** 2, impossible)


def _base_with_later(
    known: Dependence, values: Values, c: np.ndarray, same_outcome: np.ndarray
) -> np.ndarray:
    """(m, m) correlation of the baseline of effect i with the later value of effect j.

    Of one outcome the r of effect j; where j has none (final values only), by its weeks, else the r of effect i.
    """
    by_weeks = np.broadcast_to(lag_correlation(known, values.weeks)[None, :], c.shape)
    own = np.where(values.change, values.r, np.nan)
    r = np.where(np.isnan(own[None, :]), np.where(np.isnan(by_weeks), own[:, None], by_weeks), own[None, :])
    if known.cross_time is None:
        return np.asarray(c * r)
    return np.where(same_outcome, r, known.cross_time)


def shared_people(labels: tuple[np.ndarray, np.ndarray], people: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(m, m) people in common over the geometric mean of both groups' sizes, for one group of each effect.

    labels, people : (m,) of the row and of the column effects. Equal labels are one group; where fewer are left at one
    time, the fewer are among the more. Unknown sizes count as equal.
    """
    n1, n2 = people[0][:, None], people[1][None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.fmin(n1, n2) / np.fmax(n1, n2)
    ratio = np.where(np.isfinite(ratio), ratio, 1.0)
    return np.where(labels[0][:, None] == labels[1][None, :], np.sqrt(ratio), 0.0)
