"""From an evaluated likelihood to tests and intervals."""

from .robust import robust_covariance, satterthwaite
from .wald import wald_test

__all__ = ["robust_covariance", "satterthwaite", "wald_test"]
