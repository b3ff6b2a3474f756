"""What the intervals and tests of one analysis really do on its own design: the answer of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .display import Shown
from .note import Note

SelectionUnit = Literal["study", "effect"]


@dataclass(frozen=True)
class Share:
    """A simulated share with its Monte-Carlo standard error and 95% interval; n replicates (0: not available)."""

    value: float = float("nan")
    se: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0


@dataclass(frozen=True)
class PublicationRule:
    """A rule of publication: significant results are all published, others with `probability`.

    by : ``study`` = one-sided p of a study's average effect (generalised least squares with its sampling covariance);
        ``effect`` = one-sided p of each effect.
    alpha : one-sided; positive effects are the wanted ones.
    """

    probability: float
    by: SelectionUnit = "study"
    alpha: float = 0.025

    @property
    def words(self) -> str:
        """The rule in words."""
        what = "studies" if self.by == "study" else "effects"
        return (
            f"{what} with a one-sided p of at most {self.alpha:g} are all published, "
            f"others with probability {self.probability:g}"
        )


@dataclass(frozen=True)
class MethodCalibration:
    """One test under one scenario.

    coverage : of the confidence interval; rejected : replicates in which the test rejects zero when zero is true (type I
    error), or under selection with the truth stated there. power : share that rejects zero at the stated effect.
    prediction : probability that the prediction interval holds the true effect of a new study.
    half_width : mean half-width of the confidence interval.
    """

    test: str
    label: str
    coverage: Share
    rejected: Share
    power: Share = Share()
    prediction: Share = Share()
    half_width: float = float("nan")


@dataclass(frozen=True, eq=False)
class CalibrationScenario:
    """What was assumed of the variances, and what came of it.

    theta : (q,) variance parameters; tau2 : total variance of a true effect.
    bias, bias_se : mean of estimate minus truth, and its Monte-Carlo standard error.
    effects : (e,) true effects of the power curve; power : test -> (e,) shares of rejections.
    replicates, failed : data sets that could and could not be fitted.
    """

    key: str
    label: str
    theta: np.ndarray
    tau2: float
    methods: tuple[MethodCalibration, ...]
    bias: float
    bias_se: float
    effects: np.ndarray
    power: Mapping[str, np.ndarray]
    replicates: int
    failed: int


@dataclass(frozen=True, eq=False)
class SelectedScenario:
    """The same where results are published by a rule.

    truth : true value of the coefficient; bias : of the pooled estimate, with its Monte-Carlo standard error.
    published : share of candidate studies (effects) that the rule lets through.
    """

    key: str
    rule: PublicationRule
    truth: float
    bias: float
    bias_se: float
    published: float
    methods: tuple[MethodCalibration, ...]
    replicates: int
    failed: int


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Shown):
    """Simulated data sets on the design of a fit: same studies, sampling covariances, moderators and random effects.

    coefficient : what is examined; estimate : its value in the fit, the truth of the simulation.
    chosen : the fit's own test; effect : true effect of `power`.
    scenarios : variances at their estimates first, then at zero and at an upper limit.
    share_method : of the 95% Monte-Carlo intervals of shares.
    """

    coefficient: str
    estimate: float
    level: float
    chosen: str
    effect: float
    replicates: int
    n_effects: int
    n_studies: int
    scenarios: tuple[CalibrationScenario, ...]
    selected: tuple[SelectedScenario, ...]
    share_method: str = "Clopper-Pearson; prediction intervals: normal"
    notes: tuple[Note, ...] = field(default=())

    @property
    def quantity(self) -> str:
        """The coefficient in words."""
        return "average effect" if self.coefficient == "intercept" else self.coefficient

    @property
    def fitted(self) -> CalibrationScenario:
        """The scenario with the variances at their estimates."""
        return self.scenarios[0]

    @property
    def own(self) -> MethodCalibration:
        """The fit's own test with the variances at their estimates."""
        return next(m for m in self.fitted.methods if m.test == self.chosen)
