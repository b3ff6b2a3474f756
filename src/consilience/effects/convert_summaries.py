"""Medians, quartiles and ranges to mean and standard deviation.

Three designs are told apart row by row by what is given: minimum, median, maximum (S1); quartiles and
median (S2); all five (S3). Rows with none of these are NaN. All arrays are (n,) and broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..base.distributions import normal_ppf
from ..base.options import choose
from .arrays import floats, only
from .convert_logs import quartile_range

MeanMethod = Literal["luo", "wan", "hozo", "bland", "walter"]
SdMethod = Literal["wan-shi", "wan", "shi", "hozo", "bland", "walter"]


@dataclass(frozen=True, eq=False)
class FiveNumbers:
    """Order statistics of n values; arrays (k,), NaN = not given.

    Derived: `ends` and `quartiles` say per row whether the range and the quartiles (with the median) are
    given.
    """

    minimum: np.ndarray
    q1: np.ndarray
    median: np.ndarray
    q3: np.ndarray
    maximum: np.ndarray
    n: np.ndarray

    @classmethod
    def of(
        cls,
        median: Any,
        n: Any,
        *,
        q1: Any = np.nan,
        q3: Any = np.nan,
        minimum: Any = np.nan,
        maximum: Any = np.nan,
    ) -> FiveNumbers:
        """Broadcast; a row whose numbers are not in ascending order, or with n < 1, keeps none of them."""
        minimum, q1, median, q3, maximum, n = floats(minimum, q1, median, q3, maximum, n)
        values = np.stack([minimum, q1, median, q3, maximum])
        floor = np.fmax.accumulate(values, axis=0)  # NaN-skipping running maximum
        good = ~np.any(values < floor, axis=0) & (n >= 1) & np.isfinite(n)
        return cls(*(only(good, column) for column in (*values, n)))

    @property
    def design(self) -> np.ndarray:
        """(k,) 3 = all five numbers, 2 = quartiles and median, 1 = range and median, 0 = none of these."""
        return np.select([self.ends & self.quartiles, self.quartiles, self.ends], [3, 2, 1], default=0)

    @property
    def ends(self) -> np.ndarray:
        return np.asarray((self.minimum <= self.median) & (self.median <= self.maximum))

    @property
    def quartiles(self) -> np.ndarray:
        return np.asarray((self.q1 <= self.median) & (self.median <= self.q3))

    def map(self, transform: Callable[[np.ndarray], np.ndarray]) -> FiveNumbers:
        """The same with each order statistic transformed by an increasing function."""
        return FiveNumbers(
            transform(self.minimum),
            transform(self.q1),
            transform(self.median),
            transform(self.q3),
            transform(self.maximum),
            self.n,
        )


def summary_to_moments(
    five: FiveNumbers, *, mean_method: MeanMethod = "luo", sd_method: SdMethod = "wan-shi"
) -> tuple[np.ndarray, np.ndarray]:
    """Five numbers (or three of them) to mean and SD of roughly normal values.

    Parameters
    ----------
    five : what was printed, raw scale.
    mean_method : ``luo`` (optimal weights), ``wan`` (fixed weights), ``hozo`` (S1 only), ``bland`` (S3
        only) or ``walter`` (S1 only: the median).
    sd_method : ``wan-shi`` (S1 and S2 by Wan 2014, S3 by Shi 2020), ``wan``, ``shi`` (S3 only), ``hozo``
        (S1 only), ``bland`` (S3 only) or ``walter`` (S1 only: range over its expectation).

    Returns
    -------
    (mean, sd) : (k,) each; NaN where the method does not serve what is given.

    Source: Luo et al. (2018), eqs. 7, 11, 15; Wan et al. (2014), eqs. 9, 13, 15, 16; Shi et al. (2020),
    eq. 9; Hozo et al. (2005), eqs. 5, 12, 16; Bland (2015), eqs. 1, 2; Walter & Yao (2007).
    """
    choose(mean_method, MEANS, what="mean_method")
    choose(sd_method, SDS, what="sd_method")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return MEANS[mean_method](five), SDS[sd_method](five)


def range_width(n: Any) -> np.ndarray:
    """Approximate expected range of n standard normals: 2 Phi^-1[(n - .375)/(n + .25)].

    Source: Wan et al. (2014), eq. 9.
    """
    n = np.asarray(n, dtype=float)
    return 2 * np.asarray(normal_ppf((n - 0.375) / (n + 0.25)))


def expected_range(n: Any) -> np.ndarray:
    """Exact expected range of n standard normals: integral of 1 - Phi(x)^n - (1 - Phi(x))^n (Tippett 1925).

    `n` (k,); the integrand is smooth and decays like a normal tail, so the trapezoid converges to the last
    digits.
    """
    from scipy.special import log_ndtr

    x = np.linspace(-12.0, 12.0, 961)
    upper, lower = log_ndtr(x), log_ndtr(-x)
    distinct, inverse = np.unique(np.asarray(n, dtype=float), return_inverse=True)
    out = np.full(distinct.shape, np.nan)
    for i, size in enumerate(distinct):
        if size >= 1:
            out[i] = np.sum(-np.expm1(size * upper) - np.exp(size * lower)) * (x[1] - x[0])
    return out[inverse].reshape(np.shape(n))


def _by_design(five: FiveNumbers, s1: Any, s2: Any, s3: Any) -> np.ndarray:
    """Pick the formula of each row's design."""
    design = five.design
    return np.select([design == 1, design == 2, design == 3], [s1, s2, s3], default=np.nan)


def _mean_luo(five: FiveNumbers) -> np.ndarray:
    n, median = five.n, five.median
    middle, inner = (five.minimum + five.maximum) / 2, (five.q1 + five.q3) / 2
    w1 = 4 / (4 + n**0.75)
    w2 = 0.7 + 0.39 / n
    w3, w4 = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
    return _by_design(
        five,
        w1 * middle + (1 - w1) * median,
        w2 * inner + (1 - w2) * median,
        w3 * middle + w4 * inner + (1 - w3 - w4) * median,
    )


def _mean_wan(five: FiveNumbers) -> np.ndarray:
    ends, inner, median = five.minimum + five.maximum, five.q1 + five.q3, five.median
    return _by_design(
        five, (ends + 2 * median) / 4, (inner + median) / 3, (ends + 2 * inner + 2 * median) / 8
    )


def _mean_hozo(five: FiveNumbers) -> np.ndarray:
    return only(five.design == 1, (five.minimum + 2 * five.median + five.maximum) / 4)


def _mean_bland(five: FiveNumbers) -> np.ndarray:
    return only(five.design == 3, _mean_wan(five))


def _mean_walter(five: FiveNumbers) -> np.ndarray:
    return only(five.design == 1, five.median)


def _sd_parts(five: FiveNumbers) -> tuple[np.ndarray, np.ndarray]:
    """SD from the range and from the quartiles (Wan 2014)."""
    return (five.maximum - five.minimum) / range_width(five.n), (five.q3 - five.q1) / quartile_range(five.n)


def _sd_wan(five: FiveNumbers) -> np.ndarray:
    s1, s2 = _sd_parts(five)
    return _by_design(five, s1, s2, (s1 + s2) / 2)


def _sd_wan_shi(five: FiveNumbers) -> np.ndarray:
    s1, s2 = _sd_parts(five)
    weight = 1 / (1 + 0.07 * five.n**0.6)
    return _by_design(five, s1, s2, weight * s1 + (1 - weight) * s2)


def _sd_shi(five: FiveNumbers) -> np.ndarray:
    return only(five.design == 3, _sd_wan_shi(five))


def _sd_hozo(five: FiveNumbers) -> np.ndarray:
    width, n = five.maximum - five.minimum, five.n
    small = np.sqrt(((five.minimum - 2 * five.median + five.maximum) ** 2 / 4 + width**2) / 12)
    return only(five.design == 1, np.select([n <= 15, n <= 70], [small, width / 4], default=width / 6))


def _sd_bland(five: FiveNumbers) -> np.ndarray:
    # differences from the median: the paper's formula with squares of the values themselves cancels
    a, q1, q3, b = (x - five.median for x in (five.minimum, five.q1, five.q3, five.maximum))
    squares = (a**2 + 2 * q1**2 + 2 * q3**2 + b**2 + 2 * (a * q1 + q3 * b)) / 16
    return only(five.design == 3, np.sqrt(squares - (a + 2 * q1 + 2 * q3 + b) ** 2 / 64))


def _sd_walter(five: FiveNumbers) -> np.ndarray:
    return only(five.design == 1, (five.maximum - five.minimum) / expected_range(five.n))


MEANS: dict[str, Callable[[FiveNumbers], np.ndarray]] = {
    "luo": _mean_luo,
    "wan": _mean_wan,
    "hozo": _mean_hozo,
    "bland": _mean_bland,
    "walter": _mean_walter,
}
SDS: dict[str, Callable[[FiveNumbers], np.ndarray]] = {
    "wan-shi": _sd_wan_shi,
    "wan": _sd_wan,
    "shi": _sd_shi,
    "hozo": _sd_hozo,
    "bland": _sd_bland,
    "walter": _sd_walter,
}
