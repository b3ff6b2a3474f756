"""Were the studies that we see selected by their results? Models of the selection, and what the answer would be without it."""

from .bootstrap import selection_bootstrap
from .copas import copas
from .model import selection_model
from .p_curve import p_curve
from .p_uniform import p_uniform, p_uniform_star
from .profile import selection_interval, selection_profile
from .worst_case import worst_case
from .z_curve import z_curve

__all__ = [
    "copas",
    "p_curve",
    "p_uniform",
    "p_uniform_star",
    "selection_bootstrap",
    "selection_interval",
    "selection_model",
    "selection_profile",
    "worst_case",
    "z_curve",
]
