"""Type I error of the cluster wild bootstrap with few clusters beside CR2 and CR0, and coverage of bootstrap intervals."""

from __future__ import annotations

import numpy as np

from consilience.base.distributions import t_two_sided
from consilience.base.shares import exact_interval
from consilience.models import bootstrap, fit, wild_bootstrap
from consilience.records import Design, Effects, Share, Spec
from consilience.records.resampling import BOOTSTRAP_INTERVALS

from .operating import rate, table

CLUSTERS = (6, 10, 20)
PER, REPLICATES, LEVEL = 4, 399, 0.05
TESTS = ("wild bootstrap, signs", "wild bootstrap, Webb", "CR2, Satterthwaite", "CR0, normal")
TAU2, BOOTSTRAPS = 0.04, 999


def type_one(m: int, *, runs: int, seed: int) -> dict[str, Share]:
    """Share of data sets with a true slope of zero in which each test of a study-level moderator rejects at 5%.

    4 effects a study, variance between studies .09 and within .04, sampling variances .02 to .1; the working model knows
    nothing of the studies (equal effects), so that the clusters matter.
    """
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(TESTS, 0)
    study = np.repeat(np.arange(m), PER)
    labels = study.astype(str).astype(object)
    for _ in range(runs):
        v = rng.uniform(0.02, 0.1, m * PER)
        x = rng.standard_exponential(m)[study]  # skewed: some studies have leverage
        y = rng.normal(0, 0.3, m)[study] + rng.normal(0, np.sqrt(v + 0.04))
        design = Design(np.column_stack([np.ones(len(x)), x]), ("intercept", "x"))
        effects = Effects(y, v, labels)
        found = fit(effects, Spec((), "EE", "CR2"), design=design)
        plain = fit(effects, Spec((), "EE", "CR0"), design=design).coefficients
        for name, auxiliary in zip(TESTS[:2], ("rademacher", "webb"), strict=True):
            made = wild_bootstrap(
                found, np.array([0.0, 1.0]), rng=rng, replicates=REPLICATES, auxiliary=auxiliary
            )  # type: ignore[arg-type]
            hits[name] += made.p_value <= LEVEL
        hits[TESTS[2]] += bool(found.coefficients.p_value[1] <= LEVEL)
        hits[TESTS[3]] += bool(t_two_sided(plain.statistic[1], np.inf) <= LEVEL)
    return {name: _share(count, runs) for name, count in hits.items()}


def _share(count: int, n: int) -> Share:
    low, high = exact_interval(count, n)
    p = count / n
    return Share(p, float(np.sqrt(p * (1 - p) / n)), float(low), float(high), n)


def coverage(k: int, *, kind: str, runs: int, seed: int) -> dict[str, dict[str, int]]:
    """Quantity -> interval -> data sets whose 95% bootstrap interval holds the truth: mean 0.3, tau^2 .04, k studies."""
    rng = np.random.default_rng(seed)
    labels = np.array([str(i) for i in range(k)], dtype=object)
    truth = {"mean": 0.3, "tau\u00b2": TAU2}
    hits = {name: dict.fromkeys(BOOTSTRAP_INTERVALS, 0) for name in truth}
    for _ in range(runs):
        v = rng.uniform(0.02, 0.1, k)
        found = fit(Effects(rng.normal(0.3, np.sqrt(v + TAU2)), v, labels), Spec.random_effects())
        made = bootstrap(found, kind=kind, replicates=BOOTSTRAPS, rng=rng)  # type: ignore[arg-type]
        for j, (name, value) in enumerate(truth.items()):
            for interval in BOOTSTRAP_INTERVALS:
                # a limit that does not exist holds nothing
                hits[name][interval] += bool(made.low[interval][j] <= value <= made.high[interval][j])
    return {name: dict(found) for name, found in hits.items()}


def part(share: float) -> str:
    """Markdown of this part; `share` 1 = 4,000 data sets for tests, 1,000 for intervals."""
    runs, fewer = max(20, round(4000 * share)), max(20, round(1000 * share))
    rows = []
    for m in CLUSTERS:
        found = type_one(m, runs=runs, seed=m)
        rows.append([str(m), *(rate(round(found[t].value * runs), runs) for t in TESTS)])
    lines = [
        f"Type I error at 5% of the test of a skewed study-level moderator; {PER} effects a study, {runs:,} data sets, "
        f"{REPLICATES} bootstrap draws (all sign patterns where there are no more than that):",
        "",
        table(["studies", *TESTS], rows),
        "",
        f"Coverage of 95% bootstrap intervals ({BOOTSTRAPS} draws), random effects, one effect a study, {fewer:,} data sets; "
        "an interval that does not exist (BCa of \u03c4\u00b2 with all draws on one side) counts as missed:",
        "",
    ]
    rows = []
    for kind in ("parametric", "cluster"):
        for k in (8, 20):
            for name, hits in coverage(k, kind=kind, runs=fewer, seed=k).items():
                cells = [
                    "\u2014" if i == "studentised" and name != "mean" else rate(hits[i], fewer) for i in hits
                ]
                rows.append([f"{kind}, {k} studies, {name}", *cells])
    lines.append(table(["", *BOOTSTRAP_INTERVALS], rows))
    return "\n".join(lines)
