"""Figures of resampling, of the Copas model, of p-uniform, of corrected effects: sound for few and many, and true to their records."""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError
from consilience.plots import picture, text_twin
from consilience.plots.contour_lines import contour_lines, levels_between
from consilience.plots.layout import Line, Shape
from consilience.plots.picture import PICTURES
from consilience.records import Effects, Intercept, Spec
from plots_checks import assert_sound


def effects_of(k: int) -> Effects:
    """Small studies have larger effects; long names."""
    rng = np.random.default_rng(k)
    v = rng.uniform(0.01, 0.3, k)
    y = rng.normal(0.25 + 0.5 * np.sqrt(v), np.sqrt(v + 0.03))
    names = [f"A very long name of an author and the consortium, {1950 + i}" for i in range(k)]
    return Effects(y, v, np.array(names, dtype=object), measure="SMD")


def records(k: int) -> list:
    effects = effects_of(k)
    fit = consilience.fit(effects, Spec.random_effects("REML", "knapp-hartung"))
    robust = consilience.fit(effects, Spec((Intercept(("row",)),), "REML", "CR2"))
    one = np.array([1.0])

    def rng() -> np.random.Generator:
        return np.random.default_rng(1)

    found = [
        consilience.jackknife(fit),
        consilience.wild_bootstrap(robust, one, rng=rng(), replicates=399),
        consilience.wild_bootstrap_interval(robust, one, rng=rng(), replicates=399),
        consilience.permutation_interval(fit, iterations=199, rng=rng()),
        consilience.p_uniform_star(effects),
        consilience.worst_case(effects),
    ]
    if k > 2:
        found += [
            consilience.bootstrap(fit, rng=rng(), replicates=200),
            consilience.copas(effects, gamma0=(-2.0, -1.0, 0.0, 1.0), gamma1=(0.0, 0.2, 0.4)),
            consilience.limit_meta(effects),
            consilience.pet_peese(effects, force=True),
        ]
    if k > 20:
        model = consilience.selection_model(effects)
        found.append(consilience.selection_bootstrap(model, rng=rng(), replicates=60))
    return found


@pytest.mark.parametrize("k", [2, 10, 37, 500])
def test_figures_are_sound(k: int) -> None:
    for record in records(k):
        for kind in PICTURES[type(record)]:
            layout = picture(record, kind)
            assert_sound(layout)
            assert "nan" not in text_twin(layout).lower().split()


def test_every_record_of_a_diagnostic_has_a_figure_or_is_a_table() -> None:
    """Records without one: a single test or number each."""
    tables = {
        "Asymmetry",
        "ExcessSignificance",
        "FailSafe",
        "PreciseAverage",
        "Dependence",
        "Explanation",
        "Fit",
    }
    named = {t.__name__ for t in PICTURES}
    for name in consilience.__all__:
        thing = getattr(consilience, name)
        module = getattr(thing, "__module__", "")
        if isinstance(thing, type) and module in {
            "consilience.records.resampling",
            "consilience.records.permutation",
            "consilience.records.selection",
            "consilience.records.influence",
            "consilience.records.gosh",
            "consilience.records.multiverse",
            "consilience.records.calibration",
        }:
            assert name in named | tables | {"PublicationRule"}, name


def test_the_interval_ends_where_the_p_value_crosses_the_level() -> None:
    fit = consilience.fit(effects_of(15), Spec((Intercept(("row",)),), "REML", "CR2"))
    found = consilience.wild_bootstrap_interval(
        fit, np.array([1.0]), rng=np.random.default_rng(2), replicates=999
    )
    inside = (found.values > found.low) & (found.values < found.high)
    assert found.p_values[inside].min() > 0.05
    assert found.p_values[~inside].max() <= 0.05
    assert found.p_values[np.argmin(np.abs(found.values - found.estimate))] == pytest.approx(1.0)


def test_draws_of_the_wild_bootstrap_give_its_p_value() -> None:
    fit = consilience.fit(effects_of(12), Spec((Intercept(("row",)),), "REML", "CR2"))
    found = consilience.wild_bootstrap(fit, np.array([1.0]), rng=np.random.default_rng(2), replicates=9999)
    assert found.exact
    assert np.mean(found.draws >= found.statistic * (1 - 1e-10)) == pytest.approx(found.p_value)
    assert found.replicates == len(found.draws) == 2**12


def test_arm_sizes_have_no_line_in_a_funnel() -> None:
    rng = np.random.default_rng(1)
    base = effects_of(20)
    sizes = {
        "n_treatment": rng.integers(10, 90, 20).astype(float),
        "n_control": rng.integers(10, 90, 20).astype(float),
    }
    effects = Effects(base.y, base.v, base.study, measure="SMD", columns=sizes)
    with pytest.raises(InputError) as error:
        picture(consilience.pet_peese(effects, predictor="arms"))
    assert error.value.code == "no-picture"


def test_the_limit_curve_meets_the_top_at_the_adjusted_effect() -> None:
    record = consilience.limit_meta(effects_of(30))
    layout = picture(record)
    curve = next(i for i in layout.items if isinstance(i, Line) and i.tone == "group3" and len(i.points) > 10)
    zero = next(
        i
        for i in layout.items
        if isinstance(i, Line) and i.tone == "ink" and len({p[0] for p in i.points}) == 1
    )
    pooled = next(
        i for i in layout.items if isinstance(i, Line) and i.tone == "summary" and len(i.points) == 2
    )
    unit = (pooled.points[0][0] - zero.points[0][0]) / record.unadjusted.estimate
    assert (curve.points[0][0] - zero.points[0][0]) / unit == pytest.approx(record.estimate, abs=1e-6)


def test_contour_lines_follow_a_plane_and_a_hill() -> None:
    x, y = np.linspace(-1, 1, 21), np.linspace(0, 2, 31)
    plane = 2 * x[None, :] + 3 * y[:, None]
    lines = contour_lines(x, y, plane, 2.5)
    assert len(lines) == 1
    assert 2 * lines[0][:, 0] + 3 * lines[0][:, 1] == pytest.approx(np.full(len(lines[0]), 2.5))
    hill = x[None, :] ** 2 + (y[:, None] - 1) ** 2
    (ring,) = contour_lines(x, y, hill, 0.3)
    assert ring[0] == pytest.approx(ring[-1])
    assert np.hypot(ring[:, 0], ring[:, 1] - 1) == pytest.approx(np.full(len(ring), np.sqrt(0.3)), abs=5e-3)
    assert levels_between(1.0, 1.0) == ()
    assert all(0.1 < v < 0.9 for v in levels_between(0.1, 0.9))


def test_copas_contours_shade_where_asymmetry_is_left() -> None:
    record = consilience.copas(effects_of(60))
    shaded = [i for i in picture(record, "contours").items if isinstance(i, Shape) and i.fill == "band2"]
    assert bool(shaded) == bool((record.p_residual <= 0.1).any())
