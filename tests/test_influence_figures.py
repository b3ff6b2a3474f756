"""Figures and tables of influence and residuals for few and for many: sound, with twins that list every case."""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience.diagnostics import (
    baujat,
    collinearity,
    cumulative,
    influence,
    leave_one_out,
    normal_quantiles,
    radial,
    residuals,
)
from consilience.models import fit
from consilience.plots import PICTURES, picture, text_twin
from consilience.plots.names import place_names
from consilience.records import Design, Effects, Spec
from plots_checks import assert_sound


def data(k: int, per: int = 1) -> Effects:
    rng = np.random.default_rng(k)
    v, x = rng.uniform(0.01, 0.3, k), rng.normal(size=k)
    y = 0.3 + 0.1 * x + rng.normal(0, np.sqrt(v + 0.05))
    y[k // 2] += 2.5
    names = np.array([f"A rather long first author {i // per} et al." for i in range(k)], dtype=object)
    return Effects(y, v, names, columns={"year": 1980.0 + np.arange(k) % 37, "x": x})


def records(k: int, per: int) -> list[object]:
    """Every record that can be made of k effects."""
    effects = data(k, per)
    spec = Spec.random_effects() if per == 1 else Spec.che()
    rng = np.random.default_rng(1)
    ours = fit(effects, spec)
    found: list[object] = [
        influence(ours, reestimate=k < 200),
        leave_one_out(ours),
        cumulative(ours),
        cumulative(ours, order="precision"),
        baujat(ours, reestimate=k < 200),
        radial(ours),
        residuals(ours, reestimate=False),
    ]
    if k > 2:
        found.append(normal_quantiles(ours, rng=rng, draws=200))
    if k > 4:
        matrix = np.column_stack([np.ones(k), effects["x"], effects["year"] - 2000])
        other = fit(effects, spec, design=Design(matrix, ("intercept", "x", "year")))
        found.append(influence(other, reestimate=False))
        found.append(residuals(other, against="x", reestimate=False))
        found.append(collinearity(other, rng=rng, draws=50))
    return found


@pytest.mark.parametrize("k, per", [(2, 1), (3, 1), (5, 1), (13, 1), (51, 1), (120, 1), (500, 1), (36, 3)])
def test_every_figure_is_sound_and_every_record_prints(k: int, per: int):
    for record in records(k, per):
        for kind in PICTURES[type(record)]:
            layout = picture(record, kind)
            assert_sound(layout)
            assert "nan" not in text_twin(layout)
        printed = str(record)
        assert max(map(len, printed.splitlines())) <= 100
        assert len(printed.splitlines()) < 180


def test_twins_list_every_case_in_full():
    effects = data(120)
    ours = fit(effects, Spec.random_effects())
    for record in (influence(ours, reestimate=False), baujat(ours, reestimate=False), leave_one_out(ours)):
        text = text_twin(picture(record))
        assert all(name in text for name in effects.study)


def test_flagged_cases_are_named_and_told_apart_without_colour():
    effects = data(40)
    found = influence(fit(effects, Spec.random_effects()))
    assert found.outlier[20]
    layout = picture(found)
    assert sum("author 20" in label.text for label in layout.labels) >= 4
    assert "1 flagged: A rather long first author 20" in str(found)
    assert {shape.fill for shape in layout.items if hasattr(shape, "points") and hasattr(shape, "fill")} == {
        "alert"
    }


def test_reasons_stand_in_figures_and_tables():
    effects = data(3)
    found = influence(
        fit(
            effects,
            Spec.random_effects(),
            design=Design(np.eye(3)[:, :2] + [[0, 0], [0, 0], [1, 1]], ("a", "b")),
        )
    )
    assert all(found.reason)
    assert "coefficients" in str(found)
    assert "coefficients" in text_twin(picture(found))


def test_the_radial_note_names_the_scale_as_the_axes_do():
    note = "\n".join(
        label.text
        for label in picture(radial(fit(data(5), Spec.random_effects()))).items
        if hasattr(label, "text")
    )
    assert "pooled effect" in note
    assert "generic" not in note


def test_the_band_of_many_steps_is_said_to_be_that_of_the_steps():
    few, many = (cumulative(fit(data(k), Spec.random_effects())) for k in (10, 60))
    assert "Dashed and band: all effects" in text_twin(picture(few))
    assert "Band: 95% interval of each step" in text_twin(picture(many))
    assert "year" in text_twin(picture(many)).splitlines()[1]
    assert "Dashed and band" not in text_twin(picture(many))


def test_names_hide_nothing():
    rng = np.random.default_rng(1)
    points = [tuple(p) for p in rng.uniform(0, 200, (150, 2))]
    names = [f"name {i}" for i in range(150)]
    placed = place_names(points, names, range(150), area=(0, 0, 220, 220))
    assert 0 < len(placed) < 150
    for label in placed:
        own = int(label.text.split()[1])
        inside = [
            i
            for i, (x, y) in enumerate(points)
            if i != own and label.x <= x <= label.x + 25 and label.y - 6 <= y <= label.y
        ]
        assert not inside


def test_public_names():
    for name in ("influence", "leave_one_out", "cumulative", "baujat", "radial", "residuals", "collinearity"):
        assert callable(getattr(consilience, name))
    assert (
        consilience.picture(consilience.baujat(consilience.fit(data(6), Spec.random_effects()))).key
        == "baujat"
    )
