"""Models fitted to many sets of effects: each distinct one once, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from ..diagnostics.joint_test import FlipParts
from ..effects.aggregate import aggregate
from ..records import Effects
from ..records.spec import Test
from .adjustments import ADJUSTMENTS, NUMBERS, average_predictor, known_sizes, refusal
from .choices import CHOICES, MODELS, Model, impossible, spec_of
from .combinations import AnalysedSets, Combinations, digest
from .estimates import one_trial
from .processes import Job, run_jobs
from .sensitivity import Progress

GROUP = 160  # sets fitted together, which is how finely the work is divided between processes
NAMES = [choice.name for choice in CHOICES]
Key = tuple[
    str, str, float
]  # model, adjustment, and the rho that is needed besides the covariance of the effects


@dataclass(frozen=True, eq=False)
class Found:
    """numbers (6, n) in the order of `NUMBERS`, NaN where there are none; reason (n,); fit (n,) which fit, -1 = none.

    item, test : (n,) which of `parts` and of `tests` each specification takes; parts : of the plain means by trial.
    """

    numbers: np.ndarray
    reason: np.ndarray
    fit: np.ndarray
    item: np.ndarray
    test: np.ndarray
    parts: tuple[FlipParts | None, ...]
    tests: tuple[Test, ...]


@dataclass(eq=False)
class _Work:
    """Distinct pairs of a model and a set of effects; `known` finds them again."""

    keys: list[Key] = field(default_factory=list)
    data: list[Effects] = field(default_factory=list)
    known: dict[tuple[Key, bytes], int] = field(default_factory=dict)

    def place(self, key: Key, effects: Effects) -> int:
        found = self.known.setdefault((key, digest(effects)), len(self.data))
        if found == len(self.data):
            self.keys.append(key)
            self.data.append(effects)
        return found


def fit_sets(
    combined: Combinations, analysed: AnalysedSets, *, progress: Progress, workers: int | None
) -> Found:
    """The pooled mean of every specification."""
    models = combined.values[NAMES.index("model")]
    tests = cast(tuple[Test, ...], combined.values[NAMES.index("test")])
    m, t = (combined.rows[:, NAMES.index(name)] for name in ("model", "test"))
    columns = [NAMES.index(name) for name in ("model", "adjustment", "rho")]
    asked = np.column_stack([analysed.of, combined.rows[:, columns]])
    pairs, pair_of = np.unique(asked, axis=0, return_inverse=True)
    work = _Work()
    item_of, why_not = _placed(work, pairs, combined, analysed)
    item, reason = item_of[pair_of.reshape(-1)], why_not[pair_of.reshape(-1)]
    numbers, reasons, parts = _fitted(work, tests, combined, progress=progress, workers=workers)
    tried = item >= 0
    excluded = np.array([[impossible(model, test) for test in tests] for model in models], dtype=object)
    reason[tried] = np.where(excluded[m, t] != "", excluded[m, t], reasons[item])[tried]
    own = np.where((reason == "")[None, :], numbers[:, item, t], np.nan)
    limits = own[[NUMBERS.index("ci_low"), NUMBERS.index("ci_high")]]
    unknown = (reason == "") & ~np.isfinite(limits).all(axis=0)
    reason[unknown], own[:, unknown] = "The data give no standard error.", np.nan
    fitted = _numbered(np.where(reason == "", item * len(tests) + t, -1))
    return Found(own, reason, fitted, item, t, parts, tests)


def _placed(
    work: _Work, pairs: np.ndarray, combined: Combinations, analysed: AnalysedSets
) -> tuple[np.ndarray, np.ndarray]:
    """For each row (set, model, adjustment, rho) its place in the work, -1 = none, and why there is none."""
    models, adjustments, rhos = (combined.values[NAMES.index(n)] for n in ("model", "adjustment", "rho"))
    prepared: dict[tuple[int, bool, bool, bool], Effects] = {}
    item, reason = np.full(len(pairs), -1), np.full(len(pairs), "", dtype=object)
    for i, (which, m, a, h) in enumerate(pairs.tolist()):
        adjustment = str(adjustments[a])
        own, regression = ADJUSTMENTS[adjustment].own_model, ADJUSTMENTS[adjustment].regression
        name = _own_model(str(models[m])) if own else str(models[m])
        model = MODELS[name]
        shape = (which, model.averaged, model.blocks and not own, regression)
        if shape not in prepared:
            seen = replace(model, blocks=shape[2])
            prepared[shape] = _prepared(analysed.sets[which], seen, regression=regression)
        effects = prepared[shape]
        reason[i] = one_trial(effects) if effects.k else "No effect is left."
        reason[i] = reason[i] or refusal(effects, adjustment, combined.plan.small_study_minimum)
        if not reason[i]:
            rho = float(rhos[h]) if model.spec.method == "CORR" else 0.0
            item[i] = work.place((name, adjustment, rho), effects)
    return item, reason


def _own_model(name: str) -> str:
    """The model that stands for all in which an adjustment with a model of its own sees the same effects."""
    if MODELS[name].spec.method == "EE":
        return name
    return "average-ml" if MODELS[name].averaged else "study-reml"


def _numbered(fit: np.ndarray) -> np.ndarray:
    """Fits numbered from 0 in the order in which specifications use them; -1 stays."""
    values, first, inverse = np.unique(fit, return_index=True, return_inverse=True)
    used = values >= 0
    rank = np.full(len(values), -1)
    rank[np.flatnonzero(used)[np.argsort(first[used], kind="stable")]] = np.arange(used.sum())
    return np.asarray(rank[inverse.reshape(-1)])


def _prepared(effects: Effects, model: Model, *, regression: bool) -> Effects:
    """What a model sees of a set: its trial averages, or its rows with or without their covariance; a predictor if needed."""
    effects = known_sizes(effects) if regression else replace(effects, columns={})
    if model.averaged:
        averages = aggregate(effects)
        bare = replace(averages, columns={})
        return average_predictor(bare, effects) if regression else bare
    return effects if model.blocks else replace(effects, blocks=())


def _fitted(
    work: _Work, tests: Sequence[Test], combined: Combinations, *, progress: Progress, workers: int | None
) -> tuple[np.ndarray, np.ndarray, tuple[FlipParts | None, ...]]:
    """(6, items, tests) numbers, (items,) reasons and parts of the means."""
    numbers = np.full((len(NUMBERS), len(work.data), len(tests)), np.nan)
    reasons = np.full(len(work.data), "", dtype=object)
    parts: list[FlipParts | None] = [None] * len(work.data)
    jobs, places = [], []
    for key in dict.fromkeys(work.keys):
        columns = [j for j, test in enumerate(tests) if not impossible(key[0], test)]
        # sets of the same trials next to each other: a batch needs equal layouts
        items = sorted(
            (i for i, own in enumerate(work.keys) if own == key),
            key=lambda i: tuple(work.data[i].study.tolist()),
        )
        spec = spec_of(key[0], rho=key[2], level=combined.plan.level)
        for start in range(0, len(items) if columns else 0, GROUP):
            group = items[start : start + GROUP]
            data = tuple(work.data[i] for i in group)
            jobs.append(Job(spec, key[1], tuple(tests[j] for j in columns), data))
            places.append((group, columns))
    results = run_jobs(jobs, tell=lambda done, total: progress("Fitting", done, total), workers=workers)
    for (group, columns), found in zip(places, results, strict=True):
        numbers[np.ix_(range(len(NUMBERS)), group, columns)] = found.numbers
        reasons[group] = found.reason
        for i, one in zip(group, found.parts, strict=True):
            parts[i] = one
    return numbers, reasons, tuple(parts)
