"""Konstantopoulos (2011), Res Synth Methods 2:61: modified school calendars, 56 schools in 11 districts.

The example of the article (data: its appendix; two- and three-level models of section 4). Digits: these models in R,
run to convergence (reference/rma_mv.json, konst).

The printed tables were not at hand: the digits below are R's for the article's models and data, not confirmed
against the page.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.models import fit
from consilience.records import Design, Effects, Intercept, Spec
from published_data import dataset, effects_of, rounded

THREE_LEVELS = (Intercept(("district",)), Intercept(("district", "school")))


@pytest.fixture(scope="module")
def calendars() -> Effects:
    return effects_of(dataset("rma_mv", "konst"), "district")


def test_three_levels(calendars: Effects) -> None:
    found = fit(calendars, Spec(THREE_LEVELS, "REML", "z"))
    assert rounded(found.coefficients.estimate, 6) == [0.184713]
    assert rounded(found.coefficients.se, 6) == [0.084556]
    assert rounded(found.components.variance, 6) == [0.065062, 0.032737]
    assert round(found.loglik, 8) == -7.95872403


def test_year_of_the_study(calendars: Effects) -> None:
    design = Design(np.column_stack([np.ones(calendars.k), calendars["year"]]), ("intercept", "year"))
    found = fit(calendars, Spec(THREE_LEVELS, "REML", "t"), design=design)
    assert rounded(found.coefficients.estimate, 5) == [-10.3898, 0.00531]
    assert rounded(found.coefficients.se, 5) == [18.78484, 0.00944]
    assert rounded(found.components.variance, 5) == [0.07227, 0.03265]
    assert found.coefficients.df[0] == 54


def test_one_level_of_clustering_is_much_worse(calendars: Effects) -> None:
    """The mean of the model that takes all schools as independent is the published 0.128 (SE 0.044)."""
    found = fit(calendars, Spec((Intercept(("row",)),), "REML", "z"))
    assert rounded(found.coefficients.estimate, 3) == [0.128]
    assert rounded(found.coefficients.se, 3) == [0.044]
    assert found.loglik < -16
