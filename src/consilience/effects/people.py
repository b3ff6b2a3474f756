"""How many people stand behind a set of effects, nobody counted twice."""

from __future__ import annotations

import numpy as np

from ..records import Effects


def count_unsized(effects: Effects) -> int:
    """Trials none of whose effects has known arm sizes: `count_people` counts nobody of them."""
    known = np.isfinite(effects["n_treatment"]) | np.isfinite(effects["n_control"])
    return effects.n_studies - len(set(effects.study[known].tolist()))


def count_people(effects: Effects) -> int:
    """Per study and arm the largest number analysed in any of its effects, summed.

    Arms of unknown size count nothing.
    """
    largest: dict[tuple[str, str], float] = {}
    for arm, size in (("treatment", "n_treatment"), ("control", "n_control")):
        names = zip(effects.study.tolist(), effects[arm].tolist(), strict=True)
        for key, n in zip(names, effects[size].tolist(), strict=True):
            if n > largest.get(key, 0.0):
                largest[key] = n
    return round(sum(largest.values()))
