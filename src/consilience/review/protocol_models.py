"""The shape of review.toml as pydantic models; one class per section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..records.plan import (
    CREDIBILITY,
    SENSITIVITY,
    AdjustmentChoice,
    BiasChoice,
    CorrectionChoice,
    CredibilityName,
    KeepChoice,
    ModelChoice,
    RouteChoice,
    SensitivityName,
    TestChoice,
    TimeChoice,
    TrialChoice,
    VarianceChoice,
)
from .prisma import Prisma

TableName = Literal["trials", "arms", "contrasts", "risk_of_bias"]


def _as_text(value: Any) -> Any:
    """A number in `where` or `values` is compared as text, so both 8 and "8" may be written."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _word_or_correlation(value: Any) -> Any:
    """``low``, ``assumed``, ``high`` or a correlation: one sentence where a union would give three errors."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and -1 < value < 1
    if not number and value not in ("low", "assumed", "high"):
        sentence = '"low", "assumed", "high" or a number above -1 and below 1'
        raise PydanticCustomError("word_or_correlation", "it must be {allowed}", {"allowed": sentence})
    return float(value) if number else value


Word = Annotated[str, BeforeValidator(_as_text)]
WordOrR = Annotated[Any, BeforeValidator(_word_or_correlation)]
Name = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
R = Annotated[float, Field(gt=-1, lt=1)]
Rho = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Base of all sections: nothing unknown, nothing converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Review(Section):
    title: Name
    sample: Literal["systematic", "convenience", "synthetic"]
    sample_note: str = ""
    seed: int = Field(default=1, ge=0)


class Question(Section):
    population: Name
    intervention: Name
    comparator: Name
    outcome: Name
    surrogate: bool = True


class Files(Section):
    trials: Name = "trials.csv"
    arms: Name | None = None
    contrasts: Name | None = None
    risk_of_bias: Name | None = None
    decimal: Literal[".", ","] = "."


class Classes(Section):
    interventions: list[Name] = Field(min_length=1)
    outcomes: list[Name] = Field(min_length=1)


class CorrelationRange(Section):
    value: R
    low: R
    high: R
    source: str = ""


class Effect(Section):
    measure: Literal["ppc-g"] = "ppc-g"
    variance: Literal["morris", "large-sample"] = "morris"
    default_r: CorrelationRange | None = None


class Outcome(Section):
    name: Name
    class_: Name = Field(alias="class")
    better: Literal["lower", "higher", "none"]
    family: Literal["beneficial", "harmful", "none"] | None = None
    scale: Literal["raw", "log"] = "raw"
    r: CorrelationRange | None = None
    log_sd: Number | None = Field(default=None, gt=0)
    integer_items: int = Field(default=0, ge=0, le=1000)
    note: str = ""


class OutcomePair(Section):
    outcomes: list[Name] = Field(min_length=2, max_length=2)
    r: R


class Dependence(Section):
    rho: Rho = 0.6
    range: list[Rho] = Field(default=[0.2, 0.4, 0.6, 0.8], min_length=1)
    between_outcomes: R | None = None
    pairs: list[OutcomePair] = []
    cross_time: R | None = None
    autocorrelation: Rho | None = None


class Imputation(Section):
    sd: Literal["none", "same-marker"] = "none"
    r: Literal["none", "same-marker"] = "none"
    n: Literal["none", "from-arms"] = "none"


class Model(Section):
    randomised_only: bool = True
    times: Literal["all", "post", "follow-up"] = "all"
    level: float = Field(default=0.95, ge=0.5, lt=1)
    relevance: Number = Field(default=0.2, ge=0)


class Questions(Section):
    subgroups: list[Name] = ["intervention_class", "outcome_class"]
    persistence_weeks: Number = Field(default=26.0, gt=0)
    trials_per_moderator: int = Field(default=10, ge=1)
    small_study_minimum: int = Field(default=10, ge=3)


class ModeratorColumn(Section):
    column: Name
    label: str = ""
    kind: Literal["number", "category"] = "number"
    unit: str = ""
    per: Number = Field(default=1.0, gt=0)


class DeclaredInstrument(Section):
    name: Name
    sd: Number = Field(gt=0)
    unit: str = ""


class Readings(Section):
    response_rate: Number | None = Field(default=None, gt=0, lt=1)
    instruments: list[DeclaredInstrument] = []


class Sensitivity(Section):
    run: list[SensitivityName] = Field(default=list(SENSITIVITY))


class Multiverse(Section):
    """Alternatives of each choice; None = the default set of `records.Multiverse`."""

    r: list[WordOrR] | None = Field(default=None, min_length=1)
    rho: list[Rho] | None = Field(default=None, min_length=1)
    variance: list[VarianceChoice] | None = Field(default=None, min_length=1)
    correction: list[CorrectionChoice] | None = Field(default=None, min_length=1)
    imputed: list[KeepChoice] | None = Field(default=None, min_length=1)
    trials: list[TrialChoice] | None = Field(default=None, min_length=1)
    risk_of_bias: list[BiasChoice] | None = Field(default=None, min_length=1)
    routes: list[RouteChoice] | None = Field(default=None, min_length=1)
    times: list[TimeChoice] | None = Field(default=None, min_length=1)
    outcomes: list[Name] | None = Field(default=None, min_length=1)
    outliers: list[KeepChoice] | None = Field(default=None, min_length=1)
    model: list[ModelChoice] | None = Field(default=None, min_length=1)
    adjustment: list[AdjustmentChoice] | None = Field(default=None, min_length=1)
    test: list[TestChoice] | None = Field(default=None, min_length=1)
    most: int = Field(default=20_000, ge=2, le=200_000)


class Credibility(Section):
    run: list[CredibilityName] = Field(default=list(CREDIBILITY))
    replicates: int = Field(default=1000, ge=100, le=100_000)


class DeclaredDecision(Section):
    table: TableName
    action: Literal["exclude", "set", "accept"]
    where: dict[str, Word] = Field(min_length=1)
    values: dict[str, Word] = Field(default_factory=dict)
    code: str = ""
    reason: Name


class ProtocolModel(Section):
    review: Review
    question: Question
    files: Files = Files()
    classes: Classes
    effect: Effect = Effect()
    outcomes: list[Outcome] = Field(min_length=1)
    dependence: Dependence = Dependence()
    model: Model = Model()
    questions: Questions = Questions()
    moderators: list[ModeratorColumn] = []
    readings: Readings = Readings()
    sensitivity: Sensitivity = Sensitivity()
    credibility: Credibility = Credibility()
    imputation: Imputation = Imputation()
    multiverse: Multiverse | None = None
    decisions: list[DeclaredDecision] = []
    prisma: Prisma | None = None
