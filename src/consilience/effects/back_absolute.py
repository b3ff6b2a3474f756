"""Effects in words that readers know: percent, risks at a baseline risk, numbers needed to treat, raw units.

Every function is monotone in the effect, so the limits of an interval go through it like the estimate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.distributions import normal_cdf, normal_ppf
from .arrays import floats, only
from .back_scales import _expit


def percent_change(log_ratio: Any) -> np.ndarray:
    """100 {exp(log ratio) - 1}: -20 means a fifth less."""
    (log_ratio,) = floats(log_ratio)
    with np.errstate(over="ignore"):
        return np.asarray(100 * np.expm1(log_ratio))


def percent_change_from_g(g: Any, log_sd: Any, *, sign: Any = 1.0) -> np.ndarray:
    """Standardised difference of a log-normal marker to percent: 100 {exp(sign g S) - 1}.

    Parameters
    ----------
    g : (n,) positive = benefit. log_sd : S, the marker's SD of natural logs at baseline.
    sign : +1 if benefit means more of the marker, -1 if it means less.

    Source: the definition of g on the log scale; state which log SD was used.
    """
    g, log_sd, sign = floats(g, log_sd, sign)
    return percent_change(only((log_sd > 0) & (np.abs(sign) == 1), sign * g * log_sd))


def risk_from_odds_ratio(log_or: Any, baseline: Any) -> np.ndarray:
    """Risk in the treated group at a baseline risk: expit{logit(p0) + ln OR}.

    Source: Cochrane Handbook (2024), section 15.4.4.4.
    """
    log_or, baseline = floats(log_or, baseline)
    p0 = only((baseline > 0) & (baseline < 1), baseline)
    return _expit(np.log(p0) - np.log1p(-p0) + log_or)


def risk_from_risk_ratio(log_rr: Any, baseline: Any) -> np.ndarray:
    """Risk in the treated group: p0 RR; NaN where it would exceed 1. Source: Cochrane Handbook, section 15.4.4.3."""
    log_rr, baseline = floats(log_rr, baseline)
    with np.errstate(over="ignore"):
        risk = only((baseline > 0) & (baseline < 1), baseline) * np.exp(log_rr)
    return only(risk <= 1, risk)


def risk_from_d(d: Any, baseline: Any) -> np.ndarray:
    """Response rate in the treated group: Phi{Phi^-1(p0) + d}, p0 the response rate of controls.

    Source: Furukawa & Leucht (2011), PLoS ONE 6:e19070, method of Furukawa.
    """
    d, baseline = floats(d, baseline)
    p0 = only((baseline > 0) & (baseline < 1), baseline)
    return np.asarray(normal_cdf(np.asarray(normal_ppf(p0)) + d))


def number_needed(risk: Any, baseline: Any) -> np.ndarray:
    """1/(risk - baseline): people to treat for one more (negative: one fewer) event; inf for equal risks.

    An interval of the difference that covers 0 gives limits of both signs: read it as from the one, through
    infinity, to the other.

    Source: Altman (1998), BMJ 317:1309.
    """
    risk, baseline = floats(risk, baseline)
    difference = risk - baseline
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(difference == 0, np.inf, 1 / difference))


def number_needed_from_d(d: Any, baseline: Any) -> np.ndarray:
    """d to the number needed to treat at a control response rate: 1/[Phi{Phi^-1(p0) + d} - p0].

    d = .5 at p0 = .2 gives 6.0. Source: Furukawa & Leucht (2011), PLoS ONE 6:e19070.
    """
    return number_needed(risk_from_d(d, baseline), baseline)


def number_needed_kraemer(d: Any) -> np.ndarray:
    """d to the number needed to treat without a baseline rate: 1/{2 Phi(d/sqrt 2) - 1}.

    The inverse of Cliff's delta; smaller than at most baseline rates, so prefer `number_needed_from_d`.

    Source: Kraemer & Kupfer (2006), Biol Psychiatry 59:990.
    """
    (d,) = floats(d)
    return number_needed(np.asarray(normal_cdf(d / np.sqrt(2))) * 2 - 1, np.zeros_like(d))


def risk_difference_at(log_or: Any, baseline: Any) -> np.ndarray:
    """ln OR to the risk difference at a baseline risk."""
    return np.asarray(risk_from_odds_ratio(log_or, baseline) - np.asarray(baseline, dtype=float))


def risk_ratio_at(log_or: Any, baseline: Any) -> np.ndarray:
    """ln OR to the risk ratio at a baseline risk. Source: Grant (2014), BMJ 348:f7450."""
    return np.asarray(risk_from_odds_ratio(log_or, baseline) / np.asarray(baseline, dtype=float))


def raw_units(g: Any, sd: Any) -> np.ndarray:
    """Standardised difference to the units of a named instrument: g times its SD in a named population.

    Source: Cochrane Handbook (2024), section 15.5.3.2.
    """
    g, sd = floats(g, sd)
    return only(sd > 0, g * sd)


def success_rates(d: Any) -> tuple[np.ndarray, np.ndarray]:
    """Binomial effect size display: success rates (1 + r)/2 and (1 - r)/2, r = d/sqrt(d^2 + 4).

    Source: Rosenthal & Rubin (1982), J Educ Psychol 74:166.
    """
    (d,) = floats(d)
    half_r = d / np.sqrt(d**2 + 4) / 2
    return 0.5 + half_r, 0.5 - half_r
