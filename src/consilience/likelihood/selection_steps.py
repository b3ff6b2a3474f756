"""Selection by steps: the weight is constant between cut points of p, or on either side of a cut of the effect.

Source: Iyengar & Greenhouse (1988), Stat Sci 3:109; Hedges (1992), Stat Sci 7:246; Vevea & Hedges (1995), Psychometrika
60:419; Vevea & Woods (2005), Psychol Methods 10:428 (given weights); Rust, Lehmann & Farley (1990), J Mark Res 27:220
(truncation).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.distributions import normal_isf
from .selection_family import Family, LogWeight, Pieces, Steps, log_p, pairs_of

STARTS = (1.0, 0.4, 0.1, 0.02, 3.0)  # weights of the steps to start from


def step_family(
    cuts: np.ndarray, delta: np.ndarray, *, two_sided: bool = False, decreasing: bool = False
) -> Family:
    """Steps of constant weight delta_1 ... delta_J; log delta is estimated, so that a weight stays positive.

    Parameters
    ----------
    cuts : (J - 1,) p-values between the intervals, ascending, or (K, 1) the cut in z of each study (truncation).
    delta : (J,) given weights, NaN = estimated; the first must be given.
    decreasing : weights may not increase with p; the logs of the ratios of neighbours are estimated.
    """
    free = np.isnan(delta)
    count = int(free.sum())
    with np.errstate(divide="ignore"):
        offset = np.log(np.where(free, 1.0, delta))
    linear = np.zeros((len(delta), count))
    linear[np.flatnonzero(free), np.arange(count)] = 1.0
    if decreasing:
        linear = -np.cumsum(linear, axis=0)
    tied, low, high, locate = _places(cuts, two_sided)
    rows, shift = linear[tied], offset[tied]

    def log_weight(places: np.ndarray, theta: np.ndarray) -> LogWeight:
        table = rows @ theta.T + shift[:, None]
        value = table[places, np.arange(len(theta))[None, :, None]]
        return LogWeight(value, [rows[places, a] for a in range(count)], {})

    def to_delta(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = np.exp(linear @ theta + offset)
        return value, value[:, None] * linear

    logs = np.log(np.array(STARTS))
    if decreasing:
        logs = np.maximum(-logs, 0.0) / max(count, 1)
    pieces = Pieces(np.empty(0), np.empty(0), low, high, np.arange(len(tied)))
    return Family(
        names=tuple(f"delta{j + 1}" for j in range(len(delta))),
        pieces=pieces,
        log_weight=log_weight,
        locate=locate,
        lower=np.full(count, 0.0 if decreasing else -np.inf),
        upper=np.full(count, np.inf),
        null=np.zeros(count),
        start=np.repeat(logs[:, None], count, axis=1),
        to_delta=to_delta,
        steps=_steps(low[:-1], rows, shift) if len(tied) > 1 else None,
    )


def _steps(cuts: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> Steps:
    a, b = pairs_of(linear.shape[1])
    edge = np.concatenate([linear[:-1], -linear[1:]])
    return Steps(cuts, linear, offset, edge, (a, b), linear[:, a] * linear[:, b])


def _places(
    cuts: np.ndarray, two_sided: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Which weight each interval of z has, the ends of the intervals, and the interval of a z."""
    if cuts.ndim == 2:
        infinite = np.full((len(cuts), 1), np.inf)
        low, high = np.hstack([cuts, -infinite]).T, np.hstack([infinite, cuts]).T
        return np.arange(2), low, high, lambda z: (z <= cuts[:, 0]).astype(np.intp)
    edges = np.array(normal_isf(cuts / 2 if two_sided else cuts), dtype=float)  # descending z
    tied = np.arange(len(cuts) + 1)
    if two_sided:
        edges = np.concatenate([edges, -edges[::-1]])
        tied = np.concatenate([tied, tied[-2::-1]])
    low = np.concatenate([edges, [-np.inf]])[:, None]
    high = np.concatenate([[np.inf], edges])[:, None]

    def locate(z: np.ndarray) -> np.ndarray:
        p = np.exp(log_p(z, two_sided=two_sided)[0])
        return np.asarray(
            np.searchsorted(cuts, p, side="left")
        )  # p <= alpha belongs to the interval below alpha

    return tied, low, high, locate
