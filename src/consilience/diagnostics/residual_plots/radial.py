"""Galbraith's radial plot of a pooled mean."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_isf
from ...base.errors import InputError
from ...records import Fit, Radial
from ..deletion.cases import row_labels
from ..deletion.pieces import pieces_of


def radial(fit: Fit) -> Radial:
    """Effects over their standard deviation against its inverse: y_i / s_i and 1 / s_i, s_i^2 = v_i + tau^2.

    The pooled effect is the slope of a line through the origin; z of the fit's level is the half width of the band.

    Raises InputError ``pooled-mean`` for a model with moderators.

    Source: Galbraith (1988), Technometrics 30:271; Galbraith (1994), JASA 89:1232.
    """
    x = fit.design.matrix
    if x.shape[1] != 1 or not (x == 1).all():
        raise InputError(
            "A radial plot needs a pooled mean; this model has moderators.",
            code="pooled-mean",
            advice="Draw residuals(fit) against the moderator.",
        )
    precision = 1.0 / np.sqrt(pieces_of(fit).m.diagonal)
    c = fit.coefficients
    return Radial(
        label=row_labels(fit.effects),
        x=precision,
        y=fit.effects.y * precision,
        effect=np.array(fit.effects.y),
        slope=float(c.estimate[0]),
        ci_low=float(c.ci_low[0]),
        ci_high=float(c.ci_high[0]),
        z=float(normal_isf((1 - fit.spec.level) / 2)),
        level=fit.spec.level,
        measure=fit.effects.measure,
    )
