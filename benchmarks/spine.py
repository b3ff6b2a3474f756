"""Whole commands as a user runs them: help, the shipped review, and a review of 500 trials and 5,000 effects."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "consilience"]


def timed(arguments: list[str]) -> tuple[float, float]:
    """(seconds, peak memory in GiB) of one command run as a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"consilience {' '.join(arguments)} failed")
    process.returncode = 0
    return seconds, usage.ru_maxrss / 2**20


def show(name: str, arguments: list[str], *, runs: int) -> None:
    times, memory = zip(*(timed(arguments) for _ in range(runs)), strict=True)
    print(f"{name:55} {statistics.median(times):8.2f} s   (best {min(times):.2f})   {max(memory):5.2f} GiB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        print("Whole commands, wall-clock time (median) and peak memory")
        show("consilience --help", ["--help"], runs=7)
        timed(["example", "immune", str(base / "immune")])
        show("consilience run immune", ["run", str(base / "immune"), "--out", str(base / "a")], runs=3)
        size = ["--trials", "500", "--people", "36000", "--effects-per-trial", "10"]
        timed(["example", "planted", str(base / "planted"), *size])
        show("consilience run planted (500 trials, 5,000 effects)", ["run", str(base / "planted"), "--out", str(base / "b")], runs=1)


if __name__ == "__main__":
    main()
