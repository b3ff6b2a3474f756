"""The words of the answer: the declared level, caveats said once, what differs apart from what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consilience.records import Estimate, Question, Spec, TestResult
from consilience.review.answer import Findings, asked, for_whom, how_sure, in_percent, write
from consilience.review.estimates import pooled
from review_effects import make_effects, make_plan

PERCENT = {"scale": "percent", "n_trials": 6, "n_effects": 9, "df": 9.0}


def findings(*questions: Question, level: float = 0.95, known: int = 12) -> Findings:
    overall, _ = pooled(make_effects(12), Spec.che(level=level), key="overall", label="all")
    return Findings(make_plan(level=level), overall, questions, (), (), None, known)


def family(name: str, low: float, high: float, *, trust: str = "") -> Question:
    g = Estimate(f"family/{name}", "g", n_trials=6)
    direct = Estimate(
        f"family/{name}/percent", "p", **PERCENT, estimate=low + 1, ci_low=low, ci_high=high, trust=trust
    )
    implied = Estimate(f"family/{name}/implied", "i", scale="percent", available=False, reason="None.")
    return Question(f"family/{name}", "family", name, (g, direct, implied))


def compared(column: str, p: float, df2: float) -> Question:
    test = TestResult("HTZ", 3.0, 2.0, df2, p)
    return Question(
        f"subgroup/{column}", "subgroup", f"By {column}", (), test, f"The groups of {column} differ."
    )


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_level_of_the_intervals_is_the_declared_one(level):
    text = " ".join(p.text for p in write(findings(level=level)))
    assert f"({100 * level:g}% CI " in text
    assert f"({100 * level:g}% prediction interval)" in text
    assert ("95%" in text) == (level == 0.95)


def test_which_percent_intervals_to_trust_is_said_once():
    sure, shaky = family("harmful", -20.0, -5.0), family("beneficial", 1.0, 9.0, trust="Too few.")
    few = "rests on too few trials to be trusted."
    assert "trusted" not in in_percent(findings(sure)).text
    assert in_percent(findings(shaky)).text.endswith(f"This interval {few}")
    both = in_percent(findings(sure, shaky)).text
    assert both.endswith(
        "Of these intervals, only \u221220.0% to \u22125.0% rests on enough trials to be trusted."
    )
    none = in_percent(findings(shaky, replace(shaky, key="family/harmful"))).text
    assert none.count("to be trusted") == 1


def test_for_whom_tells_what_differs_what_does_not_and_what_is_unknown_apart():
    text = for_whom(
        findings(compared("country", 0.001, 9.0), compared("sex", 0.4, 9.0), compared("age", 0.001, 2.0))
    ).text
    assert text == (
        "The groups of country differ. There is no evidence that the effect depends on sex. Whether the effect depends "
        "on age cannot be said: there are too few trials to tell. Differences that no test supports are no finding."
    )


def test_a_variance_of_zero_is_no_proof_of_sameness():
    found = findings()
    some = replace(found, overall=replace(found.overall, tau2={"study": 0.04, "effect": 0.01}))
    zero = replace(found, overall=replace(found.overall, tau2={"study": 0.0, "effect": 1e-9}))
    assert "True effects differ, between trials" in how_sure(some).text
    assert "these trials do not show it: the standard deviation is estimated as 0.00;" in how_sure(zero).text


@pytest.mark.parametrize(
    ("known", "words"), [(12, "results of all 12 trials in"), (14, "results of 12 of the 14 trials in")]
)
def test_how_many_of_the_trials_the_answer_rests_on(known, words):
    assert words in asked(findings(known=known)).text


def test_surrogates_are_named_unless_the_protocol_says_otherwise():
    from consilience.records import Course
    from consilience.review.answer import Findings, limits
    from consilience.review.estimates import unavailable
    from review_effects import make_plan

    def words(**changes: object) -> str:
        plan = make_plan(sample="systematic", **changes)
        overall = unavailable("overall", "all outcomes", "none")
        return limits(Findings(plan, overall, (), (), (), Course(), 0)).text

    assert "The markers are surrogates" in words()
    assert "surrogates" not in words(surrogate=False)
