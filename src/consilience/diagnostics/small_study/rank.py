"""Rank correlation (Kendall) of many analyses at once: S, its variance with ties, tau-b, exact and normal p-values.

Source: Kendall (1970), Rank Correlation Methods, 4th ed., ch. 4 (ties).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...base.distributions import normal_sf

EXACT_BELOW = 50  # studies up to which the exact distribution is used where nothing is tied
CHUNK = 2_000_000  # pairs held in memory at once
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Ranks:
    """Kendall's statistics of F analyses, all (F,): studies, S, its null standard error, tau-b, is anything tied?"""

    k: np.ndarray
    s: np.ndarray
    se: np.ndarray
    tau: np.ndarray
    tied: np.ndarray

    @property
    def z(self) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # all ranks tied
            return np.asarray(self.s / self.se)

    def p_normal(self, *, continuity: bool = False) -> np.ndarray:
        """(F,) two-sided, by the normal approximation; `continuity` takes 1 off |S|."""
        size = np.maximum(np.abs(self.s) - 1, 0.0) if continuity else np.abs(self.s)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * normal_sf(size / self.se))

    def p_value(self, *, exact: bool = True) -> np.ndarray:
        """(F,) exact where nothing is tied and there are fewer than 50 studies (unless told not to), else normal."""
        result = self.p_normal()
        rows = np.flatnonzero(~self.tied & (self.k < EXACT_BELOW)) if exact else ()
        for i in rows:
            result[i] = exact_p(round(float(self.s[i])), int(self.k[i]))
        return result


def kendall(x: np.ndarray, y: np.ndarray) -> Ranks:
    """Kendall's S of x and y (F, K); a study is left out where x is NaN."""
    f, k = x.shape
    step = max(1, CHUNK // max(1, k * k))
    parts = [_kendall(x[i : i + step], y[i : i + step]) for i in range(0, f, step)]
    return Ranks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _kendall(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    known = ~np.isnan(x)
    pair = known[:, :, None] & known[:, None, :]
    dx = np.where(pair, np.sign(x[:, :, None] - x[:, None, :]), np.nan)
    y = np.where(known, y, 0.0)
    dy = np.where(pair, np.sign(y[:, :, None] - y[:, None, :]), np.nan)
    s = np.nansum(dx * dy, axis=(1, 2)) / 2
    n = known.sum(axis=1).astype(float)
    (x1, x2, x3, tx), (y1, y2, y3, ty) = _ties(dx, known), _ties(dy, known)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (n * (n - 1) * (2 * n + 5) - x1 - y1) / 18
        variance += x2 * y2 / (2 * n * (n - 1)) + np.where(n > 2, x3 * y3 / (9 * n * (n - 1) * (n - 2)), 0.0)
        total = n * (n - 1) / 2
        tau = s / np.sqrt((total - x2 / 2) * (total - y2 / 2))
    return n, s, np.sqrt(variance), tau, tx | ty


def _ties(sign: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """Sums over the tied groups of size t of t(t-1)(2t+5), t(t-1), t(t-1)(t-2), and whether there is one."""
    t = np.where(known, (sign == 0).sum(axis=2), 0)  # each of the t members of a group counts t
    one = np.where(t > 0, t - 1.0, 0.0)
    return (
        (one * (2 * t + 5)).sum(axis=1),
        one.sum(axis=1),
        (one * (t - 2)).sum(axis=1),
        np.asarray((t > 1).any(axis=1)),
    )


@lru_cache(maxsize=64)
def _inversions(n: int) -> np.ndarray:
    """Probabilities of 0, 1, ... n(n-1)/2 discordant pairs of random ranks."""
    found = np.ones(1)
    for m in range(2, n + 1):
        found = np.convolve(found, np.full(m, 1.0 / m))
    return found


def exact_p(s: int, n: int) -> float:
    """Two-sided exact p of Kendall's S for n untied studies: twice the smaller tail, at most 1."""
    chances = _inversions(n)
    concordant = (
        s + n * (n - 1) // 2
    ) // 2  # symmetric, so the tails of concordant and discordant pairs agree
    low, high = float(chances[: concordant + 1].sum()), float(chances[concordant:].sum())
    return min(1.0, 2 * min(low, high))


def standardised_deviates(y: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(F, K) (y - m) / sqrt(v - 1/sum w), m the equal-effects mean; NaN where a study is missing.

    Source: Begg & Mazumdar (1994), Biometrics 50:1088.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        w = 1 / v
        total = w.sum(axis=1, keepdims=True)
        mean = (w * np.where(np.isinf(v), 0.0, y)).sum(axis=1, keepdims=True) / total
        gap = y - mean
        gap = np.where(
            np.abs(gap) > ROUNDING * np.abs(y), gap, 0.0
        )  # equal effects are tied, not ranked by rounding
        return np.where(np.isinf(v), np.nan, gap / np.sqrt(v - 1 / total))
