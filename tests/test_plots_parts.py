"""The parts of figures: text widths against matplotlib, scales and ticks, colours against WCAG, drawing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_example import example_analysis
from consilience.plots import draw, figure_png, palette_css
from consilience.plots.forest import forest
from consilience.plots.layout import marker
from consilience.plots.measure import shorten, text_width, wrap_text
from consilience.plots.palette import DARK, LIGHT
from consilience.plots.scale import Scale, axis_range, tick_digits, ticks
from consilience.plots.svg import coordinate

LAYOUT = forest(example_analysis(5))[0]


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize(
    "text", ["Kiecolt-Glaser 2013", "0.34 [−0.14, 0.54]", "Łukaszewicz-Dąbrowska", "√(1/n) τ²"]
)
def test_widths_agree_with_matplotlibs_own_layout(text: str, bold: bool) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    # the path's box lacks the white space at either end: compare with a bar on both sides
    bar = TextPath((0, 0), "||", size=10, prop=font).get_extents().width
    path = TextPath((0, 0), f"|{text}|", size=10, prop=font).get_extents().width
    assert text_width(text, 10, bold=bold) == pytest.approx(path - bar, rel=0.02)


@given(st.text(max_size=80), st.floats(20, 200), st.booleans())
def test_shortened_text_fits_and_is_a_beginning(text: str, width: float, bold: bool) -> None:
    short = shorten(text, width, 8, bold=bold)
    assert text_width(short, 8, bold=bold) <= width
    assert short == text or text.startswith(short[:-1].rstrip())


@given(st.text(st.sampled_from("abcdefg  W-"), max_size=120), st.floats(20, 200), st.integers(1, 4))
def test_wrapped_lines_fit_and_lose_words_only_at_the_end(text: str, width: float, most: int) -> None:
    lines = wrap_text(text, width, 8, most=most)
    assert len(lines) <= most
    assert all(text_width(line, 8) <= width for line in lines)
    if not any(line.endswith("\u2026") for line in lines):
        assert " ".join(lines).split() == text.split()


@given(st.floats(-1e5, 1e5), st.floats(1e-4, 1e5), st.integers(3, 8))
def test_ticks_are_round_few_and_inside(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most=most)
    assert 1 <= len(found) <= most + 1
    assert all(low - 1e-6 * span <= t <= low + span + 1e-6 * span for t in found)
    step = np.diff(found)
    if len(step):
        mantissa = step[0] / 10 ** np.floor(np.log10(step[0] * (1 + 1e-6)))
        assert min(abs(mantissa - m) for m in (1, 2, 2.5, 5)) < 1e-4
        texts = [f"{t:.{tick_digits(found)}f}" for t in found]
        assert len(set(texts)) == len(texts)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=40))
def test_axis_shows_zero_and_all_typical_estimates(values: list[float]) -> None:
    low, high = axis_range(values, values, values)
    assert low < 0 < high
    q1, q3 = np.quantile(values, (0.25, 0.75))
    for v in values:
        if q1 - (q3 - q1) <= v <= q3 + (q3 - q1):
            assert low <= v <= high


def test_one_absurd_estimate_does_not_squeeze_the_others() -> None:
    low, high = axis_range([0.1, 0.2, 0.3, 0.4, 50.0], [0.0] * 5, [0.5] * 4 + [60.0])
    assert low > -1
    assert high < 2


def test_scale_is_linear_and_holds_values_inside() -> None:
    scale = Scale(-1.0, 3.0, 10.0, 90.0)
    assert [scale.at(v) for v in (-1.0, 1.0, 3.0)] == [10.0, 50.0, 90.0]
    assert scale.at(99.0) == 90.0
    assert not scale.holds(99.0)
    assert Scale(0.0, 1.0, 300.0, 20.0).at(0.25) == 230.0


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_texts_have_aa_contrast_and_marks_are_visible(scheme: dict[str, str]) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for tone in ("ink", "muted", "alert", "summary"):
        assert contrast(scheme[tone], scheme["paper"]) >= 4.5, tone
    for tone in ("ink", "muted"):
        assert contrast(scheme[tone], scheme["band2"]) >= 4.5, tone
    for tone in ("low", "some", "high"):
        assert contrast(scheme["on-mark"], scheme[tone]) >= 4.5, tone
    for tone in ("mark", *(f"group{i}" for i in range(1, 8))):
        assert contrast(scheme[tone], scheme["paper"]) >= 3, tone


def test_style_sheet_names_every_tone() -> None:
    css = palette_css("dark")
    for tone, colour in DARK.items():
        assert f"svg.consilience .f-{tone}{{fill:{colour}}}" in css
        assert f".s-{tone}{{stroke:{colour}}}" in css


@pytest.mark.parametrize("kind", ["square", "diamond", "triangle-up", "triangle-down", "cross"])
def test_markers_are_centred(kind: str) -> None:
    points = np.array(marker(kind, 10.0, 20.0, 3.0))
    assert (points[:, 0].min() + points[:, 0].max()) / 2 == pytest.approx(10.0)
    assert points[:, 1].min() < 20 < points[:, 1].max()
    assert np.ptp(points, axis=0).max() < 9


def test_matplotlib_figure_keeps_texts_as_texts() -> None:
    figure = draw(LAYOUT)
    texts = [t.get_text() for t in figure.findobj(match=lambda a: hasattr(a, "get_text"))]
    assert [label.text for label in LAYOUT.labels] == [t for t in texts if t]
    assert figure.get_size_inches() * 72 == pytest.approx([LAYOUT.width, LAYOUT.height])


def test_png_has_the_asked_resolution_and_scheme() -> None:
    png = figure_png(LAYOUT, dpi=72)
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    assert abs(width - LAYOUT.width) <= 1
    assert abs(height - LAYOUT.height) <= 1
    assert figure_png(LAYOUT, dpi=72, scheme="dark") != png


def test_coordinates_are_short_and_never_negative_zero() -> None:
    assert [coordinate(v) for v in (1.0, 0.126, -0.001, 12.5)] == ["1", "0.13", "0", "12.5"]
