"""The one result type that every model returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .design import Design
from .display import Shown
from .effects import Effects
from .note import Note
from .spec import Spec

OPTIMUM_STATUS = {
    "converged": "The likelihood was maximised (or the equation of the estimator solved): "
    "its gradient is zero within the stated tolerance.",
    "boundary": "The best value of a variance is zero, or of a correlation its limit; "
    "that is a solution, not a failure.",
    "closed-form": "The estimator has a closed form; nothing was iterated.",
    "fixed": "All variance components were given; nothing was estimated.",
    "not-identified": "The data cannot tell some variance components apart; the notes name them.",
    "stopped": "The search stopped before the gradient was small; read the estimates with care.",
}
STRICT = 1e-8  # scaled curvature from which a stationary point is a strict maximum and not flat
OptimumStatus = Literal["converged", "boundary", "closed-form", "fixed", "not-identified", "stopped"]


@dataclass(frozen=True)
class Optimum:
    """How the search for the variance components ended; `help` says it in words.

    Parameters
    ----------
    score : largest component of the gradient at the solution in units of its standard deviation, of the parameters
        inside their limits.
    starts : climbs that were made; reached : how many of them ended at the reported solution.
    maxima : local maxima that they found; lead : log-likelihood by which the best is above the next, NaN with one.
    curvature : smallest eigenvalue of the negative Hessian of the log-likelihood scaled to a diagonal of one, over the
        parameters inside their limits: above zero = a strict maximum. NaN where no parameter is or none was computed.
    limits : what is at its limit, in words, by name.
    """

    status: OptimumStatus
    iterations: int = 0
    score: float = 0.0
    starts: int = 1
    reached: int = 1
    maxima: int = 1
    lead: float = math.nan
    curvature: float = math.nan
    limits: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """What the status means, and what is at its limit."""
        meaning = OPTIMUM_STATUS[self.status]
        told = self.limits and self.status != "stopped"
        return f"{meaning} At its limit: {'; '.join(self.limits)}." if told else meaning

    @property
    def search(self) -> str:
        """The search in one line: climbs, maxima, slope and curvature at the solution; empty where nothing was climbed."""
        if not self.iterations:
            return ""
        words = [f"{self.reached} of {self.starts} climbs ended at this solution"] if self.starts > 1 else []
        words.append(f"largest scaled slope {self.score:.1e}")
        if not math.isnan(self.curvature):
            kind = (
                "a strict maximum"
                if self.curvature > STRICT
                else "flat"
                if self.curvature >= -STRICT
                else "a saddle"
            )
            words.append(f"smallest scaled curvature {self.curvature:.2g} ({kind})")
        return "Search: " + "; ".join(words) + "."


@dataclass(frozen=True, eq=False, repr=False)
class Coefficients(Shown):
    """p fixed effects. All arrays (p,) but `covariance` (p, p); df is inf for a normal reference.

    root : (p, p) with covariance = root root' where it is known: it keeps twice the digits of nearly collinear columns.
    notes : why a standard error is missing or not to be trusted; empty for those of a fit, whose own notes say it.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    covariance: np.ndarray
    level: float
    method: str
    root: np.ndarray | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Components:
    """Variance components in the order of the model's random terms.

    names : e.g. ("study", "study/row"); variance : (m,) on the squared scale of the effects.
    correlations : name -> value, e.g. ``"outcome|study: a, b"`` (a range for spatial terms).
    theta : (q,) the parameters of the likelihood on the scale of the effects; equal to `variance` where all terms
        are intercepts.
    se : (m,) standard errors of the variances, NaN for one given or at zero; empty where none were computed.
    average : term -> variance that it gives an effect, averaged over the effects; empty where terms are intercepts.
    """

    names: tuple[str, ...]
    variance: np.ndarray
    correlations: dict[str, float] = field(default_factory=dict)
    theta: np.ndarray = field(default_factory=lambda: np.empty(0))
    se: np.ndarray = field(default_factory=lambda: np.empty(0))
    average: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Variance of a true effect, averaged over the effects where it differs between them."""
        return sum(self.average.values()) if self.average else float(np.sum(self.variance))

    def __getitem__(self, name: str) -> float:
        return float(self.variance[self.names.index(name)])


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's Q of the residuals and the shares of variance.

    i2 : percent of total variance that is not sampling error; i2_by : the same per component.
    typical_variance : the "typical" sampling variance of Higgins & Thompson (2002), eq. 9, with its
        generalisation tr(P) for dependent effects.
    r2 : percent of the variance between studies that the moderators account for; NaN without moderators.
    """

    q: float
    df: int
    p_value: float
    i2: float
    h2: float
    i2_by: dict[str, float] = field(default_factory=dict)
    typical_variance: float = float("nan")
    r2: float = float("nan")


@dataclass(frozen=True)
class Interval:
    """An estimate between its confidence limits."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, repr=False)
class HeterogeneityIntervals(Shown):
    """Confidence intervals of tau^2, tau, I^2 (percent) and H^2 at `level`; `method` says which."""

    tau2: Interval
    tau: Interval
    i2: Interval
    h2: Interval
    level: float
    method: str


@dataclass(frozen=True)
class FitStatistics:
    """Log-likelihood and information criteria.

    parameters : coefficients and estimated variances; observations : k (REML: k - p).
    deviance : -2 (log-likelihood - that of the saturated model; REML: - 0).
    Source: Hurvich & Tsai (1989), Biometrika 76:297 (AICc).
    """

    loglik: float
    deviance: float
    parameters: int
    observations: int

    @property
    def aic(self) -> float:
        return -2 * self.loglik + 2 * self.parameters

    @property
    def bic(self) -> float:
        if not self.observations:  # as many coefficients as effects
            return math.nan
        return -2 * self.loglik + self.parameters * math.log(self.observations)

    @property
    def aicc(self) -> float:
        left = max(self.observations, self.parameters + 2) - self.parameters - 1
        return self.aic + 2 * self.parameters * (self.parameters + 1) / left


@dataclass(frozen=True, repr=False)
class TestResult(Shown):
    """A test of one or several linear hypotheses."""

    __test__ = False  # its name is no sign to a test runner

    name: str
    statistic: float
    df1: float
    df2: float
    p_value: float
    note: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Shown):
    """A fitted model: what was asked, the rows analysed, and everything estimated.

    omnibus : test of all moderators (without moderators: of the mean).
    statistics : ``"ML"`` and ``"REML"`` -> log-likelihood and information criteria at these estimates.
    tests : further tests of the model by name (Mantel-Haenszel: ``"MH"``, ``"Breslow-Day"``, ``"Tarone"``).
    scale : coefficients of the variance in a location-scale model; variances : (k,) fitted tau^2 of each effect.
    """

    spec: Spec
    effects: Effects
    design: Design
    coefficients: Coefficients
    components: Components
    heterogeneity: Heterogeneity
    loglik: float
    optimum: Optimum
    notes: tuple[Note, ...] = ()
    omnibus: TestResult | None = None
    statistics: dict[str, FitStatistics] = field(default_factory=dict)
    tests: dict[str, TestResult] = field(default_factory=dict)
    scale: Coefficients | None = None
    variances: np.ndarray | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Shown):
    """Predicted means (m,) with confidence and prediction intervals; `pi_method` says what is new and by which convention,
    `variance` (m,) is that of what is new around its mean."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    pi_low: np.ndarray
    pi_high: np.ndarray
    level: float
    pi_method: str
    variance: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class StudyAverages:
    """Average effect of each of m studies given the fitted variances: labels, then (m,) arrays.

    weight : share of the study in the pooled mean, in percent; they sum to 100.
    """

    study: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    weight: np.ndarray
