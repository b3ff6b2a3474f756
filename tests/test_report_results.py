"""results.json: complete, strict JSON, the same bytes every time, and every cited number can be looked up."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from analysis_example import example_analysis
from consilience.base.errors import InputError
from consilience.records import Analysis, Bound, Estimate
from consilience.report.describe import SECTIONS, describe_results
from consilience.report.results import build_results, collect_results, lookup, plain, results_text


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return example_analysis()


@pytest.fixture(scope="module")
def results(analysis: Analysis) -> dict[str, object]:
    return json.loads(results_text(build_results(analysis)), parse_constant=pytest.fail)


def test_two_runs_give_the_same_bytes() -> None:
    first, second = (results_text(build_results(example_analysis(seed=3))) for _ in range(2))
    assert first == second
    assert results_text(build_results(example_analysis(seed=4))) != first


def test_text_reads_back_as_what_was_built(analysis: Analysis) -> None:
    built = build_results(analysis)
    assert json.loads(results_text(built)) == built


def test_numbers_keep_their_last_digit(analysis: Analysis, results: dict[str, object]) -> None:
    assert lookup(results, "overall.estimate") == analysis.overall.estimate
    y = [row[1] for row in results["effects"]["rows"]]
    np.testing.assert_array_equal(y, analysis.effects.y)


def test_missing_is_null_and_infinite_is_text() -> None:
    assert plain([math.nan, math.inf, -math.inf, np.float64("nan"), np.int64(3), np.bool_(True)]) == [
        None,
        "Infinity",
        "-Infinity",
        None,
        3,
        True,
    ]


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(TypeError, match="set cannot be stored"):
        plain({"a": {1, 2}})


def test_every_number_of_the_answer_resolves_to_its_value(
    analysis: Analysis, results: dict[str, object]
) -> None:
    bounds = [p for paragraph in analysis.answer for p in paragraph.phrases if isinstance(p, Bound)]
    assert bounds
    for bound in bounds:
        assert lookup(results, bound.key) == bound.value, bound.key


def test_keys_with_dots_and_slashes_resolve(analysis: Analysis) -> None:
    estimate = Estimate("rho/0.2", "rho 0.2", estimate=0.25, tau2={"study": 0.5, "effect": 0.25})
    changed = dataclasses.replace(analysis, overall=estimate)
    results = build_results(dataclasses.replace(changed, scenarios=()))
    assert lookup(results, "rho/0.2.estimate") == 0.25
    assert lookup(results, "rho/0.2.tau2.effect") == 0.25
    assert lookup(results, "rho/0.2.tau2_total") == 0.75
    with pytest.raises(KeyError, match=r"rho/0\.3\.estimate"):
        lookup(results, "rho/0.3.estimate")


def test_tests_tipping_points_and_counts_can_be_cited(analysis: Analysis, results: dict[str, object]) -> None:
    tested = next(q for q in analysis.questions if q.test is not None)
    assert lookup(results, f"{tested.key}/test.p_value") == tested.test.p_value
    assert lookup(results, f"tipping/{analysis.tipping[0].key}.value") == analysis.tipping[0].value
    assert lookup(results, "counts.effects_computed") == analysis.effects.k
    assert lookup(results, "plan.relevance") == analysis.plan.relevance


def test_two_different_results_with_one_key_are_refused(analysis: Analysis) -> None:
    other = dataclasses.replace(analysis.scenarios[0].estimate, key="overall", estimate=9.0)
    changed = dataclasses.replace(analysis.scenarios[0], estimate=other)
    with pytest.raises(InputError, match='Two different results have the key "overall"') as caught:
        collect_results(dataclasses.replace(analysis, scenarios=(changed,)))
    assert caught.value.code == "duplicate-key"


def test_questions_and_scenarios_name_results_that_exist(results: dict[str, object]) -> None:
    known = results["results"]
    for question in results["questions"]:
        assert set(question["estimates"]) <= set(known)
        assert question["test"] is None or question["test"] in known
    assert {s["estimate"] for s in results["scenarios"]} <= set(known)


def test_every_part_is_described_and_every_described_part_exists(results: dict[str, object]) -> None:
    assert set(results) == {section.name for section in SECTIONS}


def test_the_page_of_the_format_is_up_to_date() -> None:
    page = Path(__file__).parents[1] / "docs" / "results.md"
    assert describe_results().strip() in page.read_text(encoding="utf-8")


def test_a_changed_effect_changes_one_line(analysis: Analysis) -> None:
    before = results_text(build_results(analysis)).splitlines()
    y = analysis.effects.y.copy()
    y[0] += 1
    effects = dataclasses.replace(analysis.effects, y=y)
    after = results_text(build_results(dataclasses.replace(analysis, effects=effects))).splitlines()
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
