"""Raudenbush & Bryk (1985), J Educ Stat 10:75: teacher expectancy and pupil IQ, 19 experiments.

Digits: the article and Raudenbush (2009), Analyzing effect sizes, in The Handbook of Research Synthesis (2nd ed.), 295-315.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.models import fit, predict
from consilience.records import Effects, Spec
from published_data import dataset, plain, with_x


@pytest.fixture
def expectancy() -> tuple[Effects, np.ndarray]:
    """Effects and weeks of prior contact, 3 or more as 3."""
    data = dataset("rma_uni", "raudenbush1985")
    return plain(data["yi"], data["vi"]), np.minimum(data["x"], 3)


def test_raudenbush_1985_teacher_expectancy(expectancy: tuple[Effects, np.ndarray]) -> None:
    """Raudenbush & Bryk (1985), J Educ Stat 10:75, and Raudenbush (2009): mean .084 (.052), tau^2 .019, Q 35.83."""
    data, _ = expectancy
    found = fit(data, Spec.random_effects("REML", "z"))
    assert round(float(found.coefficients.estimate[0]), 3) == 0.084
    assert round(float(found.coefficients.se[0]), 3) == 0.052
    assert round(found.components.total, 3) == 0.019
    assert round(found.heterogeneity.q, 2) == 35.83
    interval = predict(found, interval="tau-only")
    assert (round(float(interval.pi_low[0]), 3), round(float(interval.pi_high[0]), 3)) == (-0.185, 0.353)


def test_raudenbush_1985_weeks(expectancy: tuple[Effects, np.ndarray]) -> None:
    """Same sources: .407 (.087) - .157 (.036) weeks, tau^2 = 0, residual Q 16.57."""
    data, weeks = expectancy
    found = fit(data, Spec.random_effects("REML", "z"), design=with_x(weeks))
    assert [round(float(x), 3) for x in found.coefficients.estimate] == [0.407, -0.157]
    assert [round(float(x), 3) for x in found.coefficients.se] == [0.087, 0.036]
    assert found.components.total == 0
    assert found.optimum.status == "boundary"
    assert round(found.heterogeneity.q, 2) == 16.57
    assert found.heterogeneity.r2 == 100
