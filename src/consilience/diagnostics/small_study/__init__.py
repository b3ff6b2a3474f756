"""Small studies: asymmetry tests, adjusted estimates, missing studies, power."""

from .asymmetry import asymmetry_test
from .batch import AsymmetryMany, asymmetry_many
from .contours import funnel
from .excess import excess_significance, study_power
from .fail_safe import fail_safe_n
from .limit_meta import limit_meta
from .pet_peese import pet_peese
from .precise import uwls, waap_wls
from .registry import ASYMMETRY_TESTS, PREDICTORS
from .studies import Studies
from .trim_and_fill import trim_and_fill

__all__ = [
    "ASYMMETRY_TESTS",
    "PREDICTORS",
    "AsymmetryMany",
    "Studies",
    "asymmetry_many",
    "asymmetry_test",
    "excess_significance",
    "fail_safe_n",
    "funnel",
    "limit_meta",
    "pet_peese",
    "study_power",
    "trim_and_fill",
    "uwls",
    "waap_wls",
]
