"""Corrections of a pooled mean for small-study effects, as alternatives of a multiverse: a table of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.distributions import t_sf
from ..base.errors import InputError
from ..base.format import plural
from ..diagnostics.selection.model import selection_model
from ..diagnostics.small_study import trim_and_fill
from ..models import fit, fit_many
from ..records import Coefficients, Design, Effects, Intercept, Refits, Spec

PREDICTOR = "arms"  # column of the effects: sqrt(1/nT + 1/nC)
NUMBERS = ("estimate", "se", "df", "p_value", "ci_low", "ci_high")
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Pooled:
    """Means of F sets under one spec: numbers (6, F) in the order of `NUMBERS`, ok (F,); theta : (F, q) variances of the plain model.
    reason : (F,) why there is none, where that is known."""

    numbers: np.ndarray
    ok: np.ndarray
    theta: np.ndarray
    reason: tuple[str, ...] = ()


Pooling = Callable[[Sequence[Effects], Spec], Pooled]


@dataclass(frozen=True)
class Adjustment:
    """words : for readers; pool : the means; careful : does it need enough trials? regression : and of different sizes?
    own_model : is it the same whatever the estimator of the heterogeneity and the covariance within trials?"""

    words: str
    pool: Pooling
    careful: bool = False
    regression: bool = False
    own_model: bool = False


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


def _coefficients(found: Sequence[Coefficients | str], q: int) -> Pooled:
    """Means that were made one by one; a text is why there is none. q : variances of the model, which these means do not have."""
    numbers = np.full((len(NUMBERS), len(found)), np.nan)
    for i, c in enumerate(found):
        if not isinstance(c, str):
            numbers[:, i] = [getattr(c, name)[0] for name in NUMBERS]
    reason = tuple(c if isinstance(c, str) else "" for c in found)
    ok = np.array([not r for r in reason], dtype=bool)
    return Pooled(numbers, ok, np.full((len(found), q), np.nan), reason)


def pool_trim_and_fill(data: Sequence[Effects], spec: Spec) -> Pooled:
    """The mean with the trials that a symmetric funnel would also hold (Duval & Tweedie's L0), of one effect per trial."""

    def filled(effects: Effects) -> Coefficients | str:
        try:
            return trim_and_fill(fit(effects, spec)).filled.coefficients
        except InputError as refused:
            return f"No trim and fill: {refused.message}"

    return _coefficients([filled(e) for e in data], len(spec.terms))


def pool_selection_model(data: Sequence[Effects], spec: Spec) -> Pooled:
    """The mean of a model of selective publication with one step at one-sided p = .025 in the direction of benefit (3PSM).

    Its heterogeneity is estimated by its own likelihood (none in an equal-effects specification), its limits are normal ones,
    cluster-robust where trials have several effects: the estimator and the test of the specification play no part.
    """
    plain = Spec(
        () if spec.method == "EE" else (Intercept(("row",)),), "EE" if spec.method == "EE" else "ML", "z"
    )
    plain = replace(plain, level=spec.level)

    def selected(effects: Effects) -> Coefficients | str:
        try:
            return selection_model(fit(effects, plain)).coefficients
        except InputError as refused:
            return f"No selection model: {refused.message}"

    return _coefficients([selected(e) for e in data], len(spec.terms))


ADJUSTMENTS: Mapping[str, Adjustment] = {
    "none": Adjustment("none", pool_plainly),
    "pet-peese": Adjustment("PET-PEESE", pool_pet_peese, careful=True, regression=True),
    "trim-and-fill": Adjustment("trim and fill", pool_trim_and_fill, careful=True),
    "selection-model": Adjustment(
        "selection model (3PSM)", pool_selection_model, careful=True, own_model=True
    ),
}


def refusal(effects: Effects, adjustment: str, fewest: int) -> str:
    """Why an adjustment is not made of a set; "" if it may be. fewest : trials that it needs."""
    chosen = ADJUSTMENTS[adjustment]
    if not chosen.careful:
        return ""
    if effects.n_studies < fewest:
        words = plural(effects.n_studies, "trial") + (" with known arm sizes" if chosen.regression else "")
        return f"Not adjusted for small-study effects: {words}, and {fewest} are needed."
    if adjustment == "trim-and-fill" and effects.n_studies < effects.k:
        return "Trim and fill needs one effect of each trial: a model of trial averages."
    if chosen.regression and np.ptp(effects[PREDICTOR]) < 1e-12:
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
