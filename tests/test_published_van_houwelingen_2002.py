"""Van Houwelingen, Arends & Stijnen (2002), Stat Med 21:589: the BCG trials as log odds ratios. Data: table I, page 594."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.inference.intervals import heterogeneity_intervals
from consilience.models import fit
from consilience.models.compare import likelihood_ratio_test
from consilience.records import Spec
from published_data import dataset, log_odds_ratios, with_x


def bcg() -> dict[str, np.ndarray]:
    """Vaccinated a of a + b with tuberculosis, control c of c + d, and latitude."""
    return dataset("glmm_mh_peto", "bcg")


def test_van_houwelingen_2002_bcg_odds_ratio() -> None:
    """Stat Med 21:589, section 3: ML mean -0.742 (SE 0.178), tau^2 0.302 with profile interval 0.12 to 0.89."""
    t = bcg()
    data = log_odds_ratios(t["ai"], t["bi"], t["ci"], t["di"])
    found = fit(data, Spec.random_effects("ML", "z"))
    assert round(float(found.coefficients.estimate[0]), 3) == -0.742
    assert round(float(found.coefficients.se[0]), 3) == 0.178
    assert round(found.components.total, 3) == 0.302
    limits = heterogeneity_intervals(found, method="profile-likelihood").tau2
    assert (round(limits.low, 2), round(limits.high, 2)) == (0.12, 0.89)


def test_van_houwelingen_2002_latitude() -> None:
    """Section 4: log odds ratio = 0.371 (0.106) - 0.0327 (0.0034) latitude, residual tau^2 0.004 (ML)."""
    t = bcg()
    data = log_odds_ratios(t["ai"], t["bi"], t["ci"], t["di"])
    found = fit(data, Spec.random_effects("ML", "z"), design=with_x(t["ablat"]))
    c = found.coefficients
    assert [round(float(x), 3) for x in (c.estimate[0], c.se[0])] == [0.371, 0.106]
    assert [round(float(x), 4) for x in (c.estimate[1], c.se[1])] == [-0.0327, 0.0034]
    assert round(found.components.total, 3) == 0.004
    assert found.omnibus is not None
    assert found.omnibus.statistic == pytest.approx(float(c.statistic[1]) ** 2, rel=1e-12)
    plain = fit(data, Spec.random_effects("ML", "z"))
    assert likelihood_ratio_test(found, plain).statistic == pytest.approx(
        2 * (found.loglik - plain.loglik), rel=1e-12
    )
