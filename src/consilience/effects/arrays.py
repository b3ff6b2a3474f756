"""Small array steps that every effect-size formula needs."""

from __future__ import annotations

from typing import Any

import numpy as np


def floats(*values: Any) -> list[np.ndarray]:
    """The values as float arrays of one common shape."""
    return list(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values)))


def only(valid: np.ndarray, value: Any) -> np.ndarray:
    """`value` where `valid`, else NaN."""
    return np.asarray(np.where(valid, value, np.nan), dtype=float)


def log_positive(x: Any) -> np.ndarray:
    """ln x, NaN (without a warning) where x is not positive."""
    x = np.asarray(x, dtype=float)
    return only(x > 0, np.log(np.where(x > 0, x, 1.0)))
