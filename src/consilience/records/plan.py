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


@dataclass(frozen=True)
class Correlation:
    """Assumed pre-post correlation with its plausible range and where it comes from."""

    value: float
    low: float
    high: float
    source: str = ""


@dataclass(frozen=True)
class OutcomeRule:
    """What the protocol declares of one outcome; nothing of it is guessed.

    better : direction of benefit; ``"none"`` = shown, never pooled.
    family : ``"harmful"`` (less is better, as inflammation) or ``"beneficial"``; used for percent change.
    scale : ``"log"`` = skewed, analysed as logarithms.
    log_sd : the marker's usual baseline SD on the natural-log scale; NaN if not declared.
    """

    name: str
    outcome_class: str
    better: Better
    family: Family
    scale: Scale
    r: Correlation
    log_sd: float = float("nan")
    note: str = ""


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
    relevance: float = 0.2  # smallest g that matters to the reader
    prisma: Mapping[str, object] = field(default_factory=dict)
