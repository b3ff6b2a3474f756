"""The page of all measures, made from the registry: formula, when to use it, a worked example."""

from __future__ import annotations

import numpy as np

from .compute import effect_size
from .measure import VTYPES, Measure
from .registry import families

WHICH = "Which of them fits what a paper prints: [which number do I have?](which-number.md)\n"


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
