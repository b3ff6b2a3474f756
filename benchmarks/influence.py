"""Leave-one-out and influence, k = 100: R's metafor and ours on the same data in one run; CPU seconds, one thread each.

    python -m benchmarks.influence             # prints the table; exit 1 if an answer differs

Without R the ratios are left out. The line without a bar is not asked for; it says what a moderator costs.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.univariate import cpu
from consilience.base.linalg import one_blas_thread
from consilience.diagnostics import influence, leave_one_out
from consilience.models import fit
from consilience.records import Design, Effects, Influence, Spec

K = 100
BARS = {"leave-one-out": 100, "influence": 100}


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20260102)
    v = rng.uniform(0.01, 0.3, K)
    x = rng.normal(size=K)
    return {"yi": 0.3 + 0.1 * x + rng.normal(0, np.sqrt(v + 0.05)), "vi": v, "x": x}


def _sums(found: Influence) -> tuple[float, float]:
    return float(np.abs(found.studentised).sum()), float(found.cook.sum())


def ours(columns: dict[str, np.ndarray]) -> dict[str, tuple[float, float, float]]:
    """Work -> CPU seconds and two answers."""
    labels = np.array([str(i) for i in range(K)], dtype=object)
    effects, spec = Effects(columns["yi"], columns["vi"], labels), Spec.random_effects(test="z")
    mean = fit(effects, spec)
    matrix = np.column_stack([np.ones(K), columns["x"]])
    slope = fit(effects, spec, design=Design(matrix, ("intercept", "x")))
    left = leave_one_out(mean)
    return {
        "leave-one-out": (
            cpu(lambda: leave_one_out(mean), inner=5),
            float(left.estimate.sum()),
            float(left.tau2.sum()),
        ),
        "influence": (cpu(lambda: influence(mean), inner=5), *_sums(influence(mean))),
        "influence, moderator": (cpu(lambda: influence(slope), inner=5), *_sums(influence(slope))),
    }


def theirs(columns: dict[str, np.ndarray]) -> dict[str, tuple[float, float, float]]:
    """The same from R, or nothing where Rscript is absent."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        table = np.column_stack(list(columns.values()))
        header = ",".join(columns)
        np.savetxt(Path(folder, "data.csv"), table, delimiter=",", header=header, comments="", fmt="%.17g")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", "--vanilla", str(script), folder], check=True)
        with open(Path(folder, "r.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    print(rows[0]["version"])
    return {row["work"]: (float(row["seconds"]), float(row["a"]), float(row["b"])) for row in rows}


def main() -> int:
    columns = data()
    with one_blas_thread():
        mine = ours(columns)
    r = theirs(columns)
    wrong = 0
    print(f"{'work':<22}{'ours, ms':>12}{'R, ms':>14}{'ratio':>10}{'bar':>8}  answers")
    for work, (seconds, a, b) in mine.items():
        if work not in r:
            print(f"{work:<22}{1e3 * seconds:>12.3f}")
            continue
        other, ra, rb = r[work]
        agree = abs(a - ra) <= 1e-6 * abs(ra) and abs(b - rb) <= 1e-6 * abs(rb)
        wrong += not agree
        print(
            f"{work:<22}{1e3 * seconds:>12.3f}{1e3 * other:>14.1f}{other / seconds:>10.0f}{BARS.get(work, ''):>8}  "
            f"{'agree' if agree else f'differ: {a} {b} against {ra} {rb}'}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
