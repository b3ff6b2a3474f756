"""How strong would publication bias have to be? Corrected estimates for a selection ratio eta, and the s-value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...base.distributions import normal_isf, t_isf
from ...base.errors import InputError
from ...base.linalg import group_codes
from ...base.roots import find_root
from ...likelihood.batch import fit_batch
from ...records import Effects, Fit, Interval, Note
from ...records.selection import WorstCase
from .setup import Source, check_effects, source_of

ETAS = tuple(float(x) for x in np.unique(np.round(10.0 ** np.linspace(0, 2, 33), 6)))
MOST = 1e8
SCAN = np.linspace(0, np.log(MOST), 60)  # logs of eta at which the s-value is looked for
Row = tuple[float, float, float]  # estimate and limits


@dataclass(frozen=True, eq=False)
class _Meta:
    """Weighted mean of effects turned so that bias favours large ones. base (k,): weights before eta."""

    y: np.ndarray
    base: np.ndarray
    phi: np.ndarray
    affirmative: np.ndarray
    cluster: np.ndarray
    model: str
    level: float

    def at(self, eta: float) -> tuple[float, float, float]:
        """Estimate, lower and upper limit; eta = inf leaves the affirmative studies out."""
        w = np.where(self.affirmative, 1.0 / eta if np.isfinite(eta) else 0.0, 1.0) * self.base
        keep = w > 0
        y, w, phi, cluster = self.y[keep], w[keep] / w.max(), self.phi[keep], self.cluster[keep]
        mean = float(np.sum(w * y) / np.sum(w))
        if self.model == "fixed":
            se, df = float(np.sqrt(np.sum(w * w * phi)) / np.sum(w)), np.inf
        else:
            se, df = weighted_mean_cr2(y, w, phi=phi, cluster=cluster)
        alpha = (1 - self.level) / 2
        half = se * float(normal_isf(alpha) if np.isinf(df) else t_isf(alpha, df))
        return mean, mean - half, mean + half


def weighted_mean_cr2(
    y: np.ndarray, w: np.ndarray, *, phi: np.ndarray, cluster: np.ndarray
) -> tuple[float, float]:
    """CR2 standard error and Satterthwaite degrees of freedom of the weighted mean of y (k,).

    Weights w (k,) are given, the working covariance is diag(phi), clusters (k,) are independent. In cluster j the residuals
    have covariance G_j = diag(phi_j) - (1 a_j' + a_j 1') + s 1 1' with a = w phi / sum w, s = sum w^2 phi / (sum w)^2.

    Source: Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672, eqs 4-11.
    """
    total = float(w.sum())
    a, spread = w * phi / total, float(np.sum(w * w * phi) / total**2)
    rest = y - float(w @ y) / total
    codes, names = group_codes(cluster.tolist())
    m = len(names)
    if m < 2:
        return np.nan, np.nan
    # each cluster's term is h_j'(I - H) y with h_j zero outside the cluster, so that the covariance of two terms is
    # d_i (i = j) - o_i c_j - c_i o_j + o_i o_j s
    own, cross, outer, term = (np.zeros(m) for _ in range(4))
    order = np.argsort(codes, kind="stable")
    for j, rows in enumerate(np.split(order, np.cumsum(np.bincount(codes))[:-1])):
        root = np.sqrt(phi[rows])
        g = np.diag(phi[rows]) - a[rows][None, :] - a[rows][:, None] + spread
        values, vectors = np.linalg.eigh(root[:, None] * g * root[None, :])
        small = 1e-10 * max(values[-1], 1e-300)
        power = np.where(values > small, 1 / np.sqrt(np.where(values > small, values, 1.0)), 0.0)
        h = root * (vectors @ (power * (vectors.T @ (root * w[rows])))) / total
        term[j], outer[j] = h @ rest[rows], h.sum()
        own[j], cross[j] = h @ (phi[rows] * h), h @ a[rows]
    variance = float(term @ term)
    low = spread * outer * outer - 2 * outer * cross
    trace = float(np.sum(own + low))
    oc, oo, cc = float(outer @ cross), float(outer @ outer), float(cross @ cross)
    rank = spread**2 * oo**2 + 2 * (oo * cc + oc**2) - 4 * spread * oo * oc
    square = float(np.sum(own * own) + 2 * np.sum(own * low)) + rank
    return float(np.sqrt(variance)), trace**2 / square if square > 0 else np.nan


def worst_case(
    source: Fit | Effects,
    *,
    model: Literal["auto", "fixed", "robust"] = "auto",
    alternative: Literal["auto", "greater", "less"] = "auto",
    alpha: float = 0.05,
    null: float = 0.0,
    etas: Sequence[float] = ETAS,
) -> WorstCase:
    """Pooled effects if affirmative results were eta times as likely to be published as the others, and the s-value.

    A result is affirmative if its two-sided p < alpha in the favoured direction. Each non-affirmative study then stands
    for eta studies: weights 1 / v and eta / v (``fixed``), or over v + tau^2 with cluster-robust CR2 limits (``robust``,
    for heterogeneous or dependent effects; tau^2 is the uncorrected REML estimate). s-value: the eta at which the
    estimate, or its limit, reaches `null`; infinite where even the non-affirmative studies alone do not reach it.

    Parameters
    ----------
    alternative : direction that is favoured; ``auto`` = that of the uncorrected estimate.

    Raises
    ------
    InputError ``etas`` (below 1), ``moderators`` (a fit with moderators), and those of `selection_model` for effects.

    Source: Mathur & VanderWeele (2020), JRSS-C 69:1091.
    """
    taken = source_of(source)
    effects = taken.effects
    _check(taken, etas)
    dependent = effects.n_studies < effects.k
    if model == "auto":
        model = "fixed" if taken.tau2 == 0.0 and not dependent else "robust"
    batch = fit_batch(effects.y, effects.v, method="EE" if model == "fixed" else "REML")
    tau2 = float(batch.tau2[0])
    mean = float(batch.coefficients[0, 0])
    sign = {"greater": 1, "less": -1, "auto": 1 if mean >= null else -1}[alternative]
    turned = sign * effects.y
    affirmative = turned / np.sqrt(effects.v) > float(normal_isf(alpha / 2))
    phi = effects.v + tau2
    meta = _Meta(turned, 1 / phi, phi, affirmative, effects.study, model, taken.level)
    grid = np.unique(np.asarray(etas, dtype=float))
    rows = np.array([meta.at(float(eta)) for eta in grid])
    worst = meta.at(np.inf) if not affirmative.all() else None
    scan = [meta.at(float(np.exp(x))) for x in SCAN]
    s_point, s_limit = (_s_value(meta, column, sign * null, scan, worst) for column in (0, 1))
    low, high = sorted((1, 2), key=lambda j: sign * (j - 1.5))
    return WorstCase(
        model=model,
        effects=effects,
        sign=sign,
        alpha=alpha,
        null=null,
        affirmative=affirmative,
        etas=grid,
        estimate=sign * rows[:, 0],
        low=sign * rows[:, low],
        high=sign * rows[:, high],
        uncorrected=_interval(meta.at(1.0), sign),
        worst=None if worst is None else _interval(worst, sign),
        s_value=s_point,
        s_value_limit=s_limit,
        level=taken.level,
        tau2=tau2,
        notes=_notes(affirmative),
    )


def _check(taken: Source, etas: Sequence[float]) -> None:
    if taken.design.matrix.shape[1] > 1 or not (taken.design.matrix == 1).all():
        raise InputError("The worst case is defined for a pooled mean.", code="moderators")
    check_effects(taken.effects, taken.design)
    if min(etas, default=1.0) < 1:
        raise InputError(f"eta is at least 1; got {min(etas):g}.", code="etas")


def _interval(values: tuple[float, float, float], sign: int) -> Interval:
    ends = sorted((sign * values[1], sign * values[2]))
    return Interval(sign * values[0], ends[0], ends[1])


def _s_value(meta: _Meta, column: int, null: float, scan: list[Row], worst: Row | None) -> float:
    """Smallest eta at which the estimate (column 0) or its lower limit (1) is at `null`."""
    if not meta.affirmative.any() and meta.at(1.0)[column] > null:
        return np.inf
    if meta.at(1.0)[column] <= null:
        return 1.0
    if worst is None:
        return np.inf

    def above(log_eta: float) -> float:
        return meta.at(float(np.exp(log_eta)))[column] - null

    under = np.flatnonzero(np.array([row[column] for row in scan]) <= null)
    if not len(under):
        return np.inf
    i = int(under[0])
    return float(np.exp(find_root(above, SCAN[i - 1], SCAN[i], rtol=1e-13)))


def _notes(affirmative: np.ndarray) -> tuple[Note, ...]:
    n, k = int((~affirmative).sum()), len(affirmative)
    if n == 0:
        return (
            Note(
                "no-non-affirmative",
                "warning",
                f"All {k} results are affirmative: nothing stands for the unpublished ones, so no correction changes the estimate.",
            ),
        )
    if n < 10:
        return (
            Note(
                "few-non-affirmative",
                "warning",
                f"Only {n} of {k} results are not affirmative; the corrections rest on them.",
            ),
        )
    return ()
