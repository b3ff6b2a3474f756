"""Permutation tests: brute force, exactness, intervals; type I error and coverage by simulation (slow)."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.diagnostics import arrangements
from consilience.diagnostics.arrangements import arrangements_of
from consilience.diagnostics.permutation import permutation_test
from consilience.diagnostics.permutation_interval import permutation_interval
from consilience.models import fit
from consilience.plots import picture
from consilience.records import Design, Effects, Fit, Spec
from plots_checks import assert_sound


def effects(y: np.ndarray, v: np.ndarray) -> Effects:
    return Effects(y, v, np.array([f"s{i}" for i in range(len(y))], dtype=object))


def regression(k: int = 6, seed: int = 1, *, test: str = "knapp-hartung", slope: float = 0.0) -> Fit:
    rng = np.random.default_rng(seed)
    v, x = rng.uniform(0.02, 0.2, k), rng.integers(0, 4, k).astype(float)
    x[:2] = 0.0, 1.0
    y = rng.normal(0.3 + slope * x, np.sqrt(v + 0.05))
    design = Design(np.column_stack([np.ones(k), x]), ("intercept", "x"))
    return fit(effects(y, v), Spec.random_effects(test=test), design=design)  # type: ignore[arg-type]


def clustered(seed: int = 1, *, moderated: bool = True) -> Fit:
    rng = np.random.default_rng(seed)
    study = np.repeat(np.array([f"s{i}" for i in range(5)], dtype=object), [2, 3, 2, 2, 3])
    x = np.repeat(np.array([0.0, 0.0, 1.0, 1.0, 1.0]), [2, 3, 2, 2, 3])
    v = rng.uniform(0.02, 0.1, 12)
    design = Design(np.column_stack([np.ones(12), x]), ("intercept", "x")) if moderated else None
    return fit(Effects(rng.normal(0.3, 0.3, 12), v, study), Spec.che(), design=design)


@pytest.mark.parametrize("statistic", ["test", "coefficient"])
def test_exact_is_all_permutations_one_by_one(statistic: str) -> None:
    whole = regression()
    x, values = whole.design.matrix, []
    for order in itertools.permutations(range(6)):
        design = Design(x[list(order)], whole.design.names)
        c = fit(whole.effects, whole.spec, design=design).coefficients
        values.append(c.statistic if statistic == "test" else c.estimate)
    each = np.abs(np.array(values))
    seen = whole.coefficients.statistic if statistic == "test" else whole.coefficients.estimate
    expected = (each >= np.abs(seen) - 1e-8).mean(axis=0)
    found = permutation_test(whole, exact=True, statistic=statistic)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.p_value, expected, rtol=1e-12)
    assert found.exact
    assert found.iterations == found.possible < 720  # equal rows make equal permutations
    assert (found.mc_se == 0).all()


def test_exact_signs_one_by_one() -> None:
    rng = np.random.default_rng(2)
    v = rng.uniform(0.02, 0.2, 7)
    whole = fit(effects(rng.normal(0.3, np.sqrt(v + 0.05)), v), Spec.random_effects("DL"))
    each = [
        fit(effects(whole.effects.y * np.array(s), v), whole.spec).coefficients.statistic[0]
        for s in itertools.product((1, -1), repeat=7)
    ]
    seen = abs(whole.coefficients.statistic[0])
    assert permutation_test(whole).p_value[0] == pytest.approx(
        np.mean(np.abs(each) >= seen - 1e-8), rel=1e-12
    )


def test_arrangements_are_all_and_distinct() -> None:
    setup = arrangements_of(regression(8, 3))
    rows = np.concatenate([setup.kind[chosen] for chosen in setup.every()])
    assert len(rows) == setup.possible == len(np.unique(rows, axis=0))
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.sort(setup.kind), (len(rows), 1)))


def test_random_permutations_estimate_the_exact_p() -> None:
    whole = regression(8, 5, slope=0.15)
    exact = permutation_test(whole, exact=True)
    found = permutation_test(whole, exact=False, iterations=4_000, rng=np.random.default_rng(7))
    assert not found.exact
    assert found.seed == 7
    assert (np.abs(found.p_value - exact.p_value) < 4 * found.mc_se + 1e-3).all()
    assert ((found.p_low < found.p_value) & (found.p_value < found.p_high)).all()
    again = permutation_test(whole, exact=False, iterations=4_000, rng=np.random.default_rng(7))
    np.testing.assert_array_equal(found.p_value, again.p_value)


@pytest.mark.parametrize("signs", [False, True])
def test_nothing_depends_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch, signs: bool) -> None:
    whole = regression(12, 3)
    if signs:
        whole = fit(whole.effects, whole.spec)
    found, done = [], []
    for cells in (arrangements.CELLS, 1):
        monkeypatch.setattr(arrangements, "CELLS", cells)
        rng = np.random.default_rng(4)
        found.append(
            permutation_test(
                whole,
                exact=False,
                iterations=1_300,
                rng=rng,
                progress=lambda stage, n, total: done.append((n, total)),
            )
        )
    at_once, in_parts = found
    np.testing.assert_allclose(in_parts.distribution, at_once.distribution, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(in_parts.p_value, at_once.p_value)
    assert done == [(n, 1_300) for n in (1_300, 512, 1_024, 1_300)]


def test_alternatives() -> None:
    whole = regression(7, 4, slope=1.5)
    two, up, down, twice = (
        permutation_test(whole, exact=True, alternative=a)  # type: ignore[arg-type]
        for a in ("two-sided", "greater", "less", "two-sided-doubled")
    )
    np.testing.assert_allclose(twice.p_value, np.minimum(1, 2 * np.minimum(up.p_value, down.p_value)))
    assert up.p_value[1] < down.p_value[1]
    np.testing.assert_array_equal(two.omnibus, down.omnibus)
    assert two.omnibus[1] == two.p_value[1]


def test_the_interval_ends_where_the_test_begins_to_reject() -> None:
    whole = regression(8, 6, slope=0.4)
    found = permutation_interval(whole, "x", exact=True)
    x = whole.design.matrix
    for end, side in ((found.low, 1), (found.high, -1)):
        for inside in (True, False):
            value = end + side * (1e-6 if inside else -1e-6) * (found.high - found.low)
            shifted = effects(whole.effects.y - value * x[:, 1], whole.effects.v)
            p = permutation_test(fit(shifted, whole.spec, design=whole.design), exact=True).p_value[1]
            assert (p > 0.05) == inside
    assert found.low < found.estimate < found.high
    assert "permutation interval" in str(found)


def test_an_interval_without_end_says_why() -> None:
    rng = np.random.default_rng(1)
    found = permutation_interval(fit(effects(rng.normal(size=4), np.full(4, 0.1)), Spec.random_effects()))
    assert np.isinf(found.low)
    assert "0.125" in found.reason
    assert "0.125" in str(found)


def test_moderators_of_studies_move_between_studies() -> None:
    whole = clustered()
    found = permutation_test(whole)
    assert found.unit == "study"
    assert found.exact
    assert found.possible == 10
    assert found.p_value[1] * 10 == pytest.approx(round(found.p_value[1] * 10))
    signs = permutation_test(clustered(moderated=False))
    assert signs.possible == 32
    assert signs.arranged == "signs"
    assert signs.p_value[0] * 32 == pytest.approx(round(signs.p_value[0] * 32))


def test_clusters_one_by_one() -> None:
    """All ten ways of giving the two kinds of studies their rows, and all signs of five studies, fitted alone."""
    whole = clustered(2)
    studies = np.unique(whole.effects.study.astype(str))
    seen, each = abs(whole.coefficients.statistic[1]), []
    for zeros in itertools.combinations(studies, 2):
        x = np.where(np.isin(whole.effects.study.astype(str), zeros), 0.0, 1.0)
        design = Design(np.column_stack([np.ones(12), x]), whole.design.names)
        each.append(abs(fit(whole.effects, whole.spec, design=design).coefficients.statistic[1]))
    expected = np.mean(np.array(each) >= seen - 1e-6)
    assert permutation_test(whole).p_value[1] == pytest.approx(expected, rel=1e-12)
    mean = clustered(2, moderated=False)
    place = np.searchsorted(studies, mean.effects.study.astype(str))
    seen, each = abs(mean.coefficients.statistic[0]), []
    for signs in itertools.product((1.0, -1.0), repeat=5):
        turned = replace(mean.effects, y=mean.effects.y * np.array(signs)[place])
        each.append(abs(fit(turned, mean.spec).coefficients.statistic[0]))
    found = permutation_test(mean)
    assert found.p_value[0] == pytest.approx(np.mean(np.array(each) >= seen - 1e-6), rel=1e-12)
    assert "signs of studies flipped" in str(found)


def test_what_is_refused() -> None:
    whole = clustered()
    x = whole.design.matrix.copy()
    x[0, 1] = 5.0
    within = fit(whole.effects, whole.spec, design=Design(x, whole.design.names))
    for code, call in (
        ("moderator-within-study", lambda: permutation_test(within)),
        ("rng-needed", lambda: permutation_test(regression(12), iterations=10)),
        ("iterations", lambda: permutation_test(regression(12), iterations=0, rng=np.random.default_rng(1))),
        ("too-many-arrangements", lambda: permutation_test(regression(30), exact=True)),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert error.value.code == code


def test_more_arrangements_than_a_float_can_count() -> None:
    """200! is beyond the largest float: it is still named in the refusal and in the table."""
    rng = np.random.default_rng(9)
    x = np.column_stack([np.ones(200), rng.normal(size=200)])
    v = rng.uniform(0.02, 0.2, 200)
    whole = fit(
        effects(rng.normal(0, 0.4, 200), v), Spec.random_effects("DL"), design=Design(x, ("intercept", "x"))
    )
    with pytest.raises(InputError, match=r"7\.9e\+374") as error:
        permutation_test(whole)
    assert error.value.code == "rng-needed"
    assert "19 random of 7.9e+374 arrangements" in str(permutation_test(whole, iterations=19, rng=rng))


@pytest.mark.parametrize("p", [1, 2, 9])
def test_table_and_figure(p: int) -> None:
    rng = np.random.default_rng(8)
    x = np.column_stack([np.ones(14), rng.normal(size=(14, p - 1))])
    v = rng.uniform(0.02, 0.2, 14)
    names = ("intercept", *(f"a moderator with quite a long name, number {j}" for j in range(1, p)))
    whole = fit(effects(rng.normal(0, 0.4, 14), v), Spec.random_effects(), design=Design(x, names))
    found = permutation_test(whole, exact=False, iterations=299, rng=rng)
    assert_sound(picture(found))
    assert "Permutation test" in str(found)


@pytest.mark.slow
def test_type_one_error_and_coverage() -> None:
    """Share of rejections at 5% under the null and coverage of 95% intervals, 400 data sets of 10 studies each."""
    rng = np.random.default_rng(20260203)
    rejected, covered, n = 0, 0, 400
    for _ in range(n):
        v, x = rng.uniform(0.02, 0.3, 10), rng.normal(size=10)
        y = rng.normal(0.2 + 0.3 * x, np.sqrt(v + 0.1))
        design = Design(np.column_stack([np.ones(10), x]), ("intercept", "x"))
        null = fit(effects(y - 0.3 * x, v), Spec.random_effects(), design=design)
        p = permutation_test(null, iterations=499, rng=rng).p_value[1]
        rejected += p <= 0.05
        limits = permutation_interval(
            fit(effects(y, v), Spec.random_effects(), design=design), "x", iterations=499, rng=rng
        )
        covered += limits.low <= 0.3 <= limits.high
    print(f"type I error {rejected / n:.3f}, coverage {covered / n:.3f} of {n}")
    assert abs(rejected / n - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)
    assert abs(covered / n - 0.95) < 4 * np.sqrt(0.05 * 0.95 / n)


def test_equal_effects_have_the_most_extreme_statistic_there_is() -> None:
    alike = Effects(np.full(8, 0.3), np.linspace(0.02, 0.2, 8), np.arange(8).astype(str).astype(object))
    found = permutation_test(fit(alike, Spec.random_effects()), exact=True)
    assert np.isinf(found.observed[0])
    assert found.p_value[0] == 2 / 256  # only the sign of all at once is as extreme
