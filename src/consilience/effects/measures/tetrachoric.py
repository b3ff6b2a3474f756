"""The tetrachoric correlation: both variables of a table are cut-off normals."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_cdf, normal_ppf
from ..arrays import only
from .cells import table
from .measure import Inputs, Options, Pair
from .two_by_two import fisher_z

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
PANELS = 8  # panels that halve towards the end point, where the integrand bends
STEPS = 64


def tetrachoric(inputs: Inputs, options: Options) -> Pair:
    """Maximum likelihood estimate and its variance, exact for a 2x2 table.

    The thresholds reproduce the margins and rho reproduces the upper left cell: Phi2(h, k; rho) = a/N. A zero cell
    gives an estimate of -1 or 1 whose variance is not defined; an empty margin gives no estimate.

    Variance by the delta method: with A = Phi((k - rho h)/s), B = Phi((h - rho k)/s), s^2 = 1 - rho^2, the cells
    of the table enter rho with 1 - A - B, -A, -B and 0 over phi2(h, k; rho).

    Source: Pearson (1900); Hamdan (1970), Biometrika 57:212.
    """
    a, b, c, d = table(inputs, options)
    total = a + b + c + d
    inner = (a + b > 0) & (c + d > 0) & (a + c > 0) & (b + d > 0)
    h = np.asarray(normal_ppf(only(inner, (a + b) / total)))
    k = np.asarray(normal_ppf(only(inner, (a + c) / total)))
    # arcsines near +-pi/2 are reached by the tables with an empty cell only
    full = inner & (a > 0) & (b > 0) & (c > 0) & (d > 0)
    theta = np.full(a.shape, np.nan)
    if full.any():
        theta[full] = _solve(h[full], k[full], (a / total)[full])
    rho = np.where(full, np.sin(theta), np.nan)
    rho = np.where(inner & ~full, np.where((b == 0) | (c == 0), 1.0, -1.0), rho)
    # a table with a zero on each diagonal (an empty row or column) has been excluded by `inner`
    cosine = np.cos(theta)
    first = np.asarray(normal_cdf((k - rho * h) / cosine))
    second = np.asarray(normal_cdf((h - rho * k) / cosine))
    weights = (1 - first - second, -first, -second, np.zeros_like(first))
    cells = (a / total, b / total, c / total, d / total)
    mean = sum(w * p for w, p in zip(weights, cells, strict=True))
    square = sum(w**2 * p for w, p in zip(weights, cells, strict=True))
    density = _density(h, k, theta) / cosine
    return rho, only(full, (square - mean**2) / (total * density**2))


def tetrachoric_z(inputs: Inputs, options: Options) -> Pair:
    return fisher_z(tetrachoric(inputs, options))


def _density(h: np.ndarray, k: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """d Phi2(h, k; sin theta)/d theta = exp{-[(h - k)^2/(2 cos^2) + hk/(1 + sin)]} / (2 pi)."""
    sine, cosine = np.sin(theta), np.cos(theta)
    # the two forms are equal; each is stable at its own end of the range
    near_one = (h - k) ** 2 / (2 * cosine**2) + h * k / (1 + np.abs(sine))
    near_minus = (h + k) ** 2 / (2 * cosine**2) - h * k / (1 + np.abs(sine))
    density: np.ndarray = np.exp(-np.where(sine >= 0, near_one, near_minus)) / (2 * np.pi)
    return density


def _upper_left(h: np.ndarray, k: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Phi2(h, k; sin theta) - Phi(h) Phi(k): the density integrated from 0 (Plackett 1954)."""
    ends = 1 - np.append(0.5 ** np.arange(PANELS), 0.0)
    low, width = ends[:-1], np.diff(ends)
    fraction = (low[:, None] + width[:, None] * (NODES + 1) / 2).ravel()
    weight = (width[:, None] * WEIGHTS / 2).ravel()
    values = _density(h[:, None], k[:, None], theta[:, None] * fraction)
    integral: np.ndarray = theta * (values @ weight)
    return integral


def _solve(h: np.ndarray, k: np.ndarray, p: np.ndarray) -> np.ndarray:
    """theta with Phi2(h, k; sin theta) = p by Newton steps kept inside a shrinking bracket."""
    target = p - np.asarray(normal_cdf(h)) * np.asarray(normal_cdf(k))
    low, high = np.full(h.shape, -np.pi / 2), np.full(h.shape, np.pi / 2)
    theta, open_rows = np.zeros_like(h), np.arange(len(h))
    for _ in range(STEPS):
        rows, at = open_rows, theta[open_rows]
        gap = _upper_left(h[rows], k[rows], at) - target[rows]
        low[rows], high[rows] = np.where(gap < 0, at, low[rows]), np.where(gap > 0, at, high[rows])
        step = at - gap / _density(h[rows], k[rows], at)
        inside = (step > low[rows]) & (step < high[rows])
        following = np.where(gap == 0, at, np.where(inside, step, (low[rows] + high[rows]) / 2))
        theta[rows] = following
        open_rows = rows[np.abs(following - at) > 1e-14]
        if not len(open_rows):
            break
    return theta
