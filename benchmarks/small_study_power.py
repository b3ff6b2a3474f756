"""Operating characteristics of the small-study diagnostics: thousands of simulated meta-analyses a batch.

python -m benchmarks.small_study_power              # prints the part of docs/operating-characteristics.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.operating import mean, rate, table
from consilience.base.distributions import normal_isf
from consilience.base.linalg import one_blas_thread
from consilience.diagnostics.small_study import (
    Studies,
    asymmetry_many,
    asymmetry_test,
    limit_meta,
    pet_peese,
    trim_and_fill,
    uwls,
    waap_wls,
)
from consilience.likelihood.batch import fit_batch
from consilience.records import Effects

Rng = np.random.Generator
ALPHA, SEED = 0.05, 20_240
MANY, SOME, FEW = 10_000, 1_000, 400  # simulations: batches, single analyses, multilevel fits
GENERIC = ("egger", "egger-mixed", "thompson-sharp", "begg")
MEANS = ("egger", "egger-mixed", "begg", "pustejovsky-rodgers")
BINARY = (
    "egger",
    "harbord",
    "peters",
    "macaskill",
    "deeks",
    "schwarzer",
    "begg",
    "arcsine-egger",
    "arcsine-thompson",
    "arcsine-begg",
)
DEPENDENT = ("egger", "egger-sandwich", "egger-multilevel", "egger-che", "pustejovsky-rodgers-che")


def sizes(rng: Rng, shape: tuple[int, ...], low: float = 10, high: float = 250) -> np.ndarray:
    """People per arm, uniform on the log scale."""
    return np.round(np.exp(rng.uniform(np.log(low), np.log(high), shape)))


def normal_studies(rng: Rng, f: int, k: int, *, mu: float = 0.3, tau: float = 0.0) -> Studies:
    """Effects with known variance 2/n, normal in and between studies."""
    n = sizes(rng, (f, k))
    v = 2 / n
    return Studies(rng.normal(mu, np.sqrt(v + tau**2)), v, n, n)


def mean_studies(
    rng: Rng, f: int, k: int, *, delta: float = 0.5, tau: float = 0.0, high: float = 250
) -> Studies:
    """Hedges' g of two arms of equal size, its usual variance 2/n + g^2/(4 n)."""
    n = sizes(rng, (f, k), high=high)
    df = 2 * n - 2
    d = rng.normal(rng.normal(delta, tau, (f, k)), np.sqrt(2 / n)) / np.sqrt(rng.chisquare(df) / df)
    g = (1 - 3 / (4 * df - 1)) * d
    return Studies(g, 2 / n + g**2 / (4 * n), n, n)


def table_studies(
    rng: Rng, f: int, k: int, *, odds: float = 1.0, risk: tuple[float, float] = (0.1, 0.3)
) -> Studies:
    """Two-by-two tables, control risk uniform; log odds ratios with one half added to tables with an empty cell."""
    n = sizes(rng, (f, k), low=25)
    p2 = rng.uniform(*risk, (f, k))
    p1 = odds * p2 / (1 - p2 + odds * p2)
    a, c = rng.binomial(n.astype(int), p1).astype(float), rng.binomial(n.astype(int), p2).astype(float)
    empty = ((a == 0) & (c == 0)) | ((a == n) & (c == n))
    plus = 0.5 * ((a == 0) | (c == 0) | (a == n) | (c == n))
    cells = (a + plus, n - a + plus, c + plus, n - c + plus)
    y = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    v = sum(1 / cell for cell in cells)
    return Studies(np.where(empty, 0.0, y), np.where(empty, np.inf, v), n, n, a, c)


def published(rng: Rng, f: int, k: int, suppressed: float, **truth: float) -> Studies:
    """The first k studies that appear if one without a significant positive effect stays unseen with this probability."""
    need = int(np.ceil(k / (1 - suppressed))) + 8 * k + 20
    pool = normal_studies(rng, f, need, **truth)
    significant = pool.y / np.sqrt(pool.v) > float(normal_isf(0.025))
    seen = significant | (rng.random((f, need)) >= suppressed)
    first = np.argsort(~seen, axis=1, kind="stable")[:, :k]
    y, v, n = (np.take_along_axis(x, first, axis=1) for x in (pool.y, pool.v, sizes_of(pool)))
    return Studies(y, v, n, n)


def sizes_of(studies: Studies) -> np.ndarray:
    """People in the first arm."""
    return studies.arms()[0]


def hits(studies: Studies, test: str) -> int:
    """How often the test rejects at 5%."""
    return int(np.sum(asymmetry_many(studies, test).p_value < ALPHA))


def rates(studies: Studies, tests: Iterable[str]) -> list[str]:
    f = len(studies.y)
    return [rate(hits(studies, test), f) for test in tests]


def levels_generic(f: int) -> str:
    rows = []
    for k in (10, 20, 50):
        for tau in (0.0, 0.2):
            rng = np.random.default_rng(SEED + k + int(100 * tau))
            rows.append([f"k = {k}, \u03c4 = {tau:g}", *rates(normal_studies(rng, f, k, tau=tau), GENERIC)])
    return table(["known variances", *GENERIC], rows)


def levels_means(f: int) -> str:
    rows = []
    for k, delta, tau, high in (
        (20, 0.0, 0.0, 250),
        (20, 0.8, 0.0, 250),
        (20, 0.8, 0.2, 250),
        (100, 0.0, 0.0, 20),
        (100, 0.8, 0.0, 20),
        (100, 0.8, 0.2, 20),
    ):
        rng = np.random.default_rng(SEED + k + int(100 * delta) + int(1000 * tau) + high)
        found = rates(mean_studies(rng, f, k, delta=delta, tau=tau, high=high), MEANS)
        rows.append([f"k = {k}, \u03b4 = {delta:g}, \u03c4 = {tau:g}, n per arm 10\u2013{high}", *found])
    return table(["Hedges' g", *MEANS], rows)


def levels_tables(f: int) -> str:
    rows = []
    for k, odds in ((20, 1.0), (20, 0.5), (20, 0.25)):
        rng = np.random.default_rng(SEED + k + int(100 * odds))
        rows.append([f"k = {k}, OR {odds:g}", *rates(table_studies(rng, f, k, odds=odds), BINARY)])
    return table(["odds ratios", *BINARY], rows)


def power(f: int) -> str:
    rows = []
    for k in (10, 20, 50):
        for suppressed in (0.0, 0.5, 0.9):
            for mu in (0.0, 0.2):
                rng = np.random.default_rng(SEED + k + int(100 * suppressed) + int(1000 * mu))
                studies = published(rng, f, k, suppressed, mu=mu, tau=0.1)
                what = f"k = {k}, \u03bc = {mu:g}, {100 * suppressed:.0f}% suppressed"
                rows.append([what, *rates(studies, (*GENERIC, "pustejovsky-rodgers"))])
    return table(["publication bias, \u03c4 = 0.1", *GENERIC, "pustejovsky-rodgers"], rows)


def one(studies: Studies, i: int) -> Effects:
    """One simulated meta-analysis as effects."""
    k = studies.y.shape[1]
    names = np.array([f"{j}" for j in range(k)], dtype=object)
    n = sizes_of(studies)[i]
    return Effects(studies.y[i], studies.v[i], names, columns={"n1": n, "n2": n})


ESTIMATES: dict[str, Callable[[Effects], float]] = {
    "UWLS": lambda e: uwls(e).estimate,
    "WAAP-WLS": lambda e: waap_wls(e).estimate,
    "PET-PEESE": lambda e: pet_peese(e, direction="positive", force=True).estimate.estimate,
    "trim and fill": lambda e: float(trim_and_fill(e, side="left").filled.coefficients.estimate[0]),
    "limit": lambda e: limit_meta(e).estimate,
}


def bias(f: int) -> str:
    rows = []
    for mu, tau, suppressed in (
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.9),
        (0.0, 0.2, 0.9),
        (0.3, 0.0, 0.0),
        (0.3, 0.2, 0.0),
        (0.3, 0.0, 0.9),
        (0.3, 0.2, 0.9),
    ):
        rng = np.random.default_rng(SEED + int(100 * mu) + int(1000 * tau) + int(10_000 * suppressed))
        studies = published(rng, f, 20, suppressed, mu=mu, tau=tau)
        pooled = fit_batch(studies.y, studies.v, method="REML").coefficients[:, 0] - mu
        cells = [mean(float(pooled.mean()), float(pooled.std()), f)]
        for estimate in ESTIMATES.values():
            gap = np.array([estimate(one(studies, i)) for i in range(f)]) - mu
            cells.append(mean(float(gap.mean()), float(gap.std()), f))
        rows.append([f"\u03bc = {mu:g}, \u03c4 = {tau:g}, {100 * suppressed:.0f}% suppressed", *cells])
    return table(["bias, k = 20", "random effects", *ESTIMATES], rows)


def dependent_effects(rng: Rng, studies: int = 20, per_study: int = 4) -> Effects:
    """Several g of one study share its people (correlation .6) and its true effect; nothing depends on size."""
    n = np.repeat(sizes(rng, (studies,)), per_study)
    study = np.repeat([f"{i}" for i in range(studies)], per_study).astype(object)
    k = len(n)
    shared = np.repeat(rng.normal(size=studies), per_study)
    error = np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.normal(size=k)
    true = 0.3 + np.repeat(rng.normal(0, 0.2, studies), per_study) + rng.normal(0, 0.1, k)
    v = 2 / n
    return Effects(true + np.sqrt(v) * error, v, study, "SMD", columns={"n1": n, "n2": n})


def independent(effects: Effects) -> Effects:
    """The same numbers as if every effect were a study of its own."""
    names = np.array([f"{i}" for i in range(effects.k)], dtype=object)
    return Effects(effects.y, effects.v, names, effects.measure, columns=effects.columns)


def levels_dependent(f: int) -> str:
    rng = np.random.default_rng(SEED)
    count = dict.fromkeys(DEPENDENT, 0)
    for _ in range(f):
        effects = dependent_effects(rng)
        for test in DEPENDENT:
            data = independent(effects) if test == "egger" else effects
            count[test] += asymmetry_test(data, test=test, force=True).p_value < ALPHA
    row = ["20 studies of 4 effects", *(rate(n, f) for n in count.values())]
    return table(["dependent effects", "egger, as if independent", *DEPENDENT[1:]], [row])


def part(share: float = 1.0) -> str:
    """The part of docs/operating-characteristics.md."""
    many, some, few = (max(4, round(share * n)) for n in (MANY, SOME, FEW))
    with one_blas_thread():
        return "\n\n".join(
            [
                f"Tests of funnel-plot asymmetry at 5%, two-sided. Studies of 10 to 250 people per arm. {many:,} simulations a row.",
                "**Type I error, effects with known variances.** Egger's classical test is exact without heterogeneity and stays near "
                "its level with it; the mixed-effects test with a normal reference rejects too often in few heterogeneous studies, the rank "
                "test too rarely in all.",
                levels_generic(many),
                "**Type I error, standardised mean differences.** The sampling variance contains the effect itself, so effect and "
                "standard error correlate without any bias: tests on the standard error reject too often where studies are of "
                "similar size and many, the test on the arm sizes does not.",
                levels_means(many),
                "**Type I error, odds ratios.** The variance of a log odds ratio depends on it too; the tests for tables were made for "
                "this.",
                levels_tables(many),
                "**Power.** Studies without a significant positive effect (one-sided p > .025) stay unpublished with the stated "
                "probability. Selection of half of them is not seen at all, and selection of nine in ten is missed in ten or twenty studies "
                "more often than not; with a true mean of zero hardly any test sees it. A test that finds nothing is no proof that "
                "nothing is missing.",
                power(many),
                f"**Bias of the adjusted estimates** (estimate less true mean; {some:,} simulations a row). No correction is "
                "right everywhere: with strong selection all but PET-PEESE and the limit estimate keep half or more of the bias, these two "
                "overshoot where effects are homogeneous and fall short where they differ, and without selection they cost precision.",
                bias(some),
                f"**Type I error with dependent effects** ({few:,} simulations). Ignoring that effects share a study is wrong; the "
                "cluster-robust tests hold their level, model-based standard errors do not.",
                levels_dependent(few),
            ]
        )


if __name__ == "__main__":
    print(part())
