"""What the answer of a review says in words: no more than its numbers, and with the caveats that they need."""

from __future__ import annotations

import re
from dataclasses import replace
from math import exp

import numpy as np
import pytest

import consilience
from consilience.effects import trial_ratios
from consilience.records import Spec
from consilience.review import questions as q
from consilience.review.answer import Findings, write
from consilience.review.estimates import pooled
from consilience.review.methods import paragraphs, references
from consilience.review.selection import mark, pooled_rows
from consilience.review.weights import dominant, row_weights
from review_effects import make_effects, make_plan

SPEC = Spec.che()


@pytest.fixture(scope="module")
def ratios(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims") / "immune"
    consilience.copy_example("immune", folder)
    review = consilience.load(folder)
    return pooled_rows(mark(trial_ratios(review.reported, review.plan), review.plan))


# metafor 3.8.1: rma.mv(y, V, random = ~ 1 | study/id), weights(type = "rowsum"), in percent
@pytest.mark.parametrize(
    ("family", "by_trial"),
    [
        ("beneficial", {"Kamioka2009": 85.0420189, "Ruan2017": 4.2824907, "Shen2018": 10.6754904}),
        ("harmful", {"Diez2022": 41.969417, "Goldberg2014_DPP": 43.177222, "Vos2011": 14.853361}),
    ],
)
def test_weights_are_those_of_r(ratios, family, by_trial):
    members = ratios.take(ratios["family"] == family)
    _, model = pooled(members, SPEC, key="x", label="x")
    weights = row_weights(model)
    for study, share in by_trial.items():
        assert 100 * weights[members.study == study].sum() == pytest.approx(share, rel=1e-5)


def test_a_percent_change_that_one_trial_and_one_marker_carry_is_named(ratios):
    effects = make_effects(12)
    found = q.family_question(effects, ratios, SPEC, "beneficial")
    text = "85% of the weight is that of one trial (Kamioka2009) and 59% of the weight is that of one marker (T cells)"
    assert f"Measured percent change: {text}." in found.notes
    assert text in found.answer
    plan = make_plan()
    overall, model = pooled(effects, SPEC, key="overall", label="all")
    assert dominant(model) == ""  # twelve trials, and two markers of nearly the same weight
    in_words = " ".join(p.text for p in write(Findings(plan, overall, (found,), (), (), None, 12)))
    assert f"{text}." in in_words


def test_a_baseline_measured_once_counts_once_in_the_implied_percent():
    """One trial with nine later times must not set the typical log SD against three others."""
    effects = make_effects(4, 9, g=0.4)
    log_sd = np.where(effects.study == "Trial 00", 2.0, 0.5)
    effects = replace(effects, columns={**effects.columns, "log_sd": log_sd})
    effects = effects.take(effects["family"] == "harmful")
    first = np.array([study not in effects.study[:i] for i, study in enumerate(effects.study)])
    effects = effects.take((effects.study == "Trial 00") | first)
    question = q.family_question(effects, effects.take(np.zeros(effects.k, dtype=bool)), SPEC, "harmful")
    g, _, implied = question.estimates
    assert implied.estimate == pytest.approx(100 * (exp(-0.5 * g.estimate) - 1), rel=1e-12)
    assert "median of 4 markers by trial" in implied.method


def test_trials_of_unknown_size_are_said_not_to_be_counted():
    effects = make_effects(12)
    unknown = np.where(effects.study == "Trial 02", np.nan, effects["n_treatment"])
    sizes = {"n_treatment": unknown, "n_control": unknown}
    effects = replace(effects, columns={**effects.columns, **sizes})
    overall, _ = pooled(effects, SPEC, key="overall", label="all")
    assert overall.n_unsized == 1
    answer = write(Findings(make_plan(), overall, (), (), (), None, 12))
    assert "people (not counting 1 trial of unknown size)." in answer[0].text


def test_too_few_degrees_of_freedom_are_no_yes():
    effects = make_effects(3, g=3.0, tau=0.0)
    overall, _ = pooled(effects, SPEC, key="overall", label="all")
    assert overall.trust
    assert overall.ci_low > 0.2
    answer = write(Findings(make_plan(), overall, (), (), (), None, 3))
    assert answer[1].text.startswith("It is not known: there are too few trials")
    assert "yes" not in answer[1].text


@pytest.mark.parametrize("prisma", [{}, {"screened": 10}])
def test_every_reference_is_cited_and_every_citation_has_its_reference(prisma):
    plan = make_plan(prisma=prisma)
    text = " ".join(paragraphs(plan, mark(make_effects(12), plan)))
    listed = references(plan)
    for entry in listed:
        author, year = entry.split()[0], re.search(r"\b((?:19|20)\d\d)[;:]", entry).group(1)
        assert re.search(rf"{author}[^()]*\(?{year}", text), entry
    cited = re.findall(r"([A-Z][A-Za-z]+)(?: & [A-Z][A-Za-z]+)?(?: et al\.)? \(?(\d{4})\b", text)
    for author, year in cited:
        known = [entry for entry in listed if entry.startswith(author) and year in entry]
        assert known or author == "PRISMA", (author, year)
    assert len(cited) >= 8
    assert any("PRISMA" in entry for entry in listed) == bool(prisma)
