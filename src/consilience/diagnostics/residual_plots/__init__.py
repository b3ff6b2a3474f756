"""What the residuals of a fit say: heterogeneity by study, precision, normality, trends."""

from .baujat import baujat
from .quantiles import normal_quantiles
from .radial import radial
from .residuals import residuals

__all__ = ["baujat", "normal_quantiles", "radial", "residuals"]
