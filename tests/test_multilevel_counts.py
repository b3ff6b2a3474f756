"""What is counted in a multilevel fit: parameters of the likelihood, and degrees of freedom by containment."""

from __future__ import annotations

import numpy as np
import pytest

from consilience import (
    Effects,
    Inner,
    Intercept,
    Known,
    Spec,
    design_matrix,
    fit,
    influence,
    jackknife,
    likelihood_ratio_test,
    residuals,
)
from consilience.base.errors import InputError
from consilience.records.spec import Structure

Y = np.array([0.1, 0.5, -0.2, 0.9, 0.4, 1.1, 0.3, -0.4])
V = np.array([0.05, 0.1, 0.07, 0.06, 0.09, 0.08, 0.1, 0.05])
ROWS = np.array([f"s{i}" for i in range(8)], dtype=object)
OUTCOME = np.array(["a", "b", "a", "b", "a", "b", "a", "b"], dtype=object)
PAIRS = np.repeat(["s0", "s1", "s2", "s3"], 2).astype(object)


def test_a_correlation_of_levels_that_never_meet_is_no_parameter() -> None:
    """metafor 3.8: rma.mv(random = ~outcome | study) fixes it at zero where each study has one outcome."""
    one_each = Effects(Y, V, ROWS, columns={"outcome": OUTCOME})
    for structure, variances in (("CS", 1), ("HCS", 2), ("UN", 2)):
        found = fit(one_each, Spec((Inner("outcome", "study", structure),), "REML", "z"))
        assert found.statistics["REML"].parameters == 1 + variances
    same = fit(one_each, Spec((Intercept(("study",)),), "REML", "z"))
    cs = fit(one_each, Spec((Inner("outcome", "study", "CS"),), "REML", "z"))
    assert cs.statistics["ML"].aic == pytest.approx(same.statistics["ML"].aic, abs=1e-8)
    with pytest.raises(InputError, match="as many parameters"):
        likelihood_ratio_test(cs, same)


def test_a_correlation_that_is_given_is_not_left_out_twice() -> None:
    one_each = Effects(Y, V, ROWS, columns={"outcome": OUTCOME})
    for structure, variances in (("CS", 1), ("UN", 2)):
        term = Inner("outcome", "study", structure, correlation=(0.3,))
        assert fit(one_each, Spec((term,), "REML", "z")).statistics["REML"].parameters == 1 + variances


def test_containment_counts_the_pairs_of_inner_and_outer() -> None:
    """metafor 3.8, dfs = "contain": 8 studies x outcomes less 2 coefficients for what is constant in each, 6."""
    twelve = np.r_[Y, Y[:4] + 0.1]
    study = np.r_[PAIRS, PAIRS[:4]]
    outcome = np.r_[OUTCOME, OUTCOME[:4]]
    x = np.arange(12.0) ** 2 / 40
    effects = Effects(twelve, np.r_[V, V[:4]], study, columns={"outcome": outcome, "x": x})
    spec = Spec((Inner("outcome", "study", "CS"),), "REML", "t-containment")
    found = fit(effects, spec, design=design_matrix("0 + outcome + x", effects.columns))
    assert found.coefficients.df.tolist() == [5, 5, 9]  # 8 pairs - 3, 8 pairs - 3, 12 effects - 3


def test_containment_counts_the_levels_of_a_known_matrix() -> None:
    """metafor 3.8: rma.mv(yi, vi, random = ~1 | species, R = list(species = A), test = "t", dfs = "contain")$ddf is 3."""
    species = np.tile(["p", "q", "r", "s"], 2).astype(object)
    effects = Effects(Y, V, ROWS, columns={"species": species})
    matrix = 0.5 * np.eye(4) + 0.5
    found = fit(effects, Spec((Known("species", matrix, ("p", "q", "r", "s")),), "REML", "t-containment"))
    assert found.coefficients.df.tolist() == [3]


def test_criteria_of_as_many_coefficients_as_effects_exist_where_they_can() -> None:
    effects = Effects(Y[:4], V[:4], ROWS[:4], columns={"name": ROWS[:4]})
    spec = Spec((Intercept(("study",)),), "REML", "z")
    found = fit(effects, spec, design=design_matrix("name", effects.columns)).statistics
    assert np.isfinite([found["ML"].bic, found["ML"].aic, found["REML"].aic]).all()
    assert np.isnan(found["REML"].bic)  # the logarithm of no observation


@pytest.mark.parametrize("structure", ["DIAG", "HCS", "UN"])
def test_a_study_that_alone_has_an_outcome_can_be_left_out(structure: Structure) -> None:
    outcome = OUTCOME.copy()
    outcome[1] = "c"  # of the first study only
    effects = Effects(Y, V, PAIRS, columns={"outcome": outcome})
    term = Inner("outcome", "study", structure)
    found = fit(effects, Spec((term,), "REML", "z"))
    made = jackknife(found)
    left = effects.take(PAIRS != "s0")
    alone = fit(left, Spec((term,), "REML", "z")).coefficients.estimate[0]
    assert made.left_out[0, 0] == pytest.approx(alone, abs=1e-8)


def test_two_effects_with_a_moderator_have_residuals() -> None:
    effects = Effects(Y[:2], V[:2], ROWS[:2], columns={"x": np.array([1.0, 2.0])})
    found = fit(
        effects, Spec.equal_effects("knapp-hartung-floor"), design=design_matrix("x", effects.columns)
    )
    assert np.isnan(residuals(found).deleted).all()
    assert not influence(found, by="effect").influential.any()
