"""Many data sets in one batch give what one fit after another gives: rows left out, other effects, designs, variances."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from consilience.models import fit, fit_many, refit_many
from consilience.models.nested_many import nesting_of
from consilience.models.refit import one_by_one
from consilience.records import Block, Design, Effects, Fit, Intercept, Refits, Spec
from engine_reference import random_effects_data

STUDY, WITHIN, ROW = Intercept(("study",)), Intercept(("study", "row")), Intercept(("row",))
TERMS = {
    "che": (STUDY, WITHIN),
    "turned": (WITHIN, STUDY),
    "study": (STUDY,),
    "row": (ROW,),
    "given": (Intercept(("study",), 0.05), ROW),
}
TESTS = ("z", "t", "knapp-hartung", "knapp-hartung-floor", "CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")


def same(got: Refits, want: Refits, *, tolerance: float = 1e-8) -> None:
    np.testing.assert_array_equal(got.ok, want.ok)
    np.testing.assert_array_equal(got.k, want.k)
    for field in fields(Refits):
        ours, theirs = getattr(got, field.name)[got.ok], getattr(want, field.name)[got.ok]
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=field.name)


def looped(model: Fit, *, keep=None, y=None, x=None) -> Refits:
    n = max(len(a) for a in (keep, y, x) if a is not None)
    k = model.effects.k
    rows = np.broadcast_to(True if keep is None else keep, (n, k))
    effects = np.broadcast_to(model.effects.y if y is None else y, (n, k))
    design = model.design.matrix if x is None else x
    return one_by_one(model, rows, effects, np.broadcast_to(design, (n, *design.shape[-2:])), safe=True)


def data(seed: int, *, moderator: bool) -> tuple[Effects, Design]:
    effects = random_effects_data(seed, studies=9, most=5, rho=(0.0, 0.6, 0.9)[seed % 3])
    if not moderator:
        return effects, Design.intercept(effects.k)
    return effects, Design(np.column_stack([np.ones(effects.k), effects.columns["x"]]), ("intercept", "x"))


@pytest.mark.parametrize("method", ["REML", "ML", "EE"])
@pytest.mark.parametrize("terms", TERMS)
def test_rows_effects_and_designs(terms: str, method) -> None:
    effects, design = data(len(terms) + len(method), moderator=terms != "study")
    model = fit(effects, Spec(TERMS[terms], method, "CR2"), design=design)
    rng = np.random.default_rng(1)
    keep = rng.random((6, effects.k)) < 0.8
    keep[0] = effects.study != effects.study[0]
    y = rng.normal(0.2, [[0.05], [0.3], [0.3], [1.0], [1.0], [3.0]], (6, effects.k))
    x = rng.normal(size=(6, *design.matrix.shape))
    for given in ({"keep": keep}, {"y": y}, {"x": x}, {"keep": keep, "y": y, "x": x}):
        same(refit_many(model, **given), looped(model, **given))


@pytest.mark.parametrize("test", TESTS)
def test_every_reference_distribution(test) -> None:
    effects, design = data(4, moderator=True)
    model = fit(effects, Spec.che(), design=design)
    model = replace(model, spec=replace(model.spec, test=test, level=0.9))
    y = np.random.default_rng(2).normal(0.2, 0.4, (5, effects.k))
    keep = np.random.default_rng(3).random((5, effects.k)) < 0.8
    same(refit_many(model, y=y, keep=keep), looped(model, y=y, keep=keep))


def test_clusters_of_several_groups() -> None:
    effects, design = data(6, moderator=True)
    lab = np.array([f"lab {int(s[1:]) % 4}" for s in effects.study], dtype=object)
    effects = replace(effects, columns={**effects.columns, "lab": lab})
    model = fit(effects, replace(Spec.che(), cluster="lab"), design=design)
    y = np.random.default_rng(2).normal(0.2, 0.4, (5, effects.k))
    keep = np.random.default_rng(3).random((5, effects.k)) < 0.8
    assert nesting_of(effects, model.spec) is not None
    same(refit_many(model, y=y, keep=keep), looped(model, y=y, keep=keep))


def test_what_a_fit_refuses_is_not_ok() -> None:
    effects, design = data(5, moderator=True)
    model = fit(effects, Spec.che(), design=design)
    keep = np.ones((5, effects.k), dtype=bool)
    keep[0] = False
    keep[1, 1:] = False  # one row for two coefficients
    keep[2] = effects.study == effects.study[-1]
    keep[3, 2:] = False  # as many rows as coefficients
    y = np.tile(effects.y, (5, 1))
    y[4, 3] = np.nan
    x = np.tile(design.matrix, (5, 1, 1))
    got = refit_many(model, keep=keep, y=y, x=x)
    assert got.ok.tolist() == [False, False, True, True, False]
    same(got, looped(model, keep=keep, y=y, x=x))
    x[2, :, 1] = 3.0  # a constant moderator
    assert not refit_many(model, keep=keep, y=y, x=x).ok[2]
    assert np.isnan(refit_many(model, keep=keep[:2]).estimate).all()


def test_local_refits_find_the_same_where_there_is_one_maximum() -> None:
    effects, design = data(7, moderator=True)
    model = fit(effects, Spec.che(), design=design)
    keep = ~np.eye(effects.k, dtype=bool)
    same(refit_many(model, keep=keep, safe=False), refit_many(model, keep=keep))


def test_shift_and_scale_of_each_data_set() -> None:
    effects, design = data(8, moderator=True)
    model = fit(effects, Spec.che(), design=design)
    shifted = refit_many(model, y=np.stack([effects.y, effects.y + 1e6]))
    np.testing.assert_allclose(shifted.theta[1], shifted.theta[0], rtol=1e-6)
    np.testing.assert_allclose(shifted.se[1], shifted.se[0], rtol=1e-6)
    tiny = fit_many([scaled(effects, 1e-60)], Spec.che(), designs=design)
    np.testing.assert_allclose(tiny.estimate[0] * 1e60, shifted.estimate[0], rtol=1e-9)
    np.testing.assert_allclose(tiny.df[0], shifted.df[0], rtol=1e-9)


def scaled(effects: Effects, factor: float) -> Effects:
    blocks = tuple(Block(block.rows, block.matrix * factor**2) for block in effects.blocks)
    return replace(effects, y=effects.y * factor, v=effects.v * factor**2, blocks=blocks)


def correlated(effects: Effects, rho: float) -> Effects:
    blocks = []
    for block in effects.blocks:
        scale = np.sqrt(effects.v[block.rows])
        matrix = np.where(np.eye(len(scale)) > 0, 1.0, rho) * np.outer(scale, scale)
        blocks.append(Block(block.rows, matrix))
    return replace(effects, blocks=tuple(blocks))


@pytest.mark.parametrize("test", ["CR2", "z"])
def test_data_sets_of_different_variances_layouts_and_sizes(test) -> None:
    rng = np.random.default_rng(4)
    base, _ = data(9, moderator=False)
    many = [correlated(replace(base, v=base.v * rng.uniform(0.5, 2, base.k)), rho) for rho in (0.1, 0.5, 0.8)]
    many += [correlated(base, 1.0), correlated(base, 1.2), base.take(np.arange(base.k) > 3)]
    many += [replace(base, blocks=()), replace(base, y=base.y * np.nan)]
    spec = replace(Spec.che(), test=test)
    got = fit_many(many, spec)
    assert got.ok.tolist() == [True] * 4 + [False, True, True, False]
    for i in np.flatnonzero(got.ok):
        found = fit(many[i], spec)
        np.testing.assert_allclose(got.estimate[i], found.coefficients.estimate, rtol=1e-8)
        np.testing.assert_allclose(got.se[i], found.coefficients.se, rtol=1e-8)
        np.testing.assert_allclose(got.df[i], found.coefficients.df, rtol=1e-8)
        np.testing.assert_allclose(got.theta[i], found.components.theta, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(got.loglik[i], found.loglik, rtol=1e-10)


def test_one_effect_per_study_and_other_models_too() -> None:
    rng = np.random.default_rng(5)
    labels = np.array([f"s{i}" for i in range(8)], dtype=object)
    many = [Effects(rng.normal(0, 0.5, 8), rng.uniform(0.02, 0.2, 8), labels) for _ in range(3)]
    for spec in (Spec.random_effects(), Spec.random_effects("DL", "z"), Spec.correlated(), Spec.che()):
        got = fit_many(many, spec)
        for i, effects in enumerate(many):
            found = fit(effects, spec)
            np.testing.assert_allclose(got.estimate[i], found.coefficients.estimate, rtol=1e-9)
            np.testing.assert_allclose(got.tau2[i], found.components.total, rtol=1e-8, atol=1e-12)
