"""Predictions at new moderator values: the formula's knots, centres and levels, what is new, whose variance.

R's numbers: published/predictions_r.json (metafor's predict). The rest by definition.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.data.formula import design_matrix, new_rows
from consilience.inference import wald_test
from consilience.models import fit, predict
from consilience.records import Effects, Inner, Intercept, Scale, Slopes, Spec
from published_data import dataset, effects_of, matrix_of, one_each

R = json.loads((Path(__file__).parent / "published" / "predictions_r.json").read_text(encoding="utf-8"))[
    "cases"
]
NAMES = {
    "pred": "estimate",
    "se": "se",
    "ci.lb": "ci_low",
    "ci.ub": "ci_high",
    "pi.lb": "pi_low",
    "pi.ub": "pi_high",
}


def same_as_r(case: str, prediction, *, rel: float = 1e-6) -> None:
    for theirs, ours in NAMES.items():
        expected = np.atleast_1d(R[case][theirs])
        np.testing.assert_allclose(getattr(prediction, ours), expected, rtol=rel, err_msg=theirs)


def bcg() -> Effects:
    t = dataset("glmm_mh_peto", "bcg")
    a, b, c, d = (t[name] for name in ("ai", "bi", "ci", "di"))
    y, v = np.log(a / (a + b) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    columns = {
        "ablat": t["ablat"],
        "year": np.linspace(1935.0, 1980.0, len(y)),
        "alloc": np.array(["random", "alternate", "systematic"] * 5, dtype=object)[: len(y)],
    }
    return Effects(y, v, np.array([f"s{i}" for i in range(len(y))], dtype=object), columns=columns)


@pytest.fixture(scope="module")
def berkey():
    effects = effects_of(dataset("rma_mv", "berkey"), "trial", matrix=matrix_of("rma_mv", "berkey.V"))
    return fit(
        effects,
        Spec((Inner("outcome", "trial", "UN"),), "REML", "z"),
        design=design_matrix("0 + outcome", effects.columns),
    )


@pytest.fixture(scope="module")
def calendars():
    effects = effects_of(dataset("rma_mv", "konst"), "district")
    spec = Spec((Intercept(("district",)), Intercept(("district", "school"))), "REML", "z")
    return fit(effects, spec, design=design_matrix("center(year)", effects.columns))


def test_each_outcome_with_its_own_variance(berkey):
    same_as_r("berkey", predict(berkey, {"outcome": ["AL", "PD"]}))
    own = predict(berkey)  # every row of this design is of one outcome; PD comes first
    assert own.pi_low[::-1] == pytest.approx(predict(berkey, {"outcome": ["AL", "PD"]}).pi_low)
    assert "averaged" not in own.pi_method
    plain = predict(berkey, np.array([[0.5, 0.5]]))
    assert "averaged" in plain.pi_method
    expected = 1.959963984540054 * np.hypot(plain.se, np.sqrt(berkey.components.total))
    assert plain.pi_high - plain.estimate == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="AL, PD") as caught:
        predict(berkey, {"outcome": "XX"})
    assert caught.value.code == "formula-unknown-level"


def test_three_levels_at_new_years(calendars):
    same_as_r("konst", predict(calendars, {"year": [1990, 1980]}))


def test_the_mean_of_a_new_study_leaves_out_what_varies_within(calendars):
    effect, study = (predict(calendars, {"year": 1990}, of=of) for of in ("effect", "study"))
    z = 1.959963984540054
    between = calendars.components["district"]
    assert study.pi_high - study.estimate == pytest.approx(
        z * np.hypot(study.se, np.sqrt(between)), rel=1e-12
    )
    assert effect.pi_high - effect.pi_low > study.pi_high - study.pi_low
    assert study.pi_method.startswith("mean of the effects of a new study")
    assert effect.pi_method.startswith("new effect in a new study")


def test_a_spline_keeps_its_knots():
    effects = bcg()
    design = design_matrix("bs(ablat, df=4)", effects.columns)
    found = fit(effects, Spec.random_effects(test="z"), design=design)
    same_as_r("bcg_spline", predict(found, {"ablat": [20, 40]}))


def test_the_scale_has_its_own_moderators():
    effects = bcg()
    design = design_matrix("ablat", effects.columns)
    spec = Spec((Intercept(("row",)),), "REML", "z", scale=Scale(design.matrix, design.names))
    found = fit(effects, spec, design=design)
    at = np.array([[1.0, 20.0], [1.0, 40.0]])
    same_as_r("bcg_scale", predict(found, {"ablat": [20, 40]}, z=at), rel=2e-5)  # R's optimiser stops there
    assert "averaged" in predict(found, {"ablat": [20, 40]}).pi_method
    with pytest.raises(InputError, match="intercept, ablat"):
        predict(found, {"ablat": [20, 40]}, z=at[:, :1])


def test_the_scale_of_a_formula_takes_its_values_from_the_same_columns():
    effects = bcg()
    design = design_matrix("ablat", effects.columns)
    scale = design_matrix("center(year) + alloc", effects.columns)
    spec = Spec((Intercept(("row",)),), "ML", "z", scale=Scale.of(scale))
    found = fit(effects, spec, design=design)
    new = {"ablat": [20, 40], "year": 1970.0, "alloc": ["random", "systematic"]}
    z = new_rows(scale, {"year": [1970.0] * 2, "alloc": new["alloc"]})
    given, asked = predict(found, {"ablat": [20, 40]}, z=z), predict(found, new)
    np.testing.assert_array_equal(asked.pi_low, given.pi_low)
    assert "averaged" not in asked.pi_method
    assert "averaged" in predict(found, {"ablat": [20, 40], "year": 1970.0}).pi_method
    alone = fit(effects, spec)  # a pooled mean whose variance follows the moderators
    at = predict(alone, {"year": 1970.0, "alloc": ["random", "systematic"]})
    np.testing.assert_allclose(at.variance, np.exp(z @ alone.scale.estimate))
    assert wald_test(found, "alloc", part="scale").df1 == 2


def test_random_slopes_give_each_value_its_variance():
    rng = np.random.default_rng(2)
    study = np.repeat(np.arange(20), 4)
    w = np.tile([0.0, 1.0, 2.0, 3.0], 20)
    u = rng.normal(0, [0.3, 0.4], (20, 2))[study]
    y = u[:, 0] + (0.2 + u[:, 1]) * w + rng.normal(0, 0.2, 80)
    effects = Effects(y, np.full(80, 0.04), study.astype(str).astype(object), columns={"w": w})
    found = fit(
        effects, Spec((Slopes(("w",), "study"),), "REML", "z"), design=design_matrix("w", effects.columns)
    )
    c, name = found.components, "w|study"
    covariance = c.correlations[f"{name}: intercept, w"] * np.sqrt(c[f"{name}: intercept"] * c[f"{name}: w"])
    expected = c[f"{name}: intercept"] + 2 * 2.5 * covariance + 2.5**2 * c[f"{name}: w"]
    at = predict(found, {"w": 2.5})
    half = 1.959963984540054 * np.sqrt(at.se**2 + expected)
    assert at.pi_high - at.estimate == pytest.approx(half, rel=1e-10)


def test_robust_degrees_of_freedom_of_the_predicted_mean(calendars):
    robust = fit(
        calendars.effects,
        Spec(calendars.spec.terms, "REML", "CR2", cluster="district"),
        design=calendars.design,
    )
    at = predict(robust, {"year": [1990, float(np.mean(calendars.effects["year"]))]})
    assert at.df[1] == pytest.approx(robust.coefficients.df[0], rel=1e-6)
    assert at.se[1] == pytest.approx(robust.coefficients.se[0], rel=1e-6)
    assert 1 < at.df[0] < 11


def test_by_hand_and_by_name_agree(berkey):
    by_hand = fit(berkey.effects, berkey.spec, design=one_each(berkey.effects["outcome"]))
    np.testing.assert_allclose(predict(by_hand).estimate, predict(berkey).estimate, rtol=1e-9)
