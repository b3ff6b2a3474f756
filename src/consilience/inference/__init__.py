"""From an evaluated likelihood to tests and intervals."""

from .robust import robust_covariance, satterthwaite
from .robust_tests import robust_coefficients
from .wald import wald_test

__all__ = ["robust_coefficients", "robust_covariance", "satterthwaite", "wald_test"]
