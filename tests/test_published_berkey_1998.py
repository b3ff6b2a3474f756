"""Berkey, Hoaglin, Antczak-Bouckoms, Mosteller & Colditz (1998), Stat Med 17:2537: two outcomes of five trials.

Data: table I (improvement of probing depth and attachment level, with their covariances). Models: the two-outcome
random-effects model without and with year of publication. Digits: these models in R, run to convergence
(reference/rma_mv.json, berkey).

The printed tables were not at hand: the digits below are R's for the article's data and models, not confirmed
against the page.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.models import fit
from consilience.records import Design, Effects, Inner, Spec
from published_data import dataset, effects_of, matrix_of, one_each, rounded

UNSTRUCTURED = (Inner("outcome", "trial", "UN"),)


@pytest.fixture(scope="module")
def periodontal() -> Effects:
    return effects_of(dataset("rma_mv", "berkey"), "trial", matrix=matrix_of("rma_mv", "berkey.V"))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("REML", ([-0.33922, 0.35343], [0.08791, 0.05885], [0.032651, 0.011733], [0.6088])),
        ("ML", ([-0.33794, 0.34484], [0.07976, 0.04946], [0.026145, 0.007002], [0.6992])),
    ],
)
def test_two_outcomes(periodontal: Effects, method, expected: tuple) -> None:
    means, errors, variances, correlation = expected
    design = one_each(periodontal["outcome"])
    found = fit(periodontal, Spec(UNSTRUCTURED, method, "z"), design=design)
    assert design.names == ("AL", "PD")
    assert rounded(found.coefficients.estimate, 5) == means
    assert rounded(found.coefficients.se, 5) == errors
    assert rounded(found.components.variance, 6) == variances
    assert rounded(list(found.components.correlations.values()), 4) == correlation


def test_year_of_publication(periodontal: Effects) -> None:
    base = one_each(periodontal["outcome"])
    year = periodontal["year"][:, None] - 1983
    design = Design(np.column_stack([base.matrix, base.matrix * year]), ("AL", "PD", "AL:year", "PD:year"))
    found = fit(periodontal, Spec(UNSTRUCTURED, "ML", "z"), design=design)
    assert rounded(found.coefficients.estimate, 4) == [-0.3351, 0.3479, -0.0108, 0.0010]
    assert rounded(found.coefficients.se, 4) == [0.0787, 0.0520, 0.0243, 0.0154]
    assert rounded(found.components.variance, 4) == [0.0250, 0.0080]
