"""Two nested fits of the same data: likelihood-ratio test."""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_sf
from ..base.errors import InputError
from ..records import Effects, Fit, TestResult


def likelihood_ratio_test(full: Fit, reduced: Fit) -> TestResult:
    """-2 (log-likelihood of reduced - of full) as chi2 with as many df as parameters were left out.

    A variance component on the boundary makes the p-value too large (Self & Liang 1987); nothing is corrected.

    Raises
    ------
    InputError ``record`` for what is no fit, ``different-data`` unless both analysed the same effects and covariances, ``different-methods``,
    ``restricted-likelihood`` for REML fits with different moderators, ``not-nested`` if `reduced` is not smaller,
    ``no-likelihood`` for working models, which have none.
    """
    for given in (full, reduced):
        if not isinstance(given, Fit):
            raise InputError(f"Two fits are compared, not a {type(given).__name__}.", code="record")
    a, b = full.effects, reduced.effects
    if a.k != b.k or not (np.array_equal(a.y, b.y) and np.array_equal(a.v, b.v) and _same_blocks(a, b)):
        raise InputError(
            f"The fits analyse different effects or sampling covariances ({a.k} and {b.k} rows).",
            code="different-data",
            advice="Refit the smaller model on the rows of the larger one.",
        )
    if full.spec.method != reduced.spec.method:
        raise InputError(
            f"The fits differ in method: {full.spec.method} and {reduced.spec.method}.",
            code="different-methods",
        )
    same = full.design.matrix.shape == reduced.design.matrix.shape and np.array_equal(
        full.design.matrix, reduced.design.matrix
    )
    if full.spec.method == "REML" and not same:
        raise InputError(
            "Restricted likelihoods of models with different moderators cannot be compared.",
            code="restricted-likelihood",
            advice='Refit both with method="ML".',
        )
    df = _parameters(full) - _parameters(reduced)
    if df <= 0:
        raise InputError("The second fit has as many parameters as the first.", code="not-nested")
    statistic = max(0.0, 2 * (full.loglik - reduced.loglik))
    return TestResult("likelihood ratio", statistic, df, float("inf"), float(chi2_sf(statistic, df)))


def _parameters(fit: Fit) -> int:
    """Coefficients and estimated variance parameters; given ones do not count."""
    if not fit.statistics:
        raise InputError(
            f"A fit by {fit.spec.method} has no likelihood, so it cannot be compared by one.",
            code="no-likelihood",
            advice="Use a Wald test of the moderators.",
        )
    return next(iter(fit.statistics.values())).parameters


def _same_blocks(a: Effects, b: Effects) -> bool:
    return len(a.blocks) == len(b.blocks) and all(
        np.array_equal(one.rows, other.rows) and np.array_equal(one.matrix, other.matrix)
        for one, other in zip(a.blocks, b.blocks, strict=True)
    )
