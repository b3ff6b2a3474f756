"""Fail-safe numbers: how many unseen studies of effect zero would undo a conclusion."""

from __future__ import annotations

import math

import numpy as np

from ...base.distributions import normal_isf, normal_sf
from ...base.errors import InputError
from ...records import Effects, Fit
from ...records.small_study import NAN, FailSafe, FailSafeCount
from .studies import question_of


def fail_safe_n(
    data: Fit | Effects, *, alpha: float = 0.05, target: float | None = None, weighted: bool = False
) -> FailSafe:
    """Rosenthal's, Rosenberg's and Orwin's fail-safe numbers.

    * Rosenthal: k + N studies with sum of z unchanged have Stouffer's one-sided p = `alpha`: N = (sum z / z_alpha)^2 - k.
    * Rosenberg: N studies of average weight and effect zero make the equal-effects mean just not significant
      (two-sided): N = {(sum w y / z_(alpha/2))^2 - sum w} / (sum w / k).
    * Orwin: N = k (mean - target) / target, the mean plain, or inverse-variance `weighted`.

    A number that is not above zero is 0 (the conclusion does not hold as it is). N is rounded up.

    Parameters
    ----------
    target : an effect nearer zero that would be negligible (Orwin); None = half the observed mean.

    Raises
    ------
    InputError ``dependent-effects``; ``target-not-between`` unless the target lies between zero and the mean.

    Source: Rosenthal (1979), Psychol Bull 86:638; Rosenberg (2005), Evolution 59:464; Orwin (1983), J Educ Stat 8:157.
    """
    question = question_of(data)
    question.independent("A fail-safe number")
    y, v = question.effects.y, question.effects.v
    counts = (_rosenthal(y, v, alpha), _rosenberg(y, v, alpha), _orwin(y, v, target, weighted=weighted))
    return FailSafe(counts, len(y), alpha)


def _whole(n: float) -> float:
    """Rounded up, but not because of rounding in the last digits; never negative."""
    return float(max(0, math.ceil(n - 1e-9 * max(1.0, abs(n)))))


def _rosenthal(y: np.ndarray, v: np.ndarray, alpha: float) -> FailSafeCount:
    k = len(y)
    z = abs(float((y / np.sqrt(v)).sum())) / math.sqrt(k)
    p = float(normal_sf(z))
    n = _whole(k * (z / float(normal_isf(alpha))) ** 2 - k) if p < alpha else 0.0
    meaning = f"studies of effect zero until the combined one-sided p rises to {alpha:g}"
    return FailSafeCount("Rosenthal", n, p, NAN, alpha, meaning)


def _rosenberg(y: np.ndarray, v: np.ndarray, alpha: float) -> FailSafeCount:
    w = 1 / v
    mean, total = float((w * y).sum() / w.sum()), float(w.sum())
    z = abs(mean) * math.sqrt(total)
    p = 2 * float(normal_sf(z))
    reach = (total * mean / float(normal_isf(alpha / 2))) ** 2 / total
    n = _whole(len(y) * (reach - 1)) if p < alpha else 0.0
    meaning = f"studies of effect zero and average weight until the equal-effects p rises to {alpha:g}"
    return FailSafeCount("Rosenberg", n, p, mean, alpha, meaning)


def _orwin(y: np.ndarray, v: np.ndarray, target: float | None, *, weighted: bool) -> FailSafeCount:
    mean = float(np.average(y, weights=1 / v)) if weighted else float(np.mean(y))
    meaning = "studies of effect zero until the average is the target"
    if target is None:
        target = mean / 2
    elif target == 0 or target * mean < 0:
        raise InputError(
            f"The target {target:g} must lie on the side of the mean {mean:.4g}, between it and zero.",
            code="target-not-between",
            advice="Give the smallest effect that would still matter.",
        )
    n = _whole(len(y) * (mean - target) / target) if abs(target) < abs(mean) else 0.0
    return FailSafeCount("Orwin", n, NAN, mean, target, meaning)
