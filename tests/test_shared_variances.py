"""Analyses that share their variances, and regressions in lanes, are what each analysis is alone."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from consilience.likelihood.batch import ESTIMATORS, fit_batch
from consilience.likelihood.prepare import Rearranged, prepare_any
from consilience.likelihood.shared import can_share

NAMES = (
    "k",
    "tau2",
    "tau2_se",
    "coefficients",
    "covariance",
    "q",
    "q_tau",
    "i2",
    "loglik_ml",
    "loglik_reml",
    "score",
)


def data(seed: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.02, 0.4, k)
    return rng.normal(0.3, np.sqrt(v + 0.1)), v, np.column_stack([np.ones(k), rng.normal(size=k)])


def subsets(k: int) -> np.ndarray:
    return (np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1 == 1


@pytest.mark.parametrize("method", [m for m in ESTIMATORS if m != "GENQM"])
@pytest.mark.parametrize("moderated", [False, True])
def test_every_subset_is_its_own_analysis(method: str, moderated: bool) -> None:
    y, v, x = data(1, 6)
    keep = subsets(6)
    together = fit_batch(np.where(keep, y, np.nan), v, x if moderated else None, method=method)
    for i in range(0, len(keep), 3):
        rows = keep[i]
        if rows.sum() < 2 + moderated:
            continue
        alone = fit_batch(y[rows], v[rows], x[rows] if moderated else None, method=method)
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-9, atol=1e-9, err_msg=name
            )


@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM", "EE"])
@pytest.mark.parametrize("p", [2, 3])
def test_every_permutation_is_its_own_analysis(method: str, p: int) -> None:
    y, v, _ = data(2, 11)
    rng = np.random.default_rng(3)
    base = np.column_stack([np.ones(11), rng.normal(size=(11, p - 1))])
    x = base[rng.permuted(np.tile(np.arange(11), (40, 1)), axis=1)]
    together = fit_batch(np.broadcast_to(y, (40, 11)), v, x, method=method)
    for i in range(0, 40, 5):
        alone = fit_batch(y, v, x[i], method=method)
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-9, atol=1e-9, err_msg=name
            )


def test_the_shared_scan_misses_no_maximum() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        k = int(rng.integers(4, 8))
        v = np.exp(rng.uniform(0, np.log(rng.choice([10, 100, 900])), k))
        y = rng.normal(size=k) * np.sqrt(v * rng.choice([0.5, 1, 4]) + rng.choice([0, 1, 10]))
        keep = subsets(k)
        for method in ("REML", "ML"):
            name = f"loglik_{method.lower()}"
            shared = fit_batch(np.where(keep, y, np.nan), v, method=method)
            apart = fit_batch(np.broadcast_to(y, keep.shape), np.where(keep, v, np.inf), method=method)
            np.testing.assert_allclose(getattr(shared, name), getattr(apart, name), rtol=1e-9, atol=1e-9)


def test_shift_and_scale_do_not_matter() -> None:
    y, v, _ = data(5, 8)
    keep = subsets(8)
    plain = fit_batch(np.where(keep, y, np.nan), v)
    other = fit_batch(np.where(keep, 1e-6 * (y + 1e6), np.nan), 1e-12 * v)
    np.testing.assert_allclose(1e12 * other.tau2, plain.tau2, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(1e6 * other.coefficients - 1e6, plain.coefficients, atol=1e-8)


def test_unequal_weights_take_the_careful_way() -> None:
    y, v, _ = data(6, 7)
    v[0] = 1e-9
    keep = subsets(7)
    shared = fit_batch(np.where(keep, y, np.nan), v)
    apart = fit_batch(np.broadcast_to(y, keep.shape), np.where(keep, v, np.inf))
    assert not can_share(shared._solution.prepared.problem)
    np.testing.assert_allclose(shared.tau2, apart.tau2, rtol=1e-9, atol=1e-15)


def moved(k: int, p: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, Rearranged]:
    """Effects, variances and a design whose rows move; variances within 900 times of each other, some of them equal."""
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(0, np.log(rng.choice([3, 100, 900])), k))
    v[:2] = v[0]
    y = rng.normal(size=k) * np.sqrt(v * rng.choice([0.5, 1, 4]) + rng.choice([0, 1, 10]))
    design = np.column_stack([np.ones(k), rng.normal(size=(k, p - 1))])
    return y, v, Rearranged(design, rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1))


@pytest.mark.parametrize("method", [m for m in ESTIMATORS if m != "GENQM"])
@pytest.mark.parametrize("p", [2, 4])
def test_a_moved_design_is_the_design_written_out(method: str, p: int) -> None:
    y, v, x = moved(12, p, 40, p)
    weights = np.arange(1.0, 13.0) if method in ("DL", "HE") else None
    one = fit_batch(y, v, x, method=method, weights=weights)
    each = fit_batch(np.broadcast_to(y, (40, 12)), v, x.each, method=method, weights=weights)
    assert can_share(prepare_any(y[None], v, x).problem)
    for name in NAMES:
        np.testing.assert_allclose(
            getattr(one, name), getattr(each, name), rtol=1e-10, atol=1e-10, err_msg=name
        )


def test_a_moved_design_without_an_intercept_and_one_not_of_full_rank() -> None:
    y, v, x = moved(9, 3, 20, 5)
    bare = Rearranged(x.design[:, 1:], x.rows)
    one, each = fit_batch(y, v, bare), fit_batch(np.broadcast_to(y, (20, 9)), v, bare.each)
    np.testing.assert_allclose(one.coefficients, each.coefficients, rtol=1e-10)
    twice = Rearranged(np.column_stack([x.design, x.design[:, 1]]), x.rows)
    assert not fit_batch(y, v, twice).ok.any()
    # a study is missing, and with it whichever row it was given
    gone = np.where(np.arange(9) == 3, np.nan, y)
    one, each = fit_batch(gone, v, x), fit_batch(np.broadcast_to(gone, (20, 9)), v, x.each)
    np.testing.assert_allclose(one.coefficients, each.coefficients, rtol=1e-10)
    assert (one.k == 8).all()


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("p", [2, 3])
def test_moved_designs_reach_the_highest_likelihood_of_each_alone(method: str, p: int) -> None:
    """Against single fits, whose scan is three times as fine, and against the compiled search where there is one."""
    engines = ["numpy"] + ["numba"] * (importlib.util.find_spec("numba") is not None)
    several = 0
    for seed in range(30):
        y, v, x = moved(5 + seed % 6, p, 60, 100 * p + seed)
        found = [fit_batch(y, v, x, method=method, engine=engine) for engine in engines]
        np.testing.assert_allclose(found[-1].tau2, found[0].tau2, rtol=1e-10, atol=1e-10 * float(v.min()))
        np.testing.assert_array_equal(found[-1].maxima, found[0].maxima)
        several += int((found[0].maxima > 1).sum())
        name = f"loglik_{method.lower()}"
        for i in range(0, 60, 6):
            alone = fit_batch(y, v, x.each[i], method=method)
            np.testing.assert_allclose(
                getattr(found[0], name)[i], getattr(alone, name)[0], rtol=1e-11, atol=1e-11
            )
            np.testing.assert_allclose(
                found[0].tau2[i], alone.tau2[0], rtol=1e-9, atol=1e-10 * float(v.min())
            )
    assert several > 0
