"""Several terms at once against R: fits, information criteria, random effects, residuals, likelihood ratio, I^2."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.data.formula import design_matrix
from consilience.models import fit, likelihood_ratio_test, row_residuals, term_effects
from consilience.records import Block, Effects, Fit, Inner, Intercept, Slopes, Spec, Term
from several_effects import R, labels

DATA = R["several"]
STUDY, LAB, ROW = Intercept(("study",)), Intercept(("lab",)), Intercept(("study", "id"))
MODELS: dict[str, tuple[tuple[Term, ...], str]] = {
    "nested_crossed": ((STUDY, ROW, LAB), "dose"),
    "two_inner": ((Inner("outcome", "study", "CS"), Inner("outcome", "lab", "DIAG")), "dose"),
    "un_car": ((Inner("outcome", "study", "HCS"), Inner("time", "lab", "CAR")), "1"),
    "car": ((Inner("time", "study", "CAR"),), "outcome"),
    "un_lab": ((Inner("outcome", "lab", "UN"),), "outcome"),
    "gen": ((Slopes(("dose",), "study"), LAB), "dose"),
}


def effects() -> Effects:
    """74 effects of 30 studies in 7 laboratories (made up), V with correlation 1/2 within a study."""
    rows = DATA["data"]
    columns: dict[str, np.ndarray] = {
        name: labels(row[name] for row in rows) for name in ("lab", "outcome", "id")
    }
    columns |= {name: np.array([row[name] for row in rows], dtype=float) for name in ("time", "dose")}
    study, v = labels(row["study"] for row in rows), np.array([row["vi"] for row in rows])
    blocks = []
    for s in dict.fromkeys(study.tolist()):
        r = np.flatnonzero(study == s)
        spread = np.sqrt(np.outer(v[r], v[r]))
        blocks.append(Block(r, np.where(np.eye(len(r)) > 0, 1.0, 0.5) * spread))
    return Effects(np.array([row["yi"] for row in rows]), v, study, blocks=tuple(blocks), columns=columns)


def model(name: str, method: str) -> Fit:
    terms, formula = MODELS[name]
    data = effects()
    return fit(data, Spec(terms, method, "z"), design=design_matrix(formula, data.columns))


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", list(MODELS))
def test_fits_and_information_criteria(name: str, method: str) -> None:
    ours, theirs = model(name, method), DATA[f"{name}.{method}"]
    assert ours.optimum.score < 1e-6
    # at a bound R's variances stop a little above zero: its likelihood is up to 3e-6 lower
    assert -1e-8 < ours.loglik - theirs["ll"] < 3e-6
    np.testing.assert_allclose(ours.coefficients.estimate, theirs["beta"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.coefficients.se, theirs["se"], rtol=1e-4)
    expected = [x for name in ("sigma2", "tau2", "gamma2") for x in np.atleast_1d(theirs[name]) if x]
    variances = dict(zip(ours.components.names, ours.components.variance, strict=True))
    own = sorted(variances.values())
    np.testing.assert_allclose(own, sorted(expected), rtol=1e-3, atol=1e-5)
    assert ours.heterogeneity.q == pytest.approx(theirs["QE"], rel=1e-8)
    for row, name_of in enumerate(("loglik", "deviance", "aic", "bic", "aicc")):
        # the likelihood that was not maximised moves to first order with R's stopping error
        for kind in ("ML", "REML"):
            close = 2e-5 if kind == method else 1e-3
            assert getattr(ours.statistics[kind], name_of) == pytest.approx(
                theirs["fit"][kind][row], abs=close
            )


def test_random_effects_of_every_level() -> None:
    ours, theirs = model("nested_crossed", "REML"), DATA["nested_crossed.REML"]["ranef"]
    found, data = term_effects(ours), ours.effects
    of_rows = (
        ("study", data.study),
        ("study/id", labels(f"{s}/{i}" for s, i in zip(data.study, data["id"], strict=True))),
        ("lab", data["lab"]),
    )
    for column, (name, level) in enumerate(of_rows):
        place = {label: i for i, label in enumerate(theirs[name]["names"])}
        index = [place[label] for label in level]
        np.testing.assert_allclose(
            found.contribution[:, column], np.array(theirs[name]["intrcpt"])[index], atol=1e-6
        )
        np.testing.assert_allclose(found.se[:, column], np.array(theirs[name]["se"])[index], atol=1e-6)


@pytest.mark.parametrize("name", list(MODELS))
def test_residuals(name: str) -> None:
    ours, theirs = model(name, "REML"), DATA[f"{name}.REML"]
    found = row_residuals(ours)
    np.testing.assert_allclose(found.fitted, theirs["fitted"], atol=1e-4)
    np.testing.assert_allclose(found.standardised, theirs["rstandard"], atol=1e-4)
    # R factors M^-1 = R'R and takes R e, ours M = L L' and takes L^-1 e: another order, one sum of squares
    squares = np.sum(np.square(theirs["cholesky"]))
    assert np.sum(found.cholesky**2) == pytest.approx(squares, rel=1e-4)


def test_likelihood_ratio() -> None:
    data = effects()
    small = fit(data, Spec((STUDY,), "ML", "z"))
    found, theirs = likelihood_ratio_test(model("nested_crossed", "ML"), small), DATA["anova"]
    assert found.statistic == pytest.approx(theirs["LRT"], abs=1e-6)
    assert found.p_value == pytest.approx(theirs["pval"], rel=1e-5)
    assert found.df1 == theirs["df"]


def test_i2_by_level() -> None:
    data = effects()
    found, theirs = fit(data, Spec((STUDY, ROW, LAB), "REML", "z")).heterogeneity, DATA["i2"]
    assert found.i2 == pytest.approx(theirs["total"], rel=1e-5)
    np.testing.assert_allclose(list(found.i2_by.values()), theirs["by"], rtol=1e-3, atol=1e-3)
