"""A hundred thousand small reviews: not one fit at a lower top of its likelihood, not one failure.

The whole sample is `make optimum`; each run of the tests takes the first part of it.
"""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience import Design, Effects, Fit, Spec
from optimum_scan import Reviews, drawn, fisher_scoring, height, highest, moment

PARTS, EACH, EACH_MODERATED = 20, 448, 122  # 20 x (9 x 448 + 8 x 122) = 100,160
TOLERANCE = 1e-8  # of a log-likelihood; plain sums over variances of six orders of magnitude hold about 1e-10


def _fitted(r: Reviews, i: int, method: str) -> Fit:
    k = r.y.shape[1]
    effects = Effects(r.y[i], r.v[i], np.array([f"S{j}" for j in range(k)], dtype=object))
    design = None if r.x is None else Design(np.column_stack([np.ones(k), r.x[i]]), ("intercept", "x"))
    return consilience.fit(effects, Spec.random_effects(method, "z"), design=design)


def _faults(r: Reviews, method: str) -> list[str]:
    """What is wrong with the public fit of each review, the dense scan being right."""
    reml = method == "REML"
    best, _ = highest(r, reml=reml)
    fits = [_fitted(r, i, method) for i in range(len(r.y))]
    tau2 = np.array([f.components.total for f in fits])
    lower = best - height(r, tau2, reml=reml)
    found = [
        f"{i}: lower by {lower[i]:.3g} at tau^2 = {tau2[i]:.6g}" for i in np.flatnonzero(~(lower < TOLERANCE))
    ]
    for i, f in enumerate(fits):
        c, status = f.coefficients, f.optimum.status
        finite = np.isfinite([*c.estimate, *c.se, *c.ci_low, *c.ci_high, f.loglik, f.heterogeneity.i2]).all()
        if not finite or f.optimum.score > 1e-6 or status != ("converged" if tau2[i] > 0 else "boundary"):
            found.append(f"{i}: {status}, score {f.optimum.score:.2g}, tau^2 = {tau2[i]:.6g}")
    return found


def _part(seed: int, each: int, each_moderated: int) -> list[Reviews]:
    rng = np.random.default_rng([20261128, seed])
    plain = [drawn(rng, each, k, moderated=False) for k in range(2, 11)]
    return plain + [drawn(rng, each_moderated, k, moderated=True) for k in range(3, 11)]


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_no_fit_of_a_thousand_is_at_a_lower_top_and_none_fails(method: str) -> None:
    assert [fault for r in _part(0, 90, 25) for fault in _faults(r, method)] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(PARTS))
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_no_fit_of_a_hundred_thousand_is_at_a_lower_top_and_none_fails(method: str, seed: int) -> None:
    assert [fault for r in _part(seed, EACH, EACH_MODERATED) for fault in _faults(r, method)] == []


def test_the_scan_finds_what_a_local_search_misses() -> None:
    """Fisher scoring from the moment estimate ends lower on some of the same reviews; the scan is no rubber stamp."""
    missed = several = 0
    for r in _part(0, 450, 0)[:9]:
        best, tops = highest(r, reml=True)
        several += int((tops > 1).sum())
        missed += int((best - height(r, fisher_scoring(r, moment(r)), reml=True) > 1e-4).sum())
    assert several >= 10
    assert missed >= 2
