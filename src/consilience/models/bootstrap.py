"""Parametric and cluster bootstrap of any quantity of a fit, with the Monte-Carlo error of what is reported.

Source: Davison & Hinkley (1997), Bootstrap Methods and their Application, chapters 2 and 5; Efron (1987), JASA 82:171
(BCa); Van den Noortgate & Onghena (2005), Behav Res Methods 37:11 (parametric and nonparametric, in meta-analysis).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.distributions import normal_cdf, normal_ppf
from ..base.errors import InputError
from ..base.options import choose
from ..likelihood.terms import partition
from ..records import Fit, Note
from ..records.resampling import BOOTSTRAP_INTERVALS, Bootstrap, BootstrapInterval
from .quantities import Followed, Progress, Quantity, follow, named_quantities, with_copies
from .simulate import simulate

Kind = Literal["parametric", "cluster"]
KINDS: dict[Kind, str] = {
    "parametric": "drawn from the fitted model",
    "cluster": "clusters drawn with replacement",
}
Z95 = 1.959963984540054
TIE = 1e-10  # draws this close to the estimate equal it: rounding depends on how many are computed at once


def bootstrap(
    fit: Fit,
    quantity: Quantity | None = None,
    *,
    kind: Kind = "parametric",
    replicates: int = 1999,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Bootstrap:
    """Bias, standard error and intervals of quantities of a fit by refitting simulated or resampled data.

    Intervals at the fit's level: ``percentile``; ``basic`` (2 estimate - percentiles); ``bca`` (percentiles moved by bias
    and acceleration, the latter from leaving out one cluster at a time); ``studentised`` (quantiles of
    (draw - estimate) / its standard error; coefficients only). The same `rng` gives the same numbers.

    Parameters
    ----------
    quantity : a function of a fit that returns numbers (or names with numbers); None = coefficients, variances, their
        total and I^2, refitted in one batch.
    kind : ``parametric`` = y ~ N(X b, V + Z G Z') at the estimates; ``cluster`` = clusters of the spec with replacement,
        a repeated one counting as a new one.
    progress : called with (stage, done, total).

    Raises
    ------
    InputError ``replicates``, ``quantity``, ``too-few-clusters``, ``bootstrap-failed`` and as `simulate` does;
    OptionError for an unknown kind.
    """
    choose(kind, KINDS, what="bootstrap")
    if replicates < 20:
        raise InputError(f"{replicates} replicates are too few; take at least 20.", code="replicates")
    report = progress or (lambda stage, done, total: None)
    names, estimate = named_quantities(fit, quantity)
    cluster = partition(fit.effects, (fit.spec.cluster,))
    m = int(np.max(cluster)) + 1
    if m < 3:
        raise InputError(f"A bootstrap of {m} clusters says nothing.", code="too-few-clusters")
    if kind == "parametric":
        found = follow(fit, quantity, y=simulate(fit, n=replicates, rng=rng), progress=report)
    else:
        many, keep = _resampled(fit, cluster, rng.integers(0, m, size=(replicates, m)))
        found = follow(many, quantity, keep=keep, progress=report)
    left_out = follow(fit, quantity, keep=cluster[None] != np.arange(m)[:, None], progress=report).values
    se = np.full(len(names), np.nan)
    if quantity is None:
        se[: len(fit.coefficients.se)] = fit.coefficients.se
    return _described(_Drawn(names, estimate, se, found, left_out), fit, kind)


def _resampled(fit: Fit, cluster: np.ndarray, drawn: np.ndarray) -> tuple[Fit, np.ndarray]:
    """The fit with copies of its clusters, and which rows (R, k copies) each resample has."""
    replicates, m = drawn.shape
    counts = np.bincount((drawn + m * np.arange(replicates)[:, None]).ravel(), minlength=replicates * m)
    counts = counts.reshape(replicates, m)
    copies = int(counts.max())
    keep = counts[:, cluster][:, None, :] > np.arange(copies)[None, :, None]
    return with_copies(fit, cluster, copies), keep.reshape(replicates, -1)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Estimates (q,), their standard errors (q,), draws (R, q), values without each cluster (m, q)."""

    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    found: Followed
    left_out: np.ndarray


def _described(drawn: _Drawn, fit: Fit, kind: Kind) -> Bootstrap:
    q, values = len(drawn.names), drawn.found.values
    failed = int(np.sum(~np.isfinite(values).any(axis=1)))
    if failed > len(values) - 20:
        raise InputError(f"{failed} of {len(values)} data sets could not be fitted.", code="bootstrap-failed")
    numbers = {name: np.full(q, np.nan) for name in ("bias", "se", "bias_error", "se_error")}
    tables = [{kind_: np.full(q, np.nan) for kind_ in BOOTSTRAP_INTERVALS} for _ in range(4)]
    notes = [
        Note("draws-failed", "warning", f"{failed} data sets could not be fitted; they are left out.")
    ] * bool(failed)
    for j in range(q):
        draws = values[np.isfinite(values[:, j]), j]
        numbers["bias"][j], numbers["se"][j] = draws.mean() - drawn.estimate[j], draws.std(ddof=1)
        numbers["bias_error"][j] = Z95 * numbers["se"][j] / np.sqrt(len(draws))
        numbers["se_error"][j] = Z95 * error_of_sd(draws)
        for name, limits in _limits(drawn, j, level=fit.spec.level).items():
            for table, value in zip(tables, limits, strict=True):
                table[name][j] = value
    for name in ("bca", "studentised"):
        missing = [n for n, x in zip(drawn.names, tables[0][name], strict=True) if np.isnan(x)]
        if missing:
            notes.append(_why_missing(name, missing))
    return Bootstrap(
        names=drawn.names,
        estimate=drawn.estimate,
        low=tables[0],
        high=tables[1],
        low_error=tables[2],
        high_error=tables[3],
        draws=values,
        failed=failed,
        kind=kind,
        unit=KINDS[kind],
        level=fit.spec.level,
        notes=tuple(notes),
        **numbers,
    )


def _why_missing(name: str, missing: list[str]) -> Note:
    reasons = {
        "bca": "its draws lie on one side of the estimate (a variance at zero) or do not change with the clusters",
        "studentised": "a data set gives no standard error of it",
    }
    return Note(f"no-{name}", "info", f"No {name} interval of {', '.join(missing)}: {reasons[name]}.")


def _limits(
    drawn: _Drawn, j: int, *, level: float
) -> dict[BootstrapInterval, tuple[float, float, float, float]]:
    """(low, high, error of low, error of high) of each interval that exists."""
    draws, tail = drawn.found.values[:, j], (1 - level) / 2
    estimate = float(drawn.estimate[j])
    draws = np.sort(draws[np.isfinite(draws)])
    (low, low_error), (high, high_error) = (quantile(draws, p) for p in (tail, 1 - tail))
    found: dict[BootstrapInterval, tuple[float, float, float, float]] = {
        "percentile": (low, high, low_error, high_error),
        "basic": (2 * estimate - high, 2 * estimate - low, high_error, low_error),
    }
    moved = bca(draws, estimate, drawn.left_out[:, j], level=level)
    if moved is not None:
        found["bca"] = moved
    own, se = drawn.found.se[:, j], float(drawn.se[j])
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (drawn.found.values[:, j] - estimate) / own
    t = np.sort(t[np.isfinite(t)])
    if len(t) > 20 and np.isfinite(se):
        (below, below_error), (above, above_error) = (quantile(t, p) for p in (tail, 1 - tail))
        limits = (estimate - se * above, estimate - se * below)
        found["studentised"] = (*limits, se * above_error, se * below_error)
    return found


def quantile(ordered: np.ndarray, p: float, *, spread: float | None = None) -> tuple[float, float]:
    """The p quantile of sorted draws, at position p (R + 1), and the half-width of its 95% Monte-Carlo interval; NaN
    where that reaches beyond the draws: more of them are needed.

    spread : standard error of the share below the limit; None = sqrt(p (1 - p) / R), as of an order statistic.
    """
    near = Z95 * (np.sqrt(p * (1 - p) / len(ordered)) if spread is None else spread)
    places = [p, p - near, p + near]
    at, low, high = np.quantile(ordered, np.clip(places, 0.0, 1.0), method="weibull")
    end = 1 / (len(ordered) + 1)
    reached = min(places) >= end and max(places) <= 1 - end
    return float(at), float(high - low) / 2 if reached else np.nan


def bca(
    ordered: np.ndarray, estimate: float, left_out: np.ndarray, *, level: float
) -> tuple[float, float, float, float] | None:
    """BCa limits from sorted draws, with their Monte-Carlo errors; None where they do not exist. Of the draws that equal
    the estimate half count as below it."""
    near = TIE * max(abs(estimate), float(ordered[-1] - ordered[0]))
    share = float(np.mean(ordered < estimate - near) + np.mean(ordered <= estimate + near)) / 2
    a = acceleration(left_out)
    if not 0 < share < 1 or not np.isfinite(a):
        return None
    result = []
    for p in ((1 - level) / 2, (1 + level) / 2):
        at = bca_level(share, a, p)
        slope = (
            bca_level(min(share + 1e-5, 1 - 1e-9), a, p) - bca_level(max(share - 1e-5, 1e-9), a, p)
        ) / 2e-5
        # the level moves with the simulated share below the estimate, and the limit with the share below itself
        variance = at * (1 - at) + slope**2 * share * (1 - share) - 2 * slope * (min(share, at) - share * at)
        result.append(quantile(ordered, at, spread=float(np.sqrt(max(variance, 0.0) / len(ordered)))))
    (low, low_error), (high, high_error) = result
    return low, high, low_error, high_error


def bca_level(share: float, a: float, p: float) -> float:
    """Share of the draws below the BCa limit of nominal level p (Efron 1987)."""
    z0 = float(normal_ppf(share))
    moved = z0 + float(normal_ppf(p))
    return float(normal_cdf(z0 + moved / (1 - a * moved)))


def acceleration(left_out: np.ndarray) -> float:
    """a = sum d^3 / 6 (sum d^2)^1.5 with d = mean - value without one cluster; NaN if nothing changes."""
    d = left_out[np.isfinite(left_out)]
    d = d.mean() - d if len(d) > 2 else d * np.nan
    scale = float(np.sqrt(np.sum(d * d)))
    if not scale > 0:
        return np.nan
    return float(np.sum((d / scale) ** 3) / 6)


def error_of_sd(draws: np.ndarray) -> float:
    """Standard error of a standard deviation, sd sqrt((kurtosis - 1) / 4R)."""
    off = draws - draws.mean()
    square = float(np.mean(off**2))
    if square == 0:
        return 0.0
    kurtosis = float(np.mean(off**4)) / square**2
    return float(np.sqrt(square * max(kurtosis - 1, 0.0) / (4 * len(draws))))
