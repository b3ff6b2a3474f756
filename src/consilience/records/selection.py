"""Selection models: what a likelihood says about the studies that were not published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .design import Design
from .display import Shown
from .effects import Effects
from .fit import Coefficients, Interval, Optimum, TestResult
from .note import Note

Alternative = Literal["greater", "less", "two-sided"]
SelectionKind = Literal[
    "step",
    "beta",
    "half-normal",
    "negative-exponential",
    "logistic",
    "power",
    "exponential-power",
    "half-normal-floor",
    "negative-exponential-floor",
    "logistic-floor",
    "power-floor",
    "truncated",
    "truncated-estimated",
]
Precision = Literal["", "se", "v", "1/n", "1/sqrt(n)"]


@dataclass(frozen=True, eq=False)
class SelectionWeights:
    """Parameters of the selection function; all arrays (d,). se is NaN for one that was given or lies at a bound.

    given : (d,) True where the value was given.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    given: np.ndarray


@dataclass(frozen=True, eq=False)
class SelectionCurve:
    """Relative chance of publication (n,) at p (n,), with pointwise limits; for the least precise study.

    scale : what x is: ``"p"`` (one- or two-sided by the alternative) or ``"effect"`` (truncated models).
    """

    x: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scale: Literal["p", "effect"] = "p"


@dataclass(frozen=True, eq=False, repr=False)
class SelectionModel(Shown):
    """A random-effects model together with a model of which results were published.

    kind, alternative, steps, precision, decreasing : what was asked. coefficients : adjusted for selection.
    tau2, tau2_se : variance of the true effects of all studies, published or not; se NaN at zero or if given.
    weights : parameters of the selection function. theta : (P,) working parameters (coefficients, tau2, logs of
    weights of steps); covariance : (p + 1 + d, p + 1 + d) of (coefficients, tau2, weights), NaN where not estimated.
    covariance_kind : ``"information"``, or ``"cluster-robust"`` where studies have several effects.
    unadjusted : the same model without selection by maximum likelihood: coefficients (p,), tau2, their standard errors.
    test : likelihood ratio against no selection; tau2_test : against tau^2 = 0 (None: not defined).
    p_values : (k,); counts : p-values in each interval between the steps.
    """

    kind: SelectionKind
    alternative: Alternative
    steps: tuple[float, ...]
    precision: Precision
    decreasing: bool
    effects: Effects
    design: Design
    coefficients: Coefficients
    tau2: float
    tau2_se: float
    tau2_given: bool
    weights: SelectionWeights
    theta: np.ndarray
    covariance: np.ndarray
    covariance_kind: str
    unadjusted: Unadjusted
    loglik: float
    test: TestResult | None
    tau2_test: TestResult | None
    p_values: np.ndarray
    counts: tuple[int, ...]
    curve: SelectionCurve
    optimum: Optimum
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Unadjusted:
    """The model without selection, by maximum likelihood: estimate, se (p,), tau2 and log-likelihood."""

    estimate: np.ndarray
    se: np.ndarray
    tau2: float
    loglik: float


@dataclass(frozen=True, eq=False, repr=False)
class SelectionBootstrap(Shown):
    """Cluster bootstrap of a selection model for dependent effects.

    names, estimate : of coefficients, tau2 and weights; draws : (R, n); se and percentile limits (n,) of each.
    failed : replicates without an estimate (an interval of p without a study). seed_note : how to repeat it.
    """

    model: SelectionModel
    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    draws: np.ndarray
    failed: int
    level: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class CopasFit(Shown):
    """The Copas selection model over a grid of (gamma0, gamma1).

    gamma0, gamma1 : (n,) and (m,) axes; all arrays (m, n): estimate, se, tau2, rho, loglik, published (expected chance
    of publication of the study with the largest standard error), p_residual (test of asymmetry that is left).
    path : rows of (share of studies published, estimate, se, p of residual asymmetry) along the steepest line, from no
    selection to severe; unpublished : (r,) expected number of unpublished studies at each row.
    adjusted : estimate, limits at the least selection whose residual asymmetry is not significant; None: none is.
    """

    effects: Effects
    gamma0: np.ndarray
    gamma1: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    tau2: np.ndarray
    rho: np.ndarray
    loglik: np.ndarray
    published: np.ndarray
    p_residual: np.ndarray
    path: CopasPath
    unadjusted: Interval
    adjusted: Interval | None
    level: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class CopasPath:
    """Adjusted results from no to severe selection, arrays (r,): chance of publication of the least precise study,
    estimate with limits, expected number of unpublished studies, p of residual asymmetry."""

    published: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unpublished: np.ndarray
    p_residual: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class PCurve(Shown):
    """p-values below .05 against what no effect, and a power of 33%, would give.

    p : (m,) significant two-sided p-values; shares : (5,) percent in .00-.01 ... .04-.05; flat and expected33 likewise.
    right_skew, right_skew_half, flatness, flatness_half : Stouffer's tests; fisher : right skew by Fisher's method.
    power : estimate with limits.
    """

    effects: Effects
    alternative: Alternative
    p: np.ndarray
    k: int
    shares: np.ndarray
    expected33: np.ndarray
    expected: np.ndarray
    right_skew: TestResult | None
    right_skew_half: TestResult | None
    flatness: TestResult | None
    flatness_half: TestResult | None
    fisher: TestResult | None
    power: Interval
    level: float
    notes: tuple[Note, ...] = ()

    @property
    def evidential_value(self) -> bool:
        """Half curve right-skewed at .05, or half and full both at .10 (Simonsohn, Simmons & Nelson 2015)."""
        half, full = self.right_skew_half, self.right_skew
        if full is None or half is None:
            return False
        return half.p_value < 0.05 or (half.p_value < 0.1 and full.p_value < 0.1)


@dataclass(frozen=True, eq=False, repr=False)
class PUniform(Shown):
    """p-uniform (fixed effect, significant studies) or p-uniform* (random effects, all studies).

    estimate : None where no effect makes the p-values uniform. tau2 : p-uniform* only. bias : test of publication bias;
    effect : test of no effect; fit : p-uniform only. conditional : (m,) p-values at the estimate, uniform if the model holds.
    """

    method: Literal["p-uniform", "p-uniform*"]
    effects: Effects
    alternative: Alternative
    alpha: float
    k_significant: int
    estimate: Interval | None
    tau2: Interval | None
    effect: TestResult | None
    bias: TestResult | None
    conditional: np.ndarray
    loglik: float
    level: float
    optimum: Optimum
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class ZCurve(Shown):
    """z-curve 2.0: a mixture of folded normals fitted to the significant |z|.

    z : (k,) |z| of all effects; means, weights : (7,) components (weights of the significant results); density : on
    `grid` of |z|, scaled to the significant ones. err : expected replication rate; edr : expected discovery rate;
    odr : observed discovery rate; soric : Soric's maximal false discovery rate. Limits by bootstrap, widened as in the source.
    """

    effects: Effects
    z: np.ndarray
    means: np.ndarray
    weights: np.ndarray
    grid: np.ndarray
    density: np.ndarray
    err: Interval
    edr: Interval
    odr: Interval
    soric: Interval
    missing: Interval
    loglik: float
    significance: float
    level: float
    replicates: int
    optimum: Optimum
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class WorstCase(Shown):
    """How strong publication bias would have to be to explain a result away.

    affirmative : (k,) p < alpha in the direction of the estimate. etas : (n,) ratios by which affirmative results are more
    likely to be published; estimate, low, high : (n,) corrected pooled effects. uncorrected : eta = 1;
    worst : of the non-affirmative studies alone, eta to infinity (None: there are none).
    s_value, s_value_limit : eta that moves the estimate, and the nearer confidence limit, to `null`; inf = none does,
    1 = already there. model : ``"fixed"`` or ``"robust"``.
    """

    model: Literal["fixed", "robust"]
    effects: Effects
    sign: int
    alpha: float
    null: float
    affirmative: np.ndarray
    etas: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uncorrected: Interval
    worst: Interval | None
    s_value: float
    s_value_limit: float
    level: float
    tau2: float = field(default=0.0)
    notes: tuple[Note, ...] = ()
