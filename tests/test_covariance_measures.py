"""Sampling covariance for every measure: person-by-person simulation of each structure, R's figures, identities."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.base.errors import InputError
from consilience.effects.covariance_loads import LOADS, risk_limits
from consilience.effects.measures import effect_size
from consilience.effects.sampling_covariance import Links, fill_blocks
from consilience.records import Dependence

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "convert_misc.json").read_text(encoding="utf-8")
)
TRIALS = 20_000
NONE = Dependence()


def correlated(rng, n, correlation, trials=TRIALS):
    """(q, trials, n) standard normal values of the same people."""
    root = np.linalg.cholesky(np.asarray(correlation, dtype=float))
    return np.tensordot(root, rng.standard_normal((len(correlation), trials, n)), axes=1)


def printed_means(x):
    return {"mean": x.mean(1), "sd": x.std(1, ddof=1), "n": np.full(len(x), float(x.shape[1]))}


def of_means(measure, group1, group2):
    """Effects of all trials from (trials, n) values of two groups."""
    one, two = printed_means(group1), printed_means(group2)
    return effect_size(measure, {f"{k}1": v for k, v in one.items()} | {f"{k}2": v for k, v in two.items()})


def of_counts(measure, group1, group2):
    """The same of events among n people."""
    columns = {"events1": group1.sum(1), "n1": float(group1.shape[1])}
    columns |= {"events2": group2.sum(1), "n2": float(group2.shape[1])}
    return effect_size(
        measure, {k: np.broadcast_to(v, len(group1)).astype(float) for k, v in columns.items()}
    )


def filled(first, second, **links):
    """The covariance of two effects that `fill_blocks` gives in a trial whose inputs are the averages over trials."""
    table = {
        name: np.array([np.mean(first[name]), np.mean(second[name])])
        for name in first.columns
        if not np.isnan(first[name]).any()
    }
    effects = effect_size(first.measure, table, study=np.array(["A", "A"]))
    return fill_blocks(effects, Links(**links)).covariance()


def judge(first, second, **links):
    """Covariance of two effects over the trials against ours; within four Monte-Carlo errors and 4% for small samples."""
    truth = np.cov(first.y, second.y)
    ours = filled(first, second, **links)
    error = 4 * np.sqrt((truth[0, 0] * truth[1, 1] + truth[0, 1] ** 2) / len(first.y))
    assert ours[0, 1] == pytest.approx(truth[0, 1], abs=error + 0.04 * abs(truth[0, 1]))
    return ours[0, 1] / np.sqrt(ours[0, 0] * ours[1, 1])


MEANS = ("MD", "SMD", "SMDH", "SMD1", "SMD1H", "ROM", "VR", "CVR")


@pytest.mark.parametrize("measure", MEANS)
def test_shared_control_of_means(measure):
    """Two treated arms, means 1.5 and 2 SDs above a control of mean 5 (large effects, so that the SD's part shows)."""
    rng = np.random.default_rng(1)
    t1, t2, c = (correlated(rng, n, [[1.0]])[0] + 5 + shift for n, shift in ((60, 1.5), (80, 2.0), (50, 0.0)))
    first, second = of_means(measure, t1, c), of_means(measure, t2, c)
    links = {"group1": ["T1", "T2"], "group2": ["C", "C"]}
    if measure in ("SMD1", "SMD1H"):  # the small-sample factor is squared in the truth
        first, second = (replace(e, y=e.y / 0.985) for e in (first, second))
    assert judge(first, second, **links) > 0.3


@pytest.mark.parametrize("measure", MEANS)
def test_two_outcomes_of_means(measure):
    """Correlation .7 of two outcomes; the SDs share its square."""
    rng = np.random.default_rng(2)
    r = [[1, 0.7], [0.7, 1]]
    treated, control = correlated(rng, 70, r) + 5, correlated(rng, 60, r) + 5
    treated += np.array([1.2, 1.8])[:, None, None]
    first, second = (of_means(measure, treated[i], control[i]) for i in (0, 1))
    correlation = judge(first, second, outcome=["a", "b"], known=Dependence(between=0.7))
    assert 0.48 < correlation < 0.71


@pytest.mark.parametrize("measure", ["MD", "SMD", "ROM"])
def test_combinations_multiply(measure):
    """Another outcome, another treated arm, the same control: only the control's part, times the correlation."""
    rng = np.random.default_rng(3)
    r = [[1, 0.7], [0.7, 1]]
    t1, t2 = correlated(rng, 60, [[1.0]])[0] + 6, correlated(rng, 40, [[1.0]])[0] + 6.5
    control = correlated(rng, 30, r) + 5
    first, second = of_means(measure, t1, control[0]), of_means(measure, t2, control[1])
    known = Dependence(pairs=(("b", "a", 0.7),))
    links = {"group1": ["T1", "T2"], "group2": ["C", "C"], "outcome": ["a", "b"], "known": known}
    judge(first, second, **links)


@pytest.mark.parametrize("measure", ["MD", "SMD", "ROM"])
@pytest.mark.parametrize("weeks", [13.0, 26.0, 52.0])
def test_times_autocorrelate_over_weeks(measure, weeks):
    """.8 per 26 weeks is .8^(w/26) at w weeks; with dropouts the fewer are among the more."""
    rng = np.random.default_rng(4)
    r = 0.8 ** (weeks / 26)
    treated, control = (correlated(rng, n, [[1, r], [r, 1]]) + 5 for n in (60, 50))
    treated += 1.0
    first, second = (
        of_means(measure, treated[0], control[0]),
        of_means(measure, treated[1, :, :40], control[1]),
    )
    judge(first, second, time=[8.0, 8.0 + weeks], known=Dependence(autocorrelation=0.8))


def test_outcome_and_time_across():
    """Another outcome at another time: the declared cross-time correlation, else the product."""
    rng = np.random.default_rng(5)
    r = np.array([[1, 0.3], [0.3, 1]])
    treated, control = (correlated(rng, n, r) for n in (40, 40))
    first, second = of_means("MD", treated[0], control[0]), of_means("MD", treated[1], control[1])
    at = {"outcome": ["a", "b"], "time": [0.0, 10.0]}
    judge(first, second, **at, known=Dependence(between=0.6, across_times=0.9, cross_time=0.3))
    judge(first, second, **at, known=Dependence(between=0.6, across_times=0.5))


@pytest.mark.parametrize("share", [0.25, 0.75])
@pytest.mark.parametrize("measure", ["MD", "SMD"])
def test_overlapping_groups(measure, share):
    """Two controls that have a share of the smaller one in common."""
    rng = np.random.default_rng(6)
    pool = correlated(rng, 200, [[1.0]])[0]
    c1, c2 = pool[:, :40], pool[:, 40 - int(40 * share) : 100 - int(40 * share)]
    t1, t2 = (correlated(rng, 50, [[1.0]])[0] + 1.5 for _ in range(2))
    first, second = of_means(measure, t1, c1), of_means(measure, t2, c2)
    links = {"group1": ["T1", "T2"], "group2": ["C1", "C2"], "overlap": (("C2", "C1", share),)}
    judge(first, second, **links)


def test_an_arm_treated_here_and_control_there():
    """A v B and B v C share B with opposite signs."""
    rng = np.random.default_rng(7)
    a, b, c = (correlated(rng, n, [[1.0]])[0] + 5 for n in (40, 30, 50))
    first, second = of_means("SMD", a, b), of_means("SMD", b, c)
    assert judge(first, second, group1=["A", "B"], group2=["B", "C"]) < -0.4


RISKS = ("RR", "OR", "RD", "AS")


def events(rng, n, first, second, phi):
    """(2, trials, n) events of the same people with risks `first`, `second` and correlation phi."""
    both = first * second + phi * np.sqrt(first * (1 - first) * second * (1 - second))
    u = rng.random((TRIALS, n))
    one = u < first
    return np.stack([one, (u < both) | ((u >= first) & (u < first + second - both))])


@pytest.mark.parametrize("measure", RISKS)
def test_shared_control_of_events(measure):
    rng = np.random.default_rng(8)
    t1, t2, c = (rng.random((TRIALS, n)) < p for n, p in ((120, 0.3), (140, 0.5), (100, 0.4)))
    first, second = of_counts(measure, t1, c), of_counts(measure, t2, c)
    judge(first, second, group1=["T1", "T2"], group2=["C", "C"])


@pytest.mark.parametrize("measure", RISKS)
def test_two_events_of_the_same_people(measure):
    rng = np.random.default_rng(9)
    treated, control = events(rng, 150, 0.3, 0.4, 0.5), events(rng, 120, 0.5, 0.45, 0.5)
    first, second = (of_counts(measure, treated[i], control[i]) for i in (0, 1))
    correlation = judge(first, second, outcome=["a", "b"], known=Dependence(between=0.5))
    assert correlation == pytest.approx(0.5, abs=0.02)


def test_events_cannot_correlate_beyond_their_risks():
    """Risks .1 and .5: at most 1/3. The declared .9 is reduced and named."""
    table = {"events1": [10.0, 50.0], "n1": [100.0, 100.0], "events2": [10.0, 50.0], "n2": [100.0, 100.0]}
    effects = effect_size("RD", table, study=["A", "A"])
    made = fill_blocks(effects, Links(outcome=["a", "b"], known=Dependence(between=0.9)))
    v = made.covariance()
    assert v[0, 1] / np.sqrt(v[0, 0] * v[1, 1]) == pytest.approx(1 / 3)
    assert [note.code for note in made.notes] == ["correlation-impossible"]


@given(p=st.floats(0.02, 0.98), q=st.floats(0.02, 0.98), both=st.floats(0, 1))
def test_risk_limits_hold_every_joint_distribution(p, q, both):
    joint = max(0.0, p + q - 1) + both * (min(p, q) - max(0.0, p + q - 1))
    phi = (joint - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))
    low, high = risk_limits(np.array([p]), np.array([q]))
    assert low[0, 0] - 1e-9 <= phi <= high[0, 0] + 1e-9
    assert abs(low[0, 0]) <= 1 + 1e-9
    assert abs(high[0, 0]) <= 1 + 1e-9


RATES = ("IRR", "IRD", "IRSD")


def of_rates(measure, x1, t1, x2, t2):
    columns = {"count1": x1, "time1": t1, "count2": x2, "time2": t2}
    return effect_size(measure, {k: np.broadcast_to(v, TRIALS).astype(float) for k, v in columns.items()})


@pytest.mark.parametrize("measure", RATES)
def test_shared_control_of_rates(measure):
    rng = np.random.default_rng(10)
    x1, x2, c = (rng.poisson(mean, TRIALS) for mean in (60, 80, 50))
    first, second = of_rates(measure, x1, 100, c, 90), of_rates(measure, x2, 120, c, 90)
    judge(first, second, group1=["T1", "T2"], group2=["C", "C"])


@pytest.mark.parametrize("measure", RATES)
def test_two_rates_of_the_same_people(measure):
    """Counts that share a Poisson part: correlation 30 / sqrt(60 * 80) in one group, the same by construction in the other."""
    rng = np.random.default_rng(11)
    r = 30 / np.sqrt(60 * 80)

    def pair():
        shared = rng.poisson(30, TRIALS)
        return shared + rng.poisson(30, TRIALS), shared + rng.poisson(50, TRIALS)

    (a1, a2), (b1, b2) = pair(), pair()
    first, second = of_rates(measure, a1, 100, b1, 100), of_rates(measure, a2, 100, b2, 100)
    judge(first, second, outcome=["a", "b"], known=Dependence(between=r))


def test_fisher_z_of_one_sample():
    """Three variables: overlapping pairs; a fourth pair without one in common is Steiger's other case."""
    r = np.array([[1, 0.5, 0.3, 0.2], [0.5, 1, 0.4, 0.1], [0.3, 0.4, 1, 0.6], [0.2, 0.1, 0.6, 1]])
    rng = np.random.default_rng(12)
    x = correlated(rng, 100, r, trials=8000)
    x = (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True)
    names = [(i, j) for i in range(4) for j in range(i)]
    z = np.array([np.arctanh((x[i] * x[j]).mean(1)) for i, j in names])
    truth = np.cov(z)
    effects = effect_size("ZCOR", {"r": np.tanh(z.mean(1)), "n": np.full(6, 100.0)}, study=["A"] * 6)
    variables = ([f"v{i}" for i, _ in names], [f"v{j}" for _, j in names])
    ours = fill_blocks(effects, Links(variables=variables)).covariance()
    assert ours == pytest.approx(truth, abs=4 * truth[0, 0] * np.sqrt(2 / 8000))


@pytest.mark.parametrize("measure,case", [("COR", "rcalc/craft"), ("ZCOR", "rcalc_rtoz/craft")])
def test_correlation_matrices_as_metafor_rcalc(measure, case):
    """Craft et al. (2003), Becker & Wu (2007): only studies with all six correlations have a covariance in R."""
    found = next(c for c in REFERENCE["cases"] if c["id"] == case)
    data = REFERENCE["datasets"]["craft"]
    value = lambda name: np.array([np.nan if x is None else x for x in data[name]], dtype=float)  # noqa: E731
    effects = effect_size(
        measure, {"r": value("ri"), "n": value("ni")}, study=np.array(data["study"]).astype(str)
    )
    complete = np.array([np.isfinite(effects.y[effects.study == s]).all() for s in effects.study])
    rows = np.flatnonzero(complete)
    variables = tuple(np.array(data[name], dtype=object)[rows] for name in ("var1", "var2"))
    made = fill_blocks(effects.take(rows), Links(variables=variables))
    v = np.array([[np.nan if x is None else x for x in row] for row in found["out"]["V"]], dtype=float)
    assert made.covariance() == pytest.approx(v[np.ix_(rows, rows)], rel=1e-10, abs=1e-15)


def test_shared_control_of_smd_against_metafor_vcalc():
    """Knapp et al. (2017): vcalc shares by group sizes alone; with no effect (g = 0) the SD's part vanishes and both agree."""
    found = next(c for c in REFERENCE["cases"] if c["id"] == "vcalc/shared_groups/knapp")
    data = REFERENCE["datasets"]["knapp"]
    n1, n2 = (np.array(data[name], dtype=float) for name in ("n_sz", "n_hc"))
    effects = effect_size("SMD", {"d": np.zeros(len(n1)), "t": np.nan, "mean1": np.nan, "mean2": np.nan, "n1": n1, "n2": n2},
                          study=[str(s) for s in data["study"]])  # fmt: skip
    effects = replace(effects, v=np.array(data["vi"], dtype=float))
    made = fill_blocks(effects, Links(group1=data["group1"], group2=data["group2"]))
    theirs = np.array(found["out"]["V"], dtype=float)
    definite = [b for b in made.blocks if np.linalg.eigvalsh(theirs[np.ix_(b.rows, b.rows)])[0] > 1e-6]
    assert len(definite) == 2
    for block in definite:
        assert block.matrix == pytest.approx(theirs[np.ix_(block.rows, block.rows)], rel=1e-8, abs=1e-12)


def table_of(measure, k, rng):
    """A plausible table of k rows for any measure with loads."""
    n = lambda: rng.integers(8, 200, k).astype(float)  # noqa: E731
    if measure.startswith("IR"):
        return {
            "count1": rng.integers(0, 40, k) * 1.0,
            "time1": n(),
            "count2": rng.integers(1, 40, k) * 1.0,
            "time2": n(),
        }
    if measure in ("RR", "OR", "RD", "AS", "OR2D", "OR2DL", "OR2DN"):
        n1, n2 = n(), n()
        return {
            "events1": np.floor(n1 * rng.random(k)),
            "n1": n1,
            "events2": np.floor(n2 * rng.random(k)),
            "n2": n2,
        }
    return {
        "mean1": rng.uniform(1, 9, k), "sd1": rng.uniform(0.2, 4, k), "n1": n(),
        "mean2": rng.uniform(1, 9, k), "sd2": rng.uniform(0.2, 4, k), "n2": n(),
    }  # fmt: skip


@pytest.mark.parametrize("measure", [m for m in LOADS if not m.startswith("OR2D")])
def test_loads_add_up_to_the_large_sample_variance(measure):
    """Of every row, as the measure itself has it (its values are checked against R elsewhere)."""
    table = table_of(measure, 200, np.random.default_rng(13))
    for name in {"events1", "events2", "count1"} & set(
        table
    ):  # no zeros: measures differ in how they correct them
        table[name] = np.maximum(table[name], 1.0)
    effects = effect_size(measure, table)
    assert LOADS[measure](effects.columns, effects.y).variance == pytest.approx(effects.v, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(measure=st.sampled_from(sorted(LOADS)), seed=st.integers(0, 10_000))
def test_always_definite_and_the_variances_stay(measure, seed):
    rng = np.random.default_rng(seed)
    k = 7
    effects = effect_size(measure, table_of(measure, k, rng), study=["A"] * 5 + ["B"] * 2)
    draw = lambda names: rng.choice(np.array(names, dtype=object), k)  # noqa: E731
    links = Links(group1=draw(["T1", "T2"]), group2=draw(["C", "W"]), outcome=draw(["a", "b", "c"]),
                  time=rng.choice([0.0, 8.0, 34.0], k),
                  known=Dependence(between=rng.uniform(-0.4, 0.95), autocorrelation=rng.uniform(0, 1)))  # fmt: skip
    made = fill_blocks(effects, links)
    v = made.covariance()
    assert np.array_equal(v, v.T)
    assert np.array_equal(np.diag(v), effects.v, equal_nan=True)
    assert not v[:5, 5:].any()
    for block in made.blocks:
        scale = np.sqrt(np.diag(block.matrix))
        values = np.linalg.eigvalsh(block.matrix / np.outer(scale, scale))
        assert values[0] >= 0.99e-8 * values[-1]


@settings(max_examples=40, deadline=None)
@given(measure=st.sampled_from(sorted(LOADS)), seed=st.integers(0, 10_000))
def test_exchanging_the_groups_of_one_effect_turns_its_covariances_round(measure, seed):
    if measure in ("SMD1", "SMD1H"):
        return  # not symmetric in its groups: the SD is that of group 2
    rng = np.random.default_rng(seed)
    table = table_of(measure, 2, rng)
    turned = {name: values.copy() for name, values in table.items()}
    for name in table:
        if name.endswith("1"):
            other = name[:-1] + "2"
            turned[name][1], turned[other][1] = table[other][1], table[name][1]
    study = ["A", "A"]
    v = fill_blocks(effect_size(measure, table, study=study), Links(group1=["T", "U"], group2=["C", "C"]))
    w = fill_blocks(effect_size(measure, turned, study=study), Links(group1=["T", "C"], group2=["C", "U"]))
    assert w.covariance()[0, 1] == pytest.approx(-v.covariance()[0, 1], rel=1e-9, abs=1e-15)


def smd_pair():
    table = {
        "mean1": [6.0, 6.5],
        "sd1": 1.0,
        "n1": [30.0, 30.0],
        "mean2": 5.0,
        "sd2": 1.0,
        "n2": [30.0, 30.0],
    }
    return effect_size("SMD", {k: np.broadcast_to(v, 2) for k, v in table.items()}, study=["A", "A"])


def test_rho_stands_for_what_is_not_known_and_says_so():
    effects = smd_pair()
    made = fill_blocks(effects, Links(outcome=["a", "b"], rho=0.6))
    v = made.covariance()
    assert v[0, 1] == pytest.approx(0.6 * np.sqrt(v[0, 0] * v[1, 1]), rel=0.05)
    assert [note.code for note in made.notes] == ["covariance-assumed"]


def test_an_unknown_correlation_is_an_error_that_names_the_pair():
    with pytest.raises(InputError, match="a at time 0 and b at time 0 of A") as error:
        fill_blocks(smd_pair(), Links(outcome=["a", "b"]))
    assert error.value.code == "correlation-needed"


@pytest.mark.parametrize(
    "links,code",
    [
        (Links(rho=1.5), "correlation-out-of-range"),
        (Links(known=Dependence(between=-2.0)), "correlation-out-of-range"),
        (Links(known=Dependence(autocorrelation=-0.1)), "correlation-out-of-range"),
        (Links(overlap=(("a", "b", 1.2),)), "correlation-out-of-range"),
        (Links(outcome=["a"]), "columns-unequal"),
    ],
)
def test_impossible_links_are_refused(links, code):
    with pytest.raises(InputError) as error:
        fill_blocks(smd_pair(), links)
    assert error.value.code == code


def test_measures_without_groups_are_refused():
    effects = effect_size("MN", {"mean": [1.0, 2.0], "sd": 1.0, "n": 20.0}, study=["A", "A"])
    with pytest.raises(InputError, match="no covariance formula for measure MN"):
        fill_blocks(effects, Links())


def test_the_same_effect_twice_is_shrunk_and_named():
    table = {k: np.repeat(v[:1], 2) for k, v in smd_pair().columns.items() if not np.isnan(v).any()}
    made = fill_blocks(effect_size("SMD", table, study=["A", "A"]), Links())
    assert [note.code for note in made.notes] == ["covariance-not-definite"]
    assert made.notes[0].study == "A"


def test_rows_without_a_variance_stand_alone():
    effects = effect_size("MD", {"mean1": [1.0, 2.0, 3.0], "sd1": [1.0, np.nan, 1.0], "n1": 20.0, "mean2": 0.0, "sd2": 1.0,
                                 "n2": 20.0}, study=["A"] * 3)  # fmt: skip
    made = fill_blocks(effects, Links(group1=["T1", "T2", "T3"], group2=["C"] * 3))
    assert [block.rows.tolist() for block in made.blocks] == [[0, 2]]
