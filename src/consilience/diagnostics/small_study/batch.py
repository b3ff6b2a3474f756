"""One test on many analyses at once (simulations, permutations); a single test is F = 1 of the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.errors import InputError
from ...base.options import choose
from ...inference.knapp_hartung import Wald, wald
from ...likelihood.batch import fit_batch
from .rank import Ranks, kendall
from .registry import ASYMMETRY_TESTS, DEPENDENT, PREDICTORS, Rule, spec_of
from .studies import Studies


@dataclass(frozen=True, eq=False)
class AsymmetryMany:
    """A test of F analyses; statistic and p_value (F,), NaN where it could not be done.

    line : estimates (F, 2) of intercept and slope with their tests and intervals, None for a rank test.
    ranks : Kendall's statistics of a rank test.
    """

    statistic: np.ndarray
    p_value: np.ndarray
    coefficients: np.ndarray | None = None
    line: Wald | None = None
    ranks: Ranks | None = None


def response(rule: Rule, studies: Studies) -> tuple[np.ndarray, np.ndarray]:
    """Effects and working variances (F, K) of a regression test."""
    return rule.response(studies) if rule.response else (studies.y, studies.v)


def predictor_values(name: str, studies: Studies, pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(F, K) the predictor, 0 where a study is missing; made from the working variances where it is about precision."""
    y, v = pair
    chosen = PREDICTORS[choose(name, PREDICTORS, what="Predictor")]
    with np.errstate(divide="ignore", invalid="ignore"):
        x = chosen.values(Studies(y, v, studies.n1, studies.n2, n=studies.n))
    return np.where(np.isinf(v), 0.0, x)


def asymmetry_many(
    studies: Studies,
    test: str,
    *,
    predictor: str = "",
    method: str = "REML",
    reference: str = "",
    level: float = 0.95,
) -> AsymmetryMany:
    """A test for one effect per study on F analyses at once.

    Parameters
    ----------
    predictor, reference : other choices than those of the test; method : estimator of tau^2 of mixed-effects tests.

    Raises
    ------
    InputError ``test-needs-clusters`` for a test of dependent effects, ``column-needed`` where columns are missing.
    """
    rule = ASYMMETRY_TESTS[choose(test, ASYMMETRY_TESTS, what="Test")]
    if rule.model in DEPENDENT:
        raise InputError(
            f'"{test}" is a test for dependent effects, one data set at a time.', code="test-needs-clusters"
        )
    if rule.deviates is not None:
        ranks = kendall(*rule.deviates(studies))
        return AsymmetryMany(ranks.z, ranks.p_value(), ranks=ranks)
    y, v = pair = response(rule, studies)
    x = predictor_values(predictor or rule.predictor, studies, pair)
    design = np.stack([np.ones_like(x), x], axis=-1)
    spec = spec_of(rule.model, method=method, reference=reference or rule.reference, level=level)
    batch = fit_batch(y, v, design, method=spec.method)
    line = wald(batch, test=spec.test, level=level)
    return AsymmetryMany(line.statistic[:, 1], line.p_value[:, 1], batch.coefficients, line)
