"""Profile intervals of an unstructured covariance of two outcomes."""

from __future__ import annotations

import numpy as np
from benchmarks.multilevel import berkey

from consilience.models import fit, profile, profile_interval


def test_limits_of_each_parameter_are_where_the_likelihood_has_fallen_by_half_a_quantile() -> None:
    job = berkey()
    ours = fit(job.effects, job.spec, design=job.design)
    expected = [*ours.components.variance, *ours.components.correlations.values()]
    for name, value in zip(("AL", "PD", "PD, AL"), expected, strict=True):
        found = profile_interval(ours, f"outcome|study: {name}")
        np.testing.assert_allclose(found.estimate, value, rtol=1e-6)
        ends = [x for x in (found.low, found.high) if abs(x) not in (0.0, 1.0)]
        drop = ours.loglik - profile(ours, f"outcome|study: {name}", ends).loglik
        np.testing.assert_allclose(drop, 3.841458820694124 / 2, rtol=1e-5)
