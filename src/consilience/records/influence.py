"""What each case (an effect, a study) does to a fit: left out, added in turn, drawn against what it contributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .display import Shown
from .note import Note


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Shown):
    """Deletion diagnostics of n cases of a fit of k effects with p coefficients; NaN only where `reason` says why.

    by : what a case is (``"effect"``, ``"study"`` or a column); label : (n,) their names; case : (k,) case of each effect.
    size, hat, weight : (n,) effects in the case; sums of their hat values and of their weights (percent of all; in a pooled
        mean the part of it).
    residual, residual_se, studentised : (k,) y_i - x_i'b(-C), its standard error, their ratio.
    chi2, p_value : (n,) r_C' Var(r_C)^-1 r_C of the deleted residuals of the case, chi-squared with `size` degrees.
    dffits, cook, covratio : (n,); of a case of several effects `dffits` is the one largest in size.
    dfbetas : (n, p) change of each coefficient in standard errors; names : (p,).
    tau2, q : (n,) total variance of a true effect and Cochran's Q without the case.
    outlier, influential : (n,) bool by `rules`, which say in words what was compared with what.
    reestimated : were the variances estimated anew without each case, or held?
    """

    by: str
    label: tuple[str, ...]
    names: tuple[str, ...]
    case: np.ndarray
    size: np.ndarray
    hat: np.ndarray
    weight: np.ndarray
    residual: np.ndarray
    residual_se: np.ndarray
    studentised: np.ndarray
    chi2: np.ndarray
    p_value: np.ndarray
    dffits: np.ndarray
    cook: np.ndarray
    covratio: np.ndarray
    dfbetas: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    outlier: np.ndarray
    influential: np.ndarray
    reason: tuple[str, ...]
    rules: tuple[str, ...]
    limits: dict[str, float]
    reestimated: bool
    notes: tuple[Note, ...] = ()

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.label)

    @property
    def extreme(self) -> np.ndarray:
        """(n,) the deleted residual of the case that is largest in size, with its sign."""
        found = np.full(self.n, np.nan)
        order = np.argsort(np.abs(np.nan_to_num(self.studentised)), kind="stable")
        found[self.case[order]] = self.studentised[order]
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Refitted(Shown):
    """A fit on n selections of its effects: all arrays (n,) but those of p coefficients (n, p).

    label : what was left out or added; k : effects in it; names : (p,); focus : the coefficient that figures show.
    whole, whole_low, whole_high : (p,) of all effects; level : of the intervals; method : their test in words.
    reason : "" or why a selection has no (or a restricted) answer; NaN where there is none.
    """

    label: tuple[str, ...]
    names: tuple[str, ...]
    k: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    q_p: np.ndarray
    i2: np.ndarray
    h2: np.ndarray
    whole: np.ndarray
    whole_low: np.ndarray
    whole_high: np.ndarray
    level: float
    method: str
    measure: str
    reason: tuple[str, ...]
    focus: int = 0

    @property
    def n(self) -> int:
        """Number of selections."""
        return len(self.label)


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(Refitted):
    """The fit without each case in turn; by : what a case is."""

    by: str = "study"


@dataclass(frozen=True, eq=False, repr=False)
class Cumulative(Refitted):
    """The fit as cases are added one after the other.

    order : what they were ordered by; value : (n,) its value at each step as text; rule : how ties and missing values
    were placed, in words.
    """

    by: str = "study"
    order: str = ""
    value: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Baujat(Shown):
    """Contribution of each case to the heterogeneity (x) against its influence on the result (y), (n,) each.

    x : squared Pearson residuals (y_i - x_i'b)^2 / (v_i + tau^2), for a case of several effects e_C' M_C^-1 e_C.
    y : (x_i'b - x_i'b(-C))^2 / Var(x_i'b(-C)), averaged over the effects of the case.
    """

    by: str
    label: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    reason: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Radial(Shown):
    """Galbraith's plot, (k,) each: x = 1 / sqrt(v + tau^2), y = effect times x; the pooled effect is the slope.

    z : half width of the band around the line in which `level` of the effects are expected.
    """

    label: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    effect: np.ndarray
    slope: float
    ci_low: float
    ci_high: float
    z: float
    level: float
    measure: str


@dataclass(frozen=True, eq=False, repr=False)
class Quantiles(Shown):
    """Sorted residuals (k,) against normal quantiles (k,), with a simulated envelope (k,) each side.

    label : in the order of `sample`; row : (k,) row of the effects; kind : which residuals; `draws` simulated data sets.
    low, high : pointwise limits that hold `level` of the simulated sorted residuals; outside : points beyond them.
    """

    kind: str
    label: tuple[str, ...]
    row: np.ndarray
    theoretical: np.ndarray
    sample: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    draws: int
    left_out: int = 0

    @property
    def outside(self) -> int:
        """Points outside the envelope."""
        return int(np.sum((self.sample < self.low) | (self.sample > self.high)))


@dataclass(frozen=True, eq=False, repr=False)
class Residuals(Shown):
    """Residuals of each effect, (k,) each.

    x, x_name : what they are drawn against; fitted : x_i'b.
    raw, standardised : y - fitted and over its standard error; conditional, conditional_se : y minus the predicted true
    effect (BLUP); deleted : studentised, the effect left out and the variances as `reestimated` says.
    """

    label: tuple[str, ...]
    x_name: str
    x: np.ndarray
    fitted: np.ndarray
    raw: np.ndarray
    raw_se: np.ndarray
    standardised: np.ndarray
    conditional: np.ndarray
    conditional_se: np.ndarray
    deleted: np.ndarray
    reestimated: bool
    measure: str


@dataclass(frozen=True, eq=False, repr=False)
class Collinearity(Shown):
    """Generalised variance inflation of m terms: det(R_t) det(R_-t) / det(R), R the correlations of the coefficients.

    term, columns : names (m,) and number of columns (m,) of each; gvif : (m,); scaled : gvif^(1 / (2 columns)), comparable
    between terms and to the square root of an ordinary VIF.
    simulated : (draws, m) with the terms shuffled independently of each other; share : (m,) of the draws with a GVIF
    below the observed one; expected : (m,) their median. Empty where none were drawn. how : the shuffling in words.
    """

    term: tuple[str, ...]
    columns: np.ndarray
    gvif: np.ndarray
    scaled: np.ndarray
    simulated: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    how: str = ""
