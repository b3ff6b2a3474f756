"""Averages that lean on the precise studies: UWLS and WAAP-WLS."""

from __future__ import annotations

import numpy as np

from ...base.distributions import normal_isf, t_isf, t_two_sided
from ...base.errors import InputError
from ...records import Effects, Fit, Note
from ...records.small_study import PreciseAverage
from .studies import question_of

ADEQUATE = 0.8  # power that makes a study adequate


def uwls(data: Fit | Effects, *, level: float = 0.95) -> PreciseAverage:
    """Unrestricted weighted least squares: m = sum(w y) / sum(w), w = 1/v, SE = sqrt(Q / (k - 1) / sum(w)), t with k - 1.

    Raises
    ------
    InputError ``dependent-effects``, ``too-few-studies`` (fewer than two).

    Source: Stanley & Doucouliagos (2015), Stat Med 34:2116.
    """
    return _average(data, level, adequate_only=False)


def waap_wls(data: Fit | Effects, *, level: float = 0.95) -> PreciseAverage:
    """UWLS of the adequately powered studies (WAAP), or of all where fewer than two are.

    A study is adequate if its power to detect the UWLS estimate is at least 80%: SE <= |UWLS| / 2.8. Fewer than two:
    the estimate is UWLS, and a note says so.

    Raises
    ------
    InputError ``dependent-effects``, ``too-few-studies`` (fewer than two).

    Source: Ioannidis, Stanley & Doucouliagos (2017), Econ J 127:F236; Stanley & Doucouliagos (2017), RSM 8:19.
    """
    return _average(data, level, adequate_only=True)


def _average(data: Fit | Effects, level: float, *, adequate_only: bool) -> PreciseAverage:
    question = question_of(data)
    question.independent("The average")
    y, v = question.effects.y, question.effects.v
    k = len(y)
    if k < 2:
        raise InputError("One study has no dispersion.", code="too-few-studies")
    rows = np.arange(k)
    mean, se, dispersion = _weighted(y, v)
    # 1.96 + 0.84 = 2.80 standard errors
    threshold = abs(mean) / float(normal_isf(0.025) + normal_isf(1 - ADEQUATE))
    adequate = np.flatnonzero(np.sqrt(v) <= threshold)
    notes: tuple[Note, ...] = ()
    method = "UWLS"
    if adequate_only and len(adequate) >= 2:
        method, rows = "WAAP", adequate
        mean, se, dispersion = _weighted(y[rows], v[rows])
    elif adequate_only:
        text = f"{len(adequate)} of {k} studies have 80% power for {mean:.3g}, and two are needed: all are averaged."
        notes = (Note("too-few-adequate", "info", text),)
    df = float(len(rows) - 1)
    half = float(t_isf((1 - level) / 2, df)) * se
    return PreciseAverage(
        method="WAAP" if method == "WAAP" else "UWLS",
        estimate=mean,
        se=se,
        df=df,
        p_value=float(t_two_sided(mean / se, df)) if se > 0 else float("nan"),
        ci_low=mean - half,
        ci_high=mean + half,
        dispersion=dispersion,
        k=k,
        rows=rows,
        threshold=threshold,
        n_adequate=len(adequate),
        level=level,
        notes=notes,
    )


def _weighted(y: np.ndarray, v: np.ndarray) -> tuple[float, float, float]:
    """Mean, standard error and dispersion."""
    w = 1 / v
    shift = y[np.argmin(v)]
    mean = float(shift + (w * (y - shift)).sum() / w.sum())
    dispersion = float(np.sqrt((w * (y - mean) ** 2).sum() / (len(y) - 1)))
    return mean, dispersion / float(np.sqrt(w.sum())), dispersion
