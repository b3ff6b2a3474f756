"""Records to fits: fit, predict, compare, study averages, what a model says of each study."""

from ..records import Refits
from .averages import study_averages, study_weights
from .bootstrap import bootstrap
from .compare import likelihood_ratio_test
from .fit import fit
from .fit_many import fit_many
from .jackknife import jackknife
from .predict import predict
from .profile import profile, profile_interval, profile_parameters
from .random_effects import shrunken_effects, study_deviations, term_effects
from .refit import refit_many
from .residuals import row_residuals, standardised_residuals
from .shares import explained_variance, multivariate_i2
from .simulate import simulate
from .simulate_selected import simulate_selected
from .stratified import mantel_haenszel, peto_odds_ratio
from .wild_bootstrap import wild_bootstrap, wild_bootstrap_interval

__all__ = [
    "Refits",
    "bootstrap",
    "explained_variance",
    "fit",
    "fit_many",
    "jackknife",
    "likelihood_ratio_test",
    "mantel_haenszel",
    "multivariate_i2",
    "peto_odds_ratio",
    "predict",
    "profile",
    "profile_interval",
    "profile_parameters",
    "refit_many",
    "row_residuals",
    "shrunken_effects",
    "simulate",
    "simulate_selected",
    "standardised_residuals",
    "study_averages",
    "study_deviations",
    "study_weights",
    "term_effects",
    "wild_bootstrap",
    "wild_bootstrap_interval",
]
