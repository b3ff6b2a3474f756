"""docs/benchmarks.md: what a run measured, and what limits the work that is not as fast as it should be."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FIGURE = DOCS / "benchmarks.md", DOCS / "img" / "time-against-k.svg"

HEAD = """# How fast

Written by `python -m benchmarks --write` (`make bench` prints the same): R and Consilience analyse the same data in one run, on
one thread each; the answers must agree or the run fails. Figures are medians of CPU time in the process, without start-up,
from arrays to the complete result. "bar" is the ratio that was set as a goal before anything was measured.

```
{machine}
```
"""

SECTION = """
## {title}

```
{text}
```
"""

AFTER = {
    "Whole commands": """
**Where a bar is missed, and why.** The bars are those of a run without the credibility checks. A run now also analyses the review in all
combinations of its choices (5,832 for `immune`), tests them together by random signs, simulates 7,000 reviews like it, and draws six more figures: about 5 of the 7 seconds. `[credibility]` in the protocol
leaves out what is not wanted; a large review samples its combinations and simulates fewer reviews.
""",
    "One effect per study": """
"compiled" is the same call within `with consilience.compiled():`, which sends single fits through the kernels that numba compiles for batches.
Ratios of 9 to 13 were seen with it, of 7 to 10 without. Without it one fit of 13 studies makes some 500 function calls, of NumPy and of its own, each about half a microsecond:
a third of the time goes to the search for the highest likelihood (a scan of starting values, then Newton steps), a quarter to
the quantities that describe the result, the rest to checks, tests and intervals.
""",
    "Several effects per study": """
![CPU time against the number of effects, on logarithmic axes](img/time-against-k.svg)

"compiled" is the same call within `with consilience.compiled():`, which brings Berkey 1998 to the bar (ratios of 20 to 23 were seen on a quiet machine, of 14 beside another job). For its ten effects arithmetic costs next to
nothing: the time is that of calls of NumPy, each a microsecond or more. Half of it is the climb: 8 climbs go up at once in 8 rounds of one batched
evaluation each (compiled: a fifth of a millisecond in all). R climbs from one point. With fewer climbs the search stopped below the highest maximum in a few of 3,000
random data sets (see [the highest likelihood](optimum.md)), so the eight stay. One and a half milliseconds build the model and describe the result.
""",
    "Permutations and subsets": """
**How.** Moved rows of one orthonormal basis are an orthonormal basis of the moved design, so the 5,000 designs are set up at once; the scan of
tau² is a few matrix products for all of them; a polynomial through eight points of the scan guesses each maximum to about 1e-7, so
that one Newton step with its curvature ends the search; and memory that one array frees is kept for the next.
""",
    "Selection models": """
**How.** With 20 studies the time is that of calls of NumPy: five climbs without the constraint tau² = 0 and three with it (for its test) go up
side by side in four or five rounds of some hundred calls each, with the exact curvature. R climbs once.
""",
}


def page(machine: str, blocks: dict[str, str]) -> str:
    """The whole page in Markdown."""
    parts = [HEAD.format(machine=machine)]
    for title, text in blocks.items():
        parts.append(SECTION.format(title=title, text=text) + AFTER.get(title, ""))
    return "".join(parts)
