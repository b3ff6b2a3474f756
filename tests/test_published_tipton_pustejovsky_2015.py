"""Tipton & Pustejovsky (2015), J Educ Behav Stat 40:604, and Tipton (2015), Psychol Methods 20:375: small samples.

The example of correlated effects that both articles and robumeta use: 172 effects of 39 studies on brief alcohol
interventions (corrdat). Digits: robumeta and clubSandwich (reference/robust.json).

The tables of the articles (other data sets) were not at hand: the digits are those of the two packages, whose authors are
the articles' authors, not confirmed against a page.
"""

from __future__ import annotations

import numpy as np
import pytest

from consilience.inference import wald_test
from consilience.models import fit
from consilience.records import Design, Effects, Fit, Intercept, Spec
from published_data import dataset, effects_of, reference

MODERATORS = ("males", "college", "binge")


@pytest.fixture(scope="module")
def alcohol() -> Effects:
    return effects_of(dataset("robust", "corrdat"), "studyid", y="effectsize", v="var")


def _case(name: str) -> dict:
    return next(c["out"] for c in reference("robust")["cases"] if c["id"] == name)


def _fitted(effects: Effects, spec: Spec, names: tuple[str, ...]) -> Fit:
    columns = np.column_stack([np.ones(effects.k), *(effects[n] for n in names)])
    return fit(effects, spec, design=Design(columns, ("intercept", *names)))


@pytest.mark.parametrize(("names", "formula"), [((), "1"), (MODERATORS, "+".join(MODERATORS))])
@pytest.mark.parametrize(("model", "spec"), [("CORR", Spec.correlated()), ("HIER", Spec.hierarchical())])
def test_small_sample_corrections(
    alcohol: Effects, names: tuple, formula: str, model: str, spec: Spec
) -> None:
    out = _case(f"robumeta/corrdat/effectsize~{formula}/{model}/small/0.8")
    found = _fitted(alcohol, spec, names)
    c = found.coefficients
    for ours, name in ((c.estimate, "b.r"), (c.se, "SE"), (c.df, "dfs"), (c.p_value, "prob")):
        assert ours == pytest.approx(np.atleast_1d(out[name]), rel=1e-6), name


@pytest.mark.parametrize("method", ["HTZ", "HTA", "HTB", "EDF", "EDT"])
def test_tests_of_two_moderators(alcohol: Effects, method) -> None:
    """Wald tests of males and college in a three-level model; F, df and p of every method of the article."""
    case = next(c for c in reference("robust")["cases"] if c["id"] == "fit/corrdat_mv")
    study, row = case["out"]["sigma2"]
    spec = Spec((Intercept(("study",), study), Intercept(("study", "esid"), row)), "REML", "CR2")
    found = wald_test(_fitted(alcohol, spec, MODERATORS[:2]), np.eye(3)[1:], method=method)
    out = _case(f"Wald_test/corrdat_mv/CR2/{method}")
    assert found.statistic == pytest.approx(out["Fstat"], rel=1e-6)
    if out["df_denom"] != "Inf":
        assert found.df2 == pytest.approx(out["df_denom"], rel=1e-6)
    assert found.p_value == pytest.approx(out["p_val"], rel=1e-6)
