"""`make verify [REFERENCE=DIR]`: every reference case through our code; exit 1 if one differs."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

import verify
from verify import Outcome

STATUSES = ("agree", "explained", "differ", "uncovered")
Check = Callable[[dict, dict, dict], Outcome]


def readers() -> dict[str, Check]:
    """Topic -> the function that checks its cases, from the modules beside this one."""
    found: dict[str, Check] = {}
    for module in pkgutil.iter_modules(verify.__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"verify.{module.name}")
        topics = getattr(loaded, "TOPICS", None) or ((loaded.TOPIC,) if hasattr(loaded, "TOPIC") else ())
        for topic in topics:
            found[topic] = loaded.check
    return found


def run_case(check: Check | None, case: dict, datasets: dict, cases: dict) -> Outcome:
    """One case; a crash of ours is a difference, not a crash of the run."""
    if check is None:
        return Outcome("uncovered", detail="no reader for this topic")
    try:
        return check(case, datasets, cases)
    except Exception as error:  # the run must go on and the case must count
        return Outcome("differ", float("inf"), f"{type(error).__name__}: {error}")


def verify_file(path: Path, check: Check | None, console: Console) -> dict[str, list[tuple[str, Outcome]]]:
    """All cases of a file, by status."""
    content = json.loads(path.read_text(encoding="utf-8"))
    cases = {case["id"]: case for case in content["cases"]}
    result: dict[str, list[tuple[str, Outcome]]] = {status: [] for status in STATUSES}
    listed = track(
        content["cases"], path.stem, console=console, transient=True, disable=not console.is_terminal
    )
    for case in listed:
        outcome = run_case(check, case, content["datasets"], cases)
        result[outcome.status].append((case["id"], outcome))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).parents[1] / "reference"), type=Path)
    parser.add_argument("--topic", action="append", help="only this file (name without .json); repeatable")
    parser.add_argument("--list", action="store_true", help="name every case that differs or is not covered")
    options = parser.parse_args()
    plain = Console()
    console = plain if plain.is_terminal else Console(width=110)  # logs have no width of their own
    files = sorted(
        p for p in Path(options.folder).glob("*.json") if not options.topic or p.stem in options.topic
    )
    if not files:
        console.print(f"No reference file (*.json) in {options.folder}.")
        return 2
    known = readers()
    table = Table(
        "topic",
        "cases",
        "agree",
        "explained",
        "differ",
        "not covered",
        "worst relative",
        "seconds",
    )
    differing = 0
    for path in files:
        started = time.perf_counter()
        topic = json.loads(path.read_text(encoding="utf-8")).get("topic", path.stem)
        result = verify_file(path, known.get(topic), console)
        worst = max((o.worst for _, o in result["agree"]), default=0.0)
        counts = {status: len(found) for status, found in result.items()}
        differing += counts["differ"]
        table.add_row(
            topic,
            str(sum(counts.values())),
            *(str(counts[s]) for s in STATUSES),
            f"{worst:.1e}" if counts["agree"] else "",
            f"{time.perf_counter() - started:.1f}",
        )
        shown = result["differ"] + (result["explained"] + result["uncovered"] if options.list else [])
        for case, outcome in shown if options.list else shown[:10]:
            console.print(
                f"{outcome.status}  {case}  {outcome.detail}", markup=False, highlight=False, soft_wrap=True
            )
    console.print(table)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
