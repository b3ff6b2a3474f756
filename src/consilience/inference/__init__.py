"""From an evaluated likelihood to tests and intervals."""

from .contrasts import contrasts
from .heterogeneity import heteroscedasticity_test
from .intervals import heterogeneity_intervals
from .knapp_hartung import linear_test, variance_inflation
from .robust import robust_covariance, satterthwaite
from .robust_tests import robust_coefficients
from .wald import wald_test

__all__ = [
    "contrasts",
    "heterogeneity_intervals",
    "heteroscedasticity_test",
    "linear_test",
    "robust_coefficients",
    "robust_covariance",
    "satterthwaite",
    "variance_inflation",
    "wald_test",
]
