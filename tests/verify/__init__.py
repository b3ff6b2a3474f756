"""Reference figures against our code: each module reads one topic's cases and says what became of it.

A reader module has ``TOPIC`` or ``TOPICS`` and ``check(case, datasets, cases) -> Outcome``. It takes data and arguments
from the file, so it also works on other data sets of the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What became of one case; `worst` is the largest relative difference of the quantities compared.

    status : ``agree``; ``explained`` (a difference that is the reference's: ours agrees with an independent computation
        instead, and tests/reference/DIFFERENCES.md says why); ``differ``; ``uncovered`` (no code of ours for it yet).
    """

    status: Literal["agree", "explained", "differ", "uncovered"]
    worst: float = 0.0
    detail: str = ""


def as_array(values: Any) -> np.ndarray:
    """Numbers of a reference file: null is NaN, "Inf" and "-Inf" are themselves; a mapping gives its values."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, np.ndarray):
        values = values.tolist()

    def one(x: Any) -> Any:
        if isinstance(x, list):
            return [one(item) for item in x]
        if x is None:
            return np.nan
        return float(x.replace("Inf", "inf")) if isinstance(x, str) else float(x)

    return np.atleast_1d(np.asarray(one(values), dtype=float))


def compare(ours: Any, theirs: Any, *, rtol: float, atol: float = 0.0) -> tuple[bool, float]:
    """Do two sets of numbers agree? Also the largest relative difference (NaN and infinities must match)."""
    a, b = np.ravel(as_array(ours)), np.ravel(as_array(theirs))
    if a.shape != b.shape:
        return False, float("inf")
    missing = np.isnan(a) | np.isnan(b)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return False, float("inf")
    infinite = (np.isinf(a) | np.isinf(b)) & ~missing
    if not np.array_equal(a[infinite], b[infinite]):
        return False, float("inf")
    a, b = a[~missing & ~infinite], b[~missing & ~infinite]
    if not len(a):
        return True, 0.0
    gap = np.abs(a - b)
    relative = np.where(gap <= atol, 0.0, gap / np.maximum(np.abs(b), np.finfo(float).tiny))
    return bool(np.all(gap <= atol + rtol * np.abs(b))), float(np.max(relative))
