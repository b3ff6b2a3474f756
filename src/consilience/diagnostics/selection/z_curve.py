"""z-curve: how many of the significant results would replicate, and how many results there were for each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...base.distributions import normal_cdf, normal_isf, normal_sf
from ...base.errors import InputError
from ...records import Effects, Fit, Interval, Note, Optimum
from ...records.selection import ZCurve
from .setup import check_effects, dependence_notes, source_of

MEANS = np.arange(7.0)
HIGHEST = 5.0  # |z| above which power counts as 1
SHOWN = 6.0  # end of the grid of the density
MOST_STEPS, PRECISE = 50_000, 1e-11  # of the estimate; smallest gain of a result's log-likelihood in 20 steps
RESAMPLED_STEPS, ROUGH = 3_000, 1e-6  # of a bootstrap sample, whose own error is far larger
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

    Densities are those of |Z|, truncated to (critical value, 5); larger |z| count as power 1. With pi_j the share of component j
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
    shares, loglik, steps = _em(inside, cut, np.ones((1, len(inside))))
    rates = rates_of(shares, np.array([extreme]), np.array([m]), cut)
    spread = _resampled(inside, m, cut, rng=rng, replicates=replicates)
    err, edr = (_limits(rates[i], spread[i], WIDEN[name], level) for i, name in ((0, "err"), (1, "edr")))
    grid = np.linspace(0, SHOWN, 241)
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
        odr=_observed(m, effects.k, level),
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
    """P(cut < |Z| < 5) for each mean."""
    return np.asarray(_power(cut) - (normal_sf(HIGHEST - MEANS) + normal_cdf(-HIGHEST - MEANS)))


def _em(
    z: np.ndarray, cut: float, counts: np.ndarray, *, most: int = MOST_STEPS, gain: float = PRECISE
) -> tuple[np.ndarray, np.ndarray, int]:
    """Shares (R, 7), log-likelihoods (R,) and steps of R samples that hold each z so many times, counts (R, m)."""
    density = _folded(z) / _truncated_mass(cut)
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    shares = np.full((len(counts), len(MEANS)), 1 / len(MEANS))
    previous = np.full(len(counts), -np.inf)
    loglik, step = previous, 0
    for step in range(1, most + 1):
        mixed = shares @ density.T
        shares = shares * ((counts / mixed) @ density) / total
        if step % 20 == 0:
            loglik = (counts * np.log(mixed)).sum(axis=1)
            if np.all(loglik - previous < gain * total[:, 0]):
                break
            previous = loglik
    return shares, loglik, step


def rates_of(
    shares: np.ndarray, extreme: np.ndarray, m: np.ndarray, cut: float
) -> tuple[np.ndarray, np.ndarray]:
    """ERR and EDR (R,) with the extreme results at power 1."""
    beyond = extreme / m
    power = _power(cut)
    err = (1 - beyond) * (shares @ np.asarray(normal_sf(cut - MEANS))) + beyond
    edr = 1 / ((1 - beyond) * (shares @ (1 / power)) + beyond)
    return err, edr


def _resampled(
    inside: np.ndarray, m: int, cut: float, *, rng: np.random.Generator, replicates: int
) -> tuple[np.ndarray, np.ndarray]:
    """ERR and EDR of samples with replacement of the m significant results."""
    drawn = rng.multinomial(m, np.full(m, 1 / m), size=replicates).astype(float)
    shares, _, _ = _em(inside, cut, drawn[:, : len(inside)], most=RESAMPLED_STEPS, gain=ROUGH)
    return rates_of(shares, drawn[:, len(inside) :].sum(axis=1), np.full(replicates, m), cut)


def _observed(m: int, k: int, level: float) -> Interval:
    """Share of significant results with Wald limits."""
    rate = m / k
    half = float(normal_isf((1 - level) / 2)) * float(np.sqrt(rate * (1 - rate) / k))
    return Interval(rate, max(0.0, rate - half), min(1.0, rate + half))


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
    notes += dependence_notes(effects)
    return tuple(notes)
