"""The true answer of a planted review: the value that each pooled figure estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import expm1

import numpy as np

from .design import DrawnTrial
from .truth import WEEKS, Marker, Truth

RATIO_FORMS = ("mean", "geometric", "median")  # printed forms from which a ratio can be had
_WORKING_RHO = 0.6

Uses = Callable[[DrawnTrial, int, int], bool]


@dataclass(frozen=True)
class TrueAnswer:
    """What was planted, as the questions of a review ask for it.

    g : the true value of the pooled effect. percent : family -> true percent change of the markers, treated
    against control. by_class : class -> mean effect at the end of treatment. at_26_weeks : mean effect 26 weeks later.
    """

    g: float
    percent: Mapping[str, float]
    by_class: Mapping[str, float]
    at_26_weeks: float


def truth_of(truth: Truth, trials: Sequence[DrawnTrial]) -> TrueAnswer:
    """The true answer for a drawn design: overall g and the percent change of each family.

    With one true mean for all effects (no class effects, no decay) g is that mean. Otherwise, and always for
    percent change because markers differ in log SD, the true values differ between effects, and what a pooled
    figure estimates is their precision-weighted mean: see `least_false_mean`. The true log ratio of an effect is
    sign x log SD x true g (sign -1 where lower is better); percent = 100 (exp(mean) - 1), the mean taken over
    the effects of the family that are printed in a form from which a ratio can be had (`RATIO_FORMS`).
    Small-study bias is no part of the true answer. The effects u and w of single trials are not either: the
    answer is about the population that the trials were drawn from.
    """
    percent = {}
    for family in ("beneficial", "harmful"):
        mean = true_log_ratio(truth, trials, _ratio_of_family(truth, family))
        percent[family] = 100 * expm1(mean)
    by_class = {name: truth.g + deviation for name, deviation in truth.class_effects.items()}
    later = (1 - truth.decay) * float(np.mean(list(by_class.values())))
    return TrueAnswer(true_g(truth, trials), percent, by_class, later)


def _ratio_of_family(truth: Truth, family: str) -> Uses:
    def uses(trial: DrawnTrial, i: int, t: int) -> bool:
        return truth.markers[trial.markers[i]].family == family and trial.forms[i] in RATIO_FORMS

    return uses


def true_g(truth: Truth, trials: Sequence[DrawnTrial], uses: Uses | None = None) -> float:
    """The true pooled g of the effects that `uses(trial, marker, time)` picks (default: all); NaN if none."""
    return _pooled_truth(truth, trials, uses or (lambda *_: True), ratio=False)


def true_log_ratio(truth: Truth, trials: Sequence[DrawnTrial], uses: Uses) -> float:
    """The true pooled log ratio of ratios of the effects picked, in the markers' own direction; NaN if none."""
    return _pooled_truth(truth, trials, uses, ratio=True)


def _pooled_truth(truth: Truth, trials: Sequence[DrawnTrial], uses: Uses, *, ratio: bool) -> float:
    blocks = []
    for trial in trials:
        cells = [(i, t) for i, t in zip(*np.nonzero(trial.measured), strict=True) if uses(trial, i, t)]
        if cells:
            blocks.append(_trial_moments(truth, trial, cells, ratio=ratio))
    return least_false_mean(blocks) if blocks else float("nan")


def _trial_moments(
    truth: Truth, trial: DrawnTrial, cells: list[tuple[int, int]], *, ratio: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(true means, true covariance, sampling covariance as the analysis assumes it) of a trial's effects."""
    markers: list[Marker] = [truth.markers[trial.markers[i]] for i, _ in cells]
    number = np.array([i for i, _ in cells])
    time = np.array([t for _, t in cells])
    fresh = np.sqrt([1 - m.r for m in markers])
    scale = np.array([m.sign * m.log_sd for m in markers]) if ratio else np.ones(len(cells))
    kept = (1 - truth.decay) ** (trial.after[time] / WEEKS)
    mean = (truth.g + truth.class_effects[trial.intervention_class]) * kept

    # differences in change: 2(1 - r)a; half of it shared by two times of a marker (the baseline), and
    # `marker_correlation` of it by two markers
    a = 1 / trial.n_treatment + 1 / trial.n_control
    alike = np.where(number[:, None] == number, 1.0, truth.marker_correlation)
    shared = np.where(time[:, None] == time, 1.0, 0.5)
    sampling = 2 * a * np.outer(fresh, fresh) * alike * shared
    between = truth.tau_study**2 * np.outer(kept, kept) + truth.tau_effect**2 * np.diag(kept**2)
    sd = np.sqrt(np.diag(sampling)) * np.abs(scale)
    assumed = np.outer(sd, sd) * np.where(number[:, None] == number, 1.0, _WORKING_RHO) * shared
    return scale * mean, (sampling + between) * np.outer(scale, scale), assumed


def least_false_mean(
    blocks: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    iterations: int = 400,
    tolerance: float = 1e-7,
) -> float:
    """The mean of the CHE model that is closest to a true distribution which the model does not contain.

    The model of trial j is N(mu 1, V_j + s^2 11' + e^2 I); the truth has mean m_j and covariance C_j. The
    parameters that minimise the Kullback-Leibler distance are what maximum likelihood tends to as reviews of this
    design grow (White 1982): mu = sum 1'W_j m_j / sum 1'W_j 1 with W_j the inverse at the minimising s^2 and e^2,
    found by EM with the expected products C_j + (m_j - mu)(m_j - mu)' in place of data.

    Parameters
    ----------
    blocks : per trial the true means (k,), true covariance (k, k) and assumed sampling covariance (k, k).

    Source: White (1982), Econometrica 50:1, theorem 2.2.
    """
    one, mean, true, assumed = _padded(blocks)
    n_effects = one.sum()
    eye = np.eye(one.shape[1]) * one[:, None, :]
    every = one[:, :, None] * one[:, None, :]
    spread = np.average(
        np.diagonal(true, axis1=1, axis2=2) - np.diagonal(assumed, axis1=1, axis2=2), weights=one
    )
    study = effect = max(float(spread), 1e-4) / 2
    mu = 0.0
    for _ in range(iterations):
        inverse = np.linalg.inv(assumed + study * every + effect * eye)
        row = np.einsum("ji,jik->jk", one, inverse) * one
        previous, mu = mu, float(np.sum(row * mean) / np.sum(row))
        residual = (mean - mu) * one
        excess = true + residual[:, :, None] * residual[:, None, :] - assumed - study * every - effect * eye
        excess *= every
        study_step = study**2 * float(np.mean(np.einsum("ji,jik,jk->j", row, excess, row)))
        effect_step = effect**2 * float(
            np.sum(np.einsum("jab,jbc,jca->ja", inverse, excess, inverse) * one) / n_effects
        )
        study, effect = study + study_step, effect + effect_step
        if abs(mu - previous) < tolerance and abs(study_step) + abs(effect_step) < tolerance:
            break
    return mu


def _padded(
    blocks: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trials of unequal size as (J, m) and (J, m, m) arrays: indicator of real effects, means, C_j, V_j."""
    size = max(len(mean) for mean, _, _ in blocks)
    one = np.zeros((len(blocks), size))
    means = np.zeros_like(one)
    true = np.zeros((len(blocks), size, size))
    assumed = np.tile(np.eye(size), (len(blocks), 1, 1))
    for j, (mean, covariance, working) in enumerate(blocks):
        k = len(mean)
        one[j, :k], means[j, :k] = 1.0, mean
        true[j, :k, :k], assumed[j, :k, :k] = covariance, working
    return one, means, true, assumed
