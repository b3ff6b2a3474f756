"""The planted review: sizes, joint distribution of the people, printed forms, the true answer, the folder."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from consilience.base.errors import InputError, OptionError, UsageError
from consilience.datasets import (
    MARKERS,
    Marker,
    Truth,
    copy_example,
    drawn_trials,
    planted,
    truth_of,
    write_planted,
)
from consilience.datasets.design import DrawnTrial, draw_people
from consilience.datasets.estimand import least_false_mean, true_g
from consilience.datasets.printing import arm_rows, contrast_rows
from consilience.models import fit
from consilience.records import Block, Columns, Design, Effects, Spec
from consilience.review.load import load

ONE = Marker("marker", "class of outcome", "lower", 0.6, math.log(3.0), 0.7, "pg/mL")
PLAIN = Truth(trials=20, people=900, class_effects={"only": 0.0}, markers=(ONE,), effects_per_trial=2.0)


def trial(forms: tuple[str, ...], *, n: int = 40, markers: tuple[int, ...] = (0,)) -> DrawnTrial:
    shape = (len(markers), 2)
    return DrawnTrial(
        "Sim1",
        "only",
        n,
        n,
        8.0,
        markers,
        forms,
        np.array([0.0, 26.0]),
        np.ones(shape, bool),
        np.full(shape, 0.3),
    )


# --- sizes and seeds ----------------------------------------------------------------------------------------------


def test_the_default_review_has_the_size_of_the_reference_review() -> None:
    reported, plan = planted(Truth(), seed=1)
    assert len(reported.trials) == 56
    assert reported.trials.number("n_randomised").sum() == 4060
    assert plan.sample == "synthetic"
    assert "no real trial" in plan.sample_note


@settings(max_examples=40, deadline=None)
@given(
    trials=st.integers(2, 25),
    spare=st.integers(0, 500),
    effects=st.floats(1, 12),
    decay=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_people_and_effects_are_met_exactly(
    trials: int, spare: int, effects: float, decay: float, seed: int
) -> None:
    truth = Truth(trials=trials, people=16 * trials + spare, effects_per_trial=effects, decay=decay)
    drawn = drawn_trials(truth, seed)
    assert sum(t.n_treatment + t.n_control for t in drawn) == 16 * trials + spare
    assert min(min(t.n_treatment, t.n_control) for t in drawn) >= 8
    assert sum(int(t.measured.sum()) for t in drawn) == truth.n_effects
    assert all(t.measured.any(axis=1).all() and len(set(t.markers)) == len(t.markers) for t in drawn)
    answer = truth_of(truth, drawn)
    deviations = truth.class_effects.values()
    assert min(0.3 + min(deviations), 0) - 1e-9 <= answer.g <= 0.3 + max(deviations) + 1e-9


def test_a_seed_is_a_review() -> None:
    first, again, other = (planted(PLAIN, seed=s)[0].arms.number("mean") for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other, equal_nan=True)


def test_every_printed_number_is_there_and_positive_where_it_must_be() -> None:
    reported, _ = planted(Truth(trials=30, people=1200), seed=2)
    arms = reported.arms
    assert np.all(arms.number("n") >= 8)
    for name in ("sd", "geometric_mean", "q1", "change_sd"):
        values = arms.number(name)
        assert np.nanmin(values) > 0
        assert np.isfinite(values).any()
    later = arms.text("time") != "pre"
    shown = [name for name in ("mean", "geometric_mean", "median", "change") if name in arms]
    filled = sum(np.isfinite(arms.number(name)).astype(int) for name in shown)
    assert np.all(filled[later] == 1)


# --- the people ---------------------------------------------------------------------------------------------------


def test_people_have_the_planted_means_sds_and_correlations() -> None:
    truth = Truth(markers=MARKERS[:2], class_effects={"only": 0.0}, marker_correlation=0.4)
    n = 40_000
    treated, control = draw_people(truth, trial(("mean",) * 2, n=n, markers=(0, 1)), np.random.default_rng(1))
    error = 4 / math.sqrt(n)
    gap = (treated - control).mean(axis=0) / np.array([[1.0], [0.7]])  # in log SDs
    np.testing.assert_allclose(gap, [[0, -0.3, -0.3]] * 2, atol=2 * error)
    np.testing.assert_allclose(control.std(axis=0, ddof=1), [[1.0] * 3, [0.7] * 3], rtol=error)
    flat = control.reshape(n, 6)
    correlation = np.corrcoef(flat.T)
    # times of CRP .62, times of IL-6 .48; the two markers .4 of the geometric mean of what they share
    np.testing.assert_allclose(correlation[0, 1:3], 0.62, atol=error)
    np.testing.assert_allclose(correlation[3, 4:6], 0.48, atol=error)
    same_time = 0.4 * (math.sqrt(0.62 * 0.48) + math.sqrt(0.38 * 0.52))
    np.testing.assert_allclose(correlation[0, 3], same_time, atol=error)
    np.testing.assert_allclose(correlation[0, 4], 0.4 * math.sqrt(0.62 * 0.48), atol=error)


# --- what is printed ----------------------------------------------------------------------------------------------


@pytest.fixture
def people() -> dict[str, np.ndarray]:
    treated, control = draw_people(PLAIN, trial(("mean",), n=15), np.random.default_rng(3))
    return {"treatment": treated, "control": control}


def rows_of(form: str, people: dict[str, np.ndarray]) -> dict[tuple[str, float], dict]:
    return {(str(r["role"]), float(r["weeks"])): r for r in arm_rows(PLAIN, trial((form,), n=15), people)}


def test_mean_and_sd_are_those_of_the_people(people: dict[str, np.ndarray]) -> None:
    row = rows_of("mean", people)["treatment", 8.0]
    raw = [math.exp(x) for x in people["treatment"][:, 0, 1]]
    assert row["mean"] == pytest.approx(statistics.mean(raw), rel=5e-4)
    assert row["sd"] == pytest.approx(statistics.stdev(raw), rel=5e-4)
    assert (row["time"], row["n"]) == ("post", 15)


def test_geometric_mean_and_interval_are_those_of_the_people(people: dict[str, np.ndarray]) -> None:
    row = rows_of("geometric", people)["control", 34.0]
    logs = people["control"][:, 0, 2]
    low, high = stats.t.interval(0.95, 14, loc=logs.mean(), scale=stats.sem(logs))
    assert row["time"] == "follow-up"
    assert row["geometric_mean"] == pytest.approx(statistics.geometric_mean(np.exp(logs)), rel=5e-4)
    assert row["geometric_ci_low"] == pytest.approx(math.exp(low), rel=5e-4)
    assert row["geometric_ci_high"] == pytest.approx(math.exp(high), rel=5e-4)


def test_median_and_quartiles_are_those_of_the_people(people: dict[str, np.ndarray]) -> None:
    row = rows_of("median", people)["treatment", 0.0]
    raw = np.exp(people["treatment"][:, 0, 0])
    assert row["median"] == pytest.approx(statistics.median(raw), rel=5e-4)
    assert sum(raw < row["q1"]) == 4  # of 15: the quartile lies between the fourth and the fifth
    assert sum(raw > row["q3"]) == 4


def test_changes_are_those_of_the_people(people: dict[str, np.ndarray]) -> None:
    row = rows_of("change", people)["control", 8.0]
    change = people["control"][:, 0, 1] - people["control"][:, 0, 0]
    assert row["scale"] == "ln"
    assert row["change"] == pytest.approx(statistics.mean(change), rel=5e-4)
    assert row["change_sd"] == pytest.approx(statistics.stdev(change), rel=5e-4)


def test_the_t_statistic_compares_the_changes(people: dict[str, np.ndarray]) -> None:
    row = next(contrast_rows(PLAIN, trial(("t",), n=15), people))
    change = {role: values[:, 0, 1] - values[:, 0, 0] for role, values in people.items()}
    expected = stats.ttest_ind(change["treatment"], change["control"])
    assert row["t"] == pytest.approx(expected.statistic, rel=5e-4)
    assert row["df"] == expected.df


# --- the true answer ----------------------------------------------------------------------------------------------


def test_with_one_mean_and_one_log_sd_the_true_answer_is_what_was_set() -> None:
    truth = replace(PLAIN, tau_study=0.3, tau_effect=0.2, bias=1.0)
    answer = truth_of(truth, drawn_trials(truth, 4))
    assert answer.g == pytest.approx(0.3, abs=1e-9)
    assert answer.percent["harmful"] == pytest.approx(100 * (math.exp(-0.3 * 0.6) - 1), abs=1e-7)
    assert math.isnan(answer.percent["beneficial"])


def test_a_marker_that_rises_has_the_percent_of_its_log_sd() -> None:
    truth = replace(PLAIN, markers=(replace(ONE, better="higher", log_sd=0.9),), g=-0.2)
    answer = truth_of(truth, drawn_trials(truth, 4))
    assert answer.percent["beneficial"] == pytest.approx(100 * (math.exp(-0.2 * 0.9) - 1), abs=1e-7)


def test_decay_halves_what_is_left_in_26_weeks() -> None:
    truth = replace(PLAIN, decay=0.5, tau_study=0.0, tau_effect=0.0, effects_per_trial=3.0)
    drawn = drawn_trials(truth, 4)
    three = next(t for t in drawn if len(t.after) == 3)
    np.testing.assert_allclose(three.true[0], [0.3, 0.15, 0.075])
    assert truth_of(truth, drawn).at_26_weeks == pytest.approx(0.15)
    assert true_g(truth, drawn, lambda t, i, k: t.after[k] == 26) == pytest.approx(0.15)
    assert 0.15 < truth_of(truth, drawn).g < 0.3


def test_the_least_false_mean_is_what_maximum_likelihood_finds_in_a_huge_review() -> None:
    """Two kinds of trials, of different precision and mean: 8,000 of each are drawn and fitted."""
    rng = np.random.default_rng(11)
    wide, narrow = np.full((2, 2), 0.02) + np.eye(2) * 0.06, np.array([[0.01]])
    kinds = [
        (np.array([0.1, 0.5]), wide + 0.02, np.full((2, 2), 0.048) + np.eye(2) * 0.032),
        (np.array([0.4]), narrow + 0.04, narrow),
    ]
    y, v, study, blocks = [], [], [], []
    for j in range(16_000):
        mean, true, assumed = kinds[j % 2]
        first = len(y)
        y += (
            rng.multivariate_normal(mean, true).tolist()
            if len(mean) > 1
            else rng.normal(mean, true[0] ** 0.5).tolist()
        )
        v += np.diag(assumed).tolist()
        study += [str(j)] * len(mean)
        if len(mean) > 1:
            blocks.append(Block(np.arange(first, len(y)), assumed))
    effects = Effects(np.array(y), np.array(v), np.array(study, dtype=object), blocks=tuple(blocks))
    spec = replace(Spec.che(), method="ML", test="z")
    fitted = fit(effects, spec, design=Design.intercept(effects.k)).coefficients
    expected = least_false_mean(kinds)
    assert abs(fitted.estimate[0] - expected) < 4 * fitted.se[0]
    plain_mean = 1.0 / 3
    assert abs(expected - plain_mean) > 10 * fitted.se[0]  # the test can tell it from an unweighted mean


# --- the folder ---------------------------------------------------------------------------------------------------


def same_table(ours: Columns, read: Columns) -> None:
    for name in ours.names:
        if ours[name].dtype == object:
            assert ours.text(name).tolist() == read.text(name).tolist(), name
        else:
            np.testing.assert_array_equal(ours.number(name), read.number(name), err_msg=name)


def test_the_folder_holds_the_same_review_as_the_memory(tmp_path) -> None:
    truth = Truth(trials=12, people=600)
    folder = write_planted(tmp_path / "review", truth, seed=9)
    loaded = load(folder)
    reported, plan = planted(truth, seed=9)
    assert [n for n in loaded.notes if n.severity == "error"] == []
    same_table(reported.trials, loaded.reported.trials)
    same_table(reported.arms, loaded.reported.arms)
    same_table(reported.contrasts, loaded.reported.contrasts)
    assert loaded.plan == plan


def test_a_review_of_t_statistics_only_has_no_arms_table(tmp_path) -> None:
    folder = write_planted(tmp_path / "review", replace(PLAIN, shares={"t": 1.0}), seed=1)
    assert not (folder / "arms.csv").exists()
    assert [n for n in load(folder).notes if n.severity == "error"] == []


def test_the_truth_stands_beside_the_review(tmp_path) -> None:
    truth = replace(PLAIN, g=0.45)
    content = json.loads((write_planted(tmp_path / "review", truth, seed=2) / "truth.json").read_text())
    assert content["label"].startswith("synthetic")
    assert content["true_answer"]["g"] == pytest.approx(0.45, abs=1e-9)
    assert content["planted"]["g"] == 0.45
    assert content["seed"] == 2


# --- what cannot be planted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 1}, "A review needs 2 trials or more, got 1."),
        ({"people": 100}, "56 trials need 896 people or more (8 an arm), got 100."),
        (
            {"effects_per_trial": 40},
            "effects_per_trial must lie between 1 and 24 (3 times x 8 markers), got 40.",
        ),
        ({"decay": 1.5}, "decay is a share between 0 and 1, got 1.5."),
        ({"tau_study": -0.1}, "tau_study and tau_effect cannot be negative."),
        ({"g": math.nan}, "g, bias and class_effects must be finite numbers."),
        (
            {"shares": {"graph": 1.0}},
            "shares must be non-negative shares of mean, geometric, median, change, t.",
        ),
    ],
)
def test_an_impossible_truth_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Truth(**options)
    assert caught.value.message == message


def test_an_unknown_option_gets_the_nearest(tmp_path) -> None:
    with pytest.raises(OptionError, match=r"Did you mean \"trials\"\?"):
        copy_example("planted", tmp_path / "x", trails=30)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; nothing was written"):
        write_planted(tmp_path, PLAIN)
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]
