"""Tables and figures of the small-study diagnostics, for 2 to 500 studies."""

from __future__ import annotations

import numpy as np
import pytest

import consilience as cs
from consilience.base.errors import OptionError
from consilience.plots import picture
from consilience.plots.layout import Circle
from consilience.records import Effects, Spec
from consilience.records.small_study import FunnelLine
from consilience.tables.show_small_study import TABLES
from plots_checks import assert_sound
from review_effects import make_effects

EXTRAS = ("trim-and-fill", "pet-peese", "limit")


def simulated(k: int, *, seed: int = 1, mu: float = 0.3, slope: float = 0.0) -> Effects:
    rng = np.random.default_rng(seed)
    v = 4 / np.round(np.exp(rng.uniform(2.5, 6, k)))
    y = rng.normal(mu + slope * np.sqrt(v), np.sqrt(v + 0.04))
    return Effects(y, v, np.array([f"study {i + 1}" for i in range(k)], dtype=object), "SMD")


@pytest.mark.parametrize("k", [2, 3, 12, 60, 500])
@pytest.mark.parametrize("mu", [0.3, -3.0])
def test_funnels_are_sound_from_2_to_500_studies(k, mu):
    effects = simulated(k, mu=mu, slope=1.0)
    record = cs.funnel(effects, show=EXTRAS)
    layout = picture(record)
    assert_sound(layout)
    assert len(layout.twin.rows) == k + len(record.added_y)
    drawn = [item for item in layout.items if isinstance(item, Circle)]
    assert len(drawn) == k + len(record.added_y) + 1 + bool(len(record.added_y))  # and the legend's samples
    power = picture(cs.study_power(effects))
    assert_sound(power)
    assert "%" in power.alt


def test_what_a_funnel_cannot_show_is_said():
    record = cs.funnel(simulated(5), show=EXTRAS)
    assert [line.name for line in record.lines] == ["limit"]
    assert any("No pet-peese: 5 studies" in note.message for note in record.notes)
    with pytest.raises(OptionError, match="trim-and-fill"):
        cs.funnel(simulated(5), show=("trim",))


def test_a_funnel_of_dependent_effects_has_their_own_pooled_effect():
    effects = make_effects(15)
    model = cs.fit(effects, Spec.che())
    record = cs.funnel(model, show=EXTRAS)
    assert record.estimate == model.coefficients.estimate[0]
    assert {note.code for note in record.notes} >= {"dependent-effects"}
    assert_sound(picture(record))


def test_figure_of_trim_and_fill_and_of_no_effect_at_all():
    assert_sound(picture(cs.trim_and_fill(simulated(30, slope=2.0))))
    nothing = simulated(12, mu=0.0)
    assert_sound(picture(cs.study_power(nothing, effect=0.0)))


def test_lines_of_a_funnel():
    assert FunnelLine("PEESE", 0.2, 3.0, 2.0).at(0.5) == pytest.approx(0.2 + 3.0 * 0.25)
    assert FunnelLine("limit", 0.1, 2.0, 1.0, 0.09).at(0.4) == pytest.approx(0.1 + 2.0 * 0.5)


def test_every_record_prints_its_table():
    effects = simulated(20, slope=1.5)
    records = (
        cs.asymmetry_test(effects),
        cs.asymmetry_test(effects, test="begg"),
        cs.asymmetry_test(simulated(6), force=True),
        cs.pet_peese(effects),
        cs.trim_and_fill(effects, estimator="R0", side="left"),
        cs.limit_meta(effects),
        cs.uwls(effects),
        cs.waap_wls(simulated(20, mu=0.0)),
        cs.fail_safe_n(effects),
        cs.excess_significance(effects),
        cs.study_power(effects),
        cs.funnel(effects, show=EXTRAS),
    )
    assert {type(record) for record in records} == set(TABLES)
    for record in records:
        text = str(record)
        assert max(len(line) for line in text.splitlines()) <= 100
        assert "nan" not in text.lower().split()
        assert record._repr_html_().startswith("<pre>")
    assert "Tested because it was forced." in str(records[2])
    assert "... and 8 more." in str(records[-2])
