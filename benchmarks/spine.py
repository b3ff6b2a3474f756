"""Whole commands as a user runs them: help, the shipped review, and a review of 500 trials and 5,000 effects.

python -m benchmarks.spine
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "consilience"]
PLANTED = ("--trials", "500", "--people", "36000", "--effects-per-trial", "10")


@dataclass(frozen=True)
class Cost:
    """One command as a process of its own: wall-clock and CPU (user and system) seconds, peak memory in GiB."""

    seconds: float
    cpu: float
    memory: float


def timed(*arguments: str) -> Cost:
    """Run one command; raises RuntimeError where it fails."""
    started = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"consilience {' '.join(arguments)} failed")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def show(name: str, bar: str, costs: list[Cost]) -> None:
    seconds = statistics.median(cost.seconds for cost in costs)
    cpu = statistics.median(cost.cpu for cost in costs)
    print(f"{name:52}{seconds:8.2f}{cpu:8.2f}{max(cost.memory for cost in costs):8.2f}   {bar}")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        immune, planted, out = (str(Path(folder, name)) for name in ("immune", "planted", "out"))
        timed("example", "immune", immune)
        timed("example", "planted", planted, *PLANTED)
        print(f"{'command':52}{'wall s':>8}{'CPU s':>8}{'GiB':>8}   bar (wall)")
        show("consilience --help", "0.3 s", [timed("--help") for _ in range(7)])
        show("consilience check immune", "", [timed("check", immune) for _ in range(3)])
        show("consilience run immune", "5 s", [timed("run", immune, "--out", out) for _ in range(3)])
        large = [timed("run", planted, "--out", out)]
        show("consilience run planted (500 trials, 5,000 effects)", "60 s, 2 GiB", large)
    return 0


if __name__ == "__main__":
    sys.exit(main())
