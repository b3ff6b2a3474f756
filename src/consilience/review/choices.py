"""The choices that a multiverse varies: one table of data, from the word in the protocol to what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from ..effects import RChoice
from ..effects.trials import trial_workings
from ..effects.uncorrected import uncorrected
from ..records import Dimension, Effects, Imputation, Intercept, Plan, Reported, Spec
from ..records.plan import VarianceChoice
from .adjustments import ADJUSTMENTS
from .choice_rows import (
    LEFT_OUT,
    Keep,
    keep_outcomes,
    keep_risk_of_bias,
    keep_routes,
    keep_times,
    keep_trials,
    keep_typical,
)
from .selection import mark

Value = str | float
Stage = Literal["effects", "covariance", "rows", "model", "adjustment", "test"]
ROBUST = ("CR1", "CR2")

ROUTE_WORDS = {
    "best": "the best printed form",
    "prefer change": "mean changes first",
    "prefer final values": "final values first",
    "prefer statistics": "statistics first",
    "only before and after": "only means before and after",
    "without before and after": "without means before and after",
    "without change": "without mean changes",
    "without final values": "without final values",
    "without statistics": "without statistics",
}
TIME_WORDS = {
    "all": "all times",
    "post": "end of treatment",
    "follow-up": "follow-up only",
    "longest": "last time of each",
    "first": "first time of each",
}


@dataclass(frozen=True)
class Model:
    """A model of the multiverse. averaged : of one mean effect per trial; blocks : does it use the sampling covariance?"""

    words: str
    spec: Spec
    averaged: bool = False
    blocks: bool = True


def _average(words: str, method: Literal["REML", "ML", "EB", "PM", "DL", "HE", "HS", "SJ"]) -> Model:
    return Model(f"trial averages, {words}", Spec((Intercept(("row",)),), method), averaged=True)


MODELS: Mapping[str, Model] = {
    "che-reml": Model("correlated + hierarchical, REML", Spec.che()),
    "che-ml": Model("correlated + hierarchical, ML", replace(Spec.che(), method="ML")),
    "study-reml": Model("between trials only, REML", Spec((Intercept(("study",)),))),
    "equal-effects": Model("equal effects", Spec((), "EE")),
    "corr": Model("robust, correlated weights", Spec.correlated(), blocks=False),
    "hier": Model("robust, hierarchical weights", Spec.hierarchical(), blocks=False),
    "average-reml": _average("REML", "REML"),
    "average-ml": _average("ML", "ML"),
    "average-eb": _average("empirical Bayes", "EB"),
    "average-pm": _average("Paule-Mandel", "PM"),
    "average-dl": _average("DerSimonian-Laird", "DL"),
    "average-he": _average("Hedges", "HE"),
    "average-hs": _average("Hunter-Schmidt", "HS"),
    "average-sj": _average("Sidik-Jonkman", "SJ"),
    "average-equal": Model("trial averages, equal effects", Spec((), "EE"), averaged=True),
}
TESTS = {
    "CR2": "cluster-robust (CR2)",
    "CR1": "cluster-robust (CR1)",
    "knapp-hartung": "Knapp-Hartung",
    "knapp-hartung-floor": "Knapp-Hartung, floor at one",
    "t": "t",
    "z": "normal (z)",
}


@dataclass(frozen=True)
class Choice:
    """A dimension before a review is known.

    primary : the choice of the primary analysis; words : alternative -> how readers know it.
    keep : for stage ``rows``, which effects the alternative leaves.
    """

    name: str
    title: str
    stage: Stage
    primary: Callable[[Plan], Value]
    words: Callable[[Value], str]
    keep: Keep | None = None


def _named(words: Mapping[str, str]) -> Callable[[Value], str]:
    return lambda value: words[str(value)]


def _outcome_words(value: Value) -> str:
    if value == "one per trial":
        return "the most precise of each trial"
    return "all outcomes" if value == "all" else str(value).partition(": ")[2]


def _r_words(value: Value) -> str:
    return f"{value} r" if isinstance(value, str) else f"r = {value:g}"


CHOICES: tuple[Choice, ...] = (
    Choice("r", "Assumed pre-post correlation", "effects", lambda plan: "assumed", _r_words),
    Choice("variance", "Sampling variance", "effects", lambda plan: plan.variance, str),
    Choice(
        "correction",
        "Small-sample correction",
        "effects",
        lambda plan: "corrected",
        _named({"corrected": "corrected (g)", "uncorrected": "not corrected (d)"}),
    ),
    Choice(
        "imputed",
        "Imputed numbers",
        "effects",
        lambda plan: "keep",
        _named({"keep": "used", "exclude": "not used"}),
    ),
    Choice(
        "rho",
        "Correlation within trials",
        "covariance",
        lambda plan: plan.rho,
        lambda value: f"rho = {value:g}",
    ),
    Choice(
        "trials",
        "Which trials",
        "rows",
        lambda plan: "randomised" if plan.only_randomised else "all",
        _named({"randomised": "randomised only", "all": "all trials"}),
        keep_trials,
    ),
    Choice(
        "risk_of_bias",
        "Risk of bias",
        "rows",
        lambda plan: "any",
        _named({"any": "any", "not high": "not high", "low or some": "judged, not high"}),
        keep_risk_of_bias,
    ),
    Choice("routes", "How effects are made", "rows", lambda plan: "best", _named(ROUTE_WORDS), keep_routes),
    Choice("times", "Which times", "rows", lambda plan: plan.times, _named(TIME_WORDS), keep_times),
    Choice("outcomes", "Which outcomes", "rows", lambda plan: "all", _outcome_words, keep_outcomes),
    Choice(
        "outliers",
        "Outlying effects",
        "rows",
        lambda plan: "keep",
        _named({"keep": "kept", "exclude": "left out"}),
        keep_typical,
    ),
    Choice("model", "Model", "model", lambda plan: "che-reml", lambda value: MODELS[str(value)].words),
    Choice(
        "adjustment",
        "Small-study adjustment",
        "adjustment",
        lambda plan: "none",
        lambda value: ADJUSTMENTS[str(value)].words,
    ),
    Choice("test", "Test", "test", lambda plan: "CR2", _named(TESTS)),
)


def alternatives(choice: Choice, plan: Plan) -> tuple[Value, ...]:
    """The primary choice, then every other declared one; no more where the plan leaves nothing to choose."""
    declared: tuple[Value, ...] = getattr(plan.multiverse, choice.name)
    if choice.name == "rho" and not declared:
        declared = (min(plan.rho_range), max(plan.rho_range))
    if choice.name == "imputed" and not plan.imputation.declared:
        declared = ()
    return tuple(dict.fromkeys((choice.primary(plan), *declared)))


def dimension(choice: Choice, values: tuple[Value, ...]) -> Dimension:
    """The record of a dimension with these alternatives."""
    keys = tuple(v if isinstance(v, str) else f"{v:g}" for v in values)
    return Dimension(choice.name, choice.title, keys, tuple(choice.words(v) for v in values))


def make_effects(reported: Reported, plan: Plan, values: Mapping[str, Value]) -> Effects:
    """All effects, marked, under the alternatives of the stage ``effects`` (and the preferred route)."""
    changed = replace(plan, variance=cast(VarianceChoice, values["variance"]))
    if values["imputed"] == "exclude":
        changed = replace(changed, imputation=Imputation())
    r = cast(RChoice, values["r"])
    workings = trial_workings(reported, changed, r=r, prefer=preferred(values["routes"]))
    effects = workings.effects
    if values["correction"] == "uncorrected":
        effects = uncorrected(workings, plan.rho, plan.dependence)
    return mark(effects, replace(changed, only_randomised=False, times="all"))


def preferred(route: Value) -> str:
    """The group of routes that an alternative of ``routes`` puts first, "" for none."""
    word = str(route)
    return LEFT_OUT.get(word.removeprefix("prefer "), "") if word.startswith("prefer ") else ""


def impossible(model: Value, test: Value) -> str:
    """Why a model and a test do not go together; "" if they do."""
    if str(model) in ("corr", "hier") and test not in ROBUST:
        return "The weights of robust variance estimation have no test but a cluster-robust one."
    return ""


def spec_of(model: Value, *, rho: float, level: float) -> Spec:
    """The model at the review's level; the correlated weights take rho from the specification."""
    spec = replace(MODELS[str(model)].spec, level=level)
    return replace(spec, rho=rho) if spec.method == "CORR" else spec
