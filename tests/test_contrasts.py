"""Linear hypotheses by rows and by name. Figures: metafor 3.8.1 (anova with X, rhs and btt) and clubSandwich 0.5.8, R 4.2.2.

BCG trials as log risk ratios on latitude and random allocation, REML run to convergence.
"""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience import Design, Fit, Intercept, Scale, Spec
from consilience.base.errors import InputError, OptionError
from engine_reference import random_effects_data
from published_data import dataset, plain

ROWS = np.array([[0.0, 1.0, 0.0], [1.0, 20.0, 0.5]])
NAMED = ["latitude", {"intercept": 1, "latitude": 20, "random": 0.5}]
# test -> se, statistics and p of the two rows; joint statistic and p; test of both moderators; rows against (-0.03, -0.5)
R = {
    "z": (
        [0.00810497371811, 0.15145171697972],
        [-3.44207666130, -2.35215865116],
        [0.000577266629675, 0.018664812159537],
        (44.6873337402, 1.97819351060e-10),
        (14.10767899872298, 0.00086408492656),
        ([0.259354218481, 0.949223531696], 2.075038382318, 0.354332624012),
    ),
    "t": (
        [0.00810497371811, 0.15145171697972],
        [-3.44207666130, -2.35215865116],
        [0.00630940916166, 0.04049128333402],
        (22.3436668701, 2.04440177734e-04),
        (7.0538394993615, 0.0122806965321),
        ([0.259354218481, 0.949223531696], 1.037519191159, 0.389544790274),
    ),
    "knapp-hartung": (
        [0.00862918815981, 0.16124732891164],
        [-3.2329739900, -2.2092673952],
        [0.00897561005001, 0.05162468781287],
        (19.7114145512, 3.39126704729e-04),
        (6.2228440550074, 0.0175523544409),
        ([0.243598712363, 0.891559163450], 0.915291612638, 0.431488499341),
    ),
}


def bcg(spec: Spec) -> Fit:
    t = dataset("rma_uni", "bcg_RR")
    x = np.column_stack([np.ones(13), t["x"], ["random" in g for g in t["g"]]]).astype(float)
    terms = {"intercept": (0,), "where and how": (1, 2)}
    return consilience.fit(
        plain(t["yi"], t["vi"]), spec, design=Design(x, ("intercept", "latitude", "random"), terms=terms)
    )


@pytest.mark.parametrize("test", R)
@pytest.mark.parametrize("hypothesis", [ROWS, NAMED], ids=["rows", "names"])
def test_single_rows_and_several_rows(test, hypothesis) -> None:
    found = bcg(Spec.random_effects(test=test))
    se, statistics, p, joint, both, against = R[test]
    c = consilience.contrasts(found, hypothesis)
    np.testing.assert_allclose(c.estimate, [-0.02789794, -0.35623847], rtol=1e-6)
    for ours, theirs in ((c.se, se), (c.statistic, statistics), (c.p_value, p)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert c.names == ("latitude", "intercept + 20 latitude + 0.5 random")
    together = consilience.wald_test(found, hypothesis)
    assert (together.statistic, together.p_value) == pytest.approx(joint, rel=1e-6)
    for given in ("where and how", ["latitude", "random"], np.eye(3)[1:]):
        moderators = consilience.wald_test(found, given)
        assert (moderators.statistic, moderators.p_value) == pytest.approx(both, rel=1e-6)
    moved = consilience.contrasts(found, hypothesis, value=np.array([-0.03, -0.5]))
    np.testing.assert_allclose(moved.statistic, against[0], rtol=1e-6)
    shifted = consilience.wald_test(found, hypothesis, value=np.array([-0.03, -0.5]))
    assert (shifted.statistic, shifted.p_value) == pytest.approx(against[1:], rel=1e-6)


def test_robust_rows() -> None:
    """Wald_test (CR2, HTZ) of both rows and of each: F, denominator df and p."""
    theirs = (
        (NAMED, (35.05347823257881, 4.35697395700861, 0.00206274827119)),
        (NAMED[:1], (13.6292579193721, 5.2308933418041, 0.0130238855368)),
        (NAMED[1:], (4.128911137683, 3.439062073620, 0.123347454311)),
    )
    robust, based = bcg(Spec.random_effects(test="CR2")), bcg(Spec.random_effects())
    for hypothesis, expected in theirs:
        for found, method in ((robust, None), (based, "HTZ")):
            test = consilience.wald_test(found, hypothesis, method=method)
            assert (test.statistic, test.df2, test.p_value) == pytest.approx(expected, rel=1e-6)
    c = consilience.contrasts(robust, NAMED)
    np.testing.assert_allclose(c.statistic**2, [theirs[1][1][0], theirs[2][1][0]], rtol=1e-6)
    np.testing.assert_allclose(c.df, [theirs[1][1][1], theirs[2][1][1]], rtol=1e-6)


def test_the_test_is_that_of_the_fit_unless_another_is_asked_for() -> None:
    """A Knapp-Hartung fit is not tested by sandwich errors behind the user's back."""
    based = bcg(Spec.random_effects())
    assert consilience.wald_test(based, "latitude").df2 == 10
    assert consilience.wald_test(based, "latitude", method="HTZ").df2 < 10
    nested = (Intercept(("study",)), Intercept(("study", "row")))
    effects = random_effects_data(3)
    x = np.column_stack([np.ones(effects.k), effects["x"]])
    found = consilience.fit(
        effects, Spec(nested, "REML", "t-containment"), design=Design(x, ("intercept", "x"))
    )
    for j, name in enumerate(("intercept", "x")):
        single = consilience.wald_test(found, name)
        assert single.df2 == found.coefficients.df[j]
        assert single.p_value == pytest.approx(float(found.coefficients.p_value[j]), rel=1e-9)
    assert consilience.wald_test(found, ["intercept", "x"]).df2 == found.coefficients.df.min()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("latitud", OptionError, 'Did you mean "latitude"'),
        ({"latitude": 1, "randon": -1}, OptionError, 'Did you mean "random"'),
        (["latitude", {"latitude": 2}], InputError, "not linearly independent"),
        (np.eye(2), InputError, "shape"),
        (np.array([[0.0, np.nan, 1.0]]), InputError, "finite"),
        ({"latitude": 0.0}, InputError, "not all zero"),
        ([], InputError, "shape"),
    ],
)
def test_what_is_no_hypothesis_is_refused(given, error, message: str) -> None:
    with pytest.raises(error, match=message):
        consilience.wald_test(bcg(Spec.random_effects()), given)
    with pytest.raises(InputError, match="no coefficients of the variance"):
        consilience.contrasts(bcg(Spec.random_effects()), "latitude", part="scale")
    with pytest.raises(InputError, match="2 finite values"):
        consilience.wald_test(bcg(Spec.random_effects()), NAMED, value=np.ones(3))


def test_print_shows_what_was_tested() -> None:
    found = bcg(Spec.random_effects(test="z"))
    text = str(found)
    assert "omnibus: latitude, random(2) = 14.108" in text
    assert f"R\u00b2 = {found.heterogeneity.r2:.1f}%" in text
    assert "omnibus" not in str(consilience.fit(found.effects, Spec.random_effects()))
    assert "intercept + 20 latitude + 0.5 random" in str(consilience.contrasts(found, NAMED))
    intervals = str(consilience.heterogeneity_intervals(found))
    assert intervals.startswith("Heterogeneity (Q-profile)")
    counts = [np.array(c) for c in ([7, 3, 12], [83, 52, 118], [15, 4, 9], [85, 36, 51])]
    assert "Breslow-Day(2) = 0.077" in str(consilience.mantel_haenszel(counts))
    scale = Scale(found.design.matrix[:, :2], ("intercept", "latitude"))
    spread = consilience.fit(found.effects, Spec((Intercept(("row",)),), "REML", "z", scale=scale))
    assert "Coefficients of the variance (observed information)" in str(spread)


def test_weights_of_the_studies_by_name() -> None:
    found = bcg(Spec.random_effects("DL", "z"))
    equal = consilience.fit(found.effects, Spec.random_effects("DL", "z", weights="equal"))
    assert equal.coefficients.estimate[0] == pytest.approx(found.effects.y.mean(), rel=1e-12)
    np.testing.assert_allclose(consilience.study_weights(equal), 100 / 13, rtol=1e-12)
