"""Type I error of the cluster wild bootstrap and of the permutation test with few studies beside other tests, and coverage of
bootstrap and permutation intervals."""

from __future__ import annotations

import numpy as np

from consilience.base.distributions import t_two_sided
from consilience.base.shares import exact_interval
from consilience.diagnostics.permutation import permutation_test
from consilience.diagnostics.permutation_interval import permutation_interval
from consilience.models import bootstrap, fit, wild_bootstrap
from consilience.records import Design, Effects, Share, Spec
from consilience.records.resampling import BOOTSTRAP_INTERVALS

from .operating import rate, table

CLUSTERS = (6, 10, 20)
PER, REPLICATES, LEVEL = 4, 399, 0.05
TESTS = ("wild bootstrap, signs", "wild bootstrap, Webb", "CR2, Satterthwaite", "CR0, normal")
TAU2, BOOTSTRAPS = 0.04, 999
STUDIES, ARRANGED, SLOPE, INTERVALS_AT = (6, 10, 20), 199, 0.2, 10
PERMUTED = ("permutation", "Knapp-Hartung", "Wald z")
RUNS = {"tests": 800, "bootstrap": 200, "permutation": 600, "permutation interval": 150}


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
            )
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
        made = bootstrap(found, kind=kind, replicates=BOOTSTRAPS, rng=rng)
        for j, (name, value) in enumerate(truth.items()):
            for interval in BOOTSTRAP_INTERVALS:
                # a limit that does not exist holds nothing
                hits[name][interval] += bool(made.low[interval][j] <= value <= made.high[interval][j])
    return {name: dict(found) for name, found in hits.items()}


def _moderated(k: int, slope: float, rng: np.random.Generator) -> tuple[Effects, Design]:
    """One effect a study, tau^2 .04, sampling variances .02 to .1, and a skewed moderator drawn anew each time."""
    v, x = rng.uniform(0.02, 0.1, k), rng.standard_exponential(k)
    y = rng.normal(0.3 + slope * x, np.sqrt(v + TAU2))
    labels = np.array([str(i) for i in range(k)], dtype=object)
    return Effects(y, v, labels), Design(np.column_stack([np.ones(k), x]), ("intercept", "x"))


def permuted(k: int, *, runs: int, seed: int) -> dict[str, int]:
    """Data sets without a slope in which the permutation test and two others reject it at 5%."""
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(PERMUTED, 0)
    for _ in range(runs):
        effects, design = _moderated(k, 0.0, rng)
        kept = fit(effects, Spec.random_effects(), design=design)
        plain = fit(effects, Spec.random_effects(test="z"), design=design)
        # 200 arrangements with the observed one: the level is 10 in 200 exactly
        made = permutation_test(plain, exact=False, iterations=ARRANGED, rng=rng)
        for name, p in zip(
            PERMUTED,
            (made.p_value[1], kept.coefficients.p_value[1], plain.coefficients.p_value[1]),
            strict=True,
        ):
            hits[name] += bool(p <= LEVEL + 1e-12)
    return hits


def permutation_coverage(k: int, *, runs: int, seed: int) -> dict[str, int]:
    """Data sets whose 95% interval of the slope holds the true one, .2: by permutation and by Knapp-Hartung."""
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(PERMUTED[:2], 0)
    for _ in range(runs):
        effects, design = _moderated(k, SLOPE, rng)
        found = fit(effects, Spec.random_effects(), design=design)
        made = permutation_interval(found, "x", exact=False, iterations=ARRANGED, rng=rng)
        own = found.coefficients
        hits[PERMUTED[0]] += bool(made.low <= SLOPE <= made.high)
        hits[PERMUTED[1]] += bool(own.ci_low[1] <= SLOPE <= own.ci_high[1])
    return hits


def part(share: float) -> str:
    """Markdown of this part; `share` 1 = `RUNS` data sets."""
    runs = {name: max(20, round(n * share)) for name, n in RUNS.items()}
    return "\n\n".join(
        [
            *_wild_table(runs["tests"]),
            *_bootstrap_table(runs["bootstrap"]),
            *_permutation_table(runs["permutation"], runs["permutation interval"]),
        ]
    )


def _wild_table(runs: int) -> tuple[str, str]:
    rows = []
    for m in CLUSTERS:
        found = type_one(m, runs=runs, seed=m)
        rows.append([str(m), *(rate(round(found[t].value * runs), runs) for t in TESTS)])
    head = (
        f"Type I error at 5% of the test of a skewed study-level moderator; {PER} effects a study, {runs:,} data sets, "
        f"{REPLICATES} bootstrap draws (all sign patterns where there are no more than that):"
    )
    return head, table(["studies", *TESTS], rows)


def _bootstrap_table(runs: int) -> tuple[str, str]:
    rows = []
    for kind in ("parametric", "cluster"):
        for k in (8, 20):
            for name, hits in coverage(k, kind=kind, runs=runs, seed=k).items():
                cells = [
                    "\u2014" if i == "studentised" and name != "mean" else rate(hits[i], runs) for i in hits
                ]
                rows.append([f"{kind}, {k} studies, {name}", *cells])
    head = (
        f"Coverage of 95% bootstrap intervals ({BOOTSTRAPS} draws), random effects, one effect a study, {runs:,} data sets; "
        "an interval that does not exist (BCa of \u03c4\u00b2 with all draws on one side) counts as missed:"
    )
    return head, table(["", *BOOTSTRAP_INTERVALS], rows)


def _permutation_table(runs: int, fewer: int) -> tuple[str, str, str]:
    rows = []
    for k in STUDIES:
        hits = permuted(k, runs=runs, seed=k)
        rows.append([str(k), *(rate(hits[t], runs) for t in PERMUTED)])
    head = (
        f"Type I error at 5% of the test of a skewed moderator, random effects, one effect a study, {runs:,} data sets, "
        f"{ARRANGED} random arrangements; Wald statistics are what is permuted:"
    )
    held = permutation_coverage(INTERVALS_AT, runs=fewer, seed=1)
    tail = (
        f"The 95% permutation interval of a slope of {SLOPE:g} held it in {rate(held[PERMUTED[0]], fewer)} of {fewer:,} data "
        f"sets of {INTERVALS_AT} studies; that of Knapp-Hartung in {rate(held[PERMUTED[1]], fewer)}."
    )
    return head, table(["studies", *PERMUTED], rows), tail
