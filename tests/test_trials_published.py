"""Printed cells of real trials to effects, against figures computed in R.

R 4.2.2: metafor 3.8 `escalc` (measures OR2DL, SMD with ti) where it has the measure, else Morris (2008) typed out with
lgamma; the papers' tables are named at each case.
"""

import numpy as np
import pytest

from consilience.effects import trial_effects, trial_ratios
from trial_tables import arm, contrast, four, plan, reported, rule


def only(arms=(), contrasts=(), **options):
    effects = trial_effects(reported(arms, contrasts), plan(rule(**options)))
    assert effects.k == 1
    return effects


def test_means_before_and_after():
    """Shen 2018 (PLoS ONE 13:e0187745), Tables 3 and 4: IL-2, 30 v 30."""
    cells = [
        {"n": 30, "mean": m, "sd": s}
        for m, s in ((31.54, 9.35), (35.22, 10.52), (29.54, 8.26), (30.02, 8.34))
    ]
    effects = only(four(*cells), r=0.5)
    assert effects.y[0] == pytest.approx(0.3580214, abs=1e-7)
    assert effects.v[0] == pytest.approx(0.06841406, abs=1e-8)


def test_one_marker_after_and_much_later():
    """Kamioka 2009 (J Epidemiol 19:219), Table 3: CD4+ cells, 22 v 21, at 24 and 76 weeks."""
    rows = [
        arm(role, time, n=n, mean=m, sd=s)
        for role, n, values in (
            ("treatment", 22, ((39.7, 8.3), (37.8, 6.1), (37.9, 6.8))),
            ("control", 21, ((43.7, 8.7), (39.0, 9.9), (37.7, 7.3))),
        )
        for time, (m, s) in zip(("pre", "post", "follow-up"), values, strict=True)
    ]
    effects = trial_effects(reported(rows), plan(rule(r=0.7)))
    late = effects.take(effects["time"] == "follow-up")
    assert late.y[0] == pytest.approx(0.4851583, abs=1e-7)
    assert late.v[0] == pytest.approx(0.0596014, abs=1e-7)
    assert 0.4 < effects.covariance()[0, 1] / np.sqrt(effects.v.prod()) < 0.6


def test_geometric_means_with_intervals():
    """Goldberg 2014 (Diabetes Care 37:2253), DPP: CRP at 26 weeks, lifestyle v placebo."""
    cells = [
        {"n": n, "geometric_mean": m, "geometric_ci_low": low, "geometric_ci_high": high}
        for n, m, low, high in ((1079, 3.53, 3.31, 3.76), (1044, 2.78, 2.66, 2.90), (1082, 3.52, 3.30, 3.75), (1019, 3.50, 3.35, 3.66))
    ]  # fmt: skip
    data, chosen = reported(four(*cells)), plan(rule(better="lower", scale="log", r=0.62))
    effects, ratios = trial_effects(data, chosen), trial_ratios(data, chosen)
    assert effects.y[0] == pytest.approx(0.2179768, abs=1e-6)
    assert effects.v[0] == pytest.approx(0.001485696, rel=1e-5)
    assert ratios.y[0] == pytest.approx(-0.2331489, abs=1e-7)
    assert ratios.v[0] == pytest.approx(0.001370282, rel=1e-5)
    assert 100 * np.expm1(ratios.y[0]) == pytest.approx(-20.8, abs=0.05)


def test_changes_with_intervals_over_the_baseline_sd():
    """Wolff 2015 (BMC Cardiovasc Disord 15), Table 2: CRP, yoga class v treatment as usual."""
    rows = [
        arm("treatment", "pre", n=28, mean=5.0, sd=3.6),
        arm("treatment", "post", n=28, change=-0.8, change_ci_low=-2.2, change_ci_high=0.5),
        arm("control", "pre", n=27, mean=3.6, sd=3.6),
        arm("control", "post", n=26, change=0.4, change_ci_low=-1.2, change_ci_high=2.1),
    ]
    effects = only(rows, better="lower")
    assert effects.y[0] == pytest.approx(0.3284985, abs=1e-7)
    assert effects.v[0] == pytest.approx(0.08484521, abs=1e-8)


@pytest.mark.parametrize(
    ("counts", "d", "v"), [((16, 21, 8, 19), 0.816851, 0.145419), ((8, 16, 2, 27), 1.392507, 0.240131)]
)
def test_counts(counts, d, v):
    """Koschwanez 2013 (16/21 v 8/19 wounds closed), Vedhara 2003 (8/16 v 2/27 responded): metafor OR2DL."""
    a, n_t, b, n_c = counts
    effects = only(
        [arm("treatment", "post", events=a, total=n_t), arm("control", "post", events=b, total=n_c)]
    )
    assert effects.y[0] == pytest.approx(d, abs=1e-6)
    assert effects.v[0] == pytest.approx(v, abs=1e-6)


def test_interaction_f():
    """Creswell 2012 (Brain Behav Immun 26:1095): ln CRP, F(1,33) = 3.39, 18 v 17, MBSR lower; r = .62."""
    row = contrast(
        compares="interaction", n_treatment=18, n_control=17, f=3.39, df=33, direction="control higher"
    )
    effects = only(contrasts=[row], better="lower", r=0.62)
    assert effects.y[0] == pytest.approx(
        0.5304025, abs=1e-6
    )  # metafor SMD from ti = sqrt(3.39), times sqrt(.76)


@pytest.mark.parametrize(
    ("cells", "n_t", "n_c", "g", "v"),
    [
        ({"t": 5.643}, 70, 70, 0.948646, 0.031785),
        ({"p": 0.027, "direction": "treatment higher"}, 94, 87, 0.330344, 0.022434),
    ],
)
def test_statistics_of_final_values(cells, n_t, n_c, g, v):
    """Cervical-cancer trial 2018, t = 5.643, 70 v 70; Kiecolt-Glaser 2014, p = .027, 94 v 87: metafor SMD."""
    data = reported(contrasts=[contrast(compares="final", n_treatment=n_t, n_control=n_c, **cells)])
    effects = trial_effects(data, plan(variance="large-sample"))
    assert effects.y[0] == pytest.approx(g, abs=1e-6)
    assert effects.v[0] == pytest.approx(v, abs=1e-6)


def test_odds_ratio_without_arm_sizes():
    """Irwin 2014 (Sleep 37:1543): high CRP at 16 months, OR .26 [.07, .97]."""
    row = contrast(odds_ratio=0.26, odds_ratio_ci_low=0.07, odds_ratio_ci_high=0.97)
    effects = only(contrasts=[row], better="lower")
    assert effects.y[0] == pytest.approx(0.7426806, abs=1e-6)
    assert effects.v[0] == pytest.approx(0.1367038, abs=1e-6)
    assert np.isnan(effects["n_people"][0])
