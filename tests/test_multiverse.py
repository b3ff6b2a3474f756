"""The multiverse against the single analyses that it stands for, one sentence at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError, UsageError
from consilience.datasets.planted import planted
from consilience.datasets.truth import Truth
from consilience.diagnostics.selection import selection_model
from consilience.diagnostics.small_study import trim_and_fill
from consilience.diagnostics.small_study.pet_peese import pet_peese
from consilience.effects import trial_effects, with_covariance
from consilience.effects.aggregate import aggregate as aggregate_by_covariance
from consilience.effects.trials import trial_workings
from consilience.effects.uncorrected import uncorrected
from consilience.models import fit
from consilience.records import (
    Columns,
    Effects,
    Imputation,
    Intercept,
    Multiverse,
    MultiverseResult,
    Plan,
    Reported,
    Spec,
)
from consilience.review.adjustments import average_predictor, with_predictor
from consilience.review.combinations import draw
from consilience.review.load import Loaded, load
from consilience.review.multiverse import multiverse, multiverse_of, sentence
from consilience.review.run import analyse, primary_of
from consilience.review.selection import mark, pooled_rows
from consilience.review.sensitivity import aggregate, verdict
from review_tables import Review

EVERYTHING = Multiverse(
    routes=("best", "prefer statistics", "prefer change", "without statistics", "only before and after"),
    r=("assumed", "low", "high", 0.9),
    rho=(0.2, 0.8),
    variance=("morris", "large-sample"),
    correction=("corrected", "uncorrected"),
    outcomes=("all", "one per trial", "family: harmful", "class: immune cell count", "outcome: CRP"),
    times=("all", "post", "follow-up", "longest", "first"),
    model=(
        *("che-reml", "che-ml", "study-reml", "equal-effects", "corr", "hier", "average-reml", "average-ml"),
        *(
            "average-pm",
            "average-dl",
            "average-sj",
            "average-eb",
            "average-he",
            "average-hs",
            "average-equal",
        ),
    ),
    test=("CR2", "CR1", "knapp-hartung", "knapp-hartung-floor", "t", "z"),
    most=160,
)
SMALL = Multiverse(
    routes=("best",),
    r=("assumed", "low"),
    outliers=("keep",),
    risk_of_bias=("any", "not high"),
    times=("all", "post"),
    trials=("randomised",),
    model=("che-reml", "average-reml"),
)
SPECS: Mapping[str, Spec] = {
    "che-reml": Spec((Intercept(("study",)), Intercept(("study", "row"))), "REML"),
    "che-ml": Spec((Intercept(("study",)), Intercept(("study", "row"))), "ML"),
    "study-reml": Spec((Intercept(("study",)),), "REML"),
    "equal-effects": Spec((), "EE"),
    "corr": Spec((), "CORR"),
    "hier": Spec((), "HIER"),
    "average-equal": Spec((), "EE"),
} | {
    f"average-{m.lower()}": Spec((Intercept(("row",)),), m)
    for m in ("REML", "ML", "PM", "DL", "SJ", "EB", "HE", "HS")
}  # type: ignore[arg-type]


def loaded(reported: Reported, plan: Plan, mv: Multiverse) -> Loaded:
    return Loaded(replace(plan, multiverse=mv), reported, (), {}, Path("."))


@pytest.fixture(scope="module")
def immune(tmp_path_factory) -> Loaded:
    folder = tmp_path_factory.mktemp("multiverse") / "immune"
    consilience.copy_example("immune", folder)
    return load(folder)


@pytest.fixture(scope="module")
def small() -> Loaded:
    """Twelve planted trials, one of them not randomised."""
    reported, plan = planted(Truth(trials=12, people=900), seed=3)
    cells = dict(reported.trials.data)
    cells["randomised"] = np.array(["no", *cells["randomised"][1:]], dtype=object)
    return loaded(replace(reported, trials=Columns("trials.csv", reported.trials.lines, cells)), plan, SMALL)


def alone(review: Loaded, chosen: Mapping[str, str]) -> tuple[Effects, Spec]:
    """The effects and the model of one specification, by the sentences of a single analysis."""
    assert review.plan is not None
    get = chosen.get
    plan = review.plan
    times = get("times", plan.times)
    rho = float(get("rho", plan.rho))
    plan = replace(
        plan,
        rho=rho,
        variance=get("variance", plan.variance),
        only_randomised=get("trials", "randomised" if plan.only_randomised else "all") == "randomised",
        times=times if times in ("all", "post", "follow-up") else "all",
        imputation=Imputation() if get("imputed", "keep") == "exclude" else plan.imputation,
    )
    r = get("r", "assumed")
    r = float(r) if r[0].isdigit() else r
    route = get("routes", "best")
    groups = {"statistics": "statistic"}
    verb, _, name = route.partition(" ")
    prefer = groups.get(name, name) if verb == "prefer" else ""
    if get("correction", "corrected") == "corrected":
        effects = trial_effects(review.reported, plan, r=r, prefer=prefer)
    else:
        workings = trial_workings(review.reported, plan, r=r, prefer=prefer)
        effects = uncorrected(workings, rho, plan.dependence)
    effects = pooled_rows(mark(effects, plan))
    bias = get("risk_of_bias", "any")
    if bias != "any":
        allowed = {"not high": ("low", "some", ""), "low or some": ("low", "some")}[bias]
        effects = effects.take(np.isin(effects["risk_of_bias"].astype(str), allowed))
    if verb in ("only", "without"):
        own = effects["route_group"] == groups.get(name, name)
        effects = effects.take(own if verb == "only" else ~own)
    effects = by_time(effects, times)
    effects = by_outcome(effects, get("outcomes", "all"))
    if get("outliers", "keep") == "exclude" and effects.k >= 4:
        q1, q3 = np.quantile(effects.y, [0.25, 0.75])
        effects = effects.take(np.abs(effects.y - (q1 + q3) / 2) <= 2 * (q3 - q1))
    model = get("model", "che-reml")
    spec = replace(SPECS[model], test=get("test", "CR2"), level=plan.level)
    spec = replace(spec, rho=rho) if model == "corr" else spec
    return (aggregate(effects) if model.startswith("average") and effects.k else effects), spec


def by_time(effects: Effects, times: str) -> Effects:
    if times not in ("longest", "first"):
        return effects
    best: dict[tuple[str, ...], int] = {}
    for i in range(effects.k):
        key = tuple(str(effects[c][i]) for c in ("study", "treatment", "control", "outcome"))
        when = [
            (
                effects["time"][j] == "follow-up",
                -1.0 if np.isnan(effects["weeks"][j]) else effects["weeks"][j],
            )
            for j in (i, best.get(key, i))
        ]
        if when[0] > when[1] if times == "longest" else when[0] < when[1]:
            best[key] = i
        best.setdefault(key, i)
    return effects.take(np.array(sorted(best.values()), dtype=int))


def by_outcome(effects: Effects, outcomes: str) -> Effects:
    kind, _, name = outcomes.partition(": ")
    if name:
        column = {"family": "family", "class": "outcome_class", "outcome": "outcome"}[kind]
        return effects.take(effects[column] == name)
    if outcomes == "all":
        return effects
    rows = [
        int(np.flatnonzero(effects.study == s)[np.argmin(effects.v[effects.study == s])])
        for s in effects.studies
    ]
    return effects.take(np.array(sorted(rows), dtype=int))


def check(review: Loaded, result: MultiverseResult) -> int:
    """Every specification equals its single analysis; returns how many have an estimate."""
    names = [d.name for d in result.dimensions]
    for i in range(len(result)):
        effects, spec = alone(review, dict(zip(names, result.key(i), strict=True)))
        if effects.n_studies < 2:
            assert result.reason[i]
            continue
        if spec.method in ("CORR", "HIER") and not spec.test.startswith("CR"):
            assert "robust" in result.reason[i]
            continue
        if spec.method in ("CORR", "HIER"):
            effects = replace(effects, blocks=())
        c = fit(effects, spec).coefficients
        if not np.isfinite(c.ci_low[0]):
            assert result.reason[i] == "The data give no standard error."
            continue
        assert result.reason[i] == "", result.key(i)
        for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "df"):
            value = getattr(c, name)[0]
            assert getattr(result, name)[i] == pytest.approx(value, rel=1e-8, abs=1e-10), (
                name,
                result.key(i),
            )
        assert result.studies[i] == effects.n_studies
    return int(result.available.sum())


def test_every_specification_of_a_small_review_is_its_single_analysis(small):
    result = multiverse(small, workers=1)
    assert len(result) == result.possible == 2 * 3 * 2 * 2 * 2 * 2
    assert check(small, result) == len(result)


def test_a_sample_of_every_choice_is_the_single_analyses(immune):
    review = replace(immune, plan=replace(immune.plan, multiverse=EVERYTHING))
    result = multiverse(review, workers=1)
    assert len(result) == 160
    assert result.sampled
    assert result.notes[0].code == "multiverse-sampled"
    for j, d in enumerate(result.dimensions):
        assert set(result.choice[:, j].tolist()) == set(range(len(d))), d.name
    assert check(review, result) > 80


@pytest.mark.parametrize("rho", [0.6, 0.3])
def test_the_primary_specification_is_the_answer_of_the_run(immune, rho):
    review = replace(immune, plan=replace(immune.plan, multiverse=SMALL, rho=rho))
    overall = analyse(review).overall
    result = multiverse(review, workers=1)
    assert result.primary == 0
    assert not result.choice[0].any()
    for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "df"):
        assert getattr(result, name)[0] == getattr(overall, name)
    assert (result.k[0], result.studies[0]) == (overall.n_effects, overall.n_trials)


def test_changed_plans_give_the_same_answers_through_the_whole_run(immune):
    mv = replace(
        SMALL,
        times=("all", "follow-up"),
        trials=("randomised", "all"),
        variance=("large-sample",),
        r=("assumed",),
        model=("che-reml",),
        test=("CR2",),
        risk_of_bias=("any",),
    )
    result = multiverse(replace(immune, plan=replace(immune.plan, multiverse=mv)), workers=1)
    names = [d.name for d in result.dimensions]
    assert names == ["variance", "rho", "trials", "times"]
    for i in (0, 3, 7, 13, len(result) - 1):
        variance, rho, trials, times = result.key(i)
        plan = replace(
            immune.plan,
            variance=variance,
            rho=float(rho),
            only_randomised=trials == "randomised",
            times=times,
        )
        overall = analyse(replace(immune, plan=replace(plan, sensitivity=()))).overall
        assert result.estimate[i] == pytest.approx(overall.estimate, rel=1e-10)
        assert result.ci_low[i] == pytest.approx(overall.ci_low, rel=1e-10)


def test_verdicts_are_those_of_the_sensitivity_analyses(small):
    primary = primary_of(small, small.plan)
    result = multiverse_of(small, primary, workers=1)
    for i in range(len(result)):
        other = replace(primary.estimate, ci_low=float(result.ci_low[i]), ci_high=float(result.ci_high[i]))
        assert result.verdict[i] == verdict(primary.estimate, other)


def test_one_and_two_processes_and_a_second_run_give_the_same_bits(small):
    first, second, again = (multiverse(small, workers=w) for w in (1, 2, 1))
    for other in (second, again):
        for field in fields(first):
            a, b = getattr(first, field.name), getattr(other, field.name)
            if field.name == "joint":
                assert np.array_equal(a.median.null, b.median.null)
                assert (a.share.p_value, a.share.observed) == (b.share.p_value, b.share.observed)
                continue
            assert (
                np.array_equal(a, b, equal_nan=a.dtype != object) if isinstance(a, np.ndarray) else a == b
            ), field.name


def test_processes_that_die_are_replaced_by_this_one(small, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    from consilience.review import processes

    def broken(*args: object, **kwargs: object) -> None:
        raise BrokenProcessPool("gone")

    expected = multiverse(small, workers=1)
    monkeypatch.setattr(processes, "ProcessPoolExecutor", broken)
    assert np.array_equal(multiverse(small, workers=2).estimate, expected.estimate)
    monkeypatch.setattr("sys.frozen", True, raising=False)
    assert processes._context(2, 10**6) is None


def test_pet_peese_is_that_of_the_diagnostics(small):
    """The mean adjusted for small-study effects under the model and test of the specification, by another path."""
    mv = replace(
        SMALL,
        adjustment=("pet-peese",),
        r=("assumed",),
        risk_of_bias=("any", "not high"),
        times=("all",),
        test=("CR2", "z"),
        model=("che-reml",),
    )
    result = multiverse(replace(small, plan=replace(small.plan, multiverse=mv)), workers=1)
    names = [d.name for d in result.dimensions]
    assert "adjustment" in names
    seen = set()
    for i in range(len(result)):
        chosen = dict(zip(names, result.key(i), strict=True))
        effects, spec = alone(small, chosen)
        if chosen["adjustment"] == "none":
            assert result.estimate[i] == pytest.approx(fit(effects, spec).coefficients.estimate[0], rel=1e-8)
            continue
        if effects.n_studies < small.plan.small_study_minimum:
            assert "Not adjusted for small-study effects" in result.reason[i]
            seen.add("refused")
            continue
        found = pet_peese(fit(effects, spec), predictor="arms", force=True)
        line = found.peese if found.chosen == "PEESE" else found.pet
        seen.add(found.chosen)
        for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "df"):
            assert getattr(result, name)[i] == pytest.approx(getattr(line, name), rel=1e-7), name
    assert "refused" in seen
    assert seen & {"PET", "PEESE"}


@pytest.mark.parametrize("adjustment", ["trim-and-fill", "selection-model"])
def test_other_adjustments_are_those_of_the_diagnostics(small, adjustment):
    """Trim and fill of trial averages; the selection model whatever the estimator and the test of the specification."""
    mv = replace(
        SMALL,
        adjustment=(adjustment,),
        r=("assumed",),
        risk_of_bias=("any", "not high"),
        times=("all",),
        test=("CR2", "z"),
        model=("che-reml", "average-reml"),
    )
    plan = replace(small.plan, multiverse=mv, small_study_minimum=4)
    result = multiverse(replace(small, plan=plan), workers=1)
    names = [d.name for d in result.dimensions]
    seen = set()
    for i in range(len(result)):
        chosen = dict(zip(names, result.key(i), strict=True))
        if chosen["adjustment"] == "none":
            continue
        effects, spec = alone(small, chosen)
        averaged = chosen["model"] == "average-reml"
        try:
            if adjustment == "selection-model":
                c = selection_model(fit(effects, Spec.random_effects("ML", "z"))).coefficients
            else:
                c = trim_and_fill(fit(effects, spec)).filled.coefficients
        except InputError as refused:
            why = refused.message
        else:
            why = ""
        if why:
            own = adjustment == "trim-and-fill" and not averaged
            assert ("one effect of each trial" if own else why) in result.reason[i]
            seen.add("refused")
            continue
        if not np.isfinite(c.ci_low[0]):  # a maximum at a bound, without curvature
            assert result.reason[i] == "The data give no standard error."
            continue
        seen.add("made")
        for name in ("estimate", "se", "ci_low", "ci_high", "p_value"):
            assert getattr(result, name)[i] == pytest.approx(getattr(c, name)[0], rel=1e-6), name
    assert "made" in seen
    assert result.joint is not None
    assert result.joint.n == sum(
        int(result.available[i])
        for i in range(len(result))
        if dict(zip(names, result.key(i), strict=True))["adjustment"] == "none"
    )
    assert result.joint.median.p_low <= result.joint.median.p_value <= result.joint.median.p_high


def test_adjusted_averages_use_the_mean_size_of_their_trial(small):
    effects = trial_effects(small.reported, small.plan)
    data = with_predictor(pooled_rows(mark(effects, small.plan)))
    averages = average_predictor(aggregate_by_covariance(data), data)
    for study, x in zip(averages.study, averages["arms"], strict=True):
        own = pooled_rows(mark(effects, small.plan))
        rows = own.study == study
        arms = np.sqrt(1 / own["n_treatment"][rows] + 1 / own["n_control"][rows])
        assert x == pytest.approx(arms.mean())


def test_identical_data_are_fitted_once(small):
    """Nothing is imputed and no trial is left out: the alternatives that change nothing share their fits."""
    mv = replace(
        SMALL,
        r=("assumed",),
        rho=(0.6,),
        times=("all",),
        test=("CR2",),
        model=("che-reml",),
        risk_of_bias=("any",),
        outliers=("keep",),
        outcomes=("all", "family: harmful"),
        routes=("best", "without final values"),
    )
    result = multiverse(replace(small, plan=replace(small.plan, multiverse=mv)), workers=1)
    assert len(result) == 4
    assert "without final values" in result.dimensions[0].keys
    assert result.n_fits == 2
    assert result.fit.tolist() == [0, 1, 0, 1]


def test_a_single_specification_is_a_multiverse_too(small):
    one = {f.name: () for f in fields(Multiverse) if f.name not in ("most", "declared", "rho")}
    result = multiverse(
        replace(small, plan=replace(small.plan, multiverse=Multiverse(**one, rho=(0.6,)))), workers=1
    )
    assert (len(result), result.dimensions, result.movement.contributions) == (1, (), ())
    assert sentence(result).startswith("In 1 of 1 specification (100%)")


def test_uncorrected_effects_are_g_over_j(immune):
    workings = trial_workings(immune.reported, immune.plan)
    raw = uncorrected(workings, 0.6)
    j = workings.effects.y / raw.y
    exact = np.array([workings.candidates[m.best].exactness for m in workings.made])
    n = workings.effects["n_people"]
    assert j[exact == "g"] == pytest.approx(1 - 3 / (4 * (n[exact == "g"] - 2) - 1), abs=2e-4)
    assert np.all(j[exact != "g"] == 1)
    assert workings.effects.v / raw.v == pytest.approx(j**2)
    assert len(raw.blocks) == len(with_covariance(workings.effects, 0.6).blocks)


def test_a_preferred_route_is_used_where_there_is_one(tmp_path):
    review = Review(tmp_path).cells("arms", 5, change="0.6", change_sd="7").load()
    usual, other = (trial_effects(review.reported, review.plan, prefer=p) for p in ("", "change"))
    assert usual["route_group"].tolist() == ["before and after", "before and after", "statistic"]
    assert other["route_group"].tolist() == ["change", "before and after", "statistic"]
    assert np.array_equal(usual.y[1:], other.y[1:])
    assert usual["second_y"][0] == pytest.approx(other.y[0])


@pytest.mark.parametrize(
    ("sizes", "most"), [((3, 4, 5), 100), ((3, 4, 5), 20), ((50, 50, 50), 20), ((9,) * 15, 1000)]
)
def test_draws_are_distinct_and_begin_with_the_primary(sizes, most):
    rows = draw(sizes, most=most, rng=np.random.default_rng(1))
    assert len(rows) == min(most, int(np.prod([float(s) for s in sizes])))
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert not rows[0].any()
    assert (rows < np.array(sizes)).all()
    assert np.array_equal(rows, draw(sizes, most=most, rng=np.random.default_rng(1)))


def test_what_cannot_be_done_says_why(tmp_path, immune):
    with pytest.raises(UsageError, match="There is no folder"):
        multiverse(tmp_path / "none")
    nothing = {name: replace(rule, better="none") for name, rule in immune.plan.outcomes.items()}
    with pytest.raises(InputError, match="no estimate, so nothing can be compared") as caught:
        multiverse(replace(immune, plan=replace(immune.plan, outcomes=nothing)))
    assert caught.value.code == "no-primary"


def test_progress_is_told(small):
    told: list[tuple[str, int, int]] = []
    multiverse(small, workers=1, progress=lambda *step: told.append(step))
    assert {stage for stage, *_ in told} == {"Specifications", "Effects of the specifications", "Fitting"}
    stage, done, total = told[-1]
    assert (stage, done) == ("Fitting", total)
