"""Every problem of a review: protocol, tables, and what shows only when effects are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..base.format import plural
from ..effects import trial_effects
from ..records import Dropped, Effects, Note
from .load import Loaded, load


@dataclass(frozen=True)
class Checked:
    """A loaded review with all notes; `effects` is None if the protocol is not usable."""

    review: Loaded
    notes: tuple[Note, ...]
    effects: Effects | None

    @property
    def n_errors(self) -> int:
        return sum(note.severity == "error" for note in self.notes)

    @property
    def summary(self) -> str:
        warnings = sum(note.severity == "warning" for note in self.notes)
        text = f"{plural(self.n_errors, 'error')}, {plural(warnings, 'warning')}."
        return f"{text} {self.computable}".strip()

    @property
    def computable(self) -> str:
        """How many effects the tables give; "" if the protocol is not usable."""
        if self.effects is None:
            return ""
        made = (
            f"{plural(self.effects.k, 'effect')} of {plural(self.effects.n_studies, 'trial')} can be computed"
        )
        left = plural(len(self.effects.dropped), "reported result")
        return f"{made}; {left} cannot."


def check(folder: str | Path) -> Checked:
    """Load a review and list everything that is wrong or odd. Raises UsageError if there is no review."""
    review = load(folder)
    effects = trial_effects(review.reported, review.plan) if review.plan is not None else None
    later = review.settled(effects.notes) if effects is not None else ()
    without = [_no_effect(dropped) for dropped in effects.dropped] if effects is not None else []
    return Checked(review, tuple(dict.fromkeys((*review.notes, *later, *without))), effects)


def _no_effect(dropped: Dropped) -> Note:
    """A reported result that yields no effect: no error, but the reviewer may be able to fill the gap."""
    message = f"{dropped.study}, {dropped.outcome}: no effect can be computed. {dropped.reason}"
    row = dropped.rows[0] if dropped.rows else None
    return Note(dropped.code, "info", message, file=dropped.file, row=row, study=dropped.study)
