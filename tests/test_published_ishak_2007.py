"""Ishak, Platt, Joseph, Hanley & Caro (2007), Clinical Trials 4:525: deep-brain stimulation at up to four times.

Effects of one study at different times are correlated, in their sampling errors and in the true effects. Digits: these
models in R, run to convergence (reference/rma_mv.json, ishak).

The printed tables were not at hand: the digits below are R's for the article's data and models, not confirmed
against the page (the article rounds, and takes its within-study correlation of 0.97 as known).
"""

from __future__ import annotations

import pytest

from consilience.models import fit
from consilience.records import Effects, Inner, Spec
from published_data import dataset, effects_of, matrix_of, one_each, reference, rounded


@pytest.fixture(scope="module")
def stimulation() -> Effects:
    return effects_of(dataset("rma_mv", "ishak"), "study", matrix=matrix_of("rma_mv", "ishak.V"))


def test_heteroscedastic_autoregressive(stimulation: Effects) -> None:
    spec = Spec((Inner("time", "study", "HAR"),), "REML", "z")
    found = fit(stimulation, spec, design=one_each(stimulation["time"]))
    assert rounded(found.coefficients.estimate, 3) == [-25.905, -27.461, -28.656, -26.493]
    assert rounded(found.coefficients.se, 3) == [1.012, 1.141, 1.032, 1.382]
    assert rounded(found.components.variance, 2) == [22.73, 33.73, 26.14, 31.18]
    assert rounded(list(found.components.correlations.values()), 3) == [0.883]


@pytest.mark.parametrize("structure", ["AR", "CS", "HCS", "DIAG"])
def test_other_structures(stimulation: Effects, structure) -> None:
    case = next(c for c in reference("rma_mv")["cases"] if c["id"] == f"rma.mv/ishak/V_{structure}")
    spec = Spec((Inner("time", "study", structure),), "REML", "z")
    found = fit(stimulation, spec, design=one_each(stimulation["time"]))
    tight = case["out"]["tight"]
    assert found.loglik >= tight["logLik"] - 1e-8
    assert found.coefficients.estimate == pytest.approx(list(tight["beta"].values()), rel=1e-5)
