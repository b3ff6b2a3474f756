"""The same work in R: data as CSV, the script of the same name, and what it wrote into r.csv."""

from __future__ import annotations

import csv
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def cpu(job: Callable[[], object], *, inner: int, times: int = 15) -> float:
    """Median CPU seconds of one call, after a warm-up."""
    job()
    runs = []
    for _ in range(times):
        started = time.process_time()
        for _ in range(inner):
            job()
        runs.append((time.process_time() - started) / inner)
    return statistics.median(runs)


def has_r() -> bool:
    return shutil.which("Rscript") is not None


def save_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Columns of numbers with all their digits, names in the first row."""
    table = np.column_stack(list(columns.values()))
    np.savetxt(path, table, delimiter=",", header=",".join(columns), comments="", fmt="%.17g")


def run_r(benchmark: str, folder: str | Path, *arguments: str) -> list[dict[str, str]]:
    """The rows that the R script beside a benchmark (its `__file__`) writes into `folder`."""
    script = Path(benchmark).with_suffix(".R")
    subprocess.run(["Rscript", "--vanilla", str(script), str(folder), *arguments], check=True)
    with open(Path(folder, "r.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def timed_answers(rows: list[dict[str, str]]) -> dict[str, tuple[float, float, float]]:
    """Prints R's versions; work -> CPU seconds and two answers."""
    print(rows[0]["version"])
    return {row["work"]: (float(row["seconds"]), float(row["a"]), float(row["b"])) for row in rows}
