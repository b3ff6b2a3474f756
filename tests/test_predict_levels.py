"""Predictions for models with several effects per study: R's figures, and what is new in a prediction interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks.multilevel import berkey

from consilience.base.errors import ConsilienceError, InputError
from consilience.data.formula import design_matrix
from consilience.models import fit, predict
from consilience.records import Effects, Fit, Inner, Intercept, Prediction, Spec
from several_effects import R, assink, obrien_fit, three_outcomes_fit

YEARS, PUBLISHED = [-8.0, -1.5, 3.0, 5.2], [0.0, 1.0, 1.0, 0.0]
KINDS = ["general", "overt", "covert", "general"]
THEIRS = ("pred", "se", "ci.lb", "ci.ub", "pi.lb", "pi.ub")
OURS = ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high")


def agrees(found: Prediction, theirs: dict, *, names: int = 6) -> None:
    for ours, name in zip(OURS[:names], THEIRS[:names], strict=True):
        np.testing.assert_allclose(getattr(found, ours), theirs[name], rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(
    ("key", "formula", "test", "new"),
    [
        ("bs", "bs(year, df=4)", "z", {"year": YEARS}),
        ("poly", "poly(year, 2) + pubstatus", "z", {"year": YEARS, "pubstatus": PUBLISHED}),
        ("ns", "cr(year, knots=[-6.5, 3.5], constraints='center')", "t", {"year": [*YEARS, 9.0]}),
        ("centred", "center(year) * pubstatus", "z", {"year": YEARS, "pubstatus": PUBLISHED}),
        ("robust", "deltype", "CR2", {"deltype": KINDS}),
    ],
)
def test_three_levels_with_a_formula(key: str, formula: str, test: str, new: dict) -> None:
    ours, theirs = assink(formula, test=test), R["predictions"][key]
    for table in (new, pd.DataFrame(new)):
        found = predict(ours, table)
        agrees(found, theirs)
    if test == "CR2":
        np.testing.assert_allclose(found.df, theirs["ddf"], rtol=1e-6)


def un(formula: str, test: str = "z") -> Fit:
    job = berkey()
    effects = job.effects
    year = np.repeat([1983.0, 1982.0, 1979.0, 1987.0, 1988.0], 2)
    columns = {**effects.columns, "year": year}
    spec = Spec((Inner("outcome", "study", "UN"),), "REML", test)
    return fit(effects, spec, design=design_matrix(formula, columns))


def test_each_outcome_has_its_own_prediction_interval() -> None:
    found = predict(un("0 + outcome"), {"outcome": ["PD", "AL"]})
    of = un("0 + outcome").components.variance
    np.testing.assert_allclose(found.variance, of[::-1])
    assert "averaged" not in found.pi_method
    by_rows = predict(un("0 + outcome"), [[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(by_rows.pi_low, found.pi_low)


def test_a_common_mean_predicts_by_outcome_as_r_does() -> None:
    ours = un("1")
    found = predict(ours, {"outcome": ["AL", "PD"]})
    agrees(found, R["predictions"]["un0"])
    whole = predict(ours)
    assert "averaged over the effects" in whole.pi_method
    assert whole.variance == pytest.approx(ours.components.total)


def test_slopes_vary_with_the_moderator() -> None:
    found, theirs = predict(obrien_fit(), {"bmi": [-8.0, 0.0, 6.0]}), R["obrien"]
    np.testing.assert_allclose(found.estimate, theirs["pred"], rtol=1e-5)
    np.testing.assert_allclose(found.se, theirs["se"], rtol=5e-5)  # R stops 3e-8 below the highest likelihood
    np.testing.assert_allclose(found.variance, theirs["hetvar"], rtol=1e-4)
    rows = predict(obrien_fit(), [[1.0, -8.0], [1.0, 0.0], [1.0, 6.0]])
    np.testing.assert_allclose(rows.variance, found.variance)


def test_a_new_study_leaves_out_what_differs_within_studies() -> None:
    ours = assink("deltype")
    study, row = ours.components.variance
    one, both = (predict(ours, {"deltype": "overt"}, of=kind) for kind in ("study", "effect"))
    assert one.variance == pytest.approx(study)
    assert both.variance == pytest.approx(study + row)
    assert one.pi_high < both.pi_high
    assert "mean of the effects of a new study" in one.pi_method
    three = three_outcomes_fit()
    np.testing.assert_allclose(predict(three, of="study").variance, predict(three).variance)


def test_prediction_intervals_of_new_effects_and_new_studies_cover() -> None:
    """Many large studies, so that the variances are known well: simulated new ones fall inside as often as said."""
    rng = np.random.default_rng(3)
    studies, each = 400, 5
    study = np.repeat([f"s{i}" for i in range(studies)], each).astype(object)
    u = np.repeat(rng.normal(0, 0.3, studies), each)
    y = 0.2 + u + rng.normal(0, 0.2, studies * each) + rng.normal(0, 0.1, studies * each)
    ours = fit(
        Effects(y, np.full(len(y), 0.01), study),
        Spec((Intercept(("study",)), Intercept(("row",))), "REML", "z"),
    )
    new_mean = 0.2 + rng.normal(0, 0.3, 100_000)
    new_effect = new_mean + rng.normal(0, 0.2, 100_000)
    for of, draws in (("study", new_mean), ("effect", new_effect)):
        found = predict(ours, of=of)
        inside = np.mean((draws > found.pi_low[0]) & (draws < found.pi_high[0]))
        assert inside == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ({"outcome": ["XX"]}, "formula-unknown-level"),
        ({"outcom": ["AL"]}, "formula-unknown-column"),
        ({}, "shape"),
    ],
)
def test_values_that_cannot_be_predicted_for(new: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        predict(un("0 + outcome"), new)
    assert caught.value.code == code


def test_a_level_of_the_random_term_is_checked() -> None:
    with pytest.raises(InputError, match='Did you mean "AL"') as caught:
        predict(un("1"), {"outcome": ["Al"]})
    assert caught.value.code == "unknown-level"
    with pytest.raises(InputError, match='needs values of "outcome"'):
        predict(un("year"), {"year": 1984.0})
    with pytest.raises(ConsilienceError, match="effect"):
        predict(un("1"), of="person")
    with pytest.raises(InputError) as caught:
        predict(assink("C(pubstatus)"), {"pubstatus": 2.0})
    assert caught.value.code == "formula-unknown-level"
