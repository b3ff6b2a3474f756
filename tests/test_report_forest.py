"""The drawn axis: everything inside it, in order, on round ticks; and the rows of the forest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_example import example_analysis
from consilience.report.forest import OPEN_UP_TO, build_forest
from consilience.report.scale import Bar, make_scale, peak

value = st.floats(-50, 50, allow_nan=False)
triple = st.tuples(value, value, value).map(lambda t: tuple(sorted(t)))


@given(st.lists(triple, max_size=30))
def test_points_and_zero_are_on_the_axis_and_in_order(rows: list[tuple[float, float, float]]) -> None:
    scale = make_scale(rows)
    assert scale.low < 0 < scale.high
    for low, point, high in rows:
        bar = scale.bar(low, point, high)
        assert 0 <= bar.low <= bar.point <= bar.high <= 100
        assert scale.low <= point <= scale.high
        assert bar.cut_low == (low < scale.low)
        assert bar.cut_high == (high > scale.high)


@given(st.lists(triple, min_size=1, max_size=30))
def test_ticks_are_few_distinct_and_where_their_number_says(rows: list[tuple[float, float, float]]) -> None:
    scale = make_scale(rows)
    assert 2 <= len(scale.ticks) <= 12
    assert len({tick.text for tick in scale.ticks}) == len(scale.ticks)
    for tick in scale.ticks:
        said = float(tick.text.replace("\u2212", "-"))
        assert tick.at == pytest.approx(100 * (said - scale.low) / (scale.high - scale.low), abs=0.01)


def test_one_huge_interval_does_not_squeeze_the_others() -> None:
    rows = [(0.1, 0.3, 0.5)] * 20 + [(-90.0, 0.2, 90.0)]
    scale = make_scale(rows)
    assert scale.high < 3
    assert scale.bar(*rows[-1]).cut_low


def test_missing_limits_are_drawn_at_the_point() -> None:
    bar = make_scale([(0.0, 0.5, 1.0)]).bar(math.nan, 0.5, math.nan)
    assert bar.low == bar.point == bar.high


def test_peak_of_a_diamond() -> None:
    assert peak(Bar(20, 60, 30)) == 25
    assert peak(Bar(20, 20, 20)) == 50


def test_every_pooled_effect_and_no_other_stands_beneath_its_trial() -> None:
    analysis = example_analysis()
    forest = build_forest(analysis)
    shown = {t.name: len(t.effects) for group in forest.groups for t in group.trials}
    pooled = analysis.effects.study[analysis.effects["pooled"] > 0].tolist()
    assert shown == {name: pooled.count(name) for name in dict.fromkeys(pooled)}
    assert [t.name for g in forest.groups for t in g.trials if g.name == "cbt"] == [
        s.label for s in analysis.studies if s.group == "cbt"
    ]


def test_area_of_a_square_grows_with_weight() -> None:
    analysis = example_analysis()
    sides = {t.name: t.side for group in build_forest(analysis).groups for t in group.trials}
    ordered = [sides[s.label] for s in sorted(analysis.studies, key=lambda s: s.weight)]
    assert ordered == sorted(ordered)


def test_many_trials_start_folded() -> None:
    assert build_forest(example_analysis(14)).start_open
    many = build_forest(example_analysis(OPEN_UP_TO + 10))
    assert not many.start_open


def test_rows_say_when_and_in_which_arm() -> None:
    analysis = example_analysis()
    effects = analysis.effects
    arms = np.array(["only arm"] * effects.k, dtype=object)
    first = effects.study == effects.study[0]
    arms[np.flatnonzero(first)[0]] = "other arm"
    weeks_after = effects["weeks_after_treatment"].copy()
    weeks_after[:] = 1.0
    columns = dict(effects.columns) | {"treatment": arms, "weeks_after_treatment": weeks_after}
    forest = build_forest(replace(analysis, effects=replace(effects, columns=columns)))
    whens = {t.name: [e.when for e in t.effects] for group in forest.groups for t in group.trials}
    assert whens[effects.study[0]][0].startswith("other arm, ")
    every = [when for several in whens.values() for when in several]
    assert any(when == "1 week after treatment" for when in every)
    assert any(when.startswith("end of treatment, week ") for when in every)
