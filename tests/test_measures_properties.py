"""No input crashes a measure, gives a negative variance, or gives no estimate without saying why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.effects.measures import MEASURES, effect_size

WILD = st.one_of(
    st.sampled_from(
        [0.0, 1.0, -1.0, 2.0, 0.5, 10.0, 1e-300, 1e300, -5.0, float("inf"), float("nan"), 1e9, 343.0]
    ),
    st.integers(0, 60).map(float),
    st.floats(-1.2, 1.2),
    st.floats(allow_nan=True, allow_infinity=True),
)
NAMES = sorted(MEASURES)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data())
def test_no_input_breaks_a_measure(data):
    measure = MEASURES[data.draw(st.sampled_from(NAMES))]
    rows = data.draw(st.integers(0, 4))
    table = {c.name: data.draw(st.lists(WILD, min_size=rows, max_size=rows)) for c in measure.columns}
    choices = {"vtype": data.draw(st.sampled_from(measure.vtypes)), "correct": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        choices |= {"to": data.draw(st.sampled_from(["only0", "all", "if0all", "none"]))}
        choices |= {"drop00": data.draw(st.booleans()), "flip": data.draw(st.booleans())}
    effects = effect_size(measure.id, table, **choices)
    assert effects.y.shape == effects.v.shape == (rows,)
    assert not np.isinf(effects.y).any()
    assert not np.isinf(effects.v).any()
    assert not (effects.v < 0).any()
    noted = {row for note in effects.notes for row in note.rows}
    assert set(np.flatnonzero(np.isnan(effects.y) | np.isnan(effects.v)).tolist()) <= noted


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_rows_do_not_depend_on_each_other_or_on_their_order(name, random):
    """But for averaged variances and continuity corrections that look at all studies."""
    measure = MEASURES[name]
    scales = [random.uniform(0.6, 1.0) for _ in range(5)]
    whole = measure.family.endswith("one event") or "over time" in measure.family
    table = {
        c.name: [
            (round(measure.example[c.name] * s) if whole and c.name != "r" else measure.example[c.name] * s)
            for s in scales
        ]
        for c in measure.columns
        if c.name in measure.example
    }
    for vtype in set(measure.vtypes) - {"AV", "AVHO"} - ({"HO"} if name == "MN" else set()):
        together = effect_size(name, table, vtype=vtype)
        order = list(range(5))
        random.shuffle(order)
        moved = effect_size(
            name, {key: [values[i] for i in order] for key, values in table.items()}, vtype=vtype
        )
        np.testing.assert_allclose(moved.y, together.y[order], rtol=1e-13)
        np.testing.assert_allclose(moved.v, together.v[order], rtol=1e-13)
        alone = effect_size(name, {key: values[:1] for key, values in table.items()}, vtype=vtype)
        np.testing.assert_allclose(alone.y, together.y[:1], rtol=1e-13)


SIGNED = (
    "RR",
    "OR",
    "PETO",
    "RD",
    "AS",
    "PHI",
    "ZPHI",
    "YUQ",
    "YUY",
    "RTET",
    "ZTET",
    "PBIT",
    "OR2D",
    "OR2DN",
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 40), min_size=4, max_size=4), st.sampled_from(SIGNED))
def test_exchanging_the_groups_of_a_table_turns_the_sign(cells, name):
    a, b, c, d = map(float, cells)
    first = effect_size(name, {"ai": a, "bi": b, "ci": c, "di": d})
    second = effect_size(name, {"ai": c, "bi": d, "ci": a, "di": b})
    np.testing.assert_allclose(second.y, -first.y, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(second.v, first.v, rtol=1e-8)


@pytest.mark.parametrize("name", ["OR", "PHI", "YUQ", "RTET"])
def test_associations_do_not_care_which_margin_is_the_group(name):
    one = effect_size(name, {"ai": 12.0, "bi": 30.0, "ci": 25.0, "di": 18.0})
    other = effect_size(name, {"ai": 12.0, "bi": 25.0, "ci": 30.0, "di": 18.0})
    np.testing.assert_allclose(one.y, other.y, rtol=1e-12)
    np.testing.assert_allclose(one.v, other.v, rtol=1e-10)


SPREAD, SIZE = st.floats(0.1, 4), st.integers(3, 200)
NUMBERS = st.tuples(st.floats(0.5, 20), st.floats(0.5, 20), SPREAD, SPREAD, SIZE, SIZE, st.floats(0.01, 100))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(NUMBERS)
def test_units_do_not_matter(numbers):
    """Standardised and ratio measures are the same in mg and in g; raw ones scale."""
    *values, factor = numbers
    table = dict(zip(("m1i", "m2i", "sd1i", "sd2i", "n1i", "n2i"), values, strict=True))
    scaled = table | {key: table[key] * factor for key in ("m1i", "m2i", "sd1i", "sd2i")}
    for name in ("SMD", "SMDH", "SMD1", "SMD1H", "ROM", "VR", "CVR", "RPB", "CLESN", "D2OR"):
        before, after = effect_size(name, table), effect_size(name, scaled)
        np.testing.assert_allclose(after.y, before.y, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(after.v, before.v, rtol=1e-8)
    np.testing.assert_allclose(
        effect_size("MD", scaled).y, effect_size("MD", table).y * factor, rtol=1e-9, atol=1e-9
    )
