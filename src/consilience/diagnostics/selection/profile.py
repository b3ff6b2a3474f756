"""Profile likelihood of one parameter of a selection model, and its interval; all values are lanes of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...base.distributions import chi2_isf
from ...base.errors import InputError
from ...base.linalg import one_blas_thread
from ...base.options import choose
from ...base.roots import find_roots
from ...likelihood.climb import climb
from ...records import Interval
from ...records.selection import SelectionModel
from .search import objective_of, starts_of
from .setup import Asked, Setup, Source, build

WIDEST = 40  # doublings of the distance from the estimate before a limit is called infinite


@dataclass(frozen=True, eq=False)
class _Line:
    """One parameter held at working values: the log-likelihood maximised over the others."""

    setup: Setup
    index: int
    theta: np.ndarray
    inward: Callable[[np.ndarray], np.ndarray]
    outward: Callable[[float], float]

    def loglik(self, values: np.ndarray) -> np.ndarray:
        """(n,) at working values (n,)."""
        starts = np.vstack([self.theta, starts_of(self.setup)])
        n, m = len(values), len(starts)
        start = np.tile(starts, (n, 1))
        lower, upper = np.tile(self.setup.lower, (n * m, 1)), np.tile(self.setup.upper, (n * m, 1))
        held = np.repeat(values, m)
        start[:, self.index] = lower[:, self.index] = upper[:, self.index] = held
        found = climb(objective_of(self.setup.problem), start, lower, upper)
        loglik = np.where(np.isfinite(found.loglik), found.loglik, -np.inf)
        return np.asarray(loglik.reshape(n, m).max(axis=1))


def selection_profile(model: SelectionModel, name: str, values: Sequence[float]) -> np.ndarray:
    """Log-likelihood (n,) with one parameter held at `values` (n,), the others re-estimated.

    Parameters
    ----------
    name : a coefficient, ``"tau2"`` or an estimated weight.
    """
    with one_blas_thread():
        line = _line(model, name)
        return line.loglik(line.inward(np.asarray(values, dtype=float)))


def selection_interval(model: SelectionModel, name: str, *, level: float | None = None) -> Interval:
    """Values of a parameter that a likelihood-ratio test at `level` (the model's) does not reject.

    A limit is infinite where the likelihood does not fall, and zero where a weight or variance of zero is not rejected.

    Raises
    ------
    InputError ``dependent-effects`` (the likelihood is a composite one), ``no-profile`` (decreasing weights, a given
    parameter), OptionError for an unknown name.
    """
    with one_blas_thread():
        line = _line(model, name)
        peak = float(line.theta[line.index])
        allowed = 0.5 * float(chi2_isf(1 - (level or model.coefficients.level), 1))

        def above(values: np.ndarray) -> np.ndarray:
            return line.loglik(values) - model.loglik + allowed

        low, high = (_limit(above, line, peak, side) for side in (-1, 1))
    ends = sorted(line.outward(x) for x in (low, high))
    return Interval(line.outward(peak), ends[0], ends[1])


def _limit(above: Callable[[np.ndarray], np.ndarray], line: _Line, peak: float, side: int) -> float:
    bound = float((line.setup.lower if side < 0 else line.setup.upper)[line.index])
    if peak == bound:
        return bound
    typical = float(np.sqrt(np.median(line.setup.effects.v)))
    p = line.setup.problem.p
    unit = typical if line.index < p else typical**2 if line.index == p else 0.3
    steps = 0.25 * unit * 2.0 ** np.arange(WIDEST)
    inside = peak
    for chunk in np.split(steps, WIDEST // 4):
        tried = peak + side * chunk
        tried = np.maximum(tried, bound) if side < 0 else np.minimum(tried, bound)
        if line.index > p and np.isinf(bound):
            tried = np.clip(tried, -300, 300)
        values = above(tried)
        if (values < 0).any():
            i = int(np.argmax(values < 0))
            inside = float(tried[i - 1]) if i else inside
            ends = sorted([inside, float(tried[i])])
            return float(
                find_roots(above, np.array(ends[:1]), np.array(ends[1:]), rtol=1e-9, atol=1e-10 * unit)[0]
            )
        inside = float(tried[-1])
        if inside == bound or abs(inside) >= 300 * (line.index > p):
            break
    return bound if np.isfinite(bound) else side * np.inf


def setup_again(model: SelectionModel) -> Setup:
    """The arrays of a fitted selection model."""
    given, weights = model.weights.given, None
    truncated = model.kind.startswith("truncated")
    if given.sum() > (model.kind == "step" or truncated):
        weights = np.where(given, model.weights.estimate, np.nan)
    kind = "truncated" if truncated else model.kind
    asked = Asked(kind, model.steps, model.alternative, weights, model.precision, model.decreasing)
    tau2 = model.tau2 if model.tau2_given else None
    return build(Source(model.effects, model.design, tau2, model.coefficients.level), asked)


def _line(model: SelectionModel, name: str) -> _Line:
    if model.covariance_kind != "information":
        raise InputError(
            "The likelihood treats the effects of a study as independent, so it has no profile interval.",
            code="dependent-effects",
            advice="Use the cluster bootstrap.",
        )
    estimated = [n for n, given in zip(model.weights.names, model.weights.given, strict=True) if not given]
    names = (*model.design.names, "tau2", *estimated)
    choose(name, names, what="Parameter")
    setup = setup_again(model)
    p = setup.problem.p
    index = names.index(name)
    if setup.lower[index] == setup.upper[index] or (model.decreasing and index > p):
        raise InputError(
            f'"{name}" has no profile: it was given, or weights were bound to decrease.', code="no-profile"
        )
    theta = model.theta.copy()
    theta[:p] *= setup.sign
    logged = index > p and model.kind in ("step", "truncated", "truncated-estimated")
    if logged:
        return _Line(setup, index, theta, _log, lambda x: float(np.exp(x)))
    sign = setup.sign if index < p else 1.0
    return _Line(setup, index, theta, lambda x: sign * x, lambda x: float(sign * x))


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(np.log(x), -300.0))
