"""Influence against literal refits with whole matrices, its invariances, its flags and what cannot be left out."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.base.linalg import group_codes
from consilience.diagnostics import hat_matrix, influence
from consilience.diagnostics.deletion.pieces import pieces_of
from consilience.likelihood.batch import ESTIMATORS
from consilience.models import fit, study_averages
from consilience.records import Design, Effects, Fit, Influence, Inner, Intercept, Known, Scale, Slopes, Spec
from influence_brute import NESTED, Brute, brute_influence, several, single


def assert_same(found: Influence, brute: Brute, *, rtol: float = 1e-9, atol: float = 1e-10) -> None:
    for field in fields(brute):
        ours = getattr(found, field.name)
        np.testing.assert_allclose(ours, getattr(brute, field.name), rtol, atol, err_msg=field.name)


def codes(effects: Effects, by: str) -> np.ndarray:
    return np.arange(effects.k) if by == "effect" else group_codes(effects[by].tolist())[0]


@pytest.mark.parametrize("method", [m for m in ESTIMATORS if not m.startswith("GENQ")])
def test_every_estimator_against_refits(method: str):
    effects, design = single()
    spec = Spec(() if method == "EE" else (Intercept(("row",)),), method, "z")
    ours = fit(effects, spec, design=design)
    assert_same(influence(ours), brute_influence(ours, codes(effects, "effect")))


@pytest.mark.parametrize("test", ["z", "t", "knapp-hartung", "knapp-hartung-floor"])
@pytest.mark.parametrize("weights", ["", "w", "equal"])
@pytest.mark.parametrize("moderator", [False, True])
def test_tests_and_weights_against_refits(test: str, weights: str, moderator: bool):
    effects, design = single(3)
    spec = Spec((Intercept(("row",)),), "REML", test, weights=weights)
    ours = fit(effects, spec, design=design if moderator else None)
    assert_same(influence(ours), brute_influence(ours, codes(effects, "effect")))
    assert_same(influence(ours, by="kind"), brute_influence(ours, codes(effects, "kind")))


@pytest.mark.parametrize("method", ["GENQ", "GENQM"])
def test_weights_of_generalised_q(method: str):
    effects, _ = single(4)
    ours = fit(effects, Spec((Intercept(("row",)),), method, "z", weights="w"))
    assert_same(influence(ours), brute_influence(ours, codes(effects, "effect")))


@pytest.mark.parametrize("weights", ["", "w"])
@pytest.mark.parametrize("test", ["z", "knapp-hartung"])
def test_held_variances_against_refits(weights: str, test: str):
    effects, design = single(5)
    ours = fit(effects, Spec((Intercept(("row",)),), "DL", test, weights=weights), design=design)
    found = influence(ours, by="kind", reestimate=False)
    assert_same(found, brute_influence(ours, codes(effects, "kind"), hold=True))
    assert not found.reestimated


@pytest.mark.parametrize("by", ["study", "effect", "year"])
@pytest.mark.parametrize("hold", [False, True])
def test_nested_models_against_refits(by: str, hold: bool):
    effects, design = several()
    ours = fit(effects, NESTED, design=design)
    found = influence(ours, by=by, reestimate=not hold)
    # the search ends where the score is zero within its tolerance: brute force takes the same optimum again
    assert_same(found, brute_influence(ours, codes(effects, by), hold=hold), rtol=1e-7, atol=1e-8)


def test_structured_terms_against_refits():
    effects, _ = several(7, 10)
    spec = Spec((Inner("outcome", "study", "DIAG"),), "REML", "z")
    ours = fit(effects, spec)
    assert_same(influence(ours), brute_influence(ours, codes(effects, "study")), rtol=1e-6, atol=1e-7)


def test_deletion_by_study_is_a_fit_of_the_others():
    effects, design = several(11)
    ours = fit(effects, Spec.che(), design=design)
    found = influence(ours)
    for j, study in enumerate(found.label):
        keep = effects.study != study
        rest = fit(effects.take(keep), ours.spec, design=replace(design, matrix=design.matrix[keep]))
        mine = effects.y[~keep] - found.residual[~keep]
        np.testing.assert_allclose(
            mine, design.matrix[~keep] @ rest.coefficients.estimate, rtol=1e-7, atol=1e-9
        )
        assert found.tau2[j] == pytest.approx(rest.components.total, rel=1e-7, abs=1e-10)
        assert found.q[j] == pytest.approx(rest.heterogeneity.q, rel=1e-9)


def test_robust_covariance_is_replaced_and_said():
    effects, design = several()
    robust, plain = fit(effects, Spec.che(), design=design), fit(effects, NESTED, design=design)
    found = influence(robust)
    assert [note.code for note in found.notes] == ["model-covariance"]
    np.testing.assert_allclose(found.cook, influence(plain).cook, rtol=1e-9)


@pytest.mark.parametrize(
    "terms",
    [
        (Slopes(("x",), "study"),),
        (Known("study", np.eye(9) * 0.6 + 0.4, tuple(f"S{j}" for j in range(9))),),
        (Inner("outcome", "study", "UN"),),
    ],
)
def test_held_deletion_for_any_term(terms: tuple):
    """The closed form against the plain formulas with the fit's own covariance matrix."""
    effects, design = several(5, 9)
    ours = fit(effects, Spec(terms, "REML", "z"), design=design)
    found = influence(ours, reestimate=False)
    h, x = hat_matrix(ours), design.matrix
    np.testing.assert_allclose(np.trace(h), 2)
    np.testing.assert_allclose(h @ h, h, atol=1e-9)
    np.testing.assert_allclose(h @ effects.y, x @ ours.coefficients.estimate)
    for j, study in enumerate(found.label):
        rows = effects.study == study
        # leaving out = one dummy for each effect, at the fit's own covariance
        dummies = np.column_stack([x, np.eye(effects.k)[:, rows]])
        white = _white(ours)
        b = np.linalg.lstsq(white @ dummies, white @ effects.y, rcond=None)[0][:2]
        np.testing.assert_allclose(effects.y[rows] - x[rows] @ b, found.residual[rows], rtol=1e-7, atol=1e-9)
        assert found.reason[j] == ""


def _white(ours: Fit) -> np.ndarray:
    """C^-1 with C C' = M, from the hat matrix's own pieces."""
    m = pieces_of(ours).m.part(np.arange(ours.effects.k))
    return np.linalg.inv(np.linalg.cholesky(m))


def test_location_scale_against_refits():
    effects, design = single(8, 20)
    scale = Scale(np.column_stack([np.ones(20), effects["x"]]), ("intercept", "x"))
    spec = Spec((Intercept(("row",)),), "REML", "z", scale=scale)
    ours = fit(effects, spec, design=design)
    found = influence(ours)
    j = 4
    keep = np.arange(20) != j
    rest = fit(
        effects.take(keep),
        replace(spec, scale=replace(scale, matrix=scale.matrix[keep])),
        design=replace(design, matrix=design.matrix[keep]),
    )
    x = design.matrix[j]
    own = effects.v[j] + np.exp(scale.matrix[j] @ rest.scale.estimate) + x @ rest.coefficients.covariance @ x
    assert found.residual[j] == pytest.approx(effects.y[j] - x @ rest.coefficients.estimate)
    assert found.residual_se[j] == pytest.approx(np.sqrt(own))
    assert np.isfinite(influence(ours, reestimate=False).cook).all()


BCG = (
    (-0.88931133, 0.32558476, 44), (-1.58538866, 0.19458112, 55), (-1.34807315, 0.41536797, 42),
    (-1.44155119, 0.02001003, 52), (-0.21754732, 0.05121017, 13), (-0.78611559, 0.00690562, 44),
    (-1.62089822, 0.22301725, 19), (0.01195233, 0.00396158, 13), (-0.46941765, 0.05643421, 27),
    (-1.37134480, 0.07302479, 42), (-0.33935883, 0.01241221, 18), (0.44591340, 0.53250585, 33),
    (-0.01731395, 0.07140466, 33),
)  # fmt: skip
SUMS_OF_R = {  # metafor 3.8: sums of sizes of influence(rma(yi, vi, mods = ~ablat, weights = 1:13, test = ...))
    "z": (12.21781100724, 5.66644408960, 5.22826358123, 17.22150607417, 1.07750226713, 3.74803998338, 4.18908077501),
    "knapp-hartung": (
        11.02364520015, 5.14942305849, 4.02421097063, 16.72181212259, 1.07750226713, 3.46680740470, 3.80536835800,
    ),
}  # fmt: skip


@pytest.mark.parametrize("test", SUMS_OF_R)
def test_weights_of_their_own_as_in_r(test: str):
    """The reference file has no weights; these figures were computed by R on the trials of BCG vaccine."""
    y, v, latitude = np.array(BCG).T
    labels = np.arange(13).astype(str).astype(object)
    effects = Effects(y, v, labels, columns={"w": np.arange(1.0, 14.0)})
    design = Design(np.column_stack([np.ones(13), latitude]), ("intercept", "latitude"))
    found = influence(fit(effects, Spec((Intercept(("row",)),), "REML", test, weights="w"), design=design))
    ours = [np.abs(getattr(found, n)).sum() for n in ("studentised", "dffits", "cook", "covratio", "tau2")]
    np.testing.assert_allclose([*ours, *np.abs(found.dfbetas).sum(axis=0)], SUMS_OF_R[test], rtol=2e-6)


def test_flags_follow_the_rules_and_a_planted_study_is_found():
    effects, design = single(9, 20)
    y = effects.y.copy()
    y[6] += 4
    ours = fit(replace(effects, y=y), Spec.random_effects(test="z"), design=design)
    found = influence(ours)
    n, p = 20, 2
    assert found.outlier[6]
    assert found.influential[6]
    np.testing.assert_array_equal(found.outlier, np.abs(found.studentised) > 1.959963984540054)
    rule = (
        (np.abs(found.dffits) > 3 * np.sqrt(p / (n - p)))
        | (found.cook > -2 * np.log(0.5))  # the median of chi-squared with two degrees of freedom
        | (found.hat > 3 * p / n)
        | (np.abs(found.dfbetas) > 1).any(axis=1)
    )
    np.testing.assert_array_equal(found.influential, rule)
    assert "Viechtbauer" in found.rules[1]
    assert "20" in found.rules[0]


def test_outliers_are_as_frequent_as_stated():
    """Deleted residuals of normal data: 5% beyond, within Monte-Carlo error."""
    rng = np.random.default_rng(12)
    flagged = 0
    for _ in range(40):
        v = rng.uniform(0.05, 0.2, 40)
        effects = Effects(rng.normal(0, np.sqrt(v + 0.05)), v, np.arange(40).astype(str).astype(object))
        flagged += influence(fit(effects, Spec.random_effects(test="z"))).outlier.sum()
    assert 0.04 < flagged / 1600 < 0.075


def test_as_many_effects_as_coefficients_left_has_a_reason():
    effects, design = single(1, 3)
    ours = fit(effects, Spec.random_effects(test="z"), design=design)  # k = p + 1
    found = influence(ours)
    assert all("variance cannot be estimated" in why for why in found.reason)
    assert not found.outlier.any()
    assert [note.code for note in found.notes] == ["not-deletable"]
    equal = influence(
        fit(effects, Spec.equal_effects(), design=design)
    )  # nothing to estimate, so it has an answer
    assert equal.reason == ("", "", "")
    assert np.isfinite(equal.studentised).all()


def test_a_study_that_carries_a_coefficient_has_a_reason():
    effects, _ = single(1, 8)
    x = np.column_stack([np.ones(8), np.arange(8) == 2]).astype(float)
    ours = fit(effects, Spec.random_effects(), design=Design(x, ("intercept", "only")))
    for reestimate in (True, False):
        found = influence(ours, reestimate=reestimate)
        assert [bool(r) for r in found.reason] == [j == 2 for j in range(8)]
        assert np.isnan(found.cook[2])
        assert not found.influential[2] or found.hat[2] > found.limits["hat"]
        assert np.isfinite(np.delete(found.studentised, 2)).all()


def test_a_study_that_carries_an_outcome_has_a_reason():
    effects, _ = several(3, 8, blocks=False)
    outcome = np.where(effects.study == "S1", "rare", "usual").astype(object)
    effects = replace(effects, columns={**effects.columns, "outcome": outcome})
    ours = fit(effects, Spec((Inner("outcome", "study", "DIAG"),), "REML", "z"))
    found = influence(ours)
    assert "rare" in found.reason[1]
    assert sum(map(bool, found.reason)) == 1


def test_one_study_only():
    effects, _ = single(1, 1)
    found = influence(fit(effects, Spec.equal_effects()))
    assert "0 of its effects" in found.reason[0]


def test_refusals_name_what_is_wrong():
    effects, design = several()
    ours = fit(effects, NESTED, design=design)
    with pytest.raises(InputError, match="outcome") as unknown:
        influence(ours, by="nothing")
    assert unknown.value.code == "unknown-column"
    with pytest.raises(InputError) as working:
        influence(fit(effects, Spec.correlated()))
    assert working.value.code == "working-model"


def _values(found: Influence) -> dict[str, np.ndarray]:
    names = ("hat", "weight", "chi2", "cook", "covratio", "dffits", "dfbetas", "q")
    return {name: getattr(found, name) for name in names}


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shift=st.floats(-50, 50),
    power=st.integers(-8, 8),
    sign=st.sampled_from((-1, 1)),
)
def test_invariant_to_order_shift_scale_and_sign(seed: int, shift: float, power: int, sign: int):
    effects, design = single(seed, 9)
    spec = Spec.random_effects(test="z")
    base = influence(fit(effects, spec, design=design))
    unit = sign * 2.0**power
    rng = np.random.default_rng(seed)
    order = rng.permutation(9)
    moved = replace(effects, y=unit * effects.y + shift, v=unit**2 * effects.v)
    moved = Effects(moved.y[order], moved.v[order], effects.study[order])
    found = influence(fit(moved, spec, design=replace(design, matrix=design.matrix[order])))
    assert found.label == tuple(base.label[i] for i in order)
    np.testing.assert_allclose(found.tau2, unit**2 * base.tau2[order], rtol=1e-7, atol=1e-9 * unit**2)
    for name, value in _values(base).items():
        expected = value[order] * (sign if name in ("dffits", "dfbetas") else 1)
        if name == "dfbetas":  # a shift moves the intercept, not its change in standard errors
            expected = value[order] * sign
        np.testing.assert_allclose(_values(found)[name], expected, rtol=1e-6, atol=1e-7, err_msg=name)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000))
def test_invariant_to_labels_and_coding(seed: int):
    effects, design = several(seed, 7)
    base = influence(fit(effects, NESTED, design=design), reestimate=False)
    other = replace(effects, study=np.array([f"other {s}" for s in effects.study], dtype=object))
    turned = design.matrix @ np.array([[1.0, 0.5], [0.0, 2.0]])
    ours = fit(effects, NESTED, design=design)
    again = fit(other, NESTED, design=replace(design, matrix=turned))
    same = replace(again, components=ours.components)  # the same optimum to the last digit
    found = influence(same, reestimate=False)
    for name in ("hat", "weight", "chi2", "cook", "covratio", "dffits", "q"):
        np.testing.assert_allclose(getattr(found, name), getattr(base, name), rtol=1e-6, atol=1e-9)


def test_inputs_are_not_changed():
    effects, design = several()
    ours = fit(effects, NESTED, design=design)
    before = (effects.y.copy(), effects.v.copy(), design.matrix.copy(), ours.coefficients.estimate.copy())
    influence(ours)
    influence(ours, reestimate=False)
    after = (effects.y, effects.v, design.matrix, ours.coefficients.estimate)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_in_a_pooled_mean_are_its_parts_by_effect_and_by_study():
    effects, _ = several()
    found = fit(effects, replace(NESTED, test="z"))
    by_effect = influence(found, by="effect")
    assert by_effect.weight @ effects.y / 100 == pytest.approx(found.coefficients.estimate[0], rel=1e-10)
    shares = study_averages(found)
    by_study = influence(found, by="study")
    weight = dict(zip(by_study.label, by_study.weight, strict=True))
    for study, value in zip(shares.study, shares.weight, strict=True):
        assert weight[study] == pytest.approx(value, rel=1e-9)
