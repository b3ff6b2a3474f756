"""The main job on the shipped review: numbers against R, scenarios against direct fits, the same bytes twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError, UsageError
from consilience.models import fit
from consilience.records import Design, Spec
from consilience.review.estimates import pooled
from consilience.review.run import analyse
from consilience.review.selection import mark, pooled_rows
from consilience.review.sensitivity import Primary, aggregate, leave_one_out, recomputed, verdict
from consilience.review.tipping import bias_to_null, null_trials, with_null_trials

REFERENCE = json.loads(
    (Path(__file__).parent / "published" / "immune_primary_r.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("review") / "immune"
    consilience.copy_example("immune", target)
    return target


@pytest.fixture(scope="module")
def review(folder):
    return consilience.load(folder)


@pytest.fixture(scope="module")
def analysis(review):
    return analyse(review)


@pytest.fixture(scope="module")
def primary(review):
    plan, spec = review.plan, Spec.che()
    every = mark(consilience.trial_effects(review.reported, plan), plan)
    chosen = pooled_rows(every)
    estimate, model = pooled(chosen, spec, key="overall", label="all outcomes")
    return Primary(review.reported, plan, spec, every, chosen, model, estimate)


def test_primary_answer_agrees_with_r(analysis):
    """rma.mv + coef_test(CR2) on the same 35 effects and V; see published/immune_primary_r.json."""
    out = REFERENCE["overall"]
    e = analysis.overall
    assert e.estimate == pytest.approx(out["beta"], rel=1e-6)
    assert e.se == pytest.approx(out["se"], rel=1e-6)
    assert e.df == pytest.approx(out["df"], rel=1e-6)
    assert e.p_value == pytest.approx(out["p"], rel=1e-5)
    assert [e.tau2["study"], e.tau2["effect"]] == pytest.approx(out["sigma2"], rel=1e-4)


def test_the_effects_that_r_analysed_are_still_ours(primary):
    assert primary.effects.study.tolist() == REFERENCE["study"]
    np.testing.assert_allclose(primary.effects.y, REFERENCE["y"], rtol=1e-10)
    np.testing.assert_allclose(primary.effects.covariance(), REFERENCE["V"], rtol=1e-10)


def test_outcome_classes_agree_with_r(analysis):
    out = REFERENCE["outcome_class"]
    found = {e.label: e for e in analysis.question("subgroup/outcome_class").estimates if e.available}
    assert set(found) == set(out["names"])
    for name, beta, se, df in zip(out["names"], out["beta"], out["se"], out["df"], strict=True):
        assert found[name].estimate == pytest.approx(beta, rel=1e-6)
        assert found[name].se == pytest.approx(se, rel=1e-6)
        assert found[name].df == pytest.approx(df, rel=1e-5)
    test = analysis.question("subgroup/outcome_class").test
    assert [test.statistic, test.df2, test.p_value] == pytest.approx(
        [out["f"], out["df_denom"], out["f_p"]], rel=1e-5
    )


def test_people_are_counted_once(analysis, primary):
    """By hand: per trial, per arm, the largest number analysed in any of its effects."""
    total = 0
    for study in primary.effects.studies:
        rows = primary.effects.take(primary.effects.study == study)
        arms = {}
        for side in ("treatment", "control"):
            for arm, n in zip(rows[side], rows[f"n_{side}"], strict=True):
                if np.isfinite(n):
                    arms[arm] = max(arms.get(arm, 0), n)
        total += sum(arms.values())
    assert analysis.overall.n_people == total


def test_leave_one_out_is_a_refit_without_the_trial(primary):
    found = {s.key: s for s in leave_one_out(primary, progress=lambda *_: None)}
    assert len(found) == primary.effects.n_studies
    rest = primary.effects.take(primary.effects.study != "Goldberg2014_DPP")
    direct = fit(rest, Spec.che(), design=Design.intercept(rest.k))
    assert found["without/Goldberg2014_DPP"].estimate.estimate == pytest.approx(
        direct.coefficients.estimate[0], rel=1e-10
    )
    assert found["without/Goldberg2014_DPP"].estimate.n_trials == primary.effects.n_studies - 1


def test_aggregate_is_the_generalised_mean_of_each_trial(primary):
    averages = aggregate(primary.effects)
    assert averages.n_studies == averages.k == primary.effects.n_studies
    rows = np.flatnonzero(primary.effects.study == "Kamioka2009")
    inverse = np.linalg.inv(primary.effects.covariance()[np.ix_(rows, rows)])
    at = averages.study.tolist().index("Kamioka2009")
    assert averages.v[at] == pytest.approx(1 / inverse.sum(), rel=1e-10)
    assert averages.y[at] == pytest.approx(
        (inverse @ primary.effects.y[rows]).sum() / inverse.sum(), rel=1e-10
    )


@pytest.mark.parametrize(
    ("own", "other", "word"),
    [
        ((0.1, 0.5), (0.2, 0.6), "same"),
        ((0.1, 0.5), (-0.1, 0.6), "weaker"),
        ((-0.1, 0.5), (0.1, 0.6), "stronger"),
        ((0.1, 0.5), (-0.6, -0.1), "reversed"),
        ((-0.1, 0.5), (-0.2, 0.6), "same"),
        ((-0.5, -0.1), (-0.5, 0.1), "weaker"),
    ],
)
def test_verdicts(analysis, own, other, word):
    one = replace(analysis.overall, ci_low=own[0], ci_high=own[1])
    two = replace(analysis.overall, ci_low=other[0], ci_high=other[1])
    assert verdict(one, two) == word


def test_a_higher_r_gives_smaller_variances_of_effects_that_assume_it(primary):
    low, high = recomputed(primary, r=0.2), recomputed(primary, r=0.8)
    assumed = np.array([source.startswith("assumed") for source in low["r_source"]])
    means = np.array([code.startswith("pre-post") for code in low["route_code"]])
    assert np.all(high.v[assumed & means] < low.v[assumed & means])
    np.testing.assert_array_equal(high.v[~assumed], low.v[~assumed])


def test_null_trials_is_the_smallest_number_that_does_it(primary):
    tip = null_trials(primary)
    m = int(tip.value)
    typical = float(
        np.median(
            [
                1 / np.linalg.inv(primary.effects.take(primary.effects.study == s).covariance()).sum()
                for s in primary.effects.studies
            ]
        )
    )

    def average(extra: int) -> float:
        extended = with_null_trials(primary.effects, extra, typical)
        return fit(extended, Spec.che(), design=Design.intercept(extended.k)).coefficients.estimate[0]

    assert average(m) < 0.2 <= average(m - 1)
    assert tip.sentence.startswith(f"{m} further trials of typical size that found exactly nothing")


def test_common_bias_moves_the_limit_to_zero(primary):
    tip = bias_to_null(primary)
    shifted = replace(primary.effects, y=primary.effects.y - tip.value)
    estimate, _ = pooled(shifted, Spec.che(), key="x", label="x")
    assert estimate.ci_low == pytest.approx(0, abs=1e-8)


def test_every_number_in_the_answer_is_the_result_it_names(analysis):
    known = {"overall": analysis.overall}
    known |= {e.key: e for q in analysis.questions for e in q.estimates}
    known |= {e.key: e for s in analysis.scenarios for e in [s.estimate]}
    bounds = [p for paragraph in analysis.answer for p in paragraph.phrases if not isinstance(p, str)]
    assert len(bounds) > 15
    for b in bounds:
        key, field = b.key.rsplit(".", 1)
        estimate = known[key]
        value = sum(estimate.tau2.values()) ** 0.5 if field == "tau_total" else getattr(estimate, field)
        assert b.value == pytest.approx(value, rel=1e-12)


def test_a_convenience_sample_is_called_one(analysis):
    text = " ".join(p.text for p in analysis.answer)
    assert "convenience sample, not a systematic search" in text
    assert "surrogates" in text
    assert "In these trials" in text


def test_running_twice_gives_the_same_bytes(folder, tmp_path):
    written = []
    for name in ("a", "b"):
        analysis = consilience.run(folder)
        path = consilience.write_report(analysis, tmp_path / name)
        assert path == tmp_path / name / "report.html"
        written.append(
            {
                p.relative_to(tmp_path / name): p.read_bytes()
                for p in (tmp_path / name).rglob("*")
                if p.is_file()
            }
        )
    assert written[0].keys() == written[1].keys()
    different = [str(p) for p in written[0] if written[0][p] != written[1][p]]
    assert different == []


def test_the_inputs_are_never_changed(folder, tmp_path):
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    consilience.write_report(consilience.run(folder), tmp_path / "out")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_the_reproducing_script_gives_the_answer(folder, tmp_path, capsys, analysis):
    script = analysis.provenance.script
    namespace: dict[str, object] = {"__name__": "script"}
    import sys

    sys.argv, saved = ["reproduce.py", str(folder)], sys.argv
    try:
        exec(compile(script, "reproduce.py", "exec"), namespace)  # the script that the report ships
    finally:
        sys.argv = saved
    assert namespace["analysis"].overall == analysis.overall  # type: ignore[attr-defined]
    assert "0.28" in capsys.readouterr().out


def test_errors_stop_the_analysis_and_are_all_named(folder, tmp_path):
    broken = tmp_path / "broken"
    consilience.copy_example("immune", broken)
    table = broken / "arms.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    sd = head.index("sd")
    for row in (1, 3):
        cells = lines[row].split(",")
        cells[sd] = "-9"
        lines[row] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        consilience.run(broken)
    assert caught.value.code == "review-has-errors"
    assert "arms.csv, row 2, column sd" in str(caught.value)
    assert "arms.csv, row 4, column sd" in str(caught.value)


def test_no_review_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError):
        consilience.run(tmp_path / "nowhere")
