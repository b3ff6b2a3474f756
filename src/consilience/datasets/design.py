"""The design of a planted review: which trial measures what, when, in how many people, and prints it how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .truth import FORMS, PER_ARM, WEEKS, Truth

_LENGTHS = (4.0, 6.0, 8.0, 8.0, 8.0, 10.0, 12.0, 16.0)
_LATER = (26.0, 52.0)  # weeks after treatment of the second and third measurement
_SIZE_SPREAD = 0.6  # SD of the log of the number of people in a trial


@dataclass(frozen=True, eq=False)
class DrawnTrial:
    """One simulated trial before its people are drawn.

    forms : printed form of each marker; measured : (markers, times) True where a result is printed.
    true : (markers, times) true effects in g, small-study bias not included.
    after : (times,) weeks after treatment.
    """

    study: str
    intervention_class: str
    n_treatment: int
    n_control: int
    weeks: float
    markers: tuple[int, ...]
    forms: tuple[str, ...]
    after: np.ndarray
    measured: np.ndarray
    true: np.ndarray


def draw_design(truth: Truth, rng: np.random.Generator) -> tuple[DrawnTrial, ...]:
    """All trials of a planted review; the totals of people and effects are those of the truth."""
    people = _share_out(truth.people, rng.lognormal(0.0, _SIZE_SPREAD, truth.trials), at_least=2 * PER_ARM)
    effects = _effects_per_trial(truth, rng)
    classes = tuple(truth.class_effects)
    width = len(str(truth.trials))
    return tuple(
        _draw_trial(
            truth,
            rng,
            f"Sim{i + 1:0{width}d}",
            classes[i % len(classes)],
            sizes=(int(people[i]), int(effects[i])),
        )
        for i in range(truth.trials)
    )


def _share_out(total: int, weights: np.ndarray, *, at_least: int) -> np.ndarray:
    """(k,) integers that add up to `total`, in proportion to `weights` above the minimum."""
    spare = total - at_least * len(weights)
    exact = spare * weights / weights.sum()
    parts = np.floor(exact).astype(int)
    largest = np.argsort(parts - exact, kind="stable")[: spare - int(parts.sum())]
    parts[largest] += 1
    shares: np.ndarray = parts + at_least
    return shares


def _effects_per_trial(truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """(trials,) number of printed results, 1 up to all markers x three times, with the total that is asked for."""
    most = 3 * len(truth.markers)
    counts = np.ones(truth.trials, dtype=int)
    for _ in range(truth.n_effects - truth.trials):
        open_trials = np.flatnonzero(counts < most)
        counts[rng.choice(open_trials)] += 1
    return counts


def _draw_trial(
    truth: Truth, rng: np.random.Generator, study: str, intervention_class: str, *, sizes: tuple[int, int]
) -> DrawnTrial:
    people, effects = sizes
    n_markers_all = len(truth.markers)
    fewest = -(-effects // n_markers_all)
    times = max(fewest, int(rng.integers(1, min(3, effects) + 1)))
    n_markers = -(-effects // times)
    chosen = tuple(sorted(rng.choice(n_markers_all, n_markers, replace=False).tolist()))
    measured = (np.arange(n_markers * times) < effects).reshape(times, n_markers).T
    after = np.array((0.0, *_LATER))[:times]
    centre = truth.g + truth.class_effects[intervention_class] + rng.normal(0.0, truth.tau_study)
    start = centre + rng.normal(0.0, truth.tau_effect, (n_markers, times))
    shares = np.array([truth.shares.get(form, 0.0) for form in FORMS])
    return DrawnTrial(
        study=study,
        intervention_class=intervention_class,
        n_treatment=people // 2,
        n_control=people - people // 2,
        weeks=float(rng.choice(_LENGTHS)),
        markers=chosen,
        forms=tuple(str(f) for f in rng.choice(FORMS, n_markers, p=shares / shares.sum())),
        after=after,
        measured=measured,
        true=start * (1 - truth.decay) ** (after / WEEKS),
    )


def draw_people(truth: Truth, trial: DrawnTrial, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of every person's markers in the treated and in the control arm.

    Any two times of a marker are correlated by its r: a stable part of variance r and a fresh part of variance
    1 - r at each time, each correlated between markers by `marker_correlation`.

    Returns
    -------
    (treated, control) : (n, markers, 1 + times) each, natural logs; time 0 is before treatment.
    """
    markers = [truth.markers[i] for i in trial.markers]
    r = np.array([m.r for m in markers])[:, None]
    log_sd = np.array([m.log_sd for m in markers])[:, None]
    sign = np.array([m.sign for m in markers])[:, None]
    size = np.sqrt(1 / trial.n_treatment + 1 / trial.n_control)
    shift = np.zeros((len(markers), 1 + len(trial.after)))
    shift[:, 1:] = sign * log_sd * (trial.true + truth.bias * size)
    # what both arms share: the laboratory's level and the drift since baseline
    level = np.array([m.log_mean for m in markers])[:, None] + rng.normal(0.0, 0.3, (len(markers), 1))
    drift = log_sd * rng.normal(0.0, 0.1, shift.shape)
    drift[:, 0] = 0.0

    def arm(n: int) -> np.ndarray:
        stable = _correlated(rng, (n, len(markers), 1), truth.marker_correlation)
        fresh = _correlated(rng, (n, *shift.shape), truth.marker_correlation)
        logs: np.ndarray = level + drift + log_sd * (np.sqrt(r) * stable + np.sqrt(1 - r) * fresh)
        return logs

    return arm(trial.n_treatment) + shift, arm(trial.n_control)


def _correlated(rng: np.random.Generator, shape: tuple[int, int, int], c: float) -> np.ndarray:
    """Standard normals (n, markers, times) with correlation c between the markers of a person at a time."""
    common = rng.standard_normal((shape[0], 1, shape[2]))
    own = rng.standard_normal(shape)
    correlated: np.ndarray = np.sqrt(c) * common + np.sqrt(1 - c) * own
    return correlated
