"""What was asked of a model: random terms, estimator, test. Choices are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Estimator = Literal["REML", "ML", "EE"]
Test = Literal["z", "t", "knapp-hartung", "CR2"]


@dataclass(frozen=True)
class Intercept:
    """A random intercept for each level of a grouping; several columns are nested (their combinations)."""

    by: tuple[str, ...]

    @property
    def name(self) -> str:
        return "/".join(self.by)


@dataclass(frozen=True)
class Spec:
    """A Gaussian meta-analytic model.

    terms : random terms; the reserved grouping ``"row"`` is one level per effect.
    method : how variance components are estimated.
    test : reference distribution and covariance of the coefficients; ``"CR2"`` = cluster-robust with
        Satterthwaite degrees of freedom.
    cluster : column whose levels are independent; used by ``"CR2"`` and to split the likelihood.
    level : confidence level.
    """

    terms: tuple[Intercept, ...]
    method: Estimator = "REML"
    test: Test = "CR2"
    cluster: str = "study"
    level: float = 0.95

    @classmethod
    def che(cls, *, level: float = 0.95) -> Spec:
        """Correlated and hierarchical effects with robust inference (Pustejovsky & Tipton 2022)."""
        return cls((Intercept(("study",)), Intercept(("study", "row"))), level=level)
