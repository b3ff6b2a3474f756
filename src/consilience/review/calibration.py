"""What the review's own analysis really does: simulated reviews like this one, in numbers and in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from ..base.errors import InputError
from ..base.format import number, plural
from ..diagnostics.calibrate import Progress, calibrate
from ..effects import trial_effects
from ..records import Fit, Plan, Spec
from ..records.calibration import Calibration, MethodCalibration, Share
from .estimates import pooled
from .load import Loaded
from .selection import mark, pooled_rows, why_none

REPLICATES = 1000


def calibration_of(
    primary: Fit,
    plan: Plan,
    progress: Progress | None = None,
    *,
    replicates: int = REPLICATES,
    effect: float | None = None,
    seed: int | None = None,
) -> Calibration:
    """Calibration of a review's primary model: power for the smallest effect that matters, seed of the protocol.

    Parameters
    ----------
    effect : instead of the plan's `relevance`; seed : instead of the plan's.
    """
    return calibrate(
        primary,
        replicates=replicates,
        effect=plan.relevance if effect is None else effect,
        rng=np.random.default_rng(plan.seed if seed is None else seed),
        progress=progress,
    )


def calibrate_review(
    review: Loaded,
    progress: Progress | None = None,
    *,
    replicates: int = REPLICATES,
    effect: float | None = None,
    seed: int | None = None,
) -> Calibration:
    """Calibration of the primary analysis of a loaded review.

    Raises
    ------
    InputError ``review-has-errors``; ``nothing-to-pool`` where there is no pooled effect, with the reason.
    """
    plan = review.plan
    if plan is None or review.errors:
        listed = "\n".join(f"  {note}" for note in review.errors)
        raise InputError(f"The review has errors:\n{listed}", code="review-has-errors")
    effects = mark(trial_effects(review.reported, plan), plan)
    found, model = pooled(
        pooled_rows(effects), Spec.che(level=plan.level), key="overall", label="all outcomes"
    )
    if model is None:
        reason = found.reason if pooled_rows(effects).k else why_none(effects)
        raise InputError(f"There is no pooled effect to calibrate. {reason}", code="nothing-to-pool")
    return calibration_of(model, plan, progress, replicates=replicates, effect=effect, seed=seed)


def sentences(calibration: Calibration) -> tuple[str, ...]:
    """The calibration in three or four plain sentences, each share with its Monte-Carlo standard error."""
    own, level = calibration.own, f"{100 * calibration.level:g}%"
    made = plural(calibration.fitted.replicates, "simulated review")
    found = [
        f"In {made} like this one (the same trials, variances as estimated), the {level} interval "
        f"({own.label}) contained the true average in {percent_with_error(own.coverage)}{_judged(calibration)}.",
        f"Where there was no effect at all, the test found one in {percent_with_error(own.rejected)}; "
        f"a true g of {number(calibration.effect)} was found in {percent_with_error(own.power)}.",
    ]
    if own.prediction.n:
        found.append(
            f"The {level} prediction interval held the true effect of a new trial in "
            f"{percent_with_error(own.prediction)}."
        )
    damped = [s for s in calibration.selected if s.truth != 0]
    if damped:
        parts = [
            f"{number(s.bias)} (SE {number(s.bias_se, 3)}) with {100 * s.rule.probability:g}% of the others"
            for s in damped
        ]
        what = "trials" if damped[0].rule.by == "study" else "effects"
        found.append(
            f"If all {what} with a one-sided p of at most {damped[0].rule.alpha:g} are published but only some of the "
            f"others, the pooled g is too high: by {', by '.join(parts)}."
        )
    return tuple(found)


def sentence(calibration: Calibration) -> str:
    """The first of `sentences`: the coverage of the chosen interval, for the report."""
    return sentences(calibration)[0]


def _judged(calibration: Calibration) -> str:
    """What the Monte-Carlo interval says of the nominal level; silent where it holds it."""
    share, level = calibration.own.coverage, calibration.level
    if share.low <= level <= share.high:
        return ""
    return (
        ": less often than it promises" if share.high < level else ": more often than it promises (cautious)"
    )


def percent_with_error(share: Share) -> str:
    """``94.1% (SE 0.7)``."""
    return f"{number(100 * share.value, 1)}% (SE {number(100 * share.se, 1)})"


def compared(calibration: Calibration) -> tuple[MethodCalibration, ...]:
    """The tests side by side with the variances as estimated, the review's own first."""
    own = calibration.own
    return (own, *(m for m in calibration.fitted.methods if m.test != own.test))


def to_json(calibration: Calibration) -> str:
    """The whole record as JSON; what is not available is null."""
    found = {"calibration": _plain(calibration), "sentences": list(sentences(calibration))}
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
