"""Fit -> one small record each: influence, small-study effects, selection, resampling and what they say of an answer."""

from .collinearity import collinearity
from .deletion import cumulative, hat_matrix, influence, leave_one_out
from .residual_plots import baujat, normal_quantiles, radial, residuals

__all__ = [
    "baujat",
    "collinearity",
    "cumulative",
    "hat_matrix",
    "influence",
    "leave_one_out",
    "normal_quantiles",
    "radial",
    "residuals",
]
