"""`python -m benchmarks [--quick]`: machine and versions, then every benchmark; exit 1 if an answer differs from R's."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import measures, multilevel, spine, univariate

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the work at which R takes minutes")
    quick = parser.parse_args().quick
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    print(f"{platform.platform()}, {os.cpu_count()} cores, {processor()}; OMP_NUM_THREADS {threads}")
    print(f"Python {platform.python_version()}, {', '.join(installed(name) for name in PACKAGES)}")
    print(r_versions())
    failed = 0
    for title, run in (
        ("Whole commands", spine.main),
        ("Effect sizes of many rows", measures.main),
        ("One effect per study", univariate.main),
        ("Several effects per study", lambda: multilevel.main(["--quick"] if quick else [])),
    ):
        print(f"\n== {title}", flush=True)
        failed += bool(run())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
