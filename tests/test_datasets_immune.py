"""The shipped review of 22 real trials: it loads without error, and every known difficulty is visible.

Effects are checked against figures worked out here from the printed cells, by hand where one line suffices.
"""

from __future__ import annotations

import csv
import math
from importlib import resources

import numpy as np
import pytest
from scipy import stats

from consilience.base.errors import OptionError, UsageError
from consilience.data.schema import TABLES
from consilience.datasets import copy_example, examples
from consilience.effects import trial_effects, trial_ratios
from consilience.records import Effects
from consilience.review.load import load

FOLDER = resources.files("consilience.datasets").joinpath("immune")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load(copy_example("immune", tmp_path_factory.mktemp("reviews") / "immune"))


@pytest.fixture(scope="module")
def effects(loaded) -> Effects:
    return trial_effects(loaded.reported, loaded.plan)


def decision(loaded, study: str, action: str, *, file: str = "") -> str:
    """The messages of the decisions of that kind about a trial, joined."""
    notes = [n for n in loaded.notes if n.code == f"decision-{action}" and n.study == study]
    return "\n".join(n.message for n in notes if file in n.file)


def of(effects: Effects, study: str, outcome: str = "") -> Effects:
    rows = effects.study == study
    return effects.take(rows & (effects["outcome"] == outcome) if outcome else rows)


def dropped(effects: Effects, study: str) -> list[tuple[str, str]]:
    return [(d.outcome, d.code) for d in effects.dropped if d.study == study]


def notes_about(effects: Effects, study: str, code: str) -> list[str]:
    return [n.message for n in effects.notes if n.study == study and n.code == code]


# --- the folder ---------------------------------------------------------------------------------------------------


def test_it_loads_without_error_or_open_warning(loaded) -> None:
    assert [str(n) for n in loaded.notes if n.severity != "info"] == []
    assert len(loaded.reported.studies) == 22
    assert loaded.plan.sample == "convenience"
    assert "not a systematic search" in loaded.plan.sample_note
    assert "not a reproduction of Shields 2020" in loaded.plan.sample_note


def test_every_row_says_where_it_was_read_and_under_which_licence() -> None:
    for name in ("trials", "arms", "contrasts"):
        rows = list(csv.DictReader(FOLDER.joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        assert all(row["source"] and row["licence"] for row in rows)
        assert set(TABLES[name].key) <= set(rows[0])


def test_every_declared_correlation_has_a_source_and_a_range(loaded) -> None:
    for rule in loaded.plan.outcomes.values():
        assert rule.r.source
        assert rule.r.high - rule.r.low >= 0.2


def test_the_comparison_figures_are_the_published_ones() -> None:
    rows = list(csv.DictReader(FOLDER.joinpath("published.csv").read_text(encoding="utf-8").splitlines()))
    shields = {r["what"]: float(r["estimate"]) for r in rows if r["review"] == "Shields2020"}
    # JAMA Psychiatry 77:1031, abstract
    assert shields == {
        "psychosocial interventions, all immune outcomes": 0.3,
        "beneficial immune function": 14.7,
        "harmful immune function": -18.0,
    }


def test_a_copy_is_complete_and_refuses_a_used_folder(tmp_path) -> None:
    assert set(examples()) == {"immune", "planted"}
    folder = copy_example("immune", tmp_path / "copy")
    assert {p.name for p in folder.iterdir()} == {e.name for e in FOLDER.iterdir() if e.is_file()}
    with pytest.raises(UsageError, match="is not empty; nothing was written"):
        copy_example("immune", folder)
    with pytest.raises(UsageError, match='The example "immune" has no options; got seed'):
        copy_example("immune", tmp_path / "other", seed=3)
    with pytest.raises(OptionError, match=r"Did you mean \"immune\"\?"):
        copy_example("imune", tmp_path / "other")
    assert not (tmp_path / "other").exists()


# --- decisions ----------------------------------------------------------------------------------------------------


def test_shen_is_one_trial_and_table_5_is_set_aside(loaded, effects) -> None:
    message = decision(loaded, "Shen2018", "exclude")
    assert "Rows 6, 7, 8 and 9 are excluded." in message
    assert "two incompatible sets of IL-2 values" in message
    g = of(effects, "Shen2018")
    assert g.k == 1
    # Tables 3 and 4: change +3.68 against +0.48, SDs before 9.35 and 8.26, J(58) = 1 - 3/(4 * 58 - 1)
    assert g.y[0] == pytest.approx(
        (3.68 - 0.48) / math.sqrt((9.35**2 + 8.26**2) / 2) * (1 - 3 / 231), rel=1e-4
    )


def test_oh_is_the_test_on_logarithms_with_the_people_that_it_rests_on(loaded, effects) -> None:
    assert "baseline SD more than twice its mean" in decision(loaded, "Oh2010", "exclude")
    message = decision(loaded, "Oh2010", "set")
    assert 'difference was "-23.17", now empty' in message
    assert 'n_treatment was empty, now "50"' in message
    row = of(effects, "Oh2010")
    assert row["route_code"].tolist() == ["t-change"]
    assert (row["n_treatment"][0], row["n_control"][0]) == (50, 51)
    assert 0.2 < row.y[0] < 0.45  # the raw means would give 0.9


def test_wolff_and_vedhara_stay_out_of_the_primary_analysis(loaded, effects) -> None:
    assert loaded.plan.only_randomised
    assert loaded.reported.trial("Wolff2015")["randomised"] == "no"
    assert loaded.reported.trial("Vedhara2003")["randomised"] == "unclear"
    wolff = of(effects, "Wolff2015", "CRP")
    assert set(wolff["treatment"]) == {"yoga class", "yoga at home"}
    assert set(wolff["control"]) == {"treatment as usual"}
    assert wolff.covariance()[0, 1] > 0  # the shared control


def test_vos_prints_its_baseline_twice_and_the_two_agree(loaded, effects) -> None:
    arms = loaded.reported.arms
    rows = np.flatnonzero((arms.text("study") == "Vos2011") & (arms.text("time") == "pre"))
    assert [arms.text("raw_cell")[i] for i in rows] == [
        "2.3±2.1 | 2.3 (1.6; 3.0)",
        "1.8±1.5 | 1.8 (1.3; 2.3)",
    ]
    assert notes_about(effects, "Vos2011", "dispersions-disagree") == []
    assert any("Table 4 prints a change of -0.9" in text for text in arms.text("note"))


def test_aldana_uses_the_t_statistic_and_reports_the_impossible_interval(loaded, effects) -> None:
    message = decision(loaded, "Aldana2006", "set")
    assert 'n_treatment was "174", now "164"' in message
    assert notes_about(effects, "Aldana2006", "ci-inconsistent") == [
        "The interval [-94, 40] does not lie around the difference -68.5; it is not used."
    ]
    row = of(effects, "Aldana2006")
    assert (row["time"][0], row["weeks"][0], row["weeks_after_treatment"][0]) == ("follow-up", 26, 22)
    assert row["route_code"].tolist() == ["t-change"]
    assert 0 < row.y[0] < 0.1


def test_the_diabetes_prevention_programme_is_on_the_log_scale_and_has_no_follow_up(loaded, effects) -> None:
    rows = of(effects, "Goldberg2014_DPP")
    assert rows["route_code"].tolist() == ["pre-post-geometric-means"] * 3
    assert rows["weeks"].tolist() == [26, 52, 177]
    assert rows["time"].tolist() == ["post"] * 3
    assert rows["weeks_after_treatment"].tolist() == [0, 0, 0]
    # week 26: ln(2.78/3.53) - ln(3.50/3.52) over the SD that the baseline intervals imply
    logs = [
        math.sqrt(n) * math.log(u / lo) / (2 * stats.t.ppf(0.975, n - 1))
        for n, lo, u in ((1044, 3.31, 3.76), (1019, 3.30, 3.75))
    ]
    d = -(math.log(2.78 / 3.53) - math.log(3.50 / 3.52)) / math.sqrt((logs[0] ** 2 + logs[1] ** 2) / 2)
    assert rows.y[0] == pytest.approx(d, rel=0.03)  # n of the baseline rows is a little larger
    assert max(effects["n_people"][np.isfinite(effects["n_people"])]) == rows["n_people"].max()
    accepted = [n for n in loaded.notes if n.study == "Goldberg2014_DPP" and n.code == "time-inconsistent"]
    assert [n.severity for n in accepted] == ["info", "info"]
    assert len(notes_about(effects, "Goldberg2014_DPP", "sd-shrinks")) == 4


def test_kamioka_has_six_outcomes_at_two_times_in_one_block(effects) -> None:
    rows = of(effects, "Kamioka2009")
    assert rows.k == 12
    assert len(set(rows["outcome"])) == 6
    assert [len(b.rows) for b in rows.blocks] == [12]
    assert set(rows["outcome"][rows["pooled"] == 0]) == {"CD8+ T cells"}


def test_diez_brings_its_own_correlations(effects) -> None:
    rows = of(effects, "Diez2022")
    # README of the data: .95 (IL-1b), .99 (IL-6), .92 (IL-17), .74 (TNF-a), the mean of the arms
    assert dict(zip(rows["outcome"], np.round(rows["r"].astype(float), 2), strict=True)) == {
        "IL-1b": 0.95,
        "IL-6": 0.99,
        "IL-17": 0.92,
        "TNF-a": 0.74,
    }
    assert set(rows["r_source"]) == {"reported"}
    assert set(rows["scale"]) == {"log"}
    assert rows["weeks_after_treatment"].tolist() == [0] * 4
    assert len(notes_about(effects, "Diez2022", "baseline-gap")) == 4


def test_zgierska_has_change_scores_once(effects) -> None:
    rows = of(effects, "Zgierska2016")
    assert rows.k == 3
    assert set(rows["route_code"]) == {"change-score-d"}
    assert all("rescaled to the SD of the values" in text for text in rows["assumptions"])
    assert rows["n_treatment"].tolist() == [18, 15, 18]


def test_inferred_counts_are_decisions_and_agree_with_the_printed_statistic(loaded, effects) -> None:
    assert "8 of 16 is the only whole count" in decision(loaded, "Vedhara2003", "set")
    assert "reproduce the printed chi-squared of 4.83" in decision(loaded, "Koschwanez2013", "set")
    table = np.array([[16, 5], [8, 11]])
    assert stats.chi2_contingency(table, correction=False).statistic == pytest.approx(4.83, abs=0.005)
    wound = of(effects, "Koschwanez2013")
    assert wound.y[0] == pytest.approx(math.log(16 * 11 / (5 * 8)) * math.sqrt(3) / math.pi, rel=1e-6)
    assert abs(wound.y[0] - wound["second_y"][0]) < 0.3  # the second route tells the same
    vedhara = of(effects, "Vedhara2003")
    assert vedhara.y[0] == pytest.approx(math.log(8 * 25 / (8 * 2)) * math.sqrt(3) / math.pi, rel=1e-6)


def test_creswell_2012_infers_arms_from_the_degrees_of_freedom(loaded, effects) -> None:
    assert "F(1, 33) means that 35 of the 40 randomised" in decision(loaded, "Creswell2012", "set")
    row = of(effects, "Creswell2012")
    assert row["outcome"].tolist() == ["CRP"]
    change_d = math.sqrt(3.39) * math.sqrt(1 / 18 + 1 / 17) * math.sqrt(2 * (1 - 0.62))
    assert row.y[0] == pytest.approx(change_d, rel=0.03)  # times J
    assert dropped(effects, "Creswell2012") == [("IL-6", "no-direction")]


def test_completers_are_declared_where_the_numbers_analysed_are_not_printed(loaded, effects) -> None:
    assert "94 and 87 completed" in decision(loaded, "KiecoltGlaser2014", "set")
    rows = of(effects, "KiecoltGlaser2014")
    t = stats.t.isf(0.027 / 2, 94 + 87 - 2)
    assert rows.y[0] == pytest.approx(t * math.sqrt(1 / 94 + 1 / 87), rel=0.01)
    assert np.all(rows.y > 0)
    assert rows["weeks_after_treatment"].tolist() == [13] * 3


def test_an_odds_ratio_needs_no_arm_sizes(effects) -> None:
    row = of(effects, "Irwin2014")
    assert row.y[0] == pytest.approx(-math.log(0.26) * math.sqrt(3) / math.pi, rel=1e-6)
    se = math.log(0.97 / 0.07) / (2 * 1.959964) * math.sqrt(3) / math.pi
    assert row.v[0] == pytest.approx(se**2, rel=1e-3)
    assert math.isnan(row["n_people"][0])


@pytest.mark.parametrize(
    ("study", "outcome", "code"),
    [
        ("Berger2008", "CD4 count", "arm-sizes-unknown"),
        ("Berger2008", "HIV RNA below 50 copies/ml", "arm-sizes-unknown"),
        ("Creswell2009", "CD4 count", "arm-sizes-unknown"),
        ("Malarkey2013", "CRP", "arm-sizes-unknown"),
        ("Antoni2006", "HIV viral load", "no-dispersion"),
        ("Miller2014", "six inflammatory cytokines", "no-result"),
    ],
)
def test_what_cannot_be_computed_is_listed_with_the_reason(
    effects, study: str, outcome: str, code: str
) -> None:
    assert (outcome, code) in dropped(effects, study)
    assert study not in effects.studies
    reason = next(d.reason for d in effects.dropped if (d.study, d.outcome) == (study, outcome))
    assert len(reason.split()) > 5


def test_outcomes_without_a_direction_are_shown_and_not_pooled(effects) -> None:
    without = effects.take(effects["pooled"] == 0)
    assert set(zip(without.study, without["outcome"], strict=True)) == {
        ("Kamioka2009", "CD8+ T cells"),
        ("CervicalDepression2018", "CD8+ T cells"),
        ("Barrett2012", "IL-8 in nasal wash"),
    }


# --- the whole ----------------------------------------------------------------------------------------------------


def test_every_trial_is_computed_or_listed(loaded, effects) -> None:
    listed = {d.study for d in effects.dropped}
    assert set(loaded.reported.studies) == set(effects.studies) | listed
    primary = effects.take((effects["pooled"] == 1) & (effects["randomised"] == "yes"))
    assert (primary.k, primary.n_studies) == (35, 14)


def test_percent_changes_come_from_the_trials_with_values_before_and_after(loaded) -> None:
    ratios = trial_ratios(loaded.reported, loaded.plan)
    assert set(ratios.studies) == {
        "Shen2018",
        "Vos2011",
        "Kamioka2009",
        "Ruan2017",
        "Goldberg2014_DPP",
        "Diez2022",
    }
    shen = of(ratios, "Shen2018")
    assert shen.y[0] == pytest.approx(math.log(35.22 / 31.54) - math.log(30.02 / 29.54), rel=1e-9)
    dpp = of(ratios, "Goldberg2014_DPP")
    assert dpp.y[1] == pytest.approx(math.log(2.36 / 3.53) - math.log(3.40 / 3.52), rel=1e-9)
