"""Diagnostics of a fit whose V alone cannot be inverted, although V plus the random effects can."""

from __future__ import annotations

import numpy as np

from consilience import Block, Effects, Intercept, Spec, fit, influence, residuals

Y = np.array([0.1, 0.5, -0.2, 0.9, 0.4, 1.1, 0.3, -0.4])
V = np.array([0.05, 0.1, 0.07, 0.06, 0.09, 0.08, 0.1, 0.05])
PAIRS = np.repeat(["s0", "s1", "s2", "s3"], 2).astype(object)


def test_residuals_need_no_sampling_covariance_that_can_be_inverted() -> None:
    blocks = tuple(
        Block(rows, np.sqrt(np.outer(V[rows], V[rows])))
        for rows in (np.array([2 * i, 2 * i + 1]) for i in range(4))
    )
    effects = Effects(Y, V, PAIRS, blocks=blocks)
    found = fit(effects, Spec((Intercept(("row",), 0.1),), "REML", "z"))
    whole = effects.covariance() + 0.1 * np.eye(8)
    made = residuals(found, reestimate=False)
    raw = Y - found.coefficients.estimate[0]
    np.testing.assert_allclose(
        made.conditional, effects.covariance() @ np.linalg.solve(whole, raw), atol=1e-12
    )
    held = influence(found, by="effect", reestimate=False)
    assert np.isfinite(held.cook).all()
    assert np.isnan(held.q).all()
