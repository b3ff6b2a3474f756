"""Effect sizes of a million rows: R's escalc and ours on the same data in one run; CPU seconds, one thread each.

    python -m benchmarks.measures              # prints the table; exit 1 if an answer differs

Without R the ratios are left out. The first call is shown apart: it loads what it needs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from consilience.effects.measures import effect_size

from .beside_r import has_r, run_r

ROWS = 1_000_000
BAR = 0.5  # seconds for the SMD
JOBS: dict[str, dict[str, bool]] = {
    "SMD": {},
    "ROM": {"correct": False},  # as in metafor before 4.0, which had no correction for bias
    "OR": {},
    "ZCOR": {},
}


def data() -> dict[str, np.ndarray]:
    """One table with the columns of all jobs, seeded; tables of events without zeros."""
    rng = np.random.default_rng(20260101)
    means = {"m1i": rng.normal(10, 2, ROWS), "m2i": rng.normal(9, 2, ROWS).clip(1)}
    spreads = {"sd1i": rng.uniform(1, 3, ROWS), "sd2i": rng.uniform(1, 3, ROWS)}
    sizes = {"n1i": rng.integers(5, 200, ROWS), "n2i": rng.integers(5, 200, ROWS)}
    events = {name: rng.integers(1, 50, ROWS) for name in ("ai", "bi", "ci", "di")}
    correlation = {"ri": rng.uniform(-0.9, 0.9, ROWS), "ni": rng.integers(5, 200, ROWS)}
    return {"m1i": means["m1i"].clip(1), "m2i": means["m2i"], **spreads, **sizes, **events, **correlation}


def ours(table: dict[str, np.ndarray]) -> dict[str, tuple[float, float, float, float]]:
    """Measure -> CPU seconds of the first call and of a later one (median of 7), sums of y and of v."""
    found = {}
    for measure, choices in JOBS.items():
        runs = []
        for _ in range(8):
            started = time.process_time()
            effects = effect_size(measure, table, **choices)
            runs.append(time.process_time() - started)
        found[measure] = (
            runs[0],
            statistics.median(runs[1:]),
            float(effects.y.sum()),
            float(effects.v.sum()),
        )
    return found


def theirs(table: dict[str, np.ndarray]) -> dict[str, tuple[float, float, float]]:
    """Measure -> CPU seconds and sums of R's escalc, or nothing where Rscript is absent."""
    if not has_r():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in table.items():
            values.astype("<f8").tofile(Path(folder, f"{name}.bin"))
        rows = run_r(__file__, folder, str(ROWS), *JOBS)
    print(rows[0]["version"])
    return {row["measure"]: (float(row["seconds"]), float(row["y"]), float(row["v"])) for row in rows}


def main() -> int:
    table = data()
    mine, r = ours(table), theirs(table)
    wrong = 0
    print(f"{ROWS:,} rows, CPU seconds")
    print(f"{'measure':<9}{'first call':>12}{'ours':>8}{'R':>8}{'ratio':>8}  answers")
    for measure, (first, seconds, y, v) in mine.items():
        line = f"{measure:<9}{first:>12.3f}{seconds:>8.3f}"
        if measure in r:
            other, ry, rv = r[measure]
            agree = abs(y - ry) <= 1e-9 * abs(ry) and abs(v - rv) <= 1e-9 * abs(rv)
            wrong += not agree
            line += f"{other:>8.2f}{other / seconds:>8.1f}  {'agree' if agree else f'differ: {y} {v} against {ry} {rv}'}"
        print(line)
    smd = mine["SMD"][1]
    print(f"SMD: {smd:.3f} s; the bar is {BAR} s: {'met' if smd < BAR else 'missed'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
