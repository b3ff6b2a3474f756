"""How many people stand behind a set of effects, nobody counted twice."""

from __future__ import annotations

import numpy as np

from consilience.records import Effects


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
        for study, name, n in zip(effects.study, effects[arm], effects[size], strict=True):
            if not np.isnan(n):
                largest[study, name] = max(n, largest.get((study, name), 0.0))
    return round(sum(largest.values()))
