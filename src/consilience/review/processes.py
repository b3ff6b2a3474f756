"""Groups of fits, done by this process or by several; the answer is the same."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..diagnostics.joint_test import FlipParts, flip_parts
from ..models import fit
from ..records import Effects, Spec
from ..records.spec import Test
from .adjustments import ADJUSTMENTS, NUMBERS

PAYS = 2_000  # sets of effects from which a second process pays
Tell = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Job:
    """Sets of effects for one model and adjustment, and the tests that are asked of it."""

    spec: Spec
    adjustment: str
    tests: tuple[Test, ...]
    data: tuple[Effects, ...]


@dataclass(frozen=True, eq=False)
class Means:
    """numbers (6, F, T) of F sets under T tests, in the order of `NUMBERS`; reason : (F,) why there are none, "" = there are;
    parts : (F,) of the plain means by trial, None where there are none."""

    numbers: np.ndarray
    reason: tuple[str, ...]
    parts: tuple[FlipParts | None, ...]


def run_job(job: Job) -> Means:
    """The pooled mean of each set under each test, in whatever process."""
    numbers = np.full((len(NUMBERS), len(job.data), len(job.tests)), np.nan)
    fitted = np.ones(len(job.data), dtype=bool)
    told: tuple[str, ...] = ()
    with one_blas_thread():
        for t, test in enumerate(job.tests):
            pooled = ADJUSTMENTS[job.adjustment].pool(job.data, replace(job.spec, test=test))
            numbers[:, :, t], theta = pooled.numbers, pooled.theta
            fitted &= pooled.ok
            told = pooled.reason or told
        parts = [
            flip_parts(e, replace(job.spec, test=job.tests[0]), theta[i], job.tests)
            if fitted[i] and job.adjustment == "none"
            else None
            for i, e in enumerate(job.data)
        ]
    reason = ["" if ok else (told[i] if told else _refusal(job, i)) for i, ok in enumerate(fitted.tolist())]
    return Means(numbers, tuple(reason), tuple(parts))


def _refusal(job: Job, i: int) -> str:
    """What a single fit says of a set that could not be fitted."""
    try:
        for test in job.tests:
            fit(job.data[i], replace(job.spec, test=test))
    except InputError as error:
        return error.message
    return "The model cannot be fitted to these effects."


def run_jobs(jobs: Sequence[Job], *, tell: Tell, workers: int | None) -> list[Means]:
    """All groups, in order; where processes cannot be started or fail, this one does the work.

    tell : is told how many sets of how many are done.
    """
    total = sum(len(job.data) for job in jobs)
    context = _context(workers, total) if len(jobs) > 1 else None
    results: dict[int, Means] = {}
    done = 0
    if context is not None:
        try:
            with ProcessPoolExecutor(workers or 2, mp_context=context) as pool:
                futures = {pool.submit(run_job, job): i for i, job in enumerate(jobs)}
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    done += len(jobs[futures[future]].data)
                    tell(done, total)
        except (BrokenProcessPool, OSError):  # no rights, no memory, a main program that cannot be imported
            pass
    for i, job in enumerate(jobs):
        if i not in results:
            results[i] = run_job(job)
            done += len(job.data)
            tell(done, total)
    return [results[i] for i in range(len(jobs))]


def _context(workers: int | None, total: int) -> BaseContext | None:
    """How processes may be started here; None = not at all.

    A fork copies this process and needs nothing else, but only a process without other threads may be forked. A spawned
    process imports the main program again: harmless in a notebook (there is none) and behind ``if __name__ ==
    "__main__"``, which only the caller knows, so there it must be asked for by a number of workers. A frozen program has
    no interpreter to start.
    """
    if workers == 1 or getattr(sys, "frozen", False) or multiprocessing.parent_process() is not None:
        return None
    if workers is None and (total < PAYS or multiprocessing.cpu_count() < 2):
        return None
    if sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    main = sys.modules.get("__main__")
    imported_again = getattr(main, "__spec__", None) is not None or hasattr(main, "__file__")
    return multiprocessing.get_context("spawn") if workers is not None or not imported_again else None
