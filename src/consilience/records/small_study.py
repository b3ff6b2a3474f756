"""What is said about small studies: asymmetry, adjusted estimates, missing studies, power. One record a diagnostic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .display import Shown
from .effects import Effects
from .fit import Fit, Interval
from .note import Note

NAN = float("nan")
Side = Literal["left", "right"]
Direction = Literal["positive", "negative"]


@dataclass(frozen=True, eq=False, repr=False)
class Asymmetry(Shown):
    """A test of funnel-plot asymmetry.

    test : its name in `ASYMMETRY_TESTS`; title : in words.
    statistic, df, p_value : two-sided test; df is inf for a normal reference and NaN for an exact one.
    quantity : what `estimate` is, with its interval (NaN where the test has none).
    limit : the effect expected where the predictor is zero (an infinitely large study), None where it has no such point.
    model : how the regression was weighted; k effects in n_studies studies.
    """

    test: str
    title: str
    statistic: float
    df: float
    p_value: float
    quantity: str
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    limit: Interval | None
    model: str
    k: int
    n_studies: int
    level: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class AdjustedLine:
    """Effect against a measure of size: its intercept is the effect of a study without sampling error.

    name : ``"PET"`` (predictor SE) or ``"PEESE"`` (its square); slope, slope_p : of that predictor, two-sided.
    p_value : two-sided p of the intercept; p_one_sided : against an effect in the stated direction.
    """

    name: str
    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    p_one_sided: float
    slope: float
    slope_se: float
    slope_p: float


@dataclass(frozen=True, eq=False, repr=False)
class PetPeese(Shown):
    """PET, PEESE and the estimate that the conditional rule takes.

    chosen : PEESE where PET's intercept differs from zero in the stated direction (one-sided p < `alpha`), else PET.
    predictor : ``"se"`` or ``"arms"``; model : how the regressions were weighted; unadjusted : pooled without predictor.
    """

    pet: AdjustedLine
    peese: AdjustedLine
    chosen: Literal["PET", "PEESE"]
    unadjusted: Interval
    direction: Direction
    alpha: float
    predictor: str
    model: str
    effects: Effects
    level: float
    notes: tuple[Note, ...] = ()

    @property
    def estimate(self) -> AdjustedLine:
        return self.pet if self.chosen == "PET" else self.peese


@dataclass(frozen=True, eq=False, repr=False)
class TrimAndFill(Shown):
    """Studies that a symmetric funnel would also hold, and the pooled effect with them.

    estimator : ``"L0"``, ``"R0"`` or ``"Q0"``; side : where studies are missing; side_given : by the user?
    k0, se_k0, p_k0 : number of missing studies; p of "none is missing" exists for R0 only, else NaN.
    original, filled : the fit without and with the added studies; mirrored : (k0,) rows whose mirror images were added
    to `centre`; added_y, added_v : (k0,) the added studies.
    """

    estimator: str
    side: Side
    side_given: bool
    k0: int
    se_k0: float
    p_k0: float
    centre: float
    mirrored: np.ndarray
    added_y: np.ndarray
    added_v: np.ndarray
    original: Fit
    filled: Fit
    iterations: int
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class LimitMeta(Shown):
    """Limit meta-analysis: what studies without sampling error would show.

    estimate, se, ci_low, ci_high, p_value : adjusted effect beta + tau alpha; unadjusted : random-effects mean.
    alpha, beta : intercept (small-study effect) and slope of the generalised radial plot; tau2 : between-study variance.
    q, q_small, q_residual : Cochran's Q, the part that the small-study effect explains (1 df), the rest (k - 2 df).
    g2 : share of variance between the limit effects that is left after the small-study effect (0 to 1).
    limit_effects : (k,) shrunken study effects.
    """

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float
    unadjusted: Interval
    alpha: float
    beta: float
    tau2: float
    q: float
    q_small: float
    q_small_p: float
    q_residual: float
    q_residual_p: float
    g2: float
    limit_effects: np.ndarray
    effects: Effects
    level: float


@dataclass(frozen=True, eq=False, repr=False)
class PreciseAverage(Shown):
    """UWLS or WAAP-WLS: one true effect, its standard error widened by the observed dispersion.

    method : ``"UWLS"`` or ``"WAAP"``; dispersion : sqrt(Q / (k - 1)) of the rows used; rows : (k_used,) indices.
    threshold : standard error up to which a study has 80% power for the UWLS estimate; n_adequate : how many have it.
    """

    method: Literal["UWLS", "WAAP"]
    estimate: float
    se: float
    df: float
    p_value: float
    ci_low: float
    ci_high: float
    dispersion: float
    k: int
    rows: np.ndarray
    threshold: float
    n_adequate: int
    level: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class FailSafeCount:
    """How many studies of effect zero would change a conclusion; NaN with a reason where it is not defined.

    p_value : observed p; estimate : the average that the method starts from; target : the average (Orwin) or p aimed at.
    """

    method: str
    n: float
    p_value: float
    estimate: float
    target: float
    meaning: str
    reason: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class FailSafe(Shown):
    """Fail-safe numbers; tolerance : Rosenthal's 5k + 10, from which on a number is called large."""

    counts: tuple[FailSafeCount, ...]
    k: int
    alpha: float

    @property
    def tolerance(self) -> int:
        return 5 * self.k + 10

    def __getitem__(self, method: str) -> FailSafeCount:
        return next(count for count in self.counts if count.method == method)


@dataclass(frozen=True, eq=False, repr=False)
class ExcessSignificance(Shown):
    """Are there more significant studies than their power allows?

    observed, expected : significant studies; power : (k,) of each for `effect` (with `tau2`).
    p_exact, p_binomial, p_chi2 : one-sided p of "no excess" (Poisson-binomial, binomial, chi-squared with 1 df).
    psst_z, psst_p : proportion of statistical significance test; tess_z, tess_p : excess beyond 5 percentage points.
    chi2 and psst are NaN where every power is 1.
    """

    observed: int
    expected: float
    k: int
    effect: float
    tau2: float
    alpha: float
    power: np.ndarray
    chi2: float
    p_chi2: float
    p_binomial: float
    p_exact: float
    psst_z: float
    psst_p: float
    tess_z: float
    tess_p: float


@dataclass(frozen=True, eq=False, repr=False)
class StudyPower(Shown):
    """Power of each study to detect the pooled effect, as a sunset (power-enhanced) funnel shows it.

    power : (k,) two-sided at `alpha` for `effect`; median : their median; significant : (k,) bool.
    r_index : 2 median - share of significant studies, held inside 0..1 (observed power less the inflation).
    effect_33, effect_66 : true effects for which the median power would be 33% and 66%.
    excess_p : one-sided p of an excess of significant studies (exact).
    contours : (power, standard error with that power) pairs, power falling; z : normal quantile of significance.
    """

    effects: Effects
    effect: float
    alpha: float
    power: np.ndarray
    significant: np.ndarray
    median: float
    r_index: float
    effect_33: float
    effect_66: float
    expected: float
    excess_p: float
    contours: tuple[tuple[float, float], ...]
    z: float

    @property
    def observed(self) -> int:
        return int(np.sum(self.significant))


@dataclass(frozen=True)
class FunnelLine:
    """An expected effect that depends on the standard error: intercept + slope * se^power; up to `deepest`."""

    name: str
    intercept: float
    slope: float
    power: float = 1.0
    extra: float = 0.0  # x = intercept + slope * sqrt(se^2 + extra) for a line of a limit meta-analysis

    def at(self, se: float) -> float:
        base = math.sqrt(se * se + self.extra) if self.extra else se
        return float(self.intercept + self.slope * base**self.power)


@dataclass(frozen=True, eq=False, repr=False)
class Funnel(Shown):
    """Everything a contour-enhanced funnel draws.

    y, se, study : (k,) effects; estimate : the pooled effect, tau2 its between-study variance (for the pseudo-limits);
    z : normal quantile of the pseudo-limits; added_y, added_se : (k0,) studies that trim-and-fill adds; lines : curves.
    """

    y: np.ndarray
    se: np.ndarray
    study: np.ndarray
    measure: str
    estimate: float
    tau2: float
    z: float
    level: float
    added_y: np.ndarray
    added_se: np.ndarray
    filled_estimate: float
    lines: tuple[FunnelLine, ...] = ()
    notes: tuple[Note, ...] = ()
