"""The matrix of moderators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Design:
    """Model matrix of the fixed part.

    matrix : (k, p); names : p column names; formula : as typed, "1" for an intercept only.
    terms : term -> indices of its columns (for tests of several coefficients).
    rows : new values of the moderators (dict or data frame) -> (m, p) rows, for a design that a formula made.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    formula: str = "1"
    terms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rows: Callable[[Any], np.ndarray] | None = field(default=None, repr=False)

    @classmethod
    def intercept(cls, k: int) -> Design:
        """The design of a pooled mean of k effects."""
        return cls(np.ones((k, 1)), ("intercept",), "1", {"intercept": (0,)})
