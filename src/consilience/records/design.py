"""The matrix of moderators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Design:
    """Model matrix of the fixed part.

    matrix : (k, p); names : p column names; formula : as typed, "1" for an intercept only.
    terms : term -> indices of its columns (for tests of several coefficients).
    columns : the moderators that the formula was applied to (all rows of the data then at hand), which hold the knots,
        centres and levels that new values need; empty where there was no formula.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    formula: str = "1"
    terms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    columns: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def intercept(cls, k: int) -> Design:
        """The design of a pooled mean of k effects."""
        return cls(np.ones((k, 1)), ("intercept",), "1", {"intercept": (0,)})
