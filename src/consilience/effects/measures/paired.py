"""Matched pairs, or the same people twice: one event.

Cells: a both times, b the first time only, c the second time only, d neither; n = a + b + c + d.
"""

from __future__ import annotations

import numpy as np

from .cells import Cells, corrected
from .measure import Inputs, Options, Pair


def _pairs(inputs: Inputs, options: Options) -> Cells:
    cells = (inputs["both"], inputs["first_only"], inputs["second_only"], inputs["neither"])
    return corrected(cells, options, np.ones(cells[0].shape, dtype=bool))


def risk_difference(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = _pairs(inputs, options)
    n = a + b + c + d
    return (b - c) / n, (b + c) / n**2 - (b - c) ** 2 / n**3


def risk_ratio(inputs: Inputs, options: Options) -> Pair:
    a, b, c, _ = _pairs(inputs, options)
    return np.log((a + b) / (a + c)), (b + c) / ((a + b) * (a + c))


def marginal_odds_ratio(inputs: Inputs, options: Options) -> Pair:
    a, b, c, d = _pairs(inputs, options)
    n, first, second = a + b + c + d, a + b, a + c
    shared = (a * d - b * c) * n / (first * (n - first) * second * (n - second))
    v = 1 / first + 1 / (n - first) + 1 / second + 1 / (n - second) - 2 * shared
    return np.log(first / (n - first)) - np.log(second / (n - second)), v


def conditional_odds_ratio(inputs: Inputs, options: Options) -> Pair:
    _, b, c, _ = _pairs(inputs, options)
    return np.log(b / c), 1 / b + 1 / c


def peto(inputs: Inputs, options: Options) -> Pair:
    _, b, c, _ = _pairs(inputs, options)
    return 2 * (b - c) / (b + c), 4 / (b + c)


def odds_ratio_from_margins(inputs: Inputs, options: Options) -> Pair:
    """The marginal odds ratio when only the margins are printed and r (phi) or the joint proportion is known."""
    cells = (inputs["events1"], inputs["nonevents1"], inputs["events2"], inputs["nonevents2"])
    a, b, c, d = corrected(cells, options, np.ones(cells[0].shape, dtype=bool))
    n = a + b
    from_r = inputs["r"] * np.sqrt(a * b * c * d) / n + a * c / n
    both = np.where(np.isnan(inputs["r"]), inputs["p_both"] * n, from_r)
    determinant = n * both - a * c  # both * neither - first_only * second_only
    v = 1 / a + 1 / b + 1 / c + 1 / d - 2 * n * determinant / (a * b * c * d)
    return np.log(a) + np.log(d) - np.log(b) - np.log(c), v
