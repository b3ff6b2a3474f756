"""Has a fit one independent effect per study, so that the formulas of univariate meta-analysis hold?"""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..likelihood.terms import partition
from ..records import Effects, Fit, Intercept


def dependent_rows(effects: Effects) -> np.ndarray | None:
    """Rows of the first group of effects with a sampling covariance, if any."""
    for block in effects.blocks:
        if np.count_nonzero(block.matrix - np.diag(np.diag(block.matrix))):
            return block.rows
    return None


def refuse_dependence(fit: Fit, what: str) -> None:
    """Raise InputError ``one-effect-per-study`` unless all effects are independent with at most one tau^2 (or one each)."""
    terms = fit.spec.terms
    alone = not terms or (
        len(terms) == 1 and isinstance(terms[0], Intercept) and _single(fit.effects, terms[0].by)
    )
    if not alone or dependent_rows(fit.effects) is not None or fit.spec.method in ("CORR", "HIER"):
        raise InputError(
            f"{what} needs a model with a single tau^2 and one independent effect per study.",
            code="one-effect-per-study",
        )


def _single(effects: Effects, by: tuple[str, ...]) -> bool:
    """Has every level of the grouping one effect?"""
    return by == ("row",) or int(np.max(partition(effects, by), initial=-1)) + 1 == effects.k
