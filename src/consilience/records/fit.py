"""The one result type that every model returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .design import Design
from .display import Shown
from .effects import Effects
from .note import Note
from .spec import Spec

OPTIMUM_STATUS = {
    "converged": "The likelihood was maximised: its gradient is zero within the stated tolerance.",
    "boundary": "The likelihood is highest with a variance component at zero; that is a solution, not a failure.",
    "closed-form": "The estimator has a closed form; nothing was iterated.",
    "fixed": "All variance components were given; nothing was estimated.",
    "not-identified": "The data cannot tell some variance components apart; the notes name them.",
    "stopped": "The search stopped before the gradient was small; read the estimates with care.",
}
OptimumStatus = Literal["converged", "boundary", "closed-form", "fixed", "not-identified", "stopped"]


@dataclass(frozen=True)
class Optimum:
    """How the search for the variance components ended; `help` says it in words."""

    status: OptimumStatus
    iterations: int = 0
    score: float = 0.0  # largest scaled gradient component at the solution
    starts: int = 1

    @property
    def help(self) -> str:
        return OPTIMUM_STATUS[self.status]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """p fixed effects. All arrays (p,) but `covariance` (p, p); df is inf for a normal reference."""

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


@dataclass(frozen=True, eq=False)
class Components:
    """Variance components in the order of the model's random terms.

    names : e.g. ("study", "study/row"); variance : (m,) on the squared scale of the effects.
    correlations : name -> value, e.g. ``"outcome|study: a, b"`` (a range for spatial terms).
    theta : (q,) the parameters of the likelihood on the scale of the effects; equal to `variance` where all terms
        are intercepts.
    """

    names: tuple[str, ...]
    variance: np.ndarray
    correlations: dict[str, float] = field(default_factory=dict)
    theta: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def total(self) -> float:
        return float(np.sum(self.variance))

    def __getitem__(self, name: str) -> float:
        return float(self.variance[self.names.index(name)])


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's Q of the residuals and the shares of variance.

    i2 : percent of total variance that is not sampling error; i2_by : the same per component.
    typical_variance : the "typical" sampling variance of Higgins & Thompson (2002), eq. 9, with its
        generalisation tr(P) for dependent effects.
    """

    q: float
    df: int
    p_value: float
    i2: float
    h2: float
    i2_by: dict[str, float] = field(default_factory=dict)
    typical_variance: float = float("nan")


@dataclass(frozen=True)
class TestResult:
    """A test of one or several linear hypotheses."""

    name: str
    statistic: float
    df1: float
    df2: float
    p_value: float
    note: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Shown):
    """A fitted model: what was asked, the rows analysed, and everything estimated."""

    spec: Spec
    effects: Effects
    design: Design
    coefficients: Coefficients
    components: Components
    heterogeneity: Heterogeneity
    loglik: float
    optimum: Optimum
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted means (m,) with confidence and prediction intervals; `df_pi` names the PI's convention."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    pi_low: np.ndarray
    pi_high: np.ndarray
    level: float
    pi_method: str


@dataclass(frozen=True, eq=False)
class StudyAverages:
    """Average effect of each of m studies given the fitted variances: labels, then (m,) arrays.

    weight : share of the study in the pooled mean, in percent; they sum to 100.
    """

    study: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    weight: np.ndarray
