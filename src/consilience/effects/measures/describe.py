"""The page of all measures, made from the registry: formula, when to use it, a worked example."""

from __future__ import annotations

import numpy as np

from .compute import effect_size
from .measure import VTYPES, Measure
from .registry import families

WHICH = """\
## Which number do I have?

| the paper prints | ids to look at |
|---|---|
| means and SDs of two groups | `SMD`, `MD`, `ROM`; with unequal SDs `SMDH` |
| means and SDs before and after, two groups | `PPC`; as percent change `ROMPPC` (a review makes both for you) |
| means before and after, one group | `MC`, `SMCC`, `SMCR`, `ROMC` |
| events and totals of two groups | `OR`, `RR`, `RD`; few events `PETO` |
| matched pairs, yes or no | `MPOR`, `MPRR`, `MPRD` |
| events and person-time | `IRR`, `IRD` |
| a correlation | `ZCOR`; with covariates `PCOR`, `ZPCOR` |
| a proportion or a rate of one group | `PLO`, `PFT`; `IRLN` |
| a t, F or p value | `SMD` takes `t`, `d` or `p` with the group sizes |
| medians and quartiles | convert to mean and SD first (a review does it for you) |

With an example of each, and for the tables of a review: [which number do I have?](which-number.md)
"""


def describe_measures() -> str:
    """Markdown of all measures, by family."""
    parts = [
        "# Effect-size measures\n",
        "`consilience.effect_size(id, columns)` computes any of these.\n",
        WHICH,
    ]
    for family, measures in families().items():
        parts.append(f"## {family[:1].upper()}{family[1:]}\n")
        parts.extend(_section(measure) for measure in measures)
    return "\n".join(parts)


def _section(measure: Measure) -> str:
    columns = ", ".join(f"`{c.name}`" if c.required else f"`{c.name}` (optional)" for c in measure.columns)
    lines = [
        f"### {measure.id}: {measure.name}\n",
        f"- **Formula**: {measure.formula}",
        f"- **When**: {measure.when}",
        f"- **Scale**: {measure.scale}" + (f"; read back with `{measure.back}`" if measure.back else ""),
        f"- **Columns**: {columns}",
    ]
    if len(measure.vtypes) > 1:
        listed = "; ".join(f"`{v}` {VTYPES[v]}" for v in measure.vtypes)
        lines.append(f"- **Variance** (`vtype`, default first): {listed}")
    lines.append(f"- **Source**: {measure.source}")
    return "\n".join([*lines, _example(measure)])


def _example(measure: Measure) -> str:
    if not measure.example:
        return ""
    columns = {name: np.array([value]) for name, value in measure.example.items()}
    found = effect_size(measure.id, columns)
    given = ", ".join(f"{name} = {value:g}" for name, value in measure.example.items())
    return f"- **Example**: {given} gives y = {found.y[0]:.4f}, v = {found.v[0]:.4f}\n"
