"""What was asked of a model: random terms, estimator, test. Choices are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .design import Design

Estimator = Literal[
    "REML",
    "ML",
    "EE",
    "DL",
    "DL2",
    "HE",
    "HS",
    "HSk",
    "SJ",
    "SJIT",
    "PM",
    "PMM",
    "EB",
    "DLIT",
    "GENQ",
    "GENQM",
    "CORR",
    "HIER",
]
Test = Literal[
    "z",
    "t",
    "t-containment",
    "knapp-hartung",
    "knapp-hartung-floor",
    "CR0",
    "CR1",
    "CR1p",
    "CR1S",
    "CR2",
    "CR3",
]


Structure = Literal[
    "CS", "HCS", "UN", "ID", "DIAG", "AR", "HAR", "CAR", "SPEXP", "SPGAU", "SPLIN", "SPRAT", "SPSPH"
]


Scaling = Literal["none", "correlation", "correlation-from-zero", "from-zero"]


@dataclass(frozen=True)
class Intercept:
    """A random intercept for each level of a grouping; several columns are nested (their combinations).

    variance : a given value, or None to estimate it.
    """

    by: tuple[str, ...]
    variance: float | None = None

    @property
    def name(self) -> str:
        return "/".join(self.by)


@dataclass(frozen=True, eq=False)
class Known:
    """A random effect for each level of a column, correlated between levels as known (phylogeny, a relation).

    matrix : (l, l) correlation (or relation) of the levels `labels`; variance : given, or None to estimate it.
    scaling : what becomes of the matrix R before it is used: ``"none"`` (R), ``"correlation"`` (r_ij / sqrt(r_ii r_jj)),
        ``"from-zero"`` (R - min R), or ``"correlation-from-zero"`` (C - min C) / (1 - min C), C the correlation.
    """

    by: str
    matrix: np.ndarray
    labels: tuple[str, ...]
    variance: float | None = None
    scaling: Scaling = "none"

    @property
    def name(self) -> str:
        return self.by


@dataclass(frozen=True, eq=False)
class Inner:
    """Correlated random effects of the levels of `inner` within each level of `outer` (inner | outer).

    structure : covariance between the levels of `inner`; for ``"CAR"`` `inner` is a time, for ``"SP..."`` a place.
    variance, correlation : given values, NaN = estimate; None = estimate all. Correlations of ``"UN"`` are listed
        column by column below the diagonal. For ``"SP..."`` the correlation parameter is the range.
    distance : (l, l) between the levels `labels` of `inner` (``"SP..."`` only).
    """

    inner: str
    outer: str
    structure: Structure = "CS"
    variance: tuple[float, ...] | None = None
    correlation: tuple[float, ...] | None = None
    distance: np.ndarray | None = None
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.inner}|{self.outer}"


@dataclass(frozen=True)
class Slopes:
    """Random intercept and slopes of numeric columns within each level of `by`, correlated or not.

    variance, correlation : given values of the intercept and the slopes in the order of `columns`, NaN = estimate;
        None = estimate all. Correlations are listed column by column below the diagonal.
    """

    columns: tuple[str, ...]
    by: str
    correlated: bool = True
    variance: tuple[float, ...] | None = None
    correlation: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        return f"{'+'.join(self.columns)}|{self.by}"


@dataclass(frozen=True, eq=False)
class Shared:
    """Independent random effects of several groupings with one set of components, such as the same variance for the
    first and the second laboratory of a comparison.

    terms : all `Intercept`, all `Known` with one matrix, all `Inner` of one structure and inner column, or all `Slopes` of
        the same columns; given values are those of the first.
    """

    terms: tuple[Intercept | Known | Inner | Slopes, ...]

    @property
    def name(self) -> str:
        return " = ".join(term.name for term in self.terms)


@dataclass(frozen=True, eq=False)
class Scale:
    """The variance of a random intercept per effect follows a design: location-scale model.

    matrix : (k, q) design of the variance; names : q names; link : variance = exp(Z a), or Z a (kept positive);
    design : what `of` was given, for tests of whole terms and for new values.
    Source: Viechtbauer & Lopez-Lopez (2022), Res Synth Methods 13:697.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    link: Literal["log", "identity"] = "log"
    design: Design | None = None

    @classmethod
    def of(cls, design: Design, link: Literal["log", "identity"] = "log") -> Scale:
        """The scale that follows a design, such as one of `design_matrix`."""
        return cls(design.matrix, design.names, link, design)


Term = Intercept | Known | Inner | Slopes | Shared


@dataclass(frozen=True)
class Spec:
    """A Gaussian meta-analytic model.

    terms : random terms; the reserved grouping ``"row"`` is one level per effect.
    method : how variance components are estimated.
    test : reference distribution and covariance of the coefficients; ``"CR2"`` = cluster-robust with
        Satterthwaite degrees of freedom.
    cluster : column whose levels are independent; used by ``"CR2"`` and to split the likelihood.
    level : confidence level.
    weights : column of the weights of the effects in the coefficients, ``"equal"``, or "" = inverse variance
        (models with one effect per study only).
    rho : correlation of the effects of a study in the working model ``"CORR"``.
    scale : design of the variance of the intercept per row (location-scale model), or None.
    """

    terms: tuple[Term, ...]
    method: Estimator = "REML"
    test: Test = "CR2"
    cluster: str = "study"
    level: float = 0.95
    weights: str = ""
    rho: float = 0.8
    scale: Scale | None = None

    @classmethod
    def random_effects(
        cls,
        method: Estimator = "REML",
        test: Test = "knapp-hartung",
        *,
        level: float = 0.95,
        weights: str = "",
    ) -> Spec:
        """One effect per study, tau^2 by `method`; Knapp-Hartung intervals unless said otherwise.

        weights : ``"equal"`` or a column of the effects; also those of the estimators GENQ and GENQM.
        """
        return cls((Intercept(("row",)),), method, test, level=level, weights=weights)

    @classmethod
    def equal_effects(cls, test: Test = "z", *, level: float = 0.95) -> Spec:
        """One true effect behind all studies."""
        return cls((), "EE", test, level=level)

    @classmethod
    def correlated(cls, *, rho: float = 0.8, level: float = 0.95) -> Spec:
        """Correlated-effects working model with robust inference (Hedges, Tipton & Johnson 2010)."""
        return cls((), "CORR", "CR2", level=level, rho=rho)

    @classmethod
    def hierarchical(cls, *, level: float = 0.95) -> Spec:
        """Hierarchical-effects working model with robust inference (Hedges, Tipton & Johnson 2010)."""
        return cls((), "HIER", "CR2", level=level)

    @classmethod
    def che(cls, *, level: float = 0.95) -> Spec:
        """Correlated and hierarchical effects with robust inference (Pustejovsky & Tipton 2022)."""
        return cls((Intercept(("study",)), Intercept(("study", "row"))), level=level)
