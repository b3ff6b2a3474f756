"""Several effects per study: R's metafor and clubSandwich and ours on the same data in one run; CPU seconds, one thread.

    python -m benchmarks.multilevel [--quick]      # prints the tables; exit 1 if an answer differs

Without R the ratios are left out. --quick leaves out the work at which R takes minutes and the largest of ours.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.likelihood.compiled import available, compiled
from consilience.models import fit
from consilience.records import Block, Design, Effects, Inner, Intercept, Spec

from .beside_r import cpu, has_r, run_r

RHO = 0.6
OURS_ALONE = {"crossed3000"}  # R takes 17 s at a sixth of the effects, with a cost that grows as their cube
AGREE = 1e-5  # R's optimiser stops near there
CHE = Spec.che()
THREE_LEVEL = Spec((Intercept(("study",)), Intercept(("study", "row"))), "REML", "z")
CROSSED = Spec((Intercept(("study",)), Intercept(("outcome",)), Intercept(("row",))), "REML", "z")
UNSTRUCTURED = Spec((Inner("outcome", "study", "UN"),), "REML", "z")
# effects on probing depth and attachment level of five trials: y, then row by row the variance and the covariance
# Berkey, Hoaglin, Antczak-Bouckoms, Mosteller & Colditz (1998), Stat Med 17:2537, table I
BERKEY_Y = (0.47, -0.32, 0.20, -0.60, 0.40, -0.12, 0.26, -0.31, 0.56, -0.39)
BERKEY_V = (
    ((0.0075, 0.0030), (0.0030, 0.0077)),
    ((0.0057, 0.0009), (0.0009, 0.0008)),
    ((0.0021, 0.0007), (0.0007, 0.0014)),
    ((0.0029, 0.0009), (0.0009, 0.0015)),
    ((0.0148, 0.0072), (0.0072, 0.0304)),
)
SHORT_TIMES = 31  # on both sides: a median over seconds, since a shared machine has slow ones
SLOPE_SIZES = (500, 1_500, 5_000, 15_000, 50_000, 150_000, 500_000)


@dataclass(frozen=True, eq=False)
class Job:
    """One work: its data, how often each side repeats it, the ratio that is asked for; within `compiled`, and whose
    answers of R it shares."""

    label: str
    effects: Effects
    spec: Spec
    design: Design
    bar: int
    calls: int
    quick: bool = True
    like: str = ""


def studies(k: int, m: int, *, rho: float, seed: int) -> Effects:
    """k effects in m studies of uneven size, three-level truth; sampling errors of a study correlate by `rho`."""
    rng = np.random.default_rng(seed)
    code = np.sort(np.concatenate([np.arange(m), rng.integers(0, m, k - m)]))
    v = rng.uniform(0.02, 0.3, k)
    shared = rng.normal(size=m)[code]
    error = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=k)
    y = 0.3 + np.sqrt(v) * error + rng.normal(0, 0.25, m)[code] + rng.normal(0, 0.2, k)
    blocks = []
    if rho:
        for rows in np.split(np.arange(k), np.flatnonzero(np.diff(code)) + 1):
            matrix = rho * np.sqrt(np.outer(v[rows], v[rows]))
            np.fill_diagonal(matrix, v[rows])
            blocks.append(Block(rows, matrix))
    label = np.array([f"s{c:06d}" for c in range(m)], dtype=object)[code]
    return Effects(y, v, label, blocks=tuple(b for b in blocks if len(b.rows) > 1))


def berkey() -> Job:
    matrices = [np.array(rows) for rows in BERKEY_V]
    blocks = tuple(Block(np.array([2 * i, 2 * i + 1]), matrix) for i, matrix in enumerate(matrices))
    v = np.concatenate([np.diag(matrix) for matrix in matrices])
    outcome = np.array(["PD", "AL"] * 5, dtype=object)
    study = np.repeat(np.array([f"s{i}" for i in range(5)], dtype=object), 2)
    effects = Effects(np.array(BERKEY_Y), v, study, blocks=blocks, columns={"outcome": outcome})
    design = Design(np.column_stack([outcome == "AL", outcome == "PD"]).astype(float), ("AL", "PD"))
    return Job("multivariate UN, Berkey 1998", effects, UNSTRUCTURED, design, 20, 20)


def crossed(k: int, levels: tuple[int, int], *, seed: int) -> Effects:
    """k effects, each of a random study and (in the column "outcome") of a random laboratory."""
    rng = np.random.default_rng(seed)
    study, lab = (rng.integers(0, n, k) for n in levels)
    v = rng.uniform(0.02, 0.3, k)
    mean = 0.3 + rng.normal(0, 0.3, levels[0])[study] + rng.normal(0, 0.2, levels[1])[lab]
    y = mean + rng.normal(0, 0.15, k) + np.sqrt(v) * rng.normal(size=k)
    names = np.array([f"s{i}" for i in study], dtype=object), np.array([f"l{i}" for i in lab], dtype=object)
    return Effects(y, v, names[0], columns={"outcome": names[1]})


def jobs() -> dict[str, Job]:
    small, large = studies(100, 17, rho=0.0, seed=1), studies(5_000, 1_000, rho=0.0, seed=2)
    che = studies(1_000, 200, rho=RHO, seed=3)
    return {
        "three": Job("three-level REML, k = 100 in 17", small, THREE_LEVEL, Design.intercept(100), 20, 20),
        "berkey": berkey(),
        "berkey, compiled": replace(berkey(), label="the same, compiled", like="berkey"),
        "che": Job("CHE + CR2 + Satterthwaite, k = 1,000 in 200", che, CHE, Design.intercept(1_000), 100, 5),
        "crossed": Job(
            "crossed 300 x 60, REML, k = 500",
            crossed(500, (300, 60), seed=4),
            CROSSED,
            Design.intercept(500),
            0,
            5,
        ),
        "crossed3000": Job(
            "crossed 800 x 700, REML, k = 3,000",
            crossed(3_000, (800, 700), seed=5),
            CROSSED,
            Design.intercept(3_000),
            0,
            1,
            quick=False,
        ),
        "big": Job(
            "three-level REML, k = 5,000 in 1,000",
            large,
            THREE_LEVEL,
            Design.intercept(5_000),
            1_000,
            5,
            quick=False,
        ),
    }


def ours(work: dict[str, Job]) -> dict[str, tuple[float, np.ndarray]]:
    """CPU seconds of the public call and its answers: coefficients, standard errors, df where they are estimated."""
    found = {}
    for name, job in work.items():
        with compiled() if job.like else nullcontext():
            found[name] = _timed(job)
    return found


def _timed(job: Job) -> tuple[float, np.ndarray]:
    result = fit(job.effects, job.spec, design=job.design).coefficients
    parts = [result.estimate, result.se, result.df[np.isfinite(result.df)]]
    seconds = cpu(
        lambda: fit(job.effects, job.spec, design=job.design),
        inner=job.calls,
        times=SHORT_TIMES if job.calls > 5 else 7,
    )
    return seconds, np.concatenate(parts)


def theirs(work: dict[str, Job]) -> dict[str, tuple[float, np.ndarray]]:
    """The same from R, or nothing where Rscript is absent."""
    if not has_r():
        print("Rscript is not installed: no comparison with R.")
        return {}
    work = {name: job for name, job in work.items() if name not in OURS_ALONE and not job.like}
    with tempfile.TemporaryDirectory() as folder:
        for name, job in work.items():
            with open(Path(folder, f"{name}.csv"), "w", encoding="utf-8", newline="") as file:
                out = csv.writer(file)
                out.writerow(("yi", "vi", "study", "outcome", "covariance"))
                outcome = job.effects.columns.get("outcome", np.full(job.effects.k, "", dtype=object))
                off = np.zeros(job.effects.k)
                if name == "berkey":
                    off = np.repeat([matrix[0][1] for matrix in BERKEY_V], 2)
                columns = (job.effects.y, job.effects.v, job.effects.study, outcome, off)
                out.writerows(zip(*(column.tolist() for column in columns), strict=True))
        rows = run_r(__file__, folder, str(RHO), *work)
    print(rows[0]["version"])
    return {row["work"]: (float(row["seconds"]), np.array(row["answers"].split(), float)) for row in rows}


def compare(work: dict[str, Job]) -> int:
    """Print the table of ratios; returns how many answers differ."""
    with one_blas_thread():
        mine = ours(work)
    r = theirs(work)
    wrong = 0
    print(f"{'work':<46}{'ours, ms':>10}{'R, ms':>12}{'ratio':>9}{'bar':>7}  answers")
    for name, (seconds, answers) in mine.items():
        line = f"{work[name].label:<46}{1e3 * seconds:>10.2f}"
        if (work[name].like or name) in r:
            other, expected = r[work[name].like or name]
            gap = float(np.max(np.abs(answers - expected) / np.abs(expected)))
            wrong += gap > AGREE
            line += f"{1e3 * other:>12.1f}{other / seconds:>9.0f}{work[name].bar or '-':>7}  "
            line += f"{'agree' if gap <= AGREE else 'DIFFER'} ({gap:.0e})"
        print(line)
    return wrong


def growth(sizes: tuple[int, ...]) -> list[float]:
    """CPU seconds of CHE + CR2 against k, five effects a study on average; prints the slope on log-log axes."""
    print("\nours alone: CHE + CR2 + Satterthwaite, one public call")
    print(f"{'k':>10}{'studies':>10}{'CPU s':>10}{'us per effect':>15}{'peak so far, GiB':>18}")
    times = []
    for k in sizes:
        effects = studies(k, k // 5, rho=RHO, seed=k)
        started = time.process_time()
        fit(effects, CHE)
        first = time.process_time() - started
        times.append(first if k > 10_000 else cpu(lambda e=effects: fit(e, CHE), inner=1, times=7))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{k:>10,}{k // 5:>10,}{times[-1]:>10.3f}{1e6 * times[-1] / k:>15.2f}{peak:>18.2f}")
    slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    print(f"log-log slope of time against k: {slope:.2f} (bar 1.1)")
    return times


def draw(sizes: tuple[int, ...], times: list[float], path: Path) -> None:
    """CPU seconds against k on logarithmic axes, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "consilience"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(sizes, times, "o-", color="#0b5394")
    for k, seconds in zip(sizes, times, strict=True):
        axes.annotate(f"{seconds:.3g} s", (k, seconds), textcoords="offset points", xytext=(8, -12))
    axes.set_xlabel("effects, five in a study on average")
    axes.set_ylabel("CPU seconds")
    axes.set_title(
        "Correlated and hierarchical effects by REML,\nCR2 with Satterthwaite df: one call", fontsize=11
    )
    axes.grid(True, which="major", alpha=0.3)
    axes.margins(x=0.15, y=0.15)
    figure.savefig(path, metadata={"Date": None})


def main(arguments: list[str] | None = None, *, picture: Path | None = None) -> int:
    parser = argparse.ArgumentParser(description="Several effects per study, beside R.")
    parser.add_argument("--quick", action="store_true", help="without the work that takes minutes")
    quick = parser.parse_args(arguments).quick
    work = {
        name: job
        for name, job in jobs().items()
        if (job.quick or not quick) and (available() or not job.like)
    }
    wrong = compare(work)
    sizes = SLOPE_SIZES[:-1] if quick else SLOPE_SIZES
    with one_blas_thread():
        times = growth(sizes)
    if picture is not None:
        draw(sizes, times, picture)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
