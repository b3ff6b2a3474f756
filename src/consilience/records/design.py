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
    columns : the columns that the formula used, from which knots, means and levels follow for new values; empty for
        a matrix given as such. They stay whole where rows of the matrix are left out.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    formula: str = "1"
    terms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def intercept(cls, k: int) -> Design:
        """The design of a pooled mean of k effects."""
        return cls(np.ones((k, 1)), ("intercept",), "1", {"intercept": (0,)})
