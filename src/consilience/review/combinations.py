"""Combinations of choices, and the sets of effects that they analyse: each made once, equal ones recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ..effects import with_covariance
from ..records import Effects, Plan, Reported
from .adjustments import with_predictor
from .choices import CHOICES, Value, make_effects, preferred
from .sensitivity import Progress


@dataclass(frozen=True, eq=False)
class Combinations:
    """n specifications: values[j] are the alternatives of ``CHOICES[j]``, rows (n, d) which of them each takes."""

    plan: Plan
    values: tuple[tuple[Value, ...], ...]
    rows: np.ndarray

    @property
    def possible(self) -> int:
        """Size of the full cross product."""
        return prod(len(v) for v in self.values)

    def chosen(self, row: Sequence[int]) -> dict[str, Value]:
        """Name of the dimension -> the alternative that a row of indices takes."""
        return {c.name: v[i] for c, v, i in zip(CHOICES, self.values, row, strict=True)}


def draw(sizes: Sequence[int], *, most: int, rng: np.random.Generator) -> np.ndarray:
    """(n, d) every combination of indices, or `most` of them: the first (the primary analysis) and a random sample."""
    total = prod(sizes)
    if total <= most:
        return np.stack(np.unravel_index(np.arange(total), tuple(sizes)), axis=1)
    if total <= 4 * most:
        picked = 1 + rng.permutation(total - 1)[: most - 1]
    else:
        picked = np.empty(0, dtype=np.int64)
        while len(picked) < most - 1:  # repeats are rare; those drawn first stay
            more = np.concatenate([picked, rng.integers(1, total, most)])
            picked = more[np.sort(np.unique(more, return_index=True)[1])][: most - 1]
    flat = np.sort(np.concatenate([[0], picked]))
    return np.stack(np.unravel_index(flat, tuple(sizes)), axis=1)


@dataclass(frozen=True, eq=False)
class AnalysedSets:
    """The distinct sets of effects and, per specification, which one it analyses.

    sets : bare effects (study labels, covariance, sizes of the arms); of : (n,) index into them.
    """

    sets: tuple[Effects, ...]
    of: np.ndarray


@dataclass(eq=False)
class _Made:
    """What has been made already, by what it depends on."""

    reported: Reported
    plan: Plan
    effects: dict[tuple[Value, ...], Effects] = field(default_factory=dict)
    correlated: dict[tuple[Value, ...], Effects] = field(default_factory=dict)
    masks: dict[tuple[Value, ...], np.ndarray] = field(default_factory=dict)

    def analysed(self, chosen: Mapping[str, Value]) -> Effects:
        """The effects of one specification."""
        key = (*(chosen[c.name] for c in CHOICES if c.stage == "effects"), preferred(chosen["routes"]))
        if key not in self.effects:
            self.effects[key] = make_effects(self.reported, self.plan, chosen)
        every = self.effects[key]
        with_rho = (*key, chosen["rho"])
        if with_rho not in self.correlated:
            rho = float(chosen["rho"])
            filled = every if rho == self.plan.rho else with_covariance(every, rho, self.plan.dependence)
            self.correlated[with_rho] = with_predictor(filled)
        rules = [c for c in CHOICES if c.keep is not None]
        with_rows = (*key, *(chosen[c.name] for c in rules))
        if with_rows not in self.masks:
            left = every["pooled"] == 1.0
            for choice in rules:
                assert choice.keep is not None
                left = choice.keep(every, left, chosen[choice.name])
            self.masks[with_rows] = left
        return self.correlated[with_rho].take(self.masks[with_rows])


def analysed_sets(reported: Reported, combined: Combinations, *, progress: Progress) -> AnalysedSets:
    """The effects of every specification, whatever its model and test."""
    of_data = [j for j, c in enumerate(CHOICES) if c.stage not in ("model", "adjustment", "test")]
    data_rows = np.zeros_like(combined.rows)
    data_rows[:, of_data] = combined.rows[:, of_data]
    cells, cell_of = np.unique(data_rows, axis=0, return_inverse=True)
    made = _Made(reported, combined.plan)
    seen: dict[bytes, int] = {}
    sets: list[Effects] = []
    set_of = np.zeros(len(cells), dtype=np.intp)
    for i, row in enumerate(cells.tolist()):
        if i % 50 == 0:
            progress("Effects of the specifications", i, len(cells))
        effects = made.analysed(combined.chosen(row))
        place = seen.setdefault(digest(effects), len(sets))
        if place == len(sets):
            sets.append(effects)
        set_of[i] = place
    return AnalysedSets(tuple(sets), set_of[cell_of.reshape(-1)])


def digest(effects: Effects) -> bytes:
    """The same for bare effects with the same numbers, columns of numbers, grouping into studies and covariance, in the same order."""
    code = hashlib.blake2b(digest_size=16)
    _, groups = np.unique(effects.study.astype(str), return_inverse=True)
    for array in (effects.y, effects.v, groups.astype(np.int64), *effects.columns.values()):
        code.update(np.ascontiguousarray(array).tobytes())
    for block in effects.blocks:
        code.update(block.rows.astype(np.int64).tobytes())
        code.update(np.ascontiguousarray(block.matrix).tobytes())
    return code.digest()
