"""The questions of a review: each number is what a direct fit gives, and each sentence says no more than it."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from consilience.models import fit
from consilience.records import Design, Moderator, Spec
from consilience.review import questions as q
from consilience.review.estimates import as_percent, pooled
from consilience.review.persistence import TimeBasis, persistence, restricted_cubic
from consilience.review.selection import mark, pooled_rows
from review_effects import CLASSES, make_effects, make_plan

SPEC = Spec.che()


def test_one_trial_is_not_pooled():
    effects = make_effects(1)
    estimate, model = pooled(effects, SPEC, key="x", label="x")
    assert model is None
    assert not estimate.available
    assert estimate.reason == "One trial only (Trial 00): nothing to pool."
    assert estimate.n_effects == 3


def test_percent_transforms_every_number_and_swaps_the_limits_of_a_decrease():
    effects = make_effects()
    g, _ = pooled(effects, SPEC, key="x", label="x")
    down = as_percent(g, key="p", label="p", factor=-0.7)
    assert down.estimate == pytest.approx(100 * (exp(-0.7 * g.estimate) - 1), rel=1e-12)
    assert down.ci_low == pytest.approx(100 * (exp(-0.7 * g.ci_high) - 1), rel=1e-12)
    assert down.ci_high == pytest.approx(100 * (exp(-0.7 * g.ci_low) - 1), rel=1e-12)
    assert down.pi_low < down.ci_low < down.estimate < down.ci_high < down.pi_high
    assert log(1 + down.estimate / 100) == pytest.approx(-0.7 * g.estimate, rel=1e-12)


def test_subgroups_share_one_model_and_the_test_compares_their_means():
    effects = make_effects(15, seed=3)
    question = q.subgroup_question(effects, make_plan(), SPEC, "intervention_class")
    levels = effects["intervention_class"]
    matrix = np.column_stack([(levels == c).astype(float) for c in CLASSES])
    direct = fit(effects, SPEC, design=Design(matrix, CLASSES))
    assert [e.label for e in question.estimates] == list(CLASSES)
    np.testing.assert_allclose(
        [e.estimate for e in question.estimates], direct.coefficients.estimate, rtol=1e-12
    )
    np.testing.assert_allclose([e.ci_low for e in question.estimates], direct.coefficients.ci_low, rtol=1e-10)
    assert sum(e.n_trials for e in question.estimates) == 15
    assert question.test is not None
    assert question.test.df1 == 2


def test_the_difference_test_does_not_depend_on_the_order_of_levels():
    effects = make_effects(15, seed=3)
    one = q.subgroup_question(effects, make_plan(), SPEC, "intervention_class").test
    other = q.subgroup_question(
        effects, make_plan(intervention_classes=CLASSES[::-1]), SPEC, "intervention_class"
    ).test
    assert one is not None
    assert other is not None
    assert one.statistic == pytest.approx(other.statistic, rel=1e-9)
    assert one.df2 == pytest.approx(other.df2, rel=1e-9)


def test_a_class_of_one_trial_is_named_and_left_out_of_the_test():
    effects = make_effects(12)
    columns = dict(effects.columns)
    classes = columns["intervention_class"].copy()
    classes[effects.study == "Trial 03"] = "bereavement"
    effects = replace(effects, columns={**columns, "intervention_class": classes})
    question = q.subgroup_question(effects, make_plan(), SPEC, "intervention_class")
    alone = next(e for e in question.estimates if e.label == "bereavement")
    assert not alone.available
    assert alone.reason == "One trial only (Trial 03): nothing to pool."
    assert question.test is not None
    assert question.test.df1 == 2


def test_two_trials_are_never_called_consistent():
    effects = make_effects(6, g=1.5, tau=0.0)
    question = q.subgroup_question(effects, make_plan(), SPEC, "intervention_class")
    assert all(e.share_in_favour == 1.0 for e in question.estimates)
    lines = q.consistency_lines(list(question.estimates))
    assert len(lines) == 1
    assert lines[0].startswith("Too few trials to call the results consistent or not: ")
    assert all(f"{e.label} (2 of 2 trials in favour)" in lines[0] for e in question.estimates)
    assert not any(line.endswith(": consistent.") for line in question.notes)


def test_a_moderator_with_too_few_trials_says_so():
    question = q.moderator_question(make_effects(9), make_plan(), SPEC, Moderator("mean_age", "mean age"))
    assert question.answer == "Too few trials: 9 of 9 report it, and 10 are needed."
    assert not question.estimates[0].available


def test_a_slope_is_per_unit_and_shift_invariant():
    effects = make_effects(14)
    per_ten = q.moderator_question(
        effects, make_plan(), SPEC, Moderator("mean_age", "mean age", per=10)
    ).estimates[0]
    per_one = q.moderator_question(effects, make_plan(), SPEC, Moderator("mean_age", "mean age")).estimates[0]
    assert per_ten.estimate == pytest.approx(10 * per_one.estimate, rel=1e-8)
    assert per_ten.p_value == pytest.approx(per_one.p_value, rel=1e-8)
    assert per_ten.unit == "g per 10"


def test_an_unknown_moderator_gets_the_nearest_column():
    question = q.moderator_question(make_effects(12), make_plan(), SPEC, Moderator("mean_agee", "mean age"))
    assert question.answer == 'There is no column "mean_agee". Did you mean "mean_age"?'


def test_small_study_test_needs_ten_trials():
    question = q.small_study_question(make_effects(9), make_plan(), SPEC)
    assert question.answer == "Not tested: 9 trials with known arm sizes, and 10 are needed."


def test_small_study_test_finds_a_planted_bias():
    effects = make_effects(60, 1, seed=5, g=0.0, tau=0.05)
    predictor = np.sqrt(1 / effects["n_treatment"] + 1 / effects["n_control"])
    biased = replace(effects, y=effects.y + 3 * predictor)
    found = q.small_study_question(biased, make_plan(), SPEC)
    assert found.estimates[0].ci_low < 3 < found.estimates[0].ci_high
    assert found.answer.startswith("Smaller trials report larger effects")


def test_harmful_percent_counts_decreases_as_in_favour():
    effects = make_effects(12, seed=2, g=0.5, tau=0.0)
    harmful = effects.take(effects["family"] == "harmful")
    ratios = replace(harmful, y=-0.7 * harmful.y, measure="lnrr")
    question = q.family_question(effects, ratios, SPEC, "harmful")
    g, direct, implied = question.estimates
    assert direct.estimate < 0
    assert direct.share_in_favour == pytest.approx(g.share_in_favour, abs=0.35)
    assert direct.share_in_favour > 0.5
    assert implied.estimate == pytest.approx(100 * (exp(-0.7 * g.estimate) - 1), rel=1e-12)


def test_rows_without_direction_or_randomisation_are_shown_and_not_pooled():
    effects = make_effects(10)
    better = effects["better"].copy()
    better[0] = "none"
    randomised = effects["randomised"].copy()
    randomised[effects.study == "Trial 04"] = "no"
    marked = mark(
        replace(effects, columns={**effects.columns, "better": better, "randomised": randomised}), make_plan()
    )
    assert marked["why_not"][0] == "no direction of benefit is declared"
    assert set(marked["why_not"][marked.study == "Trial 04"]) == {"the trial is not described as randomised"}
    assert pooled_rows(marked).k == effects.k - 4
    everyone = mark(marked, make_plan(only_randomised=False))
    assert pooled_rows(everyone).k == effects.k - 1


def test_persistence_pools_late_effects_and_reads_the_curve_at_26_weeks():
    effects = make_effects(14)
    question, course = persistence(effects, make_plan(), SPEC)
    late = effects.take(effects["weeks_after_treatment"] >= 26)
    direct, _ = pooled(late, SPEC, key="x", label="x")
    by_key = {e.key: e for e in question.estimates}
    assert by_key["persistence/late"].estimate == direct.estimate
    weeks, curve = np.array(course.weeks), np.array(course.estimate)
    at_26 = by_key["persistence/fitted"].estimate
    assert np.interp(np.log1p(26), np.log1p(weeks), curve) == pytest.approx(at_26, abs=1e-10)
    assert len(course.points) == effects.k
    assert sum(p[4] for p in course.points) == pytest.approx(1)


def test_within_and_between_slopes_come_apart():
    """All trials measured at the same times: the within-trial slope is the overall one, no between-trial slope."""
    effects = make_effects(14)
    question, _ = persistence(effects, make_plan(), SPEC)
    keys = [e.key for e in question.estimates]
    assert "persistence/within" in keys
    assert "persistence/between" not in keys
    slope = next(e for e in question.estimates if e.key == "persistence/slope")
    within = next(e for e in question.estimates if e.key == "persistence/within")
    assert within.estimate == pytest.approx(slope.estimate, rel=1e-6)


def test_no_late_follow_up_is_said():
    effects = make_effects(14)
    early = effects.take(effects["weeks_after_treatment"] < 26)
    question, course = persistence(early, make_plan(), SPEC)
    assert question.answer.startswith("Whether it lasts 26 weeks cannot be said.")
    assert course.weeks == ()


def test_restricted_cubic_is_linear_beyond_the_outer_knots_and_smooth():
    knots = np.array([0.0, 1.0, 3.0])
    x = np.linspace(-2, 6, 801)
    y = restricted_cubic(x, knots)[:, 0]
    second = np.diff(y, 2)
    outside = (x[1:-1] < -0.02) | (x[1:-1] > 3.02)
    assert np.max(np.abs(second[outside])) < 1e-12
    assert np.max(np.abs(second[~outside])) > 1e-6
    assert np.max(np.abs(np.diff(y, 3))) < 1e-5


def test_spline_row_matches_its_design():
    basis = TimeBasis("x", (0.0, 1.0, 2.0))
    weeks = np.array([0.0, 5.0, 26.0])
    assert basis.rows(weeks).shape == (3, 3)
    np.testing.assert_allclose(basis.rows(weeks[1:2])[0], basis.rows(weeks)[1])
