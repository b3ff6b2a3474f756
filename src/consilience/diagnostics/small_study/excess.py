"""More significant studies than their power allows: tests of excess significance, and the power of each study."""

from __future__ import annotations

from math import nan

import numpy as np

from ...base.distributions import normal_cdf, normal_isf, normal_sf
from ...base.errors import InputError
from ...likelihood.batch import fit_batch
from ...records import Effects, Fit
from ...records.small_study import ExcessSignificance, StudyPower
from .studies import Question, question_of

CONTOURS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of power, for the figure


def excess_significance(
    data: Fit | Effects, *, effect: float | None = None, tau2: float | None = None, alpha: float = 0.05
) -> ExcessSignificance:
    """Compare the observed number O of significant studies with the expected one, E = sum of their powers.

    Power of study i: P(|Y| > z SE_i), Y ~ N(effect, v_i + tau^2). Tests, one-sided: chi-squared with 1 df,
    (O - E)^2/E + (O - E)^2/(k - E), signed; binomial with p = E/k; exact, the sum of independent events with these
    powers. PSST: z = (O/k - E/k) / sqrt{E/k (1 - E/k) / k}; TESS: z = {(O - E)/k - alpha} / sqrt{alpha (1 - alpha) / k}.

    Parameters
    ----------
    effect, tau2 : true effect and its variance; None = the fit's pooled effect and tau^2, for effects the equal-effects mean and 0.

    Raises
    ------
    InputError ``dependent-effects``; ``moderators`` for a fit with moderators and no `effect`.

    Source: Ioannidis & Trikalinos (2007), Clin Trials 4:245; PSST and TESS: Stanley, Doucouliagos, Ioannidis & Carter
    (2021), Res Synth Methods 12:776.
    """
    question = question_of(data)
    question.independent("A test of excess significance")
    mean, between = _truth(question, data, effect, tau2)
    power = power_of(question.effects.v, mean, between, alpha=alpha)
    significant = is_significant(question.effects, alpha)
    observed, expected, k = int(significant.sum()), float(power.sum()), len(power)
    spread = expected * (k - expected) / k  # nothing varies where every power is 1
    chi2 = (observed - expected) ** 2 / spread if spread > 0 else nan
    share = expected / k
    psst = (observed - expected) / k / np.sqrt(share * (1 - share) / k) if spread > 0 else nan
    tess = ((observed - expected) / k - alpha) / np.sqrt(alpha * (1 - alpha) / k)
    return ExcessSignificance(
        observed=observed,
        expected=expected,
        k=k,
        effect=mean,
        tau2=between,
        alpha=alpha,
        power=power,
        chi2=chi2,
        p_chi2=float(normal_sf(np.sign(observed - expected) * np.sqrt(chi2))),
        p_binomial=at_least(observed, np.full(k, share)),
        p_exact=at_least(observed, power),
        psst_z=float(psst),
        psst_p=float(normal_sf(psst)),
        tess_z=float(tess),
        tess_p=float(normal_sf(tess)),
    )


def study_power(data: Fit | Effects, *, effect: float | None = None, alpha: float = 0.05) -> StudyPower:
    """Power of every study to detect the pooled effect (or a given one), their median, and the replicability index.

    R-index = 2 median power - share of significant studies. Power is that of a two-sided z test at `alpha` for one
    common effect: for a fit its pooled effect, for effects the equal-effects mean.

    Raises
    ------
    InputError ``dependent-effects``; ``moderators`` for a fit with moderators and no `effect`.

    Source: Kossmeier, Tran & Voracek (2020), Z Psychol 228:43; R-index: Schimmack (2016).
    """
    question = question_of(data)
    question.independent("The power of studies")
    mean, _ = _truth(question, data, effect, 0.0)
    v = question.effects.v
    power = power_of(v, mean, 0.0, alpha=alpha)
    significant = is_significant(question.effects, alpha)
    median = float(np.median(power))
    return StudyPower(
        effects=question.effects,
        effect=mean,
        alpha=alpha,
        power=power,
        significant=significant,
        median=median,
        r_index=min(1.0, max(0.0, 2 * median - float(significant.mean()))),
        effect_33=_effect_for(v, 0.33, alpha),
        effect_66=_effect_for(v, 0.66, alpha),
        expected=float(power.sum()),
        excess_p=at_least(int(significant.sum()), power),
        contours=tuple((p, _se_with(p, mean, alpha)) for p in CONTOURS) if mean else (),
        z=float(normal_isf(alpha / 2)),
    )


def _truth(
    question: Question, data: Fit | Effects, effect: float | None, tau2: float | None
) -> tuple[float, float]:
    effects = question.effects
    if isinstance(data, Fit):
        if effect is None and data.design.matrix.shape[1] > 1:
            raise InputError(
                "A fit with moderators has no one pooled effect; give `effect`.", code="moderators"
            )
        mean = float(data.coefficients.estimate[0]) if effect is None else effect
        return mean, data.components.total if tau2 is None else tau2
    if effect is None:
        effect = float(fit_batch(effects.y, effects.v, method="EE").coefficients[0, 0])
    return effect, 0.0 if tau2 is None else tau2


def power_of(v: np.ndarray, effect: float, tau2: float, *, alpha: float) -> np.ndarray:
    """Probability that each study is significant (two-sided z test) if its estimate is N(effect, v + tau^2)."""
    edge, spread = float(normal_isf(alpha / 2)) * np.sqrt(v), np.sqrt(v + tau2)
    return np.asarray(normal_sf((edge - effect) / spread) + normal_cdf((-edge - effect) / spread))


def is_significant(effects: Effects, alpha: float) -> np.ndarray:
    """(k,) two-sided p of each effect at most `alpha`."""
    return np.asarray(2 * normal_sf(np.abs(effects.y) / np.sqrt(effects.v)) <= alpha)


def at_least(count: int, chances: np.ndarray) -> float:
    """P(at least `count` of independent events happen) with chances (k,)."""
    found = np.ones(1)
    for p in chances:
        found = np.convolve(found, (1 - p, p))
    return float(min(1.0, found[count:].sum()))


def _se_with(wanted: float, effect: float, alpha: float) -> float:
    """The standard error at which the power for `effect` is `wanted`, by bisection on its logarithm."""
    low, high = -8.0, 8.0  # of log(|effect| / se)
    for _ in range(80):
        middle = (low + high) / 2
        unit = power_of(np.ones(1), float(np.exp(middle)), 0.0, alpha=alpha)
        low, high = (middle, high) if float(unit[0]) < wanted else (low, middle)
    return abs(effect) / float(np.exp((low + high) / 2))


def _effect_for(v: np.ndarray, wanted: float, alpha: float) -> float:
    """The positive true effect for which the median power is `wanted`, by bisection."""
    low, high = 0.0, 20 * float(np.sqrt(v.max()))
    for _ in range(80):
        middle = (low + high) / 2
        if float(np.median(power_of(v, middle, 0.0, alpha=alpha))) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
