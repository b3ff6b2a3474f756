"""What the data cannot decide is named, and the rest is estimated as if it were not there."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.data.formula import design_matrix
from consilience.likelihood.build import build
from consilience.likelihood.identify import unidentified
from consilience.models import fit, profile_interval
from consilience.records import Effects, Fit, Inner, Intercept, Known, Shared, Slopes, Spec, Term
from several_effects import berkey_fit, obrien_fit, three_outcomes_fit

UN = Inner("outcome", "study", "UN")
PAIRS = [f"s{i}" for i in range(10) for _ in range(2)]


def effects(study: list[str], outcome: list[str], seed: int = 1) -> Effects:
    rng = np.random.default_rng(seed)
    k = len(study)
    columns = {
        "outcome": np.array(outcome, dtype=object),
        "lab": np.full(k, "L", dtype=object),
        "one": np.ones(k),
        "x": rng.normal(size=k),
        "time": np.zeros(k),
    }
    made = rng.normal(0.3, 0.4, k)
    return Effects(made, rng.uniform(0.02, 0.08, k), np.array(study, dtype=object), columns=columns)


def fitted(data: Effects, *terms: Term, formula: str = "0 + outcome", method: str = "REML") -> Fit:
    return fit(data, Spec(terms, method, "z"), design=design_matrix(formula, data.columns))


def said(found: Fit) -> str:
    return " ".join(note.message for note in found.notes)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("structure", ["UN", "HCS", "DIAG"])
def test_an_outcome_with_one_effect_and_its_own_mean(structure, method: str) -> None:
    whole = effects([*PAIRS, "s9"], [*"ab" * 10, "c"])
    found = fitted(whole, Inner("outcome", "study", structure), method=method)
    assert found.optimum.status == "not-identified"
    assert (
        '"outcome|study: c" cannot be told apart from the coefficients (that level has one effect)'
        in said(found)
    )
    assert found.components["outcome|study: c"] == 0.0
    assert found.coefficients.se[-1] == pytest.approx(np.sqrt(whole.v[-1]))
    assert any("sampling error only" in note.advice for note in found.notes)
    without = fitted(whole.take(np.arange(20)), Inner("outcome", "study", structure), method=method)
    np.testing.assert_allclose(
        found.components.variance[:2], without.components.variance, rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(found.coefficients.se[:2], without.coefficients.se, rtol=1e-8)
    with pytest.raises(InputError) as refused:
        profile_interval(found, "outcome|study: c")
    assert refused.value.code in ("not-identified", "unknown-name")


def test_the_outcome_that_cannot_be_estimated_may_come_first() -> None:
    study, outcome = ["s9", *PAIRS], ["a", *"bc" * 10]
    found = fitted(effects(study, outcome), UN)
    assert found.components["outcome|study: a"] == 0.0
    assert '"outcome|study: a"' in said(found)
    rest = fitted(effects(study, outcome).take(np.arange(1, 21)), UN)
    np.testing.assert_allclose(found.components.variance[1:], rest.components.variance, rtol=1e-5, atol=1e-9)
    ours, theirs = (profile_interval(f, "outcome|study: b") for f in (found, rest))
    np.testing.assert_allclose((ours.low, ours.high), (theirs.low, theirs.high), rtol=1e-5, atol=1e-9)


def test_a_correlation_of_outcomes_that_never_meet() -> None:
    study = [*[f"s{i}" for i in range(8) for _ in range(2)], *[f"t{i}" for i in range(8) for _ in range(2)]]
    found = fitted(effects(study, [*"ab" * 8, *"bc" * 8]), UN)
    assert found.optimum.status == "not-identified"
    assert "outcome|study: a, c" in said(found)
    assert "outcome|study: a, b" not in said(found)
    with pytest.raises(InputError) as refused:
        profile_interval(found, "outcome|study: c, a")
    assert refused.value.code == "not-identified"
    assert profile_interval(found, "outcome|study: a").high > 0


PAIRED = effects(PAIRS, [*"ab" * 10])
SAME = '"{}" cannot be told apart from "{}"'


@pytest.mark.parametrize(
    ("terms", "formula", "words"),
    [
        (
            (UN, Intercept(("row",))),
            "0 + outcome",
            SAME.format("row", 'outcome|study: a", "outcome|study: b'),
        ),
        (
            (Intercept(("row",)), UN),
            "0 + outcome",
            SAME.format("row", 'outcome|study: a", "outcome|study: b'),
        ),
        ((UN, UN), "0 + outcome", SAME.format("outcome|study (2): a", "outcome|study: a")),
        ((Intercept(("study",)), Intercept(("study",))), "1", '"study (2)" has the same levels as "study"'),
        ((Intercept(("row",)), Intercept(("study", "row"))), "1", '"study/row" has the same levels as "row"'),
        ((Inner("outcome", "study", "CS"), Intercept(("study",))), "1", '"study" cannot be told apart from'),
        (
            (Intercept(("study",)), Intercept(("lab",))),
            "1",
            '"lab" cannot be told apart from the coefficients',
        ),
        ((Intercept(("study",)), Intercept(("outcome",))), "0 + outcome", '"outcome" cannot be told apart'),
        ((Inner("time", "study", "AR"),), "1", '"time|study: rho": no level of the outer factor has two'),
        ((Inner("time", "study", "CAR"),), "1", '"time|study: rho": no level of the outer factor has two'),
        ((Slopes(("one",), "study"),), "1", SAME.format("one|study: one", "one|study: intercept")),
        ((Slopes(("one",), "study", False),), "1", SAME.format("one|study: one", "one|study: intercept")),
        ((Known("lab", np.eye(1), ("L",)), Intercept(("study",))), "1", '"lab" cannot be told apart'),
        (
            (Intercept(("study",)), Shared((Intercept(("study",)), Intercept(("study",))))),
            "1",
            '"study = study"',
        ),
    ],
)
def test_terms_that_repeat_each_other_or_the_coefficients(
    terms: tuple[Term, ...], formula: str, words: str
) -> None:
    found = fitted(PAIRED, *terms, formula=formula)
    assert found.optimum.status == "not-identified"
    assert words in said(found)
    assert np.isfinite(found.coefficients.se).all()
    assert len(found.components.variance) == len(found.components.se) == len(found.components.names)
    assert len(set(found.components.names)) == len(found.components.names)


def test_a_correlation_beside_a_variance_of_zero_says_nothing() -> None:
    flat = Effects(np.full(20, 0.3), np.full(20, 0.05), PAIRED.study, columns=PAIRED.columns)
    for structure in ("CS", "HCS"):
        found = fitted(flat, Inner("outcome", "study", structure), formula="1")
        assert found.optimum.status == "boundary"
        assert 'variance of "outcome|study" is zero, so "outcome|study: rho" says nothing' in said(found)


def test_a_repeated_term_leaves_the_likelihood_as_it_is() -> None:
    once, twice = fitted(PAIRED, UN), fitted(PAIRED, UN, UN)
    assert twice.loglik == pytest.approx(once.loglik, abs=1e-9)
    np.testing.assert_allclose(twice.components.variance[:2], once.components.variance, rtol=1e-5)


@pytest.mark.parametrize("model", [berkey_fit, three_outcomes_fit, obrien_fit])
def test_ordinary_data_identify_everything(model) -> None:
    assert model().optimum.status in ("converged", "boundary")
    assert not model().notes


def test_nothing_is_called_unknown_that_the_information_sees() -> None:
    """Random designs of all structures: where the expected information by definition, 1/2 tr(P dM_i P dM_j) at a random
    theta, has full rank, nothing is named; where it has not, something is."""
    checked = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        k = int(rng.integers(4, 14))
        data = effects(
            [f"s{i}" for i in rng.integers(0, 5, k)], [str(o) for o in rng.choice(list("abc"), k)], seed
        )
        kinds = ("UN", "CS", "HCS", "DIAG", "AR")
        terms: list[Term] = [Inner("outcome", "study", kinds[seed % 5])]
        if seed % 3 == 0:
            terms.append(Intercept(("row",)))
        setup = build(data, design_matrix("1", data.columns), Spec(tuple(terms), "REML", "z"), dense=True)
        theta = np.clip(
            rng.uniform(0.3, 0.7, len(setup.parameters)), setup.problem.lower, setup.problem.upper
        )
        changes = []
        x = np.ones((k, 1))
        m = np.zeros((k, k))
        for rows, block in setup.problem.layout.covariances(theta):
            for r, b in zip(rows, block, strict=True):
                m[np.ix_(r, r)] = b
        w = np.linalg.inv(m)
        p = w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w
        start = 0
        for term in setup.terms:
            stop = start + len(term.parameters)
            for d in term.structure.evaluate(theta[start:stop])[1]:
                changes.append((p @ term.expand(d, np.arange(k)[None])[0] @ p).ravel())
            start = stop
        full = np.linalg.matrix_rank(np.array(changes), tol=1e-9) == len(changes)
        unknown = unidentified(setup)
        checked += full
        assert bool(unknown) == (not full), (seed, unknown)
    assert 5 < checked < 55
