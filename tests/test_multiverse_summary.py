"""Shares, alternatives and what moves the answer, against numbers worked out by hand or in another way."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.diagnostics.specifications import movement, summaries, support_of, verdicts
from consilience.records import Dimension


def dimensions(*sizes: int) -> tuple[Dimension, ...]:
    return tuple(
        Dimension(
            f"d{j}",
            f"Choice {j}",
            tuple(f"a{i}" for i in range(n)),
            tuple(f"alternative {i}" for i in range(n)),
        )
        for j, n in enumerate(sizes)
    )


def grid(*sizes: int) -> np.ndarray:
    return np.array(list(product(*(range(n) for n in sizes))))


def test_shares_by_hand():
    estimate = np.array([0.3, 0.1, 0.25, -0.1, -0.4])
    low = np.array([0.1, -0.1, 0.05, -0.3, -0.6])
    high = np.array([0.5, 0.3, 0.45, 0.1, -0.2])
    up = support_of(estimate, low, high, primary=0.3, relevance=0.2)
    assert (up.n, up.side, up.same_sign, up.supporting, up.opposite, up.relevant) == (
        5,
        1,
        0.6,
        0.4,
        0.2,
        0.4,
    )
    down = support_of(estimate, low, high, primary=-0.4, relevance=0.2)
    assert (down.side, down.same_sign, down.supporting, down.opposite, down.relevant) == (
        -1,
        0.4,
        0.2,
        0.4,
        0.2,
    )
    none = support_of(np.empty(0), np.empty(0), np.empty(0), primary=0.1, relevance=0.2)
    assert none.n == 0
    assert np.isnan(none.supporting)


def test_verdicts_by_hand():
    low, high = np.array([0.1, 0.2, -0.1, -0.4, np.nan]), np.array([0.3, 0.4, 0.2, -0.2, np.nan])
    assert verdicts(low, high, 0).tolist() == ["same", "same", "weaker", "reversed", "unavailable"]
    assert verdicts(low, high, 2).tolist() == ["stronger", "stronger", "same", "stronger", "unavailable"]


def test_alternatives_by_hand():
    choice = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    found = summaries(
        dimensions(2, 3), choice, np.array([1.0, 3.0, 5.0, 9.0]), np.array([True, False, True, True])
    )
    assert [(a.dimension, a.key, a.n) for a in found] == [
        ("d0", "a0", 2),
        ("d0", "a1", 2),
        ("d1", "a0", 2),
        ("d1", "a1", 2),
        ("d1", "a2", 0),
    ]
    first = found[0]
    assert (first.mean, first.median, first.low, first.high, first.supporting) == (2.0, 2.0, 1.0, 3.0, 0.5)
    assert np.isnan(found[-1].mean)


def test_two_by_two_by_hand():
    """y = 10 12 / 14 20: means 11 17 and 12 16, SS 36, 16 and 4 of interaction, 56 in all."""
    moved = movement(dimensions(2, 2), grid(2, 2), np.array([10.0, 12.0, 14.0, 20.0]))
    assert moved.method == "balanced"
    assert [c.dimension for c in moved.contributions] == ["d0", "d1"]
    assert [c.share for c in moved.contributions] == pytest.approx([36 / 56, 16 / 56])
    assert [c.total for c in moved.contributions] == pytest.approx([40 / 56, 20 / 56])
    assert [c.spread for c in moved.contributions] == pytest.approx([6, 4])
    assert moved.interactions == pytest.approx(4 / 56)
    assert moved.variance == pytest.approx(14)
    assert moved.overlap == 0


def test_additive_choices_have_no_interactions():
    sizes, effects = (
        (3, 2, 4),
        (np.array([0.0, 1.0, 3.0]), np.array([0.0, -2.0]), np.array([0.0, 0.1, 0.2, 0.5])),
    )
    choice = grid(*sizes)
    y = sum(e[choice[:, j]] for j, e in enumerate(effects))
    moved = movement(dimensions(*sizes), choice, y)
    expected = {f"d{j}": np.var(e) for j, e in enumerate(effects)}
    total = sum(expected.values())
    for c in moved.contributions:
        assert c.share == pytest.approx(expected[c.dimension] / total)
        assert c.total == pytest.approx(c.share)
        assert c.spread == pytest.approx(np.ptp(effects[int(c.dimension[1:])]))
    assert moved.interactions == pytest.approx(0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(2, 2), (3, 4), (2, 3, 2), (5, 2, 2, 2)]), st.booleans())
def test_shares_against_sums_of_squares_of_other_regressions(seed, sizes, complete):
    """Type III by deviation coding and the hypothesis that a dimension's coefficients are zero (b' C^-1 b)."""
    rng = np.random.default_rng(seed)
    choice = grid(*sizes)
    if not complete:
        choice = choice[rng.random(len(choice)) < 0.75]
    if len(choice) < sum(sizes) or any(len(np.unique(choice[:, j])) < n for j, n in enumerate(sizes)):
        return
    y = rng.normal(size=len(choice)) + choice[:, 0]
    moved = movement(dimensions(*sizes), choice, y)
    coded = [np.vstack([np.eye(n - 1), -np.ones(n - 1)])[choice[:, j]] for j, n in enumerate(sizes)]
    x = np.column_stack([np.ones(len(y)), *coded])
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ x.T @ y
    total = np.sum((y - y.mean()) ** 2)
    start = 1
    by_name = {c.dimension: c for c in moved.contributions}
    for j, n in enumerate(sizes):
        part = slice(start, start + n - 1)
        square = b[part] @ np.linalg.solve(inverse[part, part], b[part])
        assert by_name[f"d{j}"].share == pytest.approx(square / total, rel=1e-7, abs=1e-10)
        start += n - 1
    assert moved.interactions == pytest.approx(np.sum((y - x @ b) ** 2) / total, rel=1e-7, abs=1e-10)
    shares = sum(c.share for c in moved.contributions)
    assert shares + moved.interactions + moved.overlap == pytest.approx(1)
    assert moved.method == ("balanced" if len(choice) == np.prod(sizes) else "type III")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(0.1, 100))
def test_shares_do_not_depend_on_origin_unit_or_order(seed, shift, unit):
    rng = np.random.default_rng(seed)
    choice = grid(3, 2, 2)[: int(rng.integers(9, 13))]
    y = rng.normal(size=len(choice))
    first = movement(dimensions(3, 2, 2), choice, y)
    order = rng.permutation(len(y))
    other = movement(dimensions(3, 2, 2), choice[order], shift + unit * y[order])
    for a, b in zip(first.contributions, other.contributions, strict=True):
        assert (a.dimension, a.share, a.total) == (
            b.dimension,
            pytest.approx(b.share, abs=1e-9),
            pytest.approx(b.total, abs=1e-9),
        )


def test_equal_estimates_move_nothing():
    moved = movement(dimensions(2, 2), grid(2, 2), np.full(4, 0.3))
    assert [c.share for c in moved.contributions] == [0, 0]
    assert (moved.interactions, moved.variance) == (0, 0)
