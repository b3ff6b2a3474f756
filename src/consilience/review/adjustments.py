"""Corrections of a pooled mean for small-study effects, as alternatives of a multiverse: a table of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.distributions import t_sf
from ..base.format import plural
from ..models import fit_many
from ..records import Design, Effects, Refits, Spec

PREDICTOR = "arms"  # column of the effects: sqrt(1/nT + 1/nC)
NUMBERS = ("estimate", "se", "df", "p_value", "ci_low", "ci_high")
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Pooled:
    """Means of F sets under one spec: numbers (6, F) in the order of `NUMBERS`, ok (F,); theta : (F, q) variances of the plain model."""

    numbers: np.ndarray
    ok: np.ndarray
    theta: np.ndarray


Pooling = Callable[[Sequence[Effects], Spec], Pooled]


@dataclass(frozen=True)
class Adjustment:
    """words : for readers; pool : the means; regression : does it need trials of different sizes, and enough of them?"""

    words: str
    pool: Pooling
    regression: bool = False


def _intercepts(found: Refits) -> np.ndarray:
    return np.array([getattr(found, name)[:, 0] for name in NUMBERS])


def pool_plainly(data: Sequence[Effects], spec: Spec) -> Pooled:
    """The pooled means as they are."""
    found = fit_many(data, spec)
    return Pooled(_intercepts(found), found.ok, found.theta)


def pool_pet_peese(data: Sequence[Effects], spec: Spec) -> Pooled:
    """The intercept of y = b0 + b1 x (PET), or of y = b0 + b1 x^2 (PEESE) where PET's has one-sided p < .05 in the direction
    of the plain mean; x = sqrt(1/nT + 1/nC), because the standard error of a g depends on the g.

    Source: Stanley & Doucouliagos (2014), Res Synth Methods 5:60; the predictor: Pustejovsky & Rodgers (2019), Res
    Synth Methods 10:57.
    """
    plain = fit_many(data, spec)
    pet, peese = (fit_many(data, spec, designs=[_line(e, power) for e in data]) for power in (1, 2))
    sign = np.where(plain.estimate[:, 0] >= 0, 1.0, -1.0)
    with np.errstate(invalid="ignore"):
        effective = t_sf(sign * pet.statistic[:, 0], pet.df[:, 0]) < ALPHA
    numbers = np.where(effective, _intercepts(peese), _intercepts(pet))
    return Pooled(numbers, plain.ok & pet.ok & peese.ok, plain.theta)


def _line(effects: Effects, power: int) -> Design:
    column = effects[PREDICTOR] ** power
    return Design(np.column_stack([np.ones(effects.k), column]), ("intercept", "size"))


ADJUSTMENTS: Mapping[str, Adjustment] = {
    "none": Adjustment("none", pool_plainly),
    "pet-peese": Adjustment("PET-PEESE", pool_pet_peese, regression=True),
}


def refusal(effects: Effects, adjustment: str, fewest: int) -> str:
    """Why an adjustment is not made of a set; "" if it may be. fewest : trials that it needs."""
    if not ADJUSTMENTS[adjustment].regression:
        return ""
    if effects.n_studies < fewest:
        words = plural(effects.n_studies, "trial")
        return f"Not adjusted for small-study effects: {words} with known arm sizes, and {fewest} are needed."
    if np.ptp(effects[PREDICTOR]) < 1e-12:
        return "Not adjusted for small-study effects: all trials have the same size."
    return ""


def with_predictor(effects: Effects) -> Effects:
    """Bare effects with the predictor alone; NaN where an arm's size is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        arms = np.sqrt(1 / effects["n_treatment"] + 1 / effects["n_control"])
    return replace(effects, columns={PREDICTOR: arms}, dropped=(), notes=())


def known_sizes(effects: Effects) -> Effects:
    """The effects whose predictor is known."""
    known = np.isfinite(effects[PREDICTOR])
    return effects if known.all() else effects.take(known)


def average_predictor(averages: Effects, effects: Effects) -> Effects:
    """Trial averages with the mean predictor of the trial's effects."""
    means = [float(np.mean(effects[PREDICTOR][effects.study == study])) for study in averages.study]
    return replace(averages, columns={PREDICTOR: np.array(means)})
