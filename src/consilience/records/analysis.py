"""The answer of a review: everything that the report shows and that results.json stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .display import Shown
from .effects import Effects
from .fit import TestResult
from .note import Note
from .plan import Plan
from .reported import Reported

NAN = float("nan")
EstimateScale = Literal["g", "percent", "slope"]


@dataclass(frozen=True, repr=False)
class Estimate(Shown):
    """One pooled answer. When `available` is False all numbers are NaN and `reason` says why.

    key : stable path in results.json, e.g. ``"overall"``, ``"intervention_class/cbt"``.
    scale : ``"g"`` (positive = benefit), ``"percent"`` (change of the marker, its own direction) or
        ``"slope"`` (change of g per `unit`).
    tau2, i2 : component -> value (``"study"``, ``"effect"``); I^2 in percent.
    share_in_favour : share of trials whose own average is in the direction of benefit.
    n_unsized : trials of which no arm size is known; their people are not in `n_people`.
    trust : caveat that must be shown with it ("" if none), e.g. df below 4.
    """

    key: str
    label: str
    scale: EstimateScale = "g"
    estimate: float = NAN
    se: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN
    df: float = NAN
    p_value: float = NAN
    pi_low: float = NAN
    pi_high: float = NAN
    tau2: Mapping[str, float] = field(default_factory=dict)
    i2: Mapping[str, float] = field(default_factory=dict)
    n_trials: int = 0
    n_effects: int = 0
    n_people: int = 0
    share_in_favour: float = NAN
    unit: str = ""
    method: str = ""
    available: bool = True
    reason: str = ""
    trust: str = ""
    n_unsized: int = 0


@dataclass(frozen=True)
class Question:
    """One question of the review with its estimates and, where there is one, its test.

    kind : ``overall``, ``family``, ``subgroup``, ``persistence``, ``course``, ``moderator``, ``small-study``,
        ``credibility``.
    test : test of difference between the estimates; None if there is none or it is not available.
    answer : the finding in one or two plain sentences that never claim more than the numbers.
    """

    key: str
    kind: str
    title: str
    estimates: tuple[Estimate, ...]
    test: TestResult | None = None
    answer: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """The primary analysis with one choice changed.

    group : what kind of choice, e.g. ``"pre-post correlation"``, ``"one trial left out"``.
    verdict : ``same`` (CI on the same side of zero as the primary), ``weaker`` (CI now includes zero),
        ``stronger`` (CI now excludes zero), ``reversed`` or ``unavailable``.
    """

    key: str
    group: str
    label: str
    estimate: Estimate
    verdict: Literal["same", "weaker", "stronger", "reversed", "unavailable"]


@dataclass(frozen=True)
class Tipping:
    """What would have to be true to change the conclusion; `value` NaN = nothing plausible does."""

    key: str
    label: str
    value: float
    sentence: str


@dataclass(frozen=True)
class Reading:
    """The average effect in other words: `meaning` says how to read `value` and its limits, in `unit`."""

    key: str
    label: str
    meaning: str
    unit: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Course:
    """The fitted course of the effect over time since the end of treatment.

    weeks, estimate, ci_low, ci_high : equal-length tuples of the curve; points : (study, outcome, weeks, g, weight).
    """

    weeks: tuple[float, ...] = ()
    estimate: tuple[float, ...] = ()
    ci_low: tuple[float, ...] = ()
    ci_high: tuple[float, ...] = ()
    points: tuple[tuple[str, str, float, float, float], ...] = ()
    label: str = ""


@dataclass(frozen=True)
class StudyAverage:
    """One trial's average effect under the primary working model, for the forest plot."""

    study: str
    label: str
    group: str
    estimate: float
    ci_low: float
    ci_high: float
    weight: float  # percent of the total weight in the primary model
    n_effects: int
    n_people: int
    risk_of_bias: str = ""


@dataclass(frozen=True)
class Bound:
    """A number in a sentence, tied to the result that it comes from.

    key : path in results.json, e.g. ``"overall.estimate"``; anchor : id of the table that shows it.
    """

    text: str
    key: str
    value: float
    anchor: str


Phrase = str | Bound


@dataclass(frozen=True)
class Paragraph:
    """Plain-language text whose numbers are bound to results. heading may be empty."""

    heading: str
    phrases: tuple[Phrase, ...]

    @property
    def text(self) -> str:
        return "".join(p if isinstance(p, str) else p.text for p in self.phrases)


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from: nothing here depends on the clock or the machine.

    inputs : file -> SHA-256; versions : package -> version.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    protocol: str = ""
    script: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Shown):
    """The whole answer.

    effects : the ppc-g rows of the review, all that could be computed (column ``pooled`` marks those in the
        primary analysis; ``why_not`` says why another is not).
    ratios : the log ratio of ratios rows behind the percent changes.
    diagnostics : name -> record behind the questions of kind ``credibility``: influence, cumulative, pet-peese,
        trim-and-fill, selection, worst-case, calibration, multiverse.
    """

    plan: Plan
    reported: Reported
    effects: Effects
    ratios: Effects
    overall: Estimate
    questions: tuple[Question, ...]
    scenarios: tuple[Scenario, ...]
    tipping: tuple[Tipping, ...]
    course: Course
    studies: tuple[StudyAverage, ...]
    answer: tuple[Paragraph, ...]
    methods: tuple[str, ...]
    references: tuple[str, ...]
    assumptions: tuple[str, ...]
    notes: tuple[Note, ...]
    provenance: Provenance
    readings: tuple[Reading, ...] = ()
    diagnostics: Mapping[str, object] = field(default_factory=dict)

    def question(self, key: str) -> Question:
        """The question with that key; KeyError lists the known ones."""
        for question in self.questions:
            if question.key == key:
                return question
        known = ", ".join(q.key for q in self.questions)
        raise KeyError(f"no question {key!r}; there are: {known}")
