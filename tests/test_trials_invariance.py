"""What must not matter: order of rows, units, origin, names; and what must flip a sign."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.effects import trial_effects, trial_ratios
from trial_tables import contrast, four, plan, reported, rule

mean = st.floats(5, 50)
spread = st.floats(0.5, 20)
size = st.integers(4, 300)
cell = st.fixed_dictionaries({"n": size, "mean": mean, "sd": spread})
cells = st.tuples(cell, cell, cell, cell)
SCALES = pytest.mark.parametrize("scale", ["raw", "log"])


def g(rows, **options):
    effects = trial_effects(reported(rows), plan(rule(**options)))
    return effects.y, effects.v


@SCALES
@settings(max_examples=40, deadline=None)
@given(drawn=cells, factor=st.floats(1e-6, 1e6))
def test_units_do_not_matter(scale, drawn, factor):
    scaled = [{**c, "mean": c["mean"] * factor, "sd": c["sd"] * factor} for c in drawn]
    for a, b in zip(g(four(*drawn), scale=scale), g(four(*scaled), scale=scale), strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-9)
    ours, theirs = (trial_ratios(reported(four(*c)), plan()) for c in (drawn, scaled))
    assert ours.y == pytest.approx(theirs.y, abs=1e-9)
    assert ours.v == pytest.approx(theirs.v, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(drawn=cells, shift=st.floats(-1000, 1000))
def test_origin_does_not_matter_on_the_raw_scale(drawn, shift):
    moved = [{**c, "mean": c["mean"] + shift} for c in drawn]
    for a, b in zip(g(four(*drawn)), g(four(*moved)), strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-8)


@SCALES
@settings(max_examples=40, deadline=None)
@given(drawn=cells)
def test_exchanging_the_arms_flips_the_sign(scale, drawn):
    t0, t1, c0, c1 = drawn
    (y1, v1), (y2, v2) = g(four(t0, t1, c0, c1), scale=scale), g(four(c0, c1, t0, t1), scale=scale)
    assert y1 == pytest.approx(-y2)
    assert v1 == pytest.approx(v2)


@SCALES
@settings(max_examples=40, deadline=None)
@given(drawn=cells)
def test_every_trial_has_a_positive_variance(scale, drawn):
    y, v = g(four(*drawn), scale=scale)
    assert np.isfinite(y).all()
    assert (v > 0).all()


@settings(max_examples=30, deadline=None)
@given(drawn=st.lists(cells, min_size=2, max_size=5), seed=st.integers(0, 1000))
def test_order_of_rows_does_not_matter(drawn, seed):
    rows = [row for i, c in enumerate(drawn) for row in four(*c, study=f"S{i}")]
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    first, second = (trial_effects(reported(r), plan()) for r in (rows, shuffled))
    ours = dict(zip(first.study, zip(first.y, first.v, strict=True), strict=True))
    theirs = dict(zip(second.study, zip(second.y, second.v, strict=True), strict=True))
    assert ours == theirs


NUMBERS = st.one_of(st.none(), st.floats(-1e3, 1e3), st.sampled_from([0.0, 1e-300, 1e300]))
ARM_CELLS = (
    "n", "mean", "sd", "se", "ci_low", "ci_high", "change", "change_sd", "change_t", "change_p", "geometric_mean",
    "geometric_ci_low", "geometric_ci_high", "median", "q1", "q3", "minimum", "maximum", "events", "total", "r",
)  # fmt: skip
CONTRAST_CELLS = (
    "n_treatment", "n_control", "difference", "difference_se", "difference_ci_low", "difference_ci_high", "sd", "t", "f",
    "chi2", "df", "p", "odds_ratio", "odds_ratio_ci_low", "odds_ratio_ci_high", "smd", "smd_se",
)  # fmt: skip


def printed(names):
    return st.dictionaries(st.sampled_from(names), NUMBERS).map(
        lambda d: {k: (math.nan if v is None else v) for k, v in d.items()}
    )


@settings(max_examples=150, deadline=None)
@given(
    drawn=st.tuples(*[printed(ARM_CELLS)] * 4),
    statistic=printed(CONTRAST_CELLS),
    words=st.tuples(
        st.sampled_from(["", "final", "change", "interaction"]),
        st.sampled_from(["", "treatment higher", "control higher"]),
        st.sampled_from(["", "raw", "ln", "log10"]),
        st.sampled_from(["raw", "log"]),
    ),
)
def test_any_numbers_give_an_effect_or_a_reason(drawn, statistic, words):
    """Never a crash, a NaN or a negative variance; without an effect every row is listed."""
    compares, direction, printed_scale, scale = words
    rows = four(*({**c, "scale": printed_scale} for c in drawn))
    row = contrast(compares=compares, direction=direction, **statistic)
    data = reported(rows, [row])
    effects = trial_effects(data, plan(rule(scale=scale)))
    ratios = trial_ratios(data, plan(rule(scale=scale)))
    for made in (effects, ratios):
        assert np.isfinite(made.y).all()
        assert (made.v > 0).all()
        assert np.isfinite(made.v).all()
        if made.k == 0:
            listed = sorted((d.file, row) for d in made.dropped for row in d.rows)
            assert listed == [("arms.csv", i) for i in (2, 3, 4, 5)] + [("contrasts.csv", 2)]
