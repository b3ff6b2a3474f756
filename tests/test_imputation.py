"""Imputation: only what the protocol allows, only where it is needed, never silent; by hand, by simulation, end to end."""

import math
from dataclasses import replace

import numpy as np
import pytest

import consilience
from consilience.effects import trial_effects, trial_ratios
from consilience.effects.imputation_sd import pooled_elsewhere
from consilience.records import Imputation
from review_tables import Review
from trial_tables import arm, contrast, four, plan, reported, rule

SD, N, R = (
    Imputation(**{k: v}) for k, v in (("sd", "same-marker"), ("n", "from-arms"), ("r", "same-marker"))
)
ALL = Imputation("same-marker", "same-marker", "from-arms")


def with_(imputation, *rules, **options):
    return replace(plan(*rules, **options), imputation=imputation)


def trial(study, *, sd=None, n=30.0, unit="mg/L", means=(5.0, 4.0, 5.0, 5.0), **more):
    """Four rows of a trial; sd = one SD per row, None = none printed."""
    cells = [{"mean": mean, "n": n, "unit": unit, **more} for mean in means]
    for cell, value in zip(cells, sd or (), strict=False):
        cell["sd"] = value
    return four(*cells, study=study)


PRINTED = [*trial("A", sd=(1.0, 1.2, 2.0, 1.4), n=21.0), *trial("B", sd=(3.0, 1.2, 3.0, 1.4), n=11.0)]


def codes(effects):
    return [note.code for note in effects.notes if note.code.startswith("imputed")]


def test_nothing_is_imputed_unless_declared():
    effects = trial_effects(reported([*PRINTED, *trial("C")]), plan())
    assert effects.studies == ("A", "B")
    assert set(effects["imputed"]) == {""}
    assert {d.code for d in effects.dropped if d.study == "C"} == {"no-dispersion"}


def test_the_sd_is_pooled_over_the_baselines_of_the_other_trials():
    """sqrt[(20 (1 + 4) + 10 (9 + 9))/60] = sqrt(280/60)."""
    effects = trial_effects(reported([*PRINTED, *trial("C")]), with_(SD))
    sd = math.sqrt(280 / 60)
    own = effects.take(effects.study == "C")
    assert own["sd_used"][0] == pytest.approx(sd, rel=1e-12)
    j = 1 - 3 / (4 * 58 - 1)
    assert own.y[0] == pytest.approx(-1 / sd * j, rel=1e-4)
    assert own["imputed"].tolist() == ["SD"]
    assert own["route"][0] == "pre and post means with SD, SD imputed"
    assert "SD 2.16 in mg/L imputed: pooled over 2 other trials of CRP" in own["assumptions"][0]
    (note,) = (n for n in effects.notes if n.code == "imputed-sd")
    assert (note.study, note.file, note.row, note.column) == ("C", "arms.csv", 10, "sd")
    assert not [d for d in effects.dropped if d.study == "C"]


def test_the_other_trials_stay_as_they_are():
    data = reported([*PRINTED, *trial("C")])
    without, with_sd = trial_effects(data, plan()), trial_effects(data, with_(ALL))
    kept = with_sd.take(with_sd.study != "C")
    assert np.array_equal(kept.y, without.y)
    assert np.array_equal(kept.v, without.v)


@pytest.mark.parametrize(
    "rows,reason",
    [
        (trial("C", unit="pg/mL"), "no other trial prints an SD of CRP in pg/mL"),
        (trial("C", unit=""), "gives no unit"),
        (trial("C", scale="ln"), "no other trial prints an SD of CRP on the log scale"),
    ],
)
def test_an_sd_in_another_unit_or_on_another_scale_is_refused_with_the_reason(rows, reason):
    effects = trial_effects(reported([*PRINTED, *rows]), with_(SD))
    assert effects.studies == ("A", "B")
    assert [d for d in effects.dropped if d.study == "C" and reason in d.reason]


def test_an_sd_of_another_marker_is_not_used():
    rows = [{**row, "outcome": "IL-6"} for row in trial("C")]
    effects = trial_effects(reported([*PRINTED, *rows]), with_(SD, rule(), rule("IL-6")))
    assert effects.studies == ("A", "B")


def test_logarithms_have_no_unit_and_one_base():
    """A prints log10, C geometric means without an interval: the SD of ln is 2.302585 times that of log10."""
    logs = trial("A", sd=(0.3, 0.3, 0.3, 0.3), means=(0.5, 0.4, 0.5, 0.5), scale="log10")
    bare = [{**row, "geometric_mean": row.pop("mean")} for row in trial("C", unit="ng/L")]
    effects = trial_effects(reported([*logs, *bare]), with_(SD, rule(scale="log")))
    own = effects.take(effects.study == "C")
    assert own["scale"][0] == "log"
    assert own["sd_used"][0] == pytest.approx(0.3 * math.log(10))


def test_raw_means_of_a_skewed_marker_are_converted_with_the_imputed_sd():
    sd = math.sqrt(280 / 60)
    data = reported([*PRINTED, *trial("C")])
    made = trial_effects(data, with_(SD, rule(scale="log")))
    printed = reported([*PRINTED, *trial("C", sd=(sd, sd, sd, sd))])
    # after treatment the SDs of other trials after treatment are pooled
    late = math.sqrt((20 * (1.44 + 1.96) + 10 * (1.44 + 1.96)) / 60)
    for row, value in zip(range(8, 12), (sd, late, sd, late), strict=True):
        printed.arms.data["sd"][row] = value
    expected = trial_effects(printed, plan(rule(scale="log")))
    assert made.y[-1] == pytest.approx(expected.y[-1], rel=1e-12)
    assert made.v[-1] == pytest.approx(expected.v[-1], rel=1e-12)


def test_changes_without_any_dispersion_get_a_baseline_sd():
    rows = [
        {**arm(role, time, study="C", n=30.0, unit="mg/L"), **more}
        for role, change in (("treatment", -1.0), ("control", 0.0))
        for time, more in (("pre", {}), ("post", {"change": change}))
    ]
    effects = trial_effects(reported([*PRINTED, *rows]), with_(SD))
    own = effects.take(effects.study == "C")
    assert own["route_code"].tolist() == ["change-means-no-dispersion"]
    assert own["imputed"].tolist() == ["SD"]


def test_a_printed_dispersion_of_the_outcome_goes_before_other_trials():
    """One arm prints an SD: it stands for both, as ever."""
    rows = trial("C", sd=(1.7,))
    effects = trial_effects(reported([*PRINTED, *rows]), with_(SD))
    own = effects.take(effects.study == "C")
    assert own["sd_used"].tolist() == [1.7]
    assert own["imputed"].tolist() == [""]


def test_pooled_elsewhere_recovers_the_sd_of_the_marker():
    rng = np.random.default_rng(1)
    study = np.repeat([f"S{i}" for i in range(400)], 2).astype(object)
    n = np.repeat(rng.integers(8, 60, 400), 2).astype(float)
    sd = 2.5 * np.sqrt(rng.chisquare(n - 1) / (n - 1))
    value, trials = pooled_elsewhere(sd, n, study, "S7")
    assert value == pytest.approx(2.5, rel=4 / math.sqrt(2 * n.sum()))
    assert trials == 399


def test_imputed_effects_are_right_on_average():
    """Trials without SDs among trials with: mean effect and variance as if the SD had been printed."""
    rng = np.random.default_rng(2)
    rows, n = [], 40
    for i in range(300):
        for role, rise in (("treatment", 0.6), ("control", 0.0)):
            person = rng.standard_normal(n) * math.sqrt(0.5)
            for time, level in (("pre", 0.0), ("post", rise)):
                x = 2.0 * (person + rng.standard_normal(n) * math.sqrt(0.5) + level) + 10
                printed = {"sd": x.std(ddof=1)} if i % 2 else {}
                rows.append(arm(role, time, study=f"S{i}", n=float(n), mean=x.mean(), unit="mg/L", **printed))
    effects = trial_effects(reported(rows), with_(SD, rule(r=0.5)))
    own = effects.take(effects["imputed"] == "SD")
    assert own.k == 150
    assert own.y.mean() == pytest.approx(0.6, abs=4 * own.y.std() / math.sqrt(150))
    assert own.v.mean() == pytest.approx(own.y.var(), rel=4 * math.sqrt(2 / 150))


def sizes(effects):
    return list(zip(effects["n_treatment"], effects["n_control"], effects["imputed"], strict=True))


def unsized(*names, study="C"):
    rows = trial(study, sd=(1.0, 1.0, 1.0, 1.0))
    for row in rows:
        if row["arm"] in names:
            row["n"] = math.nan
    return rows


def test_the_n_of_an_arm_at_another_time():
    rows = unsized()
    rows[1]["n"] = math.nan
    rows[0]["n"] = 25.0
    assert trial_effects(reported(rows), plan()).k == 0
    assert sizes(trial_effects(reported(rows), with_(N))) == [(25.0, 30.0, "n")]


def test_the_n_of_an_arm_for_another_outcome():
    other = [{**row, "outcome": "IL-6", "n": n} for row, n in zip(unsized(), (28, 26, 30, 30), strict=True)]
    effects = trial_effects(reported([*unsized("T"), *other]), with_(N, rule(), rule("IL-6")))
    assert sizes(effects.take(effects["outcome"] == "CRP")) == [(26.0, 30.0, "n")]


@pytest.mark.parametrize(
    "names,total,expected",
    [(("T",), 57.0, (27.0, 30.0, "n")), (("T", "C"), 61.0, (30.0, 30.0, "n"))],
)
def test_the_n_of_an_arm_from_the_people_randomised(names, total, expected):
    about = {"study": "C", "intervention_class": "cbt", "randomised": "yes", "n_randomised": total}
    effects = trial_effects(reported(unsized(*names), trials=[about]), with_(N))
    assert sizes(effects) == [expected]
    assert "randomised" in effects["assumptions"][0]
    assert set(codes(effects)) == {"imputed-n"}


@pytest.mark.parametrize(
    "total,reason", [(math.nan, "gives no n_randomised"), (31.0, "leave 1 of 31 people")]
)
def test_sizes_that_cannot_be_had_are_refused_with_the_reason(total, reason):
    about = {"study": "C", "intervention_class": "cbt", "randomised": "yes", "n_randomised": total}
    effects = trial_effects(reported(unsized("T"), trials=[about]), with_(N))
    assert effects.k == 0
    assert all(reason in dropped.reason for dropped in effects.dropped)


def test_the_sizes_of_a_contrast():
    about = {"study": "A", "intervention_class": "cbt", "randomised": "yes", "n_randomised": 50.0}
    row = contrast(t=-2.0, compares="final")
    assert trial_effects(reported(contrasts=[row], trials=[about]), plan()).k == 0
    effects = trial_effects(reported(contrasts=[row], trials=[about]), with_(N))
    assert sizes(effects) == [(25.0, 25.0, "n")]
    note = next(n for n in effects.notes if n.code == "imputed-n")
    assert (note.file, note.row) == ("contrasts.csv", 2)


def correlated(study, r, n=30.0):
    return trial(study, sd=(1.0, 1.0, 1.0, 1.0), n=n, r=r)


def test_r_is_the_mean_fisher_z_of_the_other_trials():
    rows = [*correlated("A", 0.8, 33.0), *correlated("B", 0.6, 13.0), *trial("C", sd=(1.0,) * 4)]
    effects = trial_effects(reported(rows), with_(R))
    expected = math.tanh((30 * math.atanh(0.8) + 10 * math.atanh(0.6)) / 40)
    assert effects["r"].tolist() == pytest.approx([0.8, 0.6, expected])
    assert effects["imputed"].tolist() == ["", "", "r"]
    assert effects["r_source"][2] == "assumed (imputed from 2 other trials of CRP)"
    assert codes(effects) == ["imputed-r"]


def test_r_derived_from_the_sd_of_change_counts_too():
    """SDs 1, 1 and .8 of change: r = 1 - .32 = .68."""
    rows = trial("A", sd=(1.0, 1.0, 1.0, 1.0))
    for row in rows:
        row["change_sd"] = 0.8 if row["time"] == "post" else math.nan
    effects = trial_effects(reported([*rows, *trial("C", sd=(1.0,) * 4)]), with_(R))
    assert effects["r"][1] == pytest.approx(0.68)


def test_without_another_trial_the_declared_r_stays():
    effects = trial_effects(reported(trial("C", sd=(1.0,) * 4)), with_(R))
    assert effects["r"].tolist() == [0.5]
    assert codes(effects) == []


def test_low_and_high_reach_as_far_as_the_declared_and_the_imputed_r():
    data = reported([*correlated("A", 0.8), *trial("C", sd=(1.0,) * 4)])
    ends = [trial_effects(data, with_(R), r=end)["r"][1] for end in ("low", "assumed", "high")]
    assert ends == pytest.approx([0.3, 0.8, 0.8])
    assert trial_effects(data, with_(R), r=0.1)["r"][1] == 0.1


def test_ratios_are_imputed_by_the_same_rules():
    data = reported([*PRINTED, *trial("C")])
    assert trial_ratios(data, plan()).studies == ("A", "B")
    ratios = trial_ratios(data, with_(SD))
    own = ratios.take(ratios.study == "C")
    assert own["imputed"].tolist() == ["SD"]
    assert own.y[0] == pytest.approx(math.log(4 / 5))
    assert codes(ratios) == ["imputed-sd", "imputed-sd"]  # before and after treatment


IMPUTE = '\n[imputation]\nsd = "same-marker"\nr = "same-marker"\nn = "from-arms"\n'


def small_review(folder):
    """Trials B, D and E with means; D prints an r, E no SD, and the trial of A no n in one arm."""
    folder.mkdir(parents=True, exist_ok=True)
    review = Review(folder)
    trials = folder / "trials.csv"
    trials.write_text(trials.read_text() + "D,cbt,80,8,yes,low\nE,cbt,70,8,yes,low\n")
    for study, shift in (("D", 0.1), ("E", 0.3)):
        for line in (6, 7, 8, 9):
            more = {"mean": str(2.9 + shift * line / 9)} if line == 8 else {}
            if study == "D":
                more["r"] = "0.7"
            else:
                more["sd"] = ""
            review.copy("arms", line, study=study, **more)
    return review.cells("arms", 2, n="").cells("arms", 4, n="")


@pytest.fixture(scope="module")
def analyses(tmp_path_factory):
    plain = small_review(tmp_path_factory.mktemp("imputation") / "plain")
    declared = small_review(tmp_path_factory.mktemp("imputation") / "declared").add(IMPUTE)
    return consilience.run(plain.folder), consilience.run(declared.folder)


def test_a_review_runs_with_what_it_declares(analyses):
    plain, declared = analyses
    assert set(declared.effects.studies) - set(plain.effects.studies) == {"A", "E"}
    used = dict(zip(declared.effects.study.tolist(), declared.effects["imputed"].tolist(), strict=True))
    assert (used["A"], used["D"]) == ("n", "")
    assert set(used["E"].split("; ")) == {"SD", "r"}
    assert {n.code for n in declared.notes} >= {"imputed-sd", "imputed-n", "imputed-r"}
    assert any("imputed" in line for line in declared.assumptions)
    assert "were imputed" in " ".join(declared.methods)
    assert any("Furukawa" in line for line in declared.references)


def test_without_imputed_values_the_answer_is_that_of_the_plain_review(analyses):
    plain, declared = analyses
    found = {s.key: s for s in declared.scenarios if s.group == "Imputation"}
    assert set(found) == {f"imputation/without-{name}" for name in ("all", "sd", "n", "r")}
    scenario = found["imputation/without-all"].estimate
    assert scenario.estimate == pytest.approx(plain.overall.estimate, rel=1e-9)
    assert scenario.n_trials == plain.overall.n_trials < declared.overall.n_trials
    assert found["imputation/without-sd"].estimate.n_trials == declared.overall.n_trials - 1


def test_a_review_that_declares_nothing_says_nothing_of_imputation(analyses):
    plain, _ = analyses
    assert not [s for s in plain.scenarios if s.group == "Imputation"]
    assert "imputed" not in " ".join([*plain.methods, *plain.assumptions])


def test_the_report_shows_it(analyses, tmp_path):
    _, declared = analyses
    consilience.write_report(declared, tmp_path / "report")
    text = next((tmp_path / "report").rglob("*.html")).read_text(encoding="utf-8")
    assert "without imputed values" in text
    assert "SD imputed" in text


PAIRS = 'pairs = [{ outcomes = ["CRP", "IL-2"], r = 0.4 }]'


@pytest.mark.parametrize(
    "text,sentence",
    [
        ("[dependence]\nautocorrelation = 1.5\n", "[dependence] autocorrelation is 1.5, but it must be below 1."),
        ("[dependence]\nbetween_outcomes = -1\n", "[dependence] between_outcomes is -1, but it must be above -1."),
        (f"[dependence]\n{PAIRS.replace('IL-2', 'IL2')}\n", '[dependence] pairs[1]: the outcome "IL2" is not declared in [[outcomes]]. Did you mean "IL-2"?'),
        (f"[dependence]\n{PAIRS.replace('IL-2', 'CRP')}\n", "[dependence] pairs[1] must name two different outcomes that no other pair names."),
        ('[imputation]\nsd = "same marker"\n', '[imputation] sd is "same marker"; allowed: "none" or "same-marker". Did you mean "same-marker"?'),
        ('[imputation]\nmean = "none"\n', '[imputation] has no key "mean". Allowed: "sd", "r" and "n".'),
    ],
)  # fmt: skip
def test_mistakes_in_the_new_sections_are_explained(tmp_path, text, sentence):
    assert [note.message for note in Review(tmp_path).add("\n" + text).notes()] == [sentence]


def test_declared_dependence_reaches_the_plan_and_the_report(tmp_path):
    text = f"\n[dependence]\nbetween_outcomes = 0.3\n{PAIRS}\ncross_time = 0.2\nautocorrelation = 0.6\n"
    loaded = small_review(tmp_path).add(text).load()
    assert loaded.plan is not None
    known = loaded.plan.dependence
    assert known.outcomes("IL-2", "CRP") == 0.4
    assert (known.between, known.cross_time, known.autocorrelation) == (0.3, 0.2, 0.6)
    analysis = consilience.analyse(loaded)
    assert "CRP and IL-2 at one time: correlation 0.4, as declared." in analysis.assumptions
    assert "One outcome at two times 26 weeks apart: correlation 0.6, as declared." in analysis.assumptions


def test_the_template_shows_both_sections_as_they_would_work(tmp_path):
    consilience.init(tmp_path / "new")
    path = tmp_path / "new" / "review.toml"
    text = path.read_text(encoding="utf-8")
    for start in (
        "[imputation]",
        "sd =",
        'r = "same',
        "n =",
        "between_outcomes",
        "pairs",
        "cross_time",
        "autocorrelation",
    ):
        assert f"\n# {start}" in text
        text = text.replace(f"\n# {start}", f"\n{start}", 1)
    path.write_text(text, encoding="utf-8")
    loaded = consilience.load(tmp_path / "new")
    assert loaded.errors == ()
    assert loaded.plan is not None
    assert loaded.plan.imputation == ALL
    assert loaded.plan.dependence.pairs == (("CRP", "IL-6", 0.5),)
