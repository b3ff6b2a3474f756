"""Collects the comparisons of one case."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify import Outcome, compare


class Tally:
    """Collects comparisons of one case."""

    def __init__(self, rtol: float) -> None:
        self.rtol, self.worst = rtol, 0.0
        self.wrong: list[str] = []

    def add(self, name: str, ours: Any, theirs: Any, *, rtol: float | None = None, atol: float = 0.0) -> None:
        if theirs is None or (isinstance(theirs, list) and not theirs):
            return
        rtol = self.rtol if rtol is None else rtol
        good, worst = compare(ours, theirs, rtol=rtol, atol=atol)
        self.worst = max(self.worst, worst if good else 0.0)
        if not good:
            self.wrong.append(
                f"{name}: {np.ravel(ours)[:3]} against {theirs if np.ndim(theirs) == 0 else 'R'} ({worst:.1e})"
            )

    def outcome(self) -> Outcome:
        return Outcome("differ" if self.wrong else "agree", self.worst, "; ".join(self.wrong))
