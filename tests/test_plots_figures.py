"""Every figure for small, typical, large, hostile and random reviews: in bounds, no overlap, right places."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_example import example_analysis
from consilience.base.errors import OptionError
from consilience.plots import FIGURES, all_figures, figure, figure_png, figure_svg, text_twin
from consilience.plots.forest import forest
from consilience.plots.funnel import CONTOURS, wedge
from consilience.plots.layout import Circle, Shape
from consilience.plots.leave_one_out import bins
from consilience.plots.plane import Plane
from consilience.plots.scale import Scale
from consilience.records import Analysis, Estimate, Question
from plots_checks import assert_sound, axis_map

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "$\\frac{1}{2",
    "A very long name of a trial, Zusammenschlussverhandlungskommission of the Multicentre Study of It All 2019",
    "一项关于心理干预的随机对照试验 2020",
    "new\nline\ttab \u202ebidi \x1b[31m",
    "מחקר עברי",
    "👩‍🔬 trial & <b>co</b>",
    "]]>--><script>",
)
FOURTEEN = example_analysis(14)


@pytest.mark.parametrize("n", [2, 3, 14, 60])
def test_figures_of_small_and_typical_reviews_are_sound(n: int) -> None:
    figures = all_figures(example_analysis(n))
    assert {"prisma", "forest", "forest-effects", "subgroups", "course", "funnel", "sensitivity"} <= set(
        figures
    )
    for layout in figures.values():
        assert_sound(layout)


def test_figures_of_a_large_review_are_sound_and_small() -> None:
    figures = all_figures(example_analysis(300))
    assert {"leave-one-out", "forest-overview"} <= set(figures)
    assert "forest-5" in figures
    assert "forest-effects" not in figures
    for layout in figures.values():
        assert_sound(layout)
        assert layout.height < 1200
        assert len(figure_svg(layout)) < 400_000


def test_hostile_names_are_only_text() -> None:
    figures = all_figures(example_analysis(8, labels=HOSTILE))
    for layout in figures.values():
        assert_sound(layout)
        assert "<img" not in figure_svg(layout)
        assert "<script" not in figure_svg(layout)
        assert figure_png(layout, dpi=40).startswith(b"\x89PNG")  # no warning about maths or missing glyphs
    twin = text_twin(figures["forest"])
    assert HOSTILE[2] in twin  # in full, although the figure shortens it
    assert HOSTILE[3] in twin
    assert "\x1b" not in twin
    assert "\u202e" not in twin


names = st.text(max_size=120)
numbers = st.floats(-1e6, 1e6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(names, names, numbers, st.floats(1e-6, 1e3), st.floats(0, 100)), min_size=1, max_size=12
    ),
    st.data(),
)
def test_forests_of_random_reviews_are_sound(rows: list, data: st.DataObject) -> None:
    template = FOURTEEN.studies[0]
    bias = data.draw(st.sampled_from(["low", "some", "high", ""]))
    studies = tuple(
        replace(
            template,
            study=f"s{i}",
            label=label,
            group=group,
            estimate=y,
            ci_low=y - h,
            ci_high=y + h,
            weight=w,
            risk_of_bias=bias,
        )
        for i, (label, group, y, h, w) in enumerate(rows)
    )
    overall = replace(FOURTEEN.overall, estimate=rows[0][2], ci_low=rows[0][2] - 1, ci_high=rows[0][2] + 1)
    for layout in forest(replace(FOURTEEN, studies=studies, overall=overall)):
        assert_sound(layout)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(names, numbers, st.floats(0, 1e3), st.booleans()), min_size=1, max_size=8), names)
def test_subgroups_of_random_reviews_are_sound(rows: list, title: str) -> None:
    estimates = tuple(
        Estimate(
            f"k/{i}",
            label,
            estimate=y,
            ci_low=y - h,
            ci_high=y + h,
            pi_low=y - 2 * h,
            pi_high=y + 2 * h,
            n_trials=i,
        )
        if available
        else Estimate(f"k/{i}", label, available=False, reason=title)
        for i, (label, y, h, available) in enumerate(rows)
    )
    question = Question("q", "subgroup", title, estimates)
    for layout in figure(replace(FOURTEEN, questions=(question,)), "subgroups"):
        assert_sound(layout)


def test_squares_and_diamonds_stand_where_the_axis_says() -> None:
    layout = forest(FOURTEEN)[0]
    slope, intercept = axis_map(layout)
    squares = [s for s in layout.items if isinstance(s, Shape) and s.fill == "mark" and len(s.points) == 4]
    centres = sorted(sum(x for x, _ in s.points) / 4 for s in squares)
    expected = sorted(slope * s.estimate + intercept for s in FOURTEEN.studies)
    np.testing.assert_allclose(centres, expected, atol=0.02)
    diamond = next(s for s in layout.items if isinstance(s, Shape) and s.fill == "summary")
    overall = FOURTEEN.overall
    np.testing.assert_allclose(
        min(x for x, _ in diamond.points), slope * overall.ci_low + intercept, atol=0.02
    )
    np.testing.assert_allclose(
        max(x for x, _ in diamond.points), slope * overall.ci_high + intercept, atol=0.02
    )


def test_area_of_squares_is_in_proportion_to_weight() -> None:
    layout = forest(FOURTEEN)[0]
    slope, intercept = axis_map(layout)
    squares = {
        round((sum(x for x, _ in s.points) / 4 - intercept) / slope, 2): (s.points[1][0] - s.points[0][0])
        ** 2
        for s in layout.items
        if isinstance(s, Shape) and s.fill == "mark" and len(s.points) == 4
    }
    ratio = [squares[round(s.estimate, 2)] / s.weight for s in FOURTEEN.studies if s.weight > 4]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_overview_sorts_all_trials_and_counts_the_clear_ones() -> None:
    analysis = example_analysis(90)
    layout = figure(analysis, "forest-overview")[0]
    slope, intercept = axis_map(layout)
    dots = [s.points for s in layout.items if isinstance(s, Shape) and s.fill == "ink" and len(s.points) == 4]
    assert len(dots) == len(analysis.studies)
    centres = [(p[0][0] + p[1][0]) / 2 for p in dots]
    assert centres == sorted(centres, reverse=True)
    np.testing.assert_allclose(
        sorted(centres), sorted(slope * s.estimate + intercept for s in analysis.studies), atol=0.02
    )
    above = sum(s.ci_low > 0 for s in analysis.studies)
    assert any(f"above zero ({above})" in label.text for label in layout.labels)
    assert figure(FOURTEEN, "forest-overview") == ()


def test_effects_of_a_trial_with_two_treated_arms_name_the_arm() -> None:
    arms = FOURTEEN.effects["treatment"].copy()
    arms[0] = "group yoga"
    effects = replace(FOURTEEN.effects, columns={**FOURTEEN.effects.columns, "treatment": arms})
    text = text_twin(figure(replace(FOURTEEN, effects=effects), "forest-effects")[0])
    assert text.count("group yoga") == 1
    assert "programme" not in text_twin(figure(FOURTEEN, "forest-effects")[0])


def test_intervals_beyond_the_axis_end_in_arrowheads() -> None:
    wide = replace(FOURTEEN.studies[0], ci_low=-40.0, ci_high=40.0)
    plain = forest(FOURTEEN)[0]
    layout = forest(replace(FOURTEEN, studies=(wide, *FOURTEEN.studies[1:])))[0]
    arrows = sum(isinstance(s, Shape) and len(s.points) == 3 and s.fill == "ink" for s in layout.items)
    before = sum(isinstance(s, Shape) and len(s.points) == 3 and s.fill == "ink" for s in plain.items)
    assert arrows == before + 2
    assert "[−40.00, 40.00]" in text_twin(layout)


def test_every_trial_stands_on_one_page_under_its_heading() -> None:
    analysis = example_analysis(200)
    pages = forest(analysis)
    assert len(pages) > 2
    drawn = [
        row[0] for page in pages for row in page.twin.rows if row[0] in {s.label for s in analysis.studies}
    ]
    assert sorted(drawn) == sorted(s.label for s in analysis.studies)
    assert all(page.twin.groups[0][0] == 0 for page in pages)
    assert any("(continued)" in page.twin.groups[0][1] for page in pages[1:])
    assert pages[1].key == "forest-2"
    slopes = {tuple(np.round(axis_map(page), 9)) for page in pages}
    assert len(slopes) == 1  # one axis for all pages


def test_twin_carries_the_numbers_of_the_figure() -> None:
    text = text_twin(forest(FOURTEEN)[0])
    for study in FOURTEEN.studies:
        assert any(study.label in line and f"{abs(study.estimate):.2f}" in line for line in text.splitlines())
    course = text_twin(figure(FOURTEEN, "course")[0])
    assert all(point[0] in course for point in FOURTEEN.course.points)


def test_the_same_analysis_gives_the_same_bytes() -> None:
    one, two = all_figures(example_analysis(6)), all_figures(example_analysis(6))
    assert {k: figure_svg(v) for k, v in one.items()} == {k: figure_svg(v) for k, v in two.items()}
    assert figure_png(one["forest"], dpi=50) == figure_png(two["forest"], dpi=50)


def test_figures_without_data_are_left_out() -> None:
    nothing: Analysis = replace(
        FOURTEEN,
        plan=replace(FOURTEEN.plan, prisma={}),
        questions=(),
        scenarios=(),
        studies=(),
        course=replace(FOURTEEN.course, weeks=(), estimate=(), ci_low=(), ci_high=(), points=()),
        effects=FOURTEEN.effects.take(np.arange(0)),
        overall=Estimate("overall", "all", available=False, reason="No trial could be used."),
        reported=replace(FOURTEEN.reported, risk_of_bias=FOURTEEN.reported.risk_of_bias.take(np.arange(0))),
    )
    figures = all_figures(nothing)
    assert not {"prisma", "subgroups", "course", "funnel", "sensitivity", "risk-of-bias"} & set(figures)
    for layout in figures.values():
        assert_sound(layout)
        assert "No trial could be used." in text_twin(layout)


def test_unknown_figure_is_named_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r'figure "forrest" is not known.*Did you mean "forest"'):
        figure(FOURTEEN, "forrest")
    assert set(FIGURES) >= {"forest", "prisma"}


@pytest.mark.parametrize("z, tone", CONTOURS)
def test_contours_hold_exactly_the_effects_within_z_standard_errors(z: float, tone: str) -> None:
    from matplotlib.path import Path

    plane = Plane(Scale(-0.4, 1.3, 50, 430), Scale(0.0, 0.6, 20, 320))
    region = Path(np.array(wedge(plane, z)))
    rng = np.random.default_rng(3)
    g, se = rng.uniform(-0.4, 1.3, 4000), rng.uniform(0, 0.6, 4000)
    inside = region.contains_points([(plane.x.at(a), plane.y.at(b)) for a, b in zip(g, se, strict=True)])
    clear = np.abs(np.abs(g) - z * se) > 0.005  # not on the boundary itself
    np.testing.assert_array_equal(inside[clear], (np.abs(g) < z * se)[clear])
    assert tone in {"band", "band2", "paper"}


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=200))
def test_histogram_counts_every_value_once(values: list[float]) -> None:
    edges, counts = bins(values)
    assert sum(counts) == len(values)
    assert edges[0] <= min(values) + 1e-9
    assert edges[-1] >= max(values) - 1e-9
    assert len(counts) <= 38
    np.testing.assert_allclose(np.diff(edges), edges[1] - edges[0], rtol=1e-6)


def test_time_course_marks_the_persistence_week_and_stretches_long_follow_up() -> None:
    points = (("a", "CRP", 0.0, 0.3, 10.0), ("b", "CRP", 417.0, 0.1, 5.0), ("c", "IL-6", 26.0, 0.2, 5.0))
    course = replace(FOURTEEN.course, points=points)
    layout = figure(replace(FOURTEEN, course=course), "course")[0]
    assert_sound(layout)
    ticks = {label.text: label.x for label in layout.labels if label.text.isdigit()}
    # log(weeks + 1): equal ratios of (weeks + 1), equal distances
    share = (ticks["26"] - ticks["0"]) / (ticks["416"] - ticks["0"])
    assert share == pytest.approx(np.log(27) / np.log(417), abs=1e-6)
    circle = next(c for c in layout.items if isinstance(c, Circle) and abs(c.x - ticks["26"]) < 1)
    assert circle.radius > 1
    assert any(label.text == "26 weeks" and label.x == pytest.approx(ticks["26"]) for label in layout.labels)


@pytest.mark.parametrize("weeks", [0.0, 2.0, 26.0, 400.0])
def test_time_course_takes_any_persistence_week_and_reviews_without_follow_up(weeks: float) -> None:
    course = replace(FOURTEEN.course, points=tuple((*p[:2], 0.0, *p[3:]) for p in FOURTEEN.course.points))
    bare = replace(course, weeks=(), estimate=(), ci_low=(), ci_high=())
    for found in (FOURTEEN.course, course, bare):
        plan = replace(FOURTEEN.plan, persistence_weeks=weeks)
        assert_sound(figure(replace(FOURTEEN, plan=plan, course=found), "course")[0])


@pytest.mark.parametrize("factor", [1e-6, 1e6, -30.0])
def test_figures_of_any_scale_are_sound(factor: float) -> None:
    effects = replace(FOURTEEN.effects, y=FOURTEEN.effects.y * factor, v=FOURTEEN.effects.v * factor**2)
    studies = tuple(
        replace(
            s, estimate=s.estimate * factor, ci_low=min(s.ci_low * factor, s.ci_high * factor), ci_high=np.inf
        )
        for s in FOURTEEN.studies
    )
    for layout in all_figures(replace(FOURTEEN, effects=effects, studies=studies)).values():
        assert_sound(layout)


def test_prisma_boxes_hold_the_counts_in_order() -> None:
    layout = figure(FOURTEEN, "prisma")[0]
    texts = [label.text for label in sorted(layout.labels, key=lambda item: item.y) if label.x < 100]
    assert texts == [
        "Identification",
        "Records identified (n = 4,621)",
        "Screening",
        "Records screened (n = 3,129)",
        "Reports sought (n = 621)",
        "Reports assessed for eligibility (n = 598)",
        "Included",
        "New reports included (n = 56)",
        "Reports of previous versions (n = 0)",
        "Total included in the review (n = 56)",
    ]


def test_importing_the_plots_loads_no_matplotlib() -> None:
    code = "import sys, consilience.plots, consilience.tables; sys.exit('matplotlib' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
