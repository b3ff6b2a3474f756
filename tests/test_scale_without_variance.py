"""A location-scale model of effects that vary less than their sampling errors."""

from __future__ import annotations

import numpy as np
import pytest

from consilience import Effects, Intercept, Scale, Spec, fit
from consilience.records.spec import Estimator


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("columns", [1, 2])
def test_no_variance_at_all_is_a_boundary_of_the_log_link(method: Estimator, columns: int) -> None:
    y = np.array([0.10, 0.12, 0.08, 0.11, 0.09, 0.10, 0.13, 0.07])
    v = np.array([0.1, 0.2, 0.15, 0.1, 0.3, 0.2, 0.1, 0.25])
    design = np.column_stack([np.ones(8), np.linspace(-1, 1, 8)])[:, :columns]
    effects = Effects(y, v, np.array([f"s{i}" for i in range(8)], dtype=object))
    scale = Scale(design, ("intercept", "x")[:columns])
    found = fit(effects, Spec((Intercept(("row",)),), method, "z", scale=scale))
    assert found.variances is not None
    assert found.scale is not None
    assert found.variances.max() < 1e-8
    assert found.optimum.status == "boundary"
    assert np.isnan(found.scale.se).all()
    assert [note.code for note in found.notes] == ["scale-without-se"]
    plain = fit(effects, Spec.equal_effects())
    np.testing.assert_allclose(found.coefficients.estimate, plain.coefficients.estimate, rtol=1e-6)
