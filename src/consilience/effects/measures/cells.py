"""Continuity corrections of tables and counts."""

from __future__ import annotations

import numpy as np

from ..arrays import only
from .measure import Inputs, Options

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def added(zero: np.ndarray, options: Options) -> np.ndarray:
    """(n,) constant to add to each row, given which rows have a zero."""
    if options.to == "none":
        return np.zeros(zero.shape)
    if options.to == "all":
        return np.full(zero.shape, options.add)
    if options.to == "if0all":
        return np.full(zero.shape, options.add if zero.any() else 0.0)
    return np.where(zero, options.add, 0.0)


def table(inputs: Inputs, options: Options) -> Cells:
    """The four cells of group x event tables with the continuity correction; n1, n2 may stand for non-events.

    Rows dropped by `drop00` (no events, or only events, in both groups) are NaN in every cell.
    """
    a, c = inputs["events1"], inputs["events2"]
    b = np.where(np.isnan(inputs["nonevents1"]), inputs["n1"] - a, inputs["nonevents1"])
    d = np.where(np.isnan(inputs["nonevents2"]), inputs["n2"] - c, inputs["nonevents2"])
    possible = (b >= 0) & (d >= 0)  # more events than people cannot be
    if options.drop00:
        possible &= ~(((a == 0) & (c == 0)) | ((b == 0) & (d == 0)))
    return corrected((a, b, c, d), options, possible)


def corrected(cells: Cells, options: Options, possible: np.ndarray) -> Cells:
    """Add the continuity correction; rows that are not possible become NaN."""
    a, b, c, d = (only(possible, cell) for cell in cells)
    zero = (a == 0) | (b == 0) | (c == 0) | (d == 0)
    plus = added(zero, options)
    return a + plus, b + plus, c + plus, d + plus


def pooled(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Average over studies: sum(part)/sum(whole) over the rows where both are known, as an array of that value."""
    known = np.isfinite(part) & np.isfinite(whole)
    total = float(np.sum(whole[known]))
    return np.full(part.shape, float(np.sum(part[known])) / total if total > 0 else np.nan)
