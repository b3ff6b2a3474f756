"""I^2 of multivariate models and R^2 by level: R's figures and the formulas by hand."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.models import explained_variance, fit, multivariate_i2
from consilience.records import Intercept, Spec
from several_effects import R, assink, berkey_fit, three_outcomes_fit


def test_two_outcomes_are_those_of_r() -> None:
    found, theirs = multivariate_i2(berkey_fit()), R["i2"]
    np.testing.assert_allclose(list(found.i2_by_level.values()), theirs["i2"], rtol=2e-5)
    assert found.i2_joint == pytest.approx(theirs["jackson"], rel=2e-5)
    np.testing.assert_allclose(found.i2, theirs["each"], rtol=2e-5)


def test_one_outcome_is_the_usual_i2_of_equal_precision() -> None:
    """With equal sampling variances all of them are tau^2 / (tau^2 + v)."""
    ours = assink("1")
    equal = fit(
        type(ours.effects)(ours.effects.y, np.full(100, 0.05), np.arange(100).astype(str).astype(object)),
        Spec((Intercept(("row",)),), "REML", "CR2"),
    )
    found = multivariate_i2(equal)
    assert found.i2[0] == pytest.approx(equal.heterogeneity.i2, rel=1e-9)
    assert found.i2_joint == pytest.approx(equal.heterogeneity.i2, rel=1e-9)


def test_typical_variances_by_hand() -> None:
    ours = three_outcomes_fit()
    found = multivariate_i2(ours)
    x, v = ours.design.matrix, ours.effects.covariance()
    w = np.linalg.inv(v)
    p = w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w
    for i, level in enumerate("xyz"):
        own = x[:, i] == 1
        typical = (own.sum() - 1) / np.diag(p)[own].sum()
        tau2 = ours.components.variance[i]
        assert found.i2_by_level[f"outcome|study: {level}"] == pytest.approx(
            100 * tau2 / (tau2 + typical), rel=1e-9
        )


def test_variance_explained_at_each_level() -> None:
    full, reduced = assink("deltype"), assink("1")
    found = explained_variance(full, reduced)
    new, old = full.components.variance, reduced.components.variance
    expected = np.maximum(0.0, 100 * (old - new) / old)
    np.testing.assert_allclose([found["study"], found["study/id"]], expected)
    assert found["total"] == pytest.approx(100 * (1 - new.sum() / old.sum()))


def test_what_cannot_be_compared() -> None:
    for full, reduced, code in (
        (assink("1"), assink("deltype"), "not-nested"),
        (berkey_fit(), assink("1"), "different-data"),
    ):
        with pytest.raises(InputError) as caught:
            explained_variance(full, reduced)
        assert caught.value.code == code
    ours = assink("deltype")
    one = fit(ours.effects, Spec((Intercept(("study",)),), "REML", "z"))
    with pytest.raises(InputError) as caught:
        explained_variance(ours, one)
    assert caught.value.code == "different-terms"
    with pytest.raises(InputError) as caught:
        multivariate_i2(fit(ours.effects, Spec.correlated()))
    assert caught.value.code == "no-likelihood"
