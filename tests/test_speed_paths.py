"""Shortcuts taken for speed give what the plain way gives: parts of V, PNG files, swarms of marks, the test of one mean."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.inference.coefficients import coefficient_table
from consilience.inference.robust import robust_covariance
from consilience.inference.wald import robust_wald
from consilience.inference.working import working_of
from consilience.likelihood.build import _indefinite
from consilience.models import fit
from consilience.plots import figure_png
from consilience.plots.layout import Circle, Layout
from consilience.plots.png import encode_png
from consilience.records import Block, Design, Effects, Spec, Table


def dependent(seed: int = 1, k: int = 24) -> Effects:
    """Effects of six studies with a full covariance in each, rows of the studies interleaved."""
    rng = np.random.default_rng(seed)
    study = np.array([f"s{i % 6}" for i in range(k)], dtype=object)
    v = rng.uniform(0.02, 0.2, k)
    blocks = []
    for name in sorted(set(study.tolist())):
        rows = np.flatnonzero(study == name)
        matrix = 0.5 * np.sqrt(np.outer(v[rows], v[rows]))
        np.fill_diagonal(matrix, v[rows])
        blocks.append(Block(rows, matrix))
    return Effects(rng.normal(0.3, 0.4, k), v, study, blocks=tuple(blocks))


@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_taking_rows_takes_their_covariance(chosen: list[bool]) -> None:
    effects, mask = dependent(), np.array(chosen)
    rows = np.flatnonzero(mask)
    expected = effects.covariance()[np.ix_(rows, rows)]
    for part in (effects.take(mask), effects.take(rows)):
        np.testing.assert_array_equal(part.covariance(), expected)
        assert all(len(block.rows) > 1 for block in part.blocks)


def test_an_encoded_picture_reads_back() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (17, 31, 4), dtype=np.uint8)
    read = image.open(io.BytesIO(encode_png(pixels, dpi=144)))
    np.testing.assert_array_equal(np.asarray(read), pixels[:, :, :3])
    assert round(read.info["dpi"][0]) == 144


def test_many_marks_at_once_look_like_each_alone() -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(3)
    circles = [
        Circle(x, y, r, opacity=0.5)
        for x, y, r in zip(*rng.uniform(8, 90, (2, 80)), rng.uniform(1, 6, 80), strict=True)
    ]
    # a mark too small to see of another paint between them breaks the run, so that each is drawn alone
    split = [item for c in circles for item in (c, Circle(50, 50, 1e-9, fill="", stroke=""))]
    pictures = []
    for items in (circles, split):
        layout = Layout("x", "x", "x", 100, 100, tuple(items), Table("x", "x", (), ()))
        pictures.append(np.asarray(image.open(io.BytesIO(figure_png(layout, dpi=72)))).astype(int))
    assert np.ptp(pictures[0]) > 0
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_the_test_of_one_mean_is_htz() -> None:
    model = fit(dependent(), Spec.che())
    working = working_of(model)
    _, omnibus, _ = coefficient_table(working, Design.intercept(24), Spec.che())
    full = robust_wald(robust_covariance(working), np.eye(1), working.beta)
    assert omnibus is not None
    assert (omnibus.name, omnibus.df1) == (full.name, full.df1)
    for name in ("statistic", "df2", "p_value"):
        assert getattr(omnibus, name) == pytest.approx(getattr(full, name), rel=1e-10)


def test_indefinite_blocks_are_told_apart() -> None:
    singular, bad = np.ones((3, 3)), np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    assert _indefinite(np.array([np.eye(3), singular, bad])).tolist() == [False, False, True]
    assert _indefinite(np.array([np.eye(3)])).tolist() == [False]
