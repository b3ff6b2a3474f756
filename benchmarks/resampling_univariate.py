"""Permutation tests and subsets (GOSH) of one effect per study: R's metafor and ours on the same data in one run.

    python -m benchmarks.resampling_univariate     # prints the table; exit 1 if an answer differs

R permutes 500 times and fits the 511 subsets of 9 trials; its CPU time is scaled to ours (5,000 permutations, the 8,191
subsets of 13 trials). Without R the ratios are left out.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.diagnostics.gosh import gosh
from consilience.diagnostics.permutation import permutation_test
from consilience.models import fit
from consilience.records import Design, Spec

from .univariate import BCG_V, BCG_Y, cpu, effects

LATITUDE = (44.0, 55.0, 42.0, 52.0, 13.0, 44.0, 19.0, 13.0, 27.0, 42.0, 18.0, 33.0, 33.0)
ITERATIONS, FEW = 5_000, 9
BARS = {"permutation": 1_000, "GOSH REML": 2_000, "GOSH DL": 0}


def ours() -> dict[str, tuple[float, int, float, float]]:
    """Work -> CPU seconds, refits, two answers that R has as well."""
    y, v, x = (np.array(values) for values in (BCG_Y, BCG_V, LATITUDE))
    design = Design(np.column_stack([np.ones(13), x]), ("intercept", "x"))
    moderated = fit(effects(y, v), Spec.random_effects(test="z"), design=design)

    def permuted() -> float:
        rng = np.random.default_rng(1)
        return float(permutation_test(moderated, iterations=ITERATIONS, rng=rng).p_value[1])

    result = {"permutation": (cpu(permuted, inner=1, times=15), ITERATIONS, permuted(), float(ITERATIONS))}
    for method in ("REML", "DL"):
        spec = Spec.random_effects("REML" if method == "REML" else "DL")
        whole = fit(effects(y, v), spec)
        seconds = cpu(lambda whole=whole: gosh(whole), inner=1)
        few = gosh(fit(effects(y[:FEW], v[:FEW]), spec))
        result[f"GOSH {method}"] = (
            seconds,
            len(gosh(whole)),
            float(few.estimate.sum()),
            float(few.tau2.sum()),
        )
    return result


def theirs() -> dict[str, tuple[float, float, float]]:
    """Work -> CPU seconds of one refit, and two answers; nothing where Rscript is absent."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        columns = np.column_stack([BCG_Y, BCG_V, LATITUDE])
        place = Path(folder, "bcg.csv")
        np.savetxt(place, columns, delimiter=",", header="yi,vi,x", comments="", fmt="%.17g")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", "--vanilla", str(script), folder], check=True)
        with open(Path(folder, "r.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    print(rows[0]["version"])
    return {row["work"]: (float(row["seconds"]), float(row["a"]), float(row["b"])) for row in rows}


def agrees(work: str, mine: tuple[float, float], other: tuple[float, float]) -> bool:
    """Sums over all subsets to 1e-6; p-values of random permutations within five Monte-Carlo standard errors."""
    if work == "permutation":
        error = 5 * np.sqrt(max(mine[0] * (1 - mine[0]), 1e-3) * (1 / mine[1] + 1 / other[1]))
        return bool(abs(mine[0] - other[0]) <= error)
    return bool(np.allclose(mine, other, rtol=1e-6))


def main() -> int:
    with one_blas_thread():
        mine = ours()
    r = theirs()
    wrong = 0
    print(f"{'work':<14}{'refits':>8}{'ours, ms':>12}{'R, ms':>14}{'ratio':>10}{'bar':>8}  answers")
    for work, (seconds, n, a, b) in mine.items():
        if work not in r:
            print(f"{work:<14}{n:>8}{1e3 * seconds:>12.1f}")
            continue
        each, ra, rb = r[work]
        agree = agrees(work, (a, b), (ra, rb))
        wrong += not agree
        bar = str(BARS[work] or "")
        print(
            f"{work:<14}{n:>8}{1e3 * seconds:>12.1f}{1e3 * each * n:>14.0f}{each * n / seconds:>10.0f}{bar:>8}  "
            f"{'agree' if agree else f'differ: {a} {b} against {ra} {rb}'}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
