"""Declared correlations in a review: V against the covariance of simulated effects; nothing declared changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.effects import trial_effects, trial_ratios
from consilience.effects.covariance import two_outcomes, two_times
from consilience.effects.covariance_people import Values, linked
from consilience.effects.sampling_covariance import Links, fill_blocks
from consilience.records import Dependence
from trial_tables import arm, plan, reported, rule

TRIALS = 2500
SIZES = {"treatment": 26, "control": 32}


def simulated(correlation, cells, *, rises, seed=1, start=0.0):
    """Rows of trials whose people have values with that correlation, one for each (outcome, time) in `cells`."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.asarray(correlation, dtype=float))
    rows = []
    for role, n in SIZES.items():
        x = np.tensordot(root, rng.standard_normal((len(cells), TRIALS, n)), axes=1) + start
        if role == "treatment":
            x = x + np.asarray(rises)[:, None, None]
        means, sds = x.mean(2), x.std(2, ddof=1)
        for (outcome, time, more), mean, sd in zip(cells, means, sds, strict=True):
            for i in range(TRIALS):
                printed = {"mean": mean[i], "sd": sd[i], "n": float(n), **more}
                rows.append(arm(role, time, study=f"S{i}", outcome=outcome, **printed))
    return reported(rows)


def judge(effects, m=2):
    """The mean of V against the covariance of the effects over trials; returns the mean correlation."""
    order = np.lexsort(
        (effects["time"].astype(str), effects["outcome"].astype(str), effects.study.astype(str))
    )
    y = effects.y[order].reshape(TRIALS, m)
    ours = np.mean([b.matrix for b in effects.blocks], axis=0)
    truth = np.cov(y.T)
    assert ours[0, 1] == pytest.approx(
        truth[0, 1], abs=4 * truth[0, 0] / np.sqrt(TRIALS) + 0.05 * abs(truth[0, 1])
    )
    return ours[0, 1] / np.sqrt(ours[0, 0] * ours[1, 1])


C, K, R = 0.7, 0.15, 0.5
TWO = np.array([[1, R, C, K], [R, 1, K, C], [C, K, 1, R], [K, C, R, 1]])
CELLS = [("CRP", "pre", {}), ("CRP", "post", {}), ("IL-6", "pre", {}), ("IL-6", "post", {})]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_two_outcomes_with_declared_correlations(better):
    """Same-time .7, cross-time .15 and r = .3; where less of one outcome is the benefit, the sign turns."""
    r = 0.3
    truth = TWO.copy()
    truth[0, 1] = truth[1, 0] = truth[2, 3] = truth[3, 2] = r
    data = simulated(truth, CELLS, rises=(0, 1.5, 0, 1.5))
    rules = plan(rule("CRP", r=r), rule("IL-6", better=better, r=r))
    known = Dependence(pairs=(("IL-6", "CRP", C),), cross_time=K)
    correlation = judge(trial_effects(data, replace(rules, dependence=known)))
    assert abs(correlation) > 0.6  # (C - K)/(1 - r) = .79 in the changes; .49 in the SDs
    assert (correlation > 0) == (better == "higher")


def test_two_outcomes_without_a_cross_time_correlation_are_separable():
    """k = c r: changes correlate by c."""
    truth = np.kron([[1, C], [C, 1]], [[1, R], [R, 1]])
    data = simulated(truth, CELLS, rises=(0, 1.0, 0, 0.5), seed=2)
    declared = replace(plan(rule("CRP"), rule("IL-6")), dependence=Dependence(between=C))
    assert judge(trial_effects(data, declared)) == pytest.approx(C, abs=0.05)


def test_two_times_by_weeks():
    """.8 per 26 weeks: weeks 0, 8 and 34 correlate by .934, .747 and .8; the effects then correlate by far less than .5."""
    weeks = np.array([0.0, 8.0, 34.0])
    truth = 0.8 ** (np.abs(weeks[:, None] - weeks) / 26)
    cells = [
        ("CRP", "pre", {}),
        ("CRP", "post", {"r": truth[0, 1]}),
        ("CRP", "follow-up", {"r": truth[0, 2]}),
    ]
    data = simulated(truth, cells, rises=(0, 0.3, 0.3), seed=3)
    declared = replace(plan(), dependence=Dependence(autocorrelation=0.8))
    effects = trial_effects(data, declared)
    correlation = judge(effects)
    assert correlation < 0.49
    default = trial_effects(data, plan())
    assert np.mean([b.matrix[0, 1] for b in default.blocks]) > 1.05 * np.mean(
        [b.matrix[0, 1] for b in effects.blocks]
    )
    assert "as declared" in next(n.message for n in effects.notes if n.code == "covariance-assumed")


def test_final_values_at_two_times_by_weeks():
    """No baseline: values themselves correlate by phi^weeks, their SDs by its square."""
    cells = [("CRP", "post", {}), ("CRP", "follow-up", {})]
    data = simulated([[1, 0.7], [0.7, 1]], cells, rises=(1.0, 1.5), seed=4)
    declared = replace(plan(), dependence=Dependence(autocorrelation=0.7))
    assert judge(trial_effects(data, declared)) == pytest.approx(0.68, abs=0.04)


def test_ratios_of_two_outcomes():
    """Log ratios keep their own direction; c of the values is that of the changes of small logarithms."""
    truth = np.kron([[1, C], [C, 1]], [[1, R], [R, 1]])
    data = simulated(truth, CELLS, rises=(0, 1.0, 0, 0.5), seed=5, start=12.0)
    declared = replace(plan(rule("CRP"), rule("IL-6", better="lower")), dependence=Dependence(between=C))
    ratios = trial_ratios(data, declared)
    assert ratios.study[::2].tolist() == ratios.study[1::2].tolist()
    truth_y = np.cov(ratios.y.reshape(TRIALS, 2).T)
    ours = np.mean([b.matrix for b in ratios.blocks], axis=0)
    assert ours[0, 1] == pytest.approx(truth_y[0, 1], rel=0.1)


def test_formulas_of_two_times_and_two_outcomes():
    """Entry by entry the published covariances, with large-sample variances."""
    effects = trial_effects(
        reported([r for r in _one_trial() if r["outcome"] == "CRP"]),
        replace(plan(variance="large-sample"), dependence=Dependence(autocorrelation=0.6)),
    )
    a, n, y = 1 / 20 + 1 / 30, 50, effects.y
    expected = two_times(y[0], y[1], a, n, r01=0.5, r02=0.5, r12=0.6)
    assert effects.covariance()[0, 1] == pytest.approx(expected, rel=1e-12)
    known = Dependence(between=0.6, cross_time=0.4)
    both = trial_effects(
        reported([r for r in _one_trial() if r["time"] != "follow-up"]),
        replace(plan(rule("CRP"), rule("IL-6"), variance="large-sample"), dependence=known),
    )
    expected = two_outcomes(*both.y, a, n, same_time=0.6, cross_time=0.4)
    assert both.covariance()[0, 1] == pytest.approx(expected, rel=1e-12)


def _one_trial():
    rows = []
    for outcome, high in (("CRP", 5.8), ("IL-6", 5.5)):
        for role, n in (("treatment", 20), ("control", 30)):
            for j, time in enumerate(("pre", "post", "follow-up")):
                mean = high - 0.1 * j if role == "treatment" and j else 5.0
                rows.append(arm(role, time, outcome=outcome, n=n, mean=mean, sd=1.0))
    return rows


def test_nothing_declared_changes_nothing():
    rules = plan(rule("CRP"), rule("IL-6", better="lower"))
    data = reported(_one_trial())
    first = trial_effects(data, rules)
    again = fill_blocks(first, Links(rho=0.6))
    assert np.array_equal(first.covariance(), again.covariance())
    assert (
        first.covariance()[0, 1]
        != trial_effects(
            data, replace(rules, dependence=Dependence(between=0.2, autocorrelation=0.9))
        ).covariance()[0, 1]
    )


def test_contradictory_declarations_are_named():
    """Baselines correlate by .9 with each other and by -.5 over time: changes beyond 1."""
    declared = replace(plan(rule("CRP"), rule("IL-6")), dependence=Dependence(between=0.9, cross_time=-0.5))
    effects = trial_effects(reported(_one_trial()), declared)
    note = next(n for n in effects.notes if n.code == "correlation-impossible")
    assert "CRP at week" in note.message
    assert "IL-6 at week" in note.message
    assert np.linalg.eigvalsh(effects.covariance())[0] > 0


@settings(max_examples=100, deadline=None)
@given(c=st.floats(-0.9, 0.95), phi=st.floats(0.05, 0.99), seed=st.integers(0, 10_000))
def test_contrasts_correlate_as_a_brute_force_of_their_values(c, phi, seed):
    """Every value a person can have, at every time, in one matrix; contrasts are linear combinations of them."""
    rng = np.random.default_rng(seed)
    times = np.array([0.0, 8.0, 21.0, 60.0])
    over_time = phi ** (np.abs(times[:, None] - times) / 26)
    matrix = np.kron([[1, c], [c, 1]], over_time)
    m = 6
    outcome, week, change = rng.integers(0, 2, m), rng.integers(1, 4, m), rng.random(m) < 0.6
    loads = np.zeros((m, 8))
    loads[np.arange(m), 4 * outcome + week] = 1
    loads[np.arange(m)[change], 4 * outcome[change]] = -1
    covariance = loads @ matrix @ loads.T
    sd = np.sqrt(np.diag(covariance))
    values = Values(
        outcome.astype(str).astype(object),
        times[week],
        week,
        change,
        np.where(change, over_time[0, week], np.nan),
    )
    found = linked(Dependence(between=c, autocorrelation=phi), values)
    assert found.level == pytest.approx(covariance / np.outer(sd, sd), abs=1e-7)
    assert not found.impossible.any()
