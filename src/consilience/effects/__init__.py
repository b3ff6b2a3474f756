"""Effect sizes: from what trials printed to effects with their sampling covariance."""

from .dependence import fill_covariance, with_covariance
from .people import count_people, count_unsized
from .ratios import trial_ratios
from .trials import RChoice, trial_effects

__all__ = [
    "RChoice",
    "count_people",
    "count_unsized",
    "fill_covariance",
    "trial_effects",
    "trial_ratios",
    "with_covariance",
]
