"""Selection that changes smoothly with p: beta, half-normal, negative exponential, logistic, power and their extensions.

Source: Preston, Ashby & Smyth (2004), J Eval Clin Pract 10:313 (half-normal, negative exponential, logistic, with and
without precision); Citkowicz & Vevea (2017), Psychol Methods 22:28 (beta, with p-values censored near 0 and 1); Begg &
Mazumdar (1994), Biometrics 50:1088 (the exponent of p).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.distributions import normal_isf
from .selection_family import Family, LogWeight, Pieces, log_p

CENSOR = (
    1e-5  # p-values nearer to 0 or 1 count as this near, where the weight would be zero or infinite there
)
MOST = 100.0  # largest delta that is searched
FAR, VERY_FAR = 9.0, 37.0  # |z| beyond which w no longer changes
NODES = 16

# log p, log(1 - p), q parameters (F, 1), precision (K,) or (1,) -> LogWeight
Formula = Callable[[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray], LogWeight]


def _half_normal(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    square = c * np.exp(2 * lp)
    return LogWeight(-d[0] * square, [-square], {})


def _negative_exponential(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    p = c * np.exp(lp)
    return LogWeight(-d[0] * p, [-p], {})


def _logistic(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    """log 2 - log(1 + exp(delta p))."""
    p = c * np.exp(lp)
    share = 1 / (1 + np.exp(-d[0] * p))
    return LogWeight(
        np.log(2.0) - np.logaddexp(0.0, d[0] * p), [-p * share], {(0, 0): -p * p * share * (1 - share)}
    )


def _power(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    return LogWeight(d[0] * c * lq, [c * lq], {})


def _exponential_power(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    """- delta1 p^(1 / delta2)."""
    e = 1 / d[1]
    q = c * np.exp(e * lp)
    slope = q * lp * e * e
    second = -d[0] * slope * (lp * e * e + 2 * e)
    return LogWeight(-d[0] * q, [-q, d[0] * slope], {(0, 1): slope, (1, 1): second})


def _beta(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
    return LogWeight((d[0] - 1) * lp + (d[1] - 1) * lq, [lp, lq], {})


def _with_floor(plain: Formula) -> Formula:
    """delta1 + w(p; delta2): the chance of publication does not fall to zero."""

    def formula(lp: np.ndarray, lq: np.ndarray, d: list[np.ndarray], c: np.ndarray) -> LogWeight:
        inner = plain(lp, lq, d[1:], c)
        slope = inner.first[0]
        bend = inner.second.get((0, 0), 0.0) + slope * slope
        h = np.exp(np.maximum(inner.value, -300.0))  # so that 1 / total^2 is a number
        inverse = 1 / (d[0] + h)
        moved = h * inverse * slope
        # w is linear in delta1: these make w'' vanish to the last digit
        second = {
            (0, 0): -(inverse * inverse),
            (0, 1): -(inverse * moved),
            (1, 1): h * inverse * bend - moved * moved,
        }
        return LogWeight(-np.log(inverse), [inverse, moved], second)

    return formula


ONE_START = np.array([[0.0], [1.0], [6.0]])
FLOOR_START = np.array([[0.0, 0.5], [0.5, 1.0], [0.1, 6.0], [0.2, 50.0], [0.6, 15.0]])
# kind -> formula, lower bounds, null, starts, whether p is censored
FORMULAS: dict[str, tuple[Formula, tuple[float, ...], tuple[float, ...], np.ndarray, bool]] = {
    "beta": (
        _beta,
        (1e-5, 1e-5),
        (1.0, 1.0),
        np.array([[1.0, 1.0], [0.5, 1.5], [0.1, 3.0], [0.01, 2.5], [1.5, 1.5], [5.0, 1.5]]),
        True,
    ),
    "half-normal": (_half_normal, (0.0,), (0.0,), ONE_START, False),
    "negative-exponential": (_negative_exponential, (0.0,), (0.0,), ONE_START, False),
    "logistic": (_logistic, (0.0,), (0.0,), ONE_START, False),
    "power": (_power, (0.0,), (0.0,), np.array([[0.0], [0.5], [1.5], [5.0]]), True),
    "exponential-power": (
        _exponential_power,
        (0.0, 1e-2),
        (0.0, 1.0),
        np.array([[0.5, 1.0], [2.0, 0.3], [2.0, 2.0], [30.0, 0.07], [15.0, 3.0], [60.0, 1.0]]),
        False,
    ),
    "half-normal-floor": (_with_floor(_half_normal), (0.0, 0.0), (0.0, 0.0), FLOOR_START, False),
    "negative-exponential-floor": (
        _with_floor(_negative_exponential),
        (0.0, 0.0),
        (0.0, 0.0),
        FLOOR_START,
        False,
    ),
    "logistic-floor": (_with_floor(_logistic), (0.0, 0.0), (0.0, 0.0), FLOOR_START, False),
    "power-floor": (_with_floor(_power), (0.0, 0.0), (0.0, 0.0), FLOOR_START, False),
}


def smooth_family(
    kind: str,
    *,
    two_sided: bool = False,
    precision: np.ndarray | None = None,
    given: np.ndarray | None = None,
    threshold: tuple[float, float] | None = None,
) -> Family:
    """A family of `FORMULAS`.

    Parameters
    ----------
    precision : (K,) factor of delta for each study (not for the beta family).
    given : (q,) given parameters, NaN = estimated; None = all estimated.
    threshold : w is constant for p below the first and above the second; for all families but the beta it is 1 below the
        first, and relative to the weight at that cut above it.
    """
    formula, lower, null, start, censored = FORMULAS[kind]
    low, high = threshold if threshold else (0.0, 1.0)
    if censored:
        low, high = max(low, CENSOR), min(high, 1 - CENSOR)
    flat = low if (not censored or kind != "beta") and threshold and low > CENSOR else 0.0
    values = np.full(len(lower), np.nan) if given is None else np.asarray(given, dtype=float)
    free = np.flatnonzero(np.isnan(values))
    c = np.ones(1) if precision is None else precision

    def log_weight(places: np.ndarray, theta: np.ndarray) -> LogWeight:
        d = [np.full((len(theta), 1), x) for x in values]
        for a, j in enumerate(free):
            d[j] = theta[:, a, None]
        lp, lq = log_p(places, two_sided=two_sided)
        inside = lp > np.log(flat) if flat else np.ones_like(lp)
        with np.errstate(divide="ignore"):
            lp = np.clip(lp, np.log(low), np.log(high)) if censored else lp
            lq = np.clip(lq, np.log1p(-high), np.log1p(-low)) if censored else lq
        full = formula(lp, lq, d, c)
        full = _over(full, formula(*_logs(flat, lp.ndim), d, c)) if flat else full  # no jump at the cut
        keep = {int(j): a for a, j in enumerate(free)}
        return LogWeight(
            full.value * inside,
            [full.first[j] * inside for j in free],
            {(keep[a], keep[b]): x * inside for (a, b), x in full.second.items() if a in keep and b in keep},
        )

    far = VERY_FAR if kind in ("exponential-power", "power-floor") else FAR
    return Family(
        names=tuple(f"delta{j + 1}" for j in range(len(lower))) if len(lower) > 1 else ("delta",),
        pieces=_pieces([low, high, flat], two_sided=two_sided, far=far, censored=censored),
        log_weight=log_weight,
        locate=lambda z: z,
        lower=np.array(lower)[free],
        upper=np.full(len(free), MOST),
        null=np.array(null)[free],
        start=start[:, free],
        to_delta=lambda theta: _reported(values, free, theta),
    )


def _logs(p: float, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """log p and log(1 - p) of one value."""
    return np.full((1,) * ndim, np.log(p)), np.full((1,) * ndim, np.log1p(-p))


def _over(one: LogWeight, other: LogWeight) -> LogWeight:
    """The ratio of two weights."""
    second = {place: value - other.second[place] for place, value in one.second.items()}
    first = [a - b for a, b in zip(one.first, other.first, strict=True)]
    return LogWeight(one.value - other.value, first, second)


def _reported(values: np.ndarray, free: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Given and estimated parameters together, and their Jacobian."""
    value, jacobian = values.copy(), np.zeros((len(values), len(free)))
    value[free] = theta
    jacobian[free, np.arange(len(free))] = 1.0
    return value, jacobian


def _pieces(marks: list[float], *, two_sided: bool, far: float, censored: bool) -> Pieces:
    """Panels of width 1 (2 in the far tails) split where w has a corner; beyond them w is constant."""
    corners = [float(normal_isf(p / 2 if two_sided else p)) for p in marks if 0 < p < 1]
    if two_sided:
        corners += [-x for x in corners]
        if censored:  # log |z| near zero
            corners += [s * x for x in 10.0 ** np.arange(-4, 0) for s in (-1, 1)] + [0.0]
    top, bottom = (max(corners), min(corners)) if censored else (far, -far)
    tail = np.arange(FAR, far + 1, 2.0)
    grid = [*np.arange(-FAR, FAR + 1), *tail, *-tail, *corners, top, bottom]
    edges = np.unique([x for x in grid if bottom <= x <= top])
    node, weight = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (1 + node)).ravel()
    low, high = np.array([[top], [-np.inf]]), np.array([[np.inf], [bottom]])
    place = np.concatenate([z, [top + 1e-9, bottom - 1e-9]])
    return Pieces(z, (half * weight).ravel(), low, high, place)
