"""Covariances of dependent effects: each published structure and the assembled V by simulation; repair of V."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.effects import fill_covariance, trial_effects, trial_ratios, with_covariance
from consilience.effects.covariance import (
    constant_correlation,
    shared_control,
    shared_control_final,
    shared_control_pairwise,
    two_outcomes,
    two_times,
    two_times_ratio,
)
from consilience.effects.dependence import make_definite
from trial_tables import arm, people, plan, reported, rule

TRIALS = 5000


def normal(seed, n, means, covariance, trials=40_000):
    """(len(means), trials, n) normal values."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.asarray(covariance))
    z = rng.standard_normal((len(means), trials, n))
    return np.tensordot(root, z, axes=1) + np.asarray(means)[:, None, None]


def sd_pooled(*arms):
    return np.sqrt(sum(x.var(1) * x.shape[1] for x in arms) / (sum(x.shape[1] for x in arms) - len(arms)))


def close(simulated, formula, *, v, trials=40_000):
    """Within four Monte-Carlo errors of a covariance of two variables with about these variances."""
    assert simulated == pytest.approx(formula, abs=4 * v * np.sqrt(2 / trials) + 0.03 * abs(formula))


def test_two_times_share_the_baseline():
    r = np.array([[1, 0.7, 0.4], [0.7, 1, 0.6], [0.4, 0.6, 1]])
    n_t, n_c, g = 30, 25, (0.6, 0.9)
    t, c = normal(1, n_t, (0, *g), r), normal(2, n_c, (0, 0, 0), r)
    s = sd_pooled(t[0], c[0])
    y = [((t[i] - t[0]).mean(1) - (c[i] - c[0]).mean(1)) / s for i in (1, 2)]
    a = 1 / n_t + 1 / n_c
    formula = two_times(*g, a, n_t + n_c, r01=0.7, r02=0.4, r12=0.6)
    close(np.cov(*y)[0, 1], formula, v=0.07)


def test_two_outcomes_of_the_same_people():
    c_, k = 0.6, 0.3  # same-time and cross-time correlation of the markers; each marker's own r is .5
    r = np.array([[1, 0.5, c_, k], [0.5, 1, k, c_], [c_, k, 1, 0.5], [k, c_, 0.5, 1]])
    n_t, n_c, g = 30, 25, (0.6, 0.9)
    t, c = normal(3, n_t, (0, g[0], 0, g[1]), r), normal(4, n_c, (0,) * 4, r)
    y = [((t[i + 1] - t[i]).mean(1) - (c[i + 1] - c[i]).mean(1)) / sd_pooled(t[i], c[i]) for i in (0, 2)]
    formula = two_outcomes(*g, 1 / n_t + 1 / n_c, n_t + n_c, same_time=c_, cross_time=k)
    close(np.cov(*y)[0, 1], formula, v=0.08)


@pytest.mark.parametrize("pairwise", [True, False])
def test_two_treatments_against_one_control(pairwise):
    r = np.array([[1, 0.5], [0.5, 1]])
    sizes, g = (20, 30, 25), (1.5, 2.0)
    a, b, c = (normal(5 + i, n, (0, m), r) for i, (n, m) in enumerate(zip(sizes, (*g, 0), strict=True)))
    all_arms = sd_pooled(a[0], b[0], c[0])
    s = (sd_pooled(a[0], c[0]), sd_pooled(b[0], c[0])) if pairwise else (all_arms, all_arms)
    y = [((x[1] - x[0]).mean(1) - (c[1] - c[0]).mean(1)) / sd for x, sd in zip((a, b), s, strict=True)]
    if pairwise:
        formula = shared_control_pairwise(*g, 25, 45, 55, r=0.5)
    else:
        formula = shared_control(*g, 25, 75, r=0.5)
    close(np.cov(*y)[0, 1], formula, v=0.13)


def test_two_treatments_against_one_control_after_treatment_only():
    sizes, g = (40, 30, 50), (0.8, 1.2)
    a, b, c = (
        normal(9 + i, n, (m,), [[1.0]])[0] for i, (n, m) in enumerate(zip(sizes, (*g, 0), strict=True))
    )
    s = sd_pooled(a, b, c)
    y = [(x.mean(1) - c.mean(1)) / s for x in (a, b)]
    close(np.cov(*y)[0, 1], shared_control_final(*g, 50, 120), v=0.06)


def test_two_times_of_a_ratio():
    r = np.array([[1, 0.7, 0.4], [0.7, 1, 0.6], [0.4, 0.6, 1]])
    sd, n = 0.5, 40
    t, c = normal(13, n, (0, 0.2, 0.3), r * sd**2), normal(14, n, (0, 0, 0), r * sd**2)
    y = [(t[i] - t[0]).mean(1) - (c[i] - c[0]).mean(1) for i in (1, 2)]
    formula = two_times_ratio(2 * sd**2 / n, r01=0.7, r02=0.4, r12=0.6)
    close(np.cov(*y)[0, 1], formula, v=0.01)


def test_constant_correlation():
    assert constant_correlation(0.04, 0.09, 0.6) == pytest.approx(0.036)


@cache
def three_arm_trials(seed=20, *, n=(20, 26, 32), r=0.5):
    """Rows of trials with two treated arms, one control, and two later times, compound-symmetric within people."""
    rng = np.random.default_rng(seed)
    means = {"T1": (0, 0.8, 0.5), "T2": (0, 1.2, 0.9), "C": (0, 0, 0)}
    drawn = {
        name: people(rng, TRIALS, size, means=means[name], sd=1.0, r=r)
        for name, size in zip(means, n, strict=True)
    }
    rows = []
    for name, x in drawn.items():
        role = "control" if name == "C" else "treatment"
        for time, values in zip(("pre", "post", "follow-up"), x, strict=True):
            means, sds = values.mean(1).tolist(), values.std(1, ddof=1).tolist()
            for i, (mean, sd) in enumerate(zip(means, sds, strict=True)):
                rows.append(arm(role, time, study=f"S{i}", name=name, n=values.shape[1], mean=mean, sd=sd))
    return rows


def test_assembled_v_is_the_true_one():
    """Four effects a trial (two arms x two times): mean of V against the covariance of the effects over trials."""
    effects = trial_effects(reported(three_arm_trials()), plan(rule(r=0.5)))
    y = effects.y.reshape(TRIALS, 4)
    truth = np.cov(y.T)
    ours = np.mean([block.matrix for block in effects.blocks], axis=0)
    keys = list(zip(effects["treatment"][:4], effects["time"][:4], strict=True))
    assert keys == [("T1", "post"), ("T1", "follow-up"), ("T2", "post"), ("T2", "follow-up")]
    assert ours == pytest.approx(truth, rel=0.05, abs=4 * 0.09 / np.sqrt(TRIALS))  # four Monte-Carlo errors


def test_assembled_v_equals_the_published_formulas():
    """Large-sample parts: shared baseline and shared control as in `covariance`, entry by entry."""
    rows = [row for row in three_arm_trials() if row["study"] == "S7"]
    effects = trial_effects(reported(rows), plan(rule(r=0.5), variance="large-sample"))
    v, y = effects.covariance(), effects.y
    a, n = 1 / 20 + 1 / 32, 52
    assert v[0, 1] == pytest.approx(two_times(y[0], y[1], a, n, r01=0.5, r02=0.5, r12=0.5))
    assert v[0, 2] == pytest.approx(shared_control_pairwise(y[0], y[2], 32, 52, 58, r=0.5))
    assert np.diag(v) == pytest.approx(effects.v)


def test_ratios_share_their_control_too():
    """Log ratio of ratios of two arms against one control: the covariance is the control's part of both."""
    rows = [{**row, "mean": row["mean"] + 5} for row in three_arm_trials() if row["study"] == "S7"]
    ratios = trial_ratios(reported(rows), plan(rule(r=0.5)))
    post = ratios.take(ratios["time"] == "post")
    assert post.covariance()[0, 1] == pytest.approx(post["part_control"][0])
    assert post["part_control"][0] == pytest.approx(post["part_control"][1])


def two_outcomes_rows(times=("pre", "post", "follow-up"), outcomes=("CRP", "IL-6"), study="A"):
    rows = []
    for i, outcome in enumerate(outcomes):
        for j, time in enumerate(times):
            for role, shift in (("treatment", 0.4 * j + 0.1 * i), ("control", 0.0)):
                rows.append(arm(role, time, study=study, outcome=outcome, n=30, mean=5 + shift, sd=1.0))
    return rows


RULES = (rule("CRP"), rule("IL-6"))


def test_two_outcomes_correlate_by_rho():
    effects = trial_effects(reported(two_outcomes_rows(("pre", "post"))), plan(*RULES), rho=0.45)
    v = effects.covariance()
    assert v[0, 1] == pytest.approx(0.45 * np.sqrt(v[0, 0] * v[1, 1]))


def test_structures_combine_by_multiplication():
    """Another outcome at another time: rho times the correlation of two times."""
    effects = trial_effects(reported(two_outcomes_rows()), plan(*RULES), rho=0.8)
    v = effects.covariance()
    order = [(o, t) for o, t in zip(effects["outcome"], effects["time"], strict=True)]
    i, j = order.index(("CRP", "post")), order.index(("IL-6", "follow-up"))
    assert v[i, j] == pytest.approx(0.8 * 0.5 * np.sqrt(v[i, i] * v[j, j]))
    assert not [note for note in effects.notes if note.code == "covariance-not-definite"]


def test_arms_without_common_people_are_independent():
    rows = [
        arm(role, time, name=name, n=20, mean=5.0, sd=1.0)
        for role, name in (("treatment", "T1"), ("control", "C1"))
        for time in ("pre", "post")
    ]
    other = [
        arm(role, time, name=name, outcome="IL-6", n=20, mean=5.0, sd=1.0)
        for role, name in (("treatment", "T2"), ("control", "C2"))
        for time in ("pre", "post")
    ]
    effects = trial_effects(reported(rows + other), plan(*RULES))
    assert effects.k == 2
    assert effects.blocks == ()


def test_rho_can_be_refilled_without_making_the_effects_again():
    data = reported(two_outcomes_rows())
    made = trial_effects(data, plan(*RULES), rho=0.2)
    again = with_covariance(trial_effects(data, plan(*RULES), rho=0.8), 0.2)
    assert made.covariance() == pytest.approx(again.covariance(), rel=1e-15)
    assert [n.message for n in made.notes] != [
        n.message for n in trial_effects(data, plan(*RULES), rho=0.8).notes
    ]
    assert sorted(n.code for n in made.notes) == sorted(n.code for n in again.notes)


@pytest.mark.parametrize("rho", [-0.1, 1.0, 2.0])
def test_rho_outside_its_range_is_refused(rho):
    effects = trial_effects(reported(two_outcomes_rows()), plan(*RULES))
    with pytest.raises(InputError, match="rho is") as error:
        fill_covariance(effects, rho)
    assert error.value.code == "rho-out-of-range"


def test_contradictory_covariances_are_shrunk_and_named():
    matrix = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    repaired, note = make_definite(matrix * 0.04, "Miller2014")
    values = np.linalg.eigvalsh(repaired / 0.04)
    assert values[0] == pytest.approx(1e-8 * values[-1], rel=1e-3)
    assert np.diag(repaired) == pytest.approx(0.04)
    factor = repaired[0, 1] / (matrix[0, 1] * 0.04)
    assert repaired[0, 2] == pytest.approx(factor * matrix[0, 2] * 0.04)
    assert note is not None
    assert "Miller2014" in note.message
    assert "-0.8" in note.message  # the smallest eigenvalue: 1 - 2 * .9
    assert f"{factor:.3f}" in note.message


def test_a_definite_matrix_is_left_alone():
    matrix = np.array([[1.0, 0.5], [0.5, 2.0]])
    repaired, note = make_definite(matrix, "A")
    assert repaired is matrix
    assert note is None


@settings(max_examples=60, deadline=None)
@given(
    rho=st.floats(0, 0.95),
    n_outcomes=st.integers(1, 4),
    sizes=st.lists(st.integers(5, 200), min_size=4, max_size=4),
    seed=st.integers(0, 10_000),
)
def test_v_is_always_positive_definite(rho, n_outcomes, sizes, seed):
    """Two treated arms, one control, up to four outcomes, two times, people lost on the way."""
    rng = np.random.default_rng(seed)
    rows = []
    outcomes = ["CRP", "IL-6", "IL-8", "TNF"][:n_outcomes]
    for outcome in outcomes:
        for name, n in zip(("T1", "T2", "C"), sizes, strict=False):
            role = "control" if name == "C" else "treatment"
            for j, time in enumerate(("pre", "post", "follow-up")):
                left = max(3, int(n * (1 - 0.15 * j * rng.random())))
                cells_ = {"n": left, "mean": rng.normal(0, 1), "sd": rng.uniform(0.7, 1.4)}
                rows.append(arm(role, time, name=name, outcome=outcome, **cells_))
    effects = trial_effects(reported(rows), plan(*(rule(o) for o in outcomes)), rho=rho)
    v = effects.covariance()
    scale = np.sqrt(np.diag(v))
    values = np.linalg.eigvalsh(v / np.outer(scale, scale))
    assert np.array_equal(v, v.T)
    assert np.diag(v) == pytest.approx(effects.v)
    assert values[0] >= 0.99e-8 * values[-1]
