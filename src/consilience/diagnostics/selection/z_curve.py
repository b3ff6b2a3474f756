"""z-curve: how many of the significant results would replicate, and how many results there were for each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...base.distributions import normal_cdf, normal_isf, normal_sf
from ...base.errors import InputError
from ...records import Effects, Fit, Interval, Note, Optimum
from ...records.selection import ZCurve
from .setup import check_effects, source_of

MEANS = np.arange(7.0)
HIGHEST = 6.0  # |z| above which power counts as 1
MOST_STEPS = 3000
WIDEN = {"err": 0.03, "edr": 0.05}  # by which the source widens its bootstrap intervals
FEWEST = 10


def z_curve(
    source: Fit | Effects,
    *,
    rng: np.random.Generator,
    significance: float = 0.05,
    replicates: int = 500,
    level: float = 0.95,
) -> ZCurve:
    """z-curve 2.0 by the EM algorithm: |z| of the significant results as a mixture of folded normals with means 0 ... 6.

    Densities are those of |Z|, truncated to (critical value, 6); larger |z| count as power 1. With pi_j the share of component j
    among the significant results and P_j its power: ERR = sum pi_j P(Z > c | j) (expected replication rate, same sign),
    EDR = 1 / sum (pi_j / P_j) (expected discovery rate: significant among all results, published or not).

    Parameters
    ----------
    rng : source of the bootstrap; replicates : bootstrap samples for the intervals, widened by 3 and 5 points as in the source.

    Raises InputError ``too-few-effects`` for fewer than 10 significant results.

    Source: Bartos & Schimmack (2022), Meta-Psychology 6 MP.2021.2720; Brunner & Schimmack (2020), Meta-Psychology 4.
    """
    taken = source_of(source)
    effects = taken.effects
    check_effects(effects, taken.design)
    z = np.abs(effects.y) / np.sqrt(effects.v)
    cut = float(normal_isf(significance / 2))
    inside = z[(z > cut) & (z <= HIGHEST)]
    extreme = int(np.sum(z > HIGHEST))
    m = len(inside) + extreme
    if m < FEWEST:
        raise InputError(
            f"{m} results are significant; a z-curve needs at least {FEWEST}.",
            code="too-few-effects",
            advice="Use a selection model or p-uniform*.",
        )
    counts = np.ones((1, len(inside)))
    shares, loglik, steps = _em(inside, cut, counts)
    rates = _rates(shares, np.array([extreme]), np.array([m]), cut)
    drawn = rng.multinomial(m, np.full(m, 1 / m), size=replicates).astype(float)
    boot_extreme = drawn[:, len(inside) :].sum(axis=1)
    boot, _, _ = _em(inside, cut, drawn[:, : len(inside)])
    spread = _rates(boot, boot_extreme, np.full(replicates, m), cut)
    err, edr = (_limits(rates[i], spread[i], WIDEN[name], level) for i, name in ((0, "err"), (1, "edr")))
    k = effects.k
    odr = m / k
    half = float(normal_isf((1 - level) / 2)) * np.sqrt(odr * (1 - odr) / k)
    grid = np.linspace(0, HIGHEST, 241)
    reached = (1 - extreme / m) * shares[0] / _truncated_mass(cut)
    return ZCurve(
        effects=effects,
        z=z,
        means=MEANS,
        weights=shares[0],
        grid=grid,
        density=_folded(grid) @ reached,
        err=err,
        edr=edr,
        odr=Interval(odr, max(0.0, odr - half), min(1.0, odr + half)),
        soric=_turned(edr, lambda x: (1 / x - 1) * significance / (1 - significance)),
        missing=_turned(edr, lambda x: 1 / x - 1),
        loglik=float(loglik[0]),
        significance=significance,
        level=level,
        replicates=replicates,
        optimum=Optimum("converged" if steps < MOST_STEPS else "stopped", steps),
        notes=_notes(effects, m),
    )


def _folded(z: np.ndarray) -> np.ndarray:
    """(n, 7) density of |Z| for each mean."""
    gap, total = z[:, None] - MEANS, z[:, None] + MEANS
    return np.asarray((np.exp(-0.5 * gap**2) + np.exp(-0.5 * total**2)) / np.sqrt(2 * np.pi))


def _power(cut: float) -> np.ndarray:
    return np.asarray(normal_sf(cut - MEANS) + normal_cdf(-cut - MEANS))


def _truncated_mass(cut: float) -> np.ndarray:
    """P(cut < |Z| < 6) for each mean."""
    return np.asarray(_power(cut) - (normal_sf(HIGHEST - MEANS) + normal_cdf(-HIGHEST - MEANS)))


def _em(z: np.ndarray, cut: float, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Shares (R, 7), log-likelihoods (R,) and steps of R samples that hold each z so many times, counts (R, m)."""
    density = _folded(z) / _truncated_mass(cut)
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    shares = np.full((len(counts), len(MEANS)), 1 / len(MEANS))
    previous = np.full(len(counts), -np.inf)
    loglik, step = previous, 0
    for step in range(1, MOST_STEPS + 1):
        mixed = shares @ density.T
        shares = shares * ((counts / mixed) @ density) / total
        if step % 20 == 0:
            loglik = (counts * np.log(mixed)).sum(axis=1)
            if np.all(loglik - previous < 1e-6 * total[:, 0]):
                break
            previous = loglik
    return shares, loglik, step


def _rates(
    shares: np.ndarray, extreme: np.ndarray, m: np.ndarray, cut: float
) -> tuple[np.ndarray, np.ndarray]:
    """ERR and EDR (R,) with the extreme results at power 1."""
    beyond = extreme / m
    power = _power(cut)
    err = (1 - beyond) * (shares @ np.asarray(normal_sf(cut - MEANS))) + beyond
    edr = 1 / ((1 - beyond) * (shares @ (1 / power)) + beyond)
    return err, edr


def _limits(estimate: np.ndarray, draws: np.ndarray, widen: float, level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    least = 0.05 if widen > 0.04 else 0.025
    return Interval(float(estimate[0]), max(least, float(low) - widen), min(1.0, float(high) + widen))


def _turned(rate: Interval, change: Callable[[float], float]) -> Interval:
    return Interval(float(change(rate.estimate)), float(change(rate.high)), float(change(rate.low)))


def _notes(effects: Effects, m: int) -> tuple[Note, ...]:
    notes = []
    if m < 100:
        notes.append(
            Note(
                "few-p-values",
                "warning",
                f"{m} significant results; z-curve was made for hundreds, its intervals are wide.",
            )
        )
    if effects.n_studies < effects.k:
        notes.append(
            Note("dependent-effects", "warning", "Several effects of a study are counted as independent.")
        )
    return tuple(notes)
