"""The truth that a planted review hides: what a user may set, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ..base.errors import InputError
from ..base.options import choose

PER_ARM = 8  # smallest arm that is simulated
FORMS = ("mean", "geometric", "median", "change", "t")
WEEKS = 26.0  # `decay` is the share lost in this many weeks


@dataclass(frozen=True)
class Marker:
    """An immune marker whose natural logarithm is normal.

    outcome_class, better : as declared in the protocol of the simulated review.
    log_sd : SD of the logarithm between people, the same at all times; log_mean : its mean at baseline.
    r : correlation of the logarithm between any two times.
    """

    name: str
    outcome_class: str
    better: Literal["lower", "higher"]
    log_sd: float
    log_mean: float
    r: float
    unit: str = ""

    @property
    def sign(self) -> float:
        """+1 if higher is better, -1 if lower is."""
        return 1.0 if self.better == "higher" else -1.0

    @property
    def family(self) -> Literal["beneficial", "harmful"]:
        return "beneficial" if self.better == "higher" else "harmful"


# r of CRP and IL-6: Navarro 2012; of TNF-a: the individual data of Diez 2022 (Zenodo 6793420). The others are of a
# usual size.
MARKERS = (
    Marker("CRP", "proinflammatory cytokine or marker", "lower", 1.00, math.log(2.0), 0.62, "mg/L"),
    Marker("IL-6", "proinflammatory cytokine or marker", "lower", 0.70, math.log(1.8), 0.48, "pg/mL"),
    Marker("TNF-a", "proinflammatory cytokine or marker", "lower", 0.45, math.log(8.0), 0.74, "pg/mL"),
    Marker("IL-1b", "proinflammatory cytokine or marker", "lower", 0.60, math.log(1.2), 0.70, "pg/mL"),
    Marker("NK cytotoxicity", "NK cell activity", "higher", 0.45, math.log(30.0), 0.55, "% lysis"),
    Marker("CD4 count", "immune cell count", "higher", 0.35, math.log(550.0), 0.80, "cells/ul"),
    Marker("lymphocyte count", "immune cell count", "higher", 0.30, math.log(1900.0), 0.75, "cells/ul"),
    Marker("vaccine antibody", "antibody levels", "higher", 0.90, math.log(120.0), 0.65, "U/mL"),
)
CLASS_EFFECTS = {
    "cbt": 0.05,
    "multiple or combined": 0.05,
    "mindfulness or mind-body": 0.0,
    "psychoeducation": -0.1,
}
SHARES = {"mean": 0.35, "geometric": 0.25, "median": 0.10, "change": 0.15, "t": 0.15}


@dataclass(frozen=True)
class Truth:
    """What is planted. All effects are in g on the log scale of the marker, positive = benefit.

    The true effect of trial j on marker i, t weeks after treatment, is
    ``(g + class_effects[class] + u_j + w_ji) * (1 - decay)**(t / 26) + bias * sqrt(1/nT + 1/nC)`` with
    u_j ~ N(0, tau_study^2) and w_ji ~ N(0, tau_effect^2), the latter new for every marker and time.

    Parameters
    ----------
    trials, people, effects_per_trial : size of the review; people and effects are met exactly.
    g, class_effects : mean effect at the end of treatment, and deviations of the intervention classes.
    decay : share of an effect lost in 26 weeks after treatment, 0 to 1.
    tau_study, tau_effect : SD of true effects between trials, and within a trial.
    bias : small-study bias, in g per unit of sqrt(1/nT + 1/nC). It distorts what is printed and is no part
        of the true answer.
    markers, marker_correlation : what is measured, and how correlated two markers of one person are.
    shares : how often each form is printed: mean with SD, geometric mean with CI, median with quartiles,
        change of the logarithm with its SD, t statistic of that change.
    """

    trials: int = 56
    people: int = 4060
    effects_per_trial: float = 3.0
    g: float = 0.30
    class_effects: Mapping[str, float] = field(default_factory=CLASS_EFFECTS.copy)
    decay: float = 0.0
    tau_study: float = 0.15
    tau_effect: float = 0.10
    bias: float = 0.0
    markers: tuple[Marker, ...] = MARKERS
    marker_correlation: float = 0.4
    shares: Mapping[str, float] = field(default_factory=SHARES.copy)

    def __post_init__(self) -> None:
        for wrong, message in _rules(self):
            if wrong:
                raise InputError(
                    message, code="truth-impossible", advice="Change the options of the planted review."
                )

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Truth:
        """A truth from named options (``seed`` is not one of them and is passed over); OptionError for an unknown one."""
        known = [f.name for f in fields(cls)]
        chosen = {name: value for name, value in options.items() if name != "seed"}
        for name in chosen:
            choose(name, [*known, "seed"], what="Option")
        return cls(**chosen)

    @property
    def n_effects(self) -> int:
        return round(self.trials * self.effects_per_trial)

    def marker(self, name: str) -> Marker:
        return next(m for m in self.markers if m.name == name)


def _rules(truth: Truth) -> tuple[tuple[bool, str], ...]:
    """(is it violated, what is wrong) pairs."""
    room = truth.trials * 2 * PER_ARM
    most = 3 * len(truth.markers)
    numbers = (truth.g, truth.bias, *truth.class_effects.values())
    return (
        (truth.trials < 2, f"A review needs 2 trials or more, got {truth.trials}."),
        (
            truth.people < room,
            f"{truth.trials} trials need {room:,} people or more ({PER_ARM} an arm), got {truth.people:,}.",
        ),
        (not truth.markers, "A planted review needs a marker."),
        (
            not 1 <= truth.effects_per_trial <= most,
            f"effects_per_trial must lie between 1 and {most} (3 times x {len(truth.markers)} markers), got {truth.effects_per_trial:g}.",
        ),
        (not 0 <= truth.decay <= 1, f"decay is a share between 0 and 1, got {truth.decay:g}."),
        (min(truth.tau_study, truth.tau_effect) < 0, "tau_study and tau_effect cannot be negative."),
        (not all(math.isfinite(x) for x in numbers), "g, bias and class_effects must be finite numbers."),
        (not truth.class_effects, "A planted review needs an intervention class."),
        (
            not 0 <= truth.marker_correlation < 1,
            f"marker_correlation must lie in [0, 1), got {truth.marker_correlation:g}.",
        ),
        (
            any(not (0 <= m.r < 1 and m.log_sd > 0) for m in truth.markers),
            "Markers need 0 <= r < 1 and log_sd > 0.",
        ),
        (
            set(truth.shares) - set(FORMS) != set()
            or min(truth.shares.values(), default=0) < 0
            or sum(truth.shares.values()) <= 0,
            f"shares must be non-negative shares of {', '.join(FORMS)}.",
        ),
    )
