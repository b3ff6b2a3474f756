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
    "One effect per study": """
**Where the bar is missed, and why.** One fit of 13 studies makes some 600 function calls, of NumPy and of its own, each about half a microsecond:
half of the time goes to the search for the highest likelihood (a scan of starting values, then three Newton steps), a fifth to
the quantities that describe the result, the rest to checks, tests and intervals. Nothing in it can be left out without giving up
a check or a result: the limit is the interpreter, as it is for R's `rma()`. With
thousands of fits in one batch the same code is a thousand times faster than R.
""",
    "Several effects per study": """
![CPU time against the number of effects, on logarithmic axes](img/time-against-k.svg)

**Where a bar is missed, and why.** For ten effects (Berkey 1998) or a hundred, arithmetic costs next to nothing: the time is that of
thousands of calls of NumPy, each a microsecond or more. Two thirds of it (five sixths for Berkey) is the search: 18 or 150 starting
points, then Newton steps with the exact curvature, for few effects with correlations from six starts. R climbs from one point. With
one start ours would take less than half of the time on Berkey and still miss that bar; with three it stopped below the highest
maximum in 1 of 20 heteroscedastic models of random small data sets (see [the highest likelihood](optimum.md)), so the six stay.
""",
}


def page(machine: str, blocks: dict[str, str]) -> str:
    """The whole page in Markdown."""
    parts = [HEAD.format(machine=machine)]
    for title, text in blocks.items():
        parts.append(SECTION.format(title=title, text=text) + AFTER.get(title, ""))
    return "".join(parts)
