"""Mathur & VanderWeele (2020), JRSS-C 69:1091: sensitivity to publication bias, for the BCG trials (log risk ratios, negative favoured).

Numbers: examples of their R package PublicationBias 2.4.0 (reference pages of pubbias_meta and pubbias_svalue).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from consilience.diagnostics.selection import worst_case
from consilience.models import fit
from consilience.records import Effects, Spec
from test_published_colditz_1994 import log_risk_ratios

# The trials by first author: two by Rosenthal et al. and two by Comstock et al. share an author (Comstock & Webster are another).
AUTHORS = ["A", "FS", "R", "HS", "FM", "SA", "V", "TPT", "CB", "R", "C", "CW", "C"]
# Their fixed-effects limits use the t distribution with k - 1 = 12 degrees of freedom, the paper and we the normal one:
T12 = float(2 * stats.norm.cdf(stats.t.ppf(0.975, 12)) - 1)


def trials() -> Effects:
    return replace(log_risk_ratios()[0], study=np.array(AUTHORS, dtype=object))


def apart() -> Effects:
    return replace(trials(), study=np.arange(13).astype(str).astype(object))


@pytest.mark.parametrize(
    ("null", "estimate", "limit"),
    [(0.0, np.inf, 7.58431), (np.log(0.9), 8.261336, 3.406779)],  # "not possible": they print -76.9
)
def test_s_values_of_the_fixed_effects_model(null: float, estimate: float, limit: float) -> None:
    found = worst_case(fit(apart(), Spec((), "EE", "z", level=T12)), model="fixed", null=null)
    assert found.s_value == pytest.approx(estimate, rel=1e-6)
    assert found.s_value_limit == pytest.approx(limit, rel=1e-6)


def test_ratio_of_five_in_the_fixed_effects_model() -> None:
    found = worst_case(fit(apart(), Spec((), "EE", "z", level=T12)), model="fixed", etas=(5,))
    printed = [round(float(x[0]), 3) for x in (found.estimate, found.low, found.high)]
    assert printed == [-0.156, -0.263, -0.048]  # upper limit printed as -0.0485
    assert int(found.affirmative.sum()) == 8


def test_ratio_of_five_in_the_robust_model() -> None:
    """Estimate of the package; limits of clubSandwich 0.5.8 (CR2, Satterthwaite; working variances v + tau^2).

    The package's limits (-0.785, 0.048) come from robumeta with working variances v, without the tau^2 that its weights hold.
    """
    found = worst_case(trials(), model="robust", etas=(5,))
    assert found.estimate[0] == pytest.approx(-0.3686171, abs=5e-8)
    assert [round(float(found.low[0]), 2), round(float(found.high[0]), 4)] == [-0.83, 0.0927]
    assert np.isinf(worst_case(apart(), model="robust").s_value)  # "Not possible"
