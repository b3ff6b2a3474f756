"""Equal effects of event counts by Mantel-Haenszel and Peto: counts -> Fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..base.distributions import chi2_sf, normal_isf, t_two_sided
from ..base.errors import InputError
from ..base.linalg import numbers
from ..base.options import choose, confidence_level
from ..likelihood.stratified import (
    Rates,
    Tables,
    association,
    breslow_day,
    odds_ratio,
    peto,
    rate_difference,
    rate_ratio,
    risk_difference,
    risk_ratio,
)
from ..records import (
    Coefficients,
    Components,
    Design,
    Effects,
    Fit,
    FitStatistics,
    Heterogeneity,
    Optimum,
    Spec,
    TestResult,
)

OF_TABLES: dict[str, Callable[[Tables], tuple[float, float]]] = {
    "OR": odds_ratio,
    "RR": risk_ratio,
    "RD": risk_difference,
}
OF_RATES: dict[str, Callable[[Rates], tuple[float, float]]] = {"IRR": rate_ratio, "IRD": rate_difference}
STRATIFIED_MEASURES = (*OF_TABLES, *OF_RATES)


def mantel_haenszel(
    counts: Sequence[np.ndarray],
    *,
    measure: str = "OR",
    study: np.ndarray | None = None,
    correct: bool = True,
    level: float = 0.95,
) -> Fit:
    """Common effect of k strata with Mantel-Haenszel weights.

    Parameters
    ----------
    counts : (a, b, c, d), each (k,), for OR, RR and RD: treated with and without the event, control with and
        without; (x1, t1, x2, t2), events and person-time, for IRR and IRD. Rows with NaN are left out.
    study : (k,) labels; correct : continuity correction of the association test.

    Returns
    -------
    Fit on the log scale (OR, RR, IRR) or as a difference, `tests` with ``"MH"`` and for OR ``"Breslow-Day"``
    and ``"Tarone"``. Heterogeneity and log-likelihood are of the studies' own effects (half added to all cells
    of tables with an empty one; studies without any event left out) about the common effect.

    Raises
    ------
    InputError ``counts`` for negative counts or unequal lengths, ``no-events`` if nothing can be estimated.
    """
    choose(measure, STRATIFIED_MEASURES, what="Measure")
    columns, labels = _checked(counts, study)
    if measure in OF_TABLES:
        tables = Tables(*columns)
        estimate, variance = _informative(OF_TABLES[measure](tables))
        effects = _table_effects(tables, labels, measure)
        tests = {"MH": _chi2("Mantel-Haenszel", association(tables, correct=correct), 1)}
        if measure == "OR":
            chi2, corrected, used = breslow_day(tables, estimate)
            tests["Breslow-Day"] = _chi2("Breslow-Day", chi2, used - 1)
            tests["Tarone"] = _chi2("Tarone", corrected, used - 1)
    else:
        rates = Rates(*columns)
        estimate, variance = _informative(OF_RATES[measure](rates))
        effects = _rate_effects(rates, labels, measure)
        tests = {"MH": _chi2("Mantel-Haenszel", association(rates, correct=correct), 1)}
    return _fit(effects, (estimate, variance), tests=tests, level=level, method="Mantel-Haenszel, normal")


def peto_odds_ratio(
    counts: Sequence[np.ndarray], *, study: np.ndarray | None = None, level: float = 0.95
) -> Fit:
    """Peto's common log odds ratio; arguments, result and errors as `mantel_haenszel`.

    Good for rare events, balanced arms and small effects only (Greenland & Salvan 1990, Stat Med 9:247).
    """
    columns, labels = _checked(counts, study)
    tables = Tables(*columns)
    used = tables.variance > 0
    v = 1 / tables.variance[used]
    effects = Effects(tables.excess[used] * v, v, labels[used], measure="PETO")
    return _fit(effects, _informative(peto(tables)), tests={}, level=level, method="Peto, normal")


def _informative(common: tuple[float, float]) -> tuple[float, float]:
    if not np.isfinite(common[0]) or not common[1] > 0:
        raise InputError(
            "No stratum carries information: there are no events in one of the groups.", code="no-events"
        )
    return common


def _checked(counts: Sequence[np.ndarray], study: np.ndarray | None) -> tuple[list[np.ndarray], np.ndarray]:
    columns = [numbers(column, "counts") for column in counts]
    if len(columns) != 4 or len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        raise InputError("Four columns of counts of equal length are needed.", code="counts")
    labels = (
        np.array([str(i + 1) for i in range(len(columns[0]))], dtype=object)
        if study is None
        else np.asarray(study, dtype=object)
    )
    table = np.array(columns)
    if (table < 0).any() or np.isinf(table).any():
        row = int(np.nonzero(((table < 0) | np.isinf(table)).any(axis=0))[0][0])
        raise InputError(f"Study {labels[row]} has counts {table[:, row].tolist()}.", code="counts")
    used = ~np.isnan(table).any(axis=0) & (table[0] + table[1] > 0) & (table[2] + table[3] > 0)
    if not used.any():
        raise InputError(
            "No stratum carries information: there are no events or no people.", code="no-events"
        )
    return [column[used] for column in columns], labels[used]


def _table_effects(t: Tables, labels: np.ndarray, measure: str) -> Effects:
    """Each table's own effect; tables without any event, or with events only, carry none."""
    used = (t.a + t.c > 0) & (t.b + t.d > 0)
    cells = np.array([t.a, t.b, t.c, t.d])[:, used]
    a, b, c, d = cells + 0.5 * (cells == 0).any(axis=0)
    n1, n2 = a + b, c + d
    if measure == "OR":
        y, v = np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
    elif measure == "RR":
        y, v = np.log(a * n2 / (c * n1)), 1 / a - 1 / n1 + 1 / c - 1 / n2
    else:
        y, v = a / n1 - c / n2, a * b / n1**3 + c * d / n2**3
    return Effects(y, v, labels[used], measure=measure)


def _rate_effects(r: Rates, labels: np.ndarray, measure: str) -> Effects:
    used = r.x1 + r.x2 > 0
    x1, x2 = np.array([r.x1, r.x2])[:, used] + 0.5 * ((r.x1 == 0) | (r.x2 == 0))[used]
    t1, t2 = r.t1[used], r.t2[used]
    if measure == "IRR":
        return Effects(np.log(x1 * t2 / (x2 * t1)), 1 / x1 + 1 / x2, labels[used], measure=measure)
    return Effects(x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2, labels[used], measure=measure)


def _chi2(name: str, statistic: float, df: int) -> TestResult:
    return TestResult(
        name, statistic, df, float("inf"), float(chi2_sf(statistic, df)) if df > 0 else float("nan")
    )


def _fit(
    effects: Effects, common: tuple[float, float], *, tests: dict[str, TestResult], level: float, method: str
) -> Fit:
    estimate, variance = common
    se, k = np.sqrt(variance), effects.k
    half = float(normal_isf((1 - confidence_level(level)) / 2)) * se
    z = estimate / se
    one = np.ones(1)
    coefficients = Coefficients(
        names=("intercept",),
        estimate=estimate * one,
        se=se * one,
        statistic=z * one,
        df=np.inf * one,
        p_value=t_two_sided(z, np.inf) * one,
        ci_low=(estimate - half) * one,
        ci_high=(estimate + half) * one,
        covariance=variance * np.ones((1, 1)),
        level=level,
        method=method,
        root=se * np.ones((1, 1)),
    )
    q = float(((effects.y - estimate) ** 2 / effects.v).sum())
    saturated = float(-0.5 * np.log(2 * np.pi * effects.v).sum())
    return Fit(
        spec=Spec.equal_effects(level=level),
        effects=effects,
        design=Design.intercept(k),
        coefficients=coefficients,
        components=Components((), np.empty(0)),
        heterogeneity=_heterogeneity(q, k - 1),
        loglik=saturated - q / 2,
        optimum=Optimum("closed-form"),
        statistics={"ML": FitStatistics(saturated - q / 2, q, 1, k)},
        tests=tests,
    )


def _heterogeneity(q: float, df: int) -> Heterogeneity:
    nan = float("nan")
    if df <= 0:
        return Heterogeneity(q, max(df, 0), nan, nan, nan)
    return Heterogeneity(q, df, float(chi2_sf(q, df)), max(0.0, 100 * (q - df) / q) if q > 0 else 0.0, q / df)
