"""Assink & Wibbelink (2016), The Quantitative Methods for Psychology 12:154: recidivism of juvenile offenders.

100 effects of 17 studies, three levels (steps 3 to 5 of the tutorial: overall effect with t tests, tests of each
variance, a categorical moderator). Data: the dat.assink2016 set of R's metadat, from the tutorial's data file; digits:
these models in metafor and clubSandwich (published/assink_2016_r.json names the versions).

The tutorial prints output of these calls; only its first page was at hand, so its digits are not confirmed. The tests
named `help_page` pin what the help page of the data set prints of the same models, with z tests (dat.assink2016 in
docs/reference of wviechtb/metadat, four digits).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from consilience.models import fit, likelihood_ratio_test
from consilience.records import Block, Design, Effects, Fit, Intercept, Spec
from published_data import FOLDER, columns_of, effects_of, rounded

R: dict[str, Any] = json.loads((FOLDER / "published" / "assink_2016_r.json").read_text(encoding="utf-8"))
LEVELS = (Intercept(("study",)), Intercept(("study", "row")))


@pytest.fixture(scope="module")
def recidivism() -> Effects:
    return effects_of(columns_of(R["data"]), "study")


def _agrees(found, theirs: dict, *, rel: float = 1e-5) -> None:
    c = found.coefficients
    for ours, name in ((c.estimate, "beta"), (c.se, "se"), (c.ci_low, "ci_lb"), (c.ci_high, "ci_ub")):
        assert ours == pytest.approx(np.atleast_1d(theirs[name]), rel=rel), name
    assert found.components.variance == pytest.approx(theirs["sigma2"], rel=1e-3)
    assert found.loglik >= theirs["logLik"] - 1e-8


def test_overall_effect(recidivism: Effects) -> None:
    found = fit(recidivism, Spec(LEVELS, "REML", "t"))
    _agrees(found, R["overall"])
    assert found.coefficients.df[0] == 99
    assert found.heterogeneity.q == pytest.approx(R["overall"]["QE"], rel=1e-10)


def test_overall_effect_as_the_help_page_prints_it(recidivism: Effects) -> None:
    found = fit(recidivism, Spec(LEVELS, "REML", "z"))
    assert _row(found, 0) == [0.4268, 0.1184, 3.6038, 0.0003, 0.1947, 0.6589]
    assert rounded(found.components.variance, 4) == [0.1879, 0.1120]
    assert round(found.heterogeneity.q, 4) == 809.4611
    assert round(found.loglik, 4) == -73.6327
    robust = fit(recidivism, Spec(LEVELS, "REML", "CR2"))
    assert _row(robust, 0) == [0.4268, 0.1186, 3.5971, 0.0025, 0.1745, 0.6791]
    assert round(robust.coefficients.df[0], 2) == 15.45


@pytest.mark.parametrize(
    ("variances", "loglik", "statistic"),
    [((0.0, None), -105.0339, 62.8024), ((None, 0.0), -114.5656, 81.8658)],
)
def test_each_variance_as_the_help_page_prints_it(
    recidivism: Effects, variances: tuple, loglik: float, statistic: float
) -> None:
    terms = tuple(Intercept(t.by, v) for t, v in zip(LEVELS, variances, strict=True))
    full, reduced = (fit(recidivism, Spec(of, "REML", "z")) for of in (LEVELS, terms))
    assert round(reduced.loglik, 4) == loglik
    assert round(likelihood_ratio_test(full, reduced).statistic, 4) == statistic


def test_published_or_not_as_the_help_page_prints_it(recidivism: Effects) -> None:
    design = Design(np.column_stack([np.ones(100), recidivism["pubstatus"]]), ("intercept", "published"))
    found = fit(recidivism, Spec(LEVELS, "REML", "z"), design=design)
    assert _row(found, 0) == [0.8117, 0.3056, 2.6565, 0.0079, 0.2128, 1.4106]
    assert _row(found, 1) == [-0.4474, 0.3294, -1.3581, 0.1744, -1.0930, 0.1983]
    assert rounded(found.components.variance, 4) == [0.1712, 0.1128]
    assert round(found.heterogeneity.q, 4) == 702.5110


def _row(found: Fit, i: int) -> list[float]:
    c = found.coefficients
    return rounded([c.estimate[i], c.se[i], c.statistic[i], c.p_value[i], c.ci_low[i], c.ci_high[i]], 4)


@pytest.mark.parametrize(("name", "variances"), [("within_zero", (None, 0.0)), ("between_zero", (0.0, None))])
def test_each_variance_is_needed(recidivism: Effects, name: str, variances: tuple) -> None:
    full = fit(recidivism, Spec(LEVELS, "REML", "t"))
    terms = tuple(Intercept(t.by, v) for t, v in zip(LEVELS, variances, strict=True))
    reduced = fit(recidivism, Spec(terms, "REML", "t"))
    _agrees(reduced, R[name])
    test = likelihood_ratio_test(full, reduced)
    expected = 2 * (R["overall"]["logLik"] - R[name]["logLik"])
    assert test.df1 == 1
    assert test.statistic == pytest.approx(expected, rel=1e-6)
    assert test.p_value < 0.0001


def test_type_of_delinquency(recidivism: Effects) -> None:
    kind = recidivism["deltype"]
    design = Design(
        np.column_stack([np.ones(100), kind == "general", kind == "overt"]), ("covert", "general", "overt")
    )
    found = fit(recidivism, Spec(LEVELS, "REML", "t"), design=design)
    _agrees(found, R["deltype"])
    assert found.omnibus is not None
    assert found.omnibus.statistic == pytest.approx(R["deltype"]["QM"], rel=1e-5)
    assert found.omnibus.p_value == pytest.approx(R["deltype"]["QMp"], rel=1e-4)


def test_correlated_and_hierarchical_effects(recidivism: Effects) -> None:
    """The same data with sampling errors of a study correlated by 0.6, CR2 and Satterthwaite."""
    blocks = []
    for label in recidivism.studies:
        rows = np.flatnonzero(recidivism.study == label)
        matrix = 0.6 * np.sqrt(np.outer(recidivism.v[rows], recidivism.v[rows]))
        np.fill_diagonal(matrix, recidivism.v[rows])
        blocks.append(Block(rows, matrix))
    effects = Effects(recidivism.y, recidivism.v, recidivism.study, blocks=tuple(blocks))
    found = fit(effects, Spec.che())
    theirs = R["che"]
    assert found.coefficients.estimate == pytest.approx([theirs["beta"]], rel=1e-5)
    assert found.coefficients.se == pytest.approx([theirs["cr2_se"]], rel=1e-5)
    assert found.coefficients.df == pytest.approx([theirs["cr2_df"]], rel=1e-5)
