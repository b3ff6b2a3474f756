"""Harrer, Cuijpers, Furukawa & Ebert (2021), Doing Meta-Analysis with R, section 9.2.2: p-curve of 18 trials of third-wave therapies.

Numbers: output of dmetar::pcurve, which follows the p-curve app 4.06.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from consilience.diagnostics.selection import p_curve
from consilience.records import Effects

# Hedges' g and its standard error, in the order of the authors' names
G = [0.70910, 0.35492, 1.79116, 0.18253, 0.42197, 0.63000, 0.72488, 0.52866, 0.28400, 1.27510, 0.10360, 0.38836, 0.54078, 0.42628, 0.51542, 1.47973, 0.61257, 0.60000]  # fmt: skip
SE = [0.2608, 0.1964, 0.3456, 0.1178, 0.1448, 0.1960, 0.2247, 0.2105, 0.1680, 0.3372, 0.1947, 0.2308, 0.2443, 0.2581, 0.3513, 0.3153, 0.2267, 0.2490]  # fmt: skip


def trials() -> Effects:
    return Effects(np.array(G), np.array(SE) ** 2, np.arange(18).astype(str).astype(object))


def test_printed_table() -> None:
    found = p_curve(trials())
    assert found.k == 18
    assert len(found.p) == 11
    assert int(np.sum(found.p < 0.025)) == 10
    tests = (found.right_skew, found.right_skew_half, found.flatness)
    assert [round(t.statistic, 3) for t in tests if t is not None] == [-5.943, -4.982, 3.260]
    power = [round(100 * x, 1) for x in (found.power.estimate, found.power.low, found.power.high)]
    assert power == [84.1, 62.7, 94.6]
    assert found.evidential_value


def test_flatness_of_the_half_curve_is_uniform_under_its_hypothesis() -> None:
    """They print 5.158 for the half curve's flatness, ours is 2.679.

    5.158 follows from (F(z) - (1 - q)) / q with F the distribution of all z under 33% power and q the share below .025
    among the significant ones; F must be that of the significant ones for the result to be uniform. Simulated here.
    """
    found = p_curve(trials())
    assert found.flatness_half is not None
    assert found.flatness_half.statistic == pytest.approx(2.679, abs=5e-4)
    cut, half = stats.norm.isf([0.025, 0.0125])
    mean = float(
        stats.norm.isf(1 / 3)
    )  # power 33%: P(Z > cut) = 1/3 with the mean cut - isf(1/3); the other tail is 3e-6
    z = np.abs(np.random.default_rng(1).normal(cut - mean, 1, 400_000))
    z = z[z > half]
    share = 3 * stats.norm.sf(half - (cut - mean))
    printed = (stats.norm.cdf(z - (cut - mean)) - (1 - share)) / share
    ours = (3 * (stats.norm.cdf(z - (cut - mean)) - 2 / 3) - (1 - share)) / share
    assert stats.kstest(ours, "uniform").pvalue > 0.01
    assert printed.min() > 0.5
    observed = np.array(G) / np.array(SE)
    observed = observed[observed > half]
    old = (stats.norm.cdf(observed - (cut - mean)) - (1 - share)) / share
    assert stats.norm.ppf(old).sum() / np.sqrt(10) == pytest.approx(5.158, abs=5e-3)
