"""The effect of a study without sampling error, read off a regression: PET, PEESE and the conditional rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from ...base.distributions import t_sf
from ...base.errors import InputError
from ...base.options import choose
from ...models import fit
from ...records import Design, Effects, Fit, Interval, Spec
from ...records.small_study import AdjustedLine, Direction, PetPeese
from .asymmetry import permitted
from .batch import predictor_values
from .registry import DEPENDENT, MODEL_WORDS, spec_of
from .studies import Question, question_of, studies_of

POWERS = {"PET": 1, "PEESE": 2}


def pet_peese(
    data: Fit | Effects,
    *,
    model: str = "auto",
    predictor: Literal["se", "arms"] = "se",
    direction: Direction | Literal["auto"] = "auto",
    alpha: float = 0.05,
    level: float = 0.95,
    force: bool = False,
) -> PetPeese:
    """PET: y = b0 + b1 SE; PEESE: y = b0 + b1 SE^2; b0 is the effect adjusted for small-study effects.

    PEESE is taken where PET's b0 has one-sided p < `alpha` in the direction of the effect, else PET: PET is biased
    towards zero if there is an effect, PEESE away from it if there is none.

    Parameters
    ----------
    model : ``"wls"``, ``"equal"``, ``"additive"``, ``"sandwich"``, ``"multilevel"`` or ``"che"``; ``"auto"``: weighted least
        squares, or for dependent effects the model of the fit (CHE with CR2 where there is none).
    predictor : ``"se"``, or ``"arms"`` = sqrt(1/n1 + 1/n2) for standardised mean differences, whose SE depends on them.
    direction : of an expected effect; ``"auto"`` = the sign of the pooled effect.

    Raises
    ------
    InputError as `asymmetry_test` does, ``moderators`` for a fit with moderators.

    Source: Stanley & Doucouliagos (2014), Res Synth Methods 5:60; arm sizes: Pustejovsky & Rodgers (2019).
    """
    question = _plain(question_of(data))
    spec, words = _model(question, model, level)
    choose(predictor, ("se", "arms"), what="Predictor")
    studies = studies_of(question.effects)
    x = predictor_values(predictor, studies, (studies.y, studies.v))[0]
    keep = np.isfinite(x)
    question, x = question.take(keep), x[keep]
    notes = permitted(question, float(x.max() / x.min()), force=force)
    mean = fit(question.effects, spec, design=question.design).coefficients
    pooled = Interval(float(mean.estimate[0]), float(mean.ci_low[0]), float(mean.ci_high[0]))
    if direction == "auto":
        direction = "positive" if pooled.estimate >= 0 else "negative"
    sign = 1.0 if choose(direction, ("positive", "negative"), what="Direction") == "positive" else -1.0
    lines = {name: _line(question, spec, x, name=name, sign=sign) for name in POWERS}
    return PetPeese(
        pet=lines["PET"],
        peese=lines["PEESE"],
        chosen="PEESE" if lines["PET"].p_one_sided < alpha else "PET",
        unadjusted=pooled,
        direction="positive" if sign > 0 else "negative",
        alpha=alpha,
        predictor=predictor,
        model=words,
        effects=question.effects,
        level=level,
        notes=notes,
    )


def _plain(question: Question) -> Question:
    matrix = question.design.matrix
    if matrix.shape[1] > 1 or not (matrix == 1).all():
        raise InputError(
            "The adjusted effect is that of a pooled mean; this fit has moderators.",
            code="moderators",
            advice="Use asymmetry_test, which keeps them, or fit a pooled mean.",
        )
    return question


def _model(question: Question, model: str, level: float) -> tuple[Spec, str]:
    """The spec of the regressions and what it is in words."""
    if model == "auto":
        if question.dependent and question.spec is not None:
            words = f"the model of the fit ({question.spec.method}, {question.spec.test})"
            return replace(question.spec, level=level), words
        model = "che" if question.dependent else "wls"
    if choose(model, MODEL_WORDS, what="Model") not in DEPENDENT:
        question.independent(f'PET-PEESE with model "{model}"')
    return spec_of(model, method="REML", reference="knapp-hartung", level=level), MODEL_WORDS[model]


def _line(question: Question, spec: Spec, x: np.ndarray, *, name: str, sign: float) -> AdjustedLine:
    column = x ** POWERS[name]
    design = Design(np.column_stack([np.ones(len(x)), column]), ("intercept", name), f"1 + {name}")
    c = fit(question.effects, spec, design=design).coefficients
    return AdjustedLine(
        name=name,
        estimate=float(c.estimate[0]),
        se=float(c.se[0]),
        df=float(c.df[0]),
        ci_low=float(c.ci_low[0]),
        ci_high=float(c.ci_high[0]),
        p_value=float(c.p_value[0]),
        p_one_sided=float(t_sf(sign * c.statistic[0], c.df[0])),
        slope=float(c.estimate[1]),
        slope_se=float(c.se[1]),
        slope_p=float(c.p_value[1]),
    )
