"""Ishak, Platt, Joseph, Hanley & Caro (2007), Clinical Trials 4:525: deep-brain stimulation at up to four times.

Effects of one study at different times are correlated, in their sampling errors and in the true effects (the article
estimates 0.97 within studies, taken here as known). The article's tables were not at hand. Printed digits here are those
of the help page of the data set in metadat (dat.ishak2007, docs/reference of wviechtb/metadat, two digits); more digits
are of metafor, run to convergence (reference/rma_mv.json, ishak), in tests named `in_r`.
"""

from __future__ import annotations

import pytest

from consilience.models import fit
from consilience.records import Effects, Inner, Spec
from published_data import dataset, effects_of, matrix_of, one_each, reference, rounded


@pytest.fixture(scope="module")
def stimulation() -> Effects:
    return effects_of(dataset("rma_mv", "ishak"), "study", matrix=matrix_of("rma_mv", "ishak.V"))


def test_heteroscedastic_autoregressive_as_the_help_page_prints_it(stimulation: Effects) -> None:
    spec = Spec((Inner("time", "study", "HAR"),), "REML", "z")
    found = fit(stimulation, spec, design=one_each(stimulation["time"]))
    c = found.coefficients
    assert rounded(c.estimate, 2) == [-25.90, -27.46, -28.66, -26.49]
    assert rounded(c.se, 2) == [1.01, 1.14, 1.03, 1.38]
    assert rounded(c.statistic, 2) == [-25.60, -24.08, -27.76, -19.17]
    assert rounded(c.ci_low, 2) == [-27.89, -29.70, -30.68, -29.20]
    assert rounded(c.ci_high, 2) == [-23.92, -25.23, -26.63, -23.79]
    assert rounded(found.components.variance, 2) == [22.73, 33.73, 26.14, 31.18]
    assert rounded(list(found.components.correlations.values()), 2) == [0.88]
    assert round(found.heterogeneity.q, 2) == 856.16


def test_heteroscedastic_autoregressive_in_r(stimulation: Effects) -> None:
    spec = Spec((Inner("time", "study", "HAR"),), "REML", "z")
    found = fit(stimulation, spec, design=one_each(stimulation["time"]))
    assert rounded(found.coefficients.estimate, 3) == [-25.905, -27.461, -28.656, -26.493]
    assert rounded(found.coefficients.se, 3) == [1.012, 1.141, 1.032, 1.382]
    assert rounded(found.components.variance, 2) == [22.73, 33.73, 26.14, 31.18]
    assert rounded(list(found.components.correlations.values()), 3) == [0.883]


@pytest.mark.parametrize("structure", ["AR", "CS", "HCS", "DIAG"])
def test_other_structures_in_r(stimulation: Effects, structure) -> None:
    case = next(c for c in reference("rma_mv")["cases"] if c["id"] == f"rma.mv/ishak/V_{structure}")
    spec = Spec((Inner("time", "study", structure),), "REML", "z")
    found = fit(stimulation, spec, design=one_each(stimulation["time"]))
    tight = case["out"]["tight"]
    assert found.loglik >= tight["logLik"] - 1e-8
    assert found.coefficients.estimate == pytest.approx(list(tight["beta"].values()), rel=1e-5)
