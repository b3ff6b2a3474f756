"""What the trials printed, before anything is computed from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .columns import Columns
from .display import Shown
from .note import Note


@dataclass(frozen=True, eq=False, repr=False)
class Reported(Shown):
    """The tables of a review as read, with declared decisions applied.

    trials : one row a trial (key ``study``).
    arms : one row per study x arm x outcome x time, with whatever was printed.
    contrasts : one row per result that is known only as a comparison of two arms.
    risk_of_bias : one row a judged result; empty if the review has none.
    notes : findings of the data checks and every declared decision that was applied.
    """

    trials: Columns
    arms: Columns
    contrasts: Columns
    risk_of_bias: Columns
    notes: tuple[Note, ...] = ()

    @property
    def studies(self) -> tuple[str, ...]:
        """Study keys in the order of the trials table."""
        return tuple(str(s) for s in self.trials.text("study"))

    @property
    def n_rows(self) -> int:
        return len(self.arms) + len(self.contrasts)

    def trial(self, study: str) -> dict[str, object]:
        """One trial's row as a dict."""
        row = int(np.flatnonzero(self.trials.text("study") == study)[0])
        return {name: self.trials[name][row] for name in self.trials.names}
