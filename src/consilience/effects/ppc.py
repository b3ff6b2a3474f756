"""Pretest-posttest-control g and its relatives: the formulas, on floats or arrays that broadcast.

Every standardised difference of this package has the form g = J(m) * difference / S, where S has m degrees of
freedom and Var(difference)/S^2 = k. So one variance serves them all; what differs between designs is k:

- before and after (Morris 2008, d_ppc2): k = 2(1 - rT)/nT + 2(1 - rC)/nC,
- final values only: k = 1/nT + 1/nC,
- a printed SD or SE of change: k = its square over n and S^2.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .small_sample import j_factor

VarianceKind = Literal["morris", "large-sample"]
MEDIAN_VARIANCE = float(np.pi / 2)  # variance of a normal median relative to the mean's
QUARTILE_MEAN_VARIANCE = 1.163  # the same for a mean made from the median and both quartiles (Luo 2018)
RANGE_MEAN_VARIANCE = 1.30  # and from the median and the range: 1.27 at n = 25, 1.42 at n = 100
RANGE_MEAN_COVARIANCE = (
    1.08  # extremes of two times are less alike than the people: between .3 and .9 within 5%
)


VARIANCES = {
    "mean": 1.0,
    "median": MEDIAN_VARIANCE,
    "quartiles": QUARTILE_MEAN_VARIANCE,
    "range": RANGE_MEAN_VARIANCE,
}


def pooled_sd(sd_t: Any, n_t: Any, sd_c: Any, n_c: Any) -> Any:
    """SD pooled over two arms: sqrt([(nT-1) ST^2 + (nC-1) SC^2] / (nT + nC - 2)). Source: Morris (2008), eq. 9."""
    return (((n_t - 1) * sd_t**2 + (n_c - 1) * sd_c**2) / (n_t + n_c - 2)) ** 0.5


def sampling_terms(n: Any, variance: VarianceKind = "morris") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J, and the two numbers (a, h) with which Var(g) = a k + h g^2.

    Parameters
    ----------
    n : (k,) people in both arms together; S has n - 2 degrees of freedom.
    variance : ``"morris"``: a = J^2 m/(m-2), h = a - 1, the exact variance of g with g in place of its
        parameter; ``"large-sample"``: a = 1, h = 1/(2n). With n <= 4 the exact variance does not exist and the
        large-sample one is used.

    Returns
    -------
    (J, a, h) : (k,) each; NaN where n <= 3.

    Source: Morris (2008), eqs. 8, 16, 25; Hedges (1981).
    """
    n = np.asarray(n, dtype=float)
    m = n - 2
    j = j_factor(m)
    with np.errstate(divide="ignore", invalid="ignore"):
        large = np.where(np.isnan(j), np.nan, 1.0), np.where(np.isnan(j), np.nan, 1 / (2 * n))
        if variance == "large-sample":
            return j, *large
        exact = j**2 * m / (m - 2)
        defined = m > 2
        return j, np.where(defined, exact, large[0]), np.where(defined, exact - 1, large[1])


def ppc_variance(g: Any, k: Any, n: Any, *, variance: VarianceKind = "morris") -> np.ndarray:
    """Sampling variance of g = J * difference / S from k = Var(difference)/S^2 and n people in both arms.

    Morris: 2 J^2 (1-r) a (N-2)/(N-4) [1 + g^2/(2(1-r)a)] - g^2 with k = 2(1-r)a; large-sample: k + g^2/(2N).

    Source: Morris (2008), eqs. 25 and 8.
    """
    _, a, h = sampling_terms(n, variance)
    result: np.ndarray = a * np.asarray(k, dtype=float) + h * np.asarray(g, dtype=float) ** 2
    return result


def ppc_g(change_t: Any, change_c: Any, *, sd_t: Any, sd_c: Any, n_t: Any, n_c: Any) -> np.ndarray:
    """Pretest-posttest-control g: J(N-2) [(MT,post - MT,pre) - (MC,post - MC,pre)] / S_pre,pooled.

    Parameters
    ----------
    change_t, change_c : (k,) mean changes of the treated and the control arm.
    sd_t, sd_c : (k,) SDs before treatment.
    n_t, n_c : (k,) arm sizes.

    Returns
    -------
    (k,) g, in units of the SD before treatment, positive where the treated arm rose more.

    Source: Morris (2008), eqs. 8-10 (d_ppc2).
    """
    n_t, n_c = np.asarray(n_t, dtype=float), np.asarray(n_c, dtype=float)
    difference = np.asarray(change_t, dtype=float) - np.asarray(change_c, dtype=float)
    result: np.ndarray = j_factor(n_t + n_c - 2) * difference / pooled_sd(sd_t, n_t, sd_c, n_c)
    return result


def mean_variance(kind: str, log_variance: float) -> float:
    """Sampling variance of one printed location times n over the variance of the values.

    kind : ``mean`` 1; ``converted`` (log mean from a raw mean and SD) 1 + L/2 with L the log variance;
        ``median`` pi/2; ``quartiles`` (mean made from median and quartiles) 1.163; ``range`` (from median and
        range) 1.30.

    Source: Higgins, White & Anzures-Cabrera (2008); order statistics of the normal.
    """
    if kind == "converted":
        return 1 + log_variance / 2
    return VARIANCES[kind]


def mean_covariance(kind_1: str, kind_2: str, r: float, log_variance: float) -> float:
    """Covariance of two printed locations of the same people, in the units of `mean_variance`.

    Equal kinds keep the dependence of their kind: r for means, r(1 + rL/2) for converted log means,
    asin(r) for medians, 1.163 r for quartile means, 1.08 r for range means. Different kinds share r.
    """
    if kind_1 != kind_2:
        return r
    if kind_1 == "range":
        return RANGE_MEAN_COVARIANCE * r
    if kind_1 == "converted":
        return r * (1 + r * log_variance / 2)
    if kind_1 == "median":
        return float(np.arcsin(r))
    return mean_variance(kind_1, log_variance) * r


def change_variance(kind_pre: str, kind_post: str, *, r: float, n: float, log_variance: float = 0.0) -> float:
    """One arm's part of k: the variance of its mean change in units of S^2, equal SDs before and after.

    For plain means this is 2(1 - r)/n; for log means converted from raw ones 2(1 - r)[1 + (1 + r)L/2]/n.

    Source: Morris (2008), eq. 16 for means; the others follow from `mean_variance` and `mean_covariance`.
    """
    pre, post = mean_variance(kind_pre, log_variance), mean_variance(kind_post, log_variance)
    return (pre + post - 2 * mean_covariance(kind_pre, kind_post, r, log_variance)) / n
