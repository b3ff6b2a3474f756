"""Assink & Wibbelink (2016), The Quantitative Methods for Psychology 12:154: recidivism of juvenile offenders.

100 effects of 17 studies, three levels (steps 3 to 5 of the tutorial: overall effect with t tests, tests of each
variance, a categorical moderator). Data: the dat.assink2016 set of R's metadat, from the tutorial's data file; digits:
these models in metafor and clubSandwich (published/assink_2016_r.json names the versions).

The tutorial prints R output of these calls; its pages were not at hand, so the digits are those of R run here with the
tutorial's data, not confirmed against the page.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from consilience.models import fit, likelihood_ratio_test
from consilience.records import Block, Design, Effects, Intercept, Spec
from published_data import FOLDER, columns_of, effects_of

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
