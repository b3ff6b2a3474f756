"""Which way is taken to an effect, what is said about it, and what is listed when there is none."""

import math
from dataclasses import replace

import numpy as np
import pytest

from consilience.effects import count_people, trial_effects, trial_ratios
from trial_tables import arm, contrast, four, plan, reported, rule

FULL = four(
    {"n": 20, "mean": 10.0, "sd": 2.0},
    {"n": 18, "mean": 12.0, "sd": 2.1},
    {"n": 22, "mean": 10.5, "sd": 2.2},
    {"n": 22, "mean": 11.0, "sd": 2.0},
)


def one(arms=(), contrasts=(), rules=None, **options):
    effects = trial_effects(reported(arms, contrasts), plan(*(rules or (rule(),))), **options)
    assert effects.k == 1, effects.dropped
    return effects


def without(rows, *names, time=None):
    """Rows with some cells blanked, at one time or all."""
    return [
        {k: v for k, v in row.items() if k not in names or (time is not None and row["time"] != time)}
        for row in rows
    ]


def by_hand(n_t=18, n_c=22):
    """Morris's g of FULL, worked out here."""
    s = math.sqrt(((n_t - 1) * 2.0**2 + (n_c - 1) * 2.2**2) / (n_t + n_c - 2))
    return (1 - 3 / (4 * (n_t + n_c - 2) - 1)) * (2.0 - 0.5) / s


def test_n_is_the_smaller_of_before_and_after():
    effects = one(FULL)
    assert (effects["n_treatment"][0], effects["n_control"][0], effects["n_people"][0]) == (18, 22, 40)
    assert effects.y[0] == pytest.approx(by_hand(), rel=1e-4)


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1), ("none", 1)])
def test_positive_is_benefit(better, sign):
    effects = one(FULL, rules=[rule(better=better)])
    assert effects.y[0] == pytest.approx(sign * by_hand(), rel=1e-4)
    assert effects["pooled"][0] == (0.0 if better == "none" else 1.0)
    assert bool(effects["why_not"][0]) == (better == "none")


def test_ratios_state_their_r():
    ratios = trial_ratios(reported(FULL), plan())
    assert ratios["assumptions"][0] == "pre-post correlation 0.5, assumed (Source 2012)"


def test_ratios_keep_the_markers_own_direction():
    for better in ("higher", "lower"):
        ratios = trial_ratios(reported(FULL), plan(rule(better=better)))
        assert ratios.y[0] == pytest.approx(math.log(12 / 10) - math.log(11 / 10.5))


@pytest.mark.parametrize(("which", "value"), [("low", 0.3), ("assumed", 0.5), ("high", 0.7)])
def test_assumed_r_can_be_moved(which, value):
    effects = one(FULL, r=which)
    assert effects["r"][0] == pytest.approx(value)
    assert effects["r_source"][0] == "assumed (Source 2012)"
    assert f"pre-post correlation {value:g}, assumed (Source 2012)" in effects["assumptions"][0]


def test_known_r_does_not_move():
    rows = [{**row, "r": 0.9} for row in FULL]
    low, high = one(rows, r="low"), one(rows, r="high")
    assert low.v[0] == high.v[0]
    assert low["r_source"][0] == "reported"


def test_one_known_and_one_assumed_r():
    rows = [{**row, "r": 0.9} if row["role"] == "treatment" else row for row in FULL]
    effects = one(rows)
    assert effects["r_source"][0] == "treated: reported; control: assumed (Source 2012)"
    assert 0.5 < effects["r"][0] < 0.9


def test_impossible_change_sd_is_not_used():
    rows = [{**row, "change_sd": 9.0} if row["time"] == "post" else row for row in FULL]
    effects = one(rows)
    assert effects["r_source"][0] == "assumed (Source 2012)"
    assert "impossible next to the SDs before and after" in effects["assumptions"][0]


CHANGES = [
    {**row, "change": 2.0 if row["role"] == "treatment" else 0.5, "change_se": 0.4}
    if row["time"] == "post"
    else row
    for row in FULL
]
STATISTIC = contrast(compares="change", n_treatment=18, n_control=22, t=2.4, df=38)


@pytest.mark.parametrize(
    ("arms", "contrasts", "code", "group"),
    [
        (CHANGES, [STATISTIC], "pre-post-means", "before and after"),
        (without(CHANGES, "mean", "sd", time="post"), [STATISTIC], "change-means-baseline-sd", "change"),
        (
            without(FULL, "mean", "sd", time="post"),
            [{**STATISTIC, "difference": 1.5, "difference_se": 0.6}],
            "difference-baseline-sd",
            "change",
        ),
        (
            [row for row in without(CHANGES, "mean", "sd") if row["time"] == "post"],
            [STATISTIC],
            "change-score-d",
            "change",
        ),
        ([row for row in FULL if row["time"] == "post"], [STATISTIC], "final-means", "final values"),
        ([], [STATISTIC], "t-change", "statistic"),
        ([], [{**STATISTIC, "compares": "final"}], "t-final", "statistic"),
        ([], [contrast(n_treatment=18, n_control=22, smd=0.4, smd_se=0.3)], "smd-final", "statistic"),
        (
            [],
            [contrast(n_treatment=18, n_control=22, chi2=4.0, direction="control higher")],
            "chi2",
            "statistic",
        ),
        (
            [],
            [contrast(odds_ratio=2.0, odds_ratio_ci_low=1.0, odds_ratio_ci_high=4.0)],
            "odds-ratio",
            "statistic",
        ),
    ],
)
def test_the_best_route_is_taken(arms, contrasts, code, group):
    effects = one(arms, contrasts)
    assert effects["route_code"][0] == code
    assert effects["route_group"][0] == group


def test_second_route_is_kept_beside_the_first():
    effects = one(without(CHANGES, "mean", "sd", time="post"), [STATISTIC])
    assert effects["second_route"][0] == "from t(38) = 2.4, arms 18/22, change-score d"
    assert effects["second_lines"][0] == "contrasts.csv row 2"
    assert effects["second_y"][0] > 0
    assert effects["second_v"][0] > 0
    assert effects.dropped == ()


@pytest.mark.parametrize(("t", "code"), [(2.4, None), (-0.2, "routes-differ"), (-6.0, "routes-contradict")])
def test_routes_that_disagree_are_named(t, code):
    effects = one(FULL, [{**STATISTIC, "t": t}])
    found = [n for n in effects.notes if n.code.startswith("routes")]
    assert [n.code for n in found] == ([code] if code else [])
    if found:
        assert f"{effects.y[0]:.2f} by pre and post means with SD (used)" in found[0].message
        assert f"{effects['second_y'][0]:.2f} by from t(38)" in found[0].message
        assert (found[0].file, found[0].row) == ("arms.csv", 5)


def test_a_statistic_takes_its_direction_from_the_direction_column():
    row = {**STATISTIC, "direction": "control higher"}
    assert one([], [row]).y[0] < 0  # a printed t of 2.4 whose sign is the paper's own convention


def test_f_and_its_t_and_its_p_agree():
    from consilience.base.distributions import t_two_sided

    base = {"compares": "change", "n_treatment": 18, "n_control": 17, "direction": "treatment higher"}
    f = one([], [contrast(**base, f=3.39, df=33)])
    t = one([], [contrast(**base, t=math.sqrt(3.39), df=33)])
    p = one([], [contrast(**base, p=float(t_two_sided(math.sqrt(3.39), 33)), df=33)])
    assert f.y[0] == pytest.approx(t.y[0])
    assert f.y[0] == pytest.approx(p.y[0])
    assert f["route"][0] == "from F(1,33), arms 18/17, change-score d"


def test_standard_normal_p_is_not_lost_in_the_tail():
    row = contrast(compares="final", n_treatment=500, n_control=500, p=1e-200, direction="treatment higher")
    assert np.isfinite(one([], [row]).y[0])


def test_contrast_takes_sizes_and_baseline_from_the_arms():
    arms = [row for row in FULL if row["time"] == "pre"] + [
        arm("treatment", "post", n=15), arm("control", "post", n=16)
    ]  # fmt: skip
    effects = one(arms, [contrast(compares="change", difference=1.5, difference_se=0.6)])
    assert (effects["n_treatment"][0], effects["n_control"][0]) == (15, 16)
    s = math.sqrt((14 * 2.0**2 + 15 * 2.2**2) / 29)
    assert effects["sd_used"][0] == pytest.approx(s)
    assert effects["lines"][0] == "contrasts.csv row 2; arms.csv rows 2, 3"
    assert effects["r_source"][0] == "not needed"


def test_log_scale_only_where_the_rule_says_so():
    assert one(FULL, rules=[rule(scale="log")])["route_code"][0] == "pre-post-means-to-log"
    assert one(FULL, rules=[rule(scale="raw")])["route_code"][0] == "pre-post-means"


def test_log_outcome_with_raw_changes_stays_raw_and_says_so():
    rows = without(CHANGES, "mean", "sd", time="post")
    effects = one(rows, rules=[rule(scale="log")])
    assert effects["scale"][0] == "raw"
    assert "declared skewed, but the printed numbers allow only the raw scale" in effects["assumptions"][0]


def test_raw_outcome_printed_as_geometric_means():
    cells = [
        {"n": 40, "geometric_mean": m, "geometric_ci_low": m / 1.3, "geometric_ci_high": m * 1.3}
        for m in (3, 2, 3, 3)
    ]
    effects = one(four(*cells))
    assert effects["route_code"][0] == "pre-post-geometric-means"
    assert "units of the SD of the logarithm" in effects["assumptions"][0]
    # log SD = sqrt(40) ln(1.3) / t(39, .975) = 0.8203
    assert effects["log_sd"][0] == pytest.approx(0.8203, abs=1e-4)
    assert trial_ratios(reported(four(*cells)), plan()).y[0] == pytest.approx(math.log(2 / 3))


def test_log10_and_ln_give_the_same_effect_and_ratio():
    ln = [{**row, "scale": "ln"} for row in FULL]
    log10 = [
        {**row, "scale": "log10", "mean": row["mean"] / math.log(10), "sd": row["sd"] / math.log(10)}
        for row in FULL
    ]
    rules = [rule(scale="log")]
    assert one(log10, rules=rules).y[0] == pytest.approx(one(ln, rules=rules).y[0])
    assert trial_ratios(reported(log10), plan()).y[0] == pytest.approx(
        trial_ratios(reported(ln), plan()).y[0]
    )


def test_no_baseline_sd_falls_back_to_the_later_one():
    effects = one(without(FULL, "sd", time="pre"))
    assert "no SD before treatment is printed: the one after it is used" in effects["assumptions"][0]


def test_events_route_and_its_value():
    rows = [arm("treatment", "post", events=16, total=21), arm("control", "post", events=8, total=19)]
    effects = one(rows)
    log_or = math.log(16 * 11 / (5 * 8))
    assert effects.y[0] == pytest.approx(log_or * math.sqrt(3) / math.pi)
    assert effects.v[0] == pytest.approx((1 / 16 + 1 / 5 + 1 / 8 + 1 / 11) * 3 / math.pi**2)
    assert (effects["n_treatment"][0], effects["basis"][0]) == (21, "event")


def test_zero_events_get_half_a_person():
    rows = [arm("treatment", "post", events=0, total=20), arm("control", "post", events=5, total=20)]
    effects = one(rows)
    assert effects.y[0] == pytest.approx(math.log(0.5 * 15.5 / (20.5 * 5.5)) * math.sqrt(3) / math.pi)
    assert "0.5 is added" in effects["assumptions"][0]


DROPPED = [
    (without(FULL, "n"), [], "arm-sizes-unknown", "in both arms"),
    (
        [{k: v for k, v in row.items() if k != "n" or row["role"] == "control"} for row in FULL],
        [],
        "arm-sizes-unknown",
        "in the treated arm",
    ),
    (without(FULL, "sd"), [], "no-dispersion", "No SD, SE, confidence interval, t or p"),
    ([{**row, "sd": 0.0} for row in FULL], [], "sd-zero", "All SDs are zero"),
    (without(FULL, "mean", "sd"), [], "no-result", "No mean, geometric mean"),
    (
        [row for row in without(FULL, "sd", time="post") if row["time"] != "pre"],
        [],
        "no-dispersion",
        "nothing to standardise",
    ),
    ([{**row, "n": 1} for row in FULL], [], "too-few-people", "2 people in both arms"),
    ([row for row in FULL if row["role"] == "treatment"], [], "no-partner", "No control arm of this trial"),
    ([row for row in FULL if row["time"] == "pre"], [], "no-later-row", "no later row"),
    ([{**row, "outcome": "other"} for row in FULL], [], "outcome-not-declared", '"other" is not declared'),
    (
        [],
        [contrast(compares="final", p=0.02, n_treatment=9, n_control=9)],
        "no-direction",
        'say in "direction"',
    ),
    ([], [contrast(compares="final", t=2.0)], "arm-sizes-unknown", "n_treatment and n_control"),
    ([], [contrast(t=2.0, n_treatment=9, n_control=9)], "compares-unknown", 'Say in "compares"'),
    (
        [],
        [contrast(compares="final", difference=2.0, n_treatment=9, n_control=9)],
        "no-dispersion",
        "A difference alone",
    ),
    ([], [contrast(compares="final", n_treatment=9, n_control=9)], "no-result", "No difference, statistic"),
    (
        [],
        [contrast(odds_ratio=2.0, n_treatment=9, n_control=9)],
        "no-dispersion",
        "no usable confidence interval",
    ),
    (
        [arm("treatment", "post", events=0, total=20), arm("control", "post", events=0, total=20)],
        [],
        "no-contrast-in-events",
        "nobody or to everybody",
    ),
    (
        [arm("treatment", "post", events=21, total=20), arm("control", "post", events=3, total=20)],
        [],
        "events-above-total",
        "More events than people",
    ),
]


@pytest.mark.parametrize(
    ("arms", "contrasts", "code", "words"), DROPPED, ids=[f"{i}-{d[2]}" for i, d in enumerate(DROPPED)]
)
def test_what_yields_nothing_is_listed_with_its_reason(arms, contrasts, code, words):
    data = reported(arms, contrasts)
    effects = trial_effects(data, plan())
    assert effects.k == 0
    assert {d.code for d in effects.dropped} == {code}
    assert words in effects.dropped[0].reason
    listed = [(d.file, row) for d in effects.dropped for row in d.rows]
    everything = [("arms.csv", i + 2) for i in range(len(arms))] + [
        ("contrasts.csv", i + 2) for i in range(len(contrasts))
    ]
    assert sorted(listed) == everything


def test_rows_that_fail_beside_a_working_route_say_so():
    effects = one(without(FULL, "n", "sd"), [STATISTIC])
    assert {d.code for d in effects.dropped} == {"arm-sizes-unknown"} or effects["n_treatment"][0] == 18
    assert "The effect is made from other numbers: from t(38)" in effects.dropped[0].reason


def test_duplicate_rows_are_refused():
    effects = trial_effects(reported([*FULL, FULL[1]]), plan())
    assert effects.k == 1
    assert [(d.code, d.rows) for d in effects.dropped] == [("duplicate-row", (6,))]
    assert "Row 3 already gives" in effects.dropped[0].reason


def test_empty_review():
    effects = trial_effects(reported(), plan())
    ratios = trial_ratios(reported(), plan())
    assert (effects.k, ratios.k, effects.dropped, effects.blocks) == (0, 0, (), ())
    assert count_people(effects) == 0


def test_two_controls_and_two_times_give_every_comparison():
    rows = []
    for name, role in (("T", "treatment"), ("C1", "control"), ("C2", "control")):
        for time in ("pre", "post", "follow-up"):
            rows.append(arm(role, time, name=name, n=20, mean=5.0, sd=1.0))
    effects = trial_effects(reported(rows), plan())
    found = set(zip(effects["treatment"], effects["control"], effects["time"], strict=True))
    assert found == {("T", c, t) for c in ("C1", "C2") for t in ("post", "follow-up")}
    assert count_people(effects) == 60  # each arm once


def test_largest_number_of_people_counts_once():
    rows = FULL + [{**row, "outcome": "IL-6", "n": row["n"] + 3} for row in FULL]
    effects = trial_effects(reported(rows), plan(rule(), rule("IL-6")))
    assert count_people(effects) == 21 + 25


def test_trial_facts_travel_with_the_effect():
    trial = {
        "study": "A", "intervention_class": "cbt", "randomised": "no", "year": 2014.0, "mean_age": 51.0,
        "percent_female": 60.0, "treatment_weeks": 6.0, "setting": "clinic", "note": "see text",
    }  # fmt: skip
    judged = [
        {"study": "A", "result": "x", "overall": "some"},
        {"study": "A", "result": "y", "overall": "high"},
    ]
    arms = [{**row, "assay": "ELISA" if row["time"] == "post" else ""} for row in FULL]
    effects = trial_effects(reported(arms, [], [trial], judged), plan())
    expected = {
        "intervention_class": "cbt", "randomised": "no", "year": 2014, "mean_age": 51, "percent_female": 60,
        "treatment_weeks": 6, "setting": "clinic", "risk_of_bias": "high", "weeks": 8, "weeks_after_treatment": 2,
        "outcome_class": "class of CRP", "family": "beneficial", "better": "higher", "assay": "ELISA", "note": "see text",
        "file": "arms.csv", "lines": "arms.csv rows 2, 3, 4, 5", "sd_used": pytest.approx(2.1127, abs=1e-3),
    }  # fmt: skip
    assert {name: effects[name][0] for name in expected} == expected


def test_weeks_after_treatment_are_not_guessed():
    rows = [{**row, "weeks": math.nan} if row["time"] != "pre" else row for row in FULL]
    assert one(rows)["weeks_after_treatment"][0] == 0  # post: at the end, whenever that was
    late = [{**row, "time": "follow-up"} if row["time"] == "post" else row for row in rows]
    assert math.isnan(one(late)["weeks_after_treatment"][0])


def test_variance_kind_of_the_plan_is_used():
    data = reported(FULL)
    morris, large = (trial_effects(data, plan(variance=kind)).v[0] for kind in ("morris", "large-sample"))
    g = trial_effects(data, plan()).y[0]
    assert large == pytest.approx((1 / 18 + 1 / 22) + g**2 / 80)
    assert morris > large


def test_four_people_get_a_large_sample_variance():
    rows = [{**row, "n": 2} for row in FULL]
    effects = one(rows)
    assert np.isfinite(effects.v[0])
    assert [n.code for n in effects.notes if n.code == "variance-large-sample"] == ["variance-large-sample"]


def test_reported_tables_are_not_changed():
    data = reported(FULL, [STATISTIC])
    before = {name: column.copy() for name, column in data.arms.data.items()}
    trial_effects(data, plan(replace(rule(), scale="log")))
    for name, column in before.items():
        assert np.array_equal(column, data.arms[name], equal_nan=column.dtype != object)


def test_a_printed_correlation_of_raw_values_is_named_where_values_are_converted_to_logarithms():
    rows = [{**row, "r": 0.8} for row in FULL]
    text = "the printed correlation is taken for that of logarithms"
    assert text in one(rows, rules=[rule(scale="log")])["assumptions"][0]
    assert text not in one(rows)["assumptions"][0]  # raw scale: it is the right one
    logs = [{**row, "scale": "ln"} for row in rows]
    assert text not in one(logs, rules=[rule(scale="log")])["assumptions"][0]
