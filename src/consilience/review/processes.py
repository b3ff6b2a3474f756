"""Groups of fits, done by this process or by several; the answer is the same."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import BaseContext

from ..models.pooled_means import PooledMeans, pooled_means
from ..records import Effects, Spec
from ..records.spec import Test

PAYS = 600  # fits from which a second process pays
Tell = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Job:
    """Sets of effects for one model, and the tests that are asked of it."""

    spec: Spec
    tests: tuple[Test, ...]
    data: tuple[Effects, ...]


def run_job(job: Job) -> PooledMeans:
    """One group, in whatever process."""
    return pooled_means(job.data, job.spec, job.tests)


def run_jobs(jobs: Sequence[Job], *, tell: Tell, workers: int | None) -> list[PooledMeans]:
    """All groups, in order; where processes cannot be started or fail, this one does the work.

    tell : is told how many sets of how many are done.
    """
    total = sum(len(job.data) for job in jobs)
    context = _context(workers, total) if len(jobs) > 1 else None
    results: dict[int, PooledMeans] = {}
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
