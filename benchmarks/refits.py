"""A model fitted again to many data sets: our batches beside R's rma.mv and clubSandwich, one fit after the other.

    python -m benchmarks.refits      # prints the table; exit 1 if an answer differs

R fits the first `IN_R` of the data sets; its time is given for one. Ours is the time of the whole batch, given for one.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.models import fit, fit_many, refit_many
from consilience.records import Block, Effects, Refits

from .multilevel import CHE, cpu, studies

IN_R = 20
BAR = 1_000  # microseconds a fit: a thousand in a second
AGREE = 1e-4  # R's optimiser stops near there


@dataclass(frozen=True, eq=False)
class Work:
    """Data sets of one layout: what they are, how our side fits them all."""

    label: str
    data: list[Effects]
    again: bool


def works() -> dict[str, Work]:
    """1,000 simulated outcomes of one set of studies; 5,000 other variances and correlations of it."""
    base, rng = studies(35, 14, rho=0.6, seed=7), np.random.default_rng(8)
    outcomes = [replace(base, y=base.y + rng.normal(0, 0.3, base.k)) for _ in range(1_000)]
    return {
        "outcomes": Work("1,000 simulated outcomes, k = 35 in 14", outcomes, True),
        "variances": Work(
            "5,000 other V, k = 35 in 14", [other_variances(base, rng) for _ in range(5_000)], False
        ),
    }


def other_variances(effects: Effects, rng: np.random.Generator) -> Effects:
    """The same effects with other variances and another correlation."""
    scale, rho = np.exp(rng.normal(0, 0.3, effects.k)), rng.uniform(0.2, 0.8)
    v = effects.v * scale**2
    blocks = []
    for block in effects.blocks:
        sd = np.sqrt(v[block.rows])
        blocks.append(Block(block.rows, np.where(np.eye(len(sd)) > 0, 1.0, rho) * np.outer(sd, sd)))
    return replace(effects, v=v, blocks=tuple(blocks))


def ours(work: Work) -> tuple[float, Refits]:
    """CPU seconds of one fit in the batch, and the fits."""
    model = fit(work.data[0], CHE)
    y = np.array([effects.y for effects in work.data])

    def job() -> Refits:
        return refit_many(model, y=y) if work.again else fit_many(work.data, CHE)

    return cpu(job, inner=1, times=5) / len(work.data), job()


def theirs(data: list[Effects], folder: Path) -> tuple[float, np.ndarray]:
    """R's CPU seconds of one fit; estimate, standard error and df of each (n, 3)."""
    with open(folder / "data.csv", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(("set", "yi", "vi", "study", *(f"v{i}" for i in range(data[0].k))))
        for number, effects in enumerate(data):
            full = effects.covariance()
            for i in range(effects.k):
                out.writerow((number, effects.y[i], effects.v[i], effects.study[i], *full[i].tolist()))
    script = Path(__file__).with_suffix(".R")
    subprocess.run(["Rscript", "--vanilla", str(script), str(folder)], check=True)
    with open(folder / "r.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [[float(row[name]) for name in ("estimate", "se", "df")] for row in rows]
    return float(rows[0]["seconds"]), np.array(answers)


def main() -> int:
    """Print the table of ratios; 1 if an answer differs."""
    wrong, has_r = 0, shutil.which("Rscript") is not None
    print(
        f"{'CHE + CR2 + Satterthwaite':<42}{'us a fit':>10}{'bar':>7}{'R, us a fit':>14}{'ratio':>8}  answers"
    )
    for work in works().values():
        with one_blas_thread():
            seconds, found = ours(work)
        line = f"{work.label:<42}{1e6 * seconds:>10.0f}{BAR:>7}"
        if has_r:
            with tempfile.TemporaryDirectory() as folder:
                other, expected = theirs(work.data[:IN_R], Path(folder))
            got = np.column_stack([found.estimate, found.se, found.df])[:IN_R]
            gap = float(np.max(np.abs(got - expected) / np.abs(expected)))
            wrong += gap > AGREE
            line += f"{1e6 * other:>14.0f}{other / seconds:>8.0f}  "
            line += f"{'agree' if gap <= AGREE else 'DIFFER'} ({gap:.0e})"
        print(line)
    if not has_r:
        print("Rscript is not installed: no comparison with R.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
