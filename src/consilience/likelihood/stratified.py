"""Common effect of stratified tables by Mantel-Haenszel and Peto: arrays only.

Tables are a, b (treated: events, others) and c, d (control); rates are x1, t1 and x2, t2 (events, person-time).
Empty strata contribute nothing. The weights are not inverse variances, so sparse tables need no correction.

Source: Mantel & Haenszel (1959), JNCI 22:719; Robins, Breslow & Greenland (1986), Biometrics 42:311 (OR);
Greenland & Robins (1985), Biometrics 41:55 (RR, IRR, IRD); Sato (1989), Biometrics 45:1323 (RD);
Yusuf et al. (1985), Prog Cardiovasc Dis 27:335 (Peto); Breslow & Day (1980), Statistical Methods in Cancer Research
1, eq. 4.30; Tarone (1985), Biometrika 72:91.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Tables:
    """(k,) counts of k two-by-two tables."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray

    @property
    def n1(self) -> np.ndarray:
        return np.asarray(self.a + self.b)

    @property
    def n2(self) -> np.ndarray:
        return np.asarray(self.c + self.d)

    @property
    def n(self) -> np.ndarray:
        return np.asarray(self.n1 + self.n2)

    @property
    def variance(self) -> np.ndarray:
        """Hypergeometric variance of a given the margins; 0 for tables of one person."""
        n, m1, m2 = self.n, self.a + self.c, self.b + self.d
        return np.asarray(self.n1 * self.n2 * m1 * m2 / (n**2 * np.maximum(n - 1, 1)))

    @property
    def excess(self) -> np.ndarray:
        """a minus its expectation given the margins."""
        return np.asarray(self.a - self.n1 * (self.a + self.c) / self.n)


@dataclass(frozen=True, eq=False)
class Rates:
    """(k,) events and person-time of k pairs of groups."""

    x1: np.ndarray
    t1: np.ndarray
    x2: np.ndarray
    t2: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Binomial variance of x1 given the total."""
        t = self.t1 + self.t2
        return np.asarray((self.x1 + self.x2) * self.t1 * self.t2 / t**2)

    @property
    def excess(self) -> np.ndarray:
        """x1 minus its expectation given the total."""
        return np.asarray(self.x1 - (self.x1 + self.x2) * self.t1 / (self.t1 + self.t2))


def odds_ratio(t: Tables) -> tuple[float, float]:
    """log OR and its variance; NaN if no table has events on one diagonal."""
    n = t.n
    p, q, r, s = (t.a + t.d) / n, (t.b + t.c) / n, t.a * t.d / n, t.b * t.c / n
    rr, ss = r.sum(), s.sum()
    if rr == 0 or ss == 0:
        return float("nan"), float("nan")
    variance = (p * r).sum() / rr**2 + (p * s + q * r).sum() / (rr * ss) + (q * s).sum() / ss**2
    return float(np.log(rr / ss)), float(variance / 2)


def risk_ratio(t: Tables) -> tuple[float, float]:
    """log RR and its variance."""
    n = t.n
    rr, ss = (t.a * t.n2 / n).sum(), (t.c * t.n1 / n).sum()
    if rr == 0 or ss == 0:
        return float("nan"), float("nan")
    top = ((t.n1 * t.n2 * (t.a + t.c) - t.a * t.c * n) / n**2).sum()
    return float(np.log(rr / ss)), float(top / (rr * ss))


def risk_difference(t: Tables) -> tuple[float, float]:
    """RD and its variance (Sato), which stays right for sparse tables."""
    n = t.n
    weight = (t.n1 * t.n2 / n).sum()
    estimate = ((t.a * t.n2 - t.c * t.n1) / n).sum() / weight
    p = (t.c * t.n1**2 - t.a * t.n2**2 + t.n1 * t.n2 * (t.n2 - t.n1) / 2) / n**2
    q = (t.a * t.d + t.c * t.b) / (2 * n)
    return float(estimate), float((estimate * p.sum() + q.sum()) / weight**2)


def rate_ratio(r: Rates) -> tuple[float, float]:
    """log IRR and its variance."""
    t = r.t1 + r.t2
    up, down = (r.x1 * r.t2 / t).sum(), (r.x2 * r.t1 / t).sum()
    if up == 0 or down == 0:
        return float("nan"), float("nan")
    return float(np.log(up / down)), float(r.variance.sum() / (up * down))


def rate_difference(r: Rates) -> tuple[float, float]:
    """IRD and its variance."""
    t = r.t1 + r.t2
    weight = (r.t1 * r.t2 / t).sum()
    estimate = ((r.x1 * r.t2 - r.x2 * r.t1) / t).sum() / weight
    variance = ((r.x1 * r.t2**2 + r.x2 * r.t1**2) / t**2).sum() / weight**2
    return float(estimate), float(variance)


def peto(t: Tables) -> tuple[float, float]:
    """Peto's one-step log OR and its variance."""
    total = t.variance.sum()
    if total == 0:
        return float("nan"), float("nan")
    return float(t.excess.sum() / total), float(1 / total)


def association(strata: Tables | Rates, *, correct: bool) -> float:
    """Mantel-Haenszel chi2(1) of no effect in any stratum, with or without the continuity correction of one half."""
    gap = abs(float(strata.excess.sum())) - (0.5 if correct else 0.0)
    return max(gap, 0.0) ** 2 / float(strata.variance.sum())


def breslow_day(t: Tables, log_or: float) -> tuple[float, float, int]:
    """Breslow-Day chi2 of one OR in all tables, Tarone's corrected one, and the number of informative tables."""
    m = t.a + t.c
    used = (m > 0) & (m < t.n) & (t.n1 > 0) & (t.n2 > 0)
    a, n1, n2, m = (values[used] for values in (t.a, t.n1, t.n2, m))
    odds = np.exp(log_or)
    # the count A with A (n2 - m + A) = odds (n1 - A)(m - A): the root between its bounds, free of cancellation
    half = (n2 - m) + odds * (n1 + m)
    square = 1 - odds
    root = np.sqrt(half**2 + 4 * square * odds * n1 * m)
    fitted = 2 * odds * n1 * m / (half + root)
    spread = 1 / (1 / fitted + 1 / (n1 - fitted) + 1 / (m - fitted) + 1 / (n2 - m + fitted))
    chi2 = float(((a - fitted) ** 2 / spread).sum())
    return chi2, chi2 - float((a - fitted).sum()) ** 2 / float(spread.sum()), int(used.sum())
