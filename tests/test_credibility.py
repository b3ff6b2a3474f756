"""What is asked of an answer before it is believed: the numbers are those of the diagnostics, the words claim no more."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError
from consilience.base.format import interval, number
from consilience.diagnostics import cumulative, influence
from consilience.diagnostics.selection.model import selection_model
from consilience.diagnostics.selection.worst_case import worst_case
from consilience.diagnostics.small_study import pet_peese, trim_and_fill
from consilience.records import Influence
from consilience.records.plan import CREDIBILITY
from consilience.report.results import build_results, results_text
from consilience.review.belief import believed, first
from consilience.review.credibility import (
    Case,
    credibility,
    cumulative_words,
    influence_words,
    trial_averages,
    worst_case_words,
)
from consilience.review.protocol import parse_protocol
from consilience.review.run import primary_of, silent, usable_plan


@pytest.fixture(scope="module")
def review(tmp_path_factory):
    folder = tmp_path_factory.mktemp("credibility") / "immune"
    consilience.copy_example("immune", folder)
    return consilience.load(folder)


@pytest.fixture(scope="module")
def primary(review):
    plan = replace(usable_plan(review), replicates=200)
    return primary_of(review, plan)


@pytest.fixture(scope="module")
def looked(review, primary):
    return credibility(primary, review, progress=silent)


def by_key(looked):
    return {e.key: e for q in looked.questions for e in q.estimates}


def test_every_question_of_the_protocol_is_asked_once_in_its_order(looked):
    assert [q.key for q in looked.questions] == [f"credibility/{name}" for name in CREDIBILITY]
    assert all(q.answer and q.kind == "credibility" for q in looked.questions)


def test_estimates_are_those_of_the_diagnostics(looked, primary):
    found = by_key(looked)
    line = pet_peese(primary.model, predictor="arms").estimate
    assert found["credibility/pet-peese"].estimate == line.estimate
    assert found["credibility/pet-peese"].p_value == line.p_value
    filled = trim_and_fill(trial_averages(primary.model)).filled.coefficients
    assert found["credibility/trim-and-fill"].ci_high == filled.ci_high[0]
    selected = selection_model(primary.model).coefficients
    assert found["credibility/selection"].ci_low == selected.ci_low[0]
    biased = worst_case(primary.model, etas=(2.0, 5.0))
    assert found["credibility/eta-2"].estimate == biased.estimate[0]
    assert found["credibility/eta-5"].ci_low == biased.low[1]
    assert found["credibility/worst-case"].estimate == biased.worst.estimate
    assert {e.n_trials for e in found.values()} == {primary.estimate.n_trials}


def test_the_chance_of_publication_has_the_limits_of_its_figure(looked):
    curve = looked.records["selection"].curve
    answer = next(q.answer for q in looked.questions if q.key == "credibility/selection")
    shown = f"{number(curve.weight[-1])} {interval(curve.low[-1], curve.high[-1])} times as often"
    assert shown in answer
    assert curve.low[-1] > 0  # a ratio is never zero or less


def test_the_selection_model_of_dependent_effects_says_that_its_limits_can_be_too_narrow(looked):
    question = next(q for q in looked.questions if q.key == "credibility/selection")
    assert "selection_bootstrap" in question.notes[-1]
    assert hasattr(consilience, "selection_bootstrap")


def test_an_adjusted_average_with_few_degrees_of_freedom_says_so(looked):
    for e in by_key(looked).values():
        assert bool(e.trust) == (e.df < 4), e.key
    assert by_key(looked)["credibility/pet-peese"].trust


def test_an_average_of_trial_averages_is_near_the_primary_one(primary):
    averages = trial_averages(primary.model)
    assert averages.k == averages.n_studies == primary.estimate.n_trials
    assert not averages.blocks
    pooled = consilience.fit(averages, consilience.Spec.random_effects()).coefficients.estimate[0]
    assert pooled == pytest.approx(primary.estimate.estimate, abs=0.03)


def test_the_paragraph_binds_the_average_under_half_published_results(looked):
    paragraph = believed(looked.questions)
    numbers = [p for p in paragraph.phrases if not isinstance(p, str)]
    half = by_key(looked)["credibility/eta-2"]
    assert [(n.key, n.value) for n in numbers] == [("credibility/eta-2.estimate", half.estimate)]
    assert "published half as often" in paragraph.text
    for name in ("influence", "multiverse", "calibration"):
        question = next(q for q in looked.questions if q.key.endswith(name))
        assert first(question.answer) in paragraph.text


def test_a_sentence_ends_at_its_full_stop_and_not_in_a_number():
    assert first("It was 0.5 in 3 trials. More of it.") == "It was 0.5 in 3 trials."
    assert first("In 60% of them (SE 0.7). More.") == "In 60% of them (SE 0.7)."
    assert first("One sentence, p = .05.") == "One sentence, p = .05."


def test_too_few_trials_are_told_instead_of_numbers(review, primary):
    plan = replace(
        primary.plan, small_study_minimum=15, credibility=("small-study", "selection", "worst-case")
    )
    few = credibility(replace(primary, plan=plan), review, progress=silent)
    assert [q.answer for q in few.questions] == ["Not examined: 14 trials, and 15 are needed."] * 3
    assert not few.records
    assert not any(e.available for q in few.questions for e in q.estimates)
    text = believed(few.questions).text
    assert text.strip() == "What unpublished results would do was not examined: 14 trials, and 15 are needed."


def test_the_protocol_chooses_and_nothing_is_asked_of_no_answer(review, primary):
    plan = replace(primary.plan, credibility=("cumulative",))
    one = credibility(replace(primary, plan=plan), review, progress=silent)
    assert set(one.records) == {"cumulative"}
    none = credibility(replace(primary, model=None), review, progress=silent)
    assert none.questions == ()
    assert believed(()).phrases == ()


def test_a_wrong_name_in_the_protocol_is_answered_with_the_right_ones(review):
    text = review.protocol + '\n[credibility]\nrun = ["influence", "multivers"]\nreplicates = 10\n'
    notes = parse_protocol(text.encode()).notes
    messages = [n.message for n in notes]
    assert len(messages) == 2
    assert '[credibility] run[2] is "multivers"; allowed: "influence", "cumulative"' in messages[0]
    assert "[credibility] replicates" in messages[1]


def test_results_hold_the_records_without_the_data_behind_them(review, primary, looked):
    analysis = consilience.analyse(
        replace(review, plan=replace(primary.plan, credibility=("influence", "selection")))
    )
    stored = json.loads(results_text(build_results(analysis)))
    assert set(stored["diagnostics"]) == {"influence", "selection"}
    assert "effects" not in stored["diagnostics"]["selection"]
    np.testing.assert_allclose(stored["diagnostics"]["influence"]["cook"], influence(primary.model).cook)
    assert (
        stored["results"]["credibility/selection"]["estimate"]
        == by_key(looked)["credibility/selection"].estimate
    )


def flagged(record: Influence, **flags: list[bool]) -> Influence:
    return replace(record, **{name: np.array(values) for name, values in flags.items()})


def test_words_on_influence_follow_the_flags(primary):
    record = influence(primary.model, by="study")
    no = [False] * record.n
    one = [True, *no[1:]]
    assert influence_words(flagged(record, influential=no, outlier=no)) == (
        "No: none of 14 trials is influential or an outlier by the usual rules."
    )
    text = influence_words(flagged(record, influential=one, outlier=one))
    assert text.startswith(f"{record.label[0]} moves the result more")
    assert "further from" not in text
    many = influence_words(flagged(record, influential=no, outlier=[True] * record.n))
    assert "and 9 more are further from the others" in many


def test_words_on_the_course_name_the_year_from_which_the_interval_excludes_zero(primary):
    record = cumulative(primary.model, order="year", by="study", ties="together")
    year = re.search(r"since (\d{4})", cumulative_words(record)).group(1)
    at = record.value.index(year)
    assert (record.ci_low[at:, 0] > 0).all()
    assert not record.ci_low[at - 1, 0] > 0
    wide = replace(record, ci_low=record.ci_low - 10)
    assert "still includes zero" in cumulative_words(wide)


@pytest.mark.parametrize(
    ("s_limit", "s_point", "sentence"),
    [
        (3.2, 6.0, "would have to be 3.2 times as likely"),
        (3.2, 6.0, "For the average itself it would take 6.0 times."),
        (np.inf, np.inf, "No amount of such bias would bring its interval to zero."),
        (np.inf, np.inf, "the results that are not significant still average 0.09 alone."),
        (1.0, 6.0, "In this working model the interval includes zero without any bias."),
    ],
)
def test_words_on_the_worst_case(looked, primary, s_limit, s_point, sentence):
    record = replace(looked.records["worst-case"], s_value_limit=s_limit, s_value=s_point)
    assert sentence in worst_case_words(record, primary.estimate, [])


def test_an_interval_that_includes_zero_needs_no_bias(looked, primary):
    open_interval = replace(primary.estimate, ci_low=-0.1)
    text = worst_case_words(looked.records["worst-case"], open_interval, [])
    assert "The interval of the average includes zero without any bias." in text
    assert "would have to be" not in text


def test_a_large_review_simulates_fewer_reviews(monkeypatch, review, primary):
    from consilience.review import credibility as module

    asked = []
    monkeypatch.setattr(module, "SIMULATED_ROWS", 35 * 250)
    monkeypatch.setattr(
        module.calibrated,
        "calibration_of",
        lambda model, plan, progress, replicates: (
            asked.append(replicates) or (_ for _ in ()).throw(refusal())
        ),
    )
    case = Case(replace(primary, plan=replace(primary.plan, replicates=1000)), primary.model, review, silent)
    question, records = module.calibration_check(case)
    assert asked == [250]
    assert question.answer == "Not examined: no."
    assert records == {}


def refusal():
    return InputError("no.", code="no")


def test_a_large_review_samples_its_specifications_unless_the_protocol_declares_them(
    monkeypatch, review, primary
):
    from consilience.review import credibility as module

    monkeypatch.setattr(module, "SPECIFIED_ROWS", 35 * 300)
    plan = replace(primary.plan, credibility=("multiverse",))
    sampled = credibility(replace(primary, plan=plan), review, progress=silent).records["multiverse"]
    assert len(sampled) == 300
    assert sampled.sampled
    few = replace(
        plan.multiverse, declared=True, r=("assumed",), rho=(0.6,), routes=("best",), times=("all",)
    )
    plan = replace(plan, multiverse=replace(few, most=400, risk_of_bias=("any",)))
    declared = credibility(replace(primary, plan=plan), review, progress=silent).records["multiverse"]
    assert not declared.sampled
