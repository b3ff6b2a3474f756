"""Profile likelihood of a variance or correlation, and its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.distributions import chi2_isf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.roots import find_root
from ..likelihood.build import Setup, build
from ..likelihood.nested_solve import solve
from ..likelihood.profile import Line, line_names, line_of
from ..records import Fit, Interval
from .multilevel import METHODS

WIDEST = 60  # doublings of a variance before its upper limit is called infinite


@dataclass(frozen=True, eq=False)
class Profile:
    """values (n,) of one parameter, on the effects' scale, and the log-likelihood (n,) maximised over the others."""

    name: str
    values: np.ndarray
    loglik: np.ndarray


def profile_parameters(fit: Fit) -> tuple[str, ...]:
    """Names of the parameters of a fit that can be profiled: variances, standard deviations, correlations, ranges."""
    return tuple(line_names(_setup(fit)))


def profile(fit: Fit, name: str, values: Sequence[float]) -> Profile:
    """Log-likelihood at given values of one parameter, the others re-estimated.

    Parameters
    ----------
    name : one of `profile_parameters`; values : variances (also for a standard deviation), correlations or ranges.
    """
    with one_blas_thread():
        line = _line(fit, name)
        given = np.asarray(values, dtype=float)
        working = np.ldexp(given, -2 * line.exponent) if line.unit else given
        drops = [line.drop(float(np.sqrt(x) if line.unit == 1 else x)) for x in working]
    return Profile(name, given, fit.loglik + np.array(drops))


def profile_interval(fit: Fit, name: str, *, level: float = 0.95) -> Interval:
    """Values that a likelihood-ratio test at `level` does not reject.

    The lower limit of a variance is 0 where the likelihood at 0 is within reach; the upper one is infinite where the
    likelihood does not fall.

    Source: Hardy & Thompson (1996), Stat Med 15:619; Viechtbauer (2007), Stat Med 26:37.
    """
    with one_blas_thread():
        line = _line(fit, name)
        allowed = 0.5 * float(chi2_isf(1 - level, 1))

        def above(value: float) -> float:
            return line.drop(value) + allowed

        low = line.lower
        if line.peak > low and above(low) < 0:
            low = find_root(above, low, line.peak, rtol=1e-10)
        high = _upper(line, allowed=allowed)
    square = 2 if line.unit == 1 else 1
    back = line.exponent * line.unit * square
    return Interval(*(float(np.ldexp(x**square, back)) for x in (line.peak, low, high)))


def _upper(line: Line, *, allowed: float) -> float:
    def above(value: float) -> float:
        return line.drop(value) + allowed

    peak, upper = line.peak, line.upper
    if np.isfinite(upper):
        return upper if above(upper) >= 0 else find_root(above, peak, upper, rtol=1e-10)
    inside, step = peak, max(peak, 0.1)
    for _ in range(WIDEST):
        outside = inside + step
        if above(outside) < 0:
            return find_root(above, inside, outside, rtol=1e-10)
        inside, step = outside, 2 * step
    return np.inf


def _setup(fit: Fit) -> Setup:
    if fit.spec.method not in METHODS or fit.spec.scale is not None:
        raise InputError(f"A fit by {fit.spec.method} has no profile likelihood.", code="no-likelihood")
    return build(fit.effects, fit.design, fit.spec)


def _line(fit: Fit, name: str) -> Line:
    setup, method = _setup(fit), METHODS[fit.spec.method]
    known = line_names(setup)
    if name not in known:
        raise InputError(
            f'There is no parameter "{name}" to profile; there are: {", ".join(known)}.', code="unknown-name"
        )
    found = solve(setup, method=method, start=setup.scale_theta(fit.components.theta, -1))
    return line_of(setup, found, known[name], method=method)
