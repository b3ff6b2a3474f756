"""Findings about effects: each is made where it should be, with its place, and nowhere else."""

import numpy as np
import pytest

from consilience.effects import trial_effects
from trial_tables import arm, contrast, four, plan, reported, rule

CALM = ({"n": 30, "mean": 20.0, "sd": 4.0},) * 4


def changed(**changes):
    """Four calm cells, some of them changed: keys t0, t1, c0, c1."""
    cells = dict(zip(("t0", "t1", "c0", "c1"), CALM, strict=True))
    return four(*({**cell, **changes.get(name, {})} for name, cell in cells.items()))


def findings(arms=(), contrasts=(), trials=(), risk_of_bias=(), **rule_options):
    effects = trial_effects(reported(arms, contrasts, trials, risk_of_bias), plan(rule(**rule_options)))
    return [note for note in effects.notes if note.code != "covariance-assumed"]


def test_calm_numbers_give_no_finding():
    assert findings(changed(t1={"mean": 21.0})) == []


CASES = [
    ("smd-large", changed(t1={"mean": 60.0}), 5, "", "beyond 3 SDs"),
    ("baseline-gap", changed(t0={"mean": 22.0}), 2, "mean", "differ by 0.50 SD before treatment"),
    ("sd-shrinks", changed(t1={"sd": 2.0}), 3, "sd", "falls from 4 to 2"),
    ("skew-possible", changed(c1={"sd": 12.0}), 5, "mean", "1.67 SDs above zero, which suggests skew"),
    ("skew-strong", changed(c1={"sd": 25.0}), 5, "mean", "0.80 SDs above zero, which shows strong skew"),
    ("ci-inconsistent", changed(t1={"ci_low": 5.0, "ci_high": 21.0}), 3, "ci_low", "[5, 21] does not lie around the mean 20"),
    ("dispersions-disagree", changed(t1={"se": 4.0}), 3, "mean", "4 by the SD, 21.9 by the SE"),
    ("dispersions-disagree", changed(t1={"change": 1.0, "change_sd": 4.0, "change_t": 9.0}), 3, "change", "by the t"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "arms", "row", "column", "words"), CASES, ids=[case[0] + str(i) for i, case in enumerate(CASES)]
)
def test_finding_names_its_place(code, arms, row, column, words):
    found = [note for note in findings(arms) if note.code == code]
    assert len(found) == 1
    note = found[0]
    assert (note.file, note.row, note.column, note.study) == ("arms.csv", row, column, "A")
    assert words in note.message
    assert note.advice
    assert note.severity == ("info" if code == "skew-possible" else "warning")


def test_no_skew_finding_on_the_log_scale():
    codes = [note.code for note in findings(changed(c1={"sd": 25.0}), scale="log")]
    assert not [code for code in codes if code.startswith("skew")]


def test_unusable_interval_is_not_used():
    """Estimate -68.5 with interval [-94, 40]: the printed t(326) = -.80 is what is left."""
    row = contrast(
        compares="change", n_treatment=174, n_control=174, difference=-68.5, difference_ci_low=-94.0,
        difference_ci_high=40.0, t=-0.8, df=326, p=0.42,
    )  # fmt: skip
    effects = trial_effects(reported(contrasts=[row]), plan())
    assert effects["route_code"][0] == "t-change"
    found = {note.code: note for note in effects.notes}
    assert found["ci-inconsistent"].column == "difference_ci_low"
    assert (
        "326 degrees of freedom go with about 328 people; the arm sizes sum to 348"
        in found["df-contradicts-sizes"].message
    )


def test_degrees_of_freedom_may_lose_some_to_covariates():
    row = contrast(compares="change", n_treatment=18, n_control=17, t=2.0, df=31)
    assert findings(contrasts=[row]) == []


def test_extreme_effect_of_a_weak_trial():
    rows = changed(t1={"mean": 29.0})
    assert "extreme-low-power" in [n.code for n in findings(rows)]
    low = [{"study": "A", "result": "x", "overall": "low"}]
    assert "extreme-low-power" not in [n.code for n in findings(rows, risk_of_bias=low)]
    big = [{**row, "n": 3000} for row in rows]
    assert "extreme-low-power" not in [n.code for n in findings(big)]


def test_large_odds_ratio():
    row = contrast(odds_ratio=200.0, odds_ratio_ci_low=20.0, odds_ratio_ci_high=2000.0)
    note = next(n for n in findings(contrasts=[row]) if n.code == "log-or-large")
    assert "ln OR = 5.30" in note.message


def test_standard_error_that_does_not_go_with_the_sizes():
    rows = []
    for i in range(6):
        cells = {"n": 30, "change": 1.0, "change_sd": 40.0 if i == 3 else 4.0}
        for role in ("treatment", "control"):
            rows.append(arm(role, "pre", study=f"S{i}", n=30, mean=20.0, sd=4.0))
            rows.append(arm(role, "post", study=f"S{i}", **cells))
    found = [n for n in findings(rows) if n.code == "se-outlier"]
    assert [n.study for n in found] == ["S3"]
    assert "10.0 times" in found[0].message


def test_conversion_of_strongly_skewed_values_is_named_once():
    skewed = four(*({"n": 30, "mean": 10.0, "sd": 12.0},) * 4)
    data = skewed + [{**row, "study": "B"} for row in skewed]
    found = [n for n in findings(data, scale="log") if n.code == "converted-strong-skew"]
    assert [n.rows for n in found] == [(0, 1)]
    assert "2 effects of strongly skewed values" in found[0].message
    assert found[0].message.endswith("too large: A CRP, B CRP.")


def test_measured_during_treatment():
    trial = {"study": "A", "intervention_class": "cbt", "randomised": "yes", "treatment_weeks": 20.0}
    note = next(n for n in findings(changed(), trials=[trial]) if n.code == "during-treatment")
    assert note.severity == "info"
    assert "week 8 of a treatment of 20 weeks" in note.message


def test_one_baseline_of_several_effects_is_named_once():
    rows = changed(t0={"mean": 22.0}) + [
        arm(role, "follow-up", n=30, mean=20.0, sd=4.0) for role in ("treatment", "control")
    ]
    found = [n for n in findings(rows) if n.code == "baseline-gap"]
    assert [n.rows for n in found] == [(0, 1)]


def test_notes_point_at_effects_that_exist():
    effects = trial_effects(reported(changed(t0={"mean": 22.0}, t1={"mean": 60.0})), plan())
    assert all(np.all(np.array(n.rows, dtype=int) < effects.k) for n in effects.notes)
