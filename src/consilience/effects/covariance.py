"""Sampling covariances of dependent standardised differences, one function per structure.

Floats or arrays that broadcast. a = 1/nT + 1/nC, N = nT + nC; correlations are those of the marker's values:
r0i = baseline with time i, r12 = the two later times, c = two markers at one time, k = two markers across times.
Source: Gleser & Olkin (2009), sections 19.3-19.4; Morris (2008) for the variances; the extensions to designs with a
baseline follow by the delta method.
"""

from __future__ import annotations

from typing import Any


def two_times(g1: Any, g2: Any, a: Any, n: Any, *, r01: Any, r02: Any, r12: Any) -> Any:
    """One marker at two later times, both against the shared baseline: (1 + r12 - r01 - r02) a + g1 g2/(2N)."""
    return (1 + r12 - r01 - r02) * a + g1 * g2 / (2 * n)


def two_outcomes(g1: Any, g2: Any, a: Any, n: Any, *, same_time: Any, cross_time: Any) -> Any:
    """Two markers of the same people at one later time: 2(c - k) a + c^2 g1 g2/(2N)."""
    return 2 * (same_time - cross_time) * a + same_time**2 * g1 * g2 / (2 * n)


def shared_control(g1: Any, g2: Any, n_control: Any, n_all: Any, *, r: Any) -> Any:
    """Two treated arms against one control, before and after, SD pooled over all arms: 2(1-r)/nC + g1 g2/(2 N_all)."""
    return 2 * (1 - r) / n_control + g1 * g2 / (2 * n_all)


def shared_control_pairwise(g1: Any, g2: Any, n_control: Any, n1: Any, n2: Any, *, r: Any) -> Any:
    """The same with each effect's SD pooled over its own two arms (n1, n2 people): the SDs share the control only.

    2(1 - r)/nC + g1 g2 nC/(2 n1 n2).
    """
    return 2 * (1 - r) / n_control + g1 * g2 * n_control / (2 * n1 * n2)


def shared_control_final(g1: Any, g2: Any, n_control: Any, n_all: Any) -> Any:
    """Two treated arms against one control, final values only (Gleser & Olkin): 1/nC + g1 g2/(2 N_all)."""
    return 1 / n_control + g1 * g2 / (2 * n_all)


def two_times_ratio(log_variance_sum: Any, *, r01: Any, r02: Any, r12: Any) -> Any:
    """Log ratio of ratios at two times with a shared baseline and equal coefficients of variation:
    (1 + r12 - r01 - r02) * sum over arms of CV^2/n.
    """
    return (1 + r12 - r01 - r02) * log_variance_sum


def constant_correlation(v1: Any, v2: Any, rho: Any) -> Any:
    """Working covariance where the dependence is unknown: rho sqrt(v1 v2). Source: Hedges, Tipton & Johnson (2010)."""
    return rho * (v1 * v2) ** 0.5
