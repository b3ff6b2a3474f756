"""Records to fits: fit, predict, study averages."""

from .averages import study_averages
from .fit import fit
from .predict import predict

__all__ = ["fit", "predict", "study_averages"]
