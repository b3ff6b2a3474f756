"""Konstantopoulos (2011), Res Synth Methods 2:61: modified school calendars, 56 schools in 11 districts.

The example of the article (data: its appendix). Its tables 4 and 5 were not at hand; of the author's working paper of
the same title (IZA DP 5678) only the first page was. Printed digits here are those of two texts that analyse the data
with programs other than metafor:

CHEUNG : M. W.-L. Cheung, "Examples of three-level meta-analysis" (3level.md of mikewlcheung/metaIntro): metaSEM, OpenMx.
NLME : J. E. Pustejovsky's post on nlme with a fixed residual standard deviation, section "Three-level random-effects
    model", row lme of ML.

Digits of metafor, run to convergence (reference/rma_mv.json, konst), stand in tests named `in_r`.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.models import fit, likelihood_ratio_test
from consilience.records import Design, Effects, Fit, Intercept, Spec
from published_data import dataset, effects_of, rounded

TWO_LEVELS = (Intercept(("row",)),)
THREE_LEVELS = (Intercept(("district",)), Intercept(("district", "school")))
# terms, with year less its mean: coefficients, variances (districts, schools) and -2 log likelihood of ML; decimal places
CHEUNG = [
    (TWO_LEVELS, False, [0.128003], [0.086537], 33.2919, (6, 4)),
    (TWO_LEVELS, True, [0.1259125, 0.0051307], [0.0851153], 31.88635, (7, 5)),
    (THREE_LEVELS, False, [0.1844554], [0.0577384, 0.0328648], 16.78987, (7, 5)),
    (THREE_LEVELS, True, [0.1780268, 0.0050737], [0.0564628, 0.0329390], 16.43629, (7, 5)),
]
CHEUNG_REML = [(False, [0.0650619, 0.0327365]), (True, [0.0722656, 0.0326502])]


@pytest.fixture(scope="module")
def calendars() -> Effects:
    return effects_of(dataset("rma_mv", "konst"), "district")


def _fitted(calendars: Effects, terms: tuple, method, *, year: bool) -> Fit:
    centred = calendars["year"] - calendars["year"].mean()
    design = Design(np.column_stack([np.ones(calendars.k), centred]), ("intercept", "year")) if year else None
    return fit(calendars, Spec(terms, method, "z"), design=design)


@pytest.mark.parametrize("printed", CHEUNG)
def test_maximum_likelihood_as_cheung_prints_it(calendars: Effects, printed: tuple) -> None:
    """To half of the last place and a hair: the second mean is 0.125912551 (in metafor too); OpenMx prints 0.1259125.

    His standard errors (0.0805411 with three levels) are of the Hessian in all parameters, ours of the means alone.
    """
    terms, year, coefficients, variances, deviance, (places, places_deviance) = printed
    found = _fitted(calendars, terms, "ML", year=year)
    assert found.coefficients.estimate == pytest.approx(coefficients, rel=0, abs=0.51 * 10**-places)
    assert found.components.variance == pytest.approx(variances, rel=0, abs=0.51 * 10**-places)
    assert round(-2 * found.loglik, places_deviance) == deviance


@pytest.mark.parametrize(("year", "variances"), CHEUNG_REML)
def test_restricted_likelihood_as_cheung_prints_it(calendars: Effects, year: bool, variances: list) -> None:
    assert rounded(_fitted(calendars, THREE_LEVELS, "REML", year=year).components.variance, 7) == variances


def test_third_level_as_cheung_prints_it(calendars: Effects) -> None:
    full, reduced = (_fitted(calendars, terms, "ML", year=False) for terms in (THREE_LEVELS, TWO_LEVELS))
    assert round(likelihood_ratio_test(full, reduced).statistic, 5) == 16.50203
    assert full.heterogeneity.q == pytest.approx(578.864, abs=5e-4)


def test_maximum_likelihood_as_nlme_prints_it(calendars: Effects) -> None:
    found = _fitted(calendars, THREE_LEVELS, "ML", year=False)
    assert rounded(found.coefficients.estimate, 7) == [0.1844554]
    assert rounded(found.coefficients.se, 8) == [0.08048168]
    assert rounded(np.sqrt(found.components.variance), 7) == [0.2402881, 0.1812865]


def test_three_levels_in_r(calendars: Effects) -> None:
    found = fit(calendars, Spec(THREE_LEVELS, "REML", "z"))
    assert rounded(found.coefficients.estimate, 6) == [0.184713]
    assert rounded(found.coefficients.se, 6) == [0.084556]
    assert rounded(found.components.variance, 6) == [0.065062, 0.032737]
    assert round(found.loglik, 8) == -7.95872403


def test_year_of_the_study_in_r(calendars: Effects) -> None:
    design = Design(np.column_stack([np.ones(calendars.k), calendars["year"]]), ("intercept", "year"))
    found = fit(calendars, Spec(THREE_LEVELS, "REML", "t"), design=design)
    assert rounded(found.coefficients.estimate, 5) == [-10.3898, 0.00531]
    assert rounded(found.coefficients.se, 5) == [18.78484, 0.00944]
    assert rounded(found.components.variance, 5) == [0.07227, 0.03265]
    assert found.coefficients.df[0] == 54


def test_one_level_of_clustering_is_much_worse_in_r(calendars: Effects) -> None:
    """All schools as independent."""
    found = fit(calendars, Spec(TWO_LEVELS, "REML", "z"))
    assert rounded(found.coefficients.estimate, 3) == [0.128]
    assert rounded(found.coefficients.se, 3) == [0.044]
    assert found.loglik < -16
