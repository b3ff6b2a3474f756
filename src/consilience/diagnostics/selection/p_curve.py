"""p-curve: do the significant p-values look like those of a true effect?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...base.distributions import chi2_sf, normal_cdf, normal_isf, normal_ppf, normal_sf
from ...base.roots import find_root
from ...records import Effects, Fit, Interval, Note, TestResult
from ...records.selection import Alternative, PCurve
from .setup import check_effects, dependence_notes, source_of

ALPHA = 0.05
BINS = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
TINY = 1e-300


def _tail(z: np.ndarray | float, mean: float) -> np.ndarray:
    """P(|Z| > z) of a normal with this mean."""
    return np.asarray(normal_sf(np.asarray(z) - mean) + normal_cdf(-np.asarray(z) - mean))


def mean_of_power(power: float) -> float:
    """Mean of z at which a two-sided test at .05 has this power."""
    cut = float(normal_isf(ALPHA / 2))
    if power <= ALPHA:
        return 0.0
    return find_root(lambda m: float(_tail(cut, m)) - power, 0.0, 12.0)


def _stouffer(pp: np.ndarray, name: str, *, upper: bool = False) -> TestResult | None:
    """Sum of Phi^-1(pp) / sqrt m; pp is uniform under the hypothesis that is tested, small pp speak against it."""
    if not len(pp):
        return None
    z = float(np.sum(normal_ppf(np.clip(pp, TINY, 1 - 1e-16))) / np.sqrt(len(pp)))
    return TestResult(name, z, float(len(pp)), np.inf, float(normal_cdf(z)), "")


def p_curve(source: Fit | Effects, *, alternative: Alternative = "two-sided", level: float = 0.90) -> PCurve:
    """The distribution of the p-values below .05.

    With pp = p / .05 (uniform without an effect), right skew is Stouffer's sum of Phi^-1(pp), for all significant p-values
    and for those below .025 (half curve); flatter than a power of 33%: the same of the p-values' distribution under that
    power. The power estimate makes Stouffer's sum zero; its limits make it -/+ z.

    Parameters
    ----------
    alternative : which significant results count: ``two-sided`` = all, else those in that direction.
    level : of the interval of the power (the source uses 90%).

    Source: Simonsohn, Nelson & Simmons (2014), J Exp Psychol Gen 143:534; Simonsohn, Simmons & Nelson (2015), J Exp Psychol
    Gen 144:1146 (Stouffer, half curve).
    """
    taken = source_of(source)
    effects = taken.effects
    check_effects(effects, taken.design)
    z = effects.y / np.sqrt(effects.v)
    directed = np.abs(z) if alternative == "two-sided" else z if alternative == "greater" else -z
    cut, half_cut = float(normal_isf(ALPHA / 2)), float(normal_isf(ALPHA / 4))
    z = directed[directed > cut]
    p = np.asarray(2 * normal_sf(z))
    halved = z[z > half_cut]
    m33 = mean_of_power(1 / 3)
    fisher = -2 * float(np.sum(np.log(np.maximum(p / ALPHA, TINY))))
    power, fitted = _power(z, level)
    return PCurve(
        effects=effects,
        alternative=alternative,
        p=p,
        k=effects.k,
        shares=_shares(p),
        expected33=_expected(m33),
        expected=_expected(fitted),
        right_skew=_stouffer(p / ALPHA, "right skew"),
        right_skew_half=_stouffer(2 * np.asarray(normal_sf(halved)) / (ALPHA / 2), "right skew, p < .025"),
        flatness=_stouffer(1 - _tail(z, m33) / _tail(cut, m33), "flatter than 33% power"),
        flatness_half=_stouffer(
            1 - _tail(halved, m33) / _tail(half_cut, m33), "flatter than 33% power, p < .025"
        ),
        fisher=TestResult(
            "right skew, Fisher", fisher, 2.0 * len(p), np.inf, float(chi2_sf(fisher, 2 * len(p)))
        )
        if len(p)
        else None,
        power=power,
        level=level,
        notes=_notes(len(p), effects),
    )


def _shares(p: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(p, BINS)
    return 100 * counts / max(len(p), 1)


def _expected(mean: float) -> np.ndarray:
    """(5,) percent of the significant p-values in each bin when z has this mean."""
    edges = np.array([0.0, *(_tail(np.asarray(normal_isf(BINS[1:] / 2)), mean))])
    return np.asarray(100 * np.diff(edges) / edges[-1])


def _power(z: np.ndarray, level: float) -> tuple[Interval, float]:
    """Power at which the sum of Phi^-1 of the conditional probabilities is zero, its limits, and the mean of z there."""
    if not len(z):
        return Interval(np.nan, np.nan, np.nan), 0.0
    cut = float(normal_isf(ALPHA / 2))

    def sum_at(mean: float) -> float:
        pp = np.clip(_tail(z, mean) / _tail(cut, mean), TINY, 1 - 1e-16)
        return float(np.sum(normal_ppf(pp)) / np.sqrt(len(z)))

    reach = float(normal_isf((1 - level) / 2))
    top = float(z.max()) + 6
    found = []
    for target in (0.0, -reach, reach):
        low, high = sum_at(0.0) - target, sum_at(top) - target
        if low >= 0:
            found.append(0.0)
        elif high <= 0:
            found.append(top)
        else:
            found.append(find_root(_shifted(sum_at, target), 0.0, top, rtol=1e-10))
    powers = sorted(float(_tail(cut, m)) for m in found)
    return Interval(float(_tail(cut, found[0])), powers[0], powers[2]), found[0]


def _shifted(f: Callable[[float], float], target: float) -> Callable[[float], float]:
    return lambda x: f(x) - target


def _notes(m: int, effects: Effects) -> tuple[Note, ...]:
    notes = []
    if m < 5:
        notes.append(
            Note("few-p-values", "warning", f"Only {m} significant results; a p-curve of them says little.")
        )
    notes += dependence_notes(effects, "a p-curve needs one result of each study")
    return tuple(notes)
