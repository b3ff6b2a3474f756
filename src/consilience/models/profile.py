"""Profile likelihood of a variance or correlation, and its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.distributions import chi2_isf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.roots import find_root
from ..likelihood.build import Setup, build
from ..likelihood.multistart import Method
from ..likelihood.nested_solve import solve
from ..records import Fit, Inner, Interval, Term
from .multilevel import METHODS

WIDEST = 60  # doublings of a variance before its upper limit is called infinite


@dataclass(frozen=True, eq=False)
class Profile:
    """values (n,) of one parameter, on the effects' scale, and the log-likelihood (n,) maximised over the others."""

    name: str
    values: np.ndarray
    loglik: np.ndarray


@dataclass(frozen=True, eq=False)
class _Line:
    """The profile of parameter `index`: working values in, log-likelihood relative to the maximum out."""

    setup: Setup
    index: int
    method: Method
    theta: np.ndarray
    top: float

    def drop(self, value: float) -> float:
        """Log-likelihood at `value` minus the maximum; minus infinity where it does not exist."""
        fixed = self.setup.problem.fixed.copy()
        fixed[self.index] = value
        start = self.theta.copy()
        start[self.index] = value
        held = replace(self.setup, problem=replace(self.setup.problem, fixed=fixed))
        try:
            return solve(held, method=self.method, start=start).evaluation.loglik - self.top
        except InputError:
            return -np.inf


def profile_parameters(fit: Fit) -> tuple[str, ...]:
    """Names of the parameters of a fit that can be profiled: variances, standard deviations, correlations, ranges."""
    return tuple(p.name for p in _setup(fit).parameters if np.isfinite(p.lower) and np.isnan(p.fixed))


def profile(fit: Fit, name: str, values: Sequence[float]) -> Profile:
    """Log-likelihood at given values of one parameter, the others re-estimated.

    Parameters
    ----------
    name : one of `profile_parameters`; values : variances (also for a standard deviation), correlations or ranges.
    """
    with one_blas_thread():
        line = _line(fit, name)
        unit = line.setup.parameters[line.index].unit
        given = np.asarray(values, dtype=float)
        working = np.ldexp(given, -2 * line.setup.exponent) if unit else given
        drops = [line.drop(float(np.sqrt(x) if unit == 1 else x)) for x in working]
    return Profile(name, given, fit.loglik + np.array(drops))


def profile_interval(fit: Fit, name: str, *, level: float = 0.95) -> Interval:
    """Values that a likelihood-ratio test at `level` does not reject.

    The lower limit of a variance is 0 where the likelihood at 0 is within reach; the upper one is infinite where the
    likelihood does not fall.

    Source: Hardy & Thompson (1996), Stat Med 15:619; Viechtbauer (2007), Stat Med 26:37.
    """
    with one_blas_thread():
        line = _line(fit, name)
        parameter, peak = line.setup.parameters[line.index], float(line.theta[line.index])
        allowed = 0.5 * float(chi2_isf(1 - level, 1))

        def above(value: float) -> float:
            return line.drop(value) + allowed

        low = parameter.lower
        if peak > low and above(low) < 0:
            low = find_root(above, low, peak, rtol=1e-10)
        high = _upper(line, peak, upper=parameter.upper, allowed=allowed)
    power = parameter.unit
    square = 2 if power == 1 else 1
    back = line.setup.exponent * power * square
    return Interval(*(float(np.ldexp(x**square, back)) for x in (peak, low, high)))


def _upper(line: _Line, peak: float, *, upper: float, allowed: float) -> float:
    def above(value: float) -> float:
        return line.drop(value) + allowed

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
    setup = build(fit.effects, fit.design, fit.spec)
    pairs = list(zip(fit.spec.terms, setup.terms, strict=True))
    terms = tuple(_bounded(term, levels=len(made.levels)) for term, made in pairs)
    same = all(new is old for new, (old, _) in zip(terms, pairs, strict=True))
    return setup if same else build(fit.effects, fit.design, replace(fit.spec, terms=terms))


def _bounded(term: Term, *, levels: int) -> Term:
    """An unstructured term of two levels by standard deviations and a correlation, whose bounds do not depend on each
    other; of more levels it stays a Cholesky factor, without bounds."""
    free = isinstance(term, Inner) and term.structure == "UN" and term.variance is term.correlation is None
    if free and levels == 2 and isinstance(term, Inner):
        return replace(term, variance=(np.nan,))
    return term


def _line(fit: Fit, name: str) -> _Line:
    setup = _setup(fit)
    known = [p.name for p in setup.parameters if np.isfinite(p.lower) and np.isnan(p.fixed)]
    if name in {p.name for p in setup.parameters if not np.isfinite(p.lower)}:
        raise InputError(
            f'"{name}" belongs to an unstructured covariance of more than two levels, or to correlated slopes: its '
            "bounds depend on the other parameters, so it has no profile here.",
            code="no-profile",
            advice='Use the structure "HCS" or "CS" or independent slopes, or fit two levels at a time.',
        )
    if name not in known:
        raise InputError(
            f'There is no parameter "{name}" to profile; there are: {", ".join(known)}.', code="unknown-name"
        )
    index = next(i for i, p in enumerate(setup.parameters) if p.name == name)
    theta = setup.scale_theta(fit.components.theta, -1) if _same_theta(setup, fit) else None
    found = solve(setup, method=METHODS[fit.spec.method], start=theta)
    return _Line(setup, index, METHODS[fit.spec.method], found.theta, found.evaluation.loglik)


def _same_theta(setup: Setup, fit: Fit) -> bool:
    """Are the parameters those of the fit?"""
    own = build(fit.effects, fit.design, fit.spec).parameters
    return [p.unit for p in setup.parameters] == [p.unit for p in own]
