"""Profile intervals of an unstructured covariance of two outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.multilevel import berkey

from consilience.base.errors import InputError
from consilience.models import fit, profile, profile_interval
from consilience.records import Effects, Inner, Intercept, Spec


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


def test_three_levels_are_refused_and_leave_other_variances_alone() -> None:
    rng = np.random.default_rng(4)
    study = np.repeat(np.array([f"s{i}" for i in range(12)], dtype=object), 3)
    group = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 9)
    outcome = np.tile(np.array(["x", "y", "z"], dtype=object), 12)
    effects = Effects(
        rng.normal(0, 0.5, 36), np.full(36, 0.05), study, columns={"outcome": outcome, "group": group}
    )
    ours = fit(effects, Spec((Inner("outcome", "study", "UN"), Intercept(("group",))), "REML", "z"))
    with pytest.raises(InputError, match="more than two levels") as refused:
        profile_interval(ours, "outcome|study: x")
    assert refused.value.code == "no-profile"
    value = float(ours.components.variance[-1])
    np.testing.assert_allclose(profile(ours, "group", [value]).loglik, ours.loglik, rtol=1e-9)
