"""Which studies make the heterogeneity, and do they also move the answer?"""

from __future__ import annotations

import numpy as np

from ...records import Baujat, Fit
from ..deletion.cases import cases_of
from ..deletion.deleted import model_based, without_each
from ..deletion.pieces import pieces_of


def baujat(fit: Fit, *, by: str = "study", reestimate: bool = True) -> Baujat:
    """Contribution to the heterogeneity against influence on the fitted values, for each effect, study or column.

    x = e_C' M_C^-1 e_C (for one effect its squared Pearson residual); y = (x_i'b - x_i'b(-C))^2 / Var(x_i'b(-C)), averaged
    over the effects of the case.

    Raises as `influence` does.

    Source: Baujat et al. (2002), Stat Med 21:2641; squared Pearson residuals instead of parts of Q for random effects.
    """
    cases, base = cases_of(fit.effects, by), model_based(fit)
    gone = without_each(base, cases, reestimate=reestimate)
    x, code = fit.design.matrix, cases.code
    raw = fit.effects.y - x @ base.coefficients.estimate
    moved = np.einsum("kp,kp->k", x, base.coefficients.estimate - gone.estimate[code])
    spread = np.einsum("kp,kpq,kq->k", x, gone.covariance[code], x, optimize=True)
    share = np.divide(moved**2, spread, out=np.where(np.isnan(moved), np.nan, 0.0), where=spread > 0)
    covariance = pieces_of(base).m
    heterogeneity = np.array(
        [raw[rows] @ np.linalg.solve(covariance.part(rows), raw[rows]) for rows in cases.rows()]
    )
    return Baujat(
        by=cases.by,
        label=cases.label,
        x=heterogeneity,
        y=np.bincount(code, share, minlength=cases.n) / cases.size,
        reason=gone.reason,
    )
