"""z-curve: how many of the significant results would replicate, and how many results there were for each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...base.distributions import normal_cdf, normal_isf, normal_sf
from ...base.errors import InputError
from ...base.linalg import one_blas_thread
from ...records import Effects, Fit, Interval, Note, Optimum
from ...records.selection import ZCurve
from .setup import check_effects, dependence_notes, source_of

MEANS = np.arange(7.0)
HIGHEST = 5.0  # |z| above which power counts as 1
BLOCK = 2_000_000  # counts of bootstrap samples held at once
MOST_STEPS, REACHED = 200, 1e-10  # steps; distance from the maximum, in log-likelihood of one result
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
    """z-curve 2.0 by maximum likelihood: |z| of the significant results as a mixture of folded normals with means 0 ... 6.

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
    inside, extreme = _significant(z, cut)
    m = len(inside) + extreme
    with one_blas_thread():
        fitted = _weights(inside, cut, np.ones((1, len(inside))))
        spread = _resampled(inside, m, cut, rng=rng, replicates=replicates)
    shares, loglik = fitted.shares, fitted.loglik
    rates = rates_of(shares, np.array([extreme]), np.array([m]), cut)
    err, edr = (_limits(rates[i], spread[i], WIDEN[name], level) for i, name in ((0, "err"), (1, "edr")))
    grid = np.linspace(0, HIGHEST, 201)
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
        optimum=Optimum(
            "converged" if fitted.steps < MOST_STEPS else "stopped",
            fitted.steps,
            score=float(fitted.gap[0] / m),
        ),
        notes=_notes(effects, m),
    )


def _significant(z: np.ndarray, cut: float) -> tuple[np.ndarray, int]:
    """The |z| between the critical value and `HIGHEST`, and the number beyond; raises where there are too few."""
    inside, extreme = z[(z > cut) & (z <= HIGHEST)], int(np.sum(z > HIGHEST))
    if len(inside) + extreme < FEWEST:
        raise InputError(
            f"A z-curve needs at least {FEWEST} significant results; there {'is' if len(inside) + extreme == 1 else 'are'} "
            f"{len(inside) + extreme}.",
            code="too-few-effects",
            advice="Use a selection model or p-uniform*.",
        )
    return inside, extreme


def _folded(z: np.ndarray) -> np.ndarray:
    """(n, 7) density of |Z| for each mean."""
    gap, total = z[:, None] - MEANS, z[:, None] + MEANS
    return np.asarray((np.exp(-0.5 * gap**2) + np.exp(-0.5 * total**2)) / np.sqrt(2 * np.pi))


def _power(cut: float) -> np.ndarray:
    return np.asarray(normal_sf(cut - MEANS) + normal_cdf(-cut - MEANS))


def _truncated_mass(cut: float) -> np.ndarray:
    """P(cut < |Z| < 5) for each mean."""
    return np.asarray(_power(cut) - (normal_sf(HIGHEST - MEANS) + normal_cdf(-HIGHEST - MEANS)))


@dataclass(frozen=True, eq=False)
class _Weights:
    """shares (R, 7) of the components, log-likelihoods (R,), and by how much (R,) they can be below their maximum; steps."""

    shares: np.ndarray
    loglik: np.ndarray
    gap: np.ndarray
    steps: int


def _weights(z: np.ndarray, cut: float, counts: np.ndarray) -> _Weights:
    """The mixtures of R samples that hold each z so many times, counts (R, m), by a primal-dual interior-point method.

    sum c log(density w) - n sum w over w >= 0 has the maximum of the log-likelihood over the simplex, where the weights add up
    to 1 by themselves; it is concave. With multipliers u >= 0 of the bounds, gradient + u = 0 and w u = 0 at the maximum: Newton
    steps towards w u = mu for falling mu, never more than 99% of the way to a bound.

    Source: Koenker & Mizera (2014), J Am Stat Assoc 109:674 (mixtures by interior-point methods).
    """
    density = _folded(z) / _truncated_mass(cut)
    size = density.shape[1]
    pairs = (density[:, :, None] * density[:, None, :]).reshape(len(z), -1)
    n = np.maximum(counts.sum(axis=1), 1.0)
    w, u = np.full((len(counts), size), 1 / size), np.tile(n[:, None], (1, size))
    steps = 0
    while steps < MOST_STEPS:
        steps += 1
        ratio = counts / (w @ density.T)
        gradient = ratio @ density - n[:, None]
        gap = (w * u).sum(axis=1)
        rest = np.abs(gradient + u).max(axis=1) / n
        if np.all((gap < REACHED * n) & (rest < REACHED)):
            break
        aim = 0.1 * gap[:, None] / size
        curvature = ((ratio / (w @ density.T)) @ pairs).reshape(-1, size, size)
        curvature[:, np.arange(size), np.arange(size)] += u / w
        move = np.linalg.solve(curvature, (gradient + aim / w)[:, :, None])[:, :, 0]
        turn = aim / w - u - u / w * move
        w = w + _inside(w, move) * move
        u = u + _inside(u, turn) * turn
    shares = w / w.sum(axis=1, keepdims=True)
    loglik = (counts * np.log(shares @ density.T)).sum(axis=1)
    return _Weights(shares, loglik, (w * u).sum(axis=1), steps)


def _inside(at: np.ndarray, move: np.ndarray) -> np.ndarray:
    """(R, 1) longest step of at most 1 that keeps all of `at` above 1% of what they are."""
    with np.errstate(divide="ignore"):
        room = np.where(move < 0, -0.99 * at / np.minimum(move, -1e-300), np.inf)
    return np.asarray(np.minimum(1.0, room.min(axis=1, keepdims=True)))


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
    per = max(1, BLOCK // max(len(inside), 1))
    parts = [
        _weights(inside, cut, drawn[i : i + per, : len(inside)]).shares for i in range(0, replicates, per)
    ]
    shares = np.concatenate(parts) if parts else np.empty((0, len(MEANS)))
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
