"""The exact words of the findings about effects; every number in them is worked out here by hand."""

from __future__ import annotations

from math import log, sqrt

import pytest

from consilience.effects import trial_effects
from trial_tables import arm, contrast, four, plan, reported, rule

CALM = {"n": 30, "mean": 20.0, "sd": 4.0}
J = 1 - 3 / (4 * 58 - 1)  # small-sample correction of two arms of 30


def changed(**changes):
    """Four calm cells (t0, t1, c0, c1), some of them changed."""
    return four(*({**CALM, **changes.get(name, {})} for name in ("t0", "t1", "c0", "c1")))


def morris_se(g: float, r: float = 0.5) -> float:
    """SE of Morris' g for two arms of 30: J^2 2(1-r) (2/30) (58/56) (1 + g^2 / (2(1-r) 2/30)) - g^2."""
    factor = 2 * (1 - r) * (60 / 900)
    return sqrt(J**2 * factor * (58 / 56) * (1 + g**2 / factor) - g**2)


FINDINGS = {
    "smd-large": (
        changed(t1={"mean": 60.0}),
        f"A, CRP: g = {J * 10:.2f}, beyond 3 SDs in size.",
    ),
    "extreme-low-power": (
        changed(t1={"mean": 29.0}),
        f"A, CRP: g = {J * 2.25:.2f} from a trial with less than 80% power for g = 0.5 (SE {morris_se(J * 2.25):.2f}) "
        "and risk of bias not judged.",
    ),
    "baseline-gap": (
        changed(t0={"mean": 22.0}),
        "A, CRP: the arms T and C differ by 0.50 SD before treatment.",
    ),
    "sd-shrinks": (
        changed(t1={"sd": 2.0}),
        "A, CRP: the SD falls from 4 to 2 in the arm T.",
    ),
    "skew-possible": (
        changed(c1={"sd": 12.0}),
        "A, CRP: the mean is 1.67 SDs above zero, which suggests skew if values cannot be negative.",
    ),
    "skew-strong": (
        changed(c1={"sd": 25.0}),
        "A, CRP: the mean is 0.80 SDs above zero, which shows strong skew if values cannot be negative.",
    ),
}


def found(code: str, arms=(), contrasts=()) -> str:
    effects = trial_effects(reported(arms, contrasts), plan(rule()))
    (message,) = (note.message for note in effects.notes if note.code == code)
    return message


@pytest.mark.parametrize("code", FINDINGS)
def test_exact_message(code):
    arms, message = FINDINGS[code]
    assert found(code, arms) == message


def test_log_odds_ratio_beyond_five():
    row = contrast(odds_ratio=200.0, odds_ratio_ci_low=20.0, odds_ratio_ci_high=2000.0)
    assert found("log-or-large", contrasts=[row]) == f"A, CRP: ln OR = {log(200):.2f}, beyond 5 in size."


def test_standard_error_ten_times_too_large():
    """Six trials of one size; in one of them every SD is ten times as large, so that g is the same and its SE is not."""
    rows = []
    for i in range(6):
        for role in ("treatment", "control"):
            rows.append(arm(role, "pre", study=f"S{i}", n=30, mean=20.0, sd=4.0))
            rows.append(arm(role, "post", study=f"S{i}", n=30, change=1.0, change_sd=40.0 if i == 3 else 4.0))
    message = "S3, CRP: the SE is 10.0 times what the other effects would make of these arm sizes."
    assert found("se-outlier", rows) == message


def test_two_routes_that_contradict_each_other():
    """Changes of 1 and 0 (SD 4 before treatment) give g = .25 J; a t of -6 for the same difference cannot be."""
    rows = changed(t1={"mean": 21.0})
    row = contrast(compares="change", n_treatment=30, n_control=30, t=-6.0, df=58)
    message = found("routes-contradict", rows, [row])
    assert message.startswith(f"A, CRP: two ways to this effect contradict each other: {J * 0.25:.2f} by ")
    assert " (used), " in message
