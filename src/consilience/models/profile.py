"""Profile likelihood of a variance or correlation, and its confidence interval."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.distributions import chi2_isf
from ..base.errors import InputError
from ..base.linalg import numbers, one_blas_thread
from ..base.options import confidence_level, suggestion
from ..base.roots import find_root
from ..likelihood.build import Setup, build
from ..likelihood.held import hold, pairs_to_hold
from ..likelihood.identify import cell_name, pair_names, unidentified
from ..likelihood.multistart import Method
from ..likelihood.nested_solve import solve
from ..records import Fit, Interval
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
    """The profile of parameter `index`: working values in, log-likelihood relative to the maximum out.

    theta : at the maximum; found : thetas at the values solved so far, by value.
    """

    setup: Setup
    index: int
    method: Method
    theta: np.ndarray
    top: float
    found: dict[float, np.ndarray]

    def drop(self, value: float) -> float:
        """Log-likelihood at `value` minus the maximum; minus infinity where it does not exist. The better of a climb from
        the nearest value solved before and of a search that knows nothing."""
        fixed = self.setup.problem.fixed.copy()
        fixed[self.index] = value
        held = replace(self.setup, problem=replace(self.setup.problem, fixed=fixed))
        near = min(self.found, key=lambda x: abs(x - value), default=None)
        start = (self.theta if near is None else self.found[near]).copy()
        start[self.index] = value
        best = -np.inf
        for first in (start, None):
            try:
                solution = solve(held, method=self.method, start=first)
            except InputError:
                continue
            if solution.evaluation.loglik > best:
                best = solution.evaluation.loglik
                self.found[value] = solution.theta
        return best - self.top


def profile_parameters(fit: Fit) -> tuple[str, ...]:
    """Names of the parameters of a fit that can be profiled: variances, correlations, ranges; as in its components."""
    return tuple(_targets(_setup(fit)))


def profile(fit: Fit, name: str, values: Sequence[float]) -> Profile:
    """Log-likelihood at given values of one parameter, the others re-estimated.

    Parameters
    ----------
    name : one of `profile_parameters`; values : variances, correlations or ranges. Minus infinity where no covariance has
        that value.
    """
    with one_blas_thread():
        line = _line(fit, name)
        unit = line.setup.parameters[line.index].unit
        given = np.atleast_1d(numbers(values, "values of the profile"))
        if given.ndim != 1 or np.isnan(given).any():
            raise InputError("The values of a profile must be one list of numbers.", code="shape")
        working = np.ldexp(given, -2 * line.setup.exponent) if unit else given
        drops = [line.drop(float(np.sqrt(x) if unit == 1 else x)) for x in working]
    return Profile(name, given, fit.loglik + np.array(drops))


def profile_interval(fit: Fit, name: str, *, level: float = 0.95) -> Interval:
    """Values that a likelihood-ratio test at `level` does not reject.

    The lower limit of a variance is 0 where the likelihood at 0 is within reach; the upper one is infinite where the
    likelihood does not fall. Each value is maximised over all other parameters by the same search as the fit. Where the
    profile has several peaks, the limits are crossings on either side of the highest one.

    Source: Hardy & Thompson (1996), Stat Med 15:619; Viechtbauer (2007), Stat Med 26:37.
    """
    with one_blas_thread():
        line = _line(fit, name)
        parameter, peak = line.setup.parameters[line.index], float(line.theta[line.index])
        allowed = 0.5 * float(chi2_isf(1 - confidence_level(level), 1))

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
    return setup if fit.spec.method == "EE" else replace(setup, unknown=unidentified(setup))


def _targets(setup: Setup) -> dict[str, tuple[int, tuple[int, int] | None]]:
    """Name -> index in theta, or in place of it the number of the term, with the cell of G in a free matrix."""
    result: dict[str, tuple[int, tuple[int, int] | None]] = {}
    start = 0
    for number, term in enumerate(setup.terms):
        stop = start + len(term.parameters)
        if term.structure.cells is None:
            pairs = pair_names(term)
            estimated = [i for i in range(start, stop) if np.isnan(setup.problem.fixed[i])]
            bounded = [i for i in estimated if np.isfinite(setup.parameters[i].lower)]
            names = {i: setup.parameters[i].name for i in bounded}
            result |= {pairs.get(name, name): (i, None) for i, name in names.items()}
            if len(bounded) < len(estimated):  # the others are angles
                result |= {cell_name(term, cell): (number, cell) for cell in pairs_to_hold(term)}
        else:
            size = len(term.levels)
            cells = [(i, i) for i in range(size)] + [(i, j) for i in range(size) for j in range(i + 1, size)]
            result |= {cell_name(term, cell): (number, cell) for cell in cells}
        start = stop
    return result


def _line(fit: Fit, name: str) -> _Line:
    setup = _setup(fit)
    targets = _targets(setup)
    name = _known_name(setup, name, targets)
    _refuse_unknown(setup, name)
    method = METHODS[fit.spec.method]
    best = solve(setup, method=method, start=setup.scale_theta(fit.components.theta, -1))
    where, cell = targets[name]
    if cell is None:
        return _Line(setup, where, method, best.theta, best.evaluation.loglik, {})
    held, index, theta = hold(setup, best.theta, where, cell)
    return _Line(held, index, method, theta, best.evaluation.loglik, {})


def _known_name(setup: Setup, name: str, known: Collection[str]) -> str:
    """A name of `known`; the two levels of a correlation may stand in either order."""
    other = {
        cell_name(term, (j, i)): cell_name(term, (i, j))
        for term in setup.terms
        for i in range(len(term.levels))
        for j in range(i + 1, len(term.levels))
    }
    if name not in known:
        name = other.get(name, name)
    if name not in known:
        raise InputError(
            f'There is no parameter "{name}" to profile; there are: {", ".join(known)}. {suggestion(name, known)}'.strip(),
            code="unknown-name",
        )
    return name


def _refuse_unknown(setup: Setup, name: str) -> None:
    """A parameter that the data say nothing on has no profile."""
    unknown = setup.unknown
    if unknown is None:
        return
    for reason in (*(text for _, text in unknown.hidden), *unknown.vague):
        if reason.startswith(f'"{name}"'):
            raise InputError(f"{reason}, so it has no profile.", code="not-identified")
    lost = {setup.parameters[i].name for i, _ in unknown.hidden}
    pairs = {pair for term in setup.terms for old, pair in pair_names(term).items() if old in lost}
    if name in pairs or name in unknown.unseen:
        raise InputError(f'The data say nothing on "{name}", so it has no profile.', code="not-identified")
