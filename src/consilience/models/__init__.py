"""Records to fits: fit, predict, compare, study averages, what a model says of each study."""

from .averages import study_averages
from .compare import likelihood_ratio_test
from .fit import fit
from .predict import predict
from .rows import random_effects, residuals, shrunken, weights
from .stratified import mantel_haenszel, peto_odds_ratio

__all__ = [
    "fit",
    "likelihood_ratio_test",
    "mantel_haenszel",
    "peto_odds_ratio",
    "predict",
    "random_effects",
    "residuals",
    "shrunken",
    "study_averages",
    "weights",
]
