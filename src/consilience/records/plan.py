"""What a review's protocol asks for, resolved and validated: the input of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .display import Shown

Better = Literal["lower", "higher", "none"]
Family = Literal["beneficial", "harmful", "none"]
Scale = Literal["raw", "log"]


SensitivityName = Literal[
    "correlation", "dependence", "inclusion", "routes", "times", "model", "leave-one-out"
]
SENSITIVITY: tuple[SensitivityName, ...] = get_args(SensitivityName)


CredibilityName = Literal[
    "influence", "cumulative", "small-study", "selection", "worst-case", "calibration", "multiverse"
]
CREDIBILITY: tuple[CredibilityName, ...] = get_args(CredibilityName)


@dataclass(frozen=True)
class Correlation:
    """Assumed pre-post correlation with its plausible range and where it comes from."""

    value: float
    low: float
    high: float
    source: str = ""


WEEKS = 26.0  # the distance for which `autocorrelation` is declared


@dataclass(frozen=True)
class Dependence:
    """What is declared of correlations between the values of the same people; None = not declared.

    between : correlation of any two outcomes at the same time; pairs : (outcome, outcome, correlation), which go first.
    cross_time : correlation of one outcome at one time with another at another time; None = the product of both.
    across_times : correlation of one outcome at any two times.
    autocorrelation : correlation of one outcome at two times `weeks` apart; phi^(distance/weeks) at other distances.
    """

    between: float | None = None
    pairs: tuple[tuple[str, str, float], ...] = ()
    cross_time: float | None = None
    across_times: float | None = None
    autocorrelation: float | None = None
    weeks: float = WEEKS

    @property
    def declared(self) -> bool:
        """True if anything is."""
        one = (self.between, self.cross_time, self.across_times, self.autocorrelation)
        return bool(self.pairs) or any(value is not None for value in one)

    def outcomes(self, first: str, second: str) -> float | None:
        """Correlation of two outcomes at the same time; 1 of one with itself."""
        if first == second:
            return 1.0
        return next((r for a, b, r in self.pairs if {a, b} == {first, second}), self.between)


@dataclass(frozen=True)
class Imputation:
    """Which missing numbers may be filled in, and from where; nothing is unless declared.

    sd, r : ``"same-marker"`` = from other trials of the outcome; n : ``"from-arms"`` = from the trial's other numbers of people.
    """

    sd: Literal["none", "same-marker"] = "none"
    r: Literal["none", "same-marker"] = "none"
    n: Literal["none", "from-arms"] = "none"

    @property
    def declared(self) -> bool:
        """True if anything may be filled in."""
        return (self.sd, self.r, self.n) != ("none", "none", "none")


RouteChoice = Literal[
    "best",
    "prefer change",
    "prefer final values",
    "prefer statistics",
    "only before and after",
    "without before and after",
    "without change",
    "without final values",
    "without statistics",
]
ModelChoice = Literal[
    "che-reml",
    "che-ml",
    "study-reml",
    "equal-effects",
    "corr",
    "hier",
    "average-reml",
    "average-ml",
    "average-eb",
    "average-pm",
    "average-dl",
    "average-he",
    "average-hs",
    "average-sj",
    "average-equal",
]
AdjustmentChoice = Literal["none", "pet-peese", "trim-and-fill", "selection-model"]
TestChoice = Literal["CR2", "CR1", "knapp-hartung", "knapp-hartung-floor", "t", "z"]
TrialChoice = Literal["randomised", "all"]
BiasChoice = Literal["any", "not high", "low or some"]
KeepChoice = Literal["keep", "exclude"]
CorrectionChoice = Literal["corrected", "uncorrected"]
TimeChoice = Literal["all", "post", "follow-up", "longest", "first"]
VarianceChoice = Literal["morris", "large-sample"]


@dataclass(frozen=True)
class Multiverse:
    """Alternatives to the choices of the primary analysis, which are combined with each other.

    Each list is one dimension; the choice of the primary analysis takes part in it, declared or not. What an alternative
    does is told by `review.choices`.

    r : ``low``, ``assumed``, ``high`` or one number for all outcomes.
    rho : () = the lowest and the highest of the plan's range. variance : () = the plan's only.
    outcomes : ``all``, ``one per trial``, ``family: NAME``, ``class: NAME`` or ``outcome: NAME``.
    most : largest number of combinations; of more, so many are drawn at random.
    declared : does the protocol ask for it?
    """

    routes: tuple[RouteChoice, ...] = ("best", "without statistics", "only before and after")
    r: tuple[str | float, ...] = ("assumed", "low", "high")
    rho: tuple[float, ...] = ()
    variance: tuple[VarianceChoice, ...] = ()
    correction: tuple[CorrectionChoice, ...] = ("corrected",)
    imputed: tuple[KeepChoice, ...] = ("keep", "exclude")
    trials: tuple[TrialChoice, ...] = ("randomised", "all")
    risk_of_bias: tuple[BiasChoice, ...] = ("any", "not high", "low or some")
    outcomes: tuple[str, ...] = ("all",)
    times: tuple[TimeChoice, ...] = ("all", "post", "longest")
    outliers: tuple[KeepChoice, ...] = ("keep", "exclude")
    model: tuple[ModelChoice, ...] = ("che-reml", "average-reml", "average-dl")
    adjustment: tuple[AdjustmentChoice, ...] = ("none",)
    test: tuple[TestChoice, ...] = ("CR2", "knapp-hartung")
    most: int = 20_000
    declared: bool = False


@dataclass(frozen=True)
class OutcomeRule:
    """What the protocol declares of one outcome; nothing of it is guessed.

    better : direction of benefit; ``"none"`` = shown, never pooled.
    family : ``"harmful"`` (less is better, as inflammation) or ``"beneficial"``; used for percent change.
    scale : ``"log"`` = skewed, analysed as logarithms.
    log_sd : the marker's usual baseline SD on the natural-log scale; NaN if not declared.
    integer_items : whole-number items whose mean is the score (1 = a sum score, a count, one item); 0 = not such a scale.
    """

    name: str
    outcome_class: str
    better: Better
    family: Family
    scale: Scale
    r: Correlation
    log_sd: float = float("nan")
    note: str = ""
    integer_items: int = 0


@dataclass(frozen=True)
class Decision:
    """A declared decision about rows of a table: which rows, what is done, why.

    action : ``exclude`` (rows are listed, not used), ``set`` (`values` replace cells) or ``accept``
        (the finding `code` has been looked at and stands).
    where : column -> value that a row must have.
    """

    table: Literal["trials", "arms", "contrasts", "risk_of_bias"]
    action: Literal["exclude", "set", "accept"]
    where: Mapping[str, str]
    reason: str
    values: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Instrument:
    """A scale or assay whose SD in a named population is known; g times it is in raw units."""

    name: str
    sd: float
    unit: str = ""


@dataclass(frozen=True)
class Moderator:
    """A trial-level or effect-level column examined as a moderator, one at a time."""

    column: str
    label: str
    kind: Literal["number", "category"] = "number"
    unit: str = ""
    per: float = 1.0  # the slope is shown per this many units


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """The whole protocol, ready to run."""

    title: str
    sample: Literal["systematic", "convenience", "synthetic"]
    sample_note: str
    seed: int
    question: Mapping[str, str]
    intervention_classes: tuple[str, ...]
    outcome_classes: tuple[str, ...]
    outcomes: Mapping[str, OutcomeRule]
    decisions: tuple[Decision, ...] = ()
    variance: Literal["morris", "large-sample"] = "morris"
    rho: float = 0.6
    rho_range: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    level: float = 0.95
    only_randomised: bool = True
    times: Literal["all", "post", "follow-up"] = "all"
    subgroups: tuple[str, ...] = ("intervention_class", "outcome_class")
    moderators: tuple[Moderator, ...] = ()
    persistence_weeks: float = 26.0
    trials_per_moderator: int = 10
    small_study_minimum: int = 10
    sensitivity: tuple[SensitivityName, ...] = (
        SENSITIVITY  # which analyses are repeated with one choice changed
    )
    credibility: tuple[CredibilityName, ...] = (
        CREDIBILITY  # what is asked of the answer before it is believed
    )
    replicates: int = 1000  # simulated reviews and bootstrap samples
    response_rate: float | None = (
        None  # share that does well without treatment; gives a number needed to treat
    )
    instruments: tuple[Instrument, ...] = ()
    surrogate: bool = True  # are the outcomes markers that stand in for how people fare?
    relevance: float = 0.2  # smallest g that matters to the reader
    prisma: Mapping[str, object] = field(default_factory=dict)
    dependence: Dependence = Dependence()
    imputation: Imputation = Imputation()
    multiverse: Multiverse = Multiverse()
