"""`python -m benchmarks [--quick] [--write]`: machine and versions, then every benchmark; exit 1 if an answer differs from
R's. --write makes docs/benchmarks.md and its figure from what this run measured."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import (
    influence,
    measures,
    multilevel,
    multiverse,
    refits,
    resampling,
    resampling_univariate,
    selection,
    spine,
    univariate,
)
from .page import FIGURE, PAGE, page

PACKAGES = ("consilience", "numpy", "scipy", "numba", "matplotlib")
R_PACKAGES = ("metafor", "clubSandwich")


def processor() -> str:
    """The name of the processor as the system gives it."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def r_versions() -> str:
    """R and the packages compared with, or the plain statement that R is not there."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed: the parts in R are left out"
    listed = ", ".join(f'"{name}"' for name in R_PACKAGES)
    script = f"cat(R.version.string); for (p in c({listed})) cat('', p, as.character(packageVersion(p)))"
    done = subprocess.run(["Rscript", "--vanilla", "-e", script], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "R without its packages: the parts in R will fail"


class Tee(io.StringIO):
    """Text that is kept and shown at once."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def machine() -> str:
    """Machine, threads and versions in three lines."""
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    system = f"{platform.platform()}, {os.cpu_count()} cores, {processor()}; OMP_NUM_THREADS {threads}"
    python = f"Python {platform.python_version()}, {', '.join(installed(name) for name in PACKAGES)}"
    return "\n".join((system, python, r_versions()))


def measured(title: str, run: Callable[[], int | None]) -> tuple[str, bool]:
    """What a benchmark prints, and whether an answer differed."""
    print(f"\n== {title}", flush=True)
    kept = Tee()
    with contextlib.redirect_stdout(kept):
        failed = bool(run())
    return kept.getvalue().rstrip(), failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the work at which R takes minutes")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its figure")
    chosen = parser.parse_args()
    print(machine())
    picture = FIGURE if chosen.write else None
    work = {
        "Whole commands": spine.main,
        "Effect sizes of many rows": measures.main,
        "One effect per study": univariate.main,
        "Several effects per study": lambda: multilevel.main(
            ["--quick"] if chosen.quick else [], picture=picture
        ),
        "One model on many data sets": refits.main,
        "Leaving out each effect": influence.main,
        "Permutations and subsets": resampling_univariate.main,
        "Selection models": selection.main,
        "Bootstrap and calibration": resampling.main,
        "Every combination of choices": multiverse.main,
    }
    found = {title: measured(title, run) for title, run in work.items()}
    if chosen.write:
        blocks = {title: text for title, (text, _) in found.items()}
        PAGE.write_text(page(machine(), blocks), encoding="utf-8")
    return 1 if any(failed for _, failed in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
