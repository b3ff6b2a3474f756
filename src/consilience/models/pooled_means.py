"""One pooled mean of each of many sets of effects under one model, with several tests from one search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..inference.coefficients import coefficient_table
from ..inference.knapp_hartung import UNIVARIATE_TESTS, wald
from ..inference.working import working_model
from ..likelihood.batch import fit_batch
from ..likelihood.build import build
from ..likelihood.multistart import solve
from ..records import Coefficients, Design, Effects, Spec
from ..records.spec import Test
from .fit import fit
from .multilevel import METHODS
from .univariate import is_univariate

NUMBERS = ("estimate", "se", "df", "p_value", "ci_low", "ci_high")


@dataclass(frozen=True, eq=False)
class PooledMeans:
    """F sets of effects under T tests: arrays (F, T), NaN where there is no mean, with the `reason` (F,) ("" = there is)."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    reason: tuple[str, ...]


def pooled_means(data: Sequence[Effects], spec: Spec, tests: Sequence[Test]) -> PooledMeans:
    """What ``fit(effects, replace(spec, test=test))`` says of the mean, for every set and test.

    Independent effects go through the batch kernels all at once; dependent ones are searched for one by one, once for all
    tests.

    Parameters
    ----------
    spec : the model; its own test plays no part.

    Nothing is raised for data that cannot be fitted: `reason` says why.
    """
    numbers = np.full((len(NUMBERS), len(data), len(tests)), np.nan)
    reasons = [""] * len(data)
    rest: list[tuple[int, list[int]]] = []
    batched: dict[int, list[int]] = {}
    for i, effects in enumerate(data):
        alone = is_univariate(effects, replace(spec, test="z"))
        fast = [t for t, test in enumerate(tests) if alone and test in UNIVARIATE_TESTS]
        batched |= {i: fast} if fast else {}
        slow = [t for t in range(len(tests)) if t not in fast]
        rest += [(i, slow)] if slow else []
    if batched:
        _batch(data, spec, tests, which=batched, numbers=numbers)
    with one_blas_thread():
        for i, slow in rest:
            try:
                tables = _tables(data[i], spec, [tests[t] for t in slow])
            except InputError as error:
                reasons[i] = error.message
                continue
            for t, table in zip(slow, tables, strict=True):
                numbers[:, i, t] = [getattr(table, name)[0] for name in NUMBERS]
    return PooledMeans(**dict(zip(NUMBERS, numbers, strict=True)), reason=tuple(reasons))


def _batch(
    data: Sequence[Effects],
    spec: Spec,
    tests: Sequence[Test],
    *,
    which: dict[int, list[int]],
    numbers: np.ndarray,
) -> None:
    """Fill in the means of independent effects, all sets in one padded array."""
    rows = list(which)
    width = max(data[i].k for i in rows)
    y, v = np.zeros((len(rows), width)), np.full((len(rows), width), np.inf)
    for place, i in enumerate(rows):
        y[place, : data[i].k], v[place, : data[i].k] = data[i].y, data[i].v
    found = fit_batch(y, v, method=spec.method if spec.terms else "EE")
    for t in sorted({t for chosen in which.values() for t in chosen}):
        table = wald(found, test=tests[t], level=spec.level)
        values = (
            found.coefficients[:, 0],
            table.se[:, 0],
            table.df,
            table.p_value[:, 0],
            table.ci_low[:, 0],
            table.ci_high[:, 0],
        )
        numbers[:, rows, t] = values


def _tables(effects: Effects, spec: Spec, tests: Sequence[Test]) -> list[Coefficients]:
    """The coefficients of one model under each test; models with a likelihood are searched once."""
    specs = [replace(spec, test=test) for test in tests]
    if spec.method not in METHODS:
        return [fit(effects, one).coefficients for one in specs]
    design = Design.intercept(effects.k)
    setup = build(effects, design, spec)
    solution = solve(setup, method=METHODS[spec.method])
    working = working_model(setup, solution.evaluation, theta=solution.theta, effects=effects, spec=spec)
    return [coefficient_table(working, design, one)[0] for one in specs]
