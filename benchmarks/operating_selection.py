"""Do selection models work? Simulated reviews with planted publication bias: bias, coverage, type I error and power.

python -m benchmarks.operating_selection [REPLICATES]      # prints the table in Markdown
"""

from __future__ import annotations

import sys

import numpy as np

from consilience.base.errors import InputError
from consilience.diagnostics.selection import p_uniform_star, selection_model, worst_case
from consilience.records import Effects

HEAD = "| true mean | tau | chance if not significant | k | method | mean estimate | coverage of 95% CI | rejects no selection |"
# true mean, tau, chance of publication of a result that is not significantly positive, studies
SCENES = (
    (0.0, 0.1, 1.0, 40),
    (0.2, 0.1, 1.0, 40),
    (0.2, 0.1, 0.2, 40),
    (0.2, 0.2, 0.2, 80),
    (0.0, 0.1, 0.1, 80),
)
STAR_EVERY = 5  # p-uniform* takes its profile limits by search: a fifth of the reviews are enough
Row = tuple[float, float, float, int, str, float, float, float]


def review(rng: np.random.Generator, mean: float, tau: float, chance: float, k: int) -> Effects:
    """k published studies with sampling variances from .01 to .1."""
    y, v = np.empty(0), np.empty(0)
    while len(y) < k:
        new = rng.uniform(0.01, 0.1, 20 * k)
        effect = rng.normal(mean, np.sqrt(new + tau**2))
        kept = (effect > 1.959964 * np.sqrt(new)) | (rng.random(len(new)) < chance)
        y, v = np.append(y, effect[kept]), np.append(v, new[kept])
    return Effects(y[:k], v[:k], np.array([str(i) for i in range(k)], dtype=object))


def scene(rng: np.random.Generator, at: tuple[float, float, float, int], replicates: int) -> list[Row]:
    """One row for each method."""
    mean, tau, chance, k = at
    found: dict[str, list[tuple[float, float, float, float]]] = {
        "no adjustment (ML)": [],
        "3PSM": [],
        "p-uniform*": [],
        "non-affirmative only": [],
    }
    for i in range(replicates):
        effects = review(rng, mean, tau, chance, k)
        try:
            model = selection_model(effects)
        except InputError:  # an interval without a study
            continue
        c, plain = model.coefficients, model.unadjusted
        half = 1.959964 * float(plain.se[0])
        found["no adjustment (ML)"].append(
            (
                float(plain.estimate[0]),
                float(plain.estimate[0]) - half,
                float(plain.estimate[0]) + half,
                np.nan,
            )
        )
        p = model.test.p_value if model.test else np.nan
        found["3PSM"].append((float(c.estimate[0]), float(c.ci_low[0]), float(c.ci_high[0]), p))
        if i % STAR_EVERY == 0:
            star = p_uniform_star(effects)
            if star.estimate is not None and star.bias is not None:
                e = star.estimate
                found["p-uniform*"].append((e.estimate, e.low, e.high, star.bias.p_value))
        worst = worst_case(effects, etas=(1.0,)).worst
        if worst is not None:
            found["non-affirmative only"].append((worst.estimate, worst.low, worst.high, np.nan))
    rows: list[Row] = []
    for name, values in found.items():
        estimate, low, high, p = np.array(values).T
        rejected = float(np.mean(p < 0.05)) if np.isfinite(p).all() else float("nan")
        covered = float(np.mean((low <= mean) & (mean <= high)))
        rows.append((mean, tau, chance, k, name, float(estimate.mean()), covered, rejected))
    return rows


def rows(replicates: int = 200, seed: int = 20260708) -> list[Row]:
    """All scenes, seeded."""
    rng = np.random.default_rng(seed)
    return [row for at in SCENES for row in scene(rng, at, replicates)]


def text(replicates: int = 200) -> str:
    """The table in Markdown."""
    lines = [HEAD, "|" + "---|" * 8]
    for mean, tau, chance, k, name, estimate, covered, rejected in rows(replicates):
        said = "" if np.isnan(rejected) else f"{rejected:.3f}"
        lines.append(
            f"| {mean:g} | {tau:g} | {chance:g} | {k} | {name} | {estimate:.3f} | {covered:.3f} | {said} |"
        )
    return "\n".join(lines) + "\n"


def part(share: float) -> str:
    """The part of docs/operating-characteristics.md; share : of the replicates."""
    return text(max(10, round(200 * share)))


if __name__ == "__main__":
    print(text(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
