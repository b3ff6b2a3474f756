"""Berkey, Hoaglin, Antczak-Bouckoms, Mosteller & Colditz (1998), Stat Med 17:2537: two outcomes of five trials.

Data: table I (improvement of probing depth and attachment level, with their covariances). Models: the two-outcome
random-effects model without and with year of publication. The article's tables of results were not at hand. Printed
digits here:

METAFOR PAGE : "Berkey et al. (1998)" of metafor-project.org, on what the article calls the multivariate maximum
    likelihood (MML) model; its sentences were read as quoted in a script of R. M. Kuiper on GORICA weights.
CHEUNG : M. W.-L. Cheung's introduction to metaSEM (index.md of mikewlcheung/metaIntro), fitted by OpenMx.

Digits of metafor, run to convergence (reference/rma_mv.json, berkey), stand in tests named `in_r`.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.models import fit
from consilience.records import Design, Effects, Fit, Inner, Spec
from published_data import dataset, effects_of, matrix_of, one_each, rounded

UNSTRUCTURED = (Inner("outcome", "trial", "UN"),)


@pytest.fixture(scope="module")
def periodontal() -> Effects:
    return effects_of(dataset("rma_mv", "berkey"), "trial", matrix=matrix_of("rma_mv", "berkey.V"))


def _with_year(periodontal: Effects, year: np.ndarray) -> Design:
    base = one_each(periodontal["outcome"])
    return Design(
        np.column_stack([base.matrix, base.matrix * year[:, None]]), ("AL", "PD", "AL:year", "PD:year")
    )


def test_two_outcomes_as_the_metafor_page_prints_them(periodontal: Effects) -> None:
    """Heterogeneity .026 (AL) and .007 (PD), correlation .70, means .35 (PD) and -.34 (AL).

    The mean of PD is 0.3448: the page shows its output with three digits, and rounds .345 on to .35 in the text.
    """
    found = fit(periodontal, Spec(UNSTRUCTURED, "ML", "z"), design=one_each(periodontal["outcome"]))
    thousandths = [round(1000 * float(mean)) for mean in found.coefficients.estimate]
    assert [(t + 5) // 10 for t in thousandths] == [-34, 35]
    assert rounded(found.components.variance, 3) == [0.026, 0.007]
    assert rounded(list(found.components.correlations.values()), 2) == [0.70]


def test_two_outcomes_as_cheung_prints_them(periodontal: Effects) -> None:
    """His standard errors (0.0812480, 0.0536312) are of the Hessian in all parameters, ours of the means alone."""
    found = fit(periodontal, Spec(UNSTRUCTURED, "ML", "z"), design=one_each(periodontal["outcome"]))
    assert rounded(found.coefficients.estimate, 7) == [-0.3379381, 0.3448392]
    assert rounded(found.components.variance, 7) == [0.0261445, 0.0070020]
    assert round(_covariance(found), 7) == 0.0094607
    assert round(-2 * found.loglik, 5) == -11.68131
    assert round(found.heterogeneity.q, 4) == 128.2267


def test_year_of_publication_as_cheung_prints_it(periodontal: Effects) -> None:
    """His predictor is the year less 1979, divided by its root mean square over the trials (sum of squares over 4)."""
    year = periodontal["year"] - 1979
    year = year / np.sqrt(np.sum(year[::2] ** 2) / 4)
    found = fit(periodontal, Spec(UNSTRUCTURED, "ML", "z"), design=_with_year(periodontal, year))
    expected = [-0.2918175, 0.3440001, -0.0705888, 0.0063540]
    assert found.coefficients.estimate == pytest.approx(expected, abs=1e-7)
    assert rounded(found.components.variance, 7) == [0.0250135, 0.0080405]
    assert round(_covariance(found), 7) == 0.0093413
    assert round(-2 * found.loglik, 5) == -12.00859


def _covariance(found: Fit) -> float:
    return float(
        next(iter(found.components.correlations.values())) * np.sqrt(np.prod(found.components.variance))
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("REML", ([-0.33922, 0.35343], [0.08791, 0.05885], [0.032651, 0.011733], [0.6088])),
        ("ML", ([-0.33794, 0.34484], [0.07976, 0.04946], [0.026145, 0.007002], [0.6992])),
    ],
)
def test_two_outcomes_in_r(periodontal: Effects, method, expected: tuple) -> None:
    means, errors, variances, correlation = expected
    design = one_each(periodontal["outcome"])
    found = fit(periodontal, Spec(UNSTRUCTURED, method, "z"), design=design)
    assert design.names == ("AL", "PD")
    assert rounded(found.coefficients.estimate, 5) == means
    assert rounded(found.coefficients.se, 5) == errors
    assert rounded(found.components.variance, 6) == variances
    assert rounded(list(found.components.correlations.values()), 4) == correlation


def test_year_of_publication_in_r(periodontal: Effects) -> None:
    design = _with_year(periodontal, periodontal["year"] - 1983)
    found = fit(periodontal, Spec(UNSTRUCTURED, "ML", "z"), design=design)
    assert rounded(found.coefficients.estimate, 4) == [-0.3351, 0.3479, -0.0108, 0.0010]
    assert rounded(found.coefficients.se, 4) == [0.0787, 0.0520, 0.0243, 0.0154]
    assert rounded(found.components.variance, 4) == [0.0250, 0.0080]
