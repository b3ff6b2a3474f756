"""Which effects are left out together: each effect, each study, or the levels of a column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...base.linalg import group_codes
from ...likelihood.columns import column
from ...records import Effects


@dataclass(frozen=True, eq=False)
class Cases:
    """n groups of the k effects in order of first appearance. label : (n,) names; code : (k,) group of each effect."""

    by: str
    label: tuple[str, ...]
    code: np.ndarray

    @property
    def n(self) -> int:
        return len(self.label)

    @property
    def size(self) -> np.ndarray:
        """(n,) effects in each."""
        return np.bincount(self.code, minlength=self.n)

    @property
    def keep(self) -> np.ndarray:
        """(n, k) the effects that stay when each is left out."""
        return np.asarray(self.code[None, :] != np.arange(self.n)[:, None])

    def rows(self) -> list[np.ndarray]:
        """The rows of each."""
        order = np.argsort(self.code, kind="stable")
        return np.split(order, np.cumsum(self.size)[:-1])


def cases_of(effects: Effects, by: str) -> Cases:
    """The cases of ``"effect"``, ``"study"`` or a column.

    Raises InputError ``unknown-column``, which names the known ones.
    """
    if by in ("effect", "row"):
        return Cases("effect", row_labels(effects), np.arange(effects.k))
    code, labels = group_codes(column(effects, by).tolist())
    return Cases(by, tuple(_text(label) for label in labels), code)


def row_labels(effects: Effects) -> tuple[str, ...]:
    """(k,) the study of each effect, numbered within the study where it has several."""
    studies = [_text(s) for s in effects.study.tolist()]
    total, seen = Counter(studies), Counter[str]()
    result = []
    for study in studies:
        seen[study] += 1
        result.append(study if total[study] == 1 else f"{study} ({seen[study]})")
    return tuple(result)


def _text(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)
