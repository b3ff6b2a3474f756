"""Tipton & Pustejovsky (2015), J Educ Behav Stat 40:604, and Tipton (2015), Psychol Methods 20:375: small samples.

Example of the 2015 article: 385 effects of 152 studies on the prevention of school dropout (Wilson et al. 2011), tests
of five moderators of a hierarchical-effects model. Digits as printed: the table "Example: Wilson et al. (2011)" of the
authors' slides "Small-sample adjustments for F-tests using robust variance estimation in meta-regression" (AERA, April
2015), read in a stored copy of the author's site (static/files/AERA-2015-RVE-F-tests.html). Data: dropoutPrevention of
clubSandwich (its program_site is the table's program format). Table 1 of the article (p. 33 of the manuscript of
28 May 2015) was not at hand; a reader's notes in a public repository quote one row of it: evaluator independence,
p = .029 and .073, 16.8 degrees of freedom.

Second example, of robumeta: 172 effects of 39 studies on brief alcohol interventions (corrdat); these digits are of
robumeta and clubSandwich (reference/robust.json). The example of Tipton (2015) was not found in print.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from consilience.inference import wald_test
from consilience.models import fit
from consilience.records import Design, Effects, Fit, Intercept, Spec
from published_data import FOLDER, columns_of, dataset, effects_of, reference

MODERATORS = ("males", "college", "binge")
WILSON: dict[str, Any] = json.loads((FOLDER / "published" / "wilson_2011_r.json").read_text(encoding="utf-8"))
WILSON_ORDER = (
    "study_design",
    "attrition",
    "group_equivalence",
    "adjusted",
    "outcome",
    "evaluator_independence",
    "male_pct",
    "white_pct",
    "average_age",
    "implementation_quality",
    "program_site",
    "duration",
    "service_hrs",
)
CATEGORIES = {
    "study_design": 3,
    "adjusted": 2,
    "outcome": 4,
    "evaluator_independence": 4,
    "implementation_quality": 3,
    "program_site": 4,
}
# moderator: q, F and p of the usual test, F, degrees of freedom and p of the test with T squared Z
SLIDES = {
    "study_design": (2, 0.23, 0.796, 0.22, 43, 0.800),
    "outcome": (3, 0.91, 0.436, 0.84, 22, 0.488),
    "evaluator_independence": (3, 3.11, 0.029, 2.78, 17, 0.073),
    "implementation_quality": (2, 14.15, "<0.001", 13.78, 37, "<0.001"),
    "program_site": (3, 3.85, 0.011, 3.65, 38, 0.021),
}


@pytest.fixture(scope="module")
def alcohol() -> Effects:
    return effects_of(dataset("robust", "corrdat"), "studyid", y="effectsize", v="var")


@pytest.fixture(scope="module")
def dropout() -> Fit:
    effects = effects_of(columns_of(WILSON["data"]), "study")
    columns, names = [np.ones(effects.k)], ["intercept"]
    for name in WILSON_ORDER:
        if name in CATEGORIES:
            columns += [(effects[name] == level).astype(float) for level in range(1, CATEGORIES[name])]
            names += [f"{name}={level}" for level in range(1, CATEGORIES[name])]
        else:
            columns.append(effects[name])
            names.append(name)
    return fit(effects, Spec.hierarchical(), design=Design(np.column_stack(columns), tuple(names)))


def _levels(found: Fit, moderator: str) -> np.ndarray:
    names = found.coefficients.names
    return np.eye(len(names))[[i for i, name in enumerate(names) if name.startswith(f"{moderator}=")]]


def _shown(p_value: float) -> float | str:
    return "<0.001" if p_value < 0.001 else round(p_value, 3)


@pytest.mark.parametrize("moderator", SLIDES)
def test_moderators_of_dropout_as_printed(dropout: Fit, moderator: str) -> None:
    """The slides head the usual test "Chi-sq"; its p values are those of F(q, 152 - 22), not of F(q, 152 - 1)."""
    q, f_usual, p_usual, f, df, p = SLIDES[moderator]
    usual = wald_test(dropout, _levels(dropout, moderator), method="naive-Fp")
    assert (usual.df1, usual.df2) == (q, 130)
    assert (round(usual.statistic, 2), _shown(usual.p_value)) == (f_usual, p_usual)
    corrected = wald_test(dropout, _levels(dropout, moderator), method="HTZ")
    assert corrected.df2 is not None
    assert (round(corrected.statistic, 2), round(corrected.df2), _shown(corrected.p_value)) == (f, df, p)


def test_evaluator_independence_in_table_1(dropout: Fit) -> None:
    found = wald_test(dropout, _levels(dropout, "evaluator_independence"), method="HTZ")
    assert found.df2 is not None
    assert (round(found.df2, 1), round(found.p_value, 3)) == (16.8, 0.073)


@pytest.mark.parametrize("method", ["naive-F", "naive-Fp", "HTZ"])
@pytest.mark.parametrize("moderator", SLIDES)
def test_moderators_of_dropout_in_r(dropout: Fit, moderator: str, method) -> None:
    """Digits of robumeta and clubSandwich for the same data (published/wilson_2011_r.json names the versions)."""
    theirs = WILSON["tests"][moderator][method]
    found = wald_test(dropout, _levels(dropout, moderator), method=method)
    assert dropout.coefficients.estimate == pytest.approx(WILSON["b"], rel=1e-6)
    assert found.statistic == pytest.approx(theirs["Fstat"], rel=1e-6)
    assert found.df2 == pytest.approx(theirs["df_denom"], rel=1e-6)
    assert found.p_value == pytest.approx(theirs["p_val"], rel=1e-6)


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
