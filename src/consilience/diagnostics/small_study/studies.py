"""What the tests need of the studies, as F x K arrays, so that one analysis and a thousand simulated ones are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...base.errors import InputError
from ...records import Design, Effects, Fit, Spec

# what is needed -> the columns of `Effects` that hold it, the first that is there
NAMES: Mapping[str, tuple[str, ...]] = {
    "n1": ("n1", "n_treatment"),
    "n2": ("n2", "n_control"),
    "events1": ("events1", "events_treatment"),
    "events2": ("events2", "events_control"),
    "n": ("n", "n_people", "ni"),
}
WORDS = {
    "arms": "the sizes of both arms (columns n1 and n2, or n_treatment and n_control)",
    "size": "the size of each study (column n or n_people, or the sizes of both arms)",
    "events": "events and sizes of both arms (columns events1, n1, events2, n2)",
}


@dataclass(frozen=True, eq=False)
class Studies:
    """F analyses of K studies; all arrays (F, K), None where not known; v is inf where a study is missing."""

    y: np.ndarray
    v: np.ndarray
    n1: np.ndarray | None = None
    n2: np.ndarray | None = None
    events1: np.ndarray | None = None
    events2: np.ndarray | None = None
    n: np.ndarray | None = None

    def arms(self) -> tuple[np.ndarray, np.ndarray]:
        """Sizes of both arms."""
        if self.n1 is None or self.n2 is None:
            raise _missing("arms")
        return self.n1, self.n2

    def size(self) -> np.ndarray:
        """People in each study."""
        if self.n is not None:
            return self.n
        if self.n1 is None or self.n2 is None:
            raise _missing("size")
        return np.asarray(self.n1 + self.n2)

    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Events and sizes of both arms: a, n1, c, n2."""
        if self.events1 is None or self.events2 is None or self.n1 is None or self.n2 is None:
            raise _missing("events")
        return self.events1, self.n1, self.events2, self.n2


def _missing(what: str) -> InputError:
    return InputError(
        f"This test needs {WORDS[what]}.",
        code="column-needed",
        advice="Add the columns, or choose a test that works with effects and standard errors.",
    )


def studies_of(effects: Effects) -> Studies:
    """One analysis (F = 1) from the columns of the effects."""
    columns: dict[str, np.ndarray | None] = {}
    for name, allowed in NAMES.items():
        found = next((c for c in allowed if c in effects.columns), None)
        column = None if found is None else np.asarray(effects.columns[found])
        columns[name] = None if column is None or column.dtype == object else column[None].astype(float)
    return Studies(effects.y[None], effects.v[None], **columns)


@dataclass(frozen=True, eq=False)
class Question:
    """Effects that can be analysed, with the model that they come with (`spec`, `design`) if they come as a Fit."""

    effects: Effects
    spec: Spec | None
    design: Design

    def take(self, keep: np.ndarray) -> Question:
        if keep.all():
            return self
        design = replace(self.design, matrix=self.design.matrix[keep])
        return replace(self, effects=self.effects.take(keep), design=design)

    @property
    def dependent(self) -> bool:
        """More effects than studies, or effects with a sampling covariance."""
        effects = self.effects
        linked = any(np.count_nonzero(b.matrix - np.diag(np.diag(b.matrix))) for b in effects.blocks)
        return linked or effects.n_studies < effects.k

    def independent(self, what: str) -> None:
        """Raises InputError ``dependent-effects`` where a method that knows one effect a study cannot be used."""
        if self.dependent:
            raise InputError(
                f"{what} needs one independent effect per study; there are {self.effects.k} effects in "
                f"{self.effects.n_studies} studies.",
                code="dependent-effects",
                advice="Average the effects of each study first (study_averages of a fit), or use a method for dependent effects.",
            )


def question_of(data: Fit | Effects) -> Question:
    """The rows with an effect and a variance.

    Raises InputError ``no-effects`` where there is none.
    """
    if isinstance(data, Fit):
        return Question(data.effects, data.spec, data.design)
    known = np.isfinite(data.y) & np.isfinite(data.v)
    if not known.any():
        raise InputError("No study has an effect with a variance.", code="no-effects")
    effects = data if known.all() else data.take(known)
    return Question(effects, None, Design.intercept(effects.k))
