"""Simulated studies for the tests of sampling variances: every design that a measure is made for.

Each function draws `reps` studies of one design and returns the columns of the measures that serve it.
"""

from __future__ import annotations

import numpy as np

Columns = dict[str, np.ndarray]
RNG = np.random.Generator


def two_groups_binary(
    rng: RNG, *, p1: float = 0.3, p2: float = 0.45, n: int = 200, reps: int = 40_000
) -> Columns:
    """Groups of fixed size."""
    size = np.full(reps, float(n))
    return {
        "events1": rng.binomial(n, p1, reps).astype(float),
        "n1": size,
        "events2": rng.binomial(n, p2, reps).astype(float),
        "n2": size,
    }


def cross_section(rng: RNG, *, n: int = 400, reps: int = 40_000) -> Columns:
    """Only the total is fixed."""
    cells = rng.multinomial(n, [0.3, 0.2, 0.15, 0.35], reps).astype(float).T
    return dict(zip(("events1", "nonevents1", "events2", "nonevents2"), cells, strict=True))


def cut_normals(rng: RNG, *, rho: float = 0.45, n: int = 300, reps: int = 5_000) -> Columns:
    """Two correlated normals, both cut: a tetrachoric table."""
    x = rng.standard_normal((reps, n))
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((reps, n))
    first, second = x < 0.4, y < -0.2
    names = ("events1", "nonevents1", "events2", "nonevents2")
    cells = (first & second, first & ~second, ~first & second, ~first & ~second)
    return {name: np.sum(cell, axis=1).astype(float) for name, cell in zip(names, cells, strict=True)}


def pairs(
    rng: RNG, *, p: tuple[float, ...] = (0.25, 0.2, 0.15, 0.4), n: int = 300, reps: int = 40_000
) -> Columns:
    cells = rng.multinomial(n, p, reps).astype(float).T
    return dict(zip(("both", "first_only", "second_only", "neither"), cells, strict=True))


def pair_margins(rng: RNG) -> Columns:
    """The margins of the pairs and their phi coefficient."""
    a, b, c, d = pairs(rng).values()
    phi = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    return {"events1": a + b, "nonevents1": c + d, "events2": a + c, "nonevents2": b + d, "r": phi}


def two_rates(rng: RNG, *, reps: int = 40_000) -> Columns:
    t1, t2 = np.full(reps, 400.0), np.full(reps, 380.0)
    x1, x2 = rng.poisson(60, reps).astype(float), rng.poisson(80, reps).astype(float)
    return {"count1": x1, "time1": t1, "count2": x2, "time2": t2}


def one_rate(rng: RNG, *, reps: int = 40_000) -> Columns:
    return {"count": rng.poisson(60, reps).astype(float), "time": np.full(reps, 400.0)}


def one_proportion(rng: RNG, *, n: int = 200, reps: int = 40_000) -> Columns:
    return {"events": rng.binomial(n, 0.3, reps).astype(float), "n": np.full(reps, float(n))}


def moments(rng: RNG, mean: float, sd: float, n: int, reps: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of `reps` normal samples, from their exact distribution."""
    return rng.normal(mean, sd / np.sqrt(n), reps), sd * np.sqrt(rng.chisquare(n - 1, reps) / (n - 1))


def two_means(
    rng: RNG,
    *,
    difference: float = 0.5,
    sd1: float = 1.0,
    sd2: float = 1.0,
    sizes: tuple[int, int] = (60, 90),
    reps: int = 40_000,
) -> Columns:
    n1, n2 = sizes
    m1, s1 = moments(rng, 8.0 + difference, sd1, n1, reps)
    m2, s2 = moments(rng, 8.0, sd2, n2, reps)
    columns = {"mean1": m1, "sd1": s1, "mean2": m2, "sd2": s2}
    return columns | {"n1": np.full(reps, float(n1)), "n2": np.full(reps, float(n2))}


def random_groups(rng: RNG, *, n: int = 120, reps: int = 20_000) -> Columns:
    """Group sizes left to chance."""
    n1 = rng.binomial(n, 0.4, reps)
    n2 = n - n1
    m1, m2 = rng.normal(0.8, 1 / np.sqrt(n1)), rng.normal(0.0, 1 / np.sqrt(n2))
    s1 = np.sqrt(rng.chisquare(n1 - 1) / (n1 - 1))
    s2 = np.sqrt(rng.chisquare(n2 - 1) / (n2 - 1))
    return {"mean1": m1, "sd1": s1, "mean2": m2, "sd2": s2, "n1": n1.astype(float), "n2": n2.astype(float)}


def cut_one_normal(rng: RNG, *, rho: float = 0.4, n: int = 150, reps: int = 10_000) -> Columns:
    """Groups are cut from a normal variable that correlates with the outcome."""
    x = rng.standard_normal((reps, n))
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((reps, n))
    first = x > 0.25
    n1 = np.sum(first, axis=1).astype(float)
    n2 = n - n1
    m1, m2 = np.sum(y * first, axis=1) / n1, np.sum(y * ~first, axis=1) / n2
    v1 = np.sum((y - m1[:, None]) ** 2 * first, axis=1) / (n1 - 1)
    v2 = np.sum((y - m2[:, None]) ** 2 * ~first, axis=1) / (n2 - 1)
    return {"mean1": m1, "sd1": np.sqrt(v1), "mean2": m2, "sd2": np.sqrt(v2), "n1": n1, "n2": n2}


def superiority(
    rng: RNG, *, difference: float = 0.6, sizes: tuple[int, int] = (40, 50), reps: int = 4_000
) -> Columns:
    """Mann-Whitney probabilities of normal samples."""
    n1, n2 = sizes
    x = rng.normal(difference, 1, (reps, n1))
    y = np.sort(rng.normal(0, 1, (reps, n2)), axis=1)
    below = np.array([np.searchsorted(row, values).sum() for row, values in zip(y, x, strict=True)])
    return {"probability": below / (n1 * n2), "n1": np.full(reps, float(n1)), "n2": np.full(reps, float(n2))}


def correlations(rng: RNG, *, rho: float = 0.4, n: int = 60, reps: int = 30_000) -> Columns:
    x = rng.standard_normal((reps, n))
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((reps, n))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    r = np.sum(x * y, axis=1) / np.sqrt(np.sum(x**2, axis=1) * np.sum(y**2, axis=1))
    return {"r": r, "n": np.full(reps, float(n))}


def regressions(rng: RNG, *, n: int = 150, reps: int = 8_000, fixed: bool = False) -> Columns:
    """Three predictors; t of the first, R squared and F of the model. `fixed`: the same predictors every time."""
    slopes = np.array([0.35, 0.3, -0.2])
    x = rng.standard_normal((1 if fixed else reps, n, 3))
    if fixed:
        x = np.broadcast_to(x, (reps, n, 3))
    y = x @ slopes + rng.standard_normal((reps, n))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    inner = np.einsum("rni,rnj->rij", x, x)
    inverse = np.linalg.inv(inner)
    b = np.einsum("rij,rj->ri", inverse, np.einsum("rni,rn->ri", x, y))
    rest = np.sum((y - np.einsum("rni,ri->rn", x, b)) ** 2, axis=1)
    r2 = 1 - rest / np.sum(y**2, axis=1)
    t = b[:, 0] / np.sqrt(inverse[:, 0, 0] * rest / (n - 4))
    return {"t": t, "r2": r2, "n": np.full(reps, float(n)), "predictors": np.full(reps, 3.0)}


def one_mean(rng: RNG, *, mean: float = 1.5, n: int = 80, reps: int = 40_000) -> Columns:
    m, s = moments(rng, mean, 0.5, n, reps)
    return {"mean": m, "sd": s, "n": np.full(reps, float(n))}


def alphas(rng: RNG, *, items: int = 6, n: int = 120, reps: int = 5_000) -> Columns:
    x = rng.standard_normal((reps, n, items)) + 0.9 * rng.standard_normal((reps, n, 1))
    total = x.sum(axis=2).var(axis=1, ddof=1)
    alpha = items / (items - 1) * (1 - x.var(axis=1, ddof=1).sum(axis=1) / total)
    return {"alpha": alpha, "items": np.full(reps, float(items)), "n": np.full(reps, float(n))}


def genotypes(rng: RNG, *, reps: int = 40_000) -> Columns:
    cells = rng.multinomial(800, [0.3, 0.45, 0.25], reps).astype(float).T
    return dict(zip(("homozygous1", "heterozygous", "homozygous2"), cells, strict=True))


def before_after(
    rng: RNG, *, effect: float = 0.4, level: float = 8.0, r: float = 0.6, n: int = 40, reps: int = 20_000
) -> Columns:
    """Two groups of people twice; the first rises by `effect` SDs. r is the true correlation."""
    found: Columns = {"r": np.full(reps, r)}
    for group, size, change in (("1", n, effect), ("2", n + 5, 0.0)):
        x = rng.standard_normal((reps, size))
        y = r * x + np.sqrt(1 - r**2) * rng.standard_normal((reps, size))
        found |= {
            f"pre{group}": level + x.mean(axis=1),
            f"post{group}": level + change + y.mean(axis=1),
            f"sd{group}": x.std(axis=1, ddof=1),
            f"sdpost{group}": y.std(axis=1, ddof=1),
            f"n{group}": np.full(reps, float(size)),
        }
    return found


def changes(
    rng: RNG,
    *,
    change: float = 0.4,
    level: float = 8.0,
    ratio: float = 1.0,
    r: float = 0.6,
    n: int = 60,
    reps: int = 20_000,
) -> Columns:
    """The same people twice; `ratio` is the SD at the second time over that at the first."""
    x = rng.standard_normal((reps, n))
    y = r * x + np.sqrt(1 - r**2) * rng.standard_normal((reps, n))
    sx, sy = x.std(axis=1, ddof=1), y.std(axis=1, ddof=1)
    covariance = np.mean((x - x.mean(axis=1, keepdims=True)) * (y - y.mean(axis=1, keepdims=True)), axis=1)
    return {
        "mean1": level + change + x.mean(axis=1),
        "mean2": level + ratio * y.mean(axis=1),
        "sd1": sx,
        "sd2": ratio * sy,
        "n": np.full(reps, float(n)),
        "r": covariance * n / (n - 1) / (sx * sy),
    }
