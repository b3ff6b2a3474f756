"""Tests of funnel-plot asymmetry against slow, obvious computations, and what they refuse."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import consilience
from consilience import asymmetry_test, fit
from consilience.base.errors import InputError, OptionError
from consilience.diagnostics.small_study import ASYMMETRY_TESTS, PREDICTORS, asymmetry_many
from consilience.diagnostics.small_study.binary import harbord_scores, hypergeometric_deviates
from consilience.diagnostics.small_study.rank import exact_p, kendall
from consilience.diagnostics.small_study.registry import DEPENDENT
from consilience.diagnostics.small_study.studies import Studies, studies_of
from consilience.records import Design, Effects, Spec
from consilience.review.questions import small_study_question
from review_effects import make_effects, make_plan


def binary_effects(k: int = 14, seed: int = 5) -> Effects:
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(20, 400, k).astype(float), rng.integers(20, 400, k).astype(float)
    a, c = rng.binomial(n1.astype(int), 0.2).astype(float), rng.binomial(n2.astype(int), 0.3).astype(float)
    b, d = n1 - a, n2 - c
    names = np.array([f"s{i}" for i in range(k)], dtype=object)
    columns = {"events1": a, "n1": n1, "events2": c, "n2": n2}
    return Effects(np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d, names, "OR", columns=columns)


def least_squares(y: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Slope and its t by ordinary least squares on rows times sqrt(w)."""
    design = np.column_stack([np.ones(len(y)), x]) * np.sqrt(w)[:, None]
    beta, rss, *_ = np.linalg.lstsq(design, y * np.sqrt(w), rcond=None)
    covariance = np.linalg.inv(design.T @ design) * rss[0] / (len(y) - 2)
    return float(beta[1]), float(beta[1] / np.sqrt(covariance[1, 1]))


def test_egger_is_the_regression_of_the_standard_normal_deviate_on_precision():
    """Egger et al. (1997) printed it the other way round: y/se on 1/se, where the intercept is tested."""
    e = binary_effects()
    se = np.sqrt(e.v)
    found = asymmetry_test(e, test="egger")
    line = stats.linregress(1 / se, e.y / se)
    assert found.estimate == pytest.approx(line.intercept, rel=1e-10)
    assert found.statistic == pytest.approx(line.intercept / line.intercept_stderr, rel=1e-10)
    assert found.limit.estimate == pytest.approx(line.slope, rel=1e-10)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.statistic), e.k - 2), rel=1e-10)


@pytest.mark.parametrize(
    "test", ["peters", "macaskill", "deeks", "harbord", "arcsine-egger", "macaskill-pooled"]
)
def test_regressions_for_tables_are_weighted_least_squares(test):
    e = binary_effects()
    a, n1, c, n2 = (e[name] for name in ("events1", "n1", "events2", "n2"))
    n, events = n1 + n2, a + c
    pooled = events * (n - events) / n
    size = 4 * n1 * n2 / n
    score = a - n1 * events / n
    information = n1 * n2 * events * (n - events) / (n**2 * (n - 1))
    arcsine = np.arcsin(np.sqrt(a / n1)) - np.arcsin(np.sqrt(c / n2))
    spread = 1 / (4 * n1) + 1 / (4 * n2)
    expected = {
        "peters": (e.y, 1 / n, pooled),
        "macaskill": (e.y, n, 1 / e.v),
        "macaskill-pooled": (e.y, n, pooled),
        "deeks": (e.y, size**-0.5, size),
        "harbord": (score / information, information**-0.5, information),
        "arcsine-egger": (arcsine, np.sqrt(spread), 1 / spread),
    }[test]
    slope, t = least_squares(*expected)
    found = asymmetry_test(e, test=test)
    assert found.estimate == pytest.approx(slope, rel=1e-9)
    assert found.statistic == pytest.approx(t, rel=1e-9)
    assert found.df == e.k - 2


def test_harbord_score_and_information_are_those_of_the_hypergeometric_likelihood():
    """With all margins fixed, a is hypergeometric at odds ratio one: its mean and variance give Z and V."""
    e = binary_effects()
    y, v = harbord_scores(studies_of(e))
    for i in range(e.k):
        n1, n2, events = (int(x) for x in (e["n1"][i], e["n2"][i], e["events1"][i] + e["events2"][i]))
        law = stats.hypergeom(n1 + n2, n1, events)
        assert y[0, i] * law.var() == pytest.approx(e["events1"][i] - law.mean(), abs=1e-9)
        assert v[0, i] == pytest.approx(1 / law.var(), rel=1e-10)


def test_schwarzer_uses_the_noncentral_hypergeometric_distribution():
    e = binary_effects()
    deviate, inverse = hypergeometric_deviates(studies_of(e))
    a, n1, c, n2 = (e[name] for name in ("events1", "n1", "events2", "n2"))
    n = n1 + n2
    odds = float((a * (n2 - c) / n).sum() / ((n1 - a) * c / n).sum())
    for i in range(e.k):
        law = stats.nchypergeom_fisher(int(n[i]), int(n1[i]), int(a[i] + c[i]), odds)
        assert inverse[0, i] == pytest.approx(1 / law.var(), rel=1e-7)
        assert deviate[0, i] == pytest.approx((a[i] - law.mean()) / law.std(), rel=1e-6)


def test_exact_rank_test_counts_all_permutations():
    ranks = np.arange(6)
    every = [
        sum(np.sign(p[j] - p[i]) for i, j in itertools.combinations(ranks, 2))
        for p in itertools.permutations(ranks)
    ]
    for s in sorted(set(every)):
        low, high = np.mean(np.array(every) <= s), np.mean(np.array(every) >= s)
        assert exact_p(int(s), 6) == pytest.approx(min(1.0, 2 * min(low, high)), rel=1e-12)


def test_variance_of_kendalls_s_with_ties_is_that_of_all_permutations():
    x, y = np.array([1.0, 1, 2, 3, 3, 3]), np.array([1.0, 2, 2, 4, 5, 5])
    every = [np.array(p) for p in itertools.permutations(y)]
    found = kendall(np.tile(x, (len(every), 1)), np.array(every))
    assert found.s.mean() == pytest.approx(0.0, abs=1e-12)
    assert np.sqrt(np.mean(found.s**2)) == pytest.approx(found.se[0], rel=1e-12)
    assert found.tau[0] == pytest.approx(stats.kendalltau(x, every[0]).statistic, rel=1e-12)
    assert found.tied.all()


def test_missing_studies_of_a_batch_do_not_count():
    e = binary_effects(20)
    some = studies_of(e.take(np.arange(12)))
    both = studies_of(e)
    hidden = replace(both, v=np.where(np.arange(20) < 12, both.v, np.inf))
    for test, rule in ASYMMETRY_TESTS.items():
        if rule.model not in DEPENDENT:
            one, other = asymmetry_many(some, test), asymmetry_many(hidden, test)
            np.testing.assert_allclose(one.statistic, other.statistic, rtol=1e-10)
            np.testing.assert_allclose(one.p_value, other.p_value, rtol=1e-10)


def test_every_test_of_one_effect_per_study_does_not_depend_on_order_and_turns_with_the_sign():
    e = binary_effects(16)
    order = np.random.default_rng(0).permutation(16)
    shuffled = Effects(
        e.y[order], e.v[order], e.study[order], "OR", columns={k: c[order] for k, c in e.columns.items()}
    )
    swapped = {"events1": e["events2"], "n1": e["n2"], "events2": e["events1"], "n2": e["n1"]}
    turned = replace(e, y=-e.y, columns=swapped)
    for test, rule in ASYMMETRY_TESTS.items():
        if rule.model in DEPENDENT:
            continue
        found = asymmetry_test(e, test=test)
        assert asymmetry_test(shuffled, test=test).statistic == pytest.approx(found.statistic, rel=1e-8), test
        assert asymmetry_test(turned, test=test).statistic == pytest.approx(-found.statistic, rel=1e-8), test


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_mixed_effects_regression_is_the_fit_with_the_predictor_as_moderator(predictor):
    e = binary_effects()
    n1, n2 = e["n1"], e["n2"]
    n, se = n1 + n2, np.sqrt(e.v)
    x = {
        "se": se,
        "variance": e.v,
        "n": n,
        "1/n": 1 / n,
        "sqrt-n": np.sqrt(n),
        "1/sqrt-n": 1 / np.sqrt(n),
        "arms": np.sqrt(1 / n1 + 1 / n2),
    }[predictor]
    spec = Spec.random_effects("DL", "knapp-hartung")
    direct = fit(e, spec, design=Design(np.column_stack([np.ones(e.k), x]), ("a", "b"))).coefficients
    found = asymmetry_test(fit(e, spec), predictor=predictor)
    assert found.statistic == pytest.approx(direct.statistic[1], rel=1e-9)
    assert found.df == e.k - 2
    assert (found.limit is None) == (predictor in ("n", "sqrt-n"))
    if found.limit is not None:
        assert found.limit.high == pytest.approx(direct.ci_high[0], rel=1e-9)
    by_name = asymmetry_test(
        e, test="egger-mixed", method="DL", reference="knapp-hartung", predictor=predictor
    )
    assert by_name.statistic == pytest.approx(found.statistic, rel=1e-9)


def test_moderators_of_a_fit_stay_in_the_test():
    e = binary_effects(20)
    year = np.arange(20.0)
    spec = Spec.random_effects("REML", "z")
    model = fit(
        e, spec, design=Design(np.column_stack([np.ones(20), year]), ("intercept", "year"), "1 + year")
    )
    full = np.column_stack([np.ones(20), year, np.sqrt(e.v)])
    direct = fit(e, spec, design=Design(full, ("intercept", "year", "se"))).coefficients
    found = asymmetry_test(model)
    assert found.statistic == pytest.approx(direct.statistic[2], rel=1e-10)
    assert found.limit is None


@pytest.mark.parametrize("n", [10, 25])
def test_arm_sizes_in_the_che_model_give_the_numbers_of_the_review(n):
    effects = make_effects(n, seed=4)
    estimate = small_study_question(effects, make_plan(), Spec.che()).estimates[0]
    for data in (effects, fit(effects, Spec.che())):
        found = asymmetry_test(data, test="pustejovsky-rodgers-che", force=True)
        assert found.estimate == pytest.approx(estimate.estimate, rel=1e-10)
        assert found.se == pytest.approx(estimate.se, rel=1e-10)
        assert found.df == pytest.approx(estimate.df, rel=1e-8)
        assert found.p_value == pytest.approx(estimate.p_value, rel=1e-8)
        assert found.ci_high == pytest.approx(estimate.ci_high, rel=1e-8)
        assert (found.k, found.n_studies) == (3 * n, n)


def test_automatic_choice_follows_the_data():
    independent, dependent = binary_effects(), make_effects(15)
    assert asymmetry_test(independent).test == "egger"
    assert asymmetry_test(fit(independent, Spec.random_effects())).test == "egger-mixed"
    assert asymmetry_test(dependent, force=True).test == "egger-che"
    model = fit(dependent, Spec.correlated())
    found = asymmetry_test(model, force=True)
    assert "CORR" in found.model
    assert found.statistic == pytest.approx(
        asymmetry_test(dependent, test="egger-sandwich", force=True).statistic
    )


def refusal(code: str, *args: object, **kwargs: object) -> str:
    with pytest.raises(InputError) as caught:
        asymmetry_test(*args, **kwargs)
    assert caught.value.code == code
    return str(caught.value)


def test_too_few_studies_are_refused_unless_forced():
    few = binary_effects(9)
    assert refusal("too-few-studies", few).startswith("9 studies; a test of asymmetry needs 10.")
    found = asymmetry_test(few, force=True)
    assert found.notes[0].code == "too-few-studies"
    nine = make_effects(9, per_trial=4)  # 36 effects are still nine studies
    refusal("too-few-studies", nine)


def test_equally_precise_studies_are_refused():
    e = binary_effects(12)
    alike = replace(e, v=np.linspace(1.0, 3.9, 12))
    assert "only 1.97 times the smallest" in refusal("no-spread-in-precision", alike)
    assert asymmetry_test(alike, force=True).notes[0].code == "no-spread-in-precision"
    refusal("too-few-studies", replace(e, v=np.ones(12)), force=True)
    refusal("too-few-studies", e.take(np.arange(2)), force=True)


def test_equal_effects_have_no_ranks():
    alike = Effects(np.full(12, 0.3), np.linspace(0.02, 0.2, 12), np.arange(12).astype(str).astype(object))
    assert "do not vary" in refusal("no-spread-in-precision", alike, test="begg")


def test_dependent_effects_need_a_test_for_them():
    message = refusal("dependent-effects", make_effects(15), test="egger")
    assert "45 effects in 15 studies" in message
    assert "study_averages" in message
    assert hasattr(consilience, "study_averages")


def test_missing_columns_are_named():
    plain = replace(binary_effects(), columns={})
    assert "events1" in refusal("column-needed", plain, test="peters")
    assert "n_treatment" in refusal("column-needed", plain, test="pustejovsky-rodgers")
    assert "n_people" in refusal("column-needed", plain, test="egger", predictor="n")
    with pytest.raises(OptionError, match="egger"):
        asymmetry_test(plain, test="eger")
    with pytest.raises(InputError, match="dependent effects"):
        asymmetry_many(Studies(plain.y[None], plain.v[None]), "egger-che")


def test_studies_without_sizes_are_left_out_of_a_test_that_needs_them():
    e = binary_effects(14)
    n1 = e["n1"].copy()
    n1[3] = np.nan
    gap = replace(e, columns={**e.columns, "n1": n1})
    found = asymmetry_test(gap, test="egger", predictor="arms")
    keep = np.arange(14) != 3
    assert found.k == 13
    assert found.statistic == pytest.approx(
        asymmetry_test(e.take(keep), test="egger", predictor="arms").statistic
    )
